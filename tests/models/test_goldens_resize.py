"""Decoding and resizing against the processors' own pixel values (goldens/preprocess*)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inflare.models import resampler
from inflare.models.card import InputRule
from inflare.models.image import decode
from inflare.models.resize import resize

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DETR = InputRule("shortest-edge", 800, 1333, mean=MEAN, std=STD)
RULES = {
    "detr_pil": DETR,
    "detr_torchvision": DETR,
    "conditional_detr_torchvision": DETR,
    "rtdetr_pil": InputRule("square", 640),
    "rtdetr_torchvision": InputRule("square", 640),
    "rfdetr_predict_576": InputRule("square", 576, antialias=False, mean=MEAN, std=STD),
}
IMAGES = (
    "000000039769.png",
    *(f"coco_val2017/{number:012}.jpg" for number in (139, 285, 632, 724, 776, 785, 802, 872, 7888)),
    "darknet/dog.jpg",
    "darknet/scream.jpg",
)


def _resized(folder: Path, name: str, rule: InputRule) -> NDArray[np.uint8]:
    return resize(decode((folder / "images" / name).read_bytes(), max_pixels=50_000_000), rule)


def _levels(values: NDArray[Any], rule: InputRule) -> NDArray[Any]:
    """The reference's normalised [3, h, w] values back in levels 0..255, [h, w, 3]."""
    return (values.transpose(1, 2, 0) * rule.std + rule.mean) * 255


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("processor", RULES)
def test_within_one_level_of_the_processor(shared_data: Path, processor: str, name: str) -> None:
    with np.load(shared_data / "goldens" / "preprocess_samples.npz") as file:
        reference = _levels(file[f"{name}|{processor}"], RULES[processor])

    found = _resized(shared_data, name, RULES[processor])[::16, ::16].astype(float)

    # The sampled reference of DETR's torchvision backend is itself up to a level from Pillow's.
    np.testing.assert_allclose(found, reference, atol=1.001)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("processor", RULES)
def test_size_mean_and_channel_order_of_the_processor(shared_data: Path, processor: str, name: str) -> None:
    rule = RULES[processor]
    report = json.loads((shared_data / "goldens" / "preprocess.json").read_text())["files"][name][processor]

    pixels = _resized(shared_data, name, rule)
    values = (pixels / 255 - rule.mean) / rule.std

    assert [3, *pixels.shape[:2]] == report["shape"]
    assert values.mean() == pytest.approx(report["mean"], abs=2e-3)
    level = 1.001 / 255 / min(rule.std)
    assert values[0, :3, 0] == pytest.approx(report["first3_R"], abs=level)
    assert values[0, :3, 1] == pytest.approx(report["first3_G"], abs=level)


@pytest.mark.parametrize("processor", ["detr_pil", "rtdetr_pil"])
def test_pillow_equals_the_pillow_backend(shared_data: Path, processor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampler, "bilinear", _absent)
    with np.load(shared_data / "goldens" / "preprocess_samples.npz") as file:
        reference = np.rint(_levels(file[f"{IMAGES[0]}|{processor}"], RULES[processor]))

    np.testing.assert_array_equal(_resized(shared_data, IMAGES[0], RULES[processor])[::16, ::16], reference)


def _absent(*_: object) -> None:
    """What the resampler answers where its library has no wheel."""
