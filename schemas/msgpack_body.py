"""A msgpack body, measured before it is built: declared lengths are believed only when the bytes are there."""

from typing import Any

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .parameters import unique
from .refused import Refused
from .sniff import Buffer

_library: Any = msgpack  # publishes no types


def is_msgpack_map(first: int) -> bool:
    """Whether a body that starts with this byte can be a msgpack map (fixmap, map 16, map 32)."""
    return 0x80 <= first <= 0x8F or first in (0xDE, 0xDF)


def read_msgpack(body: Buffer) -> Any:
    """The body's value; binary is `bytes`. Raises Refused ("malformed") for anything that is not msgpack."""
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
