"""How the tables came to be: numbered steps, run in one transaction at start. A step, once released, is never
edited; a change is a new step. An older binary refuses what a newer one wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from .errors import SchemaTooNew


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. `{bigint}`, `{bytes}` and `{strict}` stand for the dialect's words; a statement that begins with
    "sqlite:" or "postgresql:" is for that one only."""

    version: int
    name: str
    statements: tuple[str, ...]


_WORDS = {
    "sqlite": {
        "bigint": "INTEGER",
        "bytes": "BLOB",
        "strict": " STRICT",
        "clustered": " STRICT, WITHOUT ROWID",
    },
    "postgresql": {"bigint": "BIGINT", "bytes": "BYTEA", "strict": "", "clustered": ""},
}


def _append_only(table: str) -> tuple[str, ...]:
    """Triggers by which the database itself refuses to rewrite history."""
    message = f"{table} is append-only"
    sqlite = tuple(
        f"sqlite:CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for verb in ("UPDATE", "DELETE")
    )
    postgres = (
        f"postgresql:CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite()",
    )
    return sqlite + postgres


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "ledger, accounts and tokens",
        (
            "CREATE TABLE journal (sequence {bigint} PRIMARY KEY, kind TEXT NOT NULL, at {bigint} NOT NULL, "
            "account TEXT NOT NULL, face TEXT NOT NULL, model TEXT NOT NULL, request_id TEXT, "
            "nano_usd {bigint} NOT NULL CHECK (nano_usd >= 0)){strict}",
            "CREATE UNIQUE INDEX journal_request ON journal (request_id) WHERE request_id IS NOT NULL",
            "CREATE INDEX journal_account ON journal (account, at)",
            "CREATE TABLE postings (sequence {bigint} NOT NULL, book TEXT NOT NULL, nano_usd {bigint} NOT NULL, "
            "PRIMARY KEY (sequence, book)){clustered}",
            "CREATE TABLE balances (book TEXT PRIMARY KEY, nano_usd {bigint} NOT NULL, held {bigint} NOT NULL)"
            "{clustered}",
            "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), last {bigint} NOT NULL){strict}",
            "INSERT INTO head (id, last) VALUES (1, 0)",
            "CREATE TABLE reservations (request_id TEXT PRIMARY KEY, holder TEXT NOT NULL, account TEXT NOT NULL, "
            "face TEXT NOT NULL, model TEXT NOT NULL, held {bigint} NOT NULL CHECK (held >= 0), "
            "idempotency_key TEXT, body_hash {bytes} NOT NULL){clustered}",
            "CREATE UNIQUE INDEX reservations_key ON reservations (account, idempotency_key) "
            "WHERE idempotency_key IS NOT NULL",
            "CREATE TABLE keys (account TEXT NOT NULL, idempotency_key TEXT NOT NULL, face TEXT NOT NULL, "
            "model TEXT NOT NULL, body_hash {bytes} NOT NULL, sequence {bigint} NOT NULL, "
            "PRIMARY KEY (account, idempotency_key)){clustered}",
            "CREATE TABLE holders (holder TEXT PRIMARY KEY, expires_at {bigint} NOT NULL){clustered}",
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, kind TEXT NOT NULL, email TEXT, "
            "byok INTEGER NOT NULL, created_at {bigint} NOT NULL){strict}",
            "CREATE TABLE tokens (id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), "
            "digest {bytes} NOT NULL UNIQUE, scope TEXT NOT NULL, hint TEXT NOT NULL, "
            "created_at {bigint} NOT NULL, expires_at {bigint}, revoked_at {bigint}){strict}",
            "CREATE INDEX tokens_account ON tokens (account)",
            "postgresql:CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
            *_append_only("journal"),
            *_append_only("postings"),
        ),
    ),
)

_MIGRATION_LOCK = 5_203_511_437  # an arbitrary number, the same in every process


def migrate(connection: Connection, address: str, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the database to the last of `migrations` within the caller's transaction; its version is returned.

    Raises SchemaTooNew where the database is ahead of this release.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)"
    )
    found = connection.exec_driver_sql("SELECT coalesce(max(version), 0) FROM migrations").scalar_one()
    newest = migrations[-1].version
    if found > newest:
        rule = f"its schema is version {found}, this release knows {newest}"
        raise SchemaTooNew(address, rule, "Use the newer inflare that wrote it, or another database")
    for migration in migrations:
        if migration.version > found:
            _run(connection, migration)
    return newest


def _run(connection: Connection, migration: Migration) -> None:
    dialect = connection.dialect.name
    for statement in migration.statements:
        only, _, rest = statement.partition(":") if statement.startswith(("sqlite:", "postgresql:")) else ("", "", "")
        if only in ("", dialect):
            text = rest or statement.format(**_WORDS[dialect])
            connection.exec_driver_sql(text.replace("%", "%%") if dialect == "postgresql" else text)
    connection.exec_driver_sql(
        f"INSERT INTO migrations (version, name) VALUES ({migration.version}, '{migration.name}')"
    )
