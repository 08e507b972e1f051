"""COCO's category names in the two numberings that detectors use, and the other names that the same things go by,
so that annotations and models can be matched by name."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

# Category ids 0..90 as the annotation files number them; None where COCO has no category.
_SPARSE = """- person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant - stop_sign
parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe - backpack umbrella - - handbag tie
suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket
bottle - wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake
chair couch potted_plant bed - dining_table - - toilet - tv laptop mouse remote keyboard cell_phone microwave oven
toaster sink refrigerator - book clock vase scissors teddy_bear hair_drier toothbrush"""

LABELS_91: tuple[str | None, ...] = tuple(None if word == "-" else word.replace("_", " ") for word in _SPARSE.split())
LABELS_80: tuple[str, ...] = tuple(name for name in LABELS_91 if name is not None)

# PASCAL VOC's names for COCO's categories (also used by RT-DETR's published configuration).
VOC_SYNONYMS: Mapping[str, str] = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}

# The 17 joints of COCO's person, and its skeleton as pairs of indices.
PERSON_KEYPOINTS: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)  # fmt: skip
# COCO's spread of each joint, the unit of object keypoint similarity (OKS): Ronchi and Perona, 2017.
SIGMAS: NDArray[np.float32] = np.array(
    [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], dtype=np.float32
) / np.float32(1000)
PERSON_EDGES: tuple[tuple[int, int], ...] = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip


def canonical(name: str) -> str:
    """The name in COCO's spelling: VOC's synonyms mapped, case and underscores evened out."""
    plain = " ".join(name.replace("_", " ").split()).lower()
    return VOC_SYNONYMS.get(plain.replace(" ", ""), plain)


def matches(names: Iterable[str], categories: Mapping[int, str]) -> dict[str, int]:
    """For each of a model's `names` the id of the annotation category that means the same; others are left out."""
    ids = {canonical(category): number for number, category in categories.items()}
    return {name: ids[canonical(name)] for name in names if canonical(name) in ids}
