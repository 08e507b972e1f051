"""One setting written into wrangler-like.toml, with everything else in the file left as it is."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from .config import ConfigError

_SECTION = re.compile(r"^\s*\[")


def with_setting(text: str, key: str, value: str) -> str:
    """`text` with the dotted `key` set to `value`, which is TOML.

    A line that sets it is replaced, one that shows it as a comment comes to life, and otherwise its section, or the
    end of the file, gets a new line. Raises ConfigError where the result would not be what was asked for.
    """
    section, _, name = key.rpartition(".")
    lines = text.splitlines()
    header = next((at for at, line in enumerate(lines) if line.split("#")[0].strip() == f"[{section}]"), None)
    if header is None:
        lines += [*([""] if lines else []), f"[{section}]", f"{name} = {value}"]
    else:
        _set(lines, header, name, value)
    made = "\n".join(lines) + "\n"
    _check(made, section, name, value)
    return made


def _set(lines: list[str], header: int, name: str, value: str) -> None:
    end = next((at for at in range(header + 1, len(lines)) if _SECTION.match(lines[at])), len(lines))
    for shown in (rf"^\s*{name}\s*=", rf"^\s*#\s*{name}\s*="):
        for at in range(header + 1, end):
            if re.match(shown, lines[at]):
                lines[at] = f"{name} = {value}"
                return
    lines.insert(header + 1, f"{name} = {value}")


def _check(text: str, section: str, name: str, value: str) -> None:
    wanted = tomllib.loads(f"value = {value}")["value"]
    try:
        found = tomllib.loads(text).get(section, {}).get(name)
    except tomllib.TOMLDecodeError:
        found = None
    if found != wanted:
        raise ConfigError(f"{section}.{name} = {value} cannot be written into this file; write it by hand.")


def write_setting(file: Path, key: str, value: str) -> None:
    """Set it in `file`, which is made where it is not there and keeps who may read it where it is. Raises ConfigError
    and OSError."""
    file = file.resolve()  # what a link points to changes, not the link
    made = with_setting(file.read_text(encoding="utf-8") if file.is_file() else "", key, value)
    draft = file.with_name(f".{file.name}.new")
    try:
        draft.touch()
        if file.is_file():
            shutil.copymode(file, draft)
        draft.write_text(made, encoding="utf-8")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
