"""The served contract's ends: uint8 images in, raw logits and boxes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .core import Array, Graph, Value


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Per-channel mean and standard deviation (RGB), taken after the division by 255."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def kernel_factors(self) -> Array:
        """[3]: what the first convolution's input channels are multiplied by, instead of the image."""
        return 1.0 / (255.0 * np.asarray(self.std, np.float64))

    @property
    def offset(self) -> Array | None:
        """[1, 3, 1, 1] float32 in 0..255 to subtract; None if zero. Not foldable: the padding is zero after it."""
        if not any(self.mean):
            return None
        return (255.0 * np.asarray(self.mean, np.float64)).astype(np.float32).reshape(1, 3, 1, 1)


def images_input(graph: Graph, normalisation: Normalisation, height: int | str, width: int | str) -> Value:
    """The input `images` uint8 [batch, H, W, 3] as float32 [B, 3, H, W], less the mean, still to be scaled."""
    images = graph.input("images", "uint8", ["batch", height, width, 3])
    planes = graph.cast(graph.transpose(images, 0, 3, 1, 2), "float32")
    offset = normalisation.offset
    return planes if offset is None else graph.op("Sub", planes, graph.constant(offset, "mean"))


def detection_outputs(graph: Graph, logits: Value, boxes: Value, queries: int, classes: int) -> None:
    """The outputs `logits` [B, Q, C] raw and `boxes` [B, Q, 4] cxcywh in 0..1 of the valid image."""
    graph.output("logits", logits, ["batch", queries, classes])
    graph.output("boxes", boxes, ["batch", queries, 4])
