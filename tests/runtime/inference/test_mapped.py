"""Optimised graphs on disk: made once, shared, renewed, and done without where they cannot be."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inflare.runtime.inference.mapped import GRAPH, fingerprint, mapped
from inflare.runtime.inference.providers import Choice
from inflare.runtime.inference.sessions import OnnxSession, SessionOptions, optimised
from tests import spots

CPU = SessionOptions(Choice(("cpu",), "test"), threads=1)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(spots.graph())
    return path


def write(graph: Path, tensors: Path) -> None:
    graph.write_bytes(b"graph")
    tensors.write_bytes(b"tensors")


def refuse(graph: Path, tensors: Path) -> None:
    raise OSError("No space left on device")


def test_it_is_made_once(weights: Path) -> None:
    first = mapped(weights, "a", write)
    assert first.name == GRAPH
    assert mapped(weights, "a", refuse) == first


def test_the_weights_serve_where_it_cannot_be_made(weights: Path) -> None:
    assert mapped(weights, "a", refuse) == weights
    assert [path for path in weights.parent.iterdir() if path.is_dir()] == []


def test_one_of_earlier_weights_goes(weights: Path) -> None:
    old, new = mapped(weights, "a", write), mapped(weights, "b", write)
    assert new.is_file() and not old.exists()


def test_what_a_killed_process_left_goes(weights: Path) -> None:
    left = weights.parent / "mapped-draft"
    left.mkdir()
    assert mapped(weights, "a", write).is_file() and not left.exists()


def test_those_that_ask_at_once_make_it_once(weights: Path) -> None:
    made: list[Path] = []
    together = threading.Barrier(2)

    def slow(graph: Path, tensors: Path) -> None:
        made.append(graph)
        write(graph, tensors)

    def ask(_: int) -> Path:
        together.wait()
        return mapped(weights, "a", slow)

    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(ask, range(2)))
    assert len(found) == len(made) == 1 and found.pop().name == GRAPH


def test_another_engine_or_setting_makes_another() -> None:
    assert len({fingerprint("1.0", {}), fingerprint("1.1", {}), fingerprint("1.0", {"packed": "1"})}) == 3


def test_an_optimised_graph_answers_exactly_as_its_original(weights: Path) -> None:
    graph = optimised(weights, "digest")
    images = np.random.default_rng(0).integers(0, 256, (2, spots.SIDE, spots.SIDE, 3), dtype=np.uint8)
    sizes = np.full((2, 2), spots.SIDE, np.int64)
    expected, found = (OnnxSession(path, CPU).run(images, sizes) for path in (weights, graph))
    assert graph != weights
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
