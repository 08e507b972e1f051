"""DETR's head: one softmax a query, whose no-object column never wins."""

import numpy as np

from .candidates import Candidates, Floats, corners


def read(
    logits: Floats, boxes: Floats, *, width: int, height: int, background: int | None = None, clip: bool = False
) -> Candidates:
    """Every query once, in query order: logits [Q, C], boxes [Q, 4] cxcywh in 0..1 of an image in pixels.

    `background` is the no-object column, by default the last. Source: transformers 5.23.0,
    DetrImageProcessor.post_process_object_detection (it neither sorts nor clips).
    """
    queries, columns = logits.shape
    odds = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    probabilities[:, columns - 1 if background is None else background] = -1
    labels = probabilities.argmax(axis=1)
    rows = np.arange(queries, dtype=np.int64)
    return Candidates(
        scores=probabilities[rows, labels],
        labels=labels.astype(np.int64),
        queries=rows,
        boxes=corners(boxes, width=width, height=height, clip=clip),
    )
