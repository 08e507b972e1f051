"""The vocabulary writes small graphs that say what they should, in the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as _untyped_engine
import pytest
from numpy.typing import NDArray

from inflare.models.graph import CONTRACT, OPSET, Graph, Value
from inflare.models.graph.attention import AttentionWeights, Projection, attend, self_attention, split_heads
from inflare.models.graph.convolution import Kernel, convolve, fold_norm, merge_repvgg
from inflare.models.graph.images import Normalisation, images_input
from inflare.models.graph.layers import ACTIVATIONS, activate, layer_norm, linear, mlp
from inflare.models.graph.masks import Extent, feature_extent, key_block, score_bias
from inflare.models.graph.position import sine_extent, sine_grid, sine_points

_engine = cast(Any, _untyped_engine)
Array = NDArray[Any]
RANDOM = np.random.default_rng(5)


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def evaluate(write: Callable[[Graph, list[Value]], Value], *arrays: Array) -> Array:
    """What the graph that `write(graph, inputs)` writes gives for `arrays`."""
    graph = Graph("test")
    inputs = [
        graph.input(f"x{i}", str(array.dtype), [f"d{i}{axis}" for axis in range(array.ndim)])
        for i, array in enumerate(arrays)
    ]
    value = write(graph, inputs)
    model = graph.model()
    model.graph.output.append(onnx.ValueInfoProto(name=value))
    session = _engine.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([str(value)], {f"x{i}": array for i, array in enumerate(arrays)})[0]


def small_graph() -> onnx.ModelProto:
    graph = Graph("small")
    value = graph.input("x", "float32", ["batch", 4])
    with graph.scope("outer"), graph.scope("inner"):
        value = linear(graph, value, np.eye(4, dtype=np.float32), np.ones(4, np.float32))
    graph.output("y", value, ["batch", 4])
    return graph.model({"note": "n"})


def test_the_same_calls_give_the_same_bytes() -> None:
    assert small_graph().SerializeToString() == small_graph().SerializeToString()


def test_a_model_carries_the_contract() -> None:
    properties = {entry.key: entry.value for entry in small_graph().metadata_props}
    assert properties == {"inflare.contract": CONTRACT, "note": "n"}


def test_the_opset_is_pinned() -> None:
    assert [(entry.domain, entry.version) for entry in small_graph().opset_import] == [("", OPSET)]


def test_names_tell_where_a_node_was_written() -> None:
    assert all(node.name.startswith("outer/inner/") for node in small_graph().graph.node[:2])


def test_equal_constants_are_stored_once() -> None:
    graph = Graph("test")
    assert graph.constant(np.ones(3, np.float32)) == graph.constant(np.ones(3, np.float32))


def test_equal_bytes_of_another_shape_or_type_are_another_constant() -> None:
    graph = Graph("test")
    shapes = [np.zeros(4, np.float32), np.zeros((2, 2), np.float32), np.zeros(2, np.int64), np.zeros(4, np.int32)]
    assert len({graph.constant(array) for array in shapes}) == 4


def test_a_malformed_graph_is_refused() -> None:
    graph = Graph("test")
    graph.output("y", Value("nothing"), [1])
    with pytest.raises(onnx.checker.ValidationError):
        graph.model()


def test_linear_is_torchs() -> None:
    value, weight, bias = normal(2, 5), normal(3, 5), normal(3)
    got = evaluate(lambda g, v: linear(g, v[0], weight, bias), value)
    assert np.allclose(got, value @ weight.T + bias, atol=1e-6)


def test_layer_norm_normalises_the_last_axis() -> None:
    value, gain, shift = normal(2, 8), normal(8), normal(8)
    centred = value - value.mean(-1, keepdims=True)
    expected = centred / np.sqrt(value.var(-1, keepdims=True) + 0.1) * gain + shift
    assert np.allclose(evaluate(lambda g, v: layer_norm(g, v[0], gain, shift, 0.1), value), expected, atol=1e-5)


def test_an_mlp_has_no_activation_at_its_end() -> None:
    value, layers = normal(3, 4), [(normal(6, 4), normal(6)), (normal(2, 6), normal(2))]
    hidden = np.maximum(value @ layers[0][0].T + layers[0][1], 0)
    expected = hidden @ layers[1][0].T + layers[1][1]
    assert np.allclose(evaluate(lambda g, v: mlp(g, v[0], layers), value), expected, atol=1e-5)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_keep_zero_or_are_the_sigmoid(name: str) -> None:
    got = evaluate(lambda g, v: activate(g, v[0], name), np.zeros(3, np.float32))
    assert np.allclose(got, 0.5 if name == "sigmoid" else 0.0)


def test_no_activation_is_the_identity() -> None:
    assert activate(Graph("test"), Value("x"), None) == "x"


def test_a_folded_norm_is_the_norm_after_the_convolution() -> None:
    value, weight = normal(1, 3, 5, 5), normal(4, 3, 1, 1)
    gain, shift, mean, variance = normal(4), normal(4), normal(4), RANDOM.uniform(0.5, 2, 4)
    got = evaluate(lambda g, v: convolve(g, v[0], fold_norm(weight, gain, shift, mean, variance, 1e-3)), value)
    plain = np.einsum("oc,bchw->bohw", weight[..., 0, 0], value)
    column = (slice(None), None, None)
    expected = (plain - mean[column]) / np.sqrt(variance[column] + 1e-3) * gain[column] + shift[column]
    assert np.allclose(got, expected, atol=1e-5)


def test_merged_branches_are_their_sum() -> None:
    value, three, one = normal(1, 2, 6, 6), Kernel(normal(2, 2, 3, 3), normal(2)), Kernel(normal(2, 2, 1, 1), normal(2))
    both = evaluate(lambda g, v: g.add(convolve(g, v[0], three), convolve(g, v[0], one)), value)
    assert np.allclose(evaluate(lambda g, v: convolve(g, v[0], merge_repvgg(three, one)), value), both, atol=1e-5)


def test_a_projection_after_a_convolution_is_folded_into_it() -> None:
    value, kernel, weight, bias = normal(1, 2, 6, 6), Kernel(normal(3, 2, 3, 3), normal(3)), normal(5, 3), normal(5)
    first = evaluate(lambda g, v: convolve(g, v[0], kernel, stride=2), value)
    expected = np.einsum("po,bohw->bphw", weight, first) + bias[:, None, None]
    got = evaluate(lambda g, v: convolve(g, v[0], kernel.then(weight, bias), stride=2), value)
    assert np.allclose(got, expected, atol=1e-4)


def test_images_arrive_as_planes_without_their_mean() -> None:
    graph, normalisation = Graph("test"), Normalisation((0.5, 0.25, 0.0), (0.1, 0.2, 0.5))
    value = images_input(graph, normalisation, "height", "width")
    model = graph.model()
    model.graph.output.append(onnx.ValueInfoProto(name=value))
    images = RANDOM.integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    session = _engine.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = session.run(None, {"images": images})[0] * normalisation.kernel_factors[:, None, None]
    expected = (images / 255 - np.array(normalisation.mean)) / np.array(normalisation.std)
    assert np.allclose(planes, expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_attention_ignores_blocked_keys() -> None:
    query, key, value = normal(1, 3, 8), normal(1, 5, 8), normal(1, 5, 8)
    bias = np.array([0, 0, 0, -1e30, -1e30], np.float32).reshape(1, 1, 1, 5)

    def write(graph: Graph, inputs: list[Value]) -> Value:
        heads = [split_heads(graph, part, 2, 4) for part in inputs[:3]]
        return attend(graph, heads[0], heads[1], heads[2], inputs[3])

    expected: list[Array] = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = query[0, :, head] @ key[0, :3, head].T
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        expected.append(shares @ value[0, :3, head])
    assert np.allclose(evaluate(write, query, key, value, bias)[0], np.concatenate(expected, 1), atol=1e-5)


def test_a_block_hides_what_a_bias_hides() -> None:
    value, position = normal(2, 6, 8), normal(2, 6, 8)
    weights = AttentionWeights(*(Projection(normal(8, 8), normal(8)) for _ in "qkvo"))
    bias = np.zeros((2, 1, 1, 6), np.float32)
    bias[0, ..., 4:] = -1e30

    def with_bias(graph: Graph, inputs: list[Value]) -> Value:
        return self_attention(graph, inputs[0], inputs[1], weights, 2, inputs[2])

    def with_block(graph: Graph, inputs: list[Value]) -> Value:
        return self_attention(graph, inputs[0], inputs[1], weights, 2, block=key_block(graph, inputs[2], 4))

    arrays = (value, position, bias)
    assert np.allclose(evaluate(with_block, *arrays), evaluate(with_bias, *arrays), atol=1e-5)


@pytest.mark.parametrize(("side", "cells", "valid"), [(64, 2, 33), (97, 4, 50), (800, 25, 333), (131, 5, 104)])
def test_a_features_mask_is_the_nearest_pixels(side: int, cells: int, valid: int) -> None:
    images, features = np.zeros((1, 3, side, 7), np.float32), np.zeros((1, 1, cells, 1), np.float32)

    def write(graph: Graph, inputs: list[Value]) -> Value:
        return graph.cast(feature_extent(graph, inputs[0], inputs[1], inputs[2]).rows, "float32")

    got = evaluate(write, images, features, np.array([[valid, 7]], np.int64))
    sources = np.floor(np.arange(cells, dtype=np.float32) * np.float32(side / cells))
    assert got[0].tolist() == (sources < valid).tolist()


def test_the_score_bias_blocks_rows_and_columns() -> None:
    rows, columns = np.array([[True, False]]), np.array([[True, True, False]])
    got = evaluate(lambda g, v: score_bias(g, Extent(v[0], v[1])), rows, columns)
    assert (got[0, 0, 0] == 0).tolist() == [True, True, False, False, False, False]


def test_positions_depend_on_the_valid_part_alone() -> None:
    rows, columns = np.array([[True, True, False]]), np.array([[True, False]])
    padded = evaluate(lambda g, v: sine_extent(g, Extent(v[0], v[1]), 8), rows, columns)
    alone = evaluate(lambda g, v: sine_extent(g, Extent(v[0], v[1]), 8), rows[:, :2], columns[:, :1])
    assert np.array_equal(padded[0, [0, 2]], alone[0])


def test_positions_put_y_before_x() -> None:
    valid = np.ones((1, 4), np.bool_)
    table = evaluate(lambda g, v: sine_extent(g, Extent(v[0], v[1]), 8), valid, valid).reshape(4, 4, 8)
    assert np.ptp(table[..., :4], axis=1).max() == 0 == np.ptp(table[..., 4:], axis=0).max()


def test_a_point_and_a_cell_at_the_same_place_embed_alike() -> None:
    valid = np.ones((1, 4), np.bool_)
    cells = evaluate(lambda g, v: sine_extent(g, Extent(v[0], v[1]), 8), valid, valid).reshape(4, 4, 8)
    points = sine_points(np.array([[1.0, 0.5]]), 8)
    assert np.allclose(cells[1, 3], points[0], atol=1e-5)


def test_the_fixed_grid_is_sine_cosine_of_y_then_x() -> None:
    table = sine_grid(2, 3, 4, 100.0)[0].reshape(2, 3, 4)
    assert np.allclose(table[1, 2], [np.sin(1), np.cos(1), np.sin(2), np.cos(2)])
