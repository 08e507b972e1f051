"""Progress bars on a terminal, and silence elsewhere."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

import tqdm as _untyped_tqdm

_tqdm = cast(Any, _untyped_tqdm)


class Progress(Protocol):
    """Opens one bar a file: called with its name and its bytes, it gives what hears of bytes that came."""

    def __call__(self, name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]: ...


@contextmanager
def bars(name: str, total: int | None) -> Generator[Callable[[int], None], None, None]:
    """A bar of bytes on standard error, only where that is a terminal."""
    with _tqdm.tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=None) as bar:
        yield bar.update


@contextmanager
def silence(name: str, total: int | None) -> Generator[Callable[[int], None], None, None]:
    """No bar."""
    yield lambda count: None
