"""The image that a face answers with: the input, scaled to the size that was asked for, with what was found drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import structs

from ...models import annotate, drawing, image
from ...models.card import Card
from ...models.detection import Box, Detection, Keypoint

Size = tuple[int, int]

MOST = 4096  # pixels of a side
_BACKGROUND = 255


def drawn(
    data: bytes,
    card: Card,
    detections: Sequence[Detection],
    size: Size | None,
    max_pixels: int,
    keypoint_threshold: float = drawing.DEFAULT.keypoint_threshold,
) -> bytes:
    """A PNG of exactly `size` (width, height), or of the input's own up to 4096 pixels a side.

    The aspect ratio is kept: what is left over is white. Raises image.ImageError.
    """
    source = image.decode(data, max_pixels=max_pixels)
    width, height = size or _within(source.width, source.height)
    scale = min(width / source.width, height / source.height)
    inner = max(1, round(source.width * scale)), max(1, round(source.height * scale))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = image.antialiased(source.pixels, *inner)
    stretch = inner[0] / source.width, inner[1] / source.height
    moved = [_moved(each, stretch, (left, top)) for each in detections]
    style = drawing.Style(threshold=0.0, keypoint_threshold=keypoint_threshold)
    return annotate.encode(drawing.annotated(canvas, moved, card.keypoints, style), "drawn.png")


def _within(width: int, height: int) -> Size:
    scale = min(1.0, MOST / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _moved(detection: Detection, stretch: tuple[float, float], offset: Size) -> Detection:
    (across, down), (left, top), box = stretch, offset, detection.box
    return structs.replace(
        detection,
        box=Box(box.xmin * across + left, box.ymin * down + top, box.xmax * across + left, box.ymax * down + top),
        keypoints=tuple(_shifted(each, stretch, offset) for each in detection.keypoints),
    )


def _shifted(point: Keypoint, stretch: tuple[float, float], offset: Size) -> Keypoint:
    (across, down), (left, top), ((xx, xy), (yx, yy)) = stretch, offset, point.covariance
    spread = ((xx * across**2, xy * across * down), (yx * across * down, yy * down**2))
    return structs.replace(point, x=point.x * across + left, y=point.y * down + top, covariance=spread)
