"""A real network small enough to read: three queries whose scores follow the brightness of the image.

It fits the served contract, so engine, sessions and faces are tested with an engine that truly computes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inflare.models.card import Card, Source, SourceFile, parse
from inflare.models.catalog import Catalog
from inflare.models.store import Store

SIDE = 32
MODEL = "@local/spots"
CARD = f"""
id = "{MODEL}"
description = "Three boxes that grow surer as the image grows brighter."
task = "object-detection"
author = "inflare"
licence = "Apache-2.0"
architecture = "onnx"
labels = ["bright", "dark"]

[source]
kind = "file"
files = [{{ name = "model.onnx" }}]

[input]
kind = "square"
size = {SIDE}

[head]
kind = "softmax"
background = 2
"""
# cxcywh; the last one leaves the image at every edge.
BOXES = [[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 1.5, 1.5]]
# Each query's logits (bright, dark, no object) are SLOPE * mean brightness + OFFSET.
SLOPE = [[4.0, -4.0, 0.0], [2.0, -2.0, 0.0], [1.0, -1.0, 0.0]]
OFFSET = [[-2.0, 2.0, 0.0], [-1.0, 1.0, 0.0], [-0.5, 0.5, 0.0]]


Rows = Sequence[Sequence[float]]


def graph(slope: Rows = SLOPE, offset: Rows = OFFSET, boxes: Rows = BOXES) -> bytes:
    """images uint8 [batch, 32, 32, 3] -> logits [batch, Q, 3], boxes [batch, Q, 4]; Q = 3 unless told."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=1),
        helper.make_node("Squeeze", ["mean", "last"], ["level"]),
        helper.make_node("Mul", ["level", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["logits"]),
        helper.make_node("Mul", ["level", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "places"], ["boxes"]),
    ]
    constants = {
        "axes": np.array([1, 2, 3], dtype=np.int64),
        "last": np.array([3], dtype=np.int64),
        "slope": np.array([slope], dtype=np.float32) / 255,
        "offset": np.array([offset], dtype=np.float32),
        "nothing": np.zeros(1, dtype=np.float32),
        "places": np.array([boxes], dtype=np.float32),
    }
    made = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(boxes), 3]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", len(boxes), 4]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"inflare.contract": "1"})
    cast(Any, onnx.checker).check_model(model)
    return model.SerializeToString()


def install(home: Path, text: str = CARD, network: bytes | None = None) -> Card:
    """Install the network, or another of its shape, as a user's own model under `home`."""
    card = parse(text, "spots")
    Store(home, Catalog.builtin()).add_file(
        card, network or graph(), source=Source("file", (SourceFile("model.onnx"),))
    )
    return card


def png(level: int, width: int = 40, height: int = 20) -> bytes:
    """A grey PNG of one level, 0..255."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (level, level, level)).save(out, "PNG")
    return out.getvalue()
