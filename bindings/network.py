"""One graph behind a card, run here and now: no queue, no ledger, no store. For measuring and checking graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from ..models.card import Card
from ..models.detection import Detection
from ..models.detector import Detector, Prepared
from ..runtime.inference.sessions import OnnxSession, Outputs, SessionOptions


class Network:
    """The ONNX file `path` in a session of its own. Raises SessionError where the engine refuses it."""

    def __init__(self, path: Path, card: Card, options: SessionOptions) -> None:
        self.card, self.detector = card, Detector(card)
        self._session = OnnxSession(path, options)

    def raw(self, picture: Prepared) -> Outputs:
        """The outputs for one picture, by name, without a batch axis."""
        height, width = picture.pixels.shape[:2]
        found = self._session.run(picture.pixels[None], np.array([[height, width]], dtype=np.int64))
        return {name: values[0] for name, values in found.items()}

    def read(self, picture: Prepared, threshold: float | None = None) -> Sequence[Detection]:
        """What it finds in one picture, in pixels of the original. Raises OutputsError."""
        return self.detector.read(self.raw(picture), width=picture.width, height=picture.height, threshold=threshold)

    def detect(self, data: bytes, *, max_pixels: int) -> Sequence[Detection]:
        """What it finds in an encoded image, without a threshold. Raises ImageError and OutputsError."""
        return self.read(self.detector.prepare(data, max_pixels=max_pixels))

    def seconds(self, picture: Prepared) -> float:
        """How long one run takes, copies to and from the device included."""
        started = perf_counter()
        self.raw(picture)
        return perf_counter() - started
