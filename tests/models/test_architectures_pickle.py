"""A pickled checkpoint gives its tensors; whatever else it asks for is refused, and nothing of it runs."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inflare.models.architectures import UnsupportedCheckpoint
from inflare.models.architectures.pickle_checkpoint import read_pickle

# A small assembler of pickles, so that no test needs torch, nor an object that this process could be made to run.


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def dict_of(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key.replace("__", ".")) + value for key, value in items.items()) + b"u"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 6) -> bytes:
    pid = tuple_of(text("storage"), name("torch", kind), text(key), text("cpu"), number(count))
    return pid + b"Q"


def tensor(
    shape: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1), offset: int = 0, kind: str = "FloatStorage"
) -> bytes:
    hooks = call(name("collections", "OrderedDict"))
    sides = (tuple_of(*map(number, shape)), tuple_of(*map(number, stride)))
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage(kind), number(offset), *sides, b"\x89", hooks)


def save(folder: Path, body: bytes, data: bytes | None = None, *, compression: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "weights.pth"
    values = np.arange(6, dtype=np.float32).tobytes() if data is None else data
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + body + b".")
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", values)
    return path


def refused(folder: Path, body: bytes) -> str:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        read_pickle(save(folder, body))
    return str(caught.value)


def test_a_state_dict_is_read(tmp_path: Path) -> None:
    weights = read_pickle(save(tmp_path, dict_of(a__weight=tensor()))).weights
    assert weights["a.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_strides_and_offsets_are_followed(tmp_path: Path) -> None:
    weights = read_pickle(save(tmp_path, dict_of(a=tensor((3, 2), (1, 3)), b=tensor((2,), (2,), 1)))).weights
    assert (weights["a"].tolist(), weights["b"].tolist()) == ([[0, 3], [1, 4], [2, 5]], [1, 3])


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    values = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    path = save(tmp_path, dict_of(a=tensor((2,), (1,), kind="BFloat16Storage")), values)
    assert read_pickle(path).weights["a"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(("kind", "dtype"), [("HalfStorage", "<f2"), ("LongStorage", "<i8"), ("BoolStorage", "?")])
def test_other_element_types_are_read(tmp_path: Path, kind: str, dtype: str) -> None:
    path = save(tmp_path, dict_of(a=tensor((2,), (1,), kind=kind)), np.array([1, 0], dtype).tobytes())
    assert read_pickle(path).weights["a"].tolist() == [1, 0]


def test_the_model_and_the_notes_beside_it_are_told_apart(tmp_path: Path) -> None:
    namespace = name("argparse", "Namespace") + b")\x81" + dict_of(resolution=number(576)) + b"b"
    read = read_pickle(save(tmp_path, dict_of(model=dict_of(a=tensor()), args=namespace, epoch=number(3))))
    assert (list(read.weights), read.notes["args"]["resolution"], read.notes["epoch"]) == (["a"], 576, 3)


def test_parameters_and_ordered_dicts_are_read(tmp_path: Path) -> None:
    parameter = call(name("torch._utils", "_rebuild_parameter"), tensor(), b"\x88", b"N")
    ordered = call(name("collections", "OrderedDict"), b"](" + tuple_of(text("a"), parameter) + b"e")
    assert read_pickle(save(tmp_path, ordered)).weights["a"].shape == (2, 3)


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("__builtin__", "apply"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch.hub", "load"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("pickle", "loads"),
        ("inflare.models.architectures.pickle_checkpoint", "read_pickle"),
        ("runpy", "run_path"),
        ("webbrowser", "open"),
    ],
)
def test_other_names_are_refused_by_name(tmp_path: Path, module: str, attribute: str) -> None:
    assert f"{module}.{attribute}" in refused(tmp_path, call(name(module, attribute), text("x")))


def test_nothing_that_a_pickle_names_runs(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for module, attribute in (("pathlib", "Path"), ("types", "FunctionType"), ("numpy", "load"), ("os", "mkdir")):
        body = dict_of(a=tensor(), b=call(name(module, attribute), text(str(witness))))
        try:
            read_pickle(save(tmp_path, body))
        except UnsupportedCheckpoint:
            assert module == "os"
    assert not witness.exists()


def test_a_note_can_not_be_called(tmp_path: Path) -> None:
    assert "readable" in refused(tmp_path, call(call(name("pathlib", "Path"), text("x")), text("y")))


def test_what_is_allowed_can_not_be_changed(tmp_path: Path) -> None:
    # BUILD with a pair sets attributes of the object below it.
    change = b"N" + dict_of(__call__=number(1)) + b"\x86b"
    assert "readable" in refused(tmp_path, name("torch._utils", "_rebuild_tensor_v2") + change)


@pytest.mark.parametrize(
    "body",
    [
        dict_of(a=tensor((2, 4), (4, 1))),
        dict_of(a=tensor((2, 3), (3, 1), 1)),
        dict_of(a=tensor((2, 3), (-3, 1))),
        dict_of(a=tensor((-2, -3), (3, 1))),
        dict_of(a=tensor((2, 3), (3,))),
        dict_of(a=tensor((1 << 30, 1 << 30), (0, 0))),
        dict_of(a=tensor(offset=-1)),
    ],
    ids=["shape", "offset", "stride", "negative", "rank", "expanded", "before"],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, body: bytes) -> None:
    assert "weights.pth" in refused(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"}",
        number(3),
        b"N",
        b"\x82\x01",  # an extension code
        b"r\xff\xff\xff\x7f",  # a memo slot two billion places away
        b"(" * 200_000,
        b"X\xff\xff\xff\xff",
        text("storage") + b"Q",
        tuple_of(text("storage"), name("torch", "FloatStorage"), text("../../etc/passwd"), text("cpu"), number(1))
        + b"Q",
        tuple_of(text("storage"), name("torch", "FloatStorage"), text("7"), text("cpu"), number(1)) + b"Q",
        b"ios\nsystem\n",
    ],
    ids=[
        "empty",
        "no tensors",
        "number",
        "none",
        "extension",
        "memo",
        "marks",
        "length",
        "pid",
        "path",
        "entry",
        "inst",
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, body: bytes) -> None:
    assert refused(tmp_path, body)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02}." * 9, np.arange(64, dtype=np.uint8).tobytes()])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match=r"weights\.pth"):
        read_pickle(path)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, dict_of(a=tensor()), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsupportedCheckpoint, match="compressed"):
        read_pickle(path)


def test_a_big_endian_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/byteorder", "big")
    with pytest.raises(UnsupportedCheckpoint, match="little-endian"):
        read_pickle(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_pickle(tmp_path / "none.pth")
