"""An ONNX graph while it is being written: named values, shared constants, one metadata contract.

The architectures are written in this vocabulary, so that neither serving nor converting needs torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NewType, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Value = NewType("Value", str)
"""The name of a tensor inside a graph."""

Array = NDArray[Any]

OPSET: Final = 20
"""Gelu and LayerNormalization as single operators; read by onnxruntime 1.17 and later."""
IR_VERSION: Final = 10
CONTRACT: Final = "1"
"""Value of the metadata property `inflare.contract`: the inputs and outputs that a session expects."""

_ELEMENT: Final[dict[str, int]] = {
    "uint8": TensorProto.UINT8,
    "int64": TensorProto.INT64,
    "float32": TensorProto.FLOAT,
    "bool": TensorProto.BOOL,
}


class Graph:
    """A graph under construction. Values are names; the same calls give the same bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._scope: tuple[str, ...] = ()
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._initializers: list[TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    @contextmanager
    def scope(self, name: str) -> Generator[None]:
        """Names of nodes written inside begin with `name/`, so that a profile can be read."""
        outer = self._scope
        self._scope = (*outer, name)
        try:
            yield
        finally:
            self._scope = outer

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> Value:
        """Declare an input; a string in `shape` is a free dimension."""
        self._inputs.append(helper.make_tensor_value_info(name, _ELEMENT[dtype], list(shape)))
        return Value(name)

    def output(self, name: str, value: Value, shape: Sequence[int | str], dtype: str = "float32") -> None:
        """Give `value` the public name `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output/{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, _ELEMENT[dtype], list(shape)))

    def constant(self, array: Array | Sequence[int] | float, name: str = "constant") -> Value:
        """An initializer; equal arrays are stored once. Python numbers are float32, sequences int64."""
        data = _as_array(array)
        key = (str(data.dtype), data.shape, hashlib.sha256(data.tobytes()).digest())
        if key not in self._constants:
            value = self._fresh(name)
            self._constants[key] = value
            self._initializers.append(numpy_helper.from_array(data, value))
        return self._constants[key]

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Write one operator with one output. An empty name skips an optional input."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: Value, outputs: int, **attributes: Any) -> tuple[Value, ...]:
        """Write one operator with several outputs."""
        name = self._fresh(kind)
        results = (name,) if outputs == 1 else tuple(Value(f"{name}.{i}") for i in range(outputs))
        self._nodes.append(helper.make_node(kind, list(inputs), list(results), name=name, **attributes))
        return results

    def model(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """The finished, checked model. Raises onnx.checker.ValidationError on a malformed graph."""
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, initializer=self._initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="inflare")
        helper.set_model_props(model, {"inflare.contract": CONTRACT, **(metadata or {})})
        cast(Any, onnx.checker).check_model(model)
        return model

    def _fresh(self, kind: str) -> Value:
        count = len(self._nodes) + len(self._initializers)
        return Value("/".join((*self._scope, f"{kind}_{count}")))

    # The operators that every architecture uses, under short names.

    def add(self, left: Value, right: Value) -> Value:
        return self.op("Add", left, right)

    def mul(self, left: Value, right: Value) -> Value:
        return self.op("Mul", left, right)

    def matmul(self, left: Value, right: Value) -> Value:
        return self.op("MatMul", left, right)

    def reshape(self, value: Value, *shape: int) -> Value:
        """ONNX rules: 0 keeps a dimension, -1 is worked out."""
        return self.op("Reshape", value, self.constant(shape, "shape"))

    def transpose(self, value: Value, *order: int) -> Value:
        return self.op("Transpose", value, perm=order)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def split(self, value: Value, sizes: Sequence[int], axis: int) -> tuple[Value, ...]:
        if len(sizes) == 1:
            return (value,)
        return self.ops("Split", value, self.constant(sizes, "sizes"), outputs=len(sizes), axis=axis)

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        return self.op("Unsqueeze", value, self.constant(axes, "axes"))

    def cast(self, value: Value, dtype: str) -> Value:
        return self.op("Cast", value, to=_ELEMENT[dtype])


def _as_array(array: Array | Sequence[int] | float) -> Array:
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(array).reshape(array.shape)
    if isinstance(array, Sequence):
        return np.asarray(array, dtype=np.int64)
    return np.asarray(array, dtype=np.float32)
