"""The rules of the ledger for one group of commands inside one transaction: what is granted, refused, charged."""

from collections.abc import Sequence

import msgspec

from ..storage.instants import from_micros, to_micros
from ..storage.journal import AccountKey, Group, JournalRow, KeyRow, ReservationRow
from .errors import IdempotencyConflict, IdempotencyInFlight, InsufficientCredits, LedgerError
from .orders import Charge, Order, Reservation
from .wallets import Wallets, book_of, revenue_of


class Reserve(msgspec.Struct, frozen=True):
    """Hold the price, claim the key."""

    order: Order


class Settle(msgspec.Struct, frozen=True):
    """Turn the reservation into a charge; `again` says that an earlier attempt may have been committed, `promised` that
    the reservation is not in the database, where another may hold the key."""

    order: Order
    again: bool = False
    promised: bool = False


class Release(msgspec.Struct, frozen=True):
    """Give the reservation back."""

    order: Order


Command = Reserve | Settle | Release
Outcome = Reservation | Charge | LedgerError | None


class Clerk:
    """Carries out one group. `again` says that an earlier attempt may have been committed unnoticed, so that
    what is found done is taken as done, not as a duplicate. The present is `now`, in microseconds."""

    def __init__(self, group: Group, holder: str, now: int, *, again: bool = False) -> None:
        self._group, self._holder, self._now, self._again = group, holder, now, again
        self._next = 1
        self._wallets = Wallets(group)
        self._keys: dict[AccountKey, KeyRow] = {}
        self._claims: dict[AccountKey, ReservationRow] = {}
        self._rows: dict[str, ReservationRow] = {}
        self._charges: dict[str, JournalRow] = {}
        self._by_sequence: dict[int, JournalRow] = {}
        self._living: set[str] | None = None
        self._opened: dict[str, ReservationRow] = {}
        self._orphaned: list[str] = []
        self._journal: list[JournalRow] = []
        self._sides: list[tuple[int, str, int]] = []
        self._settled_keys: list[KeyRow] = []

    def carry_out(self, commands: Sequence[Command]) -> list[Outcome]:
        """An outcome for each command, in order; a refusal is an outcome and undoes nothing else."""
        self._load(commands)
        outcomes = [self._outcome(command) for command in commands]
        self._flush(sum(isinstance(command, Settle) for command in commands))
        return outcomes

    @property
    def opened(self) -> bool:
        """Whether the group wrote a reservation, which needs a living holder."""
        return bool(self._opened)

    def _load(self, commands: Sequence[Command]) -> None:
        settles = sum(isinstance(command, Settle) for command in commands)
        durable = [command for command in commands if command.order.durable]
        if settles:
            self._next = self._group.advance(settles)
        elif durable:
            self._group.lock()
        if durable:
            self._load_durable(durable)
        doubtful = [c.order.request_id for c in commands if isinstance(c, Settle) and (self._again or c.again)]
        self._charges = self._group.charges(doubtful)

    def _load_durable(self, commands: Sequence[Command]) -> None:
        reserving = [command.order for command in commands if isinstance(command, Reserve)]
        pairs = {pair for command in commands if (pair := pair_of(command.order))}
        self._keys = self._group.keys(pairs)
        self._by_sequence = self._group.entries([row.sequence for row in self._keys.values()])
        promised = [command.order for command in commands if isinstance(command, Settle) and command.promised]
        self._claims = self._group.claims({pair for order in (*reserving, *promised) if (pair := pair_of(order))})
        if self._again:
            self._rows = self._group.reservations([order.request_id for order in reserving])
        written = (c for c in commands if not isinstance(c, Reserve) and not (isinstance(c, Settle) and c.promised))
        finishing = {command.order.request_id: command.order for command in written}
        for name in self._group.take(list(finishing)):
            self._rows[name] = self._row(finishing[name])
        self._wallets.load({book_of(order.account) for order in reserving if order.prepaid})

    def _outcome(self, command: Command) -> Outcome:
        try:
            if isinstance(command, Reserve):
                return self._reserve(command.order)
            if isinstance(command, Settle):
                return self._settle(command.order, command.promised)
            return self._free(self._rows.get(command.order.request_id))
        except LedgerError as refusal:
            return refusal

    def _reserve(self, order: Order) -> Reservation:
        row = self._rows.get(order.request_id)
        if row is not None and row.holder == self._holder:
            return Reservation(order)  # the earlier attempt was committed
        pair = pair_of(order)
        if pair is not None:
            charge = self._charged_under(pair, order)
            if charge is not None:
                return Reservation(order, charge)
            self._claim(pair, order)
        self._require_funds(order)
        self._open(order)
        return Reservation(order)

    def _settle(self, order: Order, promised: bool) -> Charge:
        row = self._rows.get(order.request_id)
        self._free(row)
        done = self._charges.get(order.request_id)
        if done is not None:
            return _charge(done)
        pair = pair_of(order)
        charge = None if pair is None else self._charged_under(pair, order)
        if charge is not None:
            return charge  # a retry with the same key was quicker
        if pair is not None and promised:
            self._claim(pair, order)
        if order.durable and row is None:
            self._require_funds(order)  # the lease ran out and the hold was released
        return self._append(order)

    def _charged_under(self, pair: AccountKey, order: Order) -> Charge | None:
        key = self._keys.get(pair)
        if key is None:
            return None
        if not _same(key, order):
            raise IdempotencyConflict(key.idempotency_key, _difference(key, order))
        return _charge(self._by_sequence[key.sequence])

    def _claim(self, pair: AccountKey, order: Order) -> None:
        """See that nobody living claims the key. Raises IdempotencyConflict, IdempotencyInFlight."""
        claim = self._claims.get(pair)
        if claim is None:
            return
        if not self._lives(claim.holder):
            self._free(claim)
            self._orphaned.append(claim.request_id)
        else:
            raise key_taken(claim, order)

    def _lives(self, holder: str) -> bool:
        if holder == self._holder:
            return True
        if self._living is None:
            self._living = self._group.living(self._now)
        return holder in self._living

    def _require_funds(self, order: Order) -> None:
        if not order.prepaid:
            return
        available = self._wallets.available(book_of(order.account))
        if available < order.nano_usd:
            raise InsufficientCredits(order.account, order.nano_usd, available)

    def _open(self, order: Order) -> None:
        row = self._row(order)
        self._opened[row.request_id] = row
        pair = pair_of(order)
        if pair is not None:
            self._claims[pair] = row
        self._wallets.move(book_of(order.account), held=row.held)

    def _row(self, order: Order) -> ReservationRow:
        """How the order's reservation is written down."""
        held = order.nano_usd if order.prepaid else 0
        key, digest = order.idempotency_key, order.body_hash or b""
        return ReservationRow(order.request_id, self._holder, order.account, order.face, order.model, held, key, digest)

    def _free(self, row: ReservationRow | None) -> None:
        if row is None:
            return
        self._rows.pop(row.request_id, None)
        if row.idempotency_key is not None:
            self._claims.pop((row.account, row.idempotency_key), None)
        self._wallets.move(book_of(row.account), held=-row.held)

    def _append(self, order: Order) -> Charge:
        row = JournalRow(
            self._next + len(self._journal),
            "charge",
            to_micros(order.at),
            order.account,
            order.face,
            order.model,
            order.request_id,
            order.nano_usd,
        )
        self._journal.append(row)
        customer, revenue = book_of(order.account), revenue_of(order.face)
        self._sides += ((row.sequence, customer, -order.nano_usd), (row.sequence, revenue, order.nano_usd))
        self._wallets.move(customer, nano_usd=-order.nano_usd)
        self._wallets.move(revenue, nano_usd=order.nano_usd)
        pair = pair_of(order)
        if pair is not None:
            self._by_sequence[row.sequence] = row
            key = KeyRow(*pair, order.face, order.model, order.body_hash or b"", row.sequence)
            self._keys[pair] = key
            self._settled_keys.append(key)
        return _charge(row)

    def _flush(self, taken: int) -> None:
        self._group.close(self._orphaned)
        self._group.open(list(self._opened.values()))
        if len(self._journal) < taken:
            self._group.advance(len(self._journal) - taken)  # give back what no charge needed
        if self._journal:
            self._group.append(self._journal, self._sides)
        self._group.settle_keys(self._settled_keys)
        self._wallets.flush()


def release_orphans(group: Group, now: int) -> int:
    """Release the reservations whose process is dead at `now`; how many there were."""
    group.lock()
    orphans = group.orphans(now)
    wallets = Wallets(group)
    for row in orphans:
        wallets.move(book_of(row.account), held=-row.held)
    group.close([row.request_id for row in orphans])
    wallets.flush()
    group.bury(now)
    return len(orphans)


def pair_of(order: Order) -> AccountKey | None:
    """What an order's idempotency key is unique in; None where it has none."""
    return None if order.idempotency_key is None else (order.account, order.idempotency_key)


def key_taken(other: ReservationRow | Order, order: Order) -> LedgerError:
    """Why `order` cannot have the key that `other`, which is open, holds."""
    if _same(other, order):
        return IdempotencyInFlight(order.idempotency_key or "")
    return IdempotencyConflict(order.idempotency_key or "", _difference(other, order))


def _same(row: KeyRow | ReservationRow | Order, order: Order) -> bool:
    return (row.face, row.model, row.body_hash or b"") == (order.face, order.model, order.body_hash or b"")


def _difference(row: KeyRow | ReservationRow | Order, order: Order) -> str:
    if row.model != order.model:
        return "model"
    return "face" if row.face != order.face else "body"


def _charge(row: JournalRow) -> Charge:
    return Charge(
        row.request_id or "", row.account, row.model, row.face, row.nano_usd, row.sequence, from_micros(row.at)
    )
