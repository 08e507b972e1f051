"""Why the ledger says no, each with the value, the rule it broke and the remedy."""


class LedgerError(Exception):
    """Something the ledger refuses: `value` was asked, `rule` forbids it, `remedy` helps."""

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}")
        self.value, self.rule, self.remedy = value, rule, remedy


class InvalidOrder(LedgerError):
    """An amount, key or fee that no order may have."""


_SAME_LATER = "Send the same request again in a moment: it is answered then, and not charged twice"


class InsufficientCredits(LedgerError):
    """A prepaid account has less than the price left, open reservations counted (402)."""

    def __init__(self, account: str, needed: int, available: int) -> None:
        rule = f"the request costs {needed} nano-dollars and {available} are available"
        super().__init__(account, rule, "Top up the wallet")
        self.needed, self.available = needed, available


class IdempotencyConflict(LedgerError):
    """The key was used by this account for another body, model or face; `differs` says which (422)."""

    def __init__(self, key: str, differs: str = "request") -> None:
        rule = f"this idempotency key was used before, with another {differs}"
        super().__init__(key, rule, "Use a new key for a new request; send an old one only with the same request")
        self.differs = differs


class IdempotencyInFlight(LedgerError):
    """The first request with this key has not finished (409). `retry_after` in seconds; SDKs retry a 409."""

    def __init__(self, key: str, retry_after: float = 1.0) -> None:
        super().__init__(key, "the first request with this idempotency key is still running", _SAME_LATER)
        self.retry_after = retry_after


class DuplicateRequest(LedgerError):
    """The request id is already in the ledger; ids are made by the runtime, one for each request."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id, "this request id is already in the ledger", "Give every request its own id")


class ReservationClosed(LedgerError):
    """The reservation was settled or released before, or belongs to another ledger."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id, "this reservation is no longer open", "Reserve again")


class LedgerClosed(LedgerError):
    """The ledger was closed; nothing is charged any more."""

    def __init__(self) -> None:
        super().__init__("the ledger", "is closed", "Start the runtime again")
