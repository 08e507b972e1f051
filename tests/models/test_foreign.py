"""A foreign file is served with the numbers it had, or refused with every reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inflare.models.card import Card, Head
from inflare.models.catalog import Catalog
from inflare.models.foreign import Unfit, fit, wrap

from .networks import Network, noise, pixels, run

IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def card(model: str = "@cf/facebook/detr-resnet-50") -> Card:
    found = Catalog.builtin().find(model)
    assert found is not None
    return found


def rt_detr() -> Card:
    return card("PekingU/rtdetr_r50vd")


def keypoints() -> Card:
    return card("@cf/roboflow/rf-detr-keypoint-preview")


def close(found: dict[str, Any], wanted: dict[str, Any], tolerance: float = 1e-4) -> None:
    assert found["logits"].dtype == np.float32
    np.testing.assert_allclose(found["logits"], wanted["logits"], atol=tolerance, rtol=0)
    np.testing.assert_allclose(found["boxes"], wanted["pred_boxes"], atol=tolerance, rtol=0)


def only(path: Path, like: Card) -> str:
    problems = fit(path, like)
    assert len(problems) == 1, problems
    return problems[0]


def test_the_wrapped_detr_photograph_network_is_unchanged(shared_data: Path) -> None:
    path = shared_data / "models" / "yolox_nano_as_detr.onnx"
    images = noise(1, 480, 640, 3)
    found = run(wrap(path, card()), {"images": images})
    close(found, run(path, {"pixel_values": pixels(images, **IMAGENET)}))


def test_the_wrapped_rt_detr_photograph_network_is_unchanged(shared_data: Path) -> None:
    path = shared_data / "models" / "yolox_nano_as_rtdetr.onnx"
    images = noise(2, 640, 640, 3)
    found = run(wrap(path, rt_detr()), {"images": images})
    close(found, run(path, {"pixel_values": pixels(images)}))


def test_free_sizes_stay_free(tmp_path: Path) -> None:
    path = Network().save(tmp_path / "net.onnx")
    wrapped = wrap(path, card())
    for shape in ((1, 32, 48, 3), (3, 17, 5, 3)):
        images = noise(*shape)
        close(run(wrapped, {"images": images}), run(path, {"pixel_values": pixels(images, **IMAGENET)}))


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT])
@pytest.mark.parametrize("mask", [("batch", 64, 64), ("batch", "height", "width")])
def test_a_mask_is_fed_with_ones_of_its_declared_shape(tmp_path: Path, mask: tuple[int | str, ...], kind: int) -> None:
    path = Network(mask=mask, mask_type=kind).save(tmp_path / "net.onnx")
    images = noise(2, 32, 48, 3)
    sides = (64, 64) if mask[1] == 64 else (32, 48)
    ones = np.ones((2, *sides), helper.tensor_dtype_to_np_dtype(kind))
    found = run(wrap(path, card()), {"images": images})
    close(found, run(path, {"pixel_values": pixels(images, **IMAGENET), "pixel_mask": ones}), 1e-2)


def test_a_half_precision_graph_gives_float32(tmp_path: Path) -> None:
    path = Network(half=True).save(tmp_path / "net.onnx")
    images = noise(1, 32, 48, 3)
    found = run(wrap(path, card()), {"images": images})
    close(found, run(path, {"pixel_values": pixels(images, **IMAGENET).astype(np.float16)}), 5e-2)


def test_a_batch_of_one_stays_one(tmp_path: Path) -> None:
    path = Network(batch=1).save(tmp_path / "net.onnx")
    model = onnx.load_from_string(wrap(path, card()))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


@pytest.mark.parametrize(
    "network",
    [
        Network(pixels="images", boxes="boxes"),
        Network(pixels="x", logits="a", boxes="b"),
        Network(logits="pred_logits"),
        Network(extra_output=True),
    ],
)
def test_ports_are_recognised_by_name_or_shape(tmp_path: Path, network: Network) -> None:
    path = network.save(tmp_path / "net.onnx")
    found = run(wrap(path, card()), {"images": noise(1, 8, 8, 3)})
    assert {name: array.shape for name, array in found.items()} == {"logits": (1, 4, 92), "boxes": (1, 4, 4)}


def test_rfdetr_names_tell_logits_from_boxes_of_the_same_width(tmp_path: Path) -> None:
    network = Network(pixels="input", logits="labels", boxes="dets", classes=4, keypoints=34, size=(576, 576))
    like = replace(keypoints(), labels=(None, "person", "dog", "cat"))
    path = network.save(tmp_path / "net.onnx")
    images = noise(1, 576, 576, 3)
    found, wanted = run(wrap(path, like), {"images": images}), run(path, {"input": pixels(images, **IMAGENET)})
    np.testing.assert_allclose(found["logits"], wanted["labels"], atol=1e-4)
    np.testing.assert_allclose(found["keypoints"], wanted["keypoints"], atol=1e-4)


def test_a_wrapped_file_is_served_as_it_is(tmp_path: Path) -> None:
    once = wrap(Network().save(tmp_path / "net.onnx"), card())
    (tmp_path / "again.onnx").write_bytes(once)
    assert wrap(tmp_path / "again.onnx", card()) == once


def test_the_contract_is_written_into_the_file(tmp_path: Path) -> None:
    model = onnx.load_from_string(wrap(Network().save(tmp_path / "net.onnx"), card()))
    assert {entry.key: entry.value for entry in model.metadata_props}["inflare.contract"] == "1"


def test_a_square_card_fixes_the_size(tmp_path: Path) -> None:
    path = Network(classes=80).save(tmp_path / "net.onnx")
    shape = onnx.load_from_string(wrap(path, rt_detr())).graph.input[0].type.tensor_type.shape
    assert [side.dim_value for side in shape.dim[1:]] == [640, 640, 3]


def test_a_square_card_refuses_another_size(tmp_path: Path) -> None:
    path = Network(classes=80, size=(320, 320)).save(tmp_path / "net.onnx")
    assert "expected 640 x 640 pixels" in only(path, rt_detr())


def test_a_free_card_refuses_a_fixed_size(tmp_path: Path) -> None:
    path = Network(size=(800, 800)).save(tmp_path / "net.onnx")
    assert "found pixel_values float [?, 3, 800, 800]" in only(path, card())


def test_another_number_of_classes_is_named(tmp_path: Path) -> None:
    problem = only(Network(classes=7).save(tmp_path / "net.onnx"), card())
    assert "expected float [batch, Q, 92] (91 labels), found logits float [?, 4, 7]" in problem


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    assert "fixed at 4" in only(Network(batch=4).save(tmp_path / "net.onnx"), card())


def test_an_input_that_nobody_can_fill_is_named(tmp_path: Path) -> None:
    assert "orig_sizes int64 [?, 2]" in only(Network(extra_input=True).save(tmp_path / "net.onnx"), card())


def test_a_missing_output_is_named_with_what_is_there(tmp_path: Path) -> None:
    assert "output keypoints" in only(Network(classes=2, size=(576, 576)).save(tmp_path / "n.onnx"), keypoints())


def test_keypoint_slots_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = Network(classes=2, size=(576, 576), keypoints=5).save(tmp_path / "net.onnx")
    assert "expected slots for the card's keypoints" in only(path, keypoints())


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    path = Network(classes=7, batch=4, size=(9, 9), extra_input=True).save(tmp_path / "net.onnx")
    assert len(fit(path, card())) == 4


def test_an_unknown_operator_domain_is_refused(tmp_path: Path) -> None:
    path = Network(domain="my.ops").save(tmp_path / "net.onnx")
    assert "my.ops" in only(path, card())


@pytest.mark.parametrize("content", [b"", b"not onnx", bytes(1000), b"\x08\x07" * 40])
def test_what_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    assert "expected an ONNX file" in only(tmp_path / "net.onnx", card())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in only(tmp_path / "none.onnx", card())


def test_wrapping_what_does_not_fit_raises_the_problems(tmp_path: Path) -> None:
    path = Network(classes=7).save(tmp_path / "net.onnx")
    with pytest.raises(Unfit) as caught:
        wrap(path, card())
    assert caught.value.problems == fit(path, card())


def test_a_sigmoid_head_has_no_extra_column(tmp_path: Path) -> None:
    like = replace(card(), head=Head("sigmoid-top-k", top_k=10))
    assert fit(Network(classes=91).save(tmp_path / "net.onnx"), like) == ()
