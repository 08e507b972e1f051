"""Where a request meets its price: reserved while it is worked on, settled once it succeeded, released otherwise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date
from functools import partial

import msgspec
from msgspec.structs import replace

from ...models.card import Card
from .. import faults
from ..accounts import Account
from ..storage.errors import DatabaseUnavailable, StorageError
from ..storage.instants import Clock
from . import errors
from .allocation import Allocation
from .ledger import Ledger
from .orders import Charge, Order, Reservation
from .outage import unavailable, unsettled
from .prices import BillingFace, Quote, quote

log = logging.getLogger("inflare.billing")

# A request with a key that is not done by then is written down, so that other processes know of the key.
_WRITTEN_AFTER_S = 0.25


Hashing = Callable[[], Awaitable[bytes]]


class Purchase(msgspec.Struct, frozen=True):
    """What is bought: one inference request of `account` on `face`.

    idempotency_key: the client's. body_hash: of what was asked, so that a key is not used for something else.
    """

    account: Account
    face: BillingFace
    request_id: str
    images: int = 1
    idempotency_key: str | None = None
    body_hash: Hashing | None = None


class Sale:
    """An open sale; `charge` is set once it is settled. `reserving` is its reservation, while it is made."""

    def __init__(self, quote: Quote, reserving: asyncio.Future[Reservation]) -> None:
        self.quote = quote
        self.charge: Charge | None = None
        self.reserving = reserving

    def refused(self) -> bool:
        """Whether it is known by now that nothing will be sold, so that no more work need be done."""
        return self.reserving.done() and (self.reserving.cancelled() or self.reserving.exception() is not None)


class Till:
    """Sells inference requests against the ledger."""

    def __init__(self, ledger: Ledger, allocation: Allocation, clock: Clock) -> None:
        self.ledger = ledger
        self._allocation = allocation
        self._clock = clock
        self._quoted: dict[tuple[str, BillingFace], tuple[Card, date, Quote]] = {}

    def quote(self, card: Card, face: BillingFace) -> Quote:
        """The price of `card` on `face` now; looked up once a day, since prices change at 00:00 UTC."""
        now = self._clock()
        today = now.astimezone(UTC).date()
        known = self._quoted.get((card.id, face))
        if known is None or known[0] is not card or known[1] != today:
            known = self._quoted[card.id, face] = (card, today, quote(card, face, now))
        return known[2]

    @asynccontextmanager
    async def sale(self, card: Card, purchase: Purchase) -> AsyncGenerator[Sale]:
        """Reserve while the body runs, then settle; a body that raises is released and costs nothing.

        A refused reservation goes before whatever the body raised: the body may look at `refused` and stop early.
        Raises InsufficientCredits, IdempotencyConflict, IdempotencyInFlight, BadInput (a key that cannot be one),
        AllocationExhausted, Unavailable, Internal.
        """
        quote = self.quote(card, purchase.face)
        order = self._order(card, purchase, quote)
        paid = partial(self._paid_before, order, purchase.body_hash)
        portion = await self._allocation.take(purchase.account, quote, purchase.images, order.at, paid)
        try:
            sale = Sale(quote, await self._reserving(order, purchase.body_hash))
            try:
                with self._written_late(sale, order):
                    yield sale
                reservation = await asyncio.shield(sale.reserving)
            except BaseException as error:
                refusal = await asyncio.shield(self._undo(sale.reserving, type(error).__name__))
                if refusal is not None and isinstance(error, Exception):
                    raise refusal from error.__cause__
                raise
            sale.charge = await self._settle(reservation)
        except BaseException:
            portion.give_back()
            raise
        if sale.charge.request_id != order.request_id:  # it was paid before
            portion.give_back()

    async def _reserving(self, order: Order, body_hash: Hashing | None) -> asyncio.Future[Reservation]:
        """The reservation, while it is made; one that need not be written down is there at once."""
        if order.durable:
            return asyncio.create_task(self._reserve(order, body_hash, promised=_promised(order)))
        made = asyncio.get_running_loop().create_future()
        made.set_result(await self._reserve(order, body_hash))
        return made

    def _order(self, card: Card, purchase: Purchase, quote: Quote) -> Order:
        try:
            return Order(
                account=purchase.account.id,
                face=purchase.face,
                model=card.id,
                nano_usd=quote.cost(purchase.images),
                prepaid=purchase.account.prepaid,
                request_id=purchase.request_id,
                at=self._clock(),
                idempotency_key=purchase.idempotency_key,
            )
        except errors.InvalidOrder as error:
            raise _fault(error) from error

    async def _paid_before(self, order: Order, body_hash: Hashing | None) -> bool:
        """Whether the order repeats one that was charged under its key, and so costs nothing. Raises a Fault."""
        if order.idempotency_key is None:
            return False
        reservation = await self._reserve(order, body_hash)
        await self._release(reservation, "only asked about")
        return reservation.repeat

    async def _reserve(self, order: Order, body_hash: Hashing | None, *, promised: bool = False) -> Reservation:
        if body_hash is not None:
            order = replace(order, body_hash=await body_hash())
        try:
            return self.ledger.promise(order) if promised else await self.ledger.reserve(order)
        except (errors.LedgerError, StorageError) as error:
            raise _fault(error) from error

    @contextmanager
    def _written_late(self, sale: Sale, order: Order) -> Generator[None]:
        """Has a promise written down if what is done meanwhile takes long."""
        if not _promised(order):
            yield
            return

        def write_down() -> None:
            sale.reserving = asyncio.create_task(self._written(sale.reserving))

        timer = asyncio.get_running_loop().call_later(_WRITTEN_AFTER_S, write_down)
        try:
            yield
        finally:
            timer.cancel()

    async def _written(self, promised: asyncio.Future[Reservation]) -> Reservation:
        promise = await promised
        try:
            return await self.ledger.write_down(promise)
        except (errors.LedgerError, StorageError) as error:
            raise _fault(error) from error

    async def _undo(self, reserving: asyncio.Future[Reservation], reason: str) -> faults.Fault | None:
        """Release what is or will be reserved; the fault, where it was refused."""
        try:
            reservation = await reserving
        except faults.Fault as refusal:
            return refusal
        await self._release(reservation, reason)
        return None

    async def _settle(self, reservation: Reservation) -> Charge:
        """Whoever stops waiting for it does not stop the charge, which is on its way to the database by then."""
        try:
            return await self.ledger.settle(reservation)
        except (errors.LedgerError, StorageError) as error:
            await self._release(reservation, "it could not be settled")
            raise (unsettled(error) if isinstance(error, DatabaseUnavailable) else _fault(error)) from error

    async def _release(self, reservation: Reservation, reason: str) -> None:
        try:
            await self.ledger.release(reservation, reason)
        except errors.ReservationClosed:
            log.debug("%s was closed before it was released", reservation.order.request_id)
        except (errors.LedgerError, StorageError) as error:
            log.error("%s is not released yet: %s", reservation.order.request_id, error)


def _promised(order: Order) -> bool:
    """Whether an order is only promised at first: it holds no money, but has a key."""
    return order.durable and not order.prepaid


def _fault(error: Exception) -> faults.Fault:
    match error:
        case errors.InsufficientCredits():
            return faults.InsufficientCredits(str(error))
        case errors.IdempotencyInFlight():
            return faults.IdempotencyInFlight(str(error), error.retry_after)
        case errors.IdempotencyConflict():
            return faults.IdempotencyConflict(str(error))
        case errors.InvalidOrder():
            return faults.BadInput(str(error))
        case errors.LedgerClosed():
            return faults.Stopping("The server is stopping, please try again.")
        case DatabaseUnavailable():
            return unavailable(error)
        case _:
            log.error("the ledger failed: %s", error)
            return faults.Internal()
