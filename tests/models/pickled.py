"""Pickled checkpoints as torch.save writes them, made without torch."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def save_pth(path: Path, weights: Mapping[str, Array], *, stages: Sequence[int] = (2, 4), extra: bytes = b"") -> None:
    """What torch.save({"model": weights, "args": Namespace(...)}) writes, tensor by tensor.

    `stages` are the backbone's depths that are read; `extra` is a piece of pickle that leaves one object, kept as
    the entry "extra".
    """

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    body, kinds = b"", {"float32": "FloatStorage", "bool": "BoolStorage"}
    with zipfile.ZipFile(path, "w") as archive:
        for key, (name, array) in enumerate(weights.items()):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(array).tobytes())
            storage = b"(" + text("storage") + f"ctorch\n{kinds[str(array.dtype)]}\n".encode()
            storage += text(str(key)) + text("cpu") + numbers((array.size,))[1:-1] + b"tQ"
            steps = tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
            parts = storage + numbers((0,))[1:-1] + numbers(array.shape) + numbers(steps) + b"\x89}"
            body += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + parts + b"tR"
        settings = b"cargparse\nNamespace\n)\x81}(" + text("num_windows") + b"K\x02"
        settings += text("out_feature_indexes") + b"](" + b"".join(b"K" + bytes([stage]) for stage in stages) + b"eub"
        root = b"}(" + text("model") + b"}(" + body + b"u" + text("args") + settings
        root += (text("extra") + extra if extra else b"") + b"u"
        archive.writestr("archive/data.pkl", b"\x80\x02" + root + b".")
