"""Measures a keypoint file on held-out scenes: OKS AP of people, and how many true joints lie in the 95 % ellipse."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..agreement import overlap
from ..card import Card
from ..detection import Box, Detection
from ..detector import Detector
from .annotations import category_id, document
from .classes import PERSON
from .scenes import Scene, draw_scene, scene_rng
from .scoring import scored

# 95 % of a normal distribution in the plane lies within this squared Mahalanobis distance.
ELLIPSE_95 = 5.991
# Joints are counted in ellipses where a box of this score overlaps the person by this IoU.
SURE, OVERLAP = 0.3, 0.5
# COCO labels no joints of people with fewer visible pixels (Lin et al., 2014, and its annotations).
LEAST_AREA = 32**2
FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
BATCH = 8

JointNetwork = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class JointReport:
    """COCO's ten keypoint figures (0..1) over all `people`; AP over the `labelled` of them that COCO would give joints;
    AP of the people's boxes; and the share of visible and of occluded true joints inside the 95 % ellipse of the
    found ones, over `joints` of them."""

    scenes: int
    seed: int
    people: int
    figures: dict[str, float]
    labelled: int
    labelled_AP: float
    box_AP: float
    joints: int
    inside_visible: float
    inside_occluded: float

    def as_text(self) -> str:
        """The report as a table."""
        lines = [f"{self.scenes} scenes of seed {self.seed}, {self.people} people"]
        lines += [f"  OKS {name:<10} {value:.3f}" for name, value in self.figures.items()]
        lines.append(f"  OKS AP of the {self.labelled} of at least 32 x 32 pixels, as in COCO: {self.labelled_AP:.3f}")
        lines.append(f"  box AP         {self.box_AP:.3f}")
        lines.append(f"of {self.joints} joints in the 95 % ellipse")
        lines += [f"  visible        {self.inside_visible:.3f}", f"  occluded       {self.inside_occluded:.3f}"]
        return "\n".join(lines)


class Ellipses:
    """Counts true joints against the ellipses of the people found."""

    def __init__(self) -> None:
        self._inside: dict[int, list[bool]] = {1: [], 2: []}

    def add(self, scene: Scene, detections: Sequence[Detection]) -> None:
        """One scene: each person takes the surest detection that overlaps it well."""
        for label in scene.labels:
            if label.joints is None:
                continue
            near = [
                found for found in detections if found.score > SURE and overlap(Box(*label.box), found.box) > OVERLAP
            ]
            if not near:
                continue
            best = max(near, key=lambda found: found.score)
            for (x, y, seen), point in zip(label.joints.rows.tolist(), best.keypoints, strict=True):
                if seen > 0:
                    offset = np.array([x - point.x, y - point.y])
                    spread = np.array(point.covariance)
                    self._inside[int(seen)].append(bool(offset @ np.linalg.solve(spread, offset) <= ELLIPSE_95))

    @property
    def joints(self) -> int:
        return sum(map(len, self._inside.values()))

    def share(self, seen: int) -> float:
        """The share inside, 0..1, of occluded (1) or visible (2) joints; 0 where there is none."""
        return float(np.mean(self._inside[seen])) if self._inside[seen] else 0.0


def evaluate_joints(
    network: JointNetwork,
    card: Card,
    encode: Callable[[Scene], bytes],
    count: int,
    seed: int,
    progress: Callable[[range], Iterable[int]] = iter,
) -> JointReport:
    """Scores `network`, read by `card`, on the first `count` scenes of `seed`, on the serving path."""
    detector, ellipses = Detector(card), Ellipses()
    drawn: list[tuple[str, Scene]] = []
    results: list[dict[str, Any]] = []
    for first in progress(range(0, count, BATCH)):
        scenes = [draw_scene(scene_rng(seed, index)) for index in range(first, min(count, first + BATCH))]
        prepared = [detector.prepare(encode(scene), max_pixels=10**8) for scene in scenes]
        outputs = network(np.stack([picture.pixels for picture in prepared]))
        for i, (scene, picture) in enumerate(zip(scenes, prepared, strict=True)):
            raw = {name: value[i] for name, value in outputs.items()}
            detections = detector.read(raw, width=picture.width, height=picture.height)
            drawn.append((f"{len(drawn)}.png", scene))
            ellipses.add(scene, detections)
            results += [_result(len(drawn), detection) for detection in detections]
    truth = _people_only(document(drawn))
    figures: dict[str, float] = dict(zip(FIGURES, _figures(truth, results, "keypoints"), strict=True))
    labelled = _large_enough(truth)
    return JointReport(
        scenes=count,
        seed=seed,
        people=len(truth["annotations"]),
        figures=figures,
        labelled=sum(person["num_keypoints"] > 0 for person in labelled["annotations"]),
        labelled_AP=_figures(labelled, results, "keypoints")[0],
        box_AP=_figures(truth, results, "bbox")[0],
        joints=ellipses.joints,
        inside_visible=ellipses.share(2),
        inside_occluded=ellipses.share(1),
    )


def _people_only(truth: dict[str, Any]) -> dict[str, Any]:
    person = category_id(PERSON)
    kept = [entry for entry in truth["annotations"] if entry["category_id"] == person]
    return {**truth, "annotations": kept, "categories": [c for c in truth["categories"] if c["id"] == person]}


def _large_enough(truth: dict[str, Any]) -> dict[str, Any]:
    """The same people without the joints of those below LEAST_AREA; pycocotools neither asks for nor punishes these."""
    kept = [
        {**entry, "num_keypoints": entry["num_keypoints"] if entry["area"] >= LEAST_AREA else 0}
        for entry in truth["annotations"]
    ]
    return {**truth, "annotations": kept}


def _result(image_id: int, found: Detection) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "category_id": category_id(PERSON),
        "bbox": [found.box.xmin, found.box.ymin, found.box.width, found.box.height],
        "keypoints": [value for point in found.keypoints for value in (point.x, point.y, 1)],
        "score": found.score,
    }


def _figures(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> list[float]:
    """The figures of the joints or of the boxes: what is scored decides how large pycocotools takes a result to be."""
    keys = ("image_id", "category_id", "score", kind)
    run = scored(truth, [{key: row[key] for key in keys} for row in results], kind)
    return [float(value) for value in run.stats]
