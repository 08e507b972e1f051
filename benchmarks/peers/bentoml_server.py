"""BentoML: a service with a worker for each session; the image is an uploaded file."""

from pathlib import Path

import bentoml
from detection import SESSIONS, Detection


@bentoml.service(workers=SESSIONS, traffic={"timeout": 60})
class Detector:
    def __init__(self) -> None:
        self.detection = Detection()

    @bentoml.api
    def predict(self, content: Path) -> list[dict]:
        return self.detection.answer(content.read_bytes())
