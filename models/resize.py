"""A model's input rule applied to pixels, equal to the processor that the model was trained behind."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .card import InputRule
from .image import Image, Pixels, antialiased


def resize(image: Image, rule: InputRule) -> Pixels:
    """`image` as the rule wants it: uint8 [h, w, 3], bilinear, before any normalisation."""
    height, width = target(rule, image.width, image.height)
    return antialiased(image.pixels, width, height) if rule.antialias else sampled(image.pixels, width, height)


def target(rule: InputRule, width: int, height: int) -> tuple[int, int]:
    """Height and width in pixels that the rule gives an image of `width` x `height`.

    Source of shortest-edge: transformers 5.23.0, get_size_with_aspect_ratio: the long side is truncated, and the
    short one rounded half to even; an image whose short side is the rounded one is kept, even if its long side
    passes `longest`. A side is never below 1, where the reference would fail.
    """
    if rule.kind == "square":
        return rule.size, rule.size
    short, long = min(width, height), max(width, height)
    size, exact = rule.size, float(rule.size)
    if rule.longest is not None and long / short * size > rule.longest:
        exact = rule.longest * short / long
        size = round(exact)
    if short == size:
        return height, width
    other = int(exact * long / short)
    size, other = max(size, 1), max(other, 1)
    return (size, other) if width > height else (other, size)


def sampled(pixels: Pixels, width: int, height: int) -> Pixels:
    """`pixels` uint8 [H, W, 3] resized to [height, width, 3] by half-pixel bilinear sampling without antialias.

    Source: rfdetr 1.11.2 (torchvision resize with antialias=False, which is torch's align_corners=False); rounded
    to the nearest level, so within half a level of it.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    columns = _columns(pixels.shape[1], width)
    above, below, share = _places(pixels.shape[0], height)
    lines = pixels.reshape(pixels.shape[0], -1)
    result = np.empty((height, width * 3), np.uint8)
    for start in range(0, height, _BLOCK):
        block = slice(start, start + _BLOCK)
        rows = _blend(lines[above[block]], lines[below[block]], share[block, None])
        blended = _blend(rows.take(columns.left, axis=1), rows.take(columns.right, axis=1), columns.share)
        result[block] = np.rint(blended, out=blended)  # half to even: half up would brighten 2:3 and 3:4 shrinks
    return result.reshape(height, width, 3)


_BLOCK = 32  # lines at a time, so that what is in between stays in the cache


@dataclass(frozen=True, slots=True)
class _Columns:
    """For each new value of a line of RGB triples: the old ones left and right of it, and the share of the right."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    share: NDArray[np.float32]


def _blend(first: NDArray[Any], second: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    low, step = first.astype(np.float32, copy=False), second.astype(np.float32, copy=False)
    step = step - low
    step *= share
    step += low
    return step


@functools.lru_cache(maxsize=64)
def _columns(old: int, new: int) -> _Columns:
    left, right, share = _places(old, new)
    channels = np.arange(3)
    triples = [(place[:, None] * 3 + channels).ravel() for place in (left, right)]
    return _Columns(triples[0], triples[1], np.repeat(share, 3))


@functools.lru_cache(maxsize=64)
def _places(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    centre = np.maximum((np.arange(new) + 0.5) * (old / new) - 0.5, 0)
    first = np.minimum(centre.astype(np.intp), old - 1)
    return first, np.minimum(first + 1, old - 1), (centre - first).astype(np.float32)
