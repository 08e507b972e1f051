"""Small networks as exporters would write them, so that what a user's file may look like is made here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_engine = cast(Any, _untyped_engine)
Array = NDArray[Any]


@dataclass(frozen=True)
class Network:
    """A detector that mixes the mean and the corner of the image: enough to tell channels, order and mask."""

    queries: int = 4
    classes: int = 92
    size: tuple[int | str, int | str] = ("height", "width")
    batch: int | str = "batch"
    pixels: str = "pixel_values"
    logits: str = "logits"
    boxes: str = "pred_boxes"
    keypoints: int = 0
    mask: Sequence[int | str] | None = None
    mask_type: int = TensorProto.INT64
    half: bool = False
    extra_input: bool = False
    extra_output: bool = False
    opset: int = 13
    domain: str = ""

    def save(self, path: Path) -> Path:
        path.write_bytes(self.model().SerializeToString())
        return path

    def model(self) -> onnx.ModelProto:
        kind = TensorProto.FLOAT16 if self.half else TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(self.pixels, kind, [self.batch, 3, *self.size])]
        nodes = [
            helper.make_node("ReduceMean", [self.pixels], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Slice", [self.pixels, "zero", "one", "axes"], ["corner"]),
            helper.make_node("ReduceMean", ["corner"], ["first"], axes=[2, 3], keepdims=0),
            helper.make_node("Concat", ["mean", "first"], ["both"], axis=1),
        ]
        features = "both"
        if self.mask is not None:
            inputs.append(helper.make_tensor_value_info("pixel_mask", self.mask_type, list(self.mask)))
            nodes += [
                helper.make_node("Cast", ["pixel_mask"], ["valid"], to=kind),
                helper.make_node("ReduceSum", ["valid", "sides"], ["area"], keepdims=0),
                helper.make_node("Unsqueeze", ["area", "last"], ["areas"]),
                helper.make_node("Mul", ["both", "areas"], ["masked"]),
            ]
            features = "masked"
        if self.extra_input:
            inputs.append(helper.make_tensor_value_info("orig_sizes", TensorProto.INT64, ["batch", 2]))
        outputs = self._outputs(nodes, features, kind)
        graph = helper.make_graph(nodes, "network", inputs, outputs, initializer=self._constants())
        opsets = [helper.make_opsetid("", self.opset)]
        if self.domain:
            nodes.append(helper.make_node("Magic", [features], ["spell"], domain=self.domain))
            graph = helper.make_graph(nodes, "network", inputs, outputs, initializer=self._constants())
            opsets.append(helper.make_opsetid(self.domain, 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def _widths(self) -> dict[str, list[int]]:
        widths = {self.logits: [self.queries, self.classes], self.boxes: [self.queries, 4]}
        if self.keypoints:
            widths["keypoints"] = [self.queries, self.keypoints, 8]
        if self.extra_output:
            widths["last_hidden_state"] = [2, 7]
        return widths

    def _outputs(self, nodes: list[onnx.NodeProto], features: str, kind: int) -> list[onnx.ValueInfoProto]:
        outputs: list[onnx.ValueInfoProto] = []
        for name, shape in self._widths().items():
            nodes.append(helper.make_node("MatMul", [features, f"{name}.weight"], [f"{name}.flat"]))
            nodes.append(helper.make_node("Reshape", [f"{name}.flat", f"{name}.shape"], [name]))
            outputs.append(helper.make_tensor_value_info(name, kind, [self.batch, *shape]))
        return outputs

    def _constants(self) -> list[TensorProto]:
        random = np.random.default_rng(7)
        arrays: dict[str, Array] = {"zero": np.zeros(2, np.int64), "one": np.ones(2, np.int64)}
        arrays |= {"axes": np.array([2, 3]), "sides": np.array([1, 2]), "last": np.array([1])}
        for name, shape in self._widths().items():
            weight = random.normal(size=(6, int(np.prod(shape))))
            arrays[f"{name}.weight"] = weight.astype(np.float16 if self.half else np.float32)
            arrays[f"{name}.shape"] = np.array([-1, *shape], np.int64)
        return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def run(model: bytes | Path, feed: dict[str, Array]) -> dict[str, Array]:
    """The outputs of a model for a feed, by name, on the CPU."""
    source = str(model) if isinstance(model, Path) else model
    session = _engine.InferenceSession(source, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def pixels(images: Array, mean: Sequence[float] = (0, 0, 0), std: Sequence[float] = (1, 1, 1)) -> Array:
    """What a reference processor makes of uint8 images [B, H, W, 3]: float32 [B, 3, H, W]."""
    scaled = images.astype(np.float32) / 255.0
    normal = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


def noise(*shape: int) -> Array:
    """Random uint8 images of the given shape, the same at every call."""
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)
