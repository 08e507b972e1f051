"""What travels between the engine and the ledger: an order, its reservation, its charge."""

from datetime import datetime

import msgspec

from .errors import InvalidOrder

LONGEST_KEY = 255  # characters, as other payment APIs allow


class Order(msgspec.Struct, frozen=True):
    """One request to be paid.

    `nano_usd` is the whole price in nano-dollars; `prepaid` says that the wallet must cover it. `request_id` is
    made by the runtime and unique. `idempotency_key` is the client's; the same key of the same account means the
    same request only where `body_hash`, `face` and `model` are the same too. `at` is aware. Raises InvalidOrder.
    """

    account: str
    face: str
    model: str
    nano_usd: int
    prepaid: bool
    request_id: str
    at: datetime
    idempotency_key: str | None = None
    body_hash: bytes | None = None

    def __post_init__(self) -> None:
        if self.nano_usd < 0:
            raise InvalidOrder(str(self.nano_usd), "a price is never negative", "Check the price book")
        key = self.idempotency_key
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            rule = f"an idempotency key has 1 to {LONGEST_KEY} printable characters"
            raise InvalidOrder(ascii(key[:32]), rule, "Send a UUID")
        if self.at.tzinfo is None:
            raise InvalidOrder(str(self.at), "an order's time has a zone", "Use datetime.now(UTC)")

    @property
    def durable(self) -> bool:
        """Whether its reservation must be in the database: it holds money or claims a key."""
        return self.prepaid or self.idempotency_key is not None


class Charge(msgspec.Struct, frozen=True):
    """A settled order: `sequence` is its place in the journal, `at` when the order was made."""

    request_id: str
    account: str
    model: str
    face: str
    nano_usd: int
    sequence: int
    at: datetime


class Reservation(msgspec.Struct, frozen=True):
    """A promise to settle or release. `repeat` is set where the key was charged before: `charge` is the first
    answer's, and settling costs nothing."""

    order: Order
    charge: Charge | None = None

    @property
    def repeat(self) -> bool:
        """Whether this request was already paid under its idempotency key."""
        return self.charge is not None


class TopUp(msgspec.Struct, frozen=True):
    """Credit bought: `paid_nano_usd` came in, `fee_nano_usd` was kept, the rest was credited."""

    account: str
    paid_nano_usd: int
    fee_nano_usd: int
    sequence: int
    at: datetime

    @property
    def credited_nano_usd(self) -> int:
        """What the wallet grew by."""
        return self.paid_nano_usd - self.fee_nano_usd


class Balance(msgspec.Struct, frozen=True):
    """A wallet: `nano_usd` is credit (negative = owed by a postpaid account), `held` what open requests reserve."""

    account: str
    nano_usd: int
    held: int

    @property
    def available(self) -> int:
        """What a new request may cost, nano-dollars."""
        return self.nano_usd - self.held
