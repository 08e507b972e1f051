"""Page-locked memory: asked of the driver in the right order, given back, and done without where there is none."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.runtime.inference.pinned import Driver, PinnedArray, PinningError
from inflare.runtime.inference.providers import Choice
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions
from tests import spots

BYTES = np.dtype(np.uint8)


class Recorder:
    """The driver's functions: each call is noted, and answered with 0 or what `statuses` says."""

    def __init__(self, **statuses: int) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._statuses, self._functions = statuses, dict[str, Any]()

    def __getattr__(self, name: str) -> Any:
        if name not in self._functions:

            def function(*arguments: Any) -> int:
                self.calls.append((name, arguments))
                return self._statuses.get(name, 0)

            self._functions[name] = function
        return self._functions[name]

    def names(self) -> list[str]:
        return [name.removesuffix("_v2") for name, _ in self.calls]


def driver(library: Recorder) -> Driver:
    return Driver(lambda name: library)


def test_room_is_locked_in_the_device_s_own_context() -> None:
    library = Recorder()
    kept = PinnedArray((2, 3, 4), BYTES, 5, driver(library))
    assert library.names() == [
        "cuInit",
        "cuDeviceGet",
        "cuDevicePrimaryCtxRetain",
        "cuCtxPushCurrent",
        "cuMemHostRegister",
        "cuCtxPopCurrent",
        "cuDevicePrimaryCtxRelease",
    ]
    assert library.calls[1][1][1] == 5
    assert library.calls[4][1] == (kept.array.ctypes.data, 24, 1)


def test_locked_room_begins_with_a_page_and_holds_what_is_put_in() -> None:
    kept = PinnedArray((2, 2), np.dtype(np.int64), 0, driver(Recorder()))
    kept.array[:] = [[1, 2], [3, 4]]
    assert (kept.array.ctypes.data % mmap.PAGESIZE, kept.array.sum()) == (0, 10)


def test_room_is_unlocked_when_it_is_no_longer_needed() -> None:
    library = Recorder()
    kept = PinnedArray((8,), BYTES, 0, driver(library))
    address = kept.array.ctypes.data
    del kept
    gc.collect()
    assert ("cuMemHostUnregister", (address,)) in library.calls


def test_a_refusal_leaves_the_context_as_it_was() -> None:
    library = Recorder(cuMemHostRegister_v2=2)
    with pytest.raises(PinningError, match="cuMemHostRegister_v2 failed with status 2"):
        PinnedArray((8,), BYTES, 0, driver(library))
    assert library.names()[-2:] == ["cuCtxPopCurrent", "cuDevicePrimaryCtxRelease"]


def test_no_driver_is_said() -> None:
    def absent(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(PinningError, match=r"libcuda\.so\.1"):
        Driver(absent)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "spots.onnx"
    path.write_bytes(spots.graph())
    return path


def answers(graph: Path, pin: bool) -> list[float]:
    """The best logit of a dark image, a bright one and a dark one, through one session."""
    session = OnnxSession(graph, SessionOptions(Choice(("cpu",), "test"), 1, bind=True, pin=pin))
    shape, sizes = (1, spots.SIDE, spots.SIDE, 3), np.full((1, 2), spots.SIDE, np.int64)
    runs = (session.run(np.full(shape, level, np.uint8), sizes) for level in (0, 200, 10))
    return [float(run["logits"].max()) for run in runs]


def test_a_session_copies_each_input_by_way_of_the_locked_room(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Recorder()
    monkeypatch.setattr("inflare.runtime.inference.sessions.Driver", lambda: driver(library))
    assert answers(graph, pin=True) == answers(graph, pin=False)
    assert library.names().count("cuMemHostRegister") == 1


def test_a_session_runs_where_no_room_can_be_locked(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Recorder(cuInit=100)
    monkeypatch.setattr("inflare.runtime.inference.sessions.Driver", lambda: driver(refusing))
    assert answers(graph, pin=True) == answers(graph, pin=False)
