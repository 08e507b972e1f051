"""The pictures of the documents, made from what the routes answer about drawn scenes: `scripts/pictures`.

A scene follows from its seed, chosen among ten so that there is something to see; what is drawn on it is the embedded
models' own answer.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inflare.bindings import Env, InferenceUpstreamError, Result
from inflare.models.embedded.examples import ARRANGEMENTS, Arrangement, Thing, arrange

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
MOST_BYTES = 150_000
COLOURS = (255, 192, 128, 64)  # the first that makes the file small enough
BOXES, SKELETONS = "@cf/facebook/detr-resnet-50", "@cf/roboflow/rf-detr-keypoint-preview"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A file of docs/pictures: which scene, asked of which model, drawn how; and what to say below it."""

    name: str
    scene: Callable[[], Pixels]
    model: str
    annotators: tuple[str, ...]
    title: str
    keypoint_threshold: float = 0.5


def _park() -> Arrangement:
    return next(each for each in ARRANGEMENTS if "park" in each.name)


def park() -> Pixels:
    """The park of the examples."""
    return arrange(_park()).pixels


def people() -> Pixels:
    """Persons who stand free in it."""
    persons = ((120, 170), (320, 200), (520, 185))
    return _persons(5, tuple(Thing("person", size, (x, 440)) for x, size in persons))


def hidden() -> Pixels:
    """One person who can be seen whole, and one whose legs a car hides."""
    persons = (Thing("person", 190, (150, 430)), Thing("person", 190, (410, 400)))
    return _persons(5, (*persons, Thing("car", 140, (450, 450))))


def _persons(seed: int, things: tuple[Thing, ...]) -> Pixels:
    return arrange(Arrangement("", seed, _park().backdrop, things)).pixels


PICTURES = (
    Picture("boxes.png", park, BOXES, ("box", "label"), "Boxes and labels (`box,label`)"),
    Picture(
        "skeletons.png", people, SKELETONS, ("box", "label", "edge", "vertex"),
        "Skeletons (`box,label,edge,vertex`, the default)",
    ),
    Picture(
        "uncertainty.png", hidden, SKELETONS, ("ellipse", "vertex"),
        "How sure each joint is (`ellipse,vertex`): green, yellow and red are one, two and three standard deviations",
        keypoint_threshold=0.2,
    ),
)  # fmt: skip


def ask(env: Env, model: str, pixels: Pixels) -> Result | None:
    """What the route answers; None where nothing that finds keypoints is installed or embedded."""
    try:
        return env.AI.run_sync(model, pixels)
    except InferenceUpstreamError as error:
        print(f"{model}: {error}", file=sys.stderr)
        return None


def encode(pixels: Pixels) -> bytes:
    """A PNG of few colours, small enough for a repository."""
    data = b""
    for count in COLOURS:
        out = io.BytesIO()
        picture = PIL.Image.fromarray(pixels).quantize(
            count, PIL.Image.Quantize.MAXCOVERAGE, kmeans=5, dither=PIL.Image.Dither.NONE
        )
        picture.save(out, "PNG", optimize=True)
        data = out.getvalue()
        if len(data) < MOST_BYTES:
            break
    return data


def shown() -> str:
    """The pictures that there are, as Markdown."""
    there = [each for each in PICTURES if (FOLDER / each.name).is_file()]
    return "\n\n".join(f"![{each.title}](pictures/{each.name})\n\n{each.title}." for each in there)


def make(folder: Path = FOLDER) -> int:
    """Writes every picture that can be made, and says which can't; the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    with tempfile.TemporaryDirectory() as home, Env.open(home=home) as env:
        for each in PICTURES:
            pixels = each.scene()
            found = ask(env, each.model, pixels)
            if found is None:
                missing.append(each.name)
                continue
            drawn = found.annotate(pixels, annotators=each.annotators, keypoint_threshold=each.keypoint_threshold)
            data = encode(drawn)
            (folder / each.name).write_bytes(data)
            print(f"{each.name}: {len(found.above(0.5))} found, weights {found.run.weights}, {len(data)} bytes")
    if missing:
        print(f"Not made: {', '.join(missing)}. No keypoint model answers here yet; run this again when one does.")
    return 3 if missing else 0


if __name__ == "__main__":
    raise SystemExit(make())
