"""Reads the zip form of torch.save without torch and without running what the file says: only what is listed
here can be made, everything else is refused by name."""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from ..graph import Array
from .dtypes import decode_elements
from .weights import UnsupportedCheckpoint

MAX_PICKLE: Final = 64 << 20
"""Bytes of the pickle itself; tensors lie beside it. A detector's is below one megabyte."""

_STORAGES: Final = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
# Objects of these modules are training's notes, such as argparse's Namespace: kept as plain values, not made.
_NOTES: Final = frozenset({"argparse", "pathlib", "types", "omegaconf", "rfdetr", "numpy", "datetime"})
_FORBIDDEN_OPCODES: Final = frozenset(
    {"EXT1", "EXT2", "EXT4", "INST", "OBJ", "PERSID", "READONLY_BUFFER", "NEXT_BUFFER"}
)
_BROKEN: Final = (
    pickle.UnpicklingError, zipfile.BadZipFile, ValueError, TypeError, LookupError, AttributeError, EOFError,
    OverflowError, MemoryError, RecursionError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PickledCheckpoint:
    """`weights` by name, and whatever else the file holds, as plain values."""

    weights: Mapping[str, Array]
    notes: Mapping[str, Any]


def read_pickle(path: Path) -> PickledCheckpoint:
    """The state dict in `path`, at its root or below "model" or "state_dict".

    Raises UnsupportedCheckpoint for anything else than tensors, plain containers and known notes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = _load(_Archive(archive))
            return _checkpoint(root, path.name)
    except _BROKEN as error:
        raise _refusal(path.name, f"is no readable checkpoint ({error})") from error


def _refusal(subject: str, rule: str) -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint(subject, rule, "Use a safetensors file, or one that torch.save wrote")


@dataclass(frozen=True, slots=True)
class _Storage:
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Kept out of reach of the pickle: it can't be called, built or changed by it."""

    array: Array


class _Archive:
    """The entries that torch.save writes: data.pkl and data/0, data/1, … below one folder, not compressed."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        found = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(found) != 1:
            raise ValueError("it has no data.pkl")
        self._folder = found[0].partition("/")[0]
        if f"{self._folder}/byteorder" in archive.namelist() and self.read("byteorder", 16) != b"little":
            raise ValueError("it is not little-endian")

    def read(self, name: str, limit: int | None = None) -> bytes:
        entry = self._archive.getinfo(f"{self._folder}/{name}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ValueError(f"{name} is compressed or encrypted")
        if limit is not None and entry.file_size > limit:
            raise ValueError(f"{name} has more than {limit} bytes")
        return self._archive.read(entry)


class _Rebuild:
    """A callable that the pickle may call and can't change: it has no attributes."""

    __slots__ = ("__function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_Rebuild__function", function)

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("it can't be changed")

    def __call__(self, *arguments: Any) -> Any:
        return cast(Any, self.__function)(*arguments)


class _Note(dict[str, Any]):
    """An object that is not made: what it was built from, as a mapping."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__({"arguments": arguments} if arguments else {})

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(cast(dict[str, Any], state))


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, archive: _Archive) -> None:
        super().__init__(BytesIO(data))
        self._archive = archive

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module_name == "torch._utils" and global_name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _Rebuild(_rebuild_tensor if global_name == "_rebuild_tensor_v2" else _rebuild_parameter)
        if module_name == "torch" and global_name in _STORAGES:
            return _STORAGES[global_name]
        if module_name == "torch" and global_name in ("Size", "device"):
            return _Rebuild(lambda *arguments: arguments)
        if module_name.partition(".")[0] in _NOTES:
            return type("Note", (_Note,), {})  # its own, so that nothing outlives this file
        raise _refusal(f"{module_name}.{global_name}", "is not allowed in a checkpoint; nothing was run")

    def persistent_load(self, pid: Any, /) -> _Storage:
        tag, kind, key, _location, _count = pid
        if tag != "storage" or kind not in _STORAGES.values() or not (isinstance(key, str) and key.isdigit()):
            raise ValueError("it refers to something that is no storage")
        return _Storage(kind, self._archive.read(f"data/{key}"))


def _load(archive: _Archive) -> Any:
    data = archive.read("data.pkl", MAX_PICKLE)
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(data), start=1):
        if opcode.name in _FORBIDDEN_OPCODES:
            raise _refusal(f"the pickle's {opcode.name}", "is not allowed in a checkpoint; nothing was run")
        if opcode.name.endswith("PUT") and int(cast(Any, argument)) > count:
            raise ValueError("its memo is larger than its text")  # the reader would reserve room for it
    return _Unpickler(data, archive).load()


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_rest: Any
) -> _Tensor:
    if not (isinstance(cast(Any, storage), _Storage) and len(shape) == len(stride)):
        raise ValueError("a tensor is malformed")
    if any(type(number) is not int or number < 0 for number in (offset, *shape, *stride)):
        raise ValueError("a tensor's shape or stride is not of natural numbers")
    flat = decode_elements(storage.kind, storage.data)
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
    if prod(shape) > flat.size or (prod(shape) and last >= flat.size):
        raise ValueError("a tensor reaches beyond its storage")
    steps = tuple(step * flat.itemsize for step in stride)
    return _Tensor(np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False))


def _rebuild_parameter(tensor: _Tensor, *_rest: Any) -> _Tensor:
    return tensor


def _checkpoint(root: Any, name: str) -> PickledCheckpoint:
    if not isinstance(root, dict):
        raise _refusal(name, "holds no state dict")
    tree = cast(dict[str, Any], root)
    inner = next((key for key in ("model", "state_dict") if isinstance(tree.get(key), dict)), None)
    entries: dict[str, Any] = tree if inner is None else tree[inner]
    weights = {str(key): value.array for key, value in entries.items() if isinstance(value, _Tensor)}
    if not weights:
        raise _refusal(name, "holds no tensors")
    return PickledCheckpoint(weights, {} if inner is None else {k: v for k, v in tree.items() if k != inner})
