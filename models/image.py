"""The door to the image codecs: bytes from anyone in, upright RGB pixels out, or an ImageError and nothing else.
Whatever a decoder would allocate is compared with the pixel limit before it runs."""

import ctypes
import functools
import io
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms, ImageFile
from PIL import _imaging as codecs  # pyright: ignore[reportPrivateUsage]  # for its linked libtiff only

from . import jpeg, nested, resampler

Pixels = NDArray[np.uint8]
Kind = Literal["undecodable", "too-large"]

# Formats that are never opened: they run a program, open a nested file of any format, or only point to decoders
# that the application would have to bring.
REFUSED = {
    "EPS": "it is a program for Ghostscript, which is never run",
    "IPTC": "it nests files of any format",
    "WMF": "it is a drawing, not pixels",
    "BUFR": "it is weather data, not pixels",
    "GRIB": "it is weather data, not pixels",
    "HDF5": "it is a data container, not pixels",
    "MPEG": "it is a video",
}
# Tried before all others: what nearly every request sends.
_USUAL = ("JPEG", "PNG", "WEBP")
# Codecs written in Python (QOI, plain PPM, XPM, ...) take a microsecond or more a pixel and hold the interpreter.
SLOW_PIXELS = 4_000_000
_SMALL_TILE = 1 << 20  # pixels of a TIFF tile that are allowed however small the image is

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


class ImageError(Exception):
    """Bytes that are refused: `kind` for programs, `reason` (rule and remedy) for people; never quotes the bytes."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Image:
    """Upright RGB pixels uint8 [height, width, 3] (read-only) and the format they were decoded from."""

    pixels: Pixels
    width: int
    height: int
    format: str


def decode(data: bytes | bytearray | memoryview, *, max_pixels: int) -> Image:
    """The image in `data`: first frame, EXIF orientation applied, alpha laid on white, any mode turned to RGB.

    Raises ImageError "too-large" above `max_pixels` (checked before decoding) and "undecodable" for everything
    that is broken, truncated or no image.
    """
    raw = bytes(data)
    with _only_image_errors():
        for width, height in nested.sizes(raw):
            _admit(width, height, max_pixels)
        if nested.tile_components(raw) > nested.MAX_TILE_COMPONENTS:
            raise ImageError("too-large", "the JPEG 2000 image has too many tiles: save it with larger ones")
        with _opened(raw) as picture:
            _check(picture, raw, max_pixels)
            pixels = _jpeg(picture, raw)
            if pixels is None:
                picture.load()
                _admit(*picture.size, max_pixels)
                pixels = _upright(_rgb(picture), _orientation(picture))
        return Image(pixels, pixels.shape[1], pixels.shape[0], picture.format or "unknown")


def is_pil_image(value: object) -> TypeGuard[PIL.Image.Image]:
    """Whether a caller handed over an image that Pillow has opened or made."""
    return isinstance(value, PIL.Image.Image)


def pixels_of(picture: PIL.Image.Image) -> Pixels:
    """The upright RGB pixels uint8 [H, W, 3] of an image that the caller opened. Raises ImageError."""
    with _only_image_errors():
        return _upright(_rgb(picture), _orientation(picture))


def antialiased(pixels: Pixels, width: int, height: int) -> Pixels:
    """`pixels` uint8 [H, W, 3] resized to [height, width, 3], bilinear, with a filter that widens when it shrinks:
    within a level, at worst two, of what the reference processors of DETR and RT-DETR do, which is `by_pillow`."""
    if pixels.shape[:2] == (height, width):
        return pixels
    fast = resampler.bilinear(pixels, width, height)
    return by_pillow(pixels, width, height) if fast is None else fast


def by_pillow(pixels: Pixels, width: int, height: int) -> Pixels:
    """The same by Pillow's BILINEAR."""
    resized = PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.asarray(resized)


@contextmanager
def _only_image_errors() -> Generator[None]:
    """Pillow's plugins raise nearly every built-in exception on hostile files; callers see one."""
    try:
        yield
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise ImageError("too-large", "the image has too many pixels: send a smaller one") from error
    except PIL.UnidentifiedImageError as error:
        raise ImageError("undecodable", "not an image of a known format: send JPEG, PNG or WebP") from error
    except MemoryError as error:
        raise ImageError("too-large", "the image needs too much memory: send a smaller one") from error
    except Exception as error:
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        fault = "the image data is truncated" if cut else f"the image data is broken ({type(error).__name__})"
        raise ImageError("undecodable", f"{fault}: send the whole, undamaged file") from error


def _opened(raw: bytes) -> ImageFile.ImageFile:
    formats = _formats()
    for name, why in REFUSED.items():
        _, accept = PIL.Image.OPEN.get(name, (None, None))
        if accept is not None and accept(raw[:16]) is True:
            raise ImageError("undecodable", f"{name} is not accepted ({why}): send JPEG, PNG or WebP")
    return PIL.Image.open(io.BytesIO(raw), formats=formats)


@functools.cache
def _formats() -> tuple[str, ...]:
    """Every format that this Pillow knows but those refused, the usual ones first (their magic is theirs alone), the
    others in its own order; done once."""
    PIL.Image.init()
    _quieten()
    known = [name for name in PIL.Image.ID if name not in REFUSED]
    return tuple(sorted(known, key=lambda name: name not in _USUAL))


def _quieten() -> None:
    """Silences what a hostile file would print, a line a broken tag: warnings, PIL's log, libtiff's stderr."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    linked = ctypes.CDLL(codecs.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if (setter := getattr(linked, name, None)) is not None:  # absent where libtiff is linked statically
            setter.restype = ctypes.c_void_p
            setter(None)


def _admit(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageError("undecodable", f"the image is {width} x {height} pixels: it needs at least one")
    if width * height > max_pixels:
        size = f"{width} x {height} = {width * height} pixels"
        raise ImageError("too-large", f"the image has {size}, above the limit of {max_pixels}: send a smaller one")


def _check(picture: ImageFile.ImageFile, raw: bytes, max_pixels: int) -> None:
    """Refuses what would cost too much memory or time, from the header alone."""
    slow = any(tile[0] in PIL.Image.DECODERS for tile in picture.tile)
    _admit(*picture.size, min(max_pixels, SLOW_PIXELS) if slow else max_pixels)
    if picture.format in ("JPEG", "MPO"):
        scans, most = nested.scans(raw), min(nested.MAX_SCANS, nested.MAX_SCANNED // (picture.width * picture.height))
        if scans > max(most, 1):
            raise ImageError("too-large", f"the JPEG has {scans} scans, {most} are the limit: save it as baseline")
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        tile_width, tile_height = int(tags.get(322, 1)), int(tags.get(323, 1))
        _admit(max(tile_width, 1), max(tile_height, 1), max(max_pixels, _SMALL_TILE))


def _jpeg(picture: ImageFile.ImageFile, raw: bytes) -> Pixels | None:
    """Upright RGB pixels of a JPEG whose header Pillow has read, None where Pillow must decode it."""
    if picture.format not in ("JPEG", "MPO") or picture.mode not in ("RGB", "L"):
        return None
    pixels, orientation = jpeg.pixels(raw, *picture.size), _orientation(picture)
    if pixels is None or orientation not in _UPRIGHT:
        return pixels
    return _upright(PIL.Image.fromarray(pixels), orientation)


def _upright(rgb: PIL.Image.Image, orientation: int) -> Pixels:
    turn = _UPRIGHT.get(orientation)
    return np.asarray(rgb if turn is None else rgb.transpose(turn))


def _orientation(picture: PIL.Image.Image) -> int:
    """EXIF orientation 1..8; broken metadata never costs a sound picture."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith("I;16"):
        return _grey(_from_16_bit(np.asarray(picture).astype(np.float32)))
    if picture.mode in ("I", "F"):
        with np.errstate(invalid="ignore"):  # signalling NaNs
            return _grey(_from_range(np.asarray(picture).astype(np.float64)))
    if picture.mode == "LAB":
        return _from_lab(picture)
    if picture.has_transparency_data:
        return _on_white(picture.convert("RGBA"))
    return picture.convert("RGB")


def _on_white(picture: PIL.Image.Image) -> PIL.Image.Image:
    white = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255))
    white.alpha_composite(picture)
    return white.convert("RGB")


def _from_lab(picture: PIL.Image.Image) -> PIL.Image.Image:
    cms = cast(Any, ImageCms)  # its profiles have no type
    profiles = (cms.createProfile("LAB"), cms.createProfile("sRGB"))
    return cms.profileToProfile(picture, *profiles, outputMode="RGB")


def _grey(values: NDArray[Any]) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8)).convert("RGB")


def _from_16_bit(values: NDArray[Any]) -> NDArray[Any]:
    return values / 257  # 65535 -> 255


def _from_range(values: NDArray[np.float64]) -> NDArray[Any]:
    """Integers and floats carry no white level: 0..1, 0..255 and 0..65535 are taken for themselves, else the range
    of the values is stretched. What is not finite takes the lowest value."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=low, neginf=low)
    if low < 0 or high > 65535:
        return (values - low) * (255 / (high - low) if high > low else 0.0)
    if high <= 1 and not np.array_equal(values, np.rint(values)):
        return values * 255
    return values if high <= 255 else _from_16_bit(values)
