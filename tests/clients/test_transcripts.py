"""The page of transcripts: one section a client, and nothing of the machine that wrote it."""

from __future__ import annotations

import json
import re

from tests.clients.sections import SECTIONS
from tests.clients.toolchains import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text()


def test_every_client_has_its_section() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert headings[: len(SECTIONS)] == [title for title, _, _ in SECTIONS]


def test_every_section_shows_a_command_and_what_it_printed() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert all(re.search(r"^\$ .+\n(?:.*\n)*?[^$ ].*", section, re.MULTILINE) for section in sections)


def test_no_folder_of_the_machine_is_shown() -> None:
    assert re.findall(r"(?:/home|/root|/tmp|/Users)/", PAGE) == []


def test_the_clients_are_those_that_the_tests_drive() -> None:
    toolchains = sorted((ROOT / "tests" / "clients" / "toolchains").glob("*/package.json"))
    pinned = [json.loads(path.read_text())["dependencies"] for path in toolchains]
    driven = ("wrangler", "cloudflare", "openai", "@cloudflare/vitest-plugin", "@cloudflare/vitest-pool-workers")
    wanted = [(name, each[name]) for each in pinned for name in driven if name in each]
    rows = {row.split(" | ")[0].strip("`"): row for row in re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE)}
    assert len(wanted) >= 7
    assert [(name, number) for name, number in wanted if number not in rows[name]] == []
