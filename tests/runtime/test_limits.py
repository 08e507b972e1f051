"""Limits: exactly as many as allowed, then a time to wait that is right; the clock is moved by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.runtime.limits import (
    MINUTE,
    AllocationExhausted,
    ConcurrencyLimit,
    DailyAllocation,
    RateLimit,
    RateLimited,
    TooManyConcurrent,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _admitted(limit: RateLimit, account: str, task: str, now: float) -> bool:
    try:
        limit.admit(account, task, now)
    except RateLimited:
        return False
    return True


def test_as_many_as_allowed_and_not_one_more() -> None:
    limit = RateLimit(3)
    assert [_admitted(limit, "a", "t", 0.0) for _ in range(5)] == [True, True, True, False, False]


def test_waiting_as_told_is_enough() -> None:
    limit = RateLimit(2)
    limit.admit("a", "t", 10.0)
    limit.admit("a", "t", 30.0)
    with pytest.raises(RateLimited) as refused:
        limit.admit("a", "t", 40.0)
    assert refused.value.retry_after == pytest.approx(30.0)
    limit.admit("a", "t", 40.0 + refused.value.retry_after)


def test_a_refused_request_does_not_count() -> None:
    limit = RateLimit(1)
    limit.admit("a", "t", 0.0)
    assert not _admitted(limit, "a", "t", 59.0)
    assert _admitted(limit, "a", "t", 60.0)


@pytest.mark.parametrize(("account", "task"), [("b", "t"), ("a", "u")])
def test_accounts_and_tasks_are_counted_apart(account: str, task: str) -> None:
    limit = RateLimit(1)
    limit.admit("a", "t", 0.0)
    assert _admitted(limit, account, task, 0.0)


def test_a_limit_of_zero_admits_nobody() -> None:
    with pytest.raises(RateLimited) as refused:
        RateLimit(0).admit("a", "t", 0.0)
    assert refused.value.retry_after == MINUTE


@pytest.mark.parametrize(("now", "header"), [(0.0, "60"), (59.9, "1"), (30.5, "30")])
def test_the_header_is_in_whole_seconds(now: float, header: str) -> None:
    limit = RateLimit(1)
    limit.admit("a", "t", 0.0)
    with pytest.raises(RateLimited) as refused:
        limit.admit("a", "t", now)
    assert refused.value.retry_after_header == header


@given(st.integers(1, 5), st.lists(st.floats(0, 30), max_size=60))
def test_no_minute_ever_has_more_than_the_limit(per_minute: int, gaps: list[float]) -> None:
    limit, now, admitted = RateLimit(per_minute), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if _admitted(limit, "a", "t", now):
            admitted.append(now)
    assert all(sum(start <= at < start + MINUTE for at in admitted) <= per_minute for start in admitted)


def test_so_many_at_once() -> None:
    limit = ConcurrencyLimit(2)
    limit.enter("a")
    limit.enter("a")
    limit.enter("b")
    with pytest.raises(TooManyConcurrent):
        limit.enter("a")


def test_a_place_is_free_again_after_leaving() -> None:
    limit = ConcurrencyLimit(1)
    for _ in range(3):
        limit.enter("a")
        limit.leave("a")
    limit.enter("a")
    with pytest.raises(TooManyConcurrent):
        limit.enter("a")


def test_leaving_too_often_makes_no_room() -> None:
    limit = ConcurrencyLimit(1)
    limit.leave("a")
    limit.enter("a")
    with pytest.raises(TooManyConcurrent):
        limit.enter("a")


def test_the_daily_allocation_ends() -> None:
    allocation = DailyAllocation(2 * 684_200)
    for _ in range(2):
        allocation.take("a", 684_200, NOON)
    with pytest.raises(AllocationExhausted) as refused:
        allocation.take("a", 684_200, NOON)
    assert refused.value.retry_after == timedelta(hours=12).total_seconds()


def test_ten_thousand_neurons_are_14615_requests() -> None:
    allocation, count = DailyAllocation(), 0
    with pytest.raises(AllocationExhausted):
        while True:
            allocation.take("a", 684_200, NOON)
            count += 1
    assert count == 14_615


def test_the_allocation_is_new_at_midnight_utc() -> None:
    allocation = DailyAllocation(5)
    allocation.take("a", 5, NOON)
    allocation.take("a", 5, NOON + timedelta(hours=12))


def test_a_failed_request_gives_its_part_back() -> None:
    allocation = DailyAllocation(5)
    allocation.take("a", 5, NOON)
    allocation.give_back("a", 5, NOON)
    allocation.take("a", 5, NOON)


def test_what_was_used_before_a_restart_counts() -> None:
    allocation = DailyAllocation(5)
    assert not allocation.knows("a", NOON)
    allocation.begin("a", 5, NOON)
    assert allocation.knows("a", NOON)
    with pytest.raises(AllocationExhausted):
        allocation.take("a", 1, NOON)


def test_a_late_beginning_forgets_nothing() -> None:
    allocation = DailyAllocation(5)
    allocation.take("a", 5, NOON)
    allocation.begin("a", 0, NOON)
    with pytest.raises(AllocationExhausted):
        allocation.take("a", 1, NOON)
