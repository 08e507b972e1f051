"""The GPU benchmark's own arithmetic, and what it says where there is no GPU."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import graphs, parity
from benchmarks.gpu.ceilings import measure
from inflare.models.checkpoint import build, checkpoint_card, local_source
from inflare.models.graph import Graph
from inflare.models.precision import to_fp16
from inflare.runtime.inference.providers import loadable
from inflare.runtime.inference.sessions import SessionOptions, available_providers
from tests.models import small_checkpoints

CPU = SessionOptions(available_providers(("cpu",)), 1)
SQUARE = {"size": {"height": 64, "width": 64}, "do_normalize": False}


@pytest.fixture(scope="module")
def rtdetr(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    folder = small_checkpoints.rtdetr().save(tmp_path_factory.mktemp("checkpoint"), SQUARE)
    card = checkpoint_card("@local/x", folder, local_source(folder), author="x", today=date(2026, 11, 21))
    return onnx.load_from_string(build(folder, card))


def test_a_product_counts_twice_its_multiplications(tmp_path: Path) -> None:
    graph = Graph("net")
    images = graph.cast(graph.input("images", "uint8", ["batch", 4, 6, 3]), "float32")
    graph.output("logits", graph.matmul(images, graph.constant(np.ones((3, 5), np.float32))), [1, 4, 6, 5])
    assert graphs.flops(graph.model(), (4, 6), tmp_path) == 2 * 4 * 6 * 3 * 5


def test_a_probe_ends_where_the_choice_begins(rtdetr: onnx.ModelProto) -> None:
    assert [output.name for output in graphs.probed(rtdetr).graph.output] == ["probe"]


def test_a_device_agrees_with_itself_and_fp16_nearly(rtdetr: onnx.ModelProto, tmp_path: Path) -> None:
    probe = graphs.probed(rtdetr).SerializeToString()
    paths = {"fp32": tmp_path / "32.onnx", "fp16": tmp_path / "16.onnx"}
    paths["fp32"].write_bytes(probe)
    paths["fp16"].write_bytes(to_fp16(probe))
    built = graphs.Built("small", (64, 64), paths, paths, 1.0)
    exact, half = (parity.compare(built, precision, CPU, CPU)[0] for precision in ("fp32", "fp16"))
    assert exact.difference == 0 and half.difference > 0 and half.passed


def test_outputs_that_are_not_finite_fail() -> None:
    assert not parity.Parity("small", "fp16", "logits", math.inf).passed


def test_ceilings_are_measured_without_torch(tmp_path: Path) -> None:
    found = measure(CPU, tmp_path)
    assert found.by == "ONNX Runtime" and found.flops["fp32"] > 0 and found.copy > 0


@pytest.mark.skipif(loadable("libcuda.so.1"), reason="this machine has a GPU driver")
def test_without_a_gpu_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    output = capsys.readouterr().out
    assert output.startswith("No GPU to measure") and output.count("\n") == 1
