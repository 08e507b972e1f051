"""Formats are told by their first bytes; nothing that Pillow opens is lost, nothing that is text is taken for one."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from inflare.schemas.sniff import sniff


def encoded(name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, name)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("JPEG", "jpeg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tiff"),
        ("AVIF", "avif"),
        ("JPEG2000", "jpeg2000"),
        ("ICO", "ico"),
        ("PPM", "ppm"),
        ("TGA", "tga"),
        ("PCX", "pcx"),
        ("SGI", "sgi"),
        ("DDS", "dds"),
        ("QOI", "qoi"),
        ("DIB", "dib"),
    ],
)
def test_images_that_pillow_writes(name: str, told: str) -> None:
    assert sniff(encoded(name)) == told


def test_a_header_in_text() -> None:
    assert sniff(b"Image type: RGB image\r\nName: x.im\r\n") == "im"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer(kind: type[bytearray] | type[memoryview]) -> None:
    assert sniff(kind(encoded("PNG"))) == "png"


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heif_is_told_from_avif(brand: bytes) -> None:
    assert sniff(struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"heic" + brand) == "heif"


def test_a_generic_container_of_an_avif_image() -> None:
    assert sniff(struct.pack(">I", 24) + b"ftypmif1" + bytes(4) + b"mif1avif") == "avif"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b'{"image":[1]}',
        b"[1]",
        b"--b\r\n",
        b"\x81\xa5image\xc4\x01x",
        b"\x80",
        b"hello",
        b"%PDF-1.7",
        b"\x00\x00\x00\x18ftypmp42",
        b"RIFF\x00\x00\x00\x00WAVE",
        bytes(200),
        b"\xff" * 200,
    ],
)
def test_what_is_no_image(body: bytes) -> None:
    assert sniff(body) is None


# Runs in a process of its own, with a bound on memory: the files are made to hurt whoever opens them. Headers only.
# The formats left out are stubs in Pillow, for a reader of one's own or a library that is not installed.
IDENTIFY = """
import resource, sys, warnings
from pathlib import Path
from PIL import Image
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
warnings.simplefilter("ignore")
for path in sorted(Path(sys.argv[1]).rglob("*")):
    try:
        with Image.open(path) as image:
            if image.format not in ("BUFR", "GRIB", "HDF5", "FPX", "MIC", "MPEG", "WMF"):
                print(path)
    except Exception:
        pass
"""


def test_everything_that_pillow_identifies_is_told(shared_data: Path) -> None:
    command = [sys.executable, "-c", IDENTIFY, str(shared_data / "nasty")]
    identified = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert len(identified) > 1000
    assert [path for path in identified if sniff(Path(path).read_bytes()) is None] == []
