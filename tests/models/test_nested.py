"""Sizes read from the raw bytes of files that hold other pictures."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from inflare.models import nested


def _siz(width: int, height: int, tile: int, components: int) -> bytes:
    fields = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, tile, tile, 0, 0, components)
    return b"\xff\x4f\xff\x51\0\x2f" + fields + b"\x07\x01\x01" * components


def test_jpeg_2000_size_and_tiles() -> None:
    data = _siz(1000, 600, 100, 3)
    assert list(nested.sizes(data)) == [(1000, 600)]
    assert nested.tile_components(data) == 10 * 6 * 3


def test_icon_with_bitmap_counts_half_its_height() -> None:
    entry = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, 40, 22)
    assert list(nested.sizes(entry + struct.pack("<Iii", 40, 300, 400) + bytes(28))) == [(300, 200)]


def test_texture_jpeg_split_between_header_and_body() -> None:
    frame = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 700, 900)
    offsets, lengths = [166, *[0] * 15], [len(frame) - 6, *[0] * 15]
    head = b"BLP1" + bytes(24) + struct.pack("<16I", *offsets) + struct.pack("<16I", *lengths)
    data = head + struct.pack("<I", 6) + frame[:6] + frame[6:]
    assert list(nested.sizes(data)) == [(900, 700)]


def test_other_files_hide_nothing() -> None:
    assert list(nested.sizes(b"\xff\xd8" + _siz(9, 9, 1, 3))) == []


@given(st.sampled_from([b"\0\0\1\0", b"icns", b"BLP1\0\0\0\0", b"\xff\x4f\xff\x51", b""]), st.binary(max_size=400))
def test_any_bytes_are_read_without_fault(start: bytes, rest: bytes) -> None:
    assert all(width >= 0 and height >= 0 for width, height in nested.sizes(start + rest))
    assert nested.tile_components(start + rest) >= 0
