"""Convolutions with what follows them folded in: batch normalisation, a parallel 1x1 branch, a projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .core import Array, Graph, Value


@dataclass(frozen=True, slots=True)
class Kernel:
    """A convolution's `weight` [out, in / groups, k, k] and `bias` [out], float64 until it is written."""

    weight: Array
    bias: Array

    def scaled(self, factors: Array) -> Kernel:
        """The kernel for an input whose channels were divided by `factors` [in]; exact, padding stays 0."""
        return Kernel(self.weight * factors[None, :, None, None], self.bias)

    def then(self, weight: Array, bias: Array | None) -> Kernel:
        """This convolution followed by a linear layer `weight` [out2, out], `bias` [out2], as one."""
        matrix = weight.astype(np.float64)
        shift = matrix @ self.bias
        composed = np.einsum("po,oikl->pikl", matrix, self.weight)
        return Kernel(composed, shift if bias is None else shift + bias)


def fold_norm(weight: Array, gain: Array, shift: Array, mean: Array, variance: Array, epsilon: float) -> Kernel:
    """Batch normalisation (Ioffe 2015) at rest, folded into the convolution before it; exact."""
    factor = gain.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return Kernel(weight * factor[:, None, None, None], shift - mean * factor)


def merge_repvgg(three: Kernel, one: Kernel) -> Kernel:
    """The 3x3 and 1x1 branches of a RepVGG block as one 3x3 kernel (Ding 2021, section 3.3)."""
    weight = np.array(three.weight)
    weight[:, :, 1:2, 1:2] += one.weight
    return Kernel(weight, three.bias + one.bias)


def convolve(
    graph: Graph, value: Value, kernel: Kernel, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Value:
    """`value` [B, in, H, W] -> [B, out, H', W'] with zero padding (k // 2) x dilation on every side."""
    size = kernel.weight.shape[2]
    padding = size // 2 * dilation
    weight = graph.constant(kernel.weight.astype(np.float32), "kernel")
    bias = graph.constant(kernel.bias.astype(np.float32), "bias")
    return graph.op(
        "Conv", value, weight, bias,
        kernel_shape=[size, size], strides=[stride, stride], pads=[padding] * 4,
        dilations=[dilation, dilation], group=groups,
    )  # fmt: skip


def max_pool(graph: Graph, value: Value) -> Value:
    """The pooling of every ResNet stem: 3x3, stride 2, padding 1."""
    return graph.op("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


def average_pool(graph: Graph, value: Value) -> Value:
    """2x2, stride 2; the sides must be even."""
    return graph.op("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])


def doubled(graph: Graph, value: Value) -> Value:
    """[B, c, H, W] -> [B, c, 2H, 2W], each value four times."""
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32), "scales")
    return graph.op(
        "Resize", value, Value(""), scales,
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
