"""The door to ONNX Runtime's converters: an fp32 graph of the served contract becomes fp16 for GPUs, int8 for CPUs.

What goes in and comes out of the graph stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import onnxruntime.quantization as _untyped_quantization
from numpy.typing import NDArray
from onnx import helper, version_converter
from onnxruntime.transformers import float16 as _untyped_float16

from .graph.order import sort_nodes
from .int8_forms import fuse_silu, pools_as_convolutions
from .quantizable import activations, faithful, quantizable
from .ranges import Observed, Range

# onnxruntime ships no type information; this is the one place of conversion where it is Any.
_quantization, _float16 = cast(Any, _untyped_quantization), cast(Any, _untyped_float16)
_engine, _onnx = cast(Any, _untyped_engine), cast(Any, onnx)

Feed = Mapping[str, NDArray[Any]]

FIDELITY: Final = 33.0
"""dB. Measured (docs/performance.md): on the hardest network at hand AP falls by less than 0.01 from here on."""

_PER_CHANNEL_OPSET: Final = 13  # DequantizeLinear's axis
_TARGET_OPSET: Final = 17
_ERRORS_ONLY: Final = 3
# In half precision these lose what the boxes need, or have no kernel: positions, anchors and their choice.
_FLOAT_ONLY: Final = ("CumSum", "GridSample", "TopK", "Range", "NonMaxSuppression")


def to_fp16(model: bytes) -> bytes:
    """The graph with half-precision weights and activations; inputs and outputs keep their types.

    Values that fp16 can't hold may overflow: compare the outputs before the graph is served.
    """
    source = _named(_onnx.load_from_string(model))
    blocked = [*_float16.DEFAULT_OP_BLOCK_LIST, *_FLOAT_ONLY]
    half: onnx.ModelProto = _float16.convert_float_to_float16(source, keep_io_types=True, op_block_list=blocked)
    _drop_repeated(half)
    return _finished(half, source)


def to_int8(model: bytes, feeds: Iterable[Feed], *, fidelity: float = FIDELITY) -> bytes:
    """The graph with its heavy products in int8: activations U8, weights S8, a scale for each channel (static QDQ).

    The ranges of activations are learnt from what `feeds` (inputs by name, a picture each) cause inside the fp32
    graph. A product whose input or output eight bits hold worse than `fidelity` dB stays in float; what else does,
    `quantizable` says.
    """
    source = _opset(_named(_onnx.load_from_string(model)))
    given = _copy(source)
    names = quantizable(source.graph)
    names |= pools_as_convolutions(source, names)
    ranges = _ranges(source, activations(source.graph, names), feeds)
    chosen = faithful(source.graph, names, {name: found.fidelity for name, found in ranges.items()}, fidelity)
    if not chosen:
        return _finished(given, given)
    limits = {name: (np.float32(found.low), np.float32(found.high)) for name, found in ranges.items()}
    quantizer = _quantization.qdq_quantizer.QDQQuantizer(
        _copy(source),  # the quantizer changes what it is given
        True,  # a scale for each channel
        False,  # all eight bits of the weights
        _quantization.QuantType.QInt8,
        _quantization.QuantType.QUInt8,
        _quantization.calibrate.TensorsData(_quantization.CalibrationMethod.MinMax, limits),
        sorted(chosen),
        [],
        sorted({node.op_type for node in source.graph.node if node.name in chosen}),
        {},
    )
    quantizer.quantize_model()
    fuse_silu(quantizer.model.model)
    return _finished(quantizer.model.model, source)


def _ranges(model: onnx.ModelProto, names: Sequence[str], feeds: Iterable[Feed]) -> dict[str, Range]:
    """What goes through the tensors `names` of the fp32 graph, one picture after the other."""
    opened = _copy(model)
    del opened.graph.output[:]
    opened.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    settings = _engine.SessionOptions()
    settings.log_severity_level = _ERRORS_ONLY
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = _engine.InferenceSession(opened.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    observed = {name: Observed() for name in names}
    for feed in feeds:
        for name, values in zip(names, session.run(list(names), dict(feed)), strict=True):
            observed[name].add(values)
    return {name: each.range() for name, each in observed.items()}


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied: onnx.ModelProto = _onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a name for every node, which is what both converters go by."""
    taken = {node.name for node in model.graph.node}
    for index, node in enumerate(model.graph.node):
        if not node.name:
            node.name = next(name for name in (f"node_{index}", f"inflare/node_{index}") if name not in taken)
    return model


def _opset(model: onnx.ModelProto) -> onnx.ModelProto:
    own = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if own >= _PER_CHANNEL_OPSET:
        return model
    converted: onnx.ModelProto = version_converter.convert_version(model, _TARGET_OPSET)
    helper.set_model_props(converted, _properties(model))
    return _named(converted)


def _drop_repeated(model: onnx.ModelProto) -> None:
    """Takes out what the converter writes twice: a cast of one tensor for each operator that wants it in float."""
    seen: set[str] = set()
    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if seen.isdisjoint(node.output):
            kept.append(node)
            seen.update(node.output)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _finished(model: onnx.ModelProto, source: onnx.ModelProto) -> bytes:
    """The bytes of the model with the metadata of its source, checked."""
    sort_nodes(model.graph)  # both converters put what they insert at the end
    del model.graph.value_info[:]  # notes of the tools to themselves
    properties = _properties(source)
    del model.metadata_props[:]
    helper.set_model_props(model, properties)
    _onnx.checker.check_model(model)
    return model.SerializeToString()


def takes_sizes(model: bytes) -> bool:
    """Whether the graph wants the true size of each image beside the images."""
    return any(value.name == "sizes" for value in cast(onnx.ModelProto, _onnx.load_from_string(model)).graph.input)
