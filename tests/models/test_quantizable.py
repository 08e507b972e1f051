"""What may become int8 is told from what must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inflare.models.quantizable import activations, faithful, quantizable


def graph() -> onnx.GraphProto:
    """images -> first -> relu -> depthwise -> second -> head -> logits."""
    shapes = {"first": (4, 3, 1, 1), "depthwise": (4, 1, 3, 3), "second": (4, 4, 1, 1), "head": (2, 4, 1, 1)}
    steps: list[tuple[str, str, str, dict[str, Any]]] = [
        ("first", "images", "a", {}),
        ("depthwise", "b", "c", {"group": 4}),
        ("second", "c", "d", {}),
        ("head", "d", "logits", {}),
    ]
    nodes = [helper.make_node("Conv", [given, f"{n}.w"], [made], name=n, **more) for n, given, made, more in steps]
    nodes.insert(1, helper.make_node("Relu", ["a"], ["b"], name="relu"))
    weights = [numpy_helper.from_array(np.zeros(shape, np.float32), f"{name}.w") for name, shape in shapes.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("images", "logits")]
    return helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)


def test_dense_convolutions_and_what_lies_between_them_are_chosen() -> None:
    assert quantizable(graph()) == {"first", "relu", "second"}


def test_a_product_of_two_activations_stays_in_float() -> None:
    made = graph()
    made.node.append(helper.make_node("MatMul", ["a", "b"], ["e"], name="attention"))
    assert "attention" not in quantizable(made)


def test_ranges_are_learnt_of_what_flows_in_and_out() -> None:
    assert activations(graph(), {"first", "relu"}) == ("images", "a", "b")


def test_what_eight_bits_hold_badly_stays_in_float() -> None:
    fidelity = {"images": 50.0, "a": 40.0, "b": 40.0, "c": 20.0, "d": 40.0}
    assert faithful(graph(), quantizable(graph()), fidelity, 30) == {"first", "relu"}


def test_a_rectified_output_counts_as_it_leaves_the_relu() -> None:
    fidelity = {"images": 50.0, "a": 10.0, "b": 40.0, "c": 20.0, "d": 20.0}
    assert "first" in faithful(graph(), quantizable(graph()), fidelity, 30)
