"""Element types as safetensors names them, and their bytes as numpy arrays; bfloat16 becomes float32."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..graph import Array
from .weights import UnsupportedCheckpoint

_ELEMENTS: Final = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip


def decode_elements(kind: str, data: bytes | bytearray) -> Array:
    """Bytes of little-endian elements of `kind` -> [n]. Raises UnsupportedCheckpoint for other kinds."""
    if kind == "BF16":
        # The upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if kind not in _ELEMENTS:
        raise UnsupportedCheckpoint(
            f"element type {kind}", "can't be read", "Save the checkpoint in float32, float16 or bfloat16"
        )
    return np.frombuffer(data, _ELEMENTS[kind])
