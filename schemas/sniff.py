"""Which image format bytes are in, told by their first bytes and never by a name or a header field.

The table covers what Pillow's plugins open (their `_accept` rules), so that no format is lost before the decoder.
"""

import struct
from collections.abc import Callable
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

_HEAD = 128  # bytes that the rules below look at, but for Photo CD's
_PHOTO_CD = 2048  # offset of its signature

# The first rule that fits wins.
_PREFIXES: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("jpeg", (b"\xff\xd8\xff",)),
    ("png", (b"\x89PNG\r\n\x1a\n",)),
    ("gif", (b"GIF87a", b"GIF89a")),
    ("bmp", (b"BM",)),
    ("tiff", (b"MM\x00\x2a", b"II\x2a\x00", b"MM\x2a\x00", b"II\x00\x2a", b"MM\x00\x2b", b"II\x2b\x00")),
    ("jpeg2000", (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a")),
    ("ico", (b"\x00\x00\x01\x00",)),
    ("icns", (b"icns",)),
    ("psd", (b"8BPS",)),
    ("dds", (b"DDS ",)),
    ("qoi", (b"qoif",)),
    ("sgi", (b"\x01\xda",)),
    ("xvthumb", (b"P7 332",)),
    ("ppm", (b"P0", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"Py", b"PF")),
    ("blp", (b"BLP1", b"BLP2")),
    ("fits", (b"SIMPLE",)),
    ("ftex", (b"FTEX",)),
    ("xpm", (b"/* XPM */",)),
    ("xbm", (b"#define", b"\n#define", b"/*")),
    ("eps", (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    ("sun", (b"\x59\xa6\x6a\x95",)),
    ("pixar", (b"\x80\xe8\x00\x00",)),
    ("msp", (b"DanM", b"LinS")),
    ("dcx", (b"\xb1\x68\xde\x3a",)),
    ("mcidas", (b"\x00\x00\x00\x00\x00\x00\x00\x04",)),
    ("pcx", (b"\x0a\x00", b"\x0a\x02", b"\x0a\x03", b"\x0a\x05")),
    ("wmf", (b"\xd7\xcd\xc6\x9a\x00\x00",)),
    ("im", (b"Image type:", b"Image size", b"Name:", b"File size")),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heif"),
}


def sniff(data: Buffer) -> str | None:
    """Lower-case name of the image format, such as "jpeg" or "webp", None when it is none that is known."""
    head = bytes(data[:_HEAD])
    for name, prefixes in _PREFIXES:
        if head.startswith(prefixes):
            return name
    return next((name for name, fits in _STRUCTURES if fits(head)), None) or _container(head) or _photo_cd(data)


def _container(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] != b"ftyp":
        return None
    brands = (head[at : at + 4] for at in range(16, min(len(head), int.from_bytes(head[:4])), 4))
    generic = _BRANDS.get(head[8:12])
    return "avif" if generic and any(_BRANDS.get(brand) == "avif" for brand in brands) else generic


def _photo_cd(data: Buffer) -> str | None:
    return "pcd" if bytes(data[_PHOTO_CD : _PHOTO_CD + 4]) == b"PCD_" else None


def _is_cur(head: bytes) -> bool:
    return head[:4] == b"\x00\x00\x02\x00" and head[4:6] != b"\x00\x00"  # a TGA starts alike, with no count


def _is_fli(head: bytes) -> bool:
    return len(head) >= 16 and head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[14:16] in (b"\x00\x00", b"\x03\x00")


def _is_dib(head: bytes) -> bool:
    return len(head) >= 16 and int.from_bytes(head[:4], "little") in (12, 40, 52, 56, 64, 108, 124)


def _is_gbr(head: bytes) -> bool:
    return len(head) >= 20 and int.from_bytes(head[:4]) >= 20 and int.from_bytes(head[4:8]) in (1, 2)


def _is_tga(head: bytes) -> bool:
    if len(head) < 18:
        return False
    _, mapped, kind, width, height, depth = struct.unpack("<BBB9xHHB", head[:17])
    return (
        mapped in (0, 1) and kind in (1, 2, 3, 9, 10, 11) and 0 not in (width, height) and depth in (1, 8, 16, 24, 32)
    )


def _is_imt(head: bytes) -> bool:
    return head[:1] == b"*" and b"\nwidth " in head


def _is_spider(head: bytes) -> bool:
    """SPIDER's header is 27 floats; these seven are whole numbers and agree with one another."""
    for order in "<>":
        values = (0.0, *struct.unpack(f"{order}27f", head[:108].ljust(108, b"\xff")))
        whole = all(values[at].is_integer() for at in (1, 2, 5, 12, 13, 22, 23))
        if whole and values[5] in (1, 3, -11, -12, -21, -22) and values[22] == values[13] * values[23] > 0:
            return True
    return False


_STRUCTURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("cur", _is_cur),
    ("fli", _is_fli),
    ("dib", _is_dib),
    ("gbr", _is_gbr),
    ("tga", _is_tga),
    ("imt", _is_imt),
    ("spider", _is_spider),
)
