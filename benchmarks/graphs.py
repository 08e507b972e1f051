"""Our graphs beside torch's exports of the same checkpoint: size, agreement and CPU latency, run by turns. Needs torch
and transformers; onnxscript for --dynamo, rfdetr for its keypoint model. From the repository:
python -m benchmarks.graphs [--quick] [--dynamo] [--json] [--rounds N] [--threads N] [NAME …]"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from benchmarks import rfdetr_package
from benchmarks.comparison import Array, Made, Result, compare
from inflare.models.architectures import conditional_detr, detr, detr_decoder, detr_encoder, resnet, rfdetr, rtdetr
from inflare.models.architectures.checkpoint import read_config, read_weights
from inflare.models.graph.images import Normalisation

torch: Any = importlib.import_module("torch")
reference: Any = importlib.import_module("transformers")
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SMALL_NET = {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "layer_type": "basic"}
SMALL = {"encoder_layers": 1, "decoder_layers": 2}
RT_STAGES = ["stage2", "stage3", "stage4"]
PACKAGE = "rf-detr-keypoints"
GAP_NEAR = range(280, 321)


@dataclass(frozen=True, slots=True)
class Case:
    """How one architecture is made, built and fed. `files` are the builder's modules.

    `size` is (height, width), a multiple of `step`; `masked`: both are free, and padding is masked; `gap`: queries
    are picked by scores, which are random here.
    """

    make: Callable[[bool], Any]
    build: Callable[[Mapping[str, Any], Mapping[str, Array], int], onnx.ModelProto]
    files: tuple[ModuleType, ...]
    size: tuple[int, int] = (800, 1066)
    step: int = 32
    masked: bool = True
    normalised: bool = True
    gap: bool = False


def randomize(model: Any) -> Any:
    """Random weights and statistics, in sizes that keep signals between layers of about one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.dtype.is_floating_point or "sampling_offsets" in name:
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            elif tensor.ndim > 1:
                tensor.copy_(noise * tensor[0].numel() ** -0.5)
            else:
                tensor.copy_(noise * 0.1 + (0.7 if name.endswith("weight") else 0.0))
    return model.eval()


def make_detr(kind: str, quick: bool) -> Any:
    net = reference.ResNetConfig(out_features=["stage4"], **(SMALL_NET if quick else {}))
    small = SMALL if quick else {}
    config = getattr(reference, f"{kind}Config")(use_timm_backbone=False, backbone_config=net, num_labels=91, **small)
    return randomize(getattr(reference, f"{kind}ForObjectDetection")(config))


def make_rtdetr(quick: bool) -> Any:
    net = reference.RTDetrResNetConfig(out_features=RT_STAGES, **(SMALL_NET if quick else {}))
    channels = {"encoder_in_channels": [32, 48, 64], "decoder_layers": 2} if quick else {}
    config = reference.RTDetrConfig(backbone_config=net, num_labels=80, **channels)
    return randomize(reference.RTDetrForObjectDetection(config))


CASES = {
    "detr": Case(
        lambda quick: make_detr("Detr", quick),
        lambda config, weights, _: detr.build(config, weights, normalisation=IMAGENET),
        (detr, detr_encoder, detr_decoder, resnet),
    ),
    "conditional-detr": Case(
        lambda quick: make_detr("ConditionalDetr", quick),
        lambda config, weights, _: conditional_detr.build(config, weights, normalisation=IMAGENET),
        (conditional_detr, detr_encoder, detr_decoder, resnet),
    ),
    "rt-detr": Case(
        make_rtdetr,
        lambda config, weights, size: rtdetr.build(config, weights, size=size),
        (rtdetr, resnet),
        size=(640, 640),
        masked=False,
        normalised=False,
        gap=True,
    ),
    "rf-detr": Case(
        lambda _: randomize(reference.RfDetrForObjectDetection(reference.RfDetrConfig(num_labels=91))),
        lambda config, weights, size: rfdetr.build(config, weights, size=size),
        rfdetr_package.FILES,
        size=(560, 560),
        step=56,
        masked=False,
    ),
}


def pick_at_a_gap(model: Any, pixels: Any) -> None:
    """So many queries that rounding can't change which places of random scores are picked."""
    with torch.no_grad():
        scores = np.sort(model(pixels).enc_outputs_class.amax(-1).numpy()[0])[::-1]
    model.config.num_queries = max(GAP_NEAR, key=lambda count: float(scores[count - 1] - scores[count]))


def export(model: Any, pixels: Any, mask: Any | None, path: Path, dynamo: bool) -> None:
    """One of torch's exporters, with the options that its users choose for a server."""

    class Wrapper(torch.nn.Module):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.model = model

        def forward(self, pixel_values: Any, pixel_mask: Any = None) -> tuple[Any, Any]:
            found = self.model(pixel_values) if pixel_mask is None else self.model(pixel_values, pixel_mask=pixel_mask)
            return found.logits, found.pred_boxes

    free = {0: "batch"} if mask is None else {0: "batch", 2: "height", 3: "width"}
    axes = {"pixel_values": free} | ({} if mask is None else {"pixel_mask": {0: "batch", 1: "height", 2: "width"}})
    inputs = (pixels,) if mask is None else (pixels, mask)
    settings: dict[str, Any] = {"dynamic_axes": axes, "opset_version": 17}
    if dynamo:  # a batch of one would be taken for a constant
        inputs = tuple(each.repeat(2, *[1] * (each.ndim - 1)) for each in inputs)
        settings = {
            "dynamic_shapes": {name: dict.fromkeys(dims, torch.export.Dim.DYNAMIC) for name, dims in axes.items()}
        }
    with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Wrapper().eval(), inputs, str(path), dynamo=dynamo, input_names=list(axes),
            output_names=["logits", "pred_boxes"], external_data=False, **settings,
        )  # fmt: skip


def made(case: Case, quick: bool, dynamo: bool, folder: Path) -> Made:
    """The checkpoint of `case` as the hub lays it out, in `folder`."""
    height, width = case.size
    height, width = (height // case.step // 2 * case.step, width // 2) if quick else (height, width)
    width = width if case.masked else height
    images = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    values = (images / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std) if case.normalised else images / 255
    pixels = torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))
    mask = torch.ones((1, height, width), dtype=torch.int64) if case.masked else None
    model = case.make(quick)
    if case.gap:
        pick_at_a_gap(model, pixels)
    model.save_pretrained(folder)

    def answer() -> list[Array]:
        with torch.no_grad():
            found = model(pixels)
        return [found.logits.numpy(), found.pred_boxes.numpy()]

    return Made(
        files=case.files,
        build=lambda: case.build(read_config(folder), read_weights(folder), height),
        export=lambda path: export(model, pixels, mask, path, dynamo),
        feed={"images": images} | ({"sizes": np.array([[height, width]])} if case.masked else {}),
        export_feed={"pixel_values": pixels.numpy()} | ({} if mask is None else {"pixel_mask": mask.numpy()}),
        outputs=("logits", "boxes"),
        answer=answer,
    )


def run(name: str, options: argparse.Namespace, folder: Path) -> Result:
    rounds = 3 if options.quick else options.rounds
    if name == PACKAGE:
        return compare(name, rfdetr_package.make(randomize), rounds, options.threads, folder)
    return compare(name, made(CASES[name], options.quick, options.dynamo, folder), rounds, options.threads, folder)


def names(dynamo: bool) -> list[str]:
    """The architectures that the exporter can write; the package's, by its own, where it is installed.

    torch's legacy exporter has no operator for the bicubic resizing of RF-DETR's positions.
    """
    found = importlib.util.find_spec("rfdetr") is not None
    return [*(name for name in CASES if dynamo or name != "rf-detr"), *([PACKAGE] if found else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names(True))} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small networks and images, to see that it works")
    parser.add_argument("--dynamo", action="store_true", help="torch's newer exporter, which wants torch 2.15")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, help="turns (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of a session (default: %(default)s)")
    options = parser.parse_args()
    known = names(options.dynamo)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(known)}")
    reference.logging.set_verbosity_error()
    results: list[Result] = []
    for name in options.names or known:
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(name, options, Path(folder)))
        if not options.json:
            print(
                "  ".join(
                    f"{key}={value:.2g}" if key == "difference" else f"{key}={value}"
                    for key, value in asdict(results[-1]).items()
                )
            )
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
