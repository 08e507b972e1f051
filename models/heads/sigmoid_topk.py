"""The head of Conditional DETR, RT-DETR and RF-DETR: the best (query, class) pairs by sigmoid."""

from .candidates import Candidates, Floats, best, corners


def read(logits: Floats, boxes: Floats, *, top_k: int, width: int, height: int, clip: bool = False) -> Candidates:
    """The min(top_k, Q x C) best pairs, best first: logits [Q, C], boxes [Q, 4] cxcywh in 0..1.

    A query may appear with several classes. Source: transformers 5.23.0, post_process_object_detection of the
    three image processors (none clips); rfdetr 1.11.2 clips to the image.
    """
    found, scores = best(logits.reshape(-1), top_k)
    queries, labels = found // logits.shape[1], found % logits.shape[1]
    return Candidates(
        scores=scores,
        labels=labels,
        queries=queries,
        boxes=corners(boxes[queries], width=width, height=height, clip=clip),
    )
