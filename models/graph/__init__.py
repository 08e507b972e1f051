"""The vocabulary that detectors are written in: an ONNX graph and the layers they share."""

from .core import CONTRACT, OPSET, Array, Graph, Value

__all__ = ["CONTRACT", "OPSET", "Array", "Graph", "Value"]
