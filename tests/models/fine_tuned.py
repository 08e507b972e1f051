"""Checkpoints as a training with the rfdetr package leaves them, made without torch: what torch.save writes."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parity.seeded import seeded_weights

DATA = Path(__file__).parents[1] / "parity" / "data"
SIZE = 96
_KINDS = {"float32": "FloatStorage", "bool": "BoolStorage"}
# What the package writes of the small networks whose weights' shapes lie in tests/parity.
MODEL_CONFIG: dict[str, Any] = {
    "resolution": SIZE, "num_select": 10, "num_windows": 2, "out_feature_indexes": [2, 4], "sa_nheads": 2,
    "ca_nheads": 4, "pretrain_weights": None, "postprocess_trace_alpha": 0.2,
}  # fmt: skip


def weights(variant: str) -> dict[str, NDArray[Any]]:
    """Seeded ones under the package's names: active_first [5], background_first [0, 5], several [3, 0, 4], boxes."""
    with np.load(DATA / f"rfdetr_{variant}.npz") as file:
        made = seeded_weights(json.loads(str(file["shapes"])), 1)
        return made | ({"_kp_active_mask": file["mask"]} if "mask" in file.files else {})


def save(
    folder: Path,
    variant: str,
    class_names: list[str] | None,
    name: str = "checkpoint_best_total.pth",
    config: Mapping[str, Any] = MODEL_CONFIG,
) -> Path:
    """The folder of a training's output: one file with "model", "args" (plain values) and "model_config"."""
    folder.mkdir(parents=True, exist_ok=True)
    notes = {"args": {"class_names": class_names, "epochs": 3}, "model_config": dict(config), "epoch": 2}
    with zipfile.ZipFile(folder / name, "w") as archive:
        body = _text("model") + b"}(" + b"".join(_tensor(archive, *item) for item in weights(variant).items()) + b"u"
        for key, value in notes.items():
            body += _text(key) + pickle.dumps(value, 2)[2:-1]  # without the protocol before and the end behind
        archive.writestr("archive/data.pkl", b"\x80\x02}(" + body + b"u.")
    return folder


def _tensor(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> bytes:
    key = sum(entry.startswith("archive/data/") for entry in archive.namelist())
    archive.writestr(f"archive/data/{key}", np.ascontiguousarray(array).tobytes())
    storage = b"(" + _text("storage") + f"ctorch\n{_KINDS[str(array.dtype)]}\n".encode()
    storage += _text(str(key)) + _text("cpu") + _numbers((array.size,))[1:-1] + b"tQ"
    steps = tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
    parts = storage + _numbers((0,))[1:-1] + _numbers(array.shape) + _numbers(steps) + b"\x89}"
    return _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + parts + b"tR"


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"
