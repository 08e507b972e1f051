"""What is measured: one call of each function that a request spends its time in, on fixed data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inflare.models.card import Card, InputRule
from inflare.models.catalog import Catalog
from inflare.models.detector import Detector
from inflare.models.image import antialiased, decode
from inflare.models.nested import scans
from inflare.models.resize import sampled, target
from inflare.runtime.config import load
from inflare.runtime.engine import Answer, Timings
from inflare.runtime.http.quick_json import quick_text
from inflare.runtime.http.results import result_of
from inflare.schemas import payload
from inflare.schemas.validate import strict_schema

Kind = Literal["python", "vector"]


@dataclass(frozen=True, slots=True)
class Hot:
    """A function to call, and which calibration loop it is compared with: what mostly runs in it."""

    kind: Kind
    call: Callable[[], object]


def functions() -> Mapping[str, Hot]:
    """All of them by name, with their data made."""
    return {**_payloads(), **_images(), **_answers()}


def _payloads() -> dict[str, Hot]:
    document = strict_schema("cloudflare/object-detection.input")
    octets = np.random.default_rng(0).integers(0, 256, 250_000, dtype=np.uint8).tobytes()
    image = b"\xff\xd8\xff" + octets
    packed = cast(bytes, cast(Any, msgpack).packb({"image": image}))
    compact = json.dumps({"image": list(octets)}, separators=(",", ":")).encode()
    floats = json.dumps({"image": [float(value) for value in octets]}).encode()
    few = json.dumps({"image": list(octets[:500])}).encode()

    def of(body: bytes) -> Callable[[], object]:
        return lambda: payload.decode(body, document)

    return {
        "payload: JSON integers, 250 kB image": Hot("vector", of(compact)),
        "payload: JSON floats, 250 kB image": Hot("vector", of(floats)),
        "payload: JSON, 500 B image": Hot("python", of(few)),
        "payload: msgpack": Hot("python", of(packed)),
        "payload: raw": Hot("python", of(image)),
    }


def _images() -> dict[str, Hot]:
    coarse = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(coarse).resize((640, 480), PIL.Image.Resampling.BICUBIC)
    jpeg, png = io.BytesIO(), io.BytesIO()
    picture.save(jpeg, "JPEG", quality=88)
    picture.resize((160, 120)).save(png, "PNG")
    pixels = np.asarray(picture)
    rule = InputRule("shortest-edge", 800, 1333)
    rows, columns = target(rule, 640, 480)
    return {
        "image: JPEG 640 x 480": Hot("vector", lambda: decode(jpeg.getvalue(), max_pixels=10**7)),
        "image: PNG 160 x 120": Hot("vector", lambda: decode(png.getvalue(), max_pixels=10**7)),
        "image: scans of a JPEG": Hot("vector", lambda: scans(jpeg.getvalue() * 4)),
        "resize: antialiased to 640 x 640": Hot("vector", lambda: antialiased(pixels, 640, 640)),
        "resize: antialiased to 1066 x 800": Hot("vector", lambda: antialiased(pixels, columns, rows)),
        "resize: sampled to 576 x 576": Hot("vector", lambda: sampled(pixels, 576, 576)),
    }


def _answers() -> dict[str, Hot]:
    dense, listed = Detector(_card("@cf/facebook/detr-resnet-50")), Detector(_card("PekingU/rtdetr_r50vd"))
    of_dense, of_listed = _outputs(dense.card, 100), _outputs(listed.card, 300)
    settings = load(None, {}, {}, Path()).settings.cloudflare
    detections = dense.read(of_dense, width=640, height=480)
    answer = Answer(detections, dense.card.id, "installed", 640, 480, Timings(1, 1, 1, 1), "id")
    return {
        "read: softmax, 100 queries": Hot("python", lambda: dense.read(of_dense, width=640, height=480)),
        "read: sigmoid top-k, 300 queries": Hot("python", lambda: listed.read(of_listed, width=640, height=480)),
        "answer: 100 detections as JSON": Hot("python", lambda: quick_text(result_of(answer, settings))),
    }


def _outputs(card: Card, queries: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(2)
    return {
        "logits": rng.normal(0, 3, (queries, card.class_count)).astype(np.float32),
        "boxes": rng.uniform(0.1, 0.9, (queries, 4)).astype(np.float32),
    }


def _card(name: str) -> Card:
    card = Catalog.builtin().find(name)
    if card is None:
        raise LookupError(f"the catalogue has no {name}")
    return card
