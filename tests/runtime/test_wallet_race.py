"""Money for ten requests and sixty-four at once: ten are served, whether one process sells or two."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from inflare.runtime.accounts import Accounts, load_key
from inflare.runtime.billing.books import Books
from inflare.runtime.storage.database import Database
from tests import spots
from tests.runtime.killing import ACCOUNT, BODY, CARD, PRICE
from tests.runtime.test_server import served

REQUESTS, AFFORDED = 64, 10


def prepare(home: Path, address: str) -> str:
    """The token of an account with money for ten requests."""
    spots.install(home / ".inflare", CARD)
    database = Database(address)
    accounts = Accounts(database, load_key(home / ".inflare" / "token.key"))
    accounts.create_account(ACCOUNT, "aigateway")
    Books(database).top_up(ACCOUNT, AFFORDED * PRICE + PRICE - 1)
    token = accounts.create_token(ACCOUNT, "run").token
    database.close()
    return token


async def rush(urls: list[str], token: str) -> list[httpx.Response]:
    """All requests at once, to each server in turn."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
        asked = [client.post(f"{urls[i % len(urls)]}/v1/detections", json=BODY) for i in range(REQUESTS)]
        return await asyncio.gather(*asked)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_wallet_pays_for_exactly_what_it_holds(tmp_path: Path, address: str, processes: int) -> None:
    token = prepare(tmp_path, address)
    environ = {"INFLARE_AUTH_MODE": "tokens", "INFLARE_LEDGER_DATABASE": address, "INFLARE_LOG_ACCESS": "false"}
    with ExitStack() as servers:
        urls = [servers.enter_context(served(tmp_path, **environ))[1] for _ in range(processes)]
        answers = asyncio.run(rush(urls, token))
    database = Database(address)
    balance, audit = Books(database).balance(ACCOUNT), Books(database).verify()
    database.close()
    assert Counter(each.status_code for each in answers) == {200: AFFORDED, 402: REQUESTS - AFFORDED}
    assert (balance.nano_usd, balance.held, audit.problems) == (PRICE - 1, 0, ())
    assert {each.json()["error"]["type"] for each in answers if each.status_code == 402} == {"insufficient_credits"}
