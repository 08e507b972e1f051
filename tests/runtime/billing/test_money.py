"""Amounts for people: exact to the nano-dollar, rounded only on request, read without floats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflare.runtime.billing.errors import InvalidOrder
from inflare.runtime.billing.money import exact, parse_usd, rounded


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [(0, "$0.000000000"), (7_500, "$0.000007500"), (-1, "-$0.000000001"), (1_234_000_000_001, "$1,234.000000001")],
)
def test_an_exact_amount_has_nine_places(nano_usd: int, text: str) -> None:
    assert exact(nano_usd) == text


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [(4_999_999, "$0.00"), (5_000_000, "$0.00"), (15_000_000, "$0.02"), (-1_994_999_999, "-$1.99"), (-1, "$0.00")],
)
def test_a_rounded_amount_goes_to_the_nearest_cent(nano_usd: int, text: str) -> None:
    assert rounded(nano_usd) == text


@given(st.integers(-(2**62), 2**62))
def test_what_is_printed_exactly_can_be_read_again(nano_usd: int) -> None:
    assert parse_usd(exact(nano_usd).replace("-$", "$-")) == nano_usd


@pytest.mark.parametrize(("text", "nano_usd"), [("10", 10**10), ("$1,000.50", 1_000_500_000_000), ("0.0002", 200_000)])
def test_an_amount_is_read(text: str, nano_usd: int) -> None:
    assert parse_usd(text) == nano_usd


@pytest.mark.parametrize("text", ["", "ten", "0.0000000001", "nan", "inf", "1e30", "5 EUR"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidOrder):
        parse_usd(text)
