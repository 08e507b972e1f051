"""A setting written into a file: in its place, and nothing else moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from inflare.runtime.config import FILE_NAME, ConfigError, load
from inflare.runtime.written import with_setting, write_setting

KEY, VALUE = "runtime.widths", "[2, 1]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[runtime]\nwidths = [2, 1]\n"),
        ('name = "a"\n', 'name = "a"\n\n[runtime]\nwidths = [2, 1]\n'),
        ("[runtime]\nwidths = [4] # old\nqueue = 3\n", "[runtime]\nwidths = [2, 1]\nqueue = 3\n"),
        (
            "[runtime]\n# Words.\n# widths = []\n[dev]\nport = 1\n",
            "[runtime]\n# Words.\nwidths = [2, 1]\n[dev]\nport = 1\n",
        ),
        ("[runtime] # how\nqueue = 3\n[dev]\n", "[runtime] # how\nwidths = [2, 1]\nqueue = 3\n[dev]\n"),
    ],
)
def test_it_takes_its_place(before: str, after: str) -> None:
    assert with_setting(before, KEY, VALUE) == after


@pytest.mark.parametrize("text", ["runtime.queue = 3\n", "[runtime]\nwidths = [\n 2,\n]\n"])
def test_a_file_written_in_another_way_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        write_setting(file, KEY, VALUE)
    assert file.read_text() == text


def test_the_repositorys_own_file_takes_it(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text((Path(__file__).parents[2] / FILE_NAME).read_text())
    write_setting(file, KEY, VALUE)
    assert load(file, {}, {}, tmp_path).settings.runtime.widths == (2, 1)


def test_nobody_else_may_read_it_afterwards(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text('[ledger]\ndatabase = "postgresql://me:secret@host/db"\n')
    file.chmod(0o600)
    write_setting(file, KEY, VALUE)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "real.toml", tmp_path / FILE_NAME
    file.write_text("")
    link.symlink_to(file)
    write_setting(link, KEY, VALUE)
    assert link.is_symlink() and "widths" in file.read_text()
