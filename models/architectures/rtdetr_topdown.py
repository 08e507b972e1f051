"""The second look of the embedded keypoint sibling: the windows of the pictures that surely hold a person go, enlarged
to one size, through a small network of their own. models/embedded/topdown.py trains it.

How many windows there are is found by the graph itself, so that a picture without people costs one, not fifty."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..coco import SIGMAS
from ..graph import Graph, Value
from ..graph.convolution import Kernel, convolve, doubled
from ..graph.images import Normalisation
from ..graph.layers import activate
from .weights import Weights

HEAD: Final = "topdown_head"
"""What the names of its weights begin with."""
WINDOW: Final = (96, 64)
"""Height and width of an enlarged window in pixels."""
CELLS: Final = (24, 16)
"""Height and width of the heat maps."""
BLOCKS: Final = (0, 1, 2, 2)
"""Residual blocks after each halving of the window's sides."""
GROWN: Final = 1.3
"""Sides of a window in units of the box's."""
LEAST_SIDE: Final = 1e-3
"""Windows are taken to be at least this wide and high, in units of the image."""
SURE_ENOUGH: Final = 0.15
"""Boxes of a higher score are looked at, and a picture's best in any case: 5.2 a picture on 400 drawn scenes, where 0.1
makes 9.0 of it for 0.002 more OKS AP, and 0.2 makes 3.2 for 0.005 less."""
OVERLAP: Final = 0.6
"""Of boxes that overlap by a higher IoU only the surest is looked at; the model's card drops the others."""
SECOND_OPINION: Final = 0.25
"""What the mean logit of a window's joints being there adds to the logit of its box."""
LIKENESS: Final = 3.0
"""What the log of a window's expected OKS adds: OKS AP 0.611 on 400 drawn scenes, where twice the opinion alone makes
0.58 of it."""
EVEN: Final = 1.0
"""What is added to all, so that a score is the share of such finds whose OKS is 0.5 or more: the log loss is 0.10
where the mean logit alone left 0.42."""
VISIBLE_PART: Final = 0.5
"""A person's area, which OKS goes by, in units of the box's."""
MOST: Final = 50
"""Boxes of one picture that are looked at, at most."""


class TopDown:
    """Writes the network; N windows are looked at in the whole batch of B pictures with Q boxes each."""

    def __init__(self, graph: Graph, weights: Weights, size: int) -> None:
        self.graph, self.weights, self.size = graph, weights.below(HEAD), size

    def refine(self, image: Value, logits: Value, boxes: Value, keypoints: Value) -> tuple[Value, Value]:
        """`logits` [B, Q, 1] and `keypoints` [B, Q, K, 8] with those of the surest boxes judged and read anew from
        `image` float32 [B, 3, H, W] in 0..255; `boxes` [B, Q, 4] cxcywh in 0..1. Other boxes of a score above
        SURE_ENOUGH, doubles of one that was looked at, get that score."""
        graph = self.graph
        where = self._surest(logits, boxes)
        looked = graph.op("GatherND", boxes, where)
        corner, size = self._windows(looked)
        place, said = self._look(self._cut(image, where, corner, size))
        corner, size = graph.unsqueeze(corner, 1), graph.unsqueeze(size, 1)
        place = graph.add(corner, graph.mul(place, size))
        found = joint_channels(graph, place, said, size)
        there, _ = graph.split(said, [1, 4], axis=2)
        opinion = graph.op("ReduceMean", there, graph.constant([1], "axes"), keepdims=0)  # [N, 1]
        judged = graph.add(graph.op("GatherND", logits, where), graph.mul(opinion, graph.constant(SECOND_OPINION)))
        likeness = graph.op("Log", self._expected_oks(found, looked))
        judged = graph.add(judged, graph.add(graph.mul(likeness, graph.constant(LIKENESS)), graph.constant(EVEN)))
        bound = graph.constant(math.log(SURE_ENOUGH / (1 - SURE_ENOUGH)))
        logits = graph.op("ScatterND", graph.op("Min", logits, bound), where, judged)
        return logits, graph.op("ScatterND", keypoints, where, found)

    def _surest(self, logits: Value, boxes: Value) -> Value:
        """(picture, box) int64 [N, 2] of the boxes to look at: no doubles, and of each picture at least one."""
        graph = self.graph
        logits = graph.transpose(logits, 0, 2, 1)
        best = graph.op("ReduceMax", logits, graph.constant([2], "axes"), keepdims=1)
        is_best = graph.cast(graph.op("Equal", logits, best), "float32")
        scores = graph.op("Max", graph.op("Sigmoid", logits), is_best)
        overlap, least = (graph.constant(np.array([bound], np.float32), "bound") for bound in (OVERLAP, SURE_ENOUGH))
        every = graph.constant([MOST], "most")
        chosen = graph.op("NonMaxSuppression", boxes, scores, every, overlap, least, center_point_box=1)
        return graph.op("Gather", chosen, graph.constant([0, 2], "columns"), axis=1)

    def _windows(self, boxes: Value) -> tuple[Value, Value]:
        """Corner and size, [N, 2] each, of the windows around boxes [N, 4], inside the picture."""
        graph = self.graph
        centre, size = graph.split(boxes, [2, 2], axis=1)
        half, bounds = graph.mul(size, graph.constant(GROWN / 2)), (graph.constant(0.0), graph.constant(1.0))
        low = graph.op("Clip", graph.op("Sub", centre, half), *bounds)
        high = graph.op("Clip", graph.add(centre, half), *bounds)
        return low, graph.op("Max", graph.op("Sub", high, low), graph.constant(LEAST_SIDE))

    def _cut(self, image: Value, where: Value, corner: Value, size: Value) -> Value:
        """[N, 3, *WINDOW] in 0..255; each pixel is the mean of two by two samples."""
        graph = self.graph
        corners = graph.concat([corner, graph.add(corner, size)], axis=1)
        regions = graph.mul(corners, graph.constant(float(self.size)))
        picture = graph.op("Gather", where, graph.constant(np.array(0, np.int64), "first"), axis=1)
        return graph.op(
            "RoiAlign", image, regions, picture,
            mode="avg", output_height=WINDOW[0], output_width=WINDOW[1], sampling_ratio=2, spatial_scale=1.0,
            coordinate_transformation_mode="half_pixel",
        )  # fmt: skip

    def _look(self, crops: Value) -> tuple[Value, Value]:
        """The joints' places in their windows [N, K, 2], and what else is said of them [N, K, 5]."""
        graph, weights = self.graph, self.weights
        value, sides = crops, list[Value]()
        for stage, blocks in enumerate(BLOCKS):
            kernel = self._kernel(f"down_{stage}")
            kernel = kernel if stage else kernel.scaled(Normalisation().kernel_factors)
            value = graph.op("Relu", convolve(graph, value, kernel, stride=2))
            for block in range(blocks):
                moved = convolve(graph, value, self._kernel(f"block_{stage}_{block}"))
                value = graph.op("Relu", graph.add(value, moved))
            if stage:
                sides.append(convolve(graph, value, self._kernel(f"side_{stage}")))
        mixed = graph.op("Relu", sides[-1])
        for stage in (2, 1):
            mixed = graph.op("Relu", graph.add(doubled(graph, mixed), sides[stage - 1]))
            mixed = graph.op("Relu", convolve(graph, mixed, self._kernel(f"mix_{stage}")))
        cells = graph.transpose(graph.reshape(mixed, 0, 0, CELLS[0] * CELLS[1]), 0, 2, 1)  # [N, cells, m]
        heat = graph.transpose(weights.projection("heat").apply(graph, cells), 0, 2, 1)
        share = graph.op("Softmax", heat, axis=2)
        first = graph.matmul(share, graph.constant(cell_centres(), "centres"))
        tokens = graph.add(graph.matmul(share, cells), graph.constant(weights["names.weight"], "names"))
        inner = activate(graph, weights.projection("sure.0").apply(graph, tokens), "silu")
        move, rest = graph.split(weights.projection("sure.2").apply(graph, inner), [2, 5], axis=2)
        return graph.add(first, move), rest

    def _expected_oks(self, joints: Value, boxes: Value) -> Value:
        """[N, 1]: the mean over the joints [N, K, 8] of boxes [N, 4] of exp(-d^2 / 2s^2) as it is to be expected where
        d has the joint's covariance C, 1 / sqrt(det(I + C / s^2)), each weighed by how surely it is there."""
        graph = self.graph
        _, there, _, log_l11, l21, log_l22, _ = graph.split(joints, [2, 1, 1, 1, 1, 1, 1], axis=2)
        _, size = graph.split(graph.unsqueeze(boxes, 1), [2, 2], axis=2)
        area = graph.op("ReduceProd", size, graph.constant([2], "axes"), keepdims=1)  # [N, 1, 1]
        area = graph.op("Max", area, graph.constant(LEAST_SIDE**2))
        spread = graph.constant((2 * math.sqrt(VISIBLE_PART) * SIGMAS)[:, None], "sigmas")
        unit = graph.mul(graph.op("Sqrt", area), spread)  # s, [N, K, 1]
        log_unit = graph.op("Log", unit)
        two, one = graph.constant(2.0), graph.constant(1.0)
        # In units of s, where M is the precision, the inverse of C: det(I + C) = 1 + (1 + trace M) / det M.
        first, second = (
            graph.op("Exp", graph.mul(graph.add(log, log_unit), two)) for log in (log_l11, log_l22)
        )  # the squares of L's diagonal, M = L transpose(L)
        lean = graph.mul(l21, unit)
        trace = graph.add(graph.add(first, second), graph.mul(lean, lean))
        more = graph.op("Div", graph.add(trace, one), graph.mul(first, second))
        likely = graph.op("Reciprocal", graph.op("Sqrt", graph.add(more, one)))
        weight = graph.op("Sigmoid", there)
        axes = graph.constant([1, 2], "axes")
        total, weights = (graph.op("ReduceSum", each, axes, keepdims=0) for each in (graph.mul(likely, weight), weight))
        return graph.unsqueeze(graph.op("Div", total, weights), 1)

    def _kernel(self, name: str) -> Kernel:
        return self.weights.below(name).kernel("conv", "norm")


def joint_channels(graph: Graph, place: Value, said: Value, size: Value) -> Value:
    """The served channels [..., 8] of joints at `place` [..., 2] in 0..1 from `said` [..., 5]: there and seen, and the
    precision's Cholesky factor in units of `size` [..., 2] as (log m11, m21 / m11, log m22)."""
    logits, log_first, lean, log_second = graph.split(said, [2, 1, 1, 1], axis=-1)
    width, height = graph.split(size, [1, 1], axis=-1)
    log_l11 = graph.op("Sub", log_first, graph.op("Log", width))
    l21 = graph.op("Div", graph.mul(lean, graph.op("Exp", log_first)), height)
    log_l22 = graph.op("Sub", log_second, graph.op("Log", height))
    nothing = graph.mul(log_first, graph.constant(0.0))
    return graph.concat([place, logits, log_l11, l21, log_l22, nothing], axis=-1)


def cell_centres(cells: tuple[int, int] = CELLS) -> NDArray[np.float32]:
    """The middles (x, y) in 0..1 of the heat maps' cells (rows, columns), float32 [cells, 2], row by row."""
    tall, wide = cells
    y, x = np.meshgrid((np.arange(tall) + 0.5) / tall, (np.arange(wide) + 0.5) / wide, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
