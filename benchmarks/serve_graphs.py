"""The networks that servers are compared on: checkpoints with random weights, installed for inflare and, where torch
is at hand, exported as its users do. Run, to export: python benchmarks/serve_graphs.py CHECKPOINT SIDE FILE"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import safetensors.numpy as _untyped_safetensors

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.checkpoints import rtdetr_checkpoint
from inflare.models.card import Card
from inflare.models.catalog import Catalog
from inflare.models.local import add_checkpoint
from inflare.models.store import Store

_safetensors = cast(Any, _untyped_safetensors)
MODEL: Final = "@local/bench"


@dataclass(frozen=True, slots=True)
class Size:
    """An RT-DETR: `side` pixels of its square input, and what it is made of."""

    side: int
    decoder_layers: int
    width: int
    stages: Sequence[tuple[int, int]]


SIZES: Final = {
    "30ms": Size(320, 2, 128, ((128, 1), (256, 2), (512, 2), (512, 1))),
    "r50": Size(640, 6, 256, ((256, 3), (512, 4), (1024, 6), (2048, 3))),
}


@dataclass(frozen=True, slots=True)
class Served:
    """A network in inflare's home: the graph that everybody runs, and the checkpoint that it was built from."""

    size: Size
    home: Path
    checkpoint: Path
    card: Card
    graph: Path


def install(name: str, folder: Path) -> Served:
    """Make the network `name` in `folder`, and install it there for inflare."""
    size = SIZES[name]
    config, weights = rtdetr_checkpoint(size.decoder_layers, 80, size.width, size.stages)
    checkpoint, home = folder / "checkpoint", folder / ".inflare"
    checkpoint.mkdir(parents=True)
    _safetensors.save_file(weights, checkpoint / "model.safetensors")
    edge = {"height": size.side, "width": size.side}
    prepared = {"do_resize": True, "size": edge, "do_rescale": True, "do_normalize": False, "do_pad": False}
    (checkpoint / "config.json").write_text(json.dumps(config))
    (checkpoint / "preprocessor_config.json").write_text(json.dumps(prepared))
    store = Store(home, Catalog.builtin())
    card = add_checkpoint(store, MODEL, checkpoint)
    return Served(size, home, checkpoint, card, store.weights(card, missing="error").path)


def export(checkpoint: Path, side: int, path: Path) -> None:
    """torch's legacy export of a checkpoint. Raises ImportError without the extra `parity`."""
    torch: Any = importlib.import_module("torch")
    reference: Any = importlib.import_module("transformers")
    model = reference.RTDetrForObjectDetection.from_pretrained(checkpoint).eval()

    class Wrapper(torch.nn.Module):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.model = model

        def forward(self, pixel_values: Any) -> tuple[Any, Any]:
            found = self.model(pixel_values)
            return found.logits, found.pred_boxes

    names = ["pixel_values", "logits", "pred_boxes"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Wrapper().eval(), (torch.zeros(1, 3, side, side),), str(path), dynamo=False,
            opset_version=17, input_names=names[:1], output_names=names[1:],
            dynamic_axes={name: {0: "batch"} for name in names},
        )  # fmt: skip


if __name__ == "__main__":
    export(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
