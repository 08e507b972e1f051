"""A user's own or a prebuilt ONNX file, served: what it takes and gives is recognised by name and shape, checked
against a card, and wrapped so that sessions see one contract. The computation itself is left as it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, checker, compose, helper, numpy_helper

from .card import Card
from .graph import CONTRACT
from .ports import Plan, Port, plan

_PREFIX = "foreign/"  # before every name of the wrapped graph, so that none can meet ours
_OLDEST_OPSET = 9  # ConstantOfShape
_LARGEST = 2**31 - 1  # bytes of one protobuf message
_untyped = cast(Any, onnx)  # parts of its own annotations are unknown to checkers
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # operators that onnxruntime brings itself


class Unfit(Exception):
    """A file that can't be served by a card: `path` and `problems`, each with what was expected and found."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(f"{path.name} does not fit: " + "; ".join(problems))
        self.path, self.problems = path, problems


@dataclass(frozen=True, slots=True)
class _Read:
    model: onnx.ModelProto | None
    plan: Plan | None
    problems: tuple[str, ...]


def fit(path: Path, card: Card) -> tuple[str, ...]:
    """Everything that keeps the ONNX file from being served by the card; empty where it fits."""
    return _read(path, card).problems


def wrap(path: Path, card: Card) -> bytes:
    """The file as a graph in the served contract, normalised by the card's input rule. Raises Unfit.

    uint8 `images` [batch, H, W, 3] in; float32 `logits`, `boxes` and `keypoints` out. A file that is in the
    contract already comes back as it is, with its metadata.
    """
    read = _read(path, card)
    if read.model is None or read.plan is None or read.problems:
        raise Unfit(path, read.problems)
    model = read.model if read.plan.served else _wrapped(read.model, read.plan, card)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {**properties, "inflare.contract": CONTRACT})
    try:
        _untyped.checker.check_model(model)
    except checker.ValidationError as error:
        raise Unfit(path, (f"the graph is not valid ONNX: {_first_line(error)}",)) from error
    return model.SerializeToString()


def _read(path: Path, card: Card) -> _Read:
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            return _Read(None, None, (f"{path.name}: expected at most {_LARGEST} bytes, found {size}",))
        model = cast(onnx.ModelProto, _untyped.load(path))
        _untyped.checker.check_model(model)
    except (OSError, DecodeError, ValueError, checker.ValidationError) as error:
        return _Read(None, None, (f"{path.name}: expected an ONNX file, found: {_first_line(error)}",))
    problems = _version_problems(model)
    if problems:
        return _Read(model, None, problems)
    planned = plan(_ports(model, inputs=True), _ports(model, inputs=False), card)
    return _Read(model, planned, planned.problems)


def _version_problems(model: onnx.ModelProto) -> tuple[str, ...]:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    local = {function.domain for function in model.functions}
    alien = sorted({node.domain for node in model.graph.node} - _DOMAINS - local)
    problems = [f"operators: expected onnxruntime's own, found the domain {domain!r}" for domain in alien]
    if opset < _OLDEST_OPSET:
        problems.append(f"opset: expected {_OLDEST_OPSET} or later, found {opset}")
    return tuple(problems)


def _ports(model: onnx.ModelProto, *, inputs: bool) -> tuple[Port, ...]:
    stored = {tensor.name for tensor in model.graph.initializer}
    values = model.graph.input if inputs else _inferred(model).graph.output
    return tuple(_port(value) for value in values if value.name not in stored)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes of its outputs worked out where the file leaves them open."""
    if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        return model
    try:
        return onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, ValueError):
        return model


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    dtype = TensorProto.DataType.Name(cast(Any, tensor.elem_type)).lower()
    if not tensor.HasField("shape"):
        return Port(value.name, dtype, None)
    shape = tuple(
        dimension.dim_value if dimension.HasField("dim_value") and dimension.dim_value > 0 else None
        for dimension in tensor.shape.dim
    )
    return Port(value.name, dtype, shape)


def _wrapped(model: onnx.ModelProto, planned: Plan, card: Card) -> onnx.ModelProto:
    model = compose.add_prefix(model, _PREFIX, inplace=True)
    graph = model.graph
    before = _before(planned, card)
    after, outputs = _after(planned)
    nodes = [*before, *graph.node, *after]
    for repeated, items in ((graph.node, nodes), (graph.output, outputs)):
        del repeated[:]
        cast(Any, repeated).extend(items)
    _declare_images(graph, planned)
    graph.initializer.extend(_constants(planned, card))
    return model


def _declare_images(graph: onnx.GraphProto, planned: Plan) -> None:
    fed = {f"{_PREFIX}{port.name}" for port in (planned.pixels, planned.mask) if port is not None}
    kept = [value for value in graph.input if value.name not in fed]
    height, width = planned.size if planned.size else ("height", "width")
    batch = 1 if planned.pixels.shape is not None and planned.pixels.shape[0] == 1 else "batch"
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, height, width, 3])
    del graph.input[:]
    graph.input.extend([images, *kept])


def _before(planned: Plan, card: Card) -> list[onnx.NodeProto]:
    """images uint8 [B, H, W, 3] -> the foreign pixels [B, 3, H, W]: (value / 255 - mean) / std."""
    kind = TensorProto.FLOAT16 if planned.pixels.dtype == "float16" else TensorProto.FLOAT
    nodes = [
        helper.make_node("Transpose", ["images"], ["inflare/planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["inflare/planes"], ["inflare/levels"], to=TensorProto.FLOAT),
    ]
    last = "inflare/levels"
    for operator, name in _steps(card):  # as the reference processors round: three steps, nothing folded
        nodes.append(helper.make_node(operator, [last, f"inflare/{name}"], [f"inflare/after_{name}"]))
        last = f"inflare/after_{name}"
    nodes.append(helper.make_node("Cast", [last], [f"{_PREFIX}{planned.pixels.name}"], to=kind))
    return nodes if planned.mask is None else [*nodes, *_mask_nodes(planned.mask)]


def _steps(card: Card) -> list[tuple[str, str]]:
    """The arithmetic on pixels, as (operator, constant): none for a mean of 0 and a deviation of 1."""
    steps = [("Div", "levels_of_one"), ("Sub", "mean"), ("Div", "std")]
    return steps if any(card.input.mean) or card.input.std != (1.0, 1.0, 1.0) else steps[:1]


def _mask_nodes(mask: Port) -> list[onnx.NodeProto]:
    """Ones of the mask's declared shape, [B, 64, 64] or [B, H, W]: every pixel is valid."""
    fixed = mask.shape is not None and None not in mask.shape[1:]
    sides = "inflare/mask_sides" if fixed else "inflare/sides"
    kind = getattr(TensorProto, mask.dtype.upper())
    return [
        helper.make_node("Shape", ["images"], ["inflare/shape"]),
        helper.make_node("Gather", ["inflare/shape", "inflare/first"], ["inflare/count"]),
        helper.make_node("Gather", ["inflare/shape", "inflare/middle"], ["inflare/sides"]),
        helper.make_node("Concat", ["inflare/count", sides], ["inflare/mask_shape"], axis=0),
        helper.make_node(
            "ConstantOfShape",
            ["inflare/mask_shape"],
            ["inflare/ones"],
            value=helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        ),
        helper.make_node("Cast", ["inflare/ones"], [f"{_PREFIX}{mask.name}"], to=kind),
    ]


def _constants(planned: Plan, card: Card) -> list[TensorProto]:
    numbers = {"levels_of_one": (255.0,) * 3, "mean": card.input.mean, "std": card.input.std}
    arrays: dict[str, Any] = {
        f"inflare/{name}": np.asarray(numbers[name], np.float32).reshape(1, 3, 1, 1) for _, name in _steps(card)
    }
    if planned.mask is not None:
        arrays["inflare/first"] = np.array([0], np.int64)
        arrays["inflare/middle"] = np.array([1, 2], np.int64)
        if planned.mask.shape is not None and None not in planned.mask.shape[1:]:
            arrays["inflare/mask_sides"] = np.array(planned.mask.shape[1:], np.int64)
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def _after(planned: Plan) -> tuple[list[onnx.NodeProto], list[onnx.ValueInfoProto]]:
    """The foreign outputs as float32 under the contract's names; others are dropped."""
    nodes: list[onnx.NodeProto] = []
    outputs: list[onnx.ValueInfoProto] = []
    for name, port in planned.outputs:
        nodes.append(helper.make_node("Cast", [f"{_PREFIX}{port.name}"], [name], to=TensorProto.FLOAT))
        shape = None if port.shape is None else ["batch", *port.shape[1:]]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return nodes, outputs


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
