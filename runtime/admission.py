"""Who may run now: an account's requests a minute and at once, its day's allocation, and a place at the model."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic

from ..models.card import Card
from . import faults
from .accounts import Account
from .config import Settings
from .inference.gate import Gate, QueueFull
from .limits import CLOUDFLARE_REQUESTS_PER_MINUTE, ConcurrencyLimit, RateLimit, RateLimited, TooManyConcurrent

_BUSY = "Capacity temporarily exceeded, please try again."


class Admission:
    """The limits of one process. Used from one event loop."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        hosted = CLOUDFLARE_REQUESTS_PER_MINUTE if settings.auth.mode == "tokens" else 0
        per_minute = limits.requests_per_minute or hosted
        self._rate = RateLimit(per_minute) if per_minute else None
        self._at_once = ConcurrencyLimit(limits.concurrent_per_account) if limits.concurrent_per_account else None
        self._depth = settings.runtime.queue
        self._gates: dict[str, Gate] = {}

    def taken(self, card: Card) -> int:
        """Requests that hold a place at the model now."""
        return self._gate(card).taken

    @contextmanager
    def admit(self, card: Card, account: Account) -> Generator[None]:
        """Hold a place for one request. Raises Overloaded, TooManyAtOnce or RateLimited at once; nobody waits."""
        with self._place(account), self._model(card):
            self._count(card, account)
            yield

    def _gate(self, card: Card) -> Gate:
        return self._gates.setdefault(card.id, Gate(self._depth))

    @contextmanager
    def _model(self, card: Card) -> Generator[None]:
        permit = self._gate(card).permit()
        try:
            permit.__enter__()
        except QueueFull as full:
            raise faults.Overloaded(_BUSY) from full
        try:
            yield
        finally:
            permit.__exit__(None, None, None)

    @contextmanager
    def _place(self, account: Account) -> Generator[None]:
        if self._at_once is None:
            yield
            return
        try:
            self._at_once.enter(account.id)
        except TooManyConcurrent as limit:
            raise faults.TooManyAtOnce(f"{_BUSY} {limit}", limit.retry_after) from limit
        try:
            yield
        finally:
            self._at_once.leave(account.id)

    def _count(self, card: Card, account: Account) -> None:
        if self._rate is None:
            return
        try:
            self._rate.admit(account.id, card.task, monotonic())
        except RateLimited as limit:
            raise faults.RateLimited(str(limit), limit.retry_after) from limit
