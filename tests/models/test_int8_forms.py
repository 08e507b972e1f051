"""Forms that int8 is faster with compute what the ones they replace do."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inflare.models.int8_forms import fuse_silu, pools_as_convolutions

_engine = cast(Any, _untyped_engine)


def model(*nodes: onnx.NodeProto, side: int | str = 8) -> onnx.ModelProto:
    """x [1, 3, side, side] -> … -> y, with the weights w [4, 3, 1, 1]."""
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    weights = numpy_helper.from_array(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3, 1, 1), "w")
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pooled(side: int | str = 8, **changes: Any) -> onnx.ModelProto:
    """A ResNet-vd's shrinking shortcut."""
    settings: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, **changes}
    first = helper.make_node("Relu", ["x"], ["a"], name="first")
    pool = helper.make_node("AveragePool", ["a"], ["b"], name="pool", **settings)
    return model(first, pool, helper.make_node("Conv", ["b", "w"], ["y"], name="conv"), side=side)


def run(made: onnx.ModelProto) -> NDArray[np.float32]:
    session = _engine.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)})[0]


def test_an_average_over_windows_becomes_a_convolution_of_the_same_result() -> None:
    made = pooled()
    before = run(made)
    assert pools_as_convolutions(made, {"conv"}) == {"pool"}
    assert [node.op_type for node in made.graph.node] == ["Relu", "Conv", "Conv"]
    np.testing.assert_allclose(run(made), before, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (pooled(), set[str]()),
        (pooled(side=7), {"conv"}),
        (pooled(side="side"), {"conv"}),
        (pooled(strides=[1, 1]), {"conv"}),
        (pooled(pads=[0, 0, 1, 1]), {"conv"}),
    ],
    ids=["read in float", "odd", "free", "overlapping", "padded"],
)
def test_other_averages_stay_as_they_are(made: onnx.ModelProto, names: set[str]) -> None:
    before = made.SerializeToString()
    assert not pools_as_convolutions(made, names)
    assert made.SerializeToString() == before


@pytest.mark.parametrize("factors", [["x", "s"], ["s", "x"]])
def test_a_silu_is_one_operator_of_the_same_result(factors: list[str]) -> None:
    made = model(helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", factors, ["y"]))
    before = run(made)
    assert fuse_silu(made) == 1
    assert [node.op_type for node in made.graph.node] == ["QuickGelu"]
    np.testing.assert_allclose(run(made), before, atol=1e-6)


def test_a_gate_of_something_else_stays() -> None:
    nodes = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Relu", ["x"], ["r"])]
    made = model(*nodes, helper.make_node("Mul", ["r", "s"], ["y"]))
    assert fuse_silu(made) == 0


def test_a_sigmoid_that_others_read_stays() -> None:
    nodes = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["m"])]
    made = model(*nodes, helper.make_node("Add", ["m", "s"], ["y"]))
    assert fuse_silu(made) == 0
    assert Counter(node.op_type for node in made.graph.node) == {"Sigmoid": 1, "Mul": 1, "Add": 1}
