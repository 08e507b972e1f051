"""The statements on accounts and tokens. What a token is and who may do what is in accounts.py."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from .schema import accounts, tokens


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; `byok` is 0 or 1, `created_at` microseconds since 1970 UTC."""

    id: str
    kind: str
    email: str | None
    byok: int
    created_at: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token, by its digest only. Times in microseconds since 1970 UTC."""

    id: str
    account: str
    digest: bytes
    scope: str
    hint: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None


def add_account(connection: Connection, row: AccountRow) -> None:
    """Write a new account."""
    connection.execute(insert(accounts), [{name: getattr(row, name) for name in AccountRow.__slots__}])


def account(connection: Connection, account_id: str) -> AccountRow | None:
    """The account with this id."""
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
    return None if row is None else AccountRow(*row)


def all_accounts(connection: Connection) -> list[AccountRow]:
    """Every account, by id."""
    return [AccountRow(*row) for row in connection.execute(select(accounts).order_by(accounts.c.id))]


def add_token(connection: Connection, row: TokenRow) -> None:
    """Write a new token."""
    connection.execute(insert(tokens), [{name: getattr(row, name) for name in TokenRow.__slots__}])


def by_digest(connection: Connection, digest: bytes) -> tuple[TokenRow, AccountRow] | None:
    """The token with this digest, and its account."""
    statement = select(tokens, accounts).join(accounts, accounts.c.id == tokens.c.account)
    row = connection.execute(statement.where(tokens.c.digest == digest)).one_or_none()
    if row is None:
        return None
    width = len(tokens.c)
    return TokenRow(*row[:width]), AccountRow(*row[width:])


def listed(connection: Connection, account_id: str | None) -> list[TokenRow]:
    """The tokens of one account, or of all; oldest first."""
    conditions: list[ColumnElement[bool]] = [] if account_id is None else [tokens.c.account == account_id]
    statement = select(tokens).where(*conditions).order_by(tokens.c.created_at, tokens.c.id)
    return [TokenRow(*row) for row in connection.execute(statement)]


def revoke(connection: Connection, token_id: str, at: int) -> TokenRow | None:
    """Mark a token revoked at `at`, unless it is already; the token, or None where there is none."""
    when = func.coalesce(tokens.c.revoked_at, at)
    statement = update(tokens).where(tokens.c.id == token_id).values(revoked_at=when).returning(tokens)
    row = connection.execute(statement).one_or_none()
    return None if row is None else TokenRow(*row)
