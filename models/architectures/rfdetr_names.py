"""Names of RF-DETR's weights: the rfdetr package's layout brought to the one that transformers has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..graph import Array

PACKAGE_MARK: Final = "refpoint_embed.weight"
"""A weight that only the package's layout has under this name."""

_BACKBONE = r"^backbone\.0\.encoder\.encoder\."
_BLOCK = _BACKBONE + r"encoder\.(layer\.\d+)\."
_PROJECTOR = r"^backbone\.0\.(projector|cross_attn_projector)\.stages\.0\."
_LAYER = r"^(transformer\.decoder\.layers\.\d+)\."
_RENAMES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # The package's layout on the left, transformers' on the right.
        (_BLOCK + r"attention\.output\.dense\.", r"backbone.backbone.encoder.\1.attention.o_proj."),
        (_BLOCK + r"attention\.attention\.([qkv])(uery|ey|alue)\.", r"backbone.backbone.encoder.\1.attention.\2_proj."),
        (_BACKBONE, "backbone.backbone."),
        (_PROJECTOR + r"0\.cv([12])\.conv\.", r"backbone.\1.projector_layer.conv\2.conv."),
        (_PROJECTOR + r"0\.cv([12])\.bn\.", r"backbone.\1.projector_layer.conv\2.norm."),
        (_PROJECTOR + r"0\.m\.(\d+)\.cv([12])\.conv\.", r"backbone.\1.projector_layer.bottlenecks.\2.conv\3.conv."),
        (_PROJECTOR + r"0\.m\.(\d+)\.cv([12])\.bn\.", r"backbone.\1.projector_layer.bottlenecks.\2.conv\3.norm."),
        (_PROJECTOR + r"1\.", r"backbone.\1.layer_norm."),
        (_LAYER + r"norm1\.", r"\1.self_attn_layer_norm."),
        (_LAYER + r"norm2\.", r"\1.cross_attn_layer_norm."),
        (_LAYER + r"norm3\.", r"\1.layer_norm."),
        (_LAYER + r"linear1\.", r"\1.mlp.fc1."),
        (_LAYER + r"linear2\.", r"\1.mlp.fc2."),
        (r"^transformer\.decoder\.norm\.", "decoder.layernorm."),
        (r"^transformer\.", ""),
        (r"^refpoint_embed\.", "reference_point_embed."),
        # Published without the name of the model around them, or with it.
        (r"^(backbone|decoder|enc_|keypoint_|query_feat|reference_point_embed|_kp_)", r"model.\1"),
    )
)  # fmt: skip
_PACKED: Final = re.compile(r"(.*)\.in_proj_(weight|bias)$")


def hub_weights(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """All arrays under transformers' names; torch's packed attention weights are split in three."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        name = _rename(name)
        packed = _PACKED.match(name)
        if packed is None:
            found[name] = array
        else:
            for letter, part in zip("qkv", np.split(array, 3), strict=True):
                found[f"{packed[1]}.{letter}_proj.{packed[2]}"] = part
    return found


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name
