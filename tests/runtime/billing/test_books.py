"""Top-ups, balances, usage and statements: whole numbers, on the right day, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from inflare.runtime.billing.books import Books, month
from inflare.runtime.billing.errors import DuplicateRequest, InvalidOrder
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.usage import StatementLine, UsageQuery, UsageRow
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import LEASE, NOON, PRICE, HandClock, charge, order, with_ledger

DETR = "@cf/facebook/detr-resnet-50"
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database, clock=HandClock())


@pytest.fixture
def charged(database: Database, books: Books) -> Books:
    """Five charges: two models, two faces, two accounts, two days that meet at midnight UTC."""
    wanted = [
        order(request_id="a"),
        order(request_id="b", at=MIDNIGHT - timedelta(microseconds=1)),
        order(request_id="c", at=MIDNIGHT),
        order("bob", request_id="d"),
        order(request_id="e", face="aigateway", model="facebook/detr-resnet-50", nano_usd=200_000),
    ]

    async def run() -> None:
        ledger = Ledger(database, clock=HandClock(), lease=LEASE)
        for each in wanted:
            await charge(ledger, each)
        await ledger.close()

    asyncio.run(run())
    return books


def test_five_per_cent_are_taken_at_the_top_up(books: Books) -> None:
    topped = books.top_up("alice", 10_000_000_000, fee_bps=500)
    assert (topped.fee_nano_usd, topped.credited_nano_usd) == (500_000_000, 9_500_000_000)
    assert books.balance("alice").available == 9_500_000_000


def test_a_waived_fee_credits_everything(books: Books) -> None:
    assert books.top_up("alice", 7, fee_bps=0).credited_nano_usd == 7


def test_a_fee_is_rounded_down(books: Books) -> None:
    assert books.top_up("alice", 39, fee_bps=500).fee_nano_usd == 1


def test_a_payment_is_credited_once(books: Books) -> None:
    books.top_up("alice", 100, reference="payment-1")
    with pytest.raises(DuplicateRequest):
        books.top_up("alice", 100, reference="payment-1")
    assert books.balance("alice").nano_usd == 100


@pytest.mark.parametrize(("nano_usd", "fee_bps"), [(0, 0), (-5, 0), (5, -1), (5, 10_000)])
def test_a_top_up_that_can_not_be_is_refused(books: Books, nano_usd: int, fee_bps: int) -> None:
    with pytest.raises(InvalidOrder):
        books.top_up("alice", nano_usd, fee_bps=fee_bps)


def test_an_account_never_seen_has_nothing(books: Books) -> None:
    balance = books.balance("stranger")
    assert (balance.nano_usd, balance.held, balance.available) == (0, 0, 0)


def test_a_charge_is_found_by_its_request(charged: Books) -> None:
    found = charged.charge("c")
    assert found is not None and (found.nano_usd, found.at) == (PRICE, MIDNIGHT)


def test_a_charge_is_shown_to_its_account_only(charged: Books) -> None:
    assert charged.charge("d", "bob") is not None
    assert charged.charge("d", "alice") is None
    assert charged.charge("no such request") is None


def test_a_top_up_is_no_charge(books: Books) -> None:
    books.top_up("alice", 100, reference="payment-1")
    assert books.charge("payment-1") is None


def test_usage_counts_and_sums(charged: Books) -> None:
    usage = charged.usage(UsageQuery())
    assert (usage.requests, usage.total_nano_usd) == (5, 4 * PRICE + 200_000)


def test_usage_by_day_turns_at_midnight_utc(charged: Books) -> None:
    rows = charged.usage(UsageQuery(account="alice", face="cloudflare", by="day")).rows
    assert rows == (UsageRow("2026-03-01", 2, 2 * PRICE), UsageRow("2026-03-02", 1, PRICE))


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("model", [DETR, "facebook/detr-resnet-50"]),
        ("face", ["aigateway", "cloudflare"]),
        ("account", ["alice", "bob"]),
        (None, [""]),
    ],
)
def test_usage_is_grouped(charged: Books, by: str | None, keys: list[str]) -> None:
    usage = charged.usage(UsageQuery(by=by))  # pyright: ignore[reportArgumentType]
    assert [row.key for row in usage.rows] == keys
    assert usage.requests == 5


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        (UsageQuery(account="bob"), 1),
        (UsageQuery(model=DETR), 4),
        (UsageQuery(face="aigateway"), 1),
        (UsageQuery(start=MIDNIGHT), 1),
        (UsageQuery(end=MIDNIGHT), 4),
        (UsageQuery(account="nobody"), 0),
    ],
)
def test_usage_is_filtered(charged: Books, query: UsageQuery, requests: int) -> None:
    assert charged.usage(query).requests == requests


def test_a_top_up_is_no_usage(books: Books) -> None:
    books.top_up("alice", 100)
    assert books.usage(UsageQuery()).rows == ()


def test_a_statement_opens_moves_and_closes(charged: Books) -> None:
    charged.top_up("alice", 1_000_000, fee_bps=500)
    statement = charged.statement("alice", MIDNIGHT - timedelta(days=1), MIDNIGHT)
    assert statement.opening_nano_usd == 0
    assert statement.lines == (
        StatementLine("2026-03-01", "charge", "aigateway", "facebook/detr-resnet-50", 1, -200_000),
        StatementLine("2026-03-01", "charge", "cloudflare", DETR, 2, -2 * PRICE),
        StatementLine("2026-03-01", "top-up", "", "", 1, 950_000),
    )
    assert statement.closing_nano_usd == 950_000 - 200_000 - 2 * PRICE


def test_a_statement_opens_where_the_last_one_closed(charged: Books) -> None:
    before = charged.statement("alice", NOON, MIDNIGHT)
    after = charged.statement("alice", MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert after.opening_nano_usd == before.closing_nano_usd
    assert after.closing_nano_usd == charged.balance("alice").nano_usd


@pytest.mark.parametrize(("year", "number", "end"), [(2026, 12, (2027, 1)), (2028, 2, (2028, 3))])
def test_a_month_ends_where_the_next_begins(year: int, number: int, end: tuple[int, int]) -> None:
    assert month(year, number) == (datetime(year, number, 1, tzinfo=UTC), datetime(*end, 1, tzinfo=UTC))


def test_the_ledger_reads_the_same_books(database: Database) -> None:
    async def work(ledger: Ledger) -> None:
        paid = await charge(ledger, order(request_id="r"))
        assert await ledger.charge("r") == paid
        assert (await ledger.usage(UsageQuery())).requests == 1
        assert (await ledger.statement("alice", NOON, MIDNIGHT)).closing_nano_usd == -PRICE
        assert (await ledger.verify()).sound

    with_ledger(database, work)
