"""Accounts and their tokens: who is asking, what they may do, and who pays before and who after."""

import hashlib
import hmac
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from .storage import tokens as table
from .storage.database import Database
from .storage.errors import DuplicateRow
from .storage.instants import Clock, from_micros, to_micros, utc_now
from .storage.tokens import AccountRow, TokenRow

Kind = Literal["cloudflare", "aigateway", "gigarouter", "local"]
Scope = Literal["run", "read", "admin"]
KINDS: tuple[Kind, ...] = ("cloudflare", "aigateway", "gigarouter")
SCOPES: tuple[Scope, ...] = ("run", "read", "admin")

TOP_UP_FEE_BPS = 500  # AIgateway: 5 % at credit top-up
KEY_BYTES = 32
REMEMBERED = 4_096  # identities kept between requests
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX: dict[Kind, str] = {"cloudflare": "", "aigateway": "sk-aig-", "gigarouter": "sk-gr-", "local": "sk-local-"}
_RANDOM_BYTES = 30  # 240 bits: 40 characters of base64url, the length of a Cloudflare token


class AccountError(Exception):
    """Something about an account or a token: `value` broke `rule`; `remedy` helps."""

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}")
        self.value, self.rule, self.remedy = value, rule, remedy


class InvalidAccount(AccountError):
    """An account id, kind, scope or expiry that can't be."""


class UnknownAccount(AccountError):
    """No such account."""


class AccountExists(AccountError):
    """The account id is taken by an account of another kind."""


class UnknownTokenId(AccountError):
    """No token has this id."""


class NotAuthenticated(AccountError):
    """No token, or one that is unknown, expired or revoked (401); `why` is for the log, not for the client."""

    def __init__(self, why: Literal["missing", "unknown", "expired", "revoked", "email"]) -> None:
        super().__init__("the API token", f"is {why}", "Create one with: inflare tokens create")
        self.why = why


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays. A `local` account exists only in open mode and pays nothing in advance."""

    id: str
    kind: Kind
    email: str | None = None
    byok: bool = False

    @property
    def prepaid(self) -> bool:
        """Whether the wallet must cover a request before it runs: pay-as-you-go accounts of AIgateway only."""
        return self.kind == "aigateway" and not self.byok

    @property
    def top_up_fee_bps(self) -> int:
        """Basis points kept at a top-up; waived for accounts that bring their own key."""
        return TOP_UP_FEE_BPS if self.prepaid else 0


LOCAL = Account("local", "local")


@dataclass(frozen=True, slots=True)
class Identity:
    """An account and what its token may do."""

    account: Account
    scope: Scope
    token_id: str
    expires_at: datetime | None = None

    def allows(self, needed: Scope) -> bool:
        """admin may everything; run also reads; read only reads."""
        return needed in {"admin": SCOPES, "run": ("run", "read"), "read": ("read",)}[self.scope]


OPEN = Identity(LOCAL, "admin", "open")  # everybody, in open mode


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed: never the token itself. `hint` is its first and last characters."""

    id: str
    account: str
    scope: Scope
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the only time that it is shown."""

    token: str
    info: TokenInfo


def load_key(path: Path) -> bytes:
    """The key that token digests are made with, from a file that is created at first use, for its owner only.

    Machines that share a database share this file. Raises InvalidAccount for a file that is no key, and OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            path.hardlink_to(fresh)  # only one of several processes succeeds, and never with half a file
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise InvalidAccount(str(path), f"a token key has {KEY_BYTES} bytes", "Restore it, or remove it and all tokens")
    return key


class Accounts:
    """Accounts and tokens in the database. Every method is one transaction and raises DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        key: bytes,
        *,
        clock: Clock = utc_now,
        randomness: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._database, self._key, self._clock, self._randomness = database, key, clock, randomness

    def create_account(self, account_id: str, kind: Kind, *, email: str | None = None, byok: bool = False) -> Account:
        """A new account, or the one that is there already if it is alike. Raises InvalidAccount, AccountExists."""
        _check_account(account_id, kind)
        wanted = Account(account_id, kind, email, byok)
        row = AccountRow(account_id, kind, email, int(byok), to_micros(self._clock()))
        try:
            with self._database.write() as connection:
                found = table.account(connection, account_id)
                if found is None:
                    table.add_account(connection, row)
        except DuplicateRow:  # another process was quicker
            with self._database.read() as connection:
                found = table.account(connection, account_id)
        if found is not None and _account(found) != wanted:
            raise AccountExists(account_id, f"is already an account of kind {found.kind}", "Choose another id")
        return wanted

    def account(self, account_id: str) -> Account:
        """The account with this id. Raises UnknownAccount."""
        with self._database.read() as connection:
            row = table.account(connection, account_id)
        if row is None:
            raise UnknownAccount(account_id, "there is no such account", "Create it, or list the accounts")
        return _account(row)

    def accounts(self) -> tuple[Account, ...]:
        """Every account, by id."""
        with self._database.read() as connection:
            return tuple(_account(row) for row in table.all_accounts(connection))

    def create_token(self, account_id: str, scope: Scope, *, expires_at: datetime | None = None) -> NewToken:
        """A new token of an existing account. Raises UnknownAccount, InvalidAccount."""
        account, now = self.account(account_id), self._clock()
        if scope not in SCOPES:
            raise InvalidAccount(scope, "no such scope", f"Use one of {', '.join(SCOPES)}")
        if expires_at is not None and expires_at <= now:
            raise InvalidAccount(expires_at.isoformat(), "expires in the past", "Give a later time")
        token = _PREFIX[account.kind] + self._randomness(_RANDOM_BYTES)
        row = TokenRow(
            secrets.token_hex(8),
            account_id,
            self._digest(token),
            scope,
            f"{token[: len(_PREFIX[account.kind]) + 4]}…{token[-4:]}",
            to_micros(now),
            None if expires_at is None else to_micros(expires_at),
            None,
        )
        with self._database.write() as connection:
            table.add_token(connection, row)
        return NewToken(token, _info(row))

    def tokens(self, account_id: str | None = None) -> tuple[TokenInfo, ...]:
        """The tokens of one account, or of all; oldest first."""
        with self._database.read() as connection:
            return tuple(_info(row) for row in table.listed(connection, account_id))

    def revoke(self, token_id: str) -> TokenInfo:
        """End a token, by its id (not the token itself). Raises UnknownTokenId."""
        with self._database.write() as connection:
            row = table.revoke(connection, token_id, to_micros(self._clock()))
        if row is None:
            raise UnknownTokenId(token_id, "no token has this id", "See: inflare tokens list")
        return _info(row)

    def identify(self, token: str) -> Identity:
        """Whose token it is. Raises NotAuthenticated."""
        if not token:
            raise NotAuthenticated("missing")
        digest = self._digest(token)
        with self._database.read() as connection:
            found = table.by_digest(connection, digest)
        # The index found it by an HMAC that nobody can steer; the comparison itself gives no timing away.
        if found is None or not hmac.compare_digest(found[0].digest, digest):
            raise NotAuthenticated("unknown")
        info = _info(found[0])
        if info.revoked_at is not None:
            raise NotAuthenticated("revoked")
        return _unexpired(Identity(_account(found[1]), info.scope, info.id, info.expires_at), self._clock())

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode("utf-8", "surrogateescape"), hashlib.sha256)


class Doorkeeper:
    """Identities remembered for `seconds` between requests, so that most requests ask no database; a token revoked
    by another process works that much longer, one revoked here and `forget`-ed does not. Expiry is exact.

    Synchronous and fast when it remembers; `identify` may wait for the database, so call it in a thread on a miss.
    """

    def __init__(self, accounts: Accounts, *, seconds: float = 2.0, clock: Clock = utc_now) -> None:
        self._accounts, self._seconds, self._clock = accounts, seconds, clock
        self._known: OrderedDict[bytes, tuple[datetime, Identity]] = OrderedDict()

    def remembered(self, token: str) -> Identity | None:
        """The identity if it was asked for a moment ago; never waits. Raises NotAuthenticated when expired."""
        entry = self._known.get(_name(token))
        now = self._clock()
        if entry is None or (now - entry[0]).total_seconds() > self._seconds:
            return None
        return _unexpired(entry[1], now)

    def identify(self, token: str) -> Identity:
        """Ask the database, and remember. Raises NotAuthenticated, DatabaseUnavailable."""
        identity = self._accounts.identify(token)
        self._known[_name(token)] = (self._clock(), identity)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return identity

    def identify_by_email(self, email: str, key: str) -> Identity:
        """`X-Auth-Email` and `X-Auth-Key`: the key is a token, the e-mail its account's. Raises NotAuthenticated."""
        identity = self.remembered(key) or self.identify(key)
        known = (identity.account.email or "").casefold().encode()
        if not known or not hmac.compare_digest(known, email.strip().casefold().encode()):
            raise NotAuthenticated("email")
        return identity

    def forget(self) -> None:
        """Ask the database for everybody again, such as after a revocation."""
        self._known.clear()


def _name(token: str) -> bytes:
    """So that no token is kept in memory as it is."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _unexpired(identity: Identity, now: datetime) -> Identity:
    if identity.expires_at is not None and identity.expires_at <= now:
        raise NotAuthenticated("expired")
    return identity


def _check_account(account_id: str, kind: Kind) -> None:
    if not _ID.fullmatch(account_id):
        raise InvalidAccount(ascii(account_id[:64]), "an id is 1 to 64 of A-Z a-z 0-9 . _ -", "Choose another")
    if account_id == LOCAL.id:
        raise InvalidAccount(account_id, "this id belongs to open mode", "Choose another")
    if kind not in KINDS:
        raise InvalidAccount(kind, "no such kind of account", f"Use one of {', '.join(KINDS)}")


def _account(row: AccountRow) -> Account:
    return Account(row.id, cast(Kind, row.kind), row.email, bool(row.byok))


def _info(row: TokenRow) -> TokenInfo:
    return TokenInfo(
        row.id,
        row.account,
        cast(Scope, row.scope),
        row.hint,
        from_micros(row.created_at),
        None if row.expires_at is None else from_micros(row.expires_at),
        None if row.revoked_at is None else from_micros(row.revoked_at),
    )
