"""Dense supervision during training: every place of the encoder's maps learns the class and box of the figure that it
lies in. The decoder's matching gives each figure one query a picture; this gives the backbone hundreds of places
(Zong et al., "DETRs with Collaborative Hybrid Assignments Training", 2023; places as in Tian et al., "FCOS", 2019).
It is left out of the exported network."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Batch
from .network import torch_module

STRIDES = (8, 16, 32)
# A place belongs to a figure when it lies within this many strides of its centre, and inside its box.
RADIUS = 1.6
# The longest sides, in strides, of the figures that a level answers for; the levels overlap.
SIDES = (1.5, 14.0)
GAMMA, ALPHA = 2.0, 0.25


def new_guide(channels: int, classes: int) -> Any:
    """The layers: a module of `classify` and `locate`, each from [B, channels, H, W] to [B, classes or 4, H, W]."""
    nn: Any = import_module("torch.nn")

    def head(outputs: int) -> Any:
        return nn.Sequential(nn.Conv2d(channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, outputs, 1))

    guide = nn.ModuleDict({"classify": head(classes), "locate": head(4)})
    nn.init.constant_(guide["classify"][-1].bias, -4.6)  # 1 %: most places lie in no figure
    return guide


def assign(boxes: NDArray[np.float32], rows: int, columns: int, stride: int, side: int) -> NDArray[np.int64]:
    """Which figure each place of one map answers for: int64 [rows * columns], -1 for none.

    `boxes` float32 [n, 4] as (cx, cy, w, h) in 0..1 of a square picture of `side` pixels; where several claim a
    place, the smallest has it."""
    owners = np.full(rows * columns, -1, dtype=np.int64)
    if not len(boxes):
        return owners
    y, x = np.divmod(np.arange(rows * columns), columns)
    offsets = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=1)[:, None] - boxes[None, :, :2]
    reach = np.minimum(boxes[:, 2:] / 2, RADIUS * stride / side)
    inside = (np.abs(offsets) < reach).all(axis=2)
    longest = boxes[:, 2:].max(axis=1) * side / stride
    inside &= (longest > SIDES[0]) & (longest < SIDES[1])
    areas = np.where(inside, boxes[:, 2] * boxes[:, 3], np.inf)
    claimed = inside.any(axis=1)
    owners[claimed] = areas[claimed].argmin(axis=1)
    return owners


def guide_loss(guide: Any, maps: Any, batch: Batch) -> Any:
    """The loss of the places of `maps`, one [B, channels, H, W] a stride: focal loss of the classes (Lin et al., 2017)
    and generalised IoU of the boxes (Rezatofighi et al., 2019), both a mean over the places that have a figure."""
    torch = torch_module()
    side = batch.images.shape[-1]
    logits: list[Any] = []
    found: list[Any] = []
    kinds: list[NDArray[np.int64]] = []
    wanted: list[NDArray[np.float32]] = []
    for level, stride in zip(maps, STRIDES, strict=True):
        rows, columns = level.shape[-2:]
        owners = [assign(boxes, rows, columns, stride, side) for boxes in batch.boxes]
        logits.append(guide["classify"](level).flatten(2).transpose(1, 2).flatten(0, 1))
        places, targets, labels = _targets(owners, batch)
        located = guide["locate"](level).flatten(2).transpose(1, 2).flatten(0, 1)[torch.from_numpy(places >= 0)]
        found.append(_corners(located, np.flatnonzero(places >= 0) % (rows * columns), rows, columns, stride / side))
        kinds.append(labels)
        wanted.append(targets)
    scores, labels = torch.cat(logits), torch.from_numpy(np.concatenate(kinds)).to(maps[0].device)
    count = max(1, sum(len(targets) for targets in wanted))
    truth = torch.nn.functional.one_hot(labels + 1, scores.shape[1] + 1)[:, 1:].to(scores.dtype)
    boxes, goals = torch.cat(found), torch.from_numpy(np.concatenate(wanted)).to(scores.device)
    return 2 * _focal(scores, truth) / count + _distance(boxes, goals) / count


def _targets(
    owners: list[NDArray[np.int64]], batch: Batch
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """For the places of all pictures: owners, the owners' corners in 0..1 [taken, 4], and class numbers or -1."""
    corners: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.int64]] = []
    for mine, boxes, kinds in zip(owners, batch.boxes, batch.kinds, strict=True):
        taken = boxes[mine[mine >= 0]]
        half = taken[:, 2:] / np.float32(2)
        corners.append(np.concatenate([taken[:, :2] - half, taken[:, :2] + half], axis=1, dtype=np.float32))
        label = np.full(len(mine), -1, dtype=np.int64)
        label[mine >= 0] = kinds[mine[mine >= 0]]
        labels.append(label)
    return np.concatenate(owners), np.concatenate(corners), np.concatenate(labels)


def _corners(located: Any, places: NDArray[np.int64], rows: int, columns: int, unit: float) -> Any:
    """Corners in 0..1 from the four distances, in strides, to the box's sides."""
    torch = torch_module()
    y, x = np.divmod(places, columns)
    centres = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=1).astype(np.float32)
    centre = torch.from_numpy(centres).to(located.device)
    reach = torch.nn.functional.softplus(located + 1) * unit
    return torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], dim=1)


def _focal(scores: Any, truth: Any) -> Any:
    torch = torch_module()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    chance = scores.detach().sigmoid()
    wrong = truth * (1 - chance) + (1 - truth) * chance
    return ((truth * ALPHA + (1 - truth) * (1 - ALPHA)) * wrong**GAMMA * entropy).sum()


def _distance(boxes: Any, goals: Any) -> Any:
    """The sum of 1 - GIoU over pairs of boxes (left, top, right, bottom)."""
    torch = torch_module()
    low, high = torch.minimum(boxes[:, :2], goals[:, :2]), torch.maximum(boxes[:, 2:], goals[:, 2:])
    inner = (torch.minimum(boxes[:, 2:], goals[:, 2:]) - torch.maximum(boxes[:, :2], goals[:, :2])).clamp(min=0)
    shared, hull = inner.prod(dim=1), (high - low).prod(dim=1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (goals[:, 2:] - goals[:, :2]).prod(dim=1) - shared
    return (1 - shared / (union + 1e-6) + (hull - union) / (hull + 1e-6)).sum()
