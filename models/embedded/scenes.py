"""Scenes: figures and distractors composed on a background, with the boxes and joints of what can be seen.

Everything follows from a seed: scene `index` of `seed` is the same picture on every machine with the same
numpy and Pillow."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from .camera import photograph
from .classes import KINDS
from .distractors import DISTRACTOR_SIZES, DISTRACTORS
from .pen import Pen, Placement
from .people import Figure, draw_person
from .textures import Pixels, draw_background

HELD_OUT_SEED = 20_261_121
HELD_OUT_COUNT = 1000
# A label is dropped where less of the figure than this can be seen.
LEAST_VISIBLE = 0.35
# Side ratios (width / height) a scene may have.
RATIOS = (4 / 3, 4 / 3, 1.0, 3 / 4, 3 / 2, 16 / 9)
SCENE_SIDE = 288


@dataclass(frozen=True)
class Joints:
    """17 joints in COCO's order: float32 [17, 3] of x, y in pixels of the scene and 0 unlabelled (out of the
    picture), 1 occluded, 2 visible."""

    rows: NDArray[np.float32]


@dataclass(frozen=True)
class Label:
    """A figure that can be seen: its class (index into KINDS), the box of its visible pixels as (left, top,
    right, bottom) with exclusive right and bottom, how many pixels those are, and a person's joints."""

    kind: int
    box: tuple[float, float, float, float]
    area: int
    joints: Joints | None = None


@dataclass(frozen=True)
class Scene:
    """A picture, uint8 RGB [height, width, 3], and its labels; `owners` [height, width] holds for each pixel the
    index of its label, or -1."""

    pixels: Pixels
    labels: tuple[Label, ...]
    owners: NDArray[np.int16]

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class Layout:
    """How to compose: size in pixels, the bounds of the number of figures, camera roughness (0 clean, 1 usual), and
    the odds of each class, in the order of KINDS (none: all are as likely)."""

    width: int
    height: int
    fewest: int = 2
    most: int = 8
    roughness: float = 1.0
    odds: tuple[float, ...] = ()


def scene_rng(seed: int, index: int) -> Generator:
    """The random numbers of scene `index` of `seed`."""
    return np.random.default_rng((seed, index))


def draw_scene(rng: Generator, layout: Layout | None = None) -> Scene:
    """A random scene. Without a `layout`, of SCENE_SIDE² pixels in a random ratio of sides."""
    layout = layout or _any_layout(rng)
    canvas = Canvas(rng, layout)
    unit = math.sqrt(layout.width * layout.height)
    busy = rng.uniform(0.7, 1.2)
    for _ in range(int(rng.integers(0, 5))):
        canvas.add_distractor(unit * rng.uniform(0.15, 0.35) * busy)
    count = int(rng.integers(layout.fewest, layout.most + 1))
    # Small first: what is near lies over what is far.
    sizes = np.sort(np.exp(rng.uniform(math.log(0.15), math.log(0.55), count)))
    crowding = min(1.0, math.sqrt(5 / count))
    for size in sizes:
        canvas.add_figure(_any_kind(rng, layout.odds), unit * float(size) * crowding * busy)
        if rng.random() < 0.12:
            canvas.add_distractor(unit * rng.uniform(0.08, 0.2))
    return canvas.finish(layout.roughness)


def _any_kind(rng: Generator, odds: tuple[float, ...]) -> int:
    if not odds:
        return int(rng.integers(len(KINDS)))
    return int(np.searchsorted(np.cumsum(odds), rng.random() * sum(odds), side="right"))


def _any_layout(rng: Generator) -> Layout:
    ratio = RATIOS[int(rng.integers(len(RATIOS)))]
    return Layout(round(SCENE_SIDE * math.sqrt(ratio)), round(SCENE_SIDE / math.sqrt(ratio)))


@dataclass
class _Placed:
    kind: int
    pixels: int
    figure: Figure
    corner: tuple[int, int]


class Canvas:
    """The picture while it is composed, and who owns each of its pixels."""

    def __init__(self, rng: Generator, layout: Layout, background: Image.Image | None = None) -> None:
        self._rng = rng
        self._width, self._height = layout.width, layout.height
        self._image = background or draw_background(rng, layout.width, layout.height)
        self._owners = np.full((layout.height, layout.width), -1, dtype=np.int16)
        self._placed: list[_Placed] = []

    @property
    def picture(self) -> Pixels:
        """What was drawn so far, before the camera: uint8 RGB [height, width, 3]."""
        return np.array(self._image)

    def add_figure(self, kind: int, size: float) -> None:
        """A figure of class `kind`, about `size` pixels, at a free enough place; none where there is none."""
        self._place(self._figure(kind, size), kind, attempts=6, most_hidden=0.5, out=0.16)

    def put_figure(self, kind: int, size: float, foot: tuple[float, float]) -> None:
        """A figure of class `kind`, about `size` pixels, standing with the middle of its lower edge at `foot`."""
        figure = self._figure(kind, size)
        self._paste(figure, kind, _standing(figure, foot))

    def put_distractor(self, which: int, size: float, foot: tuple[float, float]) -> None:
        """Number `which` of DISTRACTORS, about `size` pixels, standing at `foot`."""
        figure = self._distractor(which, size, turn=0.0, stretch=1.0)
        self._paste(figure, None, _standing(figure, foot))

    def _figure(self, kind: int, size: float) -> Figure:
        spec, rng = KINDS[kind], self._rng
        longest = max(0.11 * math.sqrt(self._width * self._height), size * spec.size)
        turn = rng.normal(0, spec.turn)
        if rng.random() < 0.04:
            turn += rng.choice([-1.0, 1.0]) * math.pi / 2
        stretch = math.exp(rng.normal(0, 0.1))
        mirrored = spec.mirrored and spec.draw is not None and bool(rng.random() < 0.5)
        placement = Placement(longest, float(turn), stretch, mirrored)
        if spec.draw is None:
            return draw_person(rng, placement)
        pen = Pen(placement)
        pen.ink = rng.uniform(0.4, 0.8) if rng.random() < 0.35 else None
        spec.draw(pen, rng)
        return Figure(pen.patch())

    def add_distractor(self, size: float) -> None:
        """A thing without a label; it may hide a part of what is there."""
        rng = self._rng
        which = int(rng.integers(len(DISTRACTORS)))
        stretch = math.exp(rng.normal(0, 0.3))
        figure = self._distractor(which, size, float(rng.normal(0, 0.06)), stretch)
        self._place(figure, None, attempts=3, most_hidden=0.5, out=0.4)

    def _distractor(self, which: int, size: float, turn: float, stretch: float) -> Figure:
        pen = Pen(Placement(size * DISTRACTOR_SIZES[which], turn, stretch))
        DISTRACTORS[which](pen, self._rng)
        return Figure(pen.patch())

    def _place(self, figure: Figure, kind: int | None, attempts: int, most_hidden: float, out: float) -> None:
        tall, wide = figure.patch.height, figure.patch.width
        for _ in range(attempts):
            left = int(self._rng.uniform(-out * wide, self._width - (1 - out) * wide))
            top = int(self._rng.uniform(-out * tall, self._height - (1 - out) * tall))
            if self._fits(figure, (left, top), most_hidden):
                self._paste(figure, kind, (left, top))
                return

    def _window(self, figure: Figure, corner: tuple[int, int]) -> tuple[slice, slice, NDArray[np.bool_]]:
        """The picture's rows and columns under the patch, and where the patch is solid inside the picture."""
        tall, wide = figure.patch.height, figure.patch.width
        left, top = corner
        rows = slice(max(0, top), min(self._height, top + tall))
        columns = slice(max(0, left), min(self._width, left + wide))
        solid = figure.patch.pixels[:, :, 3] > 127
        return rows, columns, solid[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _fits(self, figure: Figure, corner: tuple[int, int], most_hidden: float) -> bool:
        rows, columns, solid = self._window(figure, corner)
        if not solid.any():
            return False
        below = self._owners[rows, columns][solid]
        covered = np.bincount(below[below >= 0], minlength=len(self._placed))
        for index in np.flatnonzero(covered):
            placed = self._placed[int(index)]
            left_over = int((self._owners == index).sum()) - int(covered[index])
            if left_over < (1 - most_hidden) * placed.pixels:
                return False
        return True

    def _paste(self, figure: Figure, kind: int | None, corner: tuple[int, int]) -> None:
        rows, columns, solid = self._window(figure, corner)
        patch = Image.fromarray(_light(self._rng, figure.patch.pixels))
        if self._rng.random() < 0.4:
            self._shadow(patch, corner)
        self._image.paste(patch, corner, patch)
        region = self._owners[rows, columns]
        region[solid] = -1 if kind is None else len(self._placed)
        if kind is not None:
            total = int((figure.patch.pixels[:, :, 3] > 127).sum())
            self._placed.append(_Placed(kind, total, figure, corner))

    def _shadow(self, patch: Image.Image, corner: tuple[int, int]) -> None:
        away = max(1, patch.height // 25)
        mask = patch.getchannel("A").point([round(level * 0.35) for level in range(256)])
        self._image.paste((12, 12, 18), (corner[0] + away, corner[1] + away), mask)

    def finish(self, roughness: float) -> Scene:
        """The picture as photographed, with the labels of what can still be seen."""
        labels: list[Label] = []
        owners = np.full_like(self._owners, -1)
        for index, placed in enumerate(self._placed):
            mine = self._owners == index
            area = int(mine.sum())
            if area < max(1.0, LEAST_VISIBLE * placed.pixels):
                continue
            owners[mine] = len(labels)
            labels.append(Label(placed.kind, extent(mine), area, self._joints(placed, index)))
        return Scene(photograph(self._rng, np.asarray(self._image), roughness), tuple(labels), owners)

    def _joints(self, placed: _Placed, index: int) -> Joints | None:
        if not placed.figure.joints:
            return None
        rows = np.zeros((17, 3), dtype=np.float32)
        for number, (x, y, seen) in enumerate(placed.figure.joints):
            x, y = x + placed.corner[0], y + placed.corner[1]
            if 0 <= x < self._width and 0 <= y < self._height:
                hidden = self._owners[int(y), int(x)] != index
                rows[number] = (x, y, 1 if hidden else seen)
        return Joints(rows)


def _standing(figure: Figure, foot: tuple[float, float]) -> tuple[int, int]:
    return (round(foot[0] - figure.patch.width / 2), round(foot[1] - figure.patch.height))


def extent(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) of the set pixels; right and bottom exclusive. The mask must have one."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def _light(rng: Generator, patch: Pixels) -> Pixels:
    """The figure under its own light: brightness, a slope of light across it, and grain."""
    tall, wide = patch.shape[:2]
    angle, slope = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.28)
    across = np.linspace(-1, 1, wide, dtype=np.float32) * np.float32(slope * math.cos(angle))
    down = np.linspace(-1, 1, tall, dtype=np.float32) * np.float32(slope * math.sin(angle))
    grain = rng.standard_normal((tall // 3 + 1, wide // 3 + 1), dtype=np.float32) * np.float32(rng.uniform(0, 0.09))
    light = (across[None, :] + down[:, None]) + np.float32(rng.uniform(0.78, 1.12))
    light += grain.repeat(3, axis=0).repeat(3, axis=1)[:tall, :wide]
    lit = patch.copy()
    lit[:, :, :3] = np.clip(patch[:, :, :3] * light[:, :, None], 0, 255).astype(np.uint8)
    return lit


if __name__ == "__main__":
    from .annotations import main

    raise SystemExit(main())
