"""The house rules that a machine can check: floors, doors, packages, sizes. Says which rule broke and where."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = {"schemas": 0, "models": 1, "runtime": 2, "bindings": 3}
MOST_LINES = 400
MOST_TEST_LINES = 600

# A third-party engine enters through these files or folders only.
DOORS: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("runtime/inference/sessions.py", "models/precision.py"),
    "PIL": ("models/image.py", "models/annotate.py"),
    "simplejpeg": ("models/jpeg.py",),
    "cykooz_resizer": ("models/resampler.py",),
    "av": ("bindings/streams/video.py",),
    "supervision": ("models/supervised.py",),
    "jsonschema": ("schemas/",),
    "sqlalchemy": ("runtime/storage/",),
    "starlette": ("runtime/http/",),
    "httptools": ("bindings/replies.py",),
    "hypercorn": ("runtime/server.py", "runtime/http/http1"),
    "torch": (),
    "transformers": (),
}
WORKSHOP = "models/embedded/"  # scenes, training and evaluation: free of the door rule

# Files over the limit, each with the reason why splitting it would make it worse.
LONG: dict[str, str] = {}


def modules() -> Iterator[Path]:
    for floor in FLOORS:
        yield from sorted(path for path in (ROOT / floor).rglob("*.py") if "node_modules" not in path.parts)


def own_tests() -> Iterator[Path]:
    yield from sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module name) of each import; relative ones are resolved to `inflare.…`."""
    package = ("inflare", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield node.lineno, ".".join((*base, *((node.module or "").split("."))))


def test_a_floor_imports_only_floors_below() -> None:
    above = [
        f"{name_of(path)}:{line} imports {module}"
        for path in modules()
        for line, module in imports(path)
        if module.startswith("inflare.")
        and FLOORS.get(module.split(".")[1], 0) > FLOORS[path.relative_to(ROOT).parts[0]]
    ]
    assert above == []


def test_inside_the_floors_imports_are_relative() -> None:
    absolute = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("inflare")
    ]
    assert absolute == []


def test_engines_enter_through_their_doors() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {engine}; its door is {', '.join(DOORS[engine]) or 'no served file'}"
        for path in modules()
        if not name_of(path).startswith(WORKSHOP)
        for line, module in imports(path)
        if (engine := module.split(".")[0]) in DOORS and not name_of(path).startswith(DOORS[engine])
    ]
    assert broken == []


def test_every_folder_is_listed_in_pyproject() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {"inflare." + ".".join(path.parent.relative_to(ROOT).parts) for path in modules()}
    assert folders == listed


def test_files_stay_short() -> None:
    counted = {name_of(path): len(path.read_text().splitlines()) for path in (*modules(), *own_tests())}
    long = {
        name: lines
        for name, lines in counted.items()
        if lines > (MOST_TEST_LINES if name.startswith("tests/") else MOST_LINES)
    }
    assert long.keys() == LONG.keys(), "too long, or no longer too long"


def test_every_module_says_why_it_exists() -> None:
    silent = [name_of(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
