"""Text for people: columns, bytes, dollars."""

from __future__ import annotations

import pytest

from inflare.bindings.cli.table import byte_size, dollars, table_text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table_text(("A", "N"), [("long", "1"), ("x", "10")], right=frozenset({1})) == "A      N\nlong   1\nx     10"


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (172_175_856, "172 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_are_short(count: int | None, text: str) -> None:
    assert byte_size(count) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "free"), (7_500, "$0.0000075"), (47_000, "$0.000047"), (1_000_000_000, "$1"), (1, "$0.000000001")],
)
def test_money_is_exact(nano: int, text: str) -> None:
    assert dollars(nano) == text
