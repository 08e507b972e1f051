"""JPEG by libjpeg-turbo: the same pixels as Pillow, the same refusals, and Pillow where it has anything to remark."""

import io
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inflare.models import image, jpeg
from inflare.models.image import ImageError, decode

LIMIT = 1_000_000
SIZE = (51, 37)


def _photograph(mode: str = "RGB") -> PIL.Image.Image:
    noise = np.random.default_rng(5).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    return PIL.Image.fromarray(noise).resize(SIZE, PIL.Image.Resampling.BICUBIC).convert(mode)


def _file(mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    _photograph(mode).save(file, "JPEG", **options)
    return file.getvalue()


def _oriented(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return _file(exif=exif)


FILES = {
    "4:4:4": _file(subsampling=0, quality=95),
    "4:2:2": _file(subsampling=1),
    "4:2:0": _file(subsampling=2, quality=30),
    "progressive": _file(progressive=True),
    "restarts": _file(restart_marker_blocks=2),
    "RGB in the file": _file(keep_rgb=True),
    "grey": _file("L"),
    "progressive grey": _file("L", progressive=True),
    **{f"orientation {number}": _oriented(number) for number in range(1, 9)},
}
OTHERS = {"CMYK": _file("CMYK"), "cut": FILES["4:2:0"][:-40]}


def _pillow(data: bytes) -> NDArray[np.uint8]:
    """What Pillow alone makes of it."""
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return image.pixels_of(picture)


def _outcome(data: bytes) -> object:
    try:
        found = decode(data, max_pixels=LIMIT)
        return found.pixels.shape, found.pixels.tobytes(), found.format
    except ImageError as error:
        return error.kind, error.reason


@pytest.mark.parametrize("name", FILES)
def test_the_pixels_are_those_of_pillow(name: str) -> None:
    assert jpeg.pixels(FILES[name], *SIZE) is not None, "left to Pillow"
    np.testing.assert_array_equal(decode(FILES[name], max_pixels=LIMIT).pixels, _pillow(FILES[name]))


def test_the_pixels_are_read_only() -> None:
    assert not decode(FILES["4:2:0"], max_pixels=LIMIT).pixels.flags.writeable


@pytest.mark.parametrize("name", OTHERS)
def test_what_pillow_must_judge_is_the_same_with_and_without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = _outcome(OTHERS[name])
    monkeypatch.setattr(jpeg, "_simplejpeg", None)
    assert told == _outcome(OTHERS[name])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", OTHERS["cut"], b"\x89PNG\r\n\x1a\n" * 9])
def test_what_is_broken_is_left_to_pillow(data: bytes) -> None:
    assert jpeg.pixels(data, *SIZE) is None


def test_another_size_than_the_header_s_is_left_to_pillow() -> None:
    assert jpeg.pixels(FILES["4:4:4"], SIZE[0] + 1, SIZE[1]) is None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_damaged_file_meets_one_fate(name: str, data: st.DataObject) -> None:
    """A byte changed, put in or taken out, or the end cut off: refused alike, or decoded to the same pixels."""
    whole = bytearray(FILES[name])
    at = data.draw(st.integers(2, len(whole) - 1))
    put = data.draw(st.binary(max_size=3))
    damaged = bytes(whole[:at] + put + whole[at + data.draw(st.sampled_from([0, 1, 2, len(whole)])) :])
    told = _outcome(damaged)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg, "_simplejpeg", None)
        assert told == _outcome(damaged)
