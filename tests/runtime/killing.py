"""A served ledger under load that is killed with SIGKILL at a random point, and what must be true of it then.

`python -m tests.runtime.killing 50` does it fifty times on SQLite and on PostgreSQL, and prints the counts.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic

import httpx

from inflare.runtime.accounts import Accounts, load_key
from inflare.runtime.billing.books import Books
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.storage.database import Database
from tests import spots
from tests.runtime.storage import postgres
from tests.runtime.test_server import served

CLIENTS = 12
ACCOUNT, MODEL, PRICE = "acme", "acme/spots", 200_000
PAID = 10_000 * PRICE
CARD = spots.CARD.replace("description", f'aliases = ["{MODEL}"]\ndescription', 1) + (
    f'\n[[prices]]\nface = "aigateway"\nunit = "image"\nnano_usd = {PRICE}\nsince = "2024-01-01"\n'
)
BODY = {"model": MODEL, "image": b64encode(spots.png(255)).decode()}
ENVIRON = {"INFLARE_AUTH_MODE": "tokens", "INFLARE_LEDGER_LEASE_S": "0.5", "INFLARE_LOG_ACCESS": "false"}


@dataclass(slots=True)
class Counts:
    """What one kill, or many, left behind. `unpaid`, `doubled` and `unsound` must be 0."""

    kills: int = 0
    answered: int = 0  # requests that got a 200
    in_flight: int = 0  # requests without an answer when the process died
    charged_unanswered: int = 0  # of those: charged, the answer never arrived
    retried: int = 0  # keyed requests in flight, sent again after a restart
    retried_free: int = 0  # of those: not charged a second time
    unpaid: int = 0  # a 200 without its charge
    doubled: int = 0  # a key with two charges, or more charges than requests
    unsound: int = 0  # rules of the ledger that do not hold

    def __iadd__(self, other: Counts) -> Counts:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    def __str__(self) -> str:
        return ", ".join(f"{each.name} {getattr(self, each.name)}" for each in fields(self))


@dataclass(slots=True)
class Load:
    """What the clients saw: keys sent, and by key the generation id of each 200. An unkeyed request's key starts
    with "-" and is never sent."""

    stop_after: int
    sent: set[str] = field(default_factory=set[str])
    answered: dict[str, str] = field(default_factory=dict[str, str])
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def in_flight(self) -> set[str]:
        return self.sent - self.answered.keys()


def prepare(home: Path, address: str) -> str:
    """The token of a prepaid account with money, on a fresh ledger."""
    spots.install(home / ".inflare", CARD)
    database = Database(address)
    accounts = Accounts(database, load_key(home / ".inflare" / "token.key"))
    accounts.create_account(ACCOUNT, "aigateway")
    Books(database).top_up(ACCOUNT, PAID)
    token = accounts.create_token(ACCOUNT, "run").token
    database.close()
    return token


def killed(home: Path, address: str, chance: random.Random) -> Counts:
    """Serve, load, kill, restart, retry; what was found."""
    token = prepare(home, address)
    environ = {**ENVIRON, "INFLARE_LEDGER_DATABASE": address}
    load = Load(stop_after=chance.randrange(1, 150))
    with served(home, **environ) as (process, url):
        asyncio.run(_until_killed(url, token, load, chance, address, process.kill))
        process.wait()
    counts = _after_the_kill(address, load)
    with served(home, **environ) as (_, url):
        before = _charges(address)
        again = asyncio.run(_retried(url, token, (key for key in load.in_flight if not key.startswith("-"))))
    return _after_the_retries(address, load, counts, again, before)


async def _until_killed(
    url: str, token: str, load: Load, chance: random.Random, address: str, kill: Callable[[], None]
) -> None:
    async with httpx.AsyncClient(base_url=url, headers=_bearer(token), timeout=30) as client:
        clients = [asyncio.create_task(_client(client, load, chance)) for _ in range(CLIENTS)]
        await load.enough.wait()
        if chance.random() < 0.5:
            for _ in range(chance.randrange(200)):  # anywhere between two answers
                await asyncio.sleep(0)
            kill()
        else:
            await asyncio.to_thread(_kill_after_a_commit, address, load, kill)
        await asyncio.gather(*clients)


def _kill_after_a_commit(address: str, load: Load, kill: Callable[[], None]) -> None:
    """Kill as soon as the ledger holds a charge whose answer has not arrived: the narrowest of all moments."""
    database = Database(address)
    books = Books(database)
    until = monotonic() + 5
    while monotonic() < until:
        answered = len(load.answered)
        if books.usage(UsageQuery(account=ACCOUNT)).requests > answered:
            break
    kill()
    database.close()


async def _client(client: httpx.AsyncClient, load: Load, chance: random.Random) -> None:
    while True:
        key = ("-" if chance.random() < 0.25 else "") + uuid.uuid4().hex
        headers = {} if key.startswith("-") else {"idempotency-key": key}
        load.sent.add(key)
        try:
            response = await client.post("/v1/detections", json=BODY, headers=headers)
        except httpx.TransportError:
            load.enough.set()
            return
        if response.status_code != 200:
            load.enough.set()
            raise AssertionError(response.text)
        load.answered[key] = response.json()["id"]
        if len(load.answered) >= load.stop_after:
            load.enough.set()


async def _retried(url: str, token: str, keys: Iterable[str]) -> dict[str, str]:
    """By key, the generation id of the answer; a 409 (the dead process's claim) is waited for as it asks."""

    async def one(client: httpx.AsyncClient, key: str) -> tuple[str, str]:
        while True:
            response = await client.post("/v1/detections", json=BODY, headers={"idempotency-key": key})
            if response.status_code != 409:
                return key, response.raise_for_status().json()["id"]
            await asyncio.sleep(int(response.headers["retry-after"]))

    async with httpx.AsyncClient(base_url=url, headers=_bearer(token), timeout=30) as client:
        return dict(await asyncio.gather(*(one(client, key) for key in keys)))


def _after_the_kill(address: str, load: Load) -> Counts:
    database = Database(address)
    books = Books(database)
    found = [books.charge(identity, ACCOUNT) for identity in load.answered.values()]
    audit = books.verify()
    database.close()
    charges = _charges(address)
    unanswered = charges - len(set(load.answered.values()))
    return Counts(
        kills=1,
        answered=len(load.answered),
        in_flight=len(load.in_flight),
        charged_unanswered=unanswered,
        unpaid=sum(charge is None or charge.nano_usd != PRICE for charge in found),
        doubled=max(0, unanswered - len(load.in_flight)) + len(load.answered) - len(set(load.answered.values())),
        unsound=len(audit.problems),
    )


def _after_the_retries(address: str, load: Load, counts: Counts, again: dict[str, str], before: int) -> Counts:
    after = _charges(address)
    counts.retried = len(again)
    counts.retried_free = len(again) - (after - before)
    keyed = {key: identity for key, identity in load.answered.items() if not key.startswith("-")} | again
    counts.doubled += len(keyed) - len(set(keyed.values()))
    database = Database(address)
    books = Books(database)
    balance, audit = books.balance(ACCOUNT), books.verify()
    database.close()
    # Every charge is the price of one request, and nothing stays held.
    counts.doubled += abs(PAID - balance.nano_usd - after * PRICE) + balance.held
    counts.unsound += len(audit.problems)
    return counts


def _charges(address: str) -> int:
    database = Database(address)
    found = Books(database).usage(UsageQuery(account=ACCOUNT)).requests
    database.close()
    return found


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _many(times: int) -> None:
    with postgres.server() as url:
        for kind in ("sqlite", "postgresql"):
            total = Counts()
            for seed in range(times):
                with tempfile.TemporaryDirectory() as folder:
                    home = Path(folder)
                    if kind == "sqlite":
                        total += killed(home, str(home / "ledger.sqlite"), random.Random(seed))
                    else:
                        with postgres.fresh_schema(url) as address:
                            total += killed(home, address, random.Random(seed))
                if (seed + 1) % 5 == 0:
                    print(f"{kind}: {total}", flush=True)
            print(f"{kind}: {total}", flush=True)
            if total.unpaid or total.doubled or total.unsound:
                raise SystemExit(f"{kind}: the ledger is wrong")


if __name__ == "__main__":
    _many(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
