"""Whatever a caller calls an image, as the bytes of an image file: nothing is decoded here, only recognised."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..models.image import decode, is_pil_image, pixels_of

# An encoded image, pixels, something that holds either, or what a Worker would send.
Picture = Any
Inputs = Mapping[str, Any]

# A full stop is no character of base64, and only ":" follows the "data" of a URL.
_FILE_NAME = re.compile(r"[^:\n]{1,1000}\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|ppm)", re.IGNORECASE)

_MOST_PIXELS = 200_000_000  # of an image to draw on, which is the caller's own


@runtime_checkable
class _Readable(Protocol):
    def read(self) -> bytes: ...


def members(inputs: Inputs | Picture) -> dict[str, Any]:
    """The inputs of a run as a Worker writes them: {"image": …} and whatever is beside it.

    Anything that is no mapping is the image itself. Raises TypeError, ValueError and OSError of the image.
    """
    if isinstance(inputs, Mapping):
        given = dict(cast("Mapping[str, Any]", inputs))
        return {**given, "image": encoded(given["image"])} if "image" in given else given
    return {"image": encoded(inputs)}


def encoded(image: Picture) -> Any:
    """The bytes of an image file, or the value as it is where a Worker could have sent it (a list, base64 text).

    Understood: bytes, bytearray, memoryview; numpy uint8 [H, W, 3], [H, W, 4] or [H, W] (pixels, RGB) or [N]
    (an encoded file); a PIL image; a path; a file opened for reading bytes. A `str` is base64 or a data: URL, as on
    the wire; a path is a `pathlib.Path`. Raises TypeError for pixels of another shape or type, and the name of a file.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(cast("bytes | bytearray | memoryview", image))
    if isinstance(image, str) and _FILE_NAME.fullmatch(image):
        raise TypeError(f"a str is base64 text or a data: URL, not a path: write Path({image!r})")
    if isinstance(image, np.ndarray):
        return _array(cast("NDArray[Any]", image))
    if isinstance(image, os.PathLike):
        return Path(cast("os.PathLike[str]", image)).read_bytes()
    if is_pil_image(image):
        return portable_pixmap(pixels_of(image))
    if isinstance(image, _Readable):
        return _read(image)
    return image


def pixels(image: Picture) -> NDArray[np.uint8]:
    """The upright RGB pixels uint8 [H, W, 3] of an image as a run takes it. Raises TypeError, ValueError, OSError and
    ImageError of the image."""
    found = members(image).get("image")
    if isinstance(found, list):
        found = bytes(cast("list[int]", found))
    if not isinstance(found, bytes):
        raise TypeError("text is no image to draw on: hand over the bytes, the pixels or the path")
    return decode(found, max_pixels=_MOST_PIXELS).pixels


def portable_pixmap(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W, 3] as a binary PPM file: lossless, and no slower than a copy (Netpbm's ppm(5))."""
    height, width = pixels.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(pixels).tobytes()


def _array(array: NDArray[Any]) -> bytes:
    if array.dtype != np.uint8:
        raise TypeError(f"an image array has dtype uint8, not {array.dtype}: scale it to 0..255 first")
    if array.ndim == 1:
        return array.tobytes()
    if array.ndim == 2:
        return portable_pixmap(np.repeat(array[:, :, None], 3, axis=2))
    if array.ndim == 3 and array.shape[2] in (3, 4):
        return portable_pixmap(array[:, :, :3])
    raise TypeError(f"an image array is [H, W, 3], [H, W] or the bytes of a file [N], not of shape {array.shape}")


def _read(file: _Readable) -> bytes:
    data = file.read()
    if not isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  # a file opened as text
        raise TypeError("the image file was opened as text: open it with mode 'rb'")
    return data
