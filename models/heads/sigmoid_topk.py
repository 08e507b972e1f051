"""The head of Conditional DETR, RT-DETR and RF-DETR: the best (query, class) pairs by sigmoid."""

from .candidates import Candidates, Floats, corners, sigmoid, top


def read(logits: Floats, boxes: Floats, *, top_k: int, width: int, height: int, clip: bool = False) -> Candidates:
    """The min(top_k, Q x C) best pairs, best first: logits [Q, C], boxes [Q, 4] cxcywh in 0..1.

    A query may appear with several classes. Source: transformers 5.23.0, post_process_object_detection of the
    three image processors (none clips); rfdetr 1.11.2 clips to the image.
    """
    scores = sigmoid(logits).reshape(-1)
    best = top(scores, top_k)
    queries, labels = best // logits.shape[1], best % logits.shape[1]
    return Candidates(
        scores=scores[best],
        labels=labels,
        queries=queries,
        boxes=corners(boxes[queries], width=width, height=height, clip=clip),
    )
