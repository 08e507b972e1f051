"""A real network of skeletons small enough to read: a background-first one, whose two classes have different joints.

It fits the served contract; where joints are, and how sure, is written below, so that answers can be checked by hand.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inflare.models.card import Card, Source, SourceFile, parse
from inflare.models.catalog import Catalog
from inflare.models.store import Store

SIDE = 24
MODEL = "@local/posed"
CARD = f"""
id = "{MODEL}"
description = "A person of three joints, a lamp of one, and a person that is hardly there."
task = "keypoint-detection"
author = "inflare"
licence = "Apache-2.0"
architecture = "onnx"
labels = ["N/A", "person", "lamp"]

[source]
kind = "file"
files = [{{ name = "model.onnx" }}]

[input]
kind = "square"
size = {SIDE}
antialias = false

[head]
kind = "keypoints"
top_k = 3
clip = true
background = 0
trace_alpha = 0.2

[[keypoints]]
class = 1
label = "person"
names = ["head", "left_hand", "right_hand"]
edges = [[0, 1], [0, 2]]

[[keypoints]]
class = 2
label = "lamp"
names = ["bulb"]
"""
# Columns: background, person, lamp.
LOGITS = [[-9.0, 2.0, -8.0], [-9.0, -8.0, 1.0], [-9.0, -3.0, -8.0]]
# cxcywh; the lamp leaves the image to the right.
BOXES = [[0.3, 0.5, 0.4, 0.8], [0.9, 0.5, 0.4, 0.5], [0.5, 0.5, 0.2, 0.2]]
# x, y, logit of being findable of the joints of each query, in blocks of three slots for each class.
JOINTS: dict[tuple[int, int], tuple[float, float, float]] = {
    (0, 3): (0.3, 0.2, 3.0),
    (0, 4): (0.15, 0.6, 1.0),
    (0, 5): (0.45, 0.6, -2.0),
    (1, 6): (0.85, 0.4, 2.0),
}
LOG_L11, L21, LOG_L22 = math.log(50.0), 10.0, math.log(20.0)


def keypoints() -> NDArray[np.float32]:
    """float32 [1, 3, 9, 8], raw as a network gives them."""
    points = np.zeros((1, 3, 9, 8), dtype=np.float32)
    points[..., 4:7] = LOG_L11, L21, LOG_L22
    for (query, slot), place in JOINTS.items():
        points[0, query, slot, :3] = place
    return points


def graph() -> bytes:
    """images uint8 [batch, 24, 24, 3] -> logits [batch, 3, 3], boxes [batch, 3, 4], keypoints [batch, 3, 9, 8]."""
    answers = {
        "logits": np.array([LOGITS], dtype=np.float32),
        "boxes": np.array([BOXES], dtype=np.float32),
        "keypoints": keypoints(),
    }
    constants = {
        "axes": np.array([1, 2, 3], dtype=np.int64),
        "nothing": np.zeros(1, dtype=np.float32),
        "last": np.array([3], dtype=np.int64),
        **{f"{name}_value": value for name, value in answers.items()},
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zeros"]),  # [batch, 1, 1, 1]
        helper.make_node("Squeeze", ["zeros", "last"], ["zero"]),
        helper.make_node("Add", ["zero", "logits_value"], ["logits"]),
        helper.make_node("Add", ["zero", "boxes_value"], ["boxes"]),
        helper.make_node("Add", ["zeros", "keypoints_value"], ["keypoints"]),
    ]
    made = helper.make_graph(
        nodes,
        "posed",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *value.shape[1:]])
            for name, value in answers.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"inflare.contract": "1"})
    cast(Any, onnx.checker).check_model(model)
    return model.SerializeToString()


def install(home: Path) -> Card:
    """Install the network as a user's own model under `home`."""
    card = parse(CARD, "posed")
    Store(home, Catalog.builtin()).add_file(card, graph(), source=Source("file", (SourceFile("model.onnx"),)))
    return card
