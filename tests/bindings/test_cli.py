"""The shell as a whole: it explains itself, starts light, and ends with one line where it cannot go on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from inflare.bindings.cli import main

from .shell import inflare, process


def commands(command: click.Command = main, name: str = "inflare") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    yield name, command
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from commands(sub, f"{name} {sub.name}")


def test_version_is_the_packages(tmp_path: Path) -> None:
    assert inflare("--version", home=tmp_path).output == f"inflare {version('inflare')}\n"


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_help_explains_with_an_example(tmp_path: Path, name: str, command: click.Command) -> None:
    result = inflare(*name.split()[1:], "--help", home=tmp_path)
    assert result.exit_code == 0 and re.search(r"^ +(?:\w+: +|\w+=\S+ )?inflare \w+", result.output, re.MULTILINE)


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_option_has_help(name: str, command: click.Command) -> None:
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "onnx", "onnxruntime", "PIL", "starlette", "hypercorn", "jsonschema", "pycocotools", "sqlalchemy")
    code = f"import sys, inflare.bindings.cli; print([name for name in {heavy!r} if name in sys.modules])"
    assert process("-c", code).stdout.strip() == "[]"


MISTAKES = [
    (("nonsense",), 2, "No such command"),
    (("dev", "--set", "dev.prot=1"), 2, "did you mean dev.port?"),
    (("dev", "--set", "dev.port"), 2, "not of the form section.key=value"),
    (("dev", "--set", "dev.port=many"), 2, "not of type integer"),
    (("dev", "--ip", "0.0.0.0"), 2, "not a loopback address"),
    (("dev", "--config", "absent.toml"), 2, "does not exist"),
    (("run", "@local/spots", "absent.jpg"), 2, "does not exist"),
    (("run", "@local/spot", "{bright}"), 3, "Did you mean @local/spots?"),
    (("run", "@local/spots", "{text}"), 4, "not an image"),
    (("run", "@local/spots", "{bright}", "--annotate", "out.gif"), 2, ".png"),
    (("run", "@local/spots", "{bright}", "{bright}", "--annotate", "out.png"), 2, "folder"),
    (("models", "show", "nothing-like-it"), 3, "inflare models"),
    (("models", "--json", "show", "@local/spots"), 2, "behind the subcommand"),
    (("models", "add", "@cf/x", "--file", "{text}", "--like", "PekingU/rtdetr_r50vd"), 4, "@local/"),
    (("models", "add", "@local/x", "--file", "{text}", "--like", "PekingU/rtdetr_r50vd"), 4, "does not fit"),
    (("models", "add", "@local/x", "--file", "{text}", "--like", "@local/spots", "--price", "a lot"), 2, "US dollars"),
    (("models", "add", "@local/x", "--file", "{text}"), 2, "--file needs --like"),
    (("models", "add", "@local/x", "--like", "@local/spots"), 2, "Give either --file"),
    (("models", "add", "@local/x", "--checkpoint", "{folder}"), 4, "model.safetensors"),
    (("pull", "hub:acme"), 4, "hub:ORG/NAME"),
    (("models", "remove", "@cf/inflare/embedded-detector"), 3, "ships with inflare"),
    (("eval", "@local/spots", "--images", "{folder}", "--annotations", "{text}"), 4, "not JSON"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES)
def test_a_mistake_gets_one_clear_line(
    home: Path, bright: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("no picture, no graph, no JSON")
    places = {"bright": bright, "text": text, "folder": tmp_path}
    result = inflare(*(argument.format(**places) for argument in arguments), home=home)
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert (result.exit_code, len(lines)) == (code, 1), result.output
    assert words in result.stderr and "Traceback" not in result.output


def test_config_says_where_a_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "wrangler-like.toml"
    file.write_text("[runtime]\nthreads = 3\n")
    arguments = ("config", "--json", "--config", file, "--set", "log.level=debug")
    result = inflare(*arguments, home=tmp_path, environ={"INFLARE_DEV_PORT": "9000"})
    settings = json.loads(result.output)["settings"]
    found = {key: (settings[key]["value"], settings[key]["origin"]) for key in ("runtime.threads", "dev.port")}
    assert found == {"runtime.threads": (3, str(file)), "dev.port": (9000, "environment INFLARE_DEV_PORT")}
    assert (settings["log.level"]["value"], settings["log.level"]["origin"]) == ("debug", "flag")


def test_config_lists_every_setting_for_people(tmp_path: Path) -> None:
    from inflare.runtime.config import table

    lines = inflare("config", home=tmp_path).output.splitlines()
    shown = {line.split()[0] for line in lines if line}
    assert {setting.key for setting in table()} <= shown


def test_a_list_can_be_set_by_flag(tmp_path: Path) -> None:
    result = inflare("config", "--json", "--set", "runtime.providers=cuda,cpu", home=tmp_path)
    assert json.loads(result.output)["settings"]["runtime.providers"]["value"] == ["cuda", "cpu"]
