"""The reference implementation with random, well-behaved weights, saved as the hub publishes checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import pytest
from numpy.typing import NDArray

from inflare.models.architectures import rtdetr_joints
from inflare.models.architectures.checkpoint import read_config, read_weights

torch: Any = pytest.importorskip("torch", reason="parity is measured against torch's reference implementation")
transformers: Any = pytest.importorskip("transformers", reason="parity is measured against transformers")

_engine = cast(Any, _untyped_engine)
Array = NDArray[Any]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def randomize(model: Any, seed: int = 0, gain: float = 2.0) -> Any:
    """Every weight and every statistic random, in sizes that keep signals between layers of about one.

    `gain` is that of linear layers: 2 is enough for queries and pixels to matter to the answer.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: Any, deviation: float) -> Any:
        return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) * deviation

    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.dtype.is_floating_point:
                continue
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif "embeddings.weight" in name:
                tensor.copy_(normal(tensor, 2.0))
            elif tensor.ndim > 1:
                tensor.copy_(normal(tensor, (1.0 if tensor.ndim == 4 else gain) * tensor[0].numel() ** -0.5))
            elif name.endswith("weight"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + 0.5)
            elif "sampling_offsets" not in name:  # there the reference's own start spreads the points
                tensor.copy_(normal(tensor, 0.1))
    return model.eval()


@dataclass(frozen=True)
class Saved:
    """A reference model and what save_pretrained made of it."""

    model: Any
    config: Mapping[str, Any]
    weights: Mapping[str, Array]


def save(model: Any, directory: Path) -> Saved:
    """In the hub's key layout, which save_pretrained writes."""
    model.save_pretrained(directory)
    return Saved(model, read_config(directory), read_weights(directory))


def layout_in_memory(model: Any) -> dict[str, Array]:
    """The same weights under the names that transformers 5 has in memory."""
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def joints_file(model: Any, file: Path, size: int, without: str = "no weight") -> Path:
    """The embedded keypoint graph of the model, less the weights whose names begin with `without`, as a file."""
    weights = {name: value for name, value in layout_in_memory(model).items() if not name.startswith(without)}
    file.write_bytes(rtdetr_joints.build(model.config.to_dict(), weights, size=size, person=0).SerializeToString())
    return file


def run(graph: onnx.ModelProto, inputs: Mapping[str, Array]) -> tuple[Array, Array]:
    """`logits` and `boxes` of the graph on the CPU."""
    session = _engine.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return tuple(session.run(["logits", "boxes"], dict(inputs)))


def padded(sizes: Sequence[tuple[int, int]], seed: int = 0) -> tuple[Array, Array]:
    """Noise images of (height, width) `sizes` in one batch [B, H, W, 3], and what is valid of it [B, H, W].

    The padding is white, so that a graph that does not blank it can't agree.
    """
    random = np.random.default_rng(seed)
    height, width = max(size[0] for size in sizes), max(size[1] for size in sizes)
    images = np.full((len(sizes), height, width, 3), 255, np.uint8)
    mask = np.zeros((len(sizes), height, width), np.int64)
    for index, (rows, columns) in enumerate(sizes):
        images[index, :rows, :columns] = random.integers(0, 256, (rows, columns, 3))
        mask[index, :rows, :columns] = 1
    return images, mask


def normalised(images: Array, mask: Array | None = None, dtype: str = "float32") -> Any:
    """What the hub's processor hands to the model: [B, 3, H, W], zero where `mask` is; RT-DETR's without a mask."""
    values = images.astype(np.float64) / 255
    if mask is not None:
        values = (values - np.array(IMAGENET[0])) / np.array(IMAGENET[1]) * mask[..., None]
    return torch.from_numpy(values.transpose(0, 3, 1, 2).astype(dtype))
