"""Loads a Worker's files in a scope of their own: what they import is theirs, nothing of it stays in sys.modules."""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, cast

from .unsupported import PAGE, Unsupported

ENTRY = "__worker__"


class Scope(MetaPathFinder):
    """The modules of one loading: the Worker's own files below `folder`, and those provided to it.

    They are in sys.modules only while an import of theirs runs; an import inside a function counts too, since the
    files get an `__import__` of their own. Each loading compiles anew and writes no bytecode, so a file that was
    saved twice within a second is never stale.
    """

    def __init__(self, folder: Path, given: Mapping[str, ModuleType]) -> None:
        self._folder = folder
        self._given = dict(given)
        self._own: dict[str, ModuleType] = dict(given)
        self._found = {ENTRY}
        self._lock = threading.RLock()
        self._depth = 0
        self.builtins = {**vars(builtins), "__import__": self._import}

    def load(self, entry: Path) -> ModuleType:
        """The module of a file. Raises whatever its code raises."""
        loader = _Loader(ENTRY, str(entry), self)
        spec = spec_from_file_location(ENTRY, entry, loader=loader)
        module = module_from_spec(cast(ModuleSpec, spec))
        with self._inside():
            sys.modules[ENTRY] = module
            loader.exec_module(module)
        return module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The Worker's own file of that name."""
        top = fullname.partition(".")[0]
        if top in self._given:
            raise Unsupported(f"{fullname} is not supported by inflare; of {top} it has {self._known(top)}. {PAGE}")
        spec = PathFinder.find_spec(fullname, list(path) if path is not None else [str(self._folder)])
        if spec is None or not _below(spec, self._folder):
            return None
        self._found.add(fullname)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, self)
        return spec

    def _known(self, top: str) -> str:
        return ", ".join(sorted(name for name in self._given if name.partition(".")[0] == top))

    def _import(self, *arguments: Any, **options: Any) -> Any:
        with self._inside():
            return builtins.__import__(*arguments, **options)

    @contextmanager
    def _inside(self) -> Generator[None]:
        with self._lock:
            if self._depth:
                yield
                return
            hidden = {name: sys.modules.pop(name) for name in self._own if name in sys.modules}
            sys.modules.update(self._own)
            sys.meta_path.insert(0, self)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                sys.meta_path.remove(self)
                self._take_out()
                sys.modules.update(hidden)

    def _take_out(self) -> None:
        for name in self._own.keys() | self._found:
            if (module := sys.modules.pop(name, None)) is not None:
                self._own[name] = module


def _below(spec: ModuleSpec, folder: Path) -> bool:
    """Whether a file, or a folder without __init__.py, is the Worker's own."""
    places = [spec.origin] if spec.origin else spec.submodule_search_locations or []
    return any(Path(place).is_relative_to(folder) for place in places)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, scope: Scope) -> None:
        super().__init__(fullname, path)
        self.scope = scope

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.scope.builtins
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)
