"""Time limits that cost nothing where nothing is waited for."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is ended where it waits for longer than `seconds` in all, which raises TimeoutError.

    The timer is set when it first waits. Most parts of a body are there when they are asked for, and most answers fit
    the socket's buffer: for these a timer would cost as much as the work.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(seconds):
        return await _rest(work, awaited)


@types.coroutine
def _rest(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Goes on with `work`, which waits for `awaited`: what is sent or thrown in passes through, as by `await`."""
    while True:
        thrown, sent = None, None
        try:
            sent = yield awaited
        except BaseException as error:
            thrown = error
        try:
            awaited = work.send(sent) if thrown is None else work.throw(thrown)
        except StopIteration as done:
            return done.value
        finally:
            thrown = None  # it knows this frame
