"""The embedded sibling's second look: each person's window of the picture, enlarged to one size, goes through a small
network of its own, whose heat maps say where each joint lies (the top-down way; integral regression after Sun et al.,
2018). architectures/rtdetr_topdown.py writes the same network as a graph."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architectures.rtdetr_topdown import BLOCKS, GROWN, LEAST_SIDE, VISIBLE_PART, WINDOW, cell_centres
from ..coco import SIGMAS
from ..heads.candidates import corners
from ..heads.duplicates import ious
from .dataset import Batch
from .joints import JOINTS, unlikelihood
from .network import torch_module

WIDTHS = (24, 40, 80, 112)
"""Channels after each halving of the window's sides."""
MIXED = 48
SURE = 7
"""What is said of a joint: a move in both directions, there, seen, and the precision's factor (3)."""
SMALL_WINDOW = (48, 32)
"""Of the first part of a run: four times as many in a minute."""
SPREAD = 0.9
"""Standard deviation, in cells, of the heat that is asked for around a true joint."""
EDGE_OFF = (0.065, 0.02)
"""How far the detector's left and right, and upper and lower, edges of people are off, in units of the box: the median
of a log-normal spread (400 drawn scenes: three quarters by less than 0.12 and 0.03, a tenth by more than 0.22 and
0.08)."""
OUTWARD = np.array((0.04, 0.01))
"""How much of that is the same for all: boxes are drawn a little large."""
MOST_OFF = 0.6
FAR = 0.3
"""IoU with a person below which a box is of something else."""
# Weights of the parts of the loss: heat, distance before and after the last move, OKS, likelihood; there and seen.
# Distance by itself would settle between two places where a left or a right limb might be, where OKS picks one.
SHARES = (0.3, 1.0, 1.0, 6.0, 0.1)
THERE_SHARE = 1.0


def new_topdown() -> Any:
    """The layers, of half a million parameters."""
    nn: Any = import_module("torch.nn")

    def normed(inside: int, outside: int, side: int, stride: int = 1) -> Any:
        convolution = nn.Conv2d(inside, outside, side, stride, side // 2, bias=False)
        return nn.ModuleDict({"conv": convolution, "norm": nn.BatchNorm2d(outside)})

    layers: dict[str, Any] = {}
    for stage, (inside, outside) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False)):
        layers[f"down_{stage}"] = normed(inside, outside, 3, 2)
        for block in range(BLOCKS[stage]):
            layers[f"block_{stage}_{block}"] = normed(outside, outside, 3)
        if stage:
            layers[f"side_{stage}"] = normed(outside, MIXED, 1)
    for stage in (2, 1):
        layers[f"mix_{stage}"] = normed(MIXED, MIXED, 3)
    layers["heat"] = nn.Linear(MIXED, JOINTS)
    layers["names"] = nn.Embedding(JOINTS, MIXED)
    layers["sure"] = nn.Sequential(nn.Linear(MIXED, 2 * MIXED), nn.SiLU(), nn.Linear(2 * MIXED, SURE))
    nn.init.zeros_(layers["sure"][2].weight)
    nn.init.zeros_(layers["sure"][2].bias)
    return nn.ModuleDict(layers)


@dataclass(frozen=True)
class Seen:
    """Joints of N windows: `heat` [N, K, cells] logits of `cells` (rows, columns); `first` and `place` [N, K, 2] in
    0..1 of the window before and after the last move; `there` and `seen` logits [N, K]; `factor` [N, K, 3], the
    precision's Cholesky factor in units of the window as (log m11, m21 / m11, log m22)."""

    heat: Any
    cells: tuple[int, int]
    first: Any
    place: Any
    there: Any
    seen: Any
    factor: Any


def windows(boxes: Any) -> Any:
    """The windows [N, 4] around boxes [N, 4] cxcywh, as left, top, width and height in 0..1 of the picture."""
    torch = torch_module()
    half = boxes[:, 2:] * (GROWN / 2)
    low, high = (boxes[:, :2] - half).clamp(0, 1), (boxes[:, :2] + half).clamp(0, 1)
    return torch.cat([low, (high - low).clamp(min=LEAST_SIDE)], dim=1)


def cut(image: Any, window: Any, shape: tuple[int, int] = WINDOW) -> Any:
    """The windows [N, 4] of one picture [3, H, W] as [N, 3, *shape]; each pixel is the mean of two by two samples."""
    torch = torch_module()
    functional = torch.nn.functional
    tall, wide = 2 * shape[0], 2 * shape[1]
    down, across = (
        (torch.arange(count, dtype=window.dtype, device=window.device) + 0.5) / count for count in (tall, wide)
    )
    x = window[:, 0, None] + window[:, 2, None] * across
    y = window[:, 1, None] + window[:, 3, None] * down
    every = (len(window), tall, wide)
    grid = 2 * torch.stack([x[:, None, :].expand(every), y[:, :, None].expand(every)], dim=-1) - 1
    rows = functional.grid_sample(image[None], grid.reshape(1, -1, wide, 2), padding_mode="border", align_corners=False)
    return functional.avg_pool2d(rows[0].view(3, len(window), tall, wide).transpose(0, 1), 2)


def look(network: Any, crops: Any) -> Seen:
    """The joints in `crops` float32 [N, 3, H, W] in 0..1; what is served has WINDOW's height and width."""
    torch = torch_module()
    functional = torch.nn.functional

    def normed(name: str, value: Any) -> Any:
        return network[name]["norm"](network[name]["conv"](value))

    value, sides = crops, list[Any]()
    for stage in range(len(WIDTHS)):
        value = functional.relu(normed(f"down_{stage}", value))
        for block in range(BLOCKS[stage]):
            value = functional.relu(value + normed(f"block_{stage}_{block}", value))
        if stage:
            sides.append(normed(f"side_{stage}", value))
    mixed = functional.relu(sides[-1])
    for stage in (2, 1):
        mixed = functional.relu(functional.interpolate(mixed, scale_factor=2.0) + sides[stage - 1])
        mixed = functional.relu(normed(f"mix_{stage}", mixed))
    cells = mixed.flatten(2).transpose(1, 2)  # [N, cells, MIXED]
    heat = network["heat"](cells).transpose(1, 2)
    share = heat.softmax(dim=2)
    grid = (int(mixed.shape[2]), int(mixed.shape[3]))
    first = share @ torch.from_numpy(cell_centres(grid)).to(share)
    sure = network["sure"](share @ cells + network["names"].weight)
    return Seen(heat, grid, first, first + sure[..., :2], sure[..., 2], sure[..., 3], sure[..., 4:])


def topdown_loss(
    network: Any, images: Any, batch: Batch, rng: np.random.Generator, shape: tuple[int, int] = WINDOW
) -> Any:
    """The mean loss of the people of `images` [B, 3, H, W] in 0..1, each seen through the window of a box a little
    off, as a detector's are, and `shape` pixels high and wide. Windows on other things teach that no joint is there."""
    torch = torch_module()
    crops: list[Any] = []
    frames: list[Any] = []
    truths: list[NDArray[np.float32]] = []
    for image, boxes, joints in zip(images, batch.boxes, batch.joints, strict=True):
        is_person = np.asarray((joints[..., 2] > 0).any(axis=1))
        others = elsewhere(rng, boxes, is_person)
        found = np.concatenate([boxes[is_person], others])
        frame = windows(torch.from_numpy(shaken(rng, found)).to(image.device))
        crops.append(cut(image, frame, shape))
        frames.append(torch.cat([frame, torch.from_numpy(found[:, 2:]).to(image.device)], dim=1))
        truths.append(np.concatenate([joints[is_person], np.zeros((len(others), JOINTS, 3), np.float32)]))
    if not sum(map(len, crops)):
        return sum(parameter.sum() for parameter in network.parameters()) * 0.0
    # By a sixth faster on a CPU than with the channels apart.
    seen = look(network, torch.cat(crops).to(memory_format=torch.channels_last))
    return _loss(seen, torch.cat(frames), torch.from_numpy(np.concatenate(truths)).to(images.device))


def elsewhere(
    rng: np.random.Generator, boxes: NDArray[np.float32], is_person: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Boxes [0 or 1, 4] cxcywh without a person: in half of the pictures one of its other things; else, and where there
    is no such thing, one at random that overlaps every person by less than FAR if a few throws find it."""
    others = rng.permutation(boxes[~is_person])[:1]
    if len(others) and rng.random() < 0.5:
        return others
    for _ in range(8):
        size = np.exp(rng.uniform(np.log(0.06), np.log(0.5), 2))
        thrown = np.concatenate([rng.uniform(size / 2, 1 - size / 2), size]).astype(np.float32)[None]
        edges = corners(np.concatenate([thrown, boxes[is_person]]), width=1, height=1, clip=False)
        if not (ious(edges)[0, 1:] > FAR).any():
            return thrown
    return others


def shaken(rng: np.random.Generator, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes [N, 4] cxcywh, each edge moved at random as the detector's are: by EDGE_OFF times the box, and there is no
    knowing how much by its neighbour, in some boxes by several times that."""
    size, edge = boxes[:, 2:], np.array(EDGE_OFF)
    low, high = (np.exp(rng.normal(0, 1, size.shape)) * rng.normal(0, 1, size.shape) * edge for _ in range(2))
    low, high = (np.clip(moved, -MOST_OFF, MOST_OFF) for moved in (low - OUTWARD, high + OUTWARD))
    first, last = boxes[:, :2] - size / 2 + low * size, boxes[:, :2] + size / 2 + high * size
    return np.concatenate([(first + last) / 2, np.maximum(last - first, 0.2 * size)], axis=1).astype(np.float32)


def _loss(seen: Seen, frames: Any, truth: Any) -> Any:
    """`frames` [N, 6]: windows, then the width and height of the true boxes; `truth` [N, K, 3] in the picture."""
    torch = torch_module()
    functional = torch.nn.functional
    labelled = truth[..., 2] > 0
    count = labelled.sum(dim=1).clamp(min=1)
    corner, size, body = frames[:, None, :2], frames[:, None, 2:4], frames[:, 4:]
    goal = (truth[..., :2] - corner) / size
    inside = labelled & (goal > 0).all(dim=-1) & (goal < 1).all(dim=-1)
    hot = -(seen.heat.log_softmax(dim=2) * _asked(goal, seen.cells)).sum(dim=2)
    area = body[:, :1] * body[:, 1:]
    offsets = [(place - goal) * size for place in (seen.first, seen.place)]
    distances = [offset.abs().sum(dim=-1) / area.clamp(min=1e-5).sqrt() for offset in offsets]
    sigmas = torch.from_numpy(SIGMAS).to(truth)
    spread = 4 * VISIBLE_PART * area.clamp(min=1e-5) * sigmas**2
    missed = 1 - torch.exp(-offsets[1].square().sum(dim=-1) / (2 * spread))
    there = functional.binary_cross_entropy_with_logits(seen.there, labelled.float(), reduction="none")
    visible = functional.binary_cross_entropy_with_logits(seen.seen, (truth[..., 2] > 1).float(), reduction="none")
    parts = [hot * inside, *(distance * labelled for distance in distances), missed * labelled]
    parts.append(unlikelihood(goal - seen.place.detach(), seen.factor) * labelled)  # moves no place
    people = labelled.any(dim=1).sum().clamp(min=1)
    total = THERE_SHARE * (there + visible).mean()  # over all windows; the rest is over those of people
    for share, part in zip(SHARES, parts, strict=True):
        total = total + share * (part.sum(dim=1) / count).sum() / people
    return total


def _asked(goal: Any, cells: tuple[int, int]) -> Any:
    """The heat that is asked for, [N, K, cells] of sum 1: a normal density around the joint."""
    torch = torch_module()
    tall, wide = cells
    centres = torch.from_numpy(cell_centres(cells)).to(goal)
    away = (goal[:, :, None] - centres) * goal.new_tensor([wide, tall])
    return (-away.square().sum(dim=-1) / (2 * SPREAD**2)).softmax(dim=2)
