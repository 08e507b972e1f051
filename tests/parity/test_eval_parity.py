"""The average precision that the serving pipeline reaches over labelled photographs is the reference's own: the
hub's processors around the same network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import onnxruntime as _untyped_engine
import PIL.Image
import pytest

from inflare.bindings.evaluation import Labelled, Photograph, evaluate, read_labelled, score
from inflare.models.catalog import Catalog
from inflare.models.coco import matches
from inflare.models.local import add_local
from inflare.models.store import Store
from inflare.runtime.assembly import open_engine
from inflare.runtime.config import load

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("pycocotools")
_engine = cast(Any, _untyped_engine)

# Name of the file, the model whose contract it follows, the hub's processor and its settings, the measured AP.
CONTRACTS: list[tuple[str, str, str, dict[str, Any], float]] = [
    ("yolox_nano_as_detr", "@cf/facebook/detr-resnet-50", "DetrImageProcessor", {}, 0.489),
    ("yolox_nano_as_rtdetr", "PekingU/rtdetr_r50vd", "RTDetrImageProcessor", {"use_focal_loss": True}, 0.508),
]
TOLERANCE = 0.005


@pytest.fixture(scope="module")
def labelled(shared_data: Path) -> Labelled:
    folder = shared_data / "images" / "voc2012_50"
    return read_labelled(folder / "instances.json", folder / "images")


@pytest.mark.parametrize(("file", "like", "processor", "options", "measured"), CONTRACTS)
def test_average_precision_is_the_references(
    shared_data: Path,
    tmp_path: Path,
    labelled: Labelled,
    file: str,
    like: str,
    processor: str,
    options: Mapping[str, Any],
    measured: float,
) -> None:
    graph = shared_data / "models" / f"{file}.onnx"
    reference = _reference(graph, processor, options, labelled, like)
    ours = _ours(graph, like, labelled, tmp_path)
    assert abs(ours - reference) <= TOLERANCE, f"ours {ours:.4f}, reference {reference:.4f}"
    assert abs(ours - measured) <= TOLERANCE


def _ours(graph: Path, like: str, labelled: Labelled, home: Path) -> float:
    card = Catalog.builtin().find(like)
    assert card is not None
    settings = load(None, {"INFLARE_HOME": str(home)}, {}, home).settings
    model = add_local(Store(home, Catalog.builtin()), "wrapped", graph, card)

    async def run() -> float:
        async with open_engine(settings) as engine:
            return (await evaluate(engine, model.id, labelled)).figures["AP"]

    return asyncio.run(run())


def _reference(graph: Path, processor: str, options: Mapping[str, Any], labelled: Labelled, like: str) -> float:
    session = _engine.InferenceSession(graph, providers=["CPUExecutionProvider"])
    prepare = getattr(transformers, processor)()
    card = Catalog.builtin().find(like)
    assert card is not None
    ids = matches((label for label in card.labels if label), labelled.categories)
    results: list[dict[str, Any]] = []
    for photograph in labelled.photographs:
        found = _detect(session, prepare, options, photograph)
        for confidence, label, (left, top, right, bottom) in found:
            if (category := ids.get(card.labels[label] or "")) is not None:
                box = [left, top, right - left, bottom - top]
                results.append({"image_id": photograph.id, "category_id": category, "bbox": box, "score": confidence})
    return score(labelled, results)["AP"]


def _detect(
    session: Any, prepare: Any, options: Mapping[str, Any], photograph: Photograph
) -> list[tuple[float, int, list[float]]]:
    with PIL.Image.open(photograph.path) as picture:
        image = picture.convert("RGB")
    pixels = prepare(images=image, return_tensors="np")["pixel_values"]
    logits, boxes = session.run(["logits", "pred_boxes"], {"pixel_values": pixels})
    outputs = type("Outputs", (), {"logits": torch.from_numpy(logits), "pred_boxes": torch.from_numpy(boxes)})()
    (found,) = prepare.post_process_object_detection(
        outputs, threshold=0.0, target_sizes=[(image.height, image.width)], **options
    )
    return list(zip(found["scores"].tolist(), found["labels"].tolist(), found["boxes"].tolist(), strict=True))
