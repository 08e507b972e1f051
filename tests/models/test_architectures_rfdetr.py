"""RF-DETR's builder: what it folds and resamples, what it makes of a schema and a file, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from inflare.models.architectures import UnsupportedCheckpoint, compile_checkpoint, rfdetr
from inflare.models.architectures.dinov2 import fold_normalisation, windowed_layers
from inflare.models.architectures.dinov2_positions import resample
from inflare.models.architectures.rfdetr_config import Config
from inflare.models.architectures.rfdetr_keypoints import class_bias, membership, slot_sources
from inflare.models.architectures.rfdetr_names import hub_weights
from inflare.models.architectures.rfdetr_proposals import anchor_boxes
from inflare.models.architectures.weights import Weights
from inflare.models.card import Card
from inflare.models.catalog import Catalog
from inflare.models.graph.images import Normalisation

from .pickled import save_pth
from .small_rfdetr import BACKBONE, CONFIG, NOTES, SIZE, hub, package

Array = NDArray[Any]


def shapes(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    ends = [*model.graph.input, *model.graph.output]
    return {end.name: [side.dim_param or side.dim_value for side in end.type.tensor_type.shape.dim] for end in ends}


def refusal(weights: Mapping[str, Array], notes: Mapping[str, Any] = NOTES, size: int = SIZE) -> str:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        rfdetr.build_package(weights, notes, size=size)
    return str(caught.value)


def keypoint_card() -> Card:
    card = Catalog.builtin().find("@cf/roboflow/rf-detr-keypoint-preview")
    assert card is not None
    return replace(card, input=replace(card.input, size=SIZE))


def test_positions_grow_as_torch_resamples_them() -> None:
    table = np.array([[1.0, 4, 2], [0, 3, 5], [7, -1, 6]])[..., None]
    # torch 2.13: interpolate(mode="bicubic", align_corners=False, antialias=True)
    wanted = [0.849057, 2.23078, 4.075471, 2.715291, 1.599858]
    np.testing.assert_allclose(resample(table, 5)[0, :, 0], wanted, atol=1e-6)


def test_positions_shrink_as_torch_resamples_them() -> None:
    table = np.array([[1.0, 4, 2], [0, 3, 5], [7, -1, 6]])[..., None]
    np.testing.assert_allclose(resample(table, 2)[..., 0], [[1.60554, 3.428002], [2.840826, 3.710511]], atol=1e-6)


def test_normalisation_folds_into_the_patches_exactly() -> None:
    random = np.random.default_rng(0)
    kernel, bias, patch = random.normal(size=(5, 3, 4, 4)), random.normal(size=5), random.integers(0, 256, (4, 4, 3))
    normal = Normalisation((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    wanted = np.einsum("dcij,ijc->d", kernel, (patch / 255 - normal.mean) / normal.std) + bias
    matrix, offset = fold_normalisation(kernel, bias, normal)
    np.testing.assert_allclose(matrix @ patch.reshape(-1) + offset, wanted, atol=1e-5)


def test_layers_numbered_as_a_stage_see_the_whole_image() -> None:
    assert windowed_layers((3, 6, 9, 12)) == (0, 1, 2, 4, 5, 7, 8, 10, 11)


def test_proposals_at_the_edge_of_a_fine_map_are_unusable() -> None:
    boxes, usable = anchor_boxes(64)
    assert not usable[0, 0, 0]
    assert boxes[0].tolist() == [0, 0, 0, 0]


def test_every_place_of_the_published_sizes_is_usable() -> None:
    assert anchor_boxes(576 // 12)[1].all()


def test_slots_are_a_block_a_class_and_empty_where_no_joint_fills_them() -> None:
    assert slot_sources((0, 3)) == (3, 3, 3, 0, 1, 2)
    assert slot_sources((2, 0, 1)) == (0, 1, 3, 3, 2, 3)


def test_joints_add_to_their_own_class() -> None:
    assert membership((0, 2), 3).tolist() == [[0, 1, 0], [0, 1, 0]]


def test_joints_of_different_classes_do_not_see_each_other() -> None:
    bias = class_bias((1, 2))
    assert bias is not None
    assert (bias[0, 0] == 0).tolist() == [[True, True, True, True], [True, True, False, False]] + 2 * [
        [True, False, True, True]
    ]


def test_one_class_with_joints_needs_no_bias() -> None:
    assert class_bias((0, 17)) is None


def test_packed_attention_is_split() -> None:
    packed = {"transformer.decoder.layers.0.self_attn.in_proj_weight": np.arange(18).reshape(6, 3)}
    found = hub_weights(packed)
    assert found["model.decoder.layers.0.self_attn.k_proj.weight"].tolist() == [[6, 7, 8], [9, 10, 11]]


def test_the_graph_serves_the_contract() -> None:
    model = rfdetr.build_package(package(), NOTES, size=SIZE)
    assert shapes(model) == {
        "images": ["batch", SIZE, SIZE, 3],
        "logits": ["batch", 10, 2],
        "boxes": ["batch", 10, 4],
        "keypoints": ["batch", 10, 10, 8],
    }
    assert {entry.key: entry.value for entry in model.metadata_props}["inflare.contract"] == "1"


def test_the_same_weights_give_the_same_bytes() -> None:
    first, second = (rfdetr.build_package(package(), NOTES, size=SIZE).SerializeToString() for _ in range(2))
    assert first == second


def test_the_hub_s_names_with_and_without_the_model_s_give_the_same_graph() -> None:
    weights = hub()
    bare = {name.removeprefix("model."): array for name, array in weights.items()}
    first, second = (rfdetr.build(CONFIG, found, size=SIZE) for found in (weights, bare))
    assert first.SerializeToString() == second.SerializeToString()


def test_a_pth_of_the_package_compiles_by_its_card(tmp_path: Path) -> None:
    card = keypoint_card()
    save_pth(tmp_path / card.source.files[0].name, package())
    model = compile_checkpoint(tmp_path, card)
    assert shapes(model)["keypoints"] == ["batch", 10, 10, 8]


def test_a_pth_gives_the_graph_of_its_weights(tmp_path: Path) -> None:
    card = keypoint_card()
    save_pth(tmp_path / card.source.files[0].name, package())
    wanted = rfdetr.build_package(package(), NOTES, size=SIZE)
    assert compile_checkpoint(tmp_path, card).SerializeToString() == wanted.SerializeToString()


def test_published_sizes_follow_from_the_weights_alone() -> None:
    weights = hub_weights(
        {
            "backbone.0.encoder.encoder.embeddings.patch_embeddings.projection.weight": np.zeros((384, 3, 12, 12)),
            "query_feat.weight": np.zeros((1300, 256)),
            "transformer.decoder.layers.0.cross_attn.sampling_offsets.weight": np.zeros((64, 256)),
            "transformer.decoder.layers.0.norm3.weight": np.zeros(256),
            **{f"transformer.enc_output.{group}.weight": np.zeros(1) for group in range(13)},
            "_kp_active_mask": np.array([[False] * 17, [True] * 17]),
        }
    )
    found = Config.infer(Weights(weights).below("model"), {}, 576)
    assert (found.queries, found.points, found.cross_heads, found.schema) == (100, 2, 16, (0, 17))
    assert (found.backbone.windows, found.backbone.stages, found.backbone.heads) == (2, (3, 6, 9, 12), 6)


def test_a_missing_weight_is_named() -> None:
    weights = package()
    del weights["transformer.decoder.layers.1.kp_linear3.weight"]
    assert "decoder.layers.1.kp_linear3.weight" in refusal(weights)


def test_a_segmentation_head_is_named() -> None:
    assert "segmentation_head.bias" in refusal(package("boxes") | {"segmentation_head.bias": np.zeros(1, np.float32)})


def test_attention_between_people_is_refused() -> None:
    assert "args.inter_instance_kp_attn" in refusal(package(), {"args": {"inter_instance_kp_attn": True}})


def test_a_size_that_does_not_divide_into_windows_is_refused() -> None:
    assert "input size 100" in refusal(package(), size=100)


def test_fewer_places_than_queries_are_refused() -> None:
    assert "10 queries" in refusal(package(), size=24)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_feature_levels": 2}, "num_feature_levels"),
        ({"backbone_config": BACKBONE | {"use_swiglu_ffn": True}}, "backbone_config.use_swiglu_ffn"),
        ({"backbone_config": BACKBONE | {"out_features": ["stage9"]}}, "backbone_config.out_features"),
        ({"activation_function": "mish"}, "activation_function"),
        ({"decoder_self_attention_heads": 7}, "7 and 4 heads"),
    ],
)
def test_a_configuration_that_can_t_be_built_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        rfdetr.build(CONFIG | change, hub(), size=SIZE)
    assert named in str(caught.value)
