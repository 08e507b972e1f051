"""Our graphs beside torch's legacy export of the same checkpoint: size, agreement and CPU latency, run by turns.
Needs torch and transformers. Run: python benchmarks/graphs.py [--quick] [--json] [--rounds N] [--threads N] [NAME …]"""

import argparse
import importlib
import inspect
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
from numpy.typing import NDArray

from inflare.models.architectures import conditional_detr, detr, detr_decoder, detr_encoder, resnet, rtdetr
from inflare.models.architectures.checkpoint import read_config, read_weights
from inflare.models.graph.images import Normalisation

engine = cast(Any, _untyped_engine)
torch: Any = importlib.import_module("torch")
reference: Any = importlib.import_module("transformers")
Array = NDArray[Any]
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SMALL_NET = {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "layer_type": "basic"}
SMALL = {"encoder_layers": 1, "decoder_layers": 2}
RT_STAGES = ["stage2", "stage3", "stage4"]
GAP_NEAR = range(280, 321)


@dataclass(frozen=True, slots=True)
class Result:
    """One architecture; `difference` is the largest of any logit or box coordinate against torch in float32.

    `ratio` is of the median wall-clock times of a run, `cpu_ratio` of the processor times: below 1 ours is faster.
    """

    name: str
    builder_lines: int
    build_s: float
    export_s: float
    nodes: int
    export_nodes: int
    megabytes: float
    export_megabytes: float
    difference: float
    milliseconds: float
    export_milliseconds: float
    ratio: float
    cpu_ratio: float


@dataclass(frozen=True, slots=True)
class Case:
    """How one architecture is made, built and fed. `files` are the builder's modules."""

    make: Callable[[bool], Any]
    build: Callable[[Mapping[str, Any], Mapping[str, Array], int], onnx.ModelProto]
    files: tuple[ModuleType, ...]
    masked: bool


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
        masked=True,
    ),
    "conditional-detr": Case(
        lambda quick: make_detr("ConditionalDetr", quick),
        lambda config, weights, _: conditional_detr.build(config, weights, normalisation=IMAGENET),
        (conditional_detr, detr_encoder, detr_decoder, resnet),
        masked=True,
    ),
    "rt-detr": Case(
        make_rtdetr, lambda config, weights, size: rtdetr.build(config, weights, size=size), (rtdetr, resnet), False
    ),
}


def pick_at_a_gap(model: Any, pixels: Any) -> None:
    """So many queries that rounding can't change which places of random scores are picked."""
    with torch.no_grad():
        scores = np.sort(model(pixels).enc_outputs_class.amax(-1).numpy()[0])[::-1]
    model.config.num_queries = max(GAP_NEAR, key=lambda count: float(scores[count - 1] - scores[count]))


def export(model: Any, pixels: Any, mask: Any | None, path: Path) -> None:
    """torch's legacy exporter, with the options that its users choose for a server."""

    class Wrapper(torch.nn.Module):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.model = model

        def forward(self, *inputs: Any) -> tuple[Any, Any]:
            found = self.model(inputs[0], pixel_mask=inputs[1]) if len(inputs) > 1 else self.model(*inputs)
            return found.logits, found.pred_boxes

    names = ["pixel_values"] if mask is None else ["pixel_values", "pixel_mask"]
    free = {0: "batch"} if mask is None else {0: "batch", 2: "height", 3: "width"}
    axes = {"pixel_values": free, "pixel_mask": {0: "batch", 1: "height", 2: "width"}}
    inputs = (pixels,) if mask is None else (pixels, mask)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Wrapper().eval(), inputs, str(path), dynamo=False, opset_version=17, input_names=names,
            output_names=["logits", "pred_boxes"], dynamic_axes={name: axes[name] for name in names},
        )  # fmt: skip


def session(path: Path, threads: int) -> Any:
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall-clock and processor seconds of each, run by turns; the first turn is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name in runs if turn % 2 else reversed(list(runs)):
            wall, processor = time.perf_counter(), time.process_time()
            runs[name]()
            if turn:
                taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: (statistics.median(wall for wall, _ in times), statistics.median(used for _, used in times))
        for name, times in taken.items()
    }


def apart(ours: list[Array], theirs: Any) -> float:
    """The largest difference of rows that are nearest to each other: equal scores may swap places."""
    mine: Array = np.concatenate(ours, axis=2)[0]
    other: Array = torch.cat([theirs.logits, theirs.pred_boxes], 2).numpy()[0]
    return float(np.abs(mine[:, None] - other[None]).max(axis=2).min(axis=1).max())


def run(name: str, quick: bool, rounds: int, threads: int, folder: Path) -> Result:
    case = CASES[name]
    height, width = (640, 640) if not case.masked else (800, 1066)
    height, width = (height // 32 // 2 * 32, width // 2) if quick else (height, width)
    width = height if not case.masked else width
    images = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    values = images / 255 if not case.masked else (images / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    pixels = torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))
    mask = torch.ones((1, height, width), dtype=torch.int64) if case.masked else None
    model = case.make(quick)
    if not case.masked:
        pick_at_a_gap(model, pixels)
    model.save_pretrained(folder)
    started = time.perf_counter()
    graph = case.build(read_config(folder), read_weights(folder), height)
    built = time.perf_counter()
    exported, own = folder / "export.onnx", folder / "own.onnx"
    export(model, pixels, mask, exported)
    finished = time.perf_counter()
    own.write_bytes(graph.SerializeToString())
    sessions = {"own": session(own, threads), "export": session(exported, threads)}
    feed: dict[str, Array] = {"images": images} | ({"sizes": np.array([[height, width]])} if case.masked else {})
    legacy = {"pixel_values": pixels.numpy()} | ({} if mask is None else {"pixel_mask": mask.numpy()})
    times = measure(
        {"own": lambda: sessions["own"].run(None, feed), "export": lambda: sessions["export"].run(None, legacy)}, rounds
    )
    with torch.no_grad():
        difference = apart(sessions["own"].run(["logits", "boxes"], feed), model(pixels))
    return Result(
        name=name,
        builder_lines=sum(len(inspect.getsource(module).splitlines()) for module in case.files),
        build_s=round(built - started, 2),
        export_s=round(finished - built, 2),
        nodes=len(graph.graph.node),
        export_nodes=len(onnx.load_model_from_string(exported.read_bytes()).graph.node),
        megabytes=round(own.stat().st_size / 1e6, 1),
        export_megabytes=round(exported.stat().st_size / 1e6, 1),
        difference=difference,
        milliseconds=round(times["own"][0] * 1e3, 1),
        export_milliseconds=round(times["export"][0] * 1e3, 1),
        ratio=round(times["own"][0] / times["export"][0], 3),
        cpu_ratio=round(times["own"][1] / times["export"][1], 3),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small networks and images, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, help="turns (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of a session (default: %(default)s)")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(CASES))
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(CASES)}")
    reference.logging.set_verbosity_error()
    results: list[Result] = []
    for name in options.names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            results.append(
                run(name, options.quick, 3 if options.quick else options.rounds, options.threads, Path(folder))
            )
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
