"""Measures a detector file on held-out scenes: `python -m inflare.models.embedded.evaluate`.

The figures in the model's card come from here. Pictures take the serving path: decoding, input rule and head."""

import argparse
import importlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import Card
from ..catalog import Catalog
from ..detection import Detection
from ..detector import Detector
from .annotations import category_id, document
from .classes import LABELS
from .evaluate_joints import JointNetwork, evaluate_joints
from .export import PACKAGED, PACKAGED_JOINTS
from .scenes import HELD_OUT_COUNT, HELD_OUT_SEED, Scene, draw_scene, scene_rng
from .scoring import scored

CARD_ID = "@cf/inflare/embedded-detector"
JOINTS_ID = "@cf/inflare/embedded-keypoints"
# The order of pycocotools' COCOeval.stats.
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
BATCH = 8
EPILOG = """
examples:
  python -m inflare.models.embedded.evaluate                    the shipped file, 1000 held-out scenes
  python -m inflare.models.embedded.evaluate --scenes 100       a quick look
  python -m inflare.models.embedded.evaluate --model detector.onnx --json
  python -m inflare.models.embedded.evaluate --joints           the keypoint file: OKS AP, ellipses

AP is the mean over IoU thresholds 0.50 to 0.95 and over the classes (COCO's definition); needs the extra 'eval'.
"""

Network = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Report:
    """COCO's twelve figures (0..1; -1 where no label is of that size), and AP by class."""

    scenes: int
    seed: int
    labels: int
    figures: dict[str, float]
    by_class: dict[str, float]


def load_all(path: Path, threads: int) -> JointNetwork:
    """The graph in `path` as a function of uint8 [batch, H, W, 3] to every output by its name."""
    engine = cast(Any, importlib.import_module("onnxruntime"))
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    return run


def load(path: Path, threads: int) -> Network:
    """The graph in `path` as a function of uint8 [batch, H, W, 3] to logits [batch, Q, C] and boxes [batch, Q, 4]."""
    run = load_all(path, threads)

    def detections(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = run(images)
        return outputs["logits"], outputs["boxes"]

    return detections


def card(model_id: str = CARD_ID) -> Card:
    """The card of an embedded model. Raises LookupError where the catalogue has none."""
    found = Catalog.builtin().find(model_id)
    if found is None:
        raise LookupError(f"no card {model_id} in the catalogue; models/cards holds it")
    return found


def detect(network: Network, scenes: Sequence[Scene]) -> list[Sequence[Detection]]:
    """What `network` finds in each scene, in pixels of the scene, without a threshold."""
    detector = Detector(card())
    prepared = [detector.prepare(scene_png(scene), max_pixels=10**8) for scene in scenes]
    logits, boxes = network(np.stack([picture.pixels for picture in prepared]))
    return [
        detector.read({"logits": logits[i], "boxes": boxes[i]}, width=picture.width, height=picture.height)
        for i, picture in enumerate(prepared)
    ]


def scene_png(scene: Scene) -> bytes:
    """The scene's picture as a PNG file, exactly."""
    buffer = io.BytesIO()
    Image.fromarray(scene.pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def evaluate(network: Network, count: int, seed: int, progress: Callable[[range], Iterable[int]] = iter) -> Report:
    """Scores `network` on the first `count` scenes of `seed`."""
    labelled: list[tuple[str, Scene]] = []
    results: list[dict[str, Any]] = []
    for first in progress(range(0, count, BATCH)):
        scenes = [draw_scene(scene_rng(seed, index)) for index in range(first, min(count, first + BATCH))]
        for scene, detections in zip(scenes, detect(network, scenes), strict=True):
            # Labels are all that scoring needs; the pictures need not be kept.
            labelled.append((f"{len(labelled)}.png", scene))
            results += [_result(len(labelled), detection) for detection in detections]
    truth = document(labelled)
    figures, by_class = score(truth, results)
    return Report(count, seed, len(truth["annotations"]), figures, by_class)


def _result(image_id: int, detection: Detection) -> dict[str, Any]:
    box = detection.box
    return {
        "image_id": image_id,
        "category_id": category_id(LABELS.index(detection.label)),
        "bbox": [box.xmin, box.ymin, box.width, box.height],
        "score": detection.score,
    }


def score(truth: dict[str, Any], results: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """COCO's twelve figures, and AP by class name. Raises ImportError without pycocotools."""
    run = scored(truth, results, "bbox")
    figures = {name: float(value) for name, value in zip(FIGURES, run.stats, strict=True)}
    # Precision by IoU, recall, class, all areas, 100 detections an image; -1 where a class has no label.
    precision: NDArray[np.float64] = run.eval["precision"][:, :, :, 0, 2]
    means = {int(number): precision[:, :, k] for k, number in enumerate(run.params.catIds)}
    names = {category_id(kind): label for kind, label in enumerate(LABELS)}
    return figures, {
        names[number]: float(values[values > -1].mean()) for number, values in means.items() if (values > -1).any()
    }


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.evaluate",
        description="Measure a detector file on held-out scenes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, help="ONNX file (default: the one that ships)")
    parser.add_argument("--joints", action="store_true", help="score people's joints with the keypoint model's card")
    parser.add_argument("--scenes", type=int, default=HELD_OUT_COUNT, help=f"default {HELD_OUT_COUNT}")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help=f"default {HELD_OUT_SEED}, never trained on")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="default: one for each core")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)

    from tqdm import tqdm

    bar: Callable[[range], Iterable[int]] = lambda steps: tqdm(steps, unit="batch")  # noqa: E731
    if options.joints:
        network = load_all(options.model or PACKAGED_JOINTS, options.threads)
        joints = evaluate_joints(network, card(JOINTS_ID), scene_png, options.scenes, options.seed, bar)
        print(json.dumps(asdict(joints)) if options.json else joints.as_text())
        return 0
    report = evaluate(load(options.model or PACKAGED, options.threads), options.scenes, options.seed, bar)
    print(json.dumps(asdict(report)) if options.json else as_text(report))
    return 0


def as_text(report: Report) -> str:
    """The report as a table."""
    lines = [f"{report.scenes} scenes of seed {report.seed}, {report.labels} labels"]
    lines += [f"  {name:<14} {value:.3f}" for name, value in report.figures.items()]
    lines += ["AP by class", *(f"  {name:<14} {value:.3f}" for name, value in report.by_class.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
