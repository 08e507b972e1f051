"""Converted graphs compute what they did, in fewer bits."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import pytest
from numpy.typing import NDArray

from inflare.models.catalog import Catalog
from inflare.models.checkpoint import build, checkpoint_card, local_source
from inflare.models.precision import takes_sizes, to_fp16, to_int8
from inflare.models.samples import scenes

from . import small_checkpoints
from .networks import Network
from .small_checkpoints import Checkpoint

_engine = cast(Any, _untyped_engine)
SQUARE = {"size": {"height": 64, "width": 64}, "do_normalize": False}
EDGES = {"size": {"shortest_edge": 64, "longest_edge": 96}}


def built(folder: Path, made: Checkpoint, preprocessor: dict[str, Any]) -> bytes:
    made.save(folder, preprocessor)
    card = checkpoint_card("@local/x", folder, local_source(folder), author="x", today=date(2026, 11, 21))
    return build(folder, card)


@pytest.fixture(scope="module")
def detr(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return built(tmp_path_factory.mktemp("detr"), small_checkpoints.detr(), EDGES)


@pytest.fixture(scope="module")
def rtdetr(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return built(tmp_path_factory.mktemp("rtdetr"), small_checkpoints.rtdetr(bottleneck=True), SQUARE)


def feeds(count: int = 3, *, sizes: bool) -> list[dict[str, NDArray[Any]]]:
    rng = np.random.default_rng(7)
    made = [{"images": rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)} for _ in range(count)]
    return [each | {"sizes": np.array([[64, 64]])} for each in made] if sizes else cast(Any, made)


def run(model: bytes, feed: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    settings = _engine.SessionOptions()
    settings.log_severity_level = 3
    session = _engine.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def operators(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(model).graph.node)


def test_fp16_stays_near_fp32(detr: bytes) -> None:
    feed = feeds(1, sizes=True)[0]
    before, after = run(detr, feed), run(to_fp16(detr), feed)
    assert all(np.abs(before[name] - after[name]).max() < 0.02 for name in before)


def test_fp16_writes_every_tensor_once(detr: bytes) -> None:
    names = [name for node in onnx.load_from_string(to_fp16(detr)).graph.node for name in node.output]
    assert len(names) == len(set(names))


def test_fp16_halves_the_file_and_keeps_its_ends(rtdetr: bytes) -> None:
    half = to_fp16(rtdetr)
    outputs = run(half, feeds(1, sizes=False)[0])
    assert len(half) < 0.85 * len(rtdetr)
    assert {str(values.dtype) for values in outputs.values()} == {"float32"}


def test_the_contract_stays_in_the_metadata(rtdetr: bytes) -> None:
    for converted in (to_fp16(rtdetr), to_int8(rtdetr, feeds(sizes=False))):
        properties = {entry.key: entry.value for entry in onnx.load_from_string(converted).metadata_props}
        assert properties == {"inflare.contract": "1"}


def test_int8_stays_near_fp32(detr: bytes) -> None:
    feed = feeds(1, sizes=True)[0]
    before, after = run(detr, feed), run(to_int8(detr, feeds(sizes=True)), feed)
    assert all(np.abs(before[name] - after[name]).max() < 0.2 for name in before)


def test_int8_has_its_convolutions_quantized(rtdetr: bytes) -> None:
    found = operators(to_int8(rtdetr, feeds(sizes=False), fidelity=0))
    assert found["QuantizeLinear"] > 20


def test_int8_weights_have_a_scale_for_each_channel(rtdetr: bytes) -> None:
    graph = onnx.load_from_string(to_int8(rtdetr, feeds(sizes=False), fidelity=0)).graph
    scales = [tensor for tensor in graph.initializer if "kernel" in tensor.name and tensor.name.endswith("_scale")]
    assert scales and all(tensor.dims for tensor in scales)


def test_what_eight_bits_hold_too_badly_stays_as_it_was(rtdetr: bytes) -> None:
    found = to_int8(rtdetr, feeds(sizes=False), fidelity=1e6)
    assert operators(found) == operators(rtdetr)


def test_an_old_graph_with_nameless_nodes_is_converted(tmp_path: Path) -> None:
    model = Network(opset=11).save(tmp_path / "old.onnx").read_bytes()
    pixels = {"pixel_values": np.zeros((1, 3, 8, 8), np.float32)}
    before, after = run(model, pixels), run(to_fp16(model), pixels)
    assert np.allclose(before["logits"], after["logits"], atol=1e-2)


def test_a_graph_tells_whether_it_takes_sizes(detr: bytes, rtdetr: bytes) -> None:
    assert (takes_sizes(detr), takes_sizes(rtdetr)) == (True, False)


def test_drawn_scenes_are_the_same_every_time() -> None:
    card = Catalog.builtin().find("PekingU/rtdetr_r50vd")
    assert card is not None
    first, again = scenes(card, 1), scenes(card, 1)
    assert first[0].pixels.shape == (640, 640, 3) and np.array_equal(first[0].pixels, again[0].pixels)
