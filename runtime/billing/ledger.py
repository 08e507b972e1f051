"""The ledger as the engine holds it: reserve, then settle or release; every success is charged exactly once."""

import asyncio
import logging
import queue
import secrets
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from ..storage.database import Database, Kept
from ..storage.errors import DatabaseUnavailable, DuplicateRow
from ..storage.instants import MICROSECOND, Clock, to_micros, utc_now
from ..storage.journal import AccountKey, Group
from .books import Books
from .clerk import Clerk, Command, Outcome, Release, Reserve, Settle, key_taken, pair_of, release_orphans
from .errors import DuplicateRequest, LedgerClosed, LedgerError, ReservationClosed
from .orders import Balance, Charge, Order, Reservation, TopUp
from .usage import Audit, Statement, Usage, UsageQuery
from .writer import Writer

LEASE = timedelta(seconds=10)
GROUP = 512  # commands of one commit; more would only make the first of them wait

logger = logging.getLogger(__name__)


class _Asked(msgspec.Struct, frozen=True):
    """A command, and who waits for its outcome (nobody, when it tidies up)."""

    command: Command
    future: "asyncio.Future[Any] | None" = None


class Ledger:
    """Append-only, double-entry, in integer nano-dollars; used from an event loop.

    A reservation of a prepaid account or with an idempotency key is a row in the database, held by this ledger's
    lease: when the process dies, another one (or its successor) releases it once `lease` is over. Any other
    reservation has nothing to hold and costs no commit; nor does a promise, for a key alone. All methods raise
    DatabaseUnavailable where the database fails, and LedgerClosed after `close`.
    """

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, lease: timedelta = LEASE, group: int = GROUP
    ) -> None:
        self.books = Books(database, clock=clock)
        self._database, self._clock, self._lease = database, clock, lease
        self._holder = secrets.token_hex(16)
        self._lease_ends = 0
        self._open: dict[str, Order] = {}
        self._promised: set[str] = set()  # open, and not in the database
        self._keys: dict[AccountKey, Order] = {}  # of what was promised and is open
        self._doubtful: set[str] = set()  # settled, perhaps: the database did not say
        self._unreleased: queue.SimpleQueue[Command] = queue.SimpleQueue()  # what the database did not answer
        self._closed = False
        self._kept = Kept()
        interval = lease.total_seconds() / 3
        self._writer = Writer[_Asked](self._carry_out, self._sweep, interval=interval, group=group)

    async def reserve(self, order: Order) -> Reservation:
        """Hold the order's price, and claim its idempotency key.

        A key that was charged before gives a reservation with `repeat` set, which costs nothing. A key whose first
        request is still running is refused rather than awaited: a waiting request would keep its place in the
        server while the one it waits for needs a place, and SDKs retry a 409 by themselves.
        Raises InsufficientCredits, IdempotencyConflict, IdempotencyInFlight, DuplicateRequest.
        """
        self._refuse_if_closed()
        if order.request_id in self._open:
            raise DuplicateRequest(order.request_id)
        self._refuse_if_promised(order)
        self._open[order.request_id] = order
        if not order.durable:
            return Reservation(order)
        try:
            reservation = cast(Reservation, await self._ask(Reserve(order)))
        except Exception:
            self._open.pop(order.request_id, None)
            raise
        if reservation.repeat:
            self._open.pop(order.request_id, None)
        return reservation

    def promise(self, order: Order) -> Reservation:
        """A reservation that is not written down, of an order that holds no money: where the work is soon done, its
        charge is all that need be. Until then only this ledger keeps the key from other orders, and whether it was
        charged before is found when it is settled.

        Raises IdempotencyConflict, IdempotencyInFlight, DuplicateRequest, and ValueError for a prepaid order.
        """
        self._refuse_if_closed()
        if order.prepaid:
            raise ValueError("what holds money is reserved, not promised")
        if order.request_id in self._open:
            raise DuplicateRequest(order.request_id)
        self._refuse_if_promised(order)
        pair = pair_of(order)
        if pair is not None:
            self._keys[pair] = order
            self._promised.add(order.request_id)
        self._open[order.request_id] = order
        return Reservation(order)

    async def write_down(self, promise: Reservation) -> Reservation:
        """The reservation of what was promised, because it takes longer: from now on its key is kept from every
        process. Raises as `reserve`, and ReservationClosed; what is refused is open no more."""
        self._refuse_if_closed()
        order = promise.order
        if order.request_id not in self._open:
            raise ReservationClosed(order.request_id)
        self._promised.discard(order.request_id)
        try:
            reservation = cast(Reservation, await self._ask(Reserve(order)))
        except Exception:
            self._forget(order)
            raise
        if reservation.repeat:
            self._forget(order)
        return reservation

    async def settle(self, reservation: Reservation) -> Charge:
        """Charge the order; durable when this returns. A repeat returns the first answer's charge.

        Where the database fails the reservation stays open: settle again, which charges at most once, or release.
        Raises ReservationClosed, and InsufficientCredits or IdempotencyConflict where the process was stopped for
        longer than its lease and the money or the key went to another request meanwhile: nothing is charged then.
        """
        if reservation.charge is not None:
            return reservation.charge
        order = reservation.order
        again, promised = order.request_id in self._doubtful, order.request_id in self._promised
        return cast(Charge, await self._finish(Settle(order, again, promised)))

    async def release(self, reservation: Reservation, reason: str) -> None:
        """Give the reservation back uncharged; `reason` is logged. Where the database fails it is tried again until
        it succeeds, so that nothing stays held. Raises ReservationClosed."""
        if reservation.repeat:
            return
        logger.debug("released %s: %s", reservation.order.request_id, reason)
        order = reservation.order
        if self._written(order):
            await self._finish(Release(order))
        elif not self._forget(order):
            raise ReservationClosed(order.request_id)

    async def top_up(self, account: str, nano_usd: int, *, fee_bps: int = 0, reference: str | None = None) -> TopUp:
        """Credit what was paid less the fee; see `Books.top_up`."""
        return await asyncio.to_thread(self.books.top_up, account, nano_usd, fee_bps=fee_bps, reference=reference)

    async def balance(self, account: str) -> Balance:
        """What the account has, and what open reservations hold of it."""
        return await asyncio.to_thread(self.books.balance, account)

    async def charge(self, request_id: str, account: str | None = None) -> Charge | None:
        """What one request cost; None where it was not charged, or to another than `account`."""
        return await asyncio.to_thread(self.books.charge, request_id, account)

    async def usage(self, query: UsageQuery) -> Usage:
        """Charges counted and summed."""
        return await asyncio.to_thread(self.books.usage, query)

    async def statement(self, account: str, start: datetime, end: datetime) -> Statement:
        """What moved an account's balance from `start` until before `end`."""
        return await asyncio.to_thread(self.books.statement, account, start, end)

    async def verify(self) -> Audit:
        """Check the whole ledger; see `Books.verify`."""
        return await asyncio.to_thread(self.books.verify)

    async def sweep(self) -> int:
        """Release the reservations of dead processes now (it is done every third of a lease anyway); their count."""
        self._refuse_if_closed()
        return await asyncio.to_thread(self._sweep)

    async def close(self, *, release: bool = True) -> None:
        """Finish what is queued and stop writing. Open reservations are released, or, with `release` False, left
        to the end of the lease as if the process had died. The database stays open."""
        if self._closed:
            return
        held = [order for order in self._open.values() if self._written(order)] if release else []
        self._open.clear()
        for order in held:
            self._writer.put(_Asked(Release(order)))
        self._closed = True
        await asyncio.to_thread(self._writer.stop)
        self._kept.drop()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LedgerClosed

    def _refuse_if_promised(self, order: Order) -> None:
        """Raises IdempotencyConflict, IdempotencyInFlight where another order here has the key."""
        pair = pair_of(order)
        if pair is not None and pair in self._keys:
            raise key_taken(self._keys[pair], order)

    async def _ask(self, command: Command) -> Outcome:
        self._refuse_if_closed()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        asked = _Asked(command, future)
        self._writer.put(asked)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # it was answered in the same turn: nobody hears of it
                self._deliver_to_nobody([(asked, cast(Any, future.exception()) or future.result())])
            raise

    async def _finish(self, command: Settle | Release) -> Outcome:
        order = command.order
        self._refuse_if_closed()
        if self._open.pop(order.request_id, None) is None:
            raise ReservationClosed(order.request_id)
        try:
            outcome = await self._ask(command)
        except LedgerError:
            self._forget(order)
            raise
        except Exception:
            self._open[order.request_id] = order
            self._doubtful.add(order.request_id)
            raise
        self._forget(order)
        return outcome

    def _forget(self, order: Order) -> bool:
        """The order is open no more; whether it was."""
        self._doubtful.discard(order.request_id)
        self._promised.discard(order.request_id)
        pair = pair_of(order)
        if pair is not None and self._keys.get(pair) is order:
            del self._keys[pair]
        return self._open.pop(order.request_id, None) is not None

    def _written(self, order: Order) -> bool:
        """Whether the order's reservation is, or may be, a row in the database."""
        return order.durable and order.request_id not in self._promised

    # From here on: the writer's thread, except `_deliver`.

    def _carry_out(self, asked: list[_Asked]) -> None:
        outcomes = self._attempt([each.command for each in asked])
        waiting: defaultdict[asyncio.AbstractEventLoop, list[tuple[_Asked, Outcome | Exception]]] = defaultdict(list)
        for each, outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, DatabaseUnavailable) and not isinstance(each.command, Settle):
                self._unreleased.put(Release(each.command.order))  # whether it was written is not known
                outcome = None if isinstance(each.command, Release) else outcome
            if each.future is not None:
                waiting[each.future.get_loop()].append((each, outcome))
        for loop, pairs in waiting.items():
            try:
                loop.call_soon_threadsafe(self._deliver, pairs)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._deliver_to_nobody(pairs)

    def _attempt(self, commands: Sequence[Command], *, again: bool = False) -> list[Outcome | Exception]:
        """The outcomes of a committed group. A group that the database refuses is carried out one by one, so that
        one bad order harms no other; one that it did not answer is tried once more."""
        try:
            return list(self._commit(commands, again=again))
        except DatabaseUnavailable as failure:
            return [failure] * len(commands) if again else self._attempt(commands, again=True)
        except Exception as failure:
            if len(commands) > 1:
                return [outcome for command in commands for outcome in self._attempt([command], again=again)]
            duplicate = isinstance(failure, DuplicateRow)
            return [DuplicateRequest(commands[0].order.request_id) if duplicate else failure]

    def _commit(self, commands: Sequence[Command], *, again: bool) -> list[Outcome]:
        now = to_micros(self._clock())
        with self._database.group(self._kept) as statements:
            group = Group(statements)
            clerk = Clerk(group, self._holder, now, again=again)
            outcomes = clerk.carry_out(commands)
            lease_ends = self._renew(group, now) if clerk.opened else self._lease_ends
        self._lease_ends = lease_ends
        return outcomes

    def _renew(self, group: Group, now: int) -> int:
        """Keep this process's lease alive; the instant at which it now ends."""
        lease = self._lease // MICROSECOND
        if self._lease_ends - now > lease * 2 // 3:
            return self._lease_ends
        group.renew(self._holder, now + lease)
        return now + lease

    def _sweep(self) -> int:
        unreleased = [_Asked(command) for command in _drained(self._unreleased)]
        if unreleased:
            self._carry_out(unreleased)
        now = to_micros(self._clock())
        holding = any(self._written(order) for order in list(self._open.values()))
        with self._database.group() as statements:
            group = Group(statements)
            lease_ends = self._renew(group, now) if holding else self._lease_ends
            count = release_orphans(group, now)
        self._lease_ends = lease_ends
        return count

    def _deliver(self, pairs: Sequence[tuple[_Asked, Outcome | Exception]]) -> None:
        lost: list[tuple[_Asked, Outcome | Exception]] = []
        for each, outcome in pairs:
            future = each.future
            if future is None or future.done():
                lost.append((each, outcome))  # its request was cancelled
            elif isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._deliver_to_nobody(lost)

    def _deliver_to_nobody(self, pairs: Sequence[tuple[_Asked, Outcome | Exception]]) -> None:
        """Give back what was granted to, or could not be charged to, a request that is gone."""
        for each, outcome in pairs:
            order = each.command.order
            granted = isinstance(outcome, Reservation) and not outcome.repeat
            if granted or isinstance(outcome, DatabaseUnavailable):
                self._writer.put(_Asked(Release(order)))
            self._forget(order)


def _drained(waiting: "queue.SimpleQueue[Command]") -> list[Command]:
    """All that is in the queue now; never waits."""
    found: list[Command] = []
    with suppress(queue.Empty):
        while True:
            found.append(waiting.get_nowait())
    return found
