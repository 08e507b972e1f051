"""The page of transcripts: one section a client, and nothing of the machine that wrote it."""

from __future__ import annotations

import re

from tests.clients.toolchains import ROOT
from tests.clients.transcripts import SECTIONS

PAGE = (ROOT / "docs" / "clients.md").read_text()


def test_every_client_has_its_section() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert headings[: len(SECTIONS)] == [title for title, _, _ in SECTIONS]


def test_every_section_shows_a_command_and_what_it_printed() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert all(re.search(r"^\$ .+\n(?:.*\n)*?[^$ ].*", section, re.MULTILINE) for section in sections)


def test_no_folder_of_the_machine_is_shown() -> None:
    assert re.findall(r"(?:/home|/root|/tmp|/Users)/", PAGE) == []
