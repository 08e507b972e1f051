"""Bytes to pixels: modes, orientation, alpha, frames, limits, and what is refused."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from inflare.models import image, nested
from inflare.models.image import ImageError, by_pillow, decode

LIMIT = 50_000_000
WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def _file(picture: PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _first(data: bytes) -> list[int]:
    return decode(data, max_pixels=LIMIT).pixels[0, 0].tolist()


def _gradient(width: int = 40, height: int = 30) -> PIL.Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return PIL.Image.fromarray(np.stack([columns * 5, rows * 7, columns + rows], axis=-1).astype(np.uint8))


def _kind(data: bytes, max_pixels: int = LIMIT) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        decode(data, max_pixels=max_pixels)
    return caught.value.kind, caught.value.reason


def test_rgb_is_kept_to_the_level() -> None:
    found = decode(_file(_gradient()), max_pixels=LIMIT)
    np.testing.assert_array_equal(found.pixels, np.asarray(_gradient()))
    assert (found.width, found.height, found.format, found.pixels.dtype) == (40, 30, "PNG", np.uint8)


@pytest.mark.parametrize("wrap", [bytearray, memoryview])
def test_any_buffer_is_read(wrap: Any) -> None:
    assert decode(wrap(_file(_gradient())), max_pixels=LIMIT).width == 40


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "expected"),
    [
        ("1", 1, "PNG", WHITE),
        ("L", 90, "PNG", (90, 90, 90)),
        ("LA", (90, 0), "PNG", WHITE),
        ("RGBA", (255, 0, 0, 255), "PNG", RED),
        ("RGBA", (0, 0, 0, 128), "PNG", (127, 127, 127)),
        ("CMYK", (0, 255, 255, 0), "TIFF", RED),
        ("YCbCr", (76, 85, 255), "TIFF", (254, 0, 0)),
        ("LAB", (255, 128, 128), "TIFF", WHITE),
        ("I;16", 65535, "PNG", WHITE),
        ("I;16", 257, "PNG", (1, 1, 1)),
        ("F", 0.5, "TIFF", (128, 128, 128)),
        ("F", 200.0, "TIFF", (200, 200, 200)),
        ("I", 65535, "TIFF", WHITE),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: Any, kind: str, expected: tuple[int, int, int]) -> None:
    assert _first(_file(PIL.Image.new(mode, (4, 3), colour), kind)) == pytest.approx(expected, abs=1)


def test_integers_beyond_16_bits_are_stretched() -> None:
    values = np.asarray([[-1000, 0, 1000]], np.int32)
    pixels = decode(_file(PIL.Image.fromarray(values), "TIFF"), max_pixels=LIMIT).pixels
    assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_what_is_not_finite_is_as_dark_as_the_darkest() -> None:
    values = np.asarray([[np.nan, 0.0, 0.5, np.inf]], np.float32)
    pixels = decode(_file(PIL.Image.fromarray(values), "TIFF"), max_pixels=LIMIT).pixels
    assert pixels[0, :, 0].tolist() == [0, 0, 128, 0]


def test_a_signalling_nan_is_read_like_any_other() -> None:
    values = np.asarray([[0x7F800001, 0x3F000000]], np.uint32).view(np.float32)  # the second is 0.5
    pixels = decode(_file(PIL.Image.fromarray(values), "TIFF"), max_pixels=LIMIT).pixels
    assert pixels[0, 1, 0] == 128


def test_a_transparent_palette_entry_is_white() -> None:
    picture = PIL.Image.new("P", (2, 2), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    assert _first(_file(picture, transparency=1)) == list(WHITE)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = _file(
        frames[0], kind, save_all=True, append_images=frames[1:], **{"lossless": True} if kind == "WEBP" else {}
    )
    assert _first(data) == list(RED)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.asarray(_gradient())
    stored: dict[int, NDArray[Any]] = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = _file(PIL.Image.fromarray(np.ascontiguousarray(stored[orientation])), exif=exif)
    np.testing.assert_array_equal(decode(data, max_pixels=LIMIT).pixels, upright)


def test_broken_exif_costs_nothing() -> None:
    data = _file(_gradient(), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 5)
    assert decode(data, max_pixels=LIMIT).width == 40


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF"])
def test_truncated_data_is_refused(kind: str) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = _file(PIL.Image.fromarray(noise), kind)
    assert _kind(data[: len(data) * 2 // 3])[0] == "undecodable"


@pytest.mark.parametrize("data", [b"", b"x", b"hello, world" * 50, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_no_image_is_refused(data: bytes) -> None:
    assert _kind(data)[0] == "undecodable"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
        ("WMF", b"\xd7\xcd\xc6\x9a\0\0" + bytes(60)),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(60)),
    ],
)
def test_formats_that_run_or_nest_are_refused_by_name(name: str, data: bytes) -> None:
    assert _kind(data)[1].startswith(f"{name} is not accepted")


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1 << 20) + b"IDAT"  # no pixels follow


def test_the_pixel_limit_holds_before_decoding() -> None:
    kind, reason = _kind(_png_header(6000, 9000), max_pixels=10_000_000)
    assert kind == "too-large"
    assert "6000 x 9000 = 54000000 pixels" in reason


def test_the_limit_itself_is_allowed() -> None:
    assert decode(_file(_gradient()), max_pixels=1200).height == 30
    assert _kind(_file(_gradient()), max_pixels=1199)[0] == "too-large"


def test_pillows_own_bomb_check_is_too_large() -> None:
    assert _kind(_png_header(60000, 60000), max_pixels=1 << 40)[0] == "too-large"


def test_a_bomb_inside_an_icon_is_too_large() -> None:
    png = _png_header(12000, 12000)
    data = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22) + png
    assert _kind(data)[0] == "too-large"


def test_a_bomb_inside_an_apple_icon_is_too_large() -> None:
    png = _png_header(12000, 12000)
    body = b"ic07" + struct.pack(">I", 8 + len(png)) + png
    assert _kind(b"icns" + struct.pack(">I", 8 + len(body)) + body)[0] == "too-large"


def test_tiles_larger_than_the_picture_are_too_large() -> None:
    tags = {256: 40, 257: 30, 258: 8, 259: 8, 262: 1, 277: 1, 322: 40000, 323: 40000, 324: 8, 325: 4}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + fields + bytes(4)
    assert "40000 x 40000" in _kind(data)[1]


def test_jpeg_2000_with_too_many_tiles_is_too_large() -> None:
    codestream = bytearray(_file(_gradient(), "JPEG2000", no_jp2=True))
    struct.pack_into(">II", codestream, 8, 30_000, 1_000)  # the image grows, and with one-pixel tiles
    struct.pack_into(">II", codestream, 24, 1, 1)
    assert _kind(bytes(codestream))[1].startswith("the JPEG 2000 image has too many tiles")


def test_a_jpeg_of_many_scans_is_too_large() -> None:
    data = _file(_gradient(), "JPEG")
    scan = data.index(b"\xff\xda")
    assert _kind(data[:-2] + data[scan:-2] * nested.MAX_SCANS + data[-2:])[1].startswith("the JPEG has 101 scans")


def test_a_large_jpeg_may_have_fewer_scans() -> None:
    data = _file(PIL.Image.new("L", (5000, 5000)), "JPEG")
    scan = data.index(b"\xff\xda")
    assert _kind(data[:-2] + data[scan:-2] * 40 + data[-2:])[1].startswith("the JPEG has 41 scans, 40 are")


def test_slow_codecs_have_a_limit_of_their_own() -> None:
    side = 2001
    header = b"qoif" + struct.pack(">IIBB", side, side, 3, 0)
    assert f"above the limit of {image.SLOW_PIXELS}" in _kind(header + b"\xfd" * 100)[1]


def test_threads_decode_alike() -> None:
    data = _file(_gradient(), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(decode, data, max_pixels=LIMIT) for _ in range(64)]
    assert len({one.result().pixels.tobytes() for one in found}) == 1


def test_by_pillow_is_pillow_s_bilinear() -> None:
    expected = _gradient().resize((9, 11), PIL.Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(by_pillow(np.asarray(_gradient()), 9, 11), np.asarray(expected))
