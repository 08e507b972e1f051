"""The documents say what the code does: what repeats it is written from it, and what can be run is run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import pytest

from inflare.bindings.cli import main
from inflare.runtime.config import find_file, load, table
from inflare.runtime.http.app import App
from inflare.runtime.http.cloudflare import WIRES
from tests.documented import BLOCKS, CONFIG, EMBEDDED, ROOT, block, commands, example_config

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
REMEDY = "run scripts/docs"


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of one language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [str(each) for each in found]


def lines_of(page: Path) -> Iterator[str]:
    """The command lines of a page, without comments."""
    for code in fenced(page, "bash"):
        for line in code.splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


@pytest.mark.parametrize(("file", "name"), list(BLOCKS))
def test_what_repeats_the_code_is_current(file: str, name: str) -> None:
    assert block(file, name) == BLOCKS[file, name](), REMEDY


def test_the_example_configuration_is_current() -> None:
    assert CONFIG.read_text("utf-8") == example_config(), REMEDY


def test_the_example_configuration_changes_nothing(tmp_path: Path) -> None:
    plain, example = load(None, {}, {}, ROOT), load(CONFIG, {}, {}, tmp_path)
    assert find_file(ROOT) == CONFIG and example.settings == plain.settings


def test_the_example_configuration_shows_the_defaults(tmp_path: Path) -> None:
    opened = re.sub(
        r"^# (?=[a-z_]+ = )", "", CONFIG.read_text("utf-8").partition("# [[models]]")[0], flags=re.MULTILINE
    )
    file = tmp_path / CONFIG.name
    file.write_text(opened)
    assert tomllib.loads(opened).keys() >= {"name", "dev", "limits"}
    assert load(file, {}, {}, tmp_path).settings == load(None, {}, {}, tmp_path).settings


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    missing = [each.key for each in table() if f"| `{each.key}` |" not in text or each.environment not in text]
    assert missing == [], REMEDY


def test_every_fault_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = [f"| `{fault.__name__}` | {wire.status} | {wire.code} |" for fault, wire in WIRES.items()]
    assert [row for row in rows if row not in text] == [], REMEDY


@pytest.mark.parametrize(
    ("file", "name"),
    [("docs/errors.md", "openai errors"), ("docs/errors.md", "hosted errors"), ("docs/money.md", "prices")],
)
def test_tables_of_the_code_are_up_to_date(file: str, name: str) -> None:
    assert block(file, name) == BLOCKS[(file, name)](), REMEDY


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_option_is_documented(name: str, command: click.Command) -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
    options = [option for each in command.params if isinstance(each, click.Option) for option in each.opts]
    assert [option for option in options if option not in section] == [], REMEDY


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    lost = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert lost == []


def shell_lines() -> Iterator[tuple[str, str]]:
    """Each `inflare …` of the pages, without the variables before it and the pipe behind it."""
    for page in PAGES:
        for line in lines_of(page):
            words = shlex.split(line, comments=True)
            if "inflare" in words:
                rest = words[words.index("inflare") :]
                yield page.name, shlex.join(rest[: rest.index("|")] if "|" in rest else rest)


@pytest.mark.parametrize(("page", "line"), list(shell_lines()))
def test_documented_commands_parse(page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example is a command that exists, with options that exist; files that it names are put there."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    for word in words:
        if re.fullmatch(r"[\w./-]+\.(jpg|png|onnx|txt|json|toml)", word) and not Path(word).exists():
            Path(word).touch()
    for folder in ("photos", "val2017", "runs/best"):
        Path(folder).mkdir(parents=True)
    command: click.Command = main
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    command.make_context(line, words)


def test_the_readmes_routes_exist() -> None:
    served = {getattr(route, "path", "").replace(":path}", "}") for route in App(cast(Any, None)).routes()}
    promised = set(re.findall(r"`(?:GET|POST) (/[^`]*)`", README.read_text("utf-8")))
    assert promised and promised <= served


def test_the_two_commands_are_there() -> None:
    scripts = [line.split()[0] for line in lines_of(README) if line.startswith("./scripts/")]
    assert scripts == ["./scripts/dev", "./scripts/test"]
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server with no weights but those that ship."""
    if not EMBEDDED.is_file():
        pytest.skip("the embedded weights are not in this checkout")
    code = "from inflare.bindings.cli import main; main()"
    command = (sys.executable, "-c", code, "dev", "--port", "0", "--set", "log.level=error")
    environ = {**os.environ, "INFLARE_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield next(found[1] for line in process.stdout if (found := re.search(r"ready at (\S+)", line)))
        finally:
            process.kill()


def test_the_first_curl_gets_the_readmes_answer(server: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    (line,) = (line for line in lines_of(README) if line.startswith("curl "))
    words = ["curl", "-sS", *shlex.split(line.replace("http://127.0.0.1:8786", server))[1:]]
    reply = json.loads(subprocess.run(words, capture_output=True, check=True, cwd=ROOT, timeout=60).stdout)
    (shown,) = (json.loads(each) for each in fenced(README, "json"))
    sure = [each for each in reply["result"] if each["score"] > 0.5]
    assert [each["label"] for each in sure] == [each["label"] for each in shown]
    for found, promised in zip(sure, shown, strict=True):
        assert found["score"] == pytest.approx(promised["score"], abs=0.02)
        assert list(found["box"].values()) == pytest.approx(list(promised["box"].values()), abs=2)
    assert "embedded" in reply["messages"][0]["message"]
