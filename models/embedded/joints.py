"""The keypoint head of the embedded sibling, in training: each query's box becomes 17 joints, which look twice at the
encoder's maps where they lie and move (after the refinement in Shi et al., "PETR", 2022), each with its covariance.
architectures/rtdetr_joints.py writes the same head as a graph."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architectures.rtdetr_topdown import VISIBLE_PART
from ..coco import PERSON_KEYPOINTS, SIGMAS
from .dataset import Batch
from .network import torch_module

JOINTS = len(PERSON_KEYPOINTS)
WIDTH = 64
ROUNDS = 2
LEVELS = 3
# Weights of the parts of the loss: distance of every round, OKS, whether a joint is there, and the likelihood.
SHARES = (5.0, 3.0, 0.5, 0.25)


def new_head(dimension: int) -> Any:
    """The layers, for queries and maps of `dimension` channels."""
    nn: Any = import_module("torch.nn")

    def two(outputs: int) -> Any:
        return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, outputs))

    layers = {"tokens": nn.Linear(dimension, JOINTS * WIDTH), "names": nn.Embedding(JOINTS, WIDTH), "start": two(2)}
    for turn in range(ROUNDS):
        layers[f"read_{turn}"] = nn.ModuleList([nn.Conv2d(dimension, WIDTH, 1) for _ in range(LEVELS)])
        layers[f"mix_{turn}"] = nn.Linear(JOINTS, JOINTS)
        layers[f"think_{turn}"] = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.SiLU(), nn.Linear(2 * WIDTH, WIDTH)
        )
        layers[f"move_{turn}"] = nn.Linear(WIDTH, 2)
        nn.init.zeros_(layers[f"move_{turn}"].weight)
    layers["sure"] = two(5)
    return nn.ModuleDict(layers)


@dataclass(frozen=True)
class Found:
    """Joints of N boxes a picture: `places` [B, N, K, 2] in 0..1 after each round, the last one final; `there` and
    `seen` logits [B, N, K]; `factor` [B, N, K, 3], the precision's Cholesky factor in units of the box as
    (log m11, m21 / m11, log m22)."""

    places: tuple[Any, ...]
    there: Any
    seen: Any
    factor: Any


def find(head: Any, hidden: Any, boxes: Any, maps: Any) -> Found:
    """The joints of queries `hidden` [B, N, d] with `boxes` [B, N, 4] cxcywh, read from `maps` [B, d, H, W] each."""
    functional: Any = import_module("torch.nn.functional")
    batch, count = hidden.shape[:2]
    tokens = head["tokens"](hidden).view(batch, count, JOINTS, WIDTH) + head["names"].weight
    centre, size = boxes[..., None, :2], boxes[..., None, 2:].clamp(min=1e-3)
    place = centre + head["start"](tokens) * size
    places = [place]
    for turn in range(ROUNDS):
        grid = 2 * place.detach() - 1
        for read, level in zip(head[f"read_{turn}"], maps, strict=True):
            tokens = tokens + functional.grid_sample(read(level), grid, align_corners=False).permute(0, 2, 3, 1)
        tokens = tokens + head[f"mix_{turn}"](tokens.transpose(2, 3)).transpose(2, 3)
        tokens = tokens + head[f"think_{turn}"](tokens)
        place = place.detach() + head[f"move_{turn}"](tokens) * size
        places.append(place)
    sure = head["sure"](tokens)
    return Found(tuple(places), sure[..., 0], sure[..., 1], sure[..., 2:])


def joints_loss(
    head: Any, outputs: Any, batch: Batch, labels: list[dict[str, Any]], matcher: Any, trunk_share: float
) -> Any:
    """The loss of the joints of the people: of the queries of the last decoder layer that `matcher` gives them, and of
    the denoising queries that began near them; the sum divided by the number of queries. `labels` are the batch's as
    the network takes them; `trunk_share` (0..1) of the gradient goes on into the layers before the head."""
    torch = torch_module()
    device = outputs.logits.device
    hidden, logits, boxes = outputs.intermediate_hidden_states[:, -1], outputs.logits, outputs.pred_boxes
    meta = outputs.denoising_meta_values
    noised = int(meta["dn_num_split"][0]) if meta else 0
    own = matcher({"logits": logits[:, noised:].detach(), "pred_boxes": boxes[:, noised:].detach()}, labels)
    pairs = [((queries + noised).tolist(), truths.tolist()) for queries, truths in own]
    if meta:
        for (queries, truths), positive, kinds in zip(pairs, meta["dn_positive_idx"], batch.kinds, strict=True):
            queries += positive.tolist()
            truths += [*range(len(kinds))] * int(meta["dn_num_group"])
    chosen, truth, known = _people(pairs, batch)
    if not known.any():
        return 0 * hidden.sum()
    index = torch.from_numpy(chosen).to(device)[..., None]
    hidden = hidden.gather(1, index.expand(-1, -1, hidden.shape[2]))
    boxes = boxes.gather(1, index.expand(-1, -1, 4)).detach()
    maps = [_lightly(level, trunk_share) for level in outputs.encoder_last_hidden_state]
    found = find(head, _lightly(hidden, trunk_share), boxes, maps)
    keep = torch.from_numpy(known).to(device)
    return _loss(found, boxes, torch.from_numpy(truth).to(device), keep) / keep.sum()


def _lightly(value: Any, share: float) -> Any:
    """The value, through which the joints move the layers before it less: at full weight their gradient is as large as
    that of the boxes and classes, which then learn more slowly."""
    return share * value + (1 - share) * value.detach()


def joint_matcher(config: Any) -> Any:
    """transformers' Hungarian matcher of RT-DETR: the pairs of the last layer, as its own loss finds them."""
    return import_module("transformers.loss.loss_rt_detr").RTDetrHungarianMatcher(config)


def _people(
    pairs: list[tuple[list[int], list[int]]], batch: Batch
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Queries of people [B, N], their joints [B, N, K, 3] and which of the N are real."""
    found: list[list[tuple[int, NDArray[np.float32]]]] = []
    for (queries, truths), joints in zip(pairs, batch.joints, strict=True):
        matched = zip(queries, truths, strict=True)
        found.append([(query, joints[figure]) for query, figure in matched if (joints[figure, :, 2] > 0).any()])
    most = max(1, *(len(people) for people in found))
    chosen = np.zeros((len(found), most), dtype=np.int64)
    truth = np.zeros((len(found), most, JOINTS, 3), dtype=np.float32)
    known = np.zeros((len(found), most), dtype=np.bool_)
    for row, people in enumerate(found):
        for column, (query, joints) in enumerate(people):
            chosen[row, column], truth[row, column], known[row, column] = query, joints, True
    return chosen, truth, known


def _loss(found: Found, boxes: Any, truth: Any, keep: Any) -> Any:
    torch = torch_module()
    functional = torch.nn.functional
    labelled = (truth[..., 2] > 0) & keep[..., None]
    count = labelled.sum(dim=-1).clamp(min=1)
    size = boxes[..., None, 2:].clamp(min=1e-3)
    distances = [((place - truth[..., :2]) / size).abs().sum(dim=-1) for place in found.places]
    near = sum((distance * labelled).sum(dim=-1) / count for distance in distances)
    sigmas = torch.from_numpy(SIGMAS).to(boxes.device)
    area = VISIBLE_PART * boxes[..., 2] * boxes[..., 3]
    square = (found.places[-1] - truth[..., :2]).square().sum(dim=-1)
    oks = torch.exp(-square / (8 * area[..., None].clamp(min=1e-5) * sigmas**2))
    missed = ((1 - oks) * labelled).sum(dim=-1) / count
    there = functional.binary_cross_entropy_with_logits(found.there, labelled.float(), reduction="none").mean(dim=-1)
    seen = functional.binary_cross_entropy_with_logits(found.seen, (truth[..., 2] > 1).float(), reduction="none")
    # The places take no gradient from it.
    unlikely = unlikelihood((truth[..., :2] - found.places[-1].detach()) / size, found.factor)
    unlikely = (unlikely * labelled).sum(dim=-1) / count
    parts = (near, missed, there + seen.mean(dim=-1), unlikely)
    total: Any = 0.0
    for share, part in zip(SHARES, parts, strict=True):
        total = total + share * (part * keep).sum()
    return total


def unlikelihood(offset: Any, factor: Any) -> Any:
    """-log of the normal density, less its constant, at `offset` [..., 2] from its middle; `factor` [..., 3] is the
    precision's Cholesky factor as (log m11, m21 / m11, log m22)."""
    log_first, lean, log_second = factor.unbind(dim=-1)
    u = log_first.exp() * (offset[..., 0] + lean * offset[..., 1])
    v = log_second.exp() * offset[..., 1]
    return 0.5 * (u.square() + v.square()).clamp(max=50) - log_first - log_second
