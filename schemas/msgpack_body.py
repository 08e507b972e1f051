"""A msgpack body, measured before it is built: declared lengths are believed only when the bytes are there."""

import re
from typing import Any

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .parameters import unique
from .refused import Refused
from .sniff import Buffer

_library: Any = msgpack  # publishes no types
_LONG = 1 << 12  # bytes of an image that are worth not copying
_SHORT = 1 << 9  # bytes that claim little, whatever they declare: an array of the library's has at most one item a byte
_NEAR = 1 << 12  # bytes from the start within which it begins
_IMAGE = re.compile(rb"\xa5image(?:\xc5(..)|\xc6(....))", re.DOTALL)  # bin 16 and bin 32
_STANDS_FOR = b"inflare's images"  # 16 bytes, as a fixext 16 has
_MARK = b"\xd8\x7f" + _STANDS_FOR


def is_msgpack_map(first: int) -> bool:
    """Whether a body that starts with this byte can be a msgpack map (fixmap, map 16, map 32)."""
    return 0x80 <= first <= 0x8F or first in (0xDE, 0xDF)


def read_msgpack(body: Buffer) -> Any:
    """The body's value; binary is `bytes`, but a long image is a view of the body. Raises Refused ("malformed") for
    anything that is not msgpack."""
    if len(body) >= _LONG and (value := _around_image(body)) is not None:
        return value
    try:
        _measure(body)
        return _library.unpackb(body, ext_hook=_no_extension, object_pairs_hook=unique)
    except _library.OutOfData:
        raise _refused("it ends before what it declares") from None
    except _library.StackError:
        raise _refused("it is nested too deep") from None
    except UnicodeDecodeError:
        raise _refused("a string in it is not UTF-8") from None
    except (ValueError, RecursionError, _library.UnpackException):
        raise _refused("its structure is broken, or a map's key is no string") from None


def _around_image(body: Buffer) -> Any:
    """The value of a body in which a binary "image" is replaced by a short extension, which gives way to a view of
    it; None where there is none, or the rest is broken."""
    found = _IMAGE.search(body, 0, _NEAR)
    if found is None:
        return None
    start, size = found.end(), int.from_bytes(found[1] or found[2])
    if size < _LONG or start + size > len(body):
        return None
    view = memoryview(body)
    rest = b"%b%b%b" % (view[: start - (3 if found[1] else 5)], _MARK, view[start + size :])
    images = [view[start : start + size]]

    def image(_code: int, data: bytes) -> Any:
        if data != _STANDS_FOR:
            raise ValueError(data)
        return images.pop()

    try:
        if len(rest) > _SHORT:
            _measure(rest)
        value = _library.unpackb(rest, ext_hook=image, object_pairs_hook=unique)
    except (ValueError, IndexError, RecursionError, _library.UnpackException, Refused):
        return None
    return value if not images and rest.count(_STANDS_FOR) == 1 else None


def _measure(body: Buffer) -> None:
    """Walks the structure without building it, so that a few bytes can not claim gigabytes of list."""
    walker = _library.Unpacker(max_buffer_size=len(body))
    walker.feed(body)
    walker.skip()
    if walker.tell() < len(body):
        raise _refused(f"it ends at byte {walker.tell()}, more follows")


def _refused(reason: str) -> Refused:
    return Refused("malformed", f"starts like a msgpack map but can not be read: {reason}")


def _no_extension(code: int, _data: bytes) -> Any:
    raise Refused("malformed", f"msgpack extension type {code} has no meaning here")
