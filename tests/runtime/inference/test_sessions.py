"""Sessions: a graph in the served contract, run plainly and through device buffers (here the CPU's own memory)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.runtime.inference.providers import Choice
from inflare.runtime.inference.sessions import (
    OnnxSession,
    SessionError,
    SessionLost,
    SessionOptions,
    available_providers,
)
from inflare.runtime.inference.sessions import _error as error_of  # pyright: ignore[reportPrivateUsage]
from tests import spots

CPU = SessionOptions(Choice(("cpu",), "test"), threads=1)
GPU = SessionOptions(Choice(("cuda", "cpu"), "test"), threads=1, device=3, memory_limit=1 << 30, cuda_graphs=True)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "spots.onnx"
    path.write_bytes(spots.graph())
    return path


def batch(*levels: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = np.stack([np.full((spots.SIDE, spots.SIDE, 3), level, dtype=np.uint8) for level in levels])
    return images, np.full((len(levels), 2), spots.SIDE, dtype=np.int64)


def test_outputs_come_by_name_with_the_batch_first(graph: Path) -> None:
    outputs = OnnxSession(graph, CPU).run(*batch(0, 255))
    assert {name: value.shape for name, value in outputs.items()} == {"logits": (2, 3, 3), "boxes": (2, 3, 4)}
    assert outputs["logits"].dtype == np.float32


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_device_buffers_give_the_same_outputs_for_every_shape(graph: Path, cuda_graphs: bool) -> None:
    plain = OnnxSession(graph, CPU)
    bound = OnnxSession(graph, replace(CPU, bind=True, cuda_graphs=cuda_graphs))
    for levels in ((0,), (255,), (10, 20), (30,), (40, 50)):
        expected, found = plain.run(*batch(*levels)), bound.run(*batch(*levels))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_outputs_of_one_run_are_not_those_of_the_next(graph: Path) -> None:
    session = OnnxSession(graph, replace(CPU, bind=True))
    first = session.run(*batch(0))["logits"].copy()
    kept = session.run(*batch(0))["logits"]
    session.run(*batch(255))
    assert np.array_equal(kept, first)


def test_more_shapes_than_are_kept_still_work(graph: Path) -> None:
    session = OnnxSession(graph, replace(CPU, bind=True))
    assert [len(session.run(*batch(*range(count)))["boxes"]) for count in range(1, 14)] == list(range(1, 14))


def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(SessionError, match=r"broken\.onnx"):
        OnnxSession(path, CPU)


def test_a_wrong_shape_is_a_session_error(graph: Path) -> None:
    images, sizes = batch(0)
    with pytest.raises(SessionError, match=r"spots\.onnx"):
        OnnxSession(graph, CPU).run(images[:, :-1], sizes)


def test_a_gpu_session_names_its_device_its_limit_and_its_graphs() -> None:
    (name, options), cpu = GPU.providers()
    assert name == "CUDAExecutionProvider"
    assert options["device_id"] == "3"
    assert options["gpu_mem_limit"] == str(1 << 30)
    assert options["enable_cuda_graph"] == "1"
    assert cpu == ("CPUExecutionProvider", {})


def test_tensorrt_keeps_its_compiled_engines(tmp_path: Path) -> None:
    options = replace(GPU, choice=Choice(("tensorrt", "cuda", "cpu"), "test"), cache=tmp_path)
    assert options.providers()[0][1]["trt_engine_cache_path"] == str(tmp_path)


def test_device_buffers_are_used_on_a_gpu_and_not_on_the_cpu() -> None:
    assert GPU.bound
    assert not CPU.bound


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA failure 2: out of memory ; GPU=0", SessionLost),
        ("CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED", SessionLost),
        ("Got invalid dimensions for input: images", SessionError),
    ],
)
def test_a_failing_device_is_told_from_a_wrong_input(text: str, kind: type[SessionError]) -> None:
    assert type(error_of(Path("x.onnx"), RuntimeError(text))) is kind


def preloads(monkeypatch: pytest.MonkeyPatch, *, driver: bool) -> list[str]:
    """What is asked of the engine when CUDA is wanted; the engine is talkative and fails."""
    asked: list[str] = []

    def preload() -> None:
        asked.append("preload")
        print("Failed to load libcublas.so.13")
        raise RuntimeError("no such folder")

    monkeypatch.setattr("onnxruntime.preload_dlls", preload)

    def loadable(library: str) -> bool:
        return driver

    monkeypatch.setattr("inflare.runtime.inference.sessions.loadable", loadable)
    available_providers(("cuda", "cpu"))
    return asked


def test_cuda_s_libraries_are_loaded_from_where_pip_puts_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preloads(monkeypatch, driver=True) == ["preload"]
    assert capsys.readouterr().out == ""


def test_without_a_driver_no_library_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preloads(monkeypatch, driver=False) == []
