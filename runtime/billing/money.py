"""Nano-dollars for people: exact to the last digit, or rounded, which is for display only."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from .errors import InvalidOrder

NANO = 1_000_000_000  # nano-dollars in a dollar


def exact(nano_usd: int) -> str:
    """All nine places: 7,500 is "$0.000007500"."""
    sign = "-" if nano_usd < 0 else ""
    dollars, rest = divmod(abs(nano_usd), NANO)
    return f"{sign}${dollars:,}.{rest:09d}"


def rounded(nano_usd: int) -> str:
    """To the cent, half to even: "$1,234.57"."""
    cents = int((Decimal(nano_usd) * 100 / NANO).to_integral_value(ROUND_HALF_EVEN))
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}${dollars:,}.{rest:02d}"


def parse_usd(text: str) -> int:
    """Nano-dollars of "10", "0.0002" or "$1,000.50". Raises InvalidOrder where it is no amount, or finer than a
    nano-dollar."""
    try:
        nano = Decimal(text.strip().removeprefix("$").replace(",", "")) * NANO
    except InvalidOperation as error:
        raise InvalidOrder(ascii(text[:32]), "not an amount of dollars", 'Write it as "10.00"') from error
    if not nano.is_finite() or nano != nano.to_integral_value() or abs(nano) >= 2**63:
        raise InvalidOrder(ascii(text[:32]), "not a whole number of nano-dollars", "Use at most nine places")
    return int(nano)
