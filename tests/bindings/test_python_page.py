"""docs/python.md and docs/python-workers.md: every block of Python is run, with the small network for the model."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests import spots
from tests.runtime.test_server import server

from .worker.hosted import Project

DOCS = Path(__file__).resolve().parents[2] / "docs"
DETR, PORT = "@cf/facebook/detr-resnet-50", "http://127.0.0.1:8786"


def blocks(page: str) -> list[str]:
    """The Python of a page, on the small network."""
    text = (DOCS / page).read_text("utf-8").replace(DETR, spots.MODEL)
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with server(tmp_path_factory.mktemp("server")) as (_, address):
        yield address


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the network and a picture, that the code runs in."""
    monkeypatch.chdir(tmp_path)
    spots.install(tmp_path / ".inflare")
    PIL.Image.fromarray(np.full((40, 60, 3), 240, dtype=np.uint8)).save("photo.jpg")
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks("python.md"))))
def test_every_block_runs(number: int, here: Path, request: pytest.FixtureRequest) -> None:
    code = blocks("python.md")[number]
    if "import supervision" in code:
        pytest.importorskip("supervision", reason="needs the extra draw: pip install 'inflare[draw]'")
    if PORT in code:
        code = code.replace(PORT, request.getfixturevalue("url"))
    exec(compile(code, f"python.md, block {number}", "exec"), {"__name__": "__main__"})


def test_the_picture_with_boxes_is_drawn(here: Path) -> None:
    pytest.importorskip("supervision", reason="needs the extra draw: pip install 'inflare[draw]'")
    (code,) = [each for each in blocks("python.md") if "drawn.png" in each]
    exec(compile(code, "python.md", "exec"), {"__name__": "__main__"})
    assert (np.asarray(PIL.Image.open("drawn.png")) != np.asarray(PIL.Image.open("photo.jpg"))).any()


def test_the_worker_of_the_page_answers(tmp_path: Path) -> None:
    (code,) = blocks("python-workers.md")
    project = Project(tmp_path, {"GREETING": "hello"})
    project.write(code)
    assert project.get().text == "hello: POST a picture"
    found = project.get(method="POST", content=spots.png(255)).json()
    assert [each["label"] for each in found] == ["bright"] * len(found) and found
