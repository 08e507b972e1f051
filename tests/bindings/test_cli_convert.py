"""`inflare convert`: other precisions, side by side with what was; nothing is lost, and nothing broken is installed."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import Result
from onnx import numpy_helper

from inflare.models.card import Card
from inflare.models.catalog import Catalog
from inflare.models.local import add_checkpoint
from inflare.models.store import Store
from tests import spots
from tests.models import small_checkpoints

from .shell import inflare

MODEL = "@local/small"
SQUARE = {"size": {"height": 64, "width": 64}, "do_normalize": False}


def store(home: Path) -> Store:
    return Store(home, Catalog.builtin())


def card(home: Path) -> Card:
    found = store(home).find(MODEL)
    assert found is not None
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a small RT-DETR of random weights."""
    folder = small_checkpoints.rtdetr(bottleneck=True).save(tmp_path / "checkpoint", SQUARE)
    add_checkpoint(store(tmp_path / "home"), MODEL, folder)
    return tmp_path / "home"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for level in range(0, 256, 64):
        (folder / f"{level}.png").write_bytes(spots.png(level))
    (folder / "readme.txt").write_text("no picture")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def converted(home: Path, precision: str, *more: str | Path) -> Result:
    return inflare("convert", MODEL, "--precision", precision, "--pictures", "2", *more, home=home)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_model_is_installed_in_another_precision(precision: str, home: Path) -> None:
    result = converted(home, precision)
    assert result.exit_code == 0, result.output
    installed = store(home).installed(card(home))
    assert installed is not None and installed.precision == precision


def test_size_and_speed_are_told_side_by_side(home: Path) -> None:
    output = converted(home, "int8").output
    assert "fp32" in output and "times as fast" in output and "2 drawn scenes" in output


def test_json_holds_the_figures(home: Path, pictures: Path) -> None:
    document = json.loads(converted(home, "int8", "--calibrate", pictures, "--json").stdout)
    assert document["before"]["precision"] == "fp32" and document["after"]["precision"] == "int8"
    assert document["speedup"] > 0 and document["pictures"] == f"2 pictures of {pictures}"


def test_the_original_comes_back_to_the_byte(home: Path) -> None:
    before = store(home).installed(card(home))
    assert before is not None
    converted(home, "int8")
    assert converted(home, "fp32").exit_code == 0
    after = store(home).installed(card(home))
    assert after is not None and (after.sha256, after.precision) == (before.sha256, "fp32")


def test_a_second_conversion_starts_from_the_original(home: Path) -> None:
    before = store(home).installed(card(home))
    for precision in ("int8", "fp16"):
        converted(home, precision)
    lock = store(home).lock(card(home))
    assert before is not None and lock is not None and lock.converted_from == before.sha256


def test_removing_the_model_removes_what_was_kept(home: Path) -> None:
    converted(home, "int8")
    inflare("models", "remove", MODEL, home=home)
    assert [path.name for path in (home / "models").iterdir() if path.is_dir()] == []


def test_labels_give_ap_before_and_after(home: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    annotations = tmp_path / "instances.json"
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 10]}
    labelled = {"images": [{"id": 1, "file_name": "64.png"}], "categories": [{"id": 1, "name": "class 1"}]}
    annotations.write_text(json.dumps({**labelled, "annotations": [box]}))
    more = ("--images", pictures, "--annotations", annotations, "--json")
    document = json.loads(converted(home, "fp16", *more).stdout)
    assert "AP" in document["before"]["figures"] and "AP" in document["after"]["figures"]


def test_images_need_annotations(home: Path, pictures: Path) -> None:
    assert converted(home, "int8", "--images", pictures).exit_code == 2


def test_a_folder_without_pictures_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    result = converted(home, "int8", "--calibrate", tmp_path / "none")
    assert result.exit_code == 4 and "holds no picture" in result.output


def test_a_model_that_is_not_installed_says_how_to_get_it(home: Path) -> None:
    result = inflare("convert", "@cf/facebook/detr-resnet-50", "--precision", "fp16", home=home)
    assert result.exit_code == 3 and "inflare pull" in result.output


def test_fp16_that_overflows_is_refused_and_nothing_changes(home: Path) -> None:
    installed = store(home).installed(card(home))
    assert installed is not None
    model = onnx.load_from_string(installed.path.read_bytes())
    for tensor in model.graph.initializer:
        if tensor.name.startswith("backbone") and "kernel" in tensor.name:
            scaled = numpy_helper.to_array(tensor) * np.float32(300)
            tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
    overflowing = model.SerializeToString()
    store(home).add_file(card(home), overflowing, source=card(home).source)
    result = converted(home, "fp16")
    assert result.exit_code == 3 and "can't be served in fp16" in result.output
    after = store(home).installed(card(home))
    assert after is not None and after.sha256 == hashlib.sha256(overflowing).hexdigest()


def test_int8_serves_requests(home: Path, pictures: Path) -> None:
    converted(home, "int8")
    result = inflare("run", MODEL, pictures / "64.png", "--json", home=home)
    assert result.exit_code == 0 and len(json.loads(result.stdout)) == 10


def test_the_day_of_the_model_stays_its_own(home: Path) -> None:
    made = card(home).created_at
    converted(home, "int8")
    assert card(home).created_at == made == date.fromisoformat(made).isoformat()


def test_a_checkpoint_is_cut_to_fewer_decoder_layers(home: Path, tmp_path: Path) -> None:
    result = inflare(
        "models", "add", "@local/cut", "--checkpoint", tmp_path / "checkpoint", "--decoder-layers", "1", home=home
    )
    assert result.exit_code == 0, result.output
    cut = store(home).find("@local/cut")
    lock = None if cut is None else store(home).lock(cut)
    assert cut is not None and lock is not None and lock.decoder_layers == 1
    whole, shorter = store(home).installed(card(home)), store(home).installed(cut)
    assert whole is not None and shorter is not None and shorter.size < whole.size


def test_layers_that_are_not_there_are_refused(home: Path, tmp_path: Path) -> None:
    more = ("--checkpoint", tmp_path / "checkpoint", "--decoder-layers", "9")
    result = inflare("models", "add", "@local/cut", *more, home=home)
    assert result.exit_code == 4 and "Choose 1 to 2" in result.output


def test_only_rtdetr_is_pulled_with_fewer_layers(home: Path) -> None:
    result = inflare("pull", "@cf/facebook/detr-resnet-50", "--decoder-layers", "3", home=home)
    assert result.exit_code == 2 and "for RT-DETR" in result.output
