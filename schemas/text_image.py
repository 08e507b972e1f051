"""An image written as text: base64 in the dialects that clients send, or a data: URL (RFC 2397)."""

import re
from binascii import a2b_base64
from urllib.parse import unquote_to_bytes

from .refused import Refused

_LONGEST_PREAMBLE = 512  # characters of a data: URL before its comma
_FILLING = re.compile(r"[ \t\r\n=]+")
_FOREIGN = re.compile(r"[^A-Za-z0-9+/_\- \t\r\n=]|=(?=[^= \t\r\n])")  # "=" only pads the end
_URL_SAFE = str.maketrans("-_", "+/")


def image_of_text(text: str, path: str) -> bytes:
    """The bytes that the text at `path` stands for; line breaks, the URL-safe alphabet and no padding are fine.

    Raises Refused ("base64") with the place of the first character that is none.
    """
    if text[:5].lower() != "data:":
        return _base64(text, path)
    preamble, comma, content = text.partition(",")
    if not comma or len(preamble) > _LONGEST_PREAMBLE:
        raise Refused("base64", f"'{path}' starts like a data: URL but has no comma", path)
    if preamble.lower().rstrip().endswith(";base64"):
        return _base64(_unquoted(content).decode("latin-1") if "%" in content else content, path)
    return _unquoted(content)


def _unquoted(content: str) -> bytes:
    return unquote_to_bytes(content.encode("utf-8", "replace"))


def _base64(text: str, path: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        return _lenient(text, path)


def _lenient(text: str, path: str) -> bytes:
    foreign = _FOREIGN.search(text)
    if foreign is not None:
        hint = ": a URL is not fetched here" if text.startswith(("http:", "https:")) else ""
        raise Refused("base64", f"'{path}' is not base64 at character {foreign.start()}{hint}", path)
    compact = _FILLING.sub("", text).translate(_URL_SAFE)
    if len(compact) % 4 == 1:
        reason = f"{len(compact)} characters can not be whole bytes"
        raise Refused("base64", f"'{path}' is not base64: {reason}", path)
    return a2b_base64(compact + "=" * (-len(compact) % 4))
