"""Names of weights: the hub's layout, transformers 5's and timm's, brought to one."""

from __future__ import annotations

import re
from typing import Final

_RENAMES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # The hub's layout on the left, transformers 5's names in memory on the right.
        (r"^module\.", ""),
        (r"backbone\.conv_encoder\.", "backbone."),
        (r"\.out_proj\.", ".o_proj."),
        (r"(layers\.\d+)\.(fc[12])\.", r"\1.mlp.\2."),
        (r"encoder\.encoder\.(\d+)\.layers\.", r"encoder.aifi.\1.layers."),
        # RT-DETR's heads are shared between two places; files keep either.
        (r"^(class_embed|bbox_embed)\.", r"model.decoder.\1."),
        # Conditional DETR: "sa" is self-attention, "ca" cross-attention.
        (r"\.sa_([qk])(content|pos)_proj\.", r".self_attn.\1_\2_proj."),
        (r"\.ca_([qk])(content|pos)_proj\.", r".encoder_attn.\1_\2_proj."),
        (r"\.sa_v_proj\.", ".self_attn.v_proj."),
        (r"\.ca_v_proj\.", ".encoder_attn.v_proj."),
        (r"\.ca_qpos_sine_proj\.", ".encoder_attn.q_pos_sine_proj."),
        # timm's ResNet on the left, transformers' ResNet on the right.
        (r"backbone\.model\.conv1\.", "backbone.model.embedder.embedder.convolution."),
        (r"backbone\.model\.bn1\.", "backbone.model.embedder.embedder.normalization."),
        (r"(backbone\.model\.layer\d+\.\d+)\.downsample\.0\.", r"\1.shortcut.convolution."),
        (r"(backbone\.model\.layer\d+\.\d+)\.downsample\.1\.", r"\1.shortcut.normalization."),
    )
)
_TIMM_STAGE: Final = re.compile(r"backbone\.model\.layer(\d+)\.(\d+)\.")
_TIMM_LAYER: Final = re.compile(r"(encoder\.stages\.\d+\.layers\.\d+)\.(conv|bn)(\d)\.")
_TIMM_KIND: Final = {"conv": "convolution", "bn": "normalization"}


def canonical_name(name: str) -> str:
    """The name that transformers 5 uses in memory, with its own ResNet, for a key of any layout."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    name = _TIMM_STAGE.sub(lambda m: f"backbone.model.encoder.stages.{int(m[1]) - 1}.layers.{m[2]}.", name)
    return _TIMM_LAYER.sub(lambda m: f"{m[1]}.layer.{int(m[3]) - 1}.{_TIMM_KIND[m[2]]}.", name)
