"""Usage, wallets and tokens from the shell, on a ledger that a served request has written."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from inflare.runtime.assembly import open_engine
from inflare.runtime.config import load
from inflare.runtime.engine import Job
from inflare.schemas.validate import schema
from tests import spots

from .shell import inflare

PRICED = spots.CARD + '\n[[prices]]\nface = "*"\nunit = "request"\nnano_usd = 7500\nsince = "2024-01-01"\n'


@pytest.fixture
def used(home: Path) -> Path:
    """A home whose ledger holds two charges of 7,500 nano-dollars."""
    spots.install(home, PRICED)

    async def work() -> None:
        async with open_engine(load(None, {"INFLARE_HOME": str(home)}, {}, home).settings) as engine:
            for number in range(2):
                await engine.run(Job(model=spots.MODEL, image=spots.png(255), request_id=f"r{number}"))

    asyncio.run(work())
    return home


def printed(*arguments: str, home: Path) -> Any:
    result = inflare(*arguments, "--json", home=home)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_usage_is_counted_in_integers(used: Path) -> None:
    report = printed("usage", home=used)
    schema("inflare/usage").check(report)
    assert (report["requests"], report["total_nano_usd"], report["by"]) == (2, 15_000, "day")


@pytest.mark.parametrize(("by", "key"), [("model", spots.MODEL), ("face", "cloudflare")])
def test_usage_is_grouped(used: Path, by: str, key: str) -> None:
    assert printed("usage", "--by", by, home=used)["rows"] == [{"key": key, "requests": 2, "nano_usd": 15_000}]


@pytest.mark.parametrize("narrow", [("--account", "other"), ("--model", "other"), ("--to", "2020-01-01")])
def test_usage_is_narrowed(used: Path, narrow: tuple[str, str]) -> None:
    assert printed("usage", *narrow, home=used)["requests"] == 0


def test_usage_is_printed_as_csv(used: Path) -> None:
    rows = list(csv.reader(io.StringIO(inflare("usage", "--csv", "--by", "face", home=used).stdout)))
    assert rows == [["key", "requests", "nano_usd"], ["cloudflare", "2", "15000"]]


def test_usage_for_people_is_exact(used: Path) -> None:
    assert "$0.000015000" in inflare("usage", home=used).stdout.splitlines()[-1]


def test_a_sound_ledger_is_said_to_be_sound(used: Path) -> None:
    assert printed("usage", "verify", home=used)["sound"] is True
    assert "sound" in inflare("usage", "verify", home=used).stdout


def test_a_ledger_that_was_tampered_with_is_told(used: Path) -> None:
    with sqlite3.connect(used / "ledger.sqlite") as database:
        database.execute("UPDATE balances SET nano_usd = nano_usd + 1 WHERE book = 'account:local'")
    database.close()
    result = inflare("usage", "verify", home=used)
    assert result.exit_code == 5
    assert "every balance equals its entries" in result.stdout


def test_a_top_up_keeps_the_fee(home: Path) -> None:
    printed("tokens", "create", "--account", "acme", "--kind", "aigateway", home=home)
    done = printed("wallet", "top-up", "--account", "acme", "10.00", home=home)
    assert (done["fee_nano_usd"], done["balance_nano_usd"]) == (500_000_000, 9_500_000_000)


def test_an_account_with_its_own_key_pays_no_fee(home: Path) -> None:
    printed("tokens", "create", "--account", "acme", "--kind", "aigateway", "--byok", home=home)
    assert printed("wallet", "top-up", "--account", "acme", "10", home=home)["balance_nano_usd"] == 10_000_000_000


def test_the_same_payment_is_credited_once(home: Path) -> None:
    printed("tokens", "create", "--account", "acme", "--kind", "aigateway", home=home)
    codes = [
        inflare("wallet", "top-up", "--account", "acme", "1", "--reference", "p", home=home).exit_code for _ in range(2)
    ]
    assert (codes, printed("wallet", "balance", "--account", "acme", home=home)["balance_nano_usd"]) == (
        [0, 2],
        950_000_000,
    )


def test_a_statement_adds_up_to_the_nano_dollar(used: Path) -> None:
    found = printed("wallet", "statement", "--account", "local", home=used)
    assert (found["opening_nano_usd"], found["closing_nano_usd"]) == (0, -15_000)
    assert "$0.00" in inflare("wallet", "statement", "--account", "local", home=used).stdout.splitlines()[-1]


def test_a_token_is_shown_once(home: Path) -> None:
    made = printed("tokens", "create", "--account", "acme", "--kind", "aigateway", home=home)
    (listed,) = printed("tokens", "list", home=home)
    assert made["token"].startswith("sk-aig-") and made["token"] not in json.dumps(listed)
    assert (listed["id"], listed["scope"], listed["account"]) == (made["id"], "run", "acme")


def test_a_token_is_revoked_by_its_id(home: Path) -> None:
    made = printed("tokens", "create", "--account", "acme", "--expires", "30d", home=home)
    revoked = printed("tokens", "revoke", made["id"], home=home)
    assert made["expires_at"] and revoked["revoked_at"]


def test_an_account_keeps_its_kind(home: Path) -> None:
    printed("tokens", "create", "--account", "acme", "--kind", "aigateway", home=home)
    assert printed("tokens", "create", "--account", "acme", "--scope", "read", home=home)["kind"] == "aigateway"
    assert inflare("tokens", "create", "--account", "acme", "--kind", "cloudflare", home=home).exit_code == 2


MISTAKES = [
    ("usage", "--from", "yesterday"),
    ("usage", "--csv", "--json"),
    ("wallet", "top-up", "--account", "nobody", "1"),
    ("wallet", "statement", "--account", "a", "--month", "2026-13"),
    ("tokens", "create", "--account", "no spaces"),
    ("tokens", "create", "--account", "local"),
    ("tokens", "create", "--account", "a", "--expires", "2020-01-01"),
    ("tokens", "revoke", "nothing"),
]


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_exits_2_with_one_line(home: Path, arguments: tuple[str, ...]) -> None:
    result = inflare(*arguments, home=home)
    assert (result.exit_code, sum(line.startswith("Error: ") for line in result.stderr.splitlines())) == (2, 1)
