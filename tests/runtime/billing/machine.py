"""What the ledger should do, as a model that is too simple to be wrong, and the rules that compare the two.

Two ledgers on one database stand for two processes. They reserve, promise, settle, release, crash and retry in
any order, with a clock moved by hand; after each step the outcome must be the model's."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from inflare.runtime.billing.errors import (
    IdempotencyConflict,
    IdempotencyInFlight,
    InsufficientCredits,
    LedgerError,
    ReservationClosed,
)
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Order, Reservation
from inflare.runtime.storage.database import Database
from tests.runtime.billing.wallet import LEASE, HandClock, order

SIDES = st.sampled_from((0, 1))
ACCOUNTS = st.sampled_from(("prepaid", "postpaid"))
KEYS = st.sampled_from((None, None, "k1", "k2"))
BODIES = st.sampled_from((b"one", b"two"))
PRICES = st.sampled_from((0, 7_500, 47_000, 200_000))


@dataclass
class Open:
    """A reservation as the model sees it: `kept` until its process died or was robbed. A promise has a key that its own
    ledger knows, and nothing in the database until it is written down."""

    side: int
    life: int
    reservation: Reservation
    kept: bool = True
    promise: bool = False
    written: bool = True
    finished: bool = False

    @property
    def order(self) -> Order:
        return self.reservation.order


def _same_key(one: Order, other: Order) -> bool:
    keys = {one.idempotency_key, other.idempotency_key}
    return one.account == other.account and len(keys) == 1 and None not in keys


def _taken(holder: Order, wanted: Order) -> type[LedgerError]:
    return IdempotencyInFlight if holder.body_hash == wanted.body_hash else IdempotencyConflict


class LedgerMachine(RuleBasedStateMachine):
    """Subclasses set `database`; every run uses accounts of its own in it."""

    database: Database
    runs = 0
    reservations: Bundle[Open] = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        self.lives = [0, 0]
        self.ledgers = [self._start(), self._start()]
        self.balances: dict[str, int] = {}
        self.charged: dict[tuple[str, str], Order] = {}
        self.charges = 0
        self.open: list[Open] = []

    def _start(self) -> Ledger:
        async def start() -> Ledger:
            ledger = Ledger(self.database, clock=self.clock, lease=LEASE)
            # Once this is answered, the sweep that every ledger begins with is over.
            await ledger.release(await ledger.reserve(order("nobody", key="start")), "only to be sure it runs")
            return ledger

        return self.runner.run(start())

    def _name(self, account: str) -> str:
        return f"{account}-{type(self).runs}"

    def _available(self, account: str) -> int:
        held = sum(
            o.order.nano_usd
            for o in self.open
            if o.kept and not o.finished and o.order.account == account and o.order.prepaid
        )
        return self.balances.get(account, 0) - held

    def _claim(self, wanted: Order) -> Order | None:
        for o in self.open:
            if o.kept and o.written and not o.finished and _same_key(o.order, wanted):
                return o.order
        return None

    def _promised(self, side: int, wanted: Order) -> Order | None:
        for o in self.open:
            here = o.promise and (o.side, o.life) == (side, self.lives[side])
            if here and not o.finished and _same_key(o.order, wanted):
                return o.order
        return None

    def _paid(self, wanted: Order) -> Order | None:
        return self.charged.get((wanted.account, wanted.idempotency_key or ""))

    def _poor(self, wanted: Order) -> bool:
        return wanted.prepaid and self._available(wanted.account) < wanted.nano_usd

    def _expected(self, wanted: Order) -> type[LedgerError] | str:
        """What reserving `wanted` must give."""
        paid, claim = self._paid(wanted), self._claim(wanted)
        if paid is not None:
            return "repeat" if paid.body_hash == wanted.body_hash else IdempotencyConflict
        if claim is not None:
            return _taken(claim, wanted)
        return InsufficientCredits if self._poor(wanted) else "granted"

    def _ask(self, work: Any) -> Any:
        """The outcome, a refusal included."""

        async def ask() -> Any:
            try:
                return await work
            except LedgerError as refusal:
                return refusal

        return self.runner.run(ask())

    @initialize(nano_usd=st.integers(1, 1_000_000))
    def first_money(self, nano_usd: int) -> None:
        """A wallet that pays for some requests."""
        self.top_up("prepaid", nano_usd, 500)

    @rule(account=ACCOUNTS, nano_usd=st.integers(1, 500_000), fee_bps=st.sampled_from((0, 500)))
    def top_up(self, account: str, nano_usd: int, fee_bps: int) -> None:
        """Money comes in."""
        name = self._name(account)
        credit = self._ask(self.ledgers[0].top_up(name, nano_usd, fee_bps=fee_bps)).credited_nano_usd
        assert credit == nano_usd - nano_usd * fee_bps // 10_000
        self.balances[name] = self.balances.get(name, 0) + credit

    @rule(target=reservations, side=SIDES, account=ACCOUNTS, nano_usd=PRICES, key=KEYS, body=BODIES)
    def reserve(
        self, side: int, account: str, nano_usd: int, key: str | None, body: bytes
    ) -> Open | MultipleResults[Open]:
        """A request begins."""
        wanted = order(self._name(account), nano_usd, prepaid=account == "prepaid", key=key, body=body)
        here = self._promised(side, wanted)
        expected = self._expected(wanted) if here is None else _taken(here, wanted)
        outcome = self._ask(self.ledgers[side].reserve(wanted))
        if not isinstance(outcome, Reservation):
            assert type(outcome) is expected
            return multiple()
        assert ("repeat" if outcome.repeat else "granted") == expected
        opened = Open(side, self.lives[side], outcome)
        if outcome.repeat:
            self._settle_repeat(opened)
            return multiple()
        self.open.append(opened)
        return opened

    @rule(target=reservations, side=SIDES, nano_usd=PRICES, key=KEYS, body=BODIES)
    def promise(self, side: int, nano_usd: int, key: str | None, body: bytes) -> Open | MultipleResults[Open]:
        """A request begins that is thought to end soon."""
        wanted = order(self._name("postpaid"), nano_usd, key=key, body=body)
        other = self._promised(side, wanted)
        try:
            promise = self.ledgers[side].promise(wanted)
        except LedgerError as refusal:
            assert other is not None and type(refusal) is _taken(other, wanted)
            return multiple()
        assert other is None and not promise.repeat
        opened = Open(side, self.lives[side], promise, promise=True, written=False)
        self.open.append(opened)
        return opened

    @rule(target=reservations, opened=consumes(reservations))
    def write_down(self, opened: Open) -> Open | MultipleResults[Open]:
        """A request takes longer than was thought."""
        if not opened.promise or opened.written or opened.order.idempotency_key is None:
            return opened
        expected = self._expected(opened.order)
        outcome = self._ask(self.ledgers[opened.side].write_down(opened.reservation))
        if opened.life != self.lives[opened.side]:
            assert type(outcome) is ReservationClosed
            return multiple()
        if isinstance(outcome, Reservation) and not outcome.repeat:
            assert expected == "granted"
            opened.written = opened.kept = True
            return opened
        opened.finished = True
        if isinstance(outcome, Reservation):
            assert expected == "repeat"
            self._settle_repeat(Open(opened.side, opened.life, outcome))
        else:
            assert type(outcome) is expected
        return multiple()

    def _settle_repeat(self, opened: Open) -> None:
        charge = self._ask(self.ledgers[opened.side].settle(opened.reservation))
        paid = self._paid(opened.order)
        assert paid is not None and charge.request_id == paid.request_id

    @rule(opened=consumes(reservations))
    def settle(self, opened: Open) -> None:
        """A request succeeds, in time or after its process was taken for dead."""
        outcome = self._ask(self.ledgers[opened.side].settle(opened.reservation))
        if opened.life != self.lives[opened.side]:
            assert type(outcome) is ReservationClosed  # its process crashed; another life knows nothing of it
            return
        opened.finished = True
        paid = self._paid(opened.order)
        claim = None if opened.written else self._claim(opened.order)
        if paid is not None and paid.body_hash != opened.order.body_hash:
            assert type(outcome) is IdempotencyConflict
        elif paid is not None:
            assert outcome.request_id == paid.request_id
        elif claim is not None:
            assert type(outcome) is _taken(claim, opened.order)
        elif not opened.kept and opened.order.durable and self._poor(opened.order):
            assert type(outcome) is InsufficientCredits
        else:
            assert outcome.request_id == opened.order.request_id
            self._charge(opened.order)

    def _charge(self, paid: Order) -> None:
        self.balances[paid.account] = self.balances.get(paid.account, 0) - paid.nano_usd
        self.charges += 1
        if paid.idempotency_key is not None:
            self.charged[paid.account, paid.idempotency_key] = paid

    @rule(opened=consumes(reservations))
    def release(self, opened: Open) -> None:
        """A request fails."""
        outcome = self._ask(self.ledgers[opened.side].release(opened.reservation, "failed"))
        if opened.life != self.lives[opened.side]:
            assert type(outcome) is ReservationClosed
            return
        assert outcome is None
        opened.finished = True

    @rule(side=SIDES)
    def crash(self, side: int) -> None:
        """A process dies and another takes its place; what it held stays held."""
        self.runner.run(self.ledgers[side].close(release=False))
        self.lives[side] += 1
        self.ledgers[side] = self._start()

    @rule()
    def lease_passes(self) -> None:
        """Longer than a lease goes by, in which living processes give signs of life."""
        for _ in range(4):
            self.clock.advance(LEASE / 3)
            for ledger in self.ledgers:
                self.runner.run(ledger.sweep())
        for opened in self.open:
            opened.kept = opened.kept and opened.life == self.lives[opened.side]

    @rule(side=SIDES)
    def one_process_freezes(self, side: int) -> None:
        """The machine sleeps; the other process wakes up first and takes this one for dead."""
        self.clock.advance(LEASE + timedelta(seconds=1))
        self.runner.run(self.ledgers[1 - side].sweep())
        self.runner.run(self.ledgers[side].sweep())
        for opened in self.open:
            alive = opened.life == self.lives[opened.side] and opened.side != side
            opened.kept = opened.kept and alive

    @invariant()
    def wallets_are_as_expected(self) -> None:
        """Balance and hold of each account are the model's."""
        for account, nano_usd in self.balances.items():
            balance = self.ledgers[0].books.balance(account)
            assert (balance.nano_usd, balance.available) == (nano_usd, self._available(account))

    def teardown(self) -> None:
        """The whole ledger is sound after every run."""
        for ledger in self.ledgers:
            self.runner.run(ledger.close(release=False))
        self.runner.close()
        assert self.ledgers[0].books.verify().problems == ()
