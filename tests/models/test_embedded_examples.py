"""The example pictures: small files, and the same pictures that the command draws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inflare.models.embedded.examples import ARRANGEMENTS, arrange, draw_examples
from inflare.models.embedded.textures import Pixels

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Pixels]:
    return draw_examples()


def test_the_folder_holds_what_is_drawn(drawn: dict[str, Pixels]) -> None:
    assert {path.name for path in EXAMPLES.glob("*.jpg")} == drawn.keys()


def test_files_are_small() -> None:
    assert max(path.stat().st_size for path in EXAMPLES.glob("*.jpg")) < 150_000


def test_files_show_what_is_drawn(drawn: dict[str, Pixels]) -> None:
    for name, pixels in drawn.items():
        with Image.open(EXAMPLES / name) as image:
            stored = np.asarray(image)
        # JPEG moves levels a little; another picture would differ by tens.
        assert np.abs(stored.astype(int) - pixels).mean() < 5


def test_every_arranged_figure_can_be_seen() -> None:
    for plan in ARRANGEMENTS:
        figures = [thing for thing in plan.things if thing.name not in ("building", "tree", "pole", "furniture")]
        assert len(arrange(plan).labels) == len(figures), plan.name
