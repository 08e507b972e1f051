"""Training pictures: scenes drawn in other processes, each used a few times through random crops, flips and light."""

import math
import multiprocessing as mp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from queue import Empty

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from .scenes import Joints, Label, Layout, Scene, draw_scene, extent, scene_rng
from .skeleton import FLIPPED
from .textures import Pixels

INPUT_SIDE = 320
# Crops show things larger than they are served, so that training takes pictures a little smaller (Touvron et al.,
# "Fixing the train-test resolution discrepancy", 2019).
TRAINING_SIDE = 288
# A cut figure keeps its label where at least this share of its visible pixels is left.
LEAST_LEFT = 0.3


@dataclass(frozen=True)
class Batch:
    """`images` uint8 [B, 3, side, side]; for each image `boxes` float32 [n, 4], (cx, cy, w, h) in 0..1, `kinds`
    int64 [n], and `joints` float32 [n, 17, 3], (x, y) in 0..1 and 0 unlabelled, 1 occluded, 2 visible."""

    images: Pixels
    boxes: tuple[NDArray[np.float32], ...]
    kinds: tuple[NDArray[np.int64], ...]
    joints: tuple[NDArray[np.float32], ...]


def crop(scene: Scene, left: int, top: int, width: int, height: int) -> Scene:
    """The scene cut to a window in pixels, with boxes and joints of what is left of each figure."""
    owners = scene.owners[top : top + height, left : left + width]
    kept = np.full_like(owners, -1)
    labels: list[Label] = []
    for index, label in enumerate(scene.labels):
        mine = owners == index
        area = int(mine.sum())
        if area < max(12.0, LEAST_LEFT * label.area):
            continue
        kept[mine] = len(labels)
        joints = label.joints and _moved(label.joints, left, top, width, height)
        labels.append(Label(label.kind, extent(mine), area, joints))
    pixels = scene.pixels[top : top + height, left : left + width]
    return Scene(pixels, tuple(labels), kept)


def _moved(joints: Joints, left: int, top: int, width: int, height: int) -> Joints:
    rows = joints.rows - np.array([left, top, 0], dtype=np.float32)
    inside = (rows[:, 0] >= 0) & (rows[:, 0] < width) & (rows[:, 1] >= 0) & (rows[:, 1] < height)
    return Joints(np.where((inside & (rows[:, 2] > 0))[:, None], rows, np.float32(0)))


def flip(scene: Scene) -> Scene:
    """The scene seen in a mirror. Left and right joints change places."""
    width = scene.width
    labels = tuple(
        replace(
            label,
            box=(width - label.box[2], label.box[1], width - label.box[0], label.box[3]),
            joints=label.joints and _mirrored(label.joints, width),
        )
        for label in scene.labels
    )
    return Scene(scene.pixels[:, ::-1], labels, scene.owners[:, ::-1])


def _mirrored(joints: Joints, width: int) -> Joints:
    rows = joints.rows[list(FLIPPED)]
    rows[:, 0] = np.where(rows[:, 2] > 0, width - rows[:, 0], 0)
    return Joints(rows)


def augment(rng: Generator, scene: Scene) -> Scene:
    """A random window of at least half the scene, perhaps mirrored, in other light."""
    height, width = scene.height, scene.width
    if rng.random() < 0.6:
        share = math.sqrt(rng.uniform(0.5, 1.0))
        stretch = math.exp(rng.normal(0, 0.1))
        wide = max(32, min(width, round(width * share * stretch)))
        tall = max(32, min(height, round(height * share / stretch)))
        scene = crop(scene, int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1)), wide, tall)
    if rng.random() < 0.5:
        scene = flip(scene)
    return replace(scene, pixels=_recolour(rng, scene.pixels))


def _recolour(rng: Generator, pixels: Pixels) -> Pixels:
    if rng.random() < 0.4:
        return pixels
    levels = np.arange(256, dtype=np.float32)
    gains = rng.uniform(0.75, 1.25, 3).astype(np.float32)
    lift = np.float32(rng.uniform(-20, 20))
    order = rng.permutation(3) if rng.random() < 0.25 else np.arange(3)
    tables = [np.clip(levels * gains[channel] + lift, 0, 255).astype(np.uint8) for channel in range(3)]
    return np.stack([tables[c][pixels[:, :, order[c]]] for c in range(3)], axis=2)


def fit(pixels: Pixels, side: int = INPUT_SIDE) -> Pixels:
    """The picture stretched to the network's square input, uint8 [side, side, 3] (bilinear, as when served)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def targets(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Boxes as (cx, cy, w, h) in 0..1, float32 [n, 4], and label numbers, int64 [n]."""
    height, width = scene.height, scene.width
    corners = np.array([label.box for label in scene.labels], dtype=np.float32).reshape(-1, 4)
    corners /= np.array([width, height, width, height], dtype=np.float32)
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    return np.concatenate([centre, size], axis=1), np.array([label.kind for label in scene.labels], dtype=np.int64)


def joint_targets(scene: Scene) -> NDArray[np.float32]:
    """Joints as float32 [n, 17, 3], x and y in 0..1; zeros for figures that have none."""
    rows = np.zeros((len(scene.labels), len(FLIPPED), 3), dtype=np.float32)
    for row, label in zip(rows, scene.labels, strict=True):
        if label.joints is not None:
            row[:] = label.joints.rows / np.array([scene.width, scene.height, 1], dtype=np.float32)
    return rows


@dataclass(frozen=True)
class Recipe:
    """How pictures are made: batch size, how often a scene is used, how many are held, how full they
    are, the side of the pictures in pixels, and the odds of each class (none: all are as likely)."""

    seed: int
    batch: int = 16
    uses: int = 6
    held: int = 384
    most: int = 9
    side: int = TRAINING_SIDE
    odds: tuple[float, ...] = ()


def draw_batches(recipe: Recipe, worker: int) -> Iterator[Batch]:
    """Batches without end. A pool of scenes is held; each picture is a random one of them, newly augmented, and
    about every `uses` pictures one scene gives way to a new one."""
    rng = np.random.default_rng((recipe.seed, 1 + worker))
    pool: list[Scene] = []
    drawn = 0
    while True:
        chosen: list[Scene] = []
        for _ in range(recipe.batch):
            if len(pool) < 8 or rng.integers(recipe.uses) == 0:
                fresh = draw_scene(scene_rng(recipe.seed, worker + drawn * 64), _training_layout(rng, recipe))
                drawn += 1
                pool = [*pool[-(recipe.held - 1) :], fresh]
            chosen.append(augment(rng, pool[int(rng.integers(len(pool)))]))
        pairs = [targets(scene) for scene in chosen]
        images = np.stack([fit(scene.pixels, recipe.side).transpose(2, 0, 1) for scene in chosen])
        joints = tuple(joint_targets(scene) for scene in chosen)
        yield Batch(images, tuple(boxes for boxes, _ in pairs), tuple(kinds for _, kinds in pairs), joints)


def _training_layout(rng: Generator, recipe: Recipe) -> Layout:
    ratio, side = math.exp(rng.uniform(-0.3, 0.5)), rng.uniform(256, 320)
    return Layout(round(side * math.sqrt(ratio)), round(side / math.sqrt(ratio)), 3, recipe.most, odds=recipe.odds)


def _produce(recipe: Recipe, worker: int, queue: "mp.Queue[Batch]") -> None:
    for batch in draw_batches(recipe, worker):
        queue.put(batch)


class BatchStream:
    """Batches drawn by other processes, in the order in which they come."""

    def __init__(self, recipe: Recipe, workers: Sequence[int]) -> None:
        context = mp.get_context("spawn")
        self._queue: mp.Queue[Batch] = context.Queue(maxsize=8)
        self._processes = [
            context.Process(target=_produce, args=(recipe, worker, self._queue), daemon=True) for worker in workers
        ]
        for process in self._processes:
            process.start()

    def next(self) -> Batch:
        """The next batch. Raises RuntimeError when no process draws any more."""
        while True:
            try:
                return self._queue.get(timeout=5)
            except Empty:
                if not any(process.is_alive() for process in self._processes):
                    raise RuntimeError("no process draws scenes any more; look for its error above") from None

    def close(self) -> None:
        """Ends the drawing processes."""
        for process in self._processes:
            process.terminate()
            process.join()
