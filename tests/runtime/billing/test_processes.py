"""Real processes on one ledger: killed at random points, and side by side on one wallet.

INFLARE_TEST_KILLS says how often to kill (5 unless set)."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from inflare.runtime.billing.books import Books
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Reservation
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.storage.database import Database
from tests.runtime.billing.charging import PRICE
from tests.runtime.billing.wallet import HandClock, order

KILLS = int(os.environ.get("INFLARE_TEST_KILLS", "5"))
WORKERS = 8
PLENTY = 10**15


@contextmanager
def charging(address: str, name: str, lease: float = 3600) -> Generator[subprocess.Popen[str]]:
    """A process that is ready to charge and begins at the first line on its standard input."""
    command = [sys.executable, str(Path(__file__).with_name("charging.py")), address, name, str(WORKERS), str(lease)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _killed_after(process: subprocess.Popen[str], lines: int) -> list[list[str]]:
    """What it acknowledged before it was killed, which was after so many lines and some of the next work."""
    assert process.stdout is not None
    _start(process)
    acknowledged = [process.stdout.readline().split() for _ in range(lines)]
    process.kill()  # at this moment up to WORKERS requests are anywhere between reserve and answer
    acknowledged += [line.split() for line in process.stdout if line.endswith("\n")]
    return [line for line in acknowledged if line]


def _repeats(database: Database, acknowledged: list[list[str]]) -> int:
    """How many keyed requests are free when they are tried again."""

    async def retry() -> int:
        ledger, count = Ledger(database), 0
        for _, key, account in acknowledged:
            if key != "None":
                again = order(account, PRICE, key=key, body=b"body", model="m", prepaid=account == "prepaid")
                reservation: Reservation = await ledger.reserve(again)
                count += reservation.repeat
        await ledger.close()
        return count

    return asyncio.run(retry())


def _after_the_lease(database: Database) -> int:
    """What a process that comes after the lease releases."""

    async def sweep() -> int:
        clock = HandClock()
        clock.now += timedelta(days=36_500)
        ledger = Ledger(database, clock=clock)
        await ledger.close()  # it sweeps as it starts
        return ledger.books.balance("prepaid").held

    return asyncio.run(sweep())


def test_every_acknowledged_charge_survives_a_kill(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    database = Database(address)
    books = Books(database)
    books.top_up("prepaid", PLENTY)
    answered = unknown = 0
    for kill in range(KILLS):
        with charging(address, f"life{kill}") as process:
            acknowledged = _killed_after(process, random.randrange(1, 200))
        found = [books.charge(line[0]) for line in acknowledged]
        assert all(charge is not None and charge.nano_usd == PRICE for charge in found)
        assert len({charge.sequence for charge in found if charge}) == len(acknowledged)
        answered += len(acknowledged)
        unanswered = books.usage(UsageQuery()).requests - answered - unknown
        assert 0 <= unanswered <= WORKERS  # one for each request in flight at the kill, at most
        unknown += unanswered
        keyed = sum(line[1] != "None" for line in acknowledged)
        assert _repeats(database, acknowledged) == keyed
        assert books.verify().problems == ()
    assert _after_the_lease(database) == 0
    with capsys.disabled():
        print(f"\n{KILLS} kills: {answered} charges acknowledged and found once, {unknown} charged unanswered")
    database.close()


def test_two_processes_share_one_wallet(address: str) -> None:
    database = Database(address)
    books, affordable = Books(database), 150
    books.top_up("prepaid", affordable * PRICE)
    with charging(address, "prepaid-a") as first, charging(address, "prepaid-b") as second:
        for process in (first, second):
            _start(process)
        printed = [process.communicate(timeout=60)[0].splitlines() for process in (first, second)]
    assert sum(len(lines) for lines in printed) == affordable
    assert books.balance("prepaid").nano_usd == 0
    assert books.verify().problems == ()
    database.close()
