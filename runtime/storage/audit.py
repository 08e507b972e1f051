"""The rules every ledger must keep, each as one query that finds what breaks it."""

from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` selects (name, found, expected) of whatever breaks the rule; no row means that it holds."""

    name: str
    broken: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One place where a rule does not hold."""

    rule: str
    name: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows in the tables of the ledger."""

    entries: int
    postings: int
    reservations: int


RULES = (
    Rule("the ledger sums to zero", "SELECT 'ledger', sum(nano_usd), 0 FROM postings HAVING sum(nano_usd) <> 0"),
    Rule(
        "every entry sums to zero",
        "SELECT sequence, sum(nano_usd), 0 FROM postings GROUP BY sequence HAVING sum(nano_usd) <> 0",
    ),
    Rule(
        "every entry has two sides or more",
        "SELECT j.sequence, count(p.book), 2 FROM journal j LEFT JOIN postings p ON p.sequence = j.sequence "
        "GROUP BY j.sequence HAVING count(p.book) < 2",
    ),
    Rule(
        "every side belongs to an entry",
        "SELECT p.sequence, p.book, '' FROM postings p LEFT JOIN journal j ON j.sequence = p.sequence "
        "WHERE j.sequence IS NULL",
    ),
    Rule(
        "the sequence has no gap",
        "SELECT j.sequence, 'missing before', j.sequence - 1 FROM journal j "
        "LEFT JOIN journal b ON b.sequence = j.sequence - 1 WHERE j.sequence <> 1 AND b.sequence IS NULL",
    ),
    Rule(
        "the sequence ends where the head says",
        "SELECT 'head', h.last, coalesce(m.last, 0) FROM head h, (SELECT max(sequence) AS last FROM journal) m "
        "WHERE h.last <> coalesce(m.last, 0)",
    ),
    Rule(
        "an entry's amount is what its account moved by",
        "SELECT j.sequence, p.nano_usd, CASE WHEN j.kind = 'charge' THEN -j.nano_usd ELSE j.nano_usd END "
        "FROM journal j LEFT JOIN postings p ON p.sequence = j.sequence AND p.book = 'account:' || j.account "
        "WHERE p.nano_usd IS NULL OR p.nano_usd <> CASE WHEN j.kind = 'charge' THEN -j.nano_usd ELSE j.nano_usd END",
    ),
    Rule(
        "every balance equals its entries",
        "SELECT b.book, b.nano_usd, coalesce(s.total, 0) FROM balances b "
        "LEFT JOIN (SELECT book, sum(nano_usd) AS total FROM postings GROUP BY book) s ON s.book = b.book "
        "WHERE b.nano_usd <> coalesce(s.total, 0)",
    ),
    Rule(
        "every book with entries has a balance",
        "SELECT s.book, 'none', s.total FROM (SELECT book, sum(nano_usd) AS total FROM postings GROUP BY book) s "
        "LEFT JOIN balances b ON b.book = s.book WHERE b.book IS NULL AND s.total <> 0",
    ),
    Rule(
        "what is held equals the open reservations",
        "SELECT b.book, b.held, coalesce(r.total, 0) FROM balances b "
        "LEFT JOIN (SELECT 'account:' || account AS book, sum(held) AS total FROM reservations GROUP BY account) r "
        "ON r.book = b.book WHERE b.held <> coalesce(r.total, 0)",
    ),
    Rule(
        "every used key names a charge of its account",
        "SELECT k.idempotency_key, k.account, coalesce(j.account, 'none') FROM keys k "
        "LEFT JOIN journal j ON j.sequence = k.sequence AND j.kind = 'charge' "
        "WHERE j.account IS NULL OR j.account <> k.account",
    ),
)

SHOWN = 10  # breaches of one rule; more would not help anybody


def breaches(connection: Connection) -> list[Breach]:
    """Up to ten breaches of every rule."""
    found: list[Breach] = []
    for rule in RULES:
        rows = connection.execute(text(f"{rule.broken} LIMIT {SHOWN}"))
        found += [Breach(rule.name, str(name), str(value), str(expected)) for name, value, expected in rows]
    return found


def counts(connection: Connection) -> Counts:
    """How many rows an audit looked at."""
    tables = ("journal", "postings", "reservations")
    return Counts(*(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables))
