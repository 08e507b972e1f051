"""The parts of the documents that repeat the code: made here from the code, held to it by test_docs.py.

`scripts/docs` writes them anew between their markers; a text outside the markers is never touched.
"""

from __future__ import annotations

import inspect
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click
from click.testing import CliRunner

from inflare.bindings.cli import main
from inflare.bindings.cli.exits import Exit
from inflare.bindings.cli.table import byte_size, dollars
from inflare.models.catalog import Catalog
from inflare.runtime.config import Setting, table
from inflare.runtime.http.cloudflare import WIRES
from inflare.runtime.http.hosted_errors import HOSTED
from inflare.runtime.http.openai_errors import WIRES as OPENAI_WIRES
from tests.pictured import shown

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "wrangler-like.toml"
EMBEDDED = ROOT / "models" / "embedded" / "detector.onnx"

_MEANINGS = {
    Exit.DONE: "Done.",
    Exit.BUG: "A bug: the traceback is for a bug report.",
    Exit.USAGE: "The command line, a setting or the address cannot be used.",
    Exit.MODEL: "No such model, or its weights are not installed or not whole.",
    Exit.INPUT: "An image, an ONNX file, labels or annotations that were given cannot be used.",
    Exit.MACHINE: "The machine lacks something: an extra, the network, disk, memory, time.",
    Exit.INTERRUPTED: "Interrupted with Ctrl+C.",
}


def commands(command: click.Command = main, name: str = "inflare") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups before what is in them."""
    yield name, command
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from commands(sub, f"{name} {sub.name}")


def settings() -> str:
    """One row a setting."""
    rows = (
        (f"`{each.key}`", f"`{json.dumps(each.default)}`", f"`{each.environment}`", _help(each)) for each in table()
    )
    return _rows(("setting", "default", "environment", "what it does"), rows)


def _help(setting: Setting) -> str:
    allowed = setting.schema.get("enum")
    choices = f" One of {', '.join(f'`{choice}`' for choice in allowed)}." if allowed else ""
    return setting.help + choices


def errors() -> str:
    """One row a fault, as the Cloudflare face and env.AI tell it."""
    rows = (
        (f"`{fault.__name__}`", str(wire.status), str(wire.code), wire.text.format("…"), _first_sentence(fault))
        for fault, wire in WIRES.items()
    )
    return _rows(("fault", "HTTP", "code", "message", "when"), rows)


def hosted_errors() -> str:
    """One row an error that only the hosted service has, by code."""
    rows = ((str(wire.code), str(wire.status), wire.text) for _, wire in sorted(HOSTED.items()))
    return _rows(("code", "HTTP", "message"), rows)


def openai_errors() -> str:
    """One row a fault, as the OpenAI-compatible face tells it."""
    rows = (
        (f"`{fault.__name__}`", str(wire.status), f"`{wire.type}`", f"`{wire.code}`", _first_sentence(fault))
        for fault, wire in OPENAI_WIRES.items()
    )
    return _rows(("fault", "HTTP", "type", "code", "when"), rows)


def prices() -> str:
    """One row a price of a card that ships."""
    rows = (
        (
            f"`{card.id}`",
            "every face" if price.face == "*" else price.face,
            price.unit,
            f"{price.nano_usd:,}",
            str(price.since),
        )
        for card in Catalog.builtin().cards
        for price in card.prices
    )
    return _rows(("model", "billed as", "unit", "nano-dollars", "since"), rows)


def exit_codes() -> str:
    """One row an exit code."""
    return _rows(("code", "meaning"), ((str(int(code)), _MEANINGS[code]) for code in Exit))


def shell() -> str:
    """Every command: what it is called with, what it does, every option."""
    return "\n\n".join(_command(name, command) for name, command in commands())


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = command.get_usage(context).removeprefix("Usage: ")
    options = [record for each in command.params if (record := each.get_help_record(context)) is not None]
    parts = [f"### {name}", f"```text\n{' '.join(usage.split())}\n```", *_prose(command.help or "")]
    if options:
        parts.append(_rows(("option", "what it does"), ((f"`{left}`", right) for left, right in options)))
    return "\n\n".join(parts)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those that keep their lines (after a backspace) are examples."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = [line.strip() for line in paragraph.splitlines()[1:]]
            title = [lines.pop(0)] if lines and lines[0] in ("Example:", "Examples:") else []
            yield from title
            yield "```bash\n" + "\n".join(lines) + "\n```" if title else "```text\n" + "\n".join(lines) + "\n```"
        else:
            yield " ".join(paragraph.split())


def cards() -> str:
    """One row a model that ships as a card."""
    rows = (
        (f"`{card.id}`", ", ".join(f"`{alias}`" for alias in card.aliases), card.task, card.architecture)
        + (byte_size(card.size), _prices(card.prices), card.licence)
        for card in Catalog.builtin().cards
    )
    return _rows(("model", "also called", "task", "architecture", "checkpoint", "price", "licence"), rows)


def _prices(prices: Iterable[Any]) -> str:
    words = (f"{dollars(each.nano_usd)} / {each.unit}" if each.nano_usd else "free" for each in prices)
    return ", ".join(dict.fromkeys(words))


def example_config() -> str:
    """wrangler-like.toml with every setting at its default, commented out."""
    lines = [
        "# The settings of inflare, written like a Worker's own file. Every line shows a default: take away the #",
        "# to change it. A flag (--set dev.port=9000) outranks the environment (INFLARE_DEV_PORT=9000), which",
        "# outranks this file. `inflare config` shows what is in force, and why. More in docs/settings.md.",
    ]
    section = ""
    for setting in table():
        holder, _, key = setting.key.rpartition(".")
        if setting.key == "models":
            continue
        if holder != section:
            section = holder
            lines += ["", f"[{section}]"]
        lines += ["", f"# {_help(setting).replace('`', '')}", f"# {key} = {_toml(setting.default)}"]
    return "\n".join([*lines, "", *_MODELS_EXAMPLE]) + "\n"


_MODELS_EXAMPLE = (
    "# A model of your own, served at /ai/run/@local/parts; one such table a model.",
    "# [[models]]",
    '# id = "@local/parts"',
    '# file = "parts.onnx"',
    '# like = "@cf/facebook/detr-resnet-50"',
    '# labels = ["nut", "bolt"]',
    "# price = 0.0001",
)


def _toml(value: Any) -> str:
    return "{}" if value == {} else json.dumps(value)


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"

    titles = tuple(head)
    return "\n".join((line(titles), "|" + " --- |" * len(titles), *(line(row) for row in rows)))


def _first_sentence(fault: type[Exception]) -> str:
    text = " ".join((inspect.getdoc(fault) or "").split())
    return text.partition(". ")[0].rstrip(".") + "."


def first_answer() -> str | None:
    """What the README's first request gets above 0.5 from the weights that ship; None where they are not built."""
    scene = re.search(r"--data-binary @(\S+) \S+/ai/run/(\S+)", (ROOT / "README.md").read_text("utf-8"))
    if scene is None or not EMBEDDED.is_file():
        return None
    with tempfile.TemporaryDirectory() as home:
        runner = CliRunner(env={"INFLARE_HOME": home})
        result = runner.invoke(main, ["run", scene[2], str(ROOT / scene[1]), "--json", "--threshold", "0.5"])
    found = [{**each, "score": round(each["score"], 3)} for each in json.loads(result.stdout)]
    return "```json\n[\n" + ",\n".join(f"  {json.dumps(each)}" for each in found) + "\n]\n```"


def keypoint_answer() -> str:
    """The first of what the example request for keypoints gets above 0.5, from the weights that ship."""
    request = re.search(r"-F image=@(\S+) .*/ai/run/(\S+)", (ROOT / "docs" / "keypoints.md").read_text("utf-8"))
    if request is None or Catalog.builtin().embedded("keypoint-detection") is None:
        return (
            "No keypoint weights ship: without those of the model itself the request is refused, and told what to pull."
        )
    thresholds = ("--threshold", "0.5", "--keypoint-threshold", "0.5")
    with tempfile.TemporaryDirectory() as home:
        runner = CliRunner(env={"INFLARE_HOME": home})
        result = runner.invoke(main, ["run", request[2], str(ROOT / request[1]), "--json", *thresholds])
    found: list[dict[str, Any]] = _rounded(json.loads(result.stdout))
    if not found:
        return "Nothing in it scores above 0.5."
    first = found[0]
    joints = [f"    {json.dumps(joint)}" for joint in first.pop("keypoints")]
    shown_joints = ",\n".join([*joints[:2], f"    … {len(joints) - 2} more"])
    text = f'[\n  {json.dumps(first)[:-1]},\n   "keypoints": [\n{shown_joints}\n  ]}}\n]'
    lead = f"answers (here without the envelope; {len(found)} scored above 0.5, and this is the first):"
    return f"{lead}\n\n```text\n{text}\n```"


def _rounded(value: Any) -> Any:
    """JSON with its floats to three digits behind the point."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [_rounded(each) for each in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in cast(dict[str, Any], value).items()}
    return value


# Which block of which document holds what: `<!-- name -->` … `<!-- /name -->`.
BLOCKS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("docs/settings.md", "settings"): settings,
    ("docs/errors.md", "errors"): errors,
    ("docs/errors.md", "hosted errors"): hosted_errors,
    ("docs/errors.md", "openai errors"): openai_errors,
    ("docs/money.md", "prices"): prices,
    ("docs/commands.md", "exit codes"): exit_codes,
    ("docs/commands.md", "commands"): shell,
    ("docs/models.md", "cards"): cards,
    ("docs/keypoints.md", "pictures"): shown,
}
# The same, of what networks answered: on another processor the last digits differ.
ANSWERS: Mapping[tuple[str, str], Callable[[], str]] = {("docs/keypoints.md", "keypoint answer"): keypoint_answer}


def block(file: str, name: str) -> str:
    """What stands between the markers now. Raises LookupError where they are missing."""
    found = _markers(name).search((ROOT / file).read_text("utf-8"))
    if found is None:
        raise LookupError(f"{file} has no <!-- {name} --> … <!-- /{name} -->")
    return found[2]


def write() -> None:
    """Writes every block and the example configuration anew."""
    for (file, name), make in {**BLOCKS, **ANSWERS}.items():
        path, text = ROOT / file, make()
        content = path.read_text("utf-8")
        path.write_text(_markers(name).sub(lambda found, text=text: f"{found[1]}{text}{found[3]}", content), "utf-8")
    CONFIG.write_text(example_config(), "utf-8")
    if (answer := first_answer()) is not None:
        readme = ROOT / "README.md"
        text = _markers("answer").sub(lambda found: f"{found[1]}{answer}{found[3]}", readme.read_text("utf-8"))
        readme.write_text(text, "utf-8")


def _markers(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->\n\n)(.*?)(\n\n<!-- /{name} -->)", re.DOTALL)


if __name__ == "__main__":
    write()
