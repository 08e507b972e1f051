"""Who must wait: requests a minute, requests at once, the daily allocation. Pure logic; the clock is passed in."""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MINUTE = 60.0  # seconds
CLOUDFLARE_REQUESTS_PER_MINUTE = 3_000  # object detection and image classification, platform/limits
CLOUDFLARE_DAILY_NEURONS = 10_000  # the free allocation, reset at 00:00 UTC, platform/pricing


class LimitReached(Exception):
    """A limit of an account: `value` is over `rule`; `retry_after` in seconds is when to try again."""

    def __init__(self, value: str, rule: str, remedy: str, retry_after: float) -> None:
        super().__init__(f"{value}: {rule}. {remedy}")
        self.value, self.rule, self.remedy, self.retry_after = value, rule, remedy, retry_after

    @property
    def retry_after_header(self) -> str:
        """Whole seconds, at least one, for `Retry-After`."""
        return str(max(1, math.ceil(self.retry_after)))


class RateLimited(LimitReached):
    """Too many requests in the last minute (Cloudflare: 3021)."""


class TooManyConcurrent(LimitReached):
    """Too many requests of the account at once (Cloudflare: 3040)."""


class AllocationExhausted(LimitReached):
    """The daily free allocation is used up (Cloudflare: 4006)."""


class RateLimit:
    """At most `per_minute` admitted requests in any 60 seconds, for each account and task. A refused request does
    not count. `now` is in seconds of any clock that never goes back."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._admitted: dict[tuple[str, str], deque[float]] = {}
        self._swept = -math.inf

    def admit(self, account: str, task: str, now: float) -> None:
        """Count one request. Raises RateLimited with the seconds until the oldest one is a minute old."""
        self._sweep(now)
        admitted = self._admitted.setdefault((account, task), deque())
        _forget(admitted, now)
        if len(admitted) < self.per_minute:
            admitted.append(now)
            return
        wait = admitted[0] + MINUTE - now if admitted else MINUTE
        rule = f"at most {self.per_minute} {task} requests a minute"
        raise RateLimited(account, rule, f"Retry in {math.ceil(wait)} s", wait)

    def _sweep(self, now: float) -> None:
        """Once a minute, forget the accounts that have been silent."""
        if now - self._swept < MINUTE:
            return
        self._swept = now
        for key, admitted in list(self._admitted.items()):
            _forget(admitted, now)
            if not admitted:
                del self._admitted[key]


def _forget(admitted: deque[float], now: float) -> None:
    while admitted and admitted[0] <= now - MINUTE:
        admitted.popleft()


class ConcurrencyLimit:
    """At most `at_once` requests of one account between `enter` and `leave`."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._inside: dict[str, int] = {}

    def enter(self, account: str) -> None:
        """Take a place. Raises TooManyConcurrent."""
        inside = self._inside.get(account, 0)
        if inside >= self.at_once:
            rule = f"at most {self.at_once} requests of an account at once"
            raise TooManyConcurrent(account, rule, "Wait for one of them to finish", 1.0)
        self._inside[account] = inside + 1

    def leave(self, account: str) -> None:
        """Give the place back; once for each successful `enter`."""
        inside = self._inside.get(account, 0) - 1
        if inside > 0:
            self._inside[account] = inside
        else:
            self._inside.pop(account, None)


@dataclass(slots=True)
class _Day:
    starts: datetime
    used: dict[str, int] = field(default_factory=dict[str, int])


class DailyAllocation:
    """At most `micro_neurons` (millionths of a neuron) for each account and UTC day."""

    def __init__(self, micro_neurons: int = CLOUDFLARE_DAILY_NEURONS * 1_000_000) -> None:
        self.micro_neurons = micro_neurons
        self._day = _Day(datetime.min.replace(tzinfo=UTC))

    def knows(self, account: str, now: datetime) -> bool:
        """Whether the account's use of this day is known; if not, `begin` with what the ledger says."""
        return account in self._today(now).used

    def begin(self, account: str, used: int, now: datetime) -> None:
        """Say what the account has used since 00:00 UTC, such as before a restart."""
        self._today(now).used.setdefault(account, used)

    def take(self, account: str, micro_neurons: int, now: datetime) -> None:
        """Use some of the allocation. Raises AllocationExhausted with the seconds until 00:00 UTC."""
        day = self._today(now)
        used = day.used.get(account, 0)
        if used + micro_neurons > self.micro_neurons:
            wait = (day.starts + timedelta(days=1) - now).total_seconds()
            rule = f"the daily free allocation of {self.micro_neurons // 1_000_000:,} neurons is used up"
            raise AllocationExhausted(account, rule, "Retry after 00:00 UTC", wait)
        day.used[account] = used + micro_neurons

    def give_back(self, account: str, micro_neurons: int, now: datetime) -> None:
        """Undo a `take` whose request failed."""
        used = self._today(now).used
        used[account] = max(0, used.get(account, 0) - micro_neurons)

    def _today(self, now: datetime) -> _Day:
        starts = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if starts != self._day.starts:
            self._day = _Day(starts)
        return self._day
