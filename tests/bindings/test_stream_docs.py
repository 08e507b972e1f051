"""docs/streams.md: its Python runs, and its table names what a line of JSON holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import spots
from tests.bindings import films
from tests.bindings.shell import inflare

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "streams.md").read_text("utf-8")


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    spots.install(tmp_path / ".inflare")
    films.write(Path("street.mp4"), films.numbered(6))
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code.replace("@cf/facebook/detr-resnet-50", spots.MODEL), "streams.md", "exec"), {"__name__": "page"})
    assert len(capsys.readouterr().out.splitlines()) == 6  # five of six at 10 a second; and the counts


def test_the_table_names_the_members_of_a_line(home: Path, tmp_path: Path) -> None:
    film = films.write(tmp_path / "film.mp4", films.numbered(1))
    line = json.loads(inflare("stream", film, "--model", spots.MODEL, "--json", home=home).stdout)
    table = PAGE.partition("| member | what it is |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if row))
    assert set(line) | {"name", "at"} == set(named)
