"""Who left: told by the server where it can, and otherwise by the messages that come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request

from inflare.runtime.http.departure import DEPARTED, watched


def asked(scope: dict[str, Any], gone: Callable[[], bool]) -> tuple[list[bool], int]:
    """What work is told before and after the caller left, and how many messages were asked for."""
    messages = 0

    async def receive() -> dict[str, Any]:
        nonlocal messages
        messages += 1
        while not gone():
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def work(departed: Callable[[], bool]) -> list[bool]:
        before = departed()
        for _ in range(20):
            await asyncio.sleep(0)
        return [before, departed()]

    return asyncio.run(watched(Request({"type": "http", "headers": [], **scope}, receive), work)), messages


@pytest.mark.parametrize("leaves", [False, True])
def test_a_server_that_says_so_is_asked_for_no_message(leaves: bool) -> None:
    told = iter((False, leaves))
    assert asked({"extensions": {DEPARTED: lambda: next(told)}}, lambda: True) == ([False, leaves], 0)


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}])
@pytest.mark.parametrize("leaves", [False, True])
def test_another_server_says_so_by_a_message(scope: dict[str, Any], leaves: bool) -> None:
    assert asked(scope, lambda: leaves) == ([False, leaves], 1)
