"""The tables as queries name them. How they come to be is in migrations.py; a test holds the two together."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# One row a thing that happened to money. `sequence` is 1, 2, 3, … without a gap; `at` is microseconds since
# 1970 UTC; `nano_usd` is what the customer's balance moved by, as a positive amount.
journal = Table(
    "journal",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # charge | top-up
    Column("at", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("face", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("request_id", Text),
    Column("nano_usd", BigInteger, nullable=False),
)

# The two or more sides of each journal row; they sum to zero.
postings = Table(
    "postings",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("book", Text, primary_key=True),  # account:<id> | revenue:<face> | fees:<face> | cash
    Column("nano_usd", BigInteger, nullable=False),
)

# The running sum of each book, and what open reservations hold back from it.
balances = Table(
    "balances",
    metadata,
    Column("book", Text, primary_key=True),
    Column("nano_usd", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
)

# One row: the last sequence given out. Its lock puts groups of several processes in a line.
head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# Open reservations that hold money or claim an idempotency key.
reservations = Table(
    "reservations",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("face", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("idempotency_key", Text),
    Column("body_hash", LargeBinary, nullable=False),
)

# Keys whose charge is in the journal.
keys = Table(
    "keys",
    metadata,
    Column("account", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("face", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

# Processes that have reservations; one whose time is over is dead, and its reservations are released.
holders = Table(
    "holders",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("email", Text),
    Column("byok", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scope", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)
