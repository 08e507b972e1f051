"""The pictures in `examples/`: scenes arranged by hand from the same figures, and one as the generator throws it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from .classes import LABELS
from .distractors import DISTRACTORS, draw_building, draw_furniture, draw_pole, draw_tree
from .palette import Colour, shade
from .scenes import Canvas, Layout, Scene, draw_scene, scene_rng
from .textures import Pixels, roughen

WIDTH, HEIGHT = 640, 480
EPILOG = """
example:
  python -m inflare.models.embedded.examples --out examples
"""

Backdrop = Callable[[], Image.Image]


@dataclass(frozen=True)
class Thing:
    """A class name or the name of a distractor, its size in pixels, and where it stands (middle of its foot)."""

    name: str
    size: float
    foot: tuple[float, float]


@dataclass(frozen=True)
class Arrangement:
    """An example picture: file name, seed, background and things, far to near."""

    name: str
    seed: int
    backdrop: Backdrop
    things: tuple[Thing, ...]


def _bands(*bands: tuple[int, Colour]) -> Image.Image:
    """Horizontal bands, each from its row downwards."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for top, colour in bands:
        for row in range(top, HEIGHT):
            draw.line((0, row, WIDTH, row), fill=shade(colour, 1.0 + 0.12 * (row - top) / HEIGHT))
    return image


def _street() -> Image.Image:
    image = _bands((0, (150, 198, 232)), (290, (120, 168, 92)), (345, (96, 98, 104)), (450, (178, 172, 160)))
    draw = ImageDraw.Draw(image)
    for left in range(10, WIDTH, 90):
        draw.rectangle((left, 394, left + 46, 400), fill=(232, 228, 204))
    return image


def _park() -> Image.Image:
    image = _bands((0, (166, 210, 238)), (270, (142, 190, 96)))
    ImageDraw.Draw(image).ellipse((-200, 330, 900, 620), fill=(156, 200, 104))
    return image


def _room() -> Image.Image:
    image = _bands((0, (226, 208, 178)), (350, (150, 104, 66)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 340, WIDTH, 352), fill=(244, 238, 224))
    for row in (378, 410, 446):
        draw.line((0, row, WIDTH, row), fill=(124, 84, 52), width=2)
    return image


ARRANGEMENTS: tuple[Arrangement, ...] = (
    Arrangement(
        "01-street.jpg",
        3,
        _street,
        (
            Thing("building", 120, (110, 300)),
            Thing("tree", 110, (560, 320)),
            Thing("pole", 90, (345, 345)),
            Thing("traffic light", 130, (345, 215)),
            Thing("bus", 170, (150, 380)),
            Thing("car", 170, (470, 430)),
            Thing("person", 175, (290, 470)),
        ),
    ),
    Arrangement(
        "02-park.jpg",
        4,
        _park,
        (
            Thing("tree", 150, (90, 330)),
            Thing("bird", 110, (260, 110)),
            Thing("kite", 160, (500, 200)),
            Thing("bicycle", 150, (530, 390)),
            Thing("person", 210, (220, 450)),
            Thing("dog", 150, (380, 460)),
            Thing("sports ball", 110, (120, 460)),
        ),
    ),
    Arrangement(
        "03-room.jpg",
        4,
        _room,
        (
            Thing("furniture", 160, (520, 400)),
            Thing("clock", 150, (190, 170)),
            Thing("person", 220, (330, 450)),
            Thing("cat", 160, (150, 450)),
            Thing("sports ball", 120, (450, 465)),
        ),
    ),
)
CLUTTER = "04-clutter.jpg"
CLUTTER_SEED = (101, 3)


_DISTRACTORS = {
    "building": DISTRACTORS.index(draw_building),
    "tree": DISTRACTORS.index(draw_tree),
    "pole": DISTRACTORS.index(draw_pole),
    "furniture": DISTRACTORS.index(draw_furniture),
}


def arrange(plan: Arrangement) -> Scene:
    """The arranged scene, photographed gently."""
    rng: Generator = np.random.default_rng(plan.seed)
    canvas = Canvas(rng, Layout(WIDTH, HEIGHT), roughen(rng, plan.backdrop(), 7))
    for thing in plan.things:
        if thing.name in LABELS:
            canvas.put_figure(LABELS.index(thing.name), thing.size, thing.foot)
        else:
            canvas.put_distractor(_DISTRACTORS[thing.name], thing.size, thing.foot)
    return canvas.finish(0.2)


def draw_examples() -> dict[str, Pixels]:
    """The example pictures by file name, uint8 RGB [480, 640, 3]."""
    pictures = {plan.name: arrange(plan).pixels for plan in ARRANGEMENTS}
    layout = Layout(WIDTH, HEIGHT, fewest=6, most=9, roughness=0.5)
    pictures[CLUTTER] = draw_scene(scene_rng(*CLUTTER_SEED), layout).pixels
    return pictures


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.examples",
        description="Draw the example pictures again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, pixels in draw_examples().items():
        Image.fromarray(pixels).save(options.out / name, "JPEG", quality=88)
        print(options.out / name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
