"""What a model is for, in the words of the provider's catalogue, so that every face names a task alike."""

from dataclasses import dataclass
from typing import Literal

TaskName = Literal["object-detection", "keypoint-detection"]


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the catalogue: `slug` is ours, the other fields are what `models/search` reports."""

    slug: TaskName
    id: str
    name: str
    description: str


# Cloudflare's catalogue, words and id verbatim (model page of detr-resnet-50).
OBJECT_DETECTION = Task(
    slug="object-detection",
    id="9c178979-90d9-49d8-9e2c-0f1cf01815d4",
    name="Object Detection",
    description="Object detection models can detect instances of objects like persons, faces, license "
    "plates, or others in an image. This task takes an image as input and returns a list of detected "
    "objects, each one containing a label, a probability score, and its surrounding box coordinates.",
)

# No hosted catalogue has this task; the id is uuid5(NAMESPACE_URL, "inflare:task:keypoint-detection").
KEYPOINT_DETECTION = Task(
    slug="keypoint-detection",
    id="6b9a299f-293f-5dc0-9f2f-d3330641e4d7",
    name="Keypoint Detection",
    description="Keypoint detection models find instances of objects in an image and the named points of "
    "each. This task takes an image as input and returns a list of instances, each one containing a label, a "
    "score, its surrounding box, and its keypoints with their confidence and uncertainty.",
)


def task(slug: TaskName) -> Task:
    """The task that `slug` names."""
    return OBJECT_DETECTION if slug == "object-detection" else KEYPOINT_DETECTION
