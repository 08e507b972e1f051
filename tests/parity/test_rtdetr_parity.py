"""Our RT-DETR graph against transformers' model.

The model picks its best-scored places as queries, and with random weights many scores are so close that float32
and float64 of the reference itself pick differently. So that a comparison means something, either all places are
picked, or as many as are followed by a gap between scores; and rows are matched, because ties in the order remain.
The reference runs in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from inflare.models.architectures import rtdetr
from inflare.models.graph.images import Normalisation

from .references import IMAGENET, Array, Saved, layout_in_memory, normalised, padded, randomize, run, save, torch
from .references import transformers as reference

pytestmark = pytest.mark.filterwarnings("ignore:You'd better set embed_dim")  # about the speed of the CUDA kernel

TOLERANCE = 1e-4
GAP = 1e-4
"""Between the scores of the last place that is picked and the next; float32's noise is a hundredth of it."""
SIZE = 64
PLACES = 8 * 8 + 4 * 4 + 2 * 2

NET: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [16, 24, 32, 40],
    "depths": [1, 2, 1, 1],
    "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}
SMALL: dict[str, Any] = {
    "d_model": 32,
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [24, 32, 40],
    "decoder_in_channels": [32, 32, 32],
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "hidden_expansion": 0.5,
    "decoder_layers": 3,
    "num_queries": PLACES,
    "num_labels": 5,
}
EMBEDDED_NET: dict[str, Any] = {**NET, "hidden_sizes": [16, 48, 96, 128], "depths": [1, 1, 1, 1]}
EMBEDDED: dict[str, Any] = {
    **SMALL,
    "d_model": 96,
    "encoder_hidden_dim": 96,
    "encoder_in_channels": [48, 96, 128],
    "decoder_in_channels": [96, 96, 96],
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 256,
    "decoder_ffn_dim": 256,
    "num_queries": 50,
    "num_labels": 12,
}
BOTTLENECK: dict[str, Any] = {"layer_type": "bottleneck", "embedding_size": 8}


def make(net: dict[str, Any], settings: dict[str, Any], gain: float = 2.0) -> Any:
    """A reference model with random weights and statistics."""
    config = reference.RTDetrConfig(backbone_config=reference.RTDetrResNetConfig(**net), **settings)
    return randomize(reference.RTDetrForObjectDetection(config), gain=gain)


def noise(size: int, batch: int = 2) -> Array:
    return padded([(size, size)] * batch)[0]


def mismatch(ours: tuple[Array, Array], logits: Any, boxes: Any) -> float:
    """The largest difference of matched rows, over a batch. Infinite if two rows match the same one."""
    worst = 0.0
    rows: Array = np.concatenate(ours, axis=2)
    for mine, theirs in zip(rows, torch.cat([logits, boxes], dim=2).numpy(), strict=True):
        apart = np.abs(mine[:, None] - theirs[None]).max(axis=2)
        nearest = apart.argmin(axis=1)
        worst = max(worst, float(apart.min(axis=1).max()) if len(set(nearest)) == len(mine) else np.inf)
    return worst


def compare(saved: Saved, images: Array, **options: Any) -> float:
    """Of our graph in float32 and the reference in float64."""
    graph = rtdetr.build(saved.config, saved.weights, size=images.shape[1], **options)
    with torch.no_grad():
        expected = saved.model.double()(normalised(images, dtype="float64"))
    return mismatch(run(graph, {"images": images}), expected.logits, expected.pred_boxes)


def pick_at_a_gap(model: Any, images: Array, near: range) -> int:
    """A number of queries after which the scores of every image have a gap; the model then picks so many."""
    with torch.no_grad():
        scores = model.double()(normalised(images, dtype="float64")).enc_outputs_class.amax(-1).numpy()
    ranked = -np.sort(-scores, axis=1)
    gaps = (ranked[:, :-1] - ranked[:, 1:]).min(axis=0)
    count = max(near, key=lambda number: float(gaps[number - 1]))
    assert gaps[count - 1] > GAP, "no number of queries here is safe from rounding"
    model.config.num_queries = count
    return count


@pytest.mark.parametrize(
    ("net", "settings"),
    [
        ({}, {}),
        (BOTTLENECK, {}),
        ({**BOTTLENECK, "downsample_in_bottleneck": True}, {}),
        ({"hidden_act": "silu"}, {"activation_function": "relu", "encoder_activation_function": "relu"}),
        ({}, {"normalize_before": True, "encoder_layers": 2}),
        ({}, {"hidden_expansion": 1.0, "decoder_activation_function": "gelu"}),
        ({}, {"encode_proj_layers": [1, 2], "positional_encoding_temperature": 20}),
        ({}, {"num_feature_levels": 4, "num_queries": PLACES + 1}),
        ({}, {"num_feature_levels": 5, "num_queries": PLACES + 2, "feat_strides": [8, 16, 32, 64, 64]}),
        ({}, {"decoder_n_points": 3, "encoder_hidden_dim": 16, "decoder_in_channels": [16, 16, 16]}),
        ({}, {"eval_size": 64}),
        ({}, {"anchor_image_size": [64, 64]}),
        ({}, {"batch_norm_eps": 0.01, "layer_norm_eps": 0.001, "freeze_backbone_batch_norms": False}),
    ],
    ids=str,
)
def test_the_graph_agrees_when_all_places_are_picked(
    net: dict[str, Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    saved = save(make({**NET, **net}, {**SMALL, **settings}), tmp_path)
    assert compare(saved, noise(SIZE)) < TOLERANCE


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return save(make(NET, SMALL), tmp_path_factory.mktemp("rt-detr"))


@pytest.mark.parametrize("size", [32, 96, 160])
def test_other_sizes_agree(size: int, tmp_path: Path) -> None:
    model = make(NET, SMALL)
    model.config.num_queries = sum((size // stride) ** 2 for stride in (8, 16, 32))
    assert compare(save(model, tmp_path), noise(size, batch=1)) < TOLERANCE


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_cut_decoder_is_the_references_intermediate_answer(small: Saved, layers: int) -> None:
    images = noise(SIZE)
    graph = rtdetr.build(small.config, small.weights, size=SIZE, decoder_layers=layers)
    with torch.no_grad():
        expected = small.model.double()(normalised(images, dtype="float64"))
    logits = expected.intermediate_logits[:, layers - 1]
    boxes = expected.intermediate_reference_points[:, layers - 1]
    assert mismatch(run(graph, {"images": images}), logits, boxes) < TOLERANCE


def test_a_normalised_checkpoint_agrees(small: Saved) -> None:
    images, mask = padded([(SIZE, SIZE)] * 2)
    graph = rtdetr.build(small.config, small.weights, size=SIZE, normalisation=Normalisation(*IMAGENET))
    with torch.no_grad():
        expected = small.model.double()(normalised(images, mask, dtype="float64"))
    assert mismatch(run(graph, {"images": images}), expected.logits, expected.pred_boxes) < TOLERANCE


def test_the_layout_in_memory_gives_the_same_graph(small: Saved) -> None:
    def written(weights: dict[str, Array]) -> bytes:
        graph: onnx.ModelProto = rtdetr.build(small.config, weights, size=SIZE)
        return graph.SerializeToString()

    weights = {name: array.astype(np.float32) for name, array in layout_in_memory(small.model).items()}
    assert written(weights) == written(dict(small.weights))


def test_the_rows_differ_by_far_more_than_the_tolerance(small: Saved) -> None:
    graph = rtdetr.build(small.config, small.weights, size=SIZE)
    answers = np.concatenate(run(graph, {"images": noise(SIZE)}), axis=2)
    apart = np.abs(answers[0][:, None] - answers[0][None]).max(axis=2) + np.eye(PLACES)
    assert apart.min() > 10 * TOLERANCE


def test_the_embedded_models_shape_agrees(tmp_path: Path) -> None:
    model, images = make(EMBEDDED_NET, EMBEDDED), noise(256)
    pick_at_a_gap(model, images, range(40, 61))
    assert compare(save(model.float(), tmp_path), images) < TOLERANCE


def test_the_real_size_agrees(tmp_path: Path) -> None:
    """ResNet-50-vd, 6 decoder layers, about 300 queries, 80 labels: what the official checkpoint has."""
    net = {"out_features": ["stage2", "stage3", "stage4"]}
    # With the others' gain six layers amplify rounding to 5e-4, in the reference's own float32 as well.
    model, images = make(net, {"num_labels": 80}, gain=1.0), noise(320, batch=1)
    pick_at_a_gap(model, images, range(280, 321))
    assert compare(save(model.float(), tmp_path), images) < TOLERANCE
