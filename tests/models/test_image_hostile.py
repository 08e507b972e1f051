"""Every hostile file through decode, in a process of its own with hard limits on memory and processor time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Reads each file with decode and, where Pillow itself opens it, compares: one JSON line for each.
WALK = r"""
import io, json, resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (240, 240))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import numpy as np
import PIL.Image
from inflare.models.image import ImageError, decode

def pillow(data):
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            if picture.format == "EPS" or picture.width * picture.height > 50_000_000:
                return None, None
            picture.load()
            plain = picture.mode in ("RGB", "L", "P", "1", "CMYK", "YCbCr", "HSV")
            upright = picture.getexif().get(0x0112, 1) == 1
            if plain and upright and not picture.has_transparency_data:
                return True, np.asarray(picture.convert("RGB"))
            return True, None
    except Exception:
        return False, None

for path in sorted(Path(sys.argv[1]).rglob("*")):
    if not path.is_file():
        continue
    data = path.read_bytes()
    started, found, reason = time.process_time(), None, ""
    try:
        image = decode(data, max_pixels=50_000_000)
        found = image.pixels
        sound = found.dtype == np.uint8 and found.shape == (image.height, image.width, 3)
        outcome = "decoded" if sound else "unsound"
    except ImageError as error:
        outcome, reason = error.kind, error.reason
    except BaseException as error:
        outcome, reason = "escaped", repr(error)
    seconds = time.process_time() - started
    opens, reference = pillow(data)
    same = None if reference is None or found is None else bool(np.array_equal(reference, found))
    print(json.dumps([path.name, outcome, reason, seconds, opens, same]), flush=True)
"""

Row = tuple[str, str, str, float, bool | None, bool | None]


@pytest.fixture(scope="module")
def walk(shared_data: Path) -> tuple[list[Row], str]:
    """Rows of file, outcome, reason, CPU seconds, opened by Pillow, equal to Pillow; and what reached stderr."""
    command = [sys.executable, "-c", WALK, str(shared_data / "nasty")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    rows: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died after {rows[-1:]}: {done.stderr[-500:]}"
    return [tuple(row) for row in rows], done.stderr


def test_only_images_and_image_errors_come_out(shared_data: Path, walk: tuple[list[Row], str]) -> None:
    rows, _ = walk
    assert len(rows) == sum(path.is_file() for path in (shared_data / "nasty").rglob("*"))
    assert {outcome for _, outcome, *_ in rows} == {"decoded", "undecodable", "too-large"}


def test_what_pillow_opens_is_decoded(walk: tuple[list[Row], str]) -> None:
    assert [row for row in walk[0] if row[4] and row[1] != "decoded"] == []


def test_plain_modes_equal_pillow(walk: tuple[list[Row], str]) -> None:
    compared = [row for row in walk[0] if row[5] is not None]
    assert len(compared) > 500
    assert [row[0] for row in compared if not row[5]] == []


def test_valid_pngsuite_files_are_decoded(shared_data: Path, walk: tuple[list[Row], str]) -> None:
    valid = {path.name for path in (shared_data / "nasty/pngsuite").glob("[!x]*.png")}
    outcomes = {name: outcome for name, outcome, *_ in walk[0]}
    assert len(valid) > 160
    assert {outcomes[name] for name in valid} == {"decoded"}


def test_broken_pngsuite_files_are_refused(shared_data: Path, walk: tuple[list[Row], str]) -> None:
    outcomes = {name: outcome for name, outcome, *_ in walk[0]}
    broken = {path.name for path in (shared_data / "nasty/pngsuite").glob("x*.png")}
    unchecked = {"xcsn0g01.png"}  # a wrong checksum of pixel data, which Pillow does not verify
    assert {name for name in broken if outcomes[name] == "decoded"} == unchecked


def test_nothing_is_printed(walk: tuple[list[Row], str]) -> None:
    assert walk[1] == ""


def test_reasons_never_quote_the_bytes(walk: tuple[list[Row], str]) -> None:
    assert [row for row in walk[0] if "\\x" in row[2] or "b'" in row[2] or len(row[2]) > 160] == []
