"""Nodes in an order in which each comes after what it reads, as ONNX asks for: tools that insert nodes forget it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Puts the nodes of `graph` in order, and changes the order of no more than it must.

    Raises ValueError where nodes read each other in a circle.
    """
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    placed: dict[int, None] = {}
    opened: set[int] = set()
    for first in range(len(graph.node)):
        waiting = [first]
        while waiting:
            index = waiting[-1]
            missing = [makers[name] for name in _reads(graph.node[index]) if name in makers]
            missing = [each for each in missing if each not in placed and each != index]
            if index in placed or not missing:
                placed[waiting.pop()] = None
            elif index in opened:
                raise ValueError(f"{graph.node[index].name}: reads, through others, what it makes itself")
            else:
                opened.add(index)
                waiting += reversed(missing)
    nodes = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in placed]
    del graph.node[:]
    graph.node.extend(nodes)


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that the node reads, those inside its branches and loop bodies among them."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for each in inner.node:
                yield from _reads(each)
