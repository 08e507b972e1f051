"""Each node comes after what it reads."""

import pytest
from onnx import helper

from inflare.models.graph.order import sort_nodes


def order(*nodes: tuple[str, str]) -> list[str]:
    """Names after sorting; a node is what it reads and what it makes."""
    made = [helper.make_node("Relu", [reads], [makes], name=makes) for reads, makes in nodes]
    graph = helper.make_graph(made, "net", [], [])
    sort_nodes(graph)
    return [node.name for node in graph.node]


def test_what_is_in_order_stays() -> None:
    assert order(("in", "b"), ("in", "a"), ("b", "c")) == ["b", "a", "c"]


def test_what_was_put_at_the_end_moves_before_its_reader() -> None:
    assert order(("c", "d"), ("in", "a"), ("a", "b"), ("b", "c")) == ["a", "b", "c", "d"]


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="makes itself"):
        order(("b", "a"), ("a", "b"))


def test_what_a_branch_reads_comes_before_it() -> None:
    inner = helper.make_graph([helper.make_node("Relu", ["late"], ["x"])], "then", [], [])
    nodes = [
        helper.make_node("If", ["on"], ["y"], name="if", then_branch=inner, else_branch=inner),
        helper.make_node("Relu", ["in"], ["late"], name="late"),
    ]
    graph = helper.make_graph(nodes, "net", [], [])
    sort_nodes(graph)
    assert [node.name for node in graph.node] == ["late", "if"]
