"""Reads a network back from the ONNX file that `export` wrote of it: training can go on from the file that ships.

The graph holds batch normalisation folded into kernels, the branches of RepVGG blocks merged, and the decoder's
projections multiplied together. Read back is a network that answers alike, not the tensors that once were trained: each
kernel goes into one branch whose normalisation is set to what a few drawn pictures show of it, so that training starts
where the file stands. Layers of training alone (the classes of earlier decoder layers, the guide) begin anew."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ..architectures.rtdetr_topdown import BLOCKS
from ..architectures.rtdetr_topdown import HEAD as TOPDOWN
from .dataset import Batch, Recipe, draw_batches
from .joints import new_head
from .network import new_network, torch_module
from .topdown import new_topdown, topdown_loss

Tensors = dict[str, NDArray[Any]]
PICTURES = 32
_LEVELS = 3
_SKIPPED = ("position", "scales", "anchors", "usable", "centres", "bound", "sigmas")


class _Tape:
    """The weights of a graph in the order in which its operations take them; equal ones are stored once."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        known = {
            one.name: numpy_helper.to_array(one)
            for one in graph.initializer
            if one.data_type == onnx.TensorProto.FLOAT
            and one.dims
            and one.name.rpartition("/")[2].rpartition("_")[0] not in _SKIPPED
        }
        self._rest = iter([known[name] for node in graph.node for name in node.input if name in known])

    def next(self, *shape: int) -> NDArray[Any]:
        """The next array. Raises ValueError where it does not have that shape: the file is of another network."""
        array = next(self._rest, np.zeros(0))
        if array.shape != shape:
            raise ValueError(
                f"a weight of shape {array.shape} stands where the recipe's network has {shape}; "
                "only a file of the same recipe can be read back"
            )
        return array


def restore(file: Path, network: Any, seed: int = 0) -> None:
    """Puts what `file` answers into `network` (of `new_network`, with its `joint_head` and `topdown_head` or without).
    Raises ValueError for a file of another network."""
    torch = torch_module()
    tape = _Tape(onnx.load_from_string(file.read_bytes()).graph)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    tensors = _read(tape, shapes)
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}, strict=False)
    for layer in range(len(network.model.decoder.layers) - 1):
        network.model.decoder.class_embed[layer].load_state_dict(network.model.decoder.class_embed[-1].state_dict())
    _settle(network, _pictures(seed))


def topdown_weights(file: Path) -> Tensors:
    """The second look's tensors by name, as the keypoint file `file` holds them. Raises ValueError for a file of
    another network, or without a second look."""
    whole = new_network()
    whole.add_module("joint_head", new_head(whole.config.d_model))
    whole.add_module(TOPDOWN, new_topdown())
    shapes = {name: tuple(value.shape) for name, value in whole.state_dict().items()}
    tensors = _read(_Tape(onnx.load_from_string(file.read_bytes()).graph), shapes)
    return {name: value for name, value in tensors.items() if name.startswith(f"{TOPDOWN}.")}


def _read(tape: _Tape, shapes: dict[str, tuple[int, ...]]) -> Tensors:
    tensors: Tensors = {}

    def kernel(convolution: str, norm: str, scale: float = 1.0) -> None:
        """A convolution, and after it a normalisation that does nothing but add the bias."""
        out = shapes[f"{convolution}.weight"][0]
        tensors[f"{convolution}.weight"] = tape.next(*shapes[f"{convolution}.weight"]) * np.float32(scale)
        tensors[f"{norm}.bias"] = tape.next(out)
        tensors[f"{norm}.weight"] = np.ones(out, np.float32)
        tensors[f"{norm}.running_mean"] = np.zeros(out, np.float32)
        tensors[f"{norm}.running_var"] = np.full(out, 1 - 1e-5, np.float32)

    def projection(name: str) -> None:
        out, width = shapes[f"{name}.weight"]
        tensors[f"{name}.weight"] = tape.next(width, out).T
        tensors[f"{name}.bias"] = tape.next(out)

    def layer_norm(name: str) -> None:
        for part in ("weight", "bias"):
            tensors[f"{name}.{part}"] = tape.next(*shapes[f"{name}.{part}"])

    def attention(name: str, heads: int) -> None:
        width = shapes[f"{name}.q_proj.weight"][0]
        both, shift = tape.next(width, 2 * width).T, tape.next(2 * width)
        scale = np.float32((width // heads) ** 0.5)  # folded into the queries
        tensors[f"{name}.q_proj.weight"], tensors[f"{name}.k_proj.weight"] = both[:width] * scale, both[width:]
        tensors[f"{name}.q_proj.bias"], tensors[f"{name}.k_proj.bias"] = shift[:width] * scale, shift[width:]
        projection(f"{name}.v_proj")
        projection(f"{name}.o_proj")

    def mlp(name: str, depth: int) -> None:
        for index in range(depth):
            projection(f"{name}.layers.{index}")

    _backbone(kernel)
    _encoder(kernel, projection, layer_norm, attention)
    bottlenecks = [name for name in shapes if ".bottlenecks." in name and name.endswith(".conv2.norm.weight")]
    for name in bottlenecks:  # the merged kernel lies in the other branch
        tensors[name] = np.zeros(shapes[name], np.float32)
        tensors[name.replace(".weight", ".bias")] = np.zeros(shapes[name], np.float32)
    levels = _proposals(tape, tensors, kernel)
    layer_norm("model.enc_output.1")
    projection("model.enc_score_head")
    mlp("model.enc_bbox_head", 3)
    layer = 0
    while (name := f"model.decoder.layers.{layer}") + ".mlp.fc1.weight" in shapes:
        mlp("model.decoder.query_pos_head", 2)  # shared by all layers
        attention(f"{name}.self_attn", 4)
        layer_norm(f"{name}.self_attn_layer_norm")
        _value(tape, tensors, f"{name}.encoder_attn.value_proj", levels)
        projection(f"{name}.encoder_attn.attention_weights")
        _offsets(tape, tensors, f"{name}.encoder_attn.sampling_offsets", heads=4, points=4)
        projection(f"{name}.encoder_attn.output_proj")
        layer_norm(f"{name}.encoder_attn_layer_norm")
        projection(f"{name}.mlp.fc1")
        projection(f"{name}.mlp.fc2")
        layer_norm(f"{name}.final_layer_norm")
        mlp(f"model.decoder.bbox_embed.{layer}", 3)
        layer += 1
    projection(f"model.decoder.class_embed.{layer - 1}")
    if "joint_head.names.weight" in shapes:
        _joints(tape, tensors, shapes, projection, layer_norm)
    if f"{TOPDOWN}.names.weight" in shapes:
        _topdown(tape, tensors, shapes, kernel, projection)
    return tensors


def _joints(
    tape: _Tape, tensors: Tensors, shapes: dict[str, tuple[int, ...]], projection: Any, layer_norm: Any
) -> None:
    head = "joint_head"
    projection(f"{head}.tokens")
    tensors[f"{head}.names.weight"] = tape.next(*shapes[f"{head}.names.weight"])
    projection(f"{head}.start.0")
    projection(f"{head}.start.2")
    turn = 0
    while f"{head}.move_{turn}.weight" in shapes:
        for level in range(_LEVELS):
            for part in ("weight", "bias"):
                name = f"{head}.read_{turn}.{level}.{part}"
                tensors[name] = tape.next(*shapes[name])
        projection(f"{head}.mix_{turn}")
        layer_norm(f"{head}.think_{turn}.0")
        projection(f"{head}.think_{turn}.1")
        projection(f"{head}.think_{turn}.3")
        projection(f"{head}.move_{turn}")
        turn += 1
    projection(f"{head}.sure.0")
    projection(f"{head}.sure.2")


def _topdown(tape: _Tape, tensors: Tensors, shapes: dict[str, tuple[int, ...]], kernel: Any, projection: Any) -> None:
    def normed(part: str, scale: float = 1.0) -> None:
        kernel(f"{TOPDOWN}.{part}.conv", f"{TOPDOWN}.{part}.norm", scale)

    for stage, blocks in enumerate(BLOCKS):
        normed(f"down_{stage}", 255.0 if stage == 0 else 1.0)
        for block in range(blocks):
            normed(f"block_{stage}_{block}")
        if stage:
            normed(f"side_{stage}")
    for stage in (2, 1):
        normed(f"mix_{stage}")
    projection(f"{TOPDOWN}.heat")
    name = f"{TOPDOWN}.names.weight"
    tensors[name] = tape.next(*shapes[name])
    projection(f"{TOPDOWN}.sure.0")
    projection(f"{TOPDOWN}.sure.2")


def _backbone(kernel: Any) -> None:
    root = "model.backbone.model"
    for index in range(3):
        name = f"{root}.embedder.embedder.{index}"
        # Pictures come in 0..255 to the graph, and in 0..1 to the network.
        kernel(f"{name}.convolution", f"{name}.normalization", 255.0 if index == 0 else 1.0)
    for stage in range(4):
        name = f"{root}.encoder.stages.{stage}.layers.0"
        for part in ("layer.0", "layer.1", "shortcut" if stage == 0 else "shortcut.1"):
            kernel(f"{name}.{part}.convolution", f"{name}.{part}.normalization")


def _encoder(kernel: Any, projection: Any, layer_norm: Any, attention: Any) -> None:
    for level in range(_LEVELS):
        kernel(f"model.encoder_input_proj.{level}.0", f"model.encoder_input_proj.{level}.1")
    name = "model.encoder.aifi.0.layers.0"
    attention(f"{name}.self_attn", 4)
    layer_norm(f"{name}.self_attn_layer_norm")
    projection(f"{name}.mlp.fc1")
    projection(f"{name}.mlp.fc2")
    layer_norm(f"{name}.final_layer_norm")
    for way, blocks in (("lateral_convs", "fpn_blocks"), ("downsample_convs", "pan_blocks")):
        for index in range(_LEVELS - 1):
            parts = ["conv1", *(f"bottlenecks.{turn}.conv1" for turn in range(3)), "conv2", "conv3"]
            names = [f"{way}.{index}", *(f"{blocks}.{index}.{part}" for part in parts)]
            for part in names:
                kernel(f"model.encoder.{part}.conv", f"model.encoder.{part}.norm")


def _proposals(tape: _Tape, tensors: Tensors, kernel: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The levels' projections times that of the proposals, taken for the levels' own: then that of the proposals is
    the identity, and those of the decoder follow from it. Returns the levels' matrices [d, d] and biases."""
    names = [f"model.decoder_input_proj.{level}" for level in range(_LEVELS)]
    for name in names:
        kernel(f"{name}.0", f"{name}.1")
    levels = [(tensors[f"{name}.0.weight"][:, :, 0, 0], tensors[f"{name}.1.bias"]) for name in names]
    width = len(levels[0][1])
    tensors["model.enc_output.0.weight"] = np.eye(width, dtype=np.float32)
    tensors["model.enc_output.0.bias"] = tape.next(width)
    return levels


def _value(tape: _Tape, tensors: Tensors, name: str, levels: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """The projection V with V (P_l x + b_l) + v equal to what was written for each level l; least squares."""
    width = len(levels[0][1])
    written = [(tape.next(width, width, 1, 1)[:, :, 0, 0], tape.next(width)) for _ in levels]
    known = np.concatenate([np.concatenate([matrix, bias[:, None]], axis=1) for matrix, bias in levels], axis=1)
    ones = np.concatenate([np.append(np.zeros(width), 1.0) for _ in levels])[None]
    wanted = np.concatenate([np.concatenate([matrix, bias[:, None]], axis=1) for matrix, bias in written], axis=1)
    system = np.concatenate([known, ones]).astype(np.float64).T  # [levels x (d + 1), d + 1]
    found = np.linalg.lstsq(system, wanted.T.astype(np.float64), rcond=None)[0].T
    tensors[f"{name}.weight"], tensors[f"{name}.bias"] = (
        found[:, :-1].astype(np.float32),
        found[:, -1].astype(np.float32),
    )


def _offsets(tape: _Tape, tensors: Tensors, name: str, heads: int, points: int) -> None:
    """[l x h x p x 2] in the grid's units -> [h x l x p x 2] as the reference keeps them."""
    size = heads * _LEVELS * points * 2
    matrix, bias = (
        tape.next(tensors[name.replace("sampling_offsets", "value_proj") + ".weight"].shape[1], size).T,
        tape.next(size),
    )
    shape = (_LEVELS, heads, points * 2)
    tensors[f"{name}.weight"] = matrix.reshape(*shape, -1).transpose(1, 0, 2, 3).reshape(matrix.shape) * np.float32(
        points
    )
    tensors[f"{name}.bias"] = bias.reshape(shape).transpose(1, 0, 2).reshape(-1) * np.float32(points)


def _pictures(seed: int) -> Iterator[Batch]:
    batches = draw_batches(Recipe(seed + 900_000, 16, uses=1), 0)
    for _ in range(PICTURES // 16):
        yield next(batches)


def _settle(network: Any, pictures: Iterator[Batch]) -> None:
    """Sets every batch normalisation to what its input shows, its gain and shift undoing that: the answers stay, and
    stay near when training takes each batch's own mean and variance."""
    torch = torch_module()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    sums: dict[Any, list[Any]] = {module: [] for module in norms}

    def note(module: Any, inputs: tuple[Any, ...]) -> None:
        sums[module].append(_moments(inputs[0]))

    handles = [module.register_forward_pre_hook(note) for module in norms]
    network.eval()
    with torch.no_grad():
        for batch in pictures:
            images = torch.from_numpy(batch.images).float() / 255
            network(pixel_values=images)
            if hasattr(network, TOPDOWN):
                topdown_loss(getattr(network, TOPDOWN), images, batch, np.random.default_rng(0))
        for module in norms:
            mean = torch.stack([one for one, _ in sums[module]]).mean(dim=0)
            square = torch.stack([two for _, two in sums[module]]).mean(dim=0)
            variance = (square - mean**2).clamp(min=1e-6)
            deviation = (variance + module.eps).sqrt()
            # What it did before, at rest: gain x + shift.
            gain = module.weight / (module.running_var + module.eps).sqrt()
            shift = module.bias - gain * module.running_mean
            module.running_mean.copy_(mean)
            module.running_var.copy_(variance)
            module.bias.copy_(shift + gain * mean)
            module.weight.copy_(gain * deviation)
    for handle in handles:
        handle.remove()


def _moments(value: Any) -> tuple[Any, Any]:
    return value.mean(dim=(0, 2, 3)), value.square().mean(dim=(0, 2, 3))
