"""Sizes that a file's own header hides: pictures inside icons, textures and JPEG 2000 tiles, read from the bytes
before any decoder allocates for them. Also the passes of a progressive JPEG, which cost a full decode each."""

import re
import struct
from collections.abc import Iterator

import numpy as np

Size = tuple[int, int]

# Each image tile costs OpenJPEG several kilobytes for every component, before a pixel is read.
MAX_TILE_COMPONENTS = 16_384
# libtiff's own limit (LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER); real progressive files have about ten.
MAX_SCANS = 100
MAX_SCANNED = 1_000_000_000  # pixels of all scans together: seconds of work

_JPEG2000_STARTS = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")
_PNG = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(........)", re.DOTALL)
_JPEG2000 = re.compile(rb"\xff\x4f\xff\x51..(.{36})", re.DOTALL)
_JPEG = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..\x08(....)", re.DOTALL)


def sizes(data: bytes) -> Iterator[Size]:
    """Width and height of every picture inside an ICO, ICNS, BLP or JPEG 2000 file; of other files none."""
    if data.startswith(b"\0\0\1\0"):
        yield from _icon(data)
    elif data.startswith(b"icns"):
        yield from _png(data)
        yield from _jpeg2000(data)
    elif data.startswith(b"BLP1\0\0\0\0"):
        yield from _texture(data)
    elif data.startswith(_JPEG2000_STARTS):
        yield from _jpeg2000(data)


def scans(data: bytes) -> int:
    """How many scans a JPEG file has (start-of-scan markers, those of embedded thumbnails included)."""
    octets = np.frombuffer(data, np.uint8)  # bytes.count takes 1 ms a megabyte of JPEG, and holds the interpreter
    return int(np.count_nonzero((octets[:-1] == 0xFF) & (octets[1:] == 0xDA)))


def tile_components(data: bytes) -> int:
    """The largest tiles x components of the codestreams in a JPEG 2000 or ICNS file; of other files 0."""
    if not data.startswith((*_JPEG2000_STARTS, b"icns")):
        return 0
    return max((_tiles(match.group(1)) for match in _JPEG2000.finditer(data)), default=0)


def _icon(data: bytes) -> Iterator[Size]:
    # ICO: a count at 4, then 16 bytes an entry with the offset of its PNG or DIB in the last four.
    (count,) = struct.unpack_from("<H", data.ljust(6, b"\0"), 4)
    for (offset,) in struct.iter_unpack("<12xI", data[6 : 6 + 16 * min(count, (len(data) - 6) // 16)]):
        head = data[offset : offset + 24]
        if len(head) < 24:
            continue
        if head.startswith(b"\x89PNG"):
            yield struct.unpack(">II", head[16:])
        elif head.startswith(b"\x0c\0\0\0"):
            width, height = struct.unpack("<HH", head[4:8])
            yield width, height
        else:
            width, height = struct.unpack("<ii", head[4:12])
            yield abs(width), abs(height) // 2  # the mask lies below the picture


def _texture(data: bytes) -> Iterator[Size]:
    # BLP1 with JPEG: 16 offsets at 28, 16 lengths at 92, then a shared JPEG header that precedes every level.
    if len(data) < 160:
        return
    offset, length = *struct.unpack_from("<I", data, 28), *struct.unpack_from("<I", data, 92)
    (header,) = struct.unpack_from("<I", data, 156)
    stream = data[160 : 160 + header] + data[offset : offset + length]
    for match in _JPEG.finditer(stream):
        height, width = struct.unpack(">HH", match.group(1))
        yield width, height


def _png(data: bytes) -> Iterator[Size]:
    for match in _PNG.finditer(data):
        yield struct.unpack(">II", match.group(1))


def _jpeg2000(data: bytes) -> Iterator[Size]:
    for match in _JPEG2000.finditer(data):
        _, x1, y1, x0, y0 = struct.unpack_from(">HIIII", match.group(1))
        yield max(x1 - x0, 0), max(y1 - y0, 0)


def _tiles(siz: bytes) -> int:
    _, x1, y1, _, _, step_x, step_y, first_x, first_y, components = struct.unpack(">HIIIIIIIIH", siz)
    across = -(-(x1 - first_x) // max(step_x, 1))
    down = -(-(y1 - first_y) // max(step_y, 1))
    return max(across, 0) * max(down, 0) * components
