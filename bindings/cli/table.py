"""Columns of text for people."""

from __future__ import annotations

from collections.abc import Sequence

_GAP = "  "


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Left-aligned columns under `head`; those whose index is in `right` are right-aligned."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def cell(text: str, column: int) -> str:
        return text.rjust(widths[column]) if column in right else text.ljust(widths[column])

    return "\n".join(_GAP.join(cell(text, at) for at, text in enumerate(line)).rstrip() for line in lines)


def byte_size(count: int | None) -> str:
    """1536 is "1.5 kB"; None is "?"."""
    if count is None:
        return "?"
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def dollars(nano: int) -> str:
    """An integer of nano-dollars, exactly: 7500 is "$0.0000075"; 0 is "free"."""
    if nano == 0:
        return "free"
    whole, fraction = divmod(nano, 1_000_000_000)
    digits = f"{fraction:09d}".rstrip("0")
    return f"${whole}.{digits}" if digits else f"${whole}"
