"""Drawn scenes as files: PNG pictures and a COCO instances file, so that any tool for labelled pictures takes them."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from ..coco import LABELS_91, PERSON_EDGES, PERSON_KEYPOINTS
from .classes import LABELS, PERSON
from .scenes import HELD_OUT_SEED, Label, Scene, draw_scene, scene_rng

EPILOG = """
examples:
  python -m inflare.models.embedded.scenes --count 20 --out drawn --seed 7
  python -m inflare.models.embedded.scenes --count 1000 --out held-out
  inflare eval @cf/inflare/embedded-detector --images held-out --annotations held-out/instances.json

The default seed is that of the held-out scenes: its first 1000 are what the model's card is measured on.
"""


def category_id(kind: int) -> int:
    """COCO's category id of label number `kind`."""
    return LABELS_91.index(LABELS[kind])


def categories() -> list[dict[str, Any]]:
    """The categories in COCO's form; person with its joints and the limbs between them (1-based)."""
    entries: list[dict[str, Any]] = [{"id": category_id(kind), "name": name} for kind, name in enumerate(LABELS)]
    entries[PERSON] |= {
        "keypoints": list(PERSON_KEYPOINTS),
        "skeleton": [[one + 1, other + 1] for one, other in PERSON_EDGES],
    }
    return entries


def annotation(number: int, image_id: int, label: Label) -> dict[str, Any]:
    """One label in COCO's form: box as [x, y, width, height] in pixels, area in visible pixels."""
    left, top, right, bottom = label.box
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id(label.kind),
        "bbox": [left, top, right - left, bottom - top],
        "area": label.area,
        "iscrowd": 0,
    }
    if label.joints is not None:
        rows = [[round(float(x), 2), round(float(y), 2), int(seen)] for x, y, seen in label.joints.rows.tolist()]
        entry["keypoints"] = [value for row in rows for value in row]
        entry["num_keypoints"] = sum(row[2] > 0 for row in rows)
    return entry


def document(scenes: Iterable[tuple[str, Scene]]) -> dict[str, Any]:
    """A COCO instances document of scenes by file name. Image ids count from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, scene in scenes:
        height, width = scene.height, scene.width
        images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})
        for label in scene.labels:
            annotations.append(annotation(len(annotations) + 1, len(images), label))
    return {"images": images, "annotations": annotations, "categories": categories()}


def write(count: int, seed: int, out: Path, file: Path) -> int:
    """Draws `count` scenes of `seed` into `out` as PNG (what the camera's JPEG left, kept exactly), and their
    labels into `file`. Returns the number of labels."""
    from tqdm import tqdm

    out.mkdir(parents=True, exist_ok=True)

    def drawn() -> Iterable[tuple[str, Scene]]:
        for index in tqdm(range(count), unit="scene"):
            scene, name = draw_scene(scene_rng(seed, index)), f"{index:06}.png"
            Image.fromarray(scene.pixels).save(out / name, compress_level=1)
            yield name, scene

    labelled = document(drawn())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(labelled) + "\n")
    return len(labelled["annotations"])


def main(arguments: list[str] | None = None) -> int:
    """The command behind `python -m inflare.models.embedded.scenes`. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.scenes",
        description="Draw labelled scenes: pictures and a COCO instances file, person joints included.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, required=True, help="number of scenes")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--annotations", type=Path, help="file for the labels (default: instances.json in --out)")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help=f"default {HELD_OUT_SEED}, the held-out scenes")
    options = parser.parse_args(arguments)
    file: Path = options.annotations or options.out / "instances.json"
    labels = write(options.count, options.seed, options.out, file)
    print(f"{options.count} scenes in {options.out}, {labels} labels in {file}")
    return 0
