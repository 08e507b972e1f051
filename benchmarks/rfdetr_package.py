"""RF-DETR's keypoint preview as the rfdetr package makes and exports it. Needs rfdetr with its extra for ONNX."""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.comparison import Array, Made
from inflare.models.architectures import (
    dinov2,
    dinov2_positions,
    rfdetr,
    rfdetr_config,
    rfdetr_decoder,
    rfdetr_keypoints,
    rfdetr_names,
    rfdetr_projector,
    rfdetr_proposals,
)

FILES = (
    rfdetr, rfdetr_config, rfdetr_names, rfdetr_projector, rfdetr_proposals, rfdetr_decoder, dinov2, dinov2_positions,
)  # fmt: skip
SIZE = 576


def make(randomize: Any) -> Made:
    """The whole network, 576 x 576 pixels; there is no smaller one."""
    torch: Any = importlib.import_module("torch")
    package: Any = importlib.import_module("rfdetr")
    whole: Any = package.RFDETRKeypointPreview(pretrain_weights=None, device="cpu")
    network = randomize(whole.model.model)
    images = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = ((images / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)

    def build() -> onnx.ModelProto:
        weights: dict[str, Array] = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        return rfdetr.build_package(weights, {}, size=SIZE)

    def export(path: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the whole graph
            written = whole.export(output_dir=str(path.parent / "package"), dynamic_batch=True)
        Path(str(written)).replace(path)

    def answer() -> list[Array]:
        nested: Any = importlib.import_module("rfdetr.utilities.tensors")
        with torch.no_grad():
            found = network(nested.nested_tensor_from_tensor_list(list(torch.from_numpy(pixels))))
        return [found[f"pred_{name}"].numpy() for name in ("logits", "boxes", "keypoints")]

    return Made(
        files=(*FILES, rfdetr_keypoints),
        build=build,
        export=export,
        feed={"images": images},
        export_feed={"input": pixels},
        outputs=("logits", "boxes", "keypoints"),
        answer=answer,
    )
