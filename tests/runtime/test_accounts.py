"""Accounts and tokens: shown once, kept only as a keyed hash, ended by time or by hand; on both databases."""

import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inflare.runtime.accounts import (
    KINDS,
    LOCAL,
    OPEN,
    Account,
    AccountExists,
    Accounts,
    Doorkeeper,
    Identity,
    InvalidAccount,
    Kind,
    NotAuthenticated,
    Scope,
    UnknownAccount,
    UnknownTokenId,
    load_key,
)
from inflare.runtime.storage import tokens as table
from inflare.runtime.storage.database import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = bytes(range(32))


class HandClock:
    """Stands still until it is moved."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def accounts(database: Database, clock: HandClock) -> Accounts:
    made = Accounts(database, KEY, clock=clock)
    made.create_account("alice", "cloudflare", email="alice@example.com")
    return made


def _refused(identify: Callable[[], Identity]) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        identify()
    return refused.value.why


def test_a_token_names_its_account_and_scope(accounts: Accounts) -> None:
    new = accounts.create_token("alice", "run")
    identity = accounts.identify(new.token)
    assert (identity.account.id, identity.scope, identity.token_id) == ("alice", "run", new.info.id)


@pytest.mark.parametrize(
    ("kind", "form"),
    [("cloudflare", r"[\w-]{40}"), ("aigateway", r"sk-aig-[\w-]{40}"), ("gigarouter", r"sk-gr-[\w-]{40}")],
)
def test_a_token_looks_like_its_face(accounts: Accounts, kind: Kind, form: str) -> None:
    accounts.create_account("somebody", kind)
    assert re.fullmatch(form, accounts.create_token("somebody", "run").token)


def test_the_token_itself_is_nowhere_in_the_database(accounts: Accounts, database: Database) -> None:
    new = accounts.create_token("alice", "run")
    with database.read() as connection:
        row = table.listed(connection, "alice")[0]
    assert new.token not in repr(row)
    assert len(row.digest) == 32


def test_another_key_knows_no_token(accounts: Accounts, database: Database) -> None:
    new = accounts.create_token("alice", "run")
    assert _refused(lambda: Accounts(database, bytes(32)).identify(new.token)) == "unknown"


@pytest.mark.parametrize(("token", "why"), [("", "missing"), ("nonsense", "unknown"), ("ü\udcff", "unknown")])
def test_what_is_no_token_is_refused(accounts: Accounts, token: str, why: str) -> None:
    assert _refused(lambda: accounts.identify(token)) == why


def test_a_token_expires_on_the_instant(accounts: Accounts, clock: HandClock) -> None:
    new = accounts.create_token("alice", "run", expires_at=NOON + timedelta(hours=1))
    clock.now = NOON + timedelta(hours=1) - timedelta(microseconds=1)
    accounts.identify(new.token)
    clock.now = NOON + timedelta(hours=1)
    assert _refused(lambda: accounts.identify(new.token)) == "expired"


def test_a_revoked_token_is_refused(accounts: Accounts) -> None:
    new = accounts.create_token("alice", "run")
    accounts.revoke(new.info.id)
    assert _refused(lambda: accounts.identify(new.token)) == "revoked"


def test_the_first_revocation_counts(accounts: Accounts, clock: HandClock) -> None:
    new = accounts.create_token("alice", "run")
    accounts.revoke(new.info.id)
    clock.now += timedelta(days=1)
    assert accounts.revoke(new.info.id).revoked_at == NOON


def test_only_a_token_that_exists_is_revoked(accounts: Accounts) -> None:
    with pytest.raises(UnknownTokenId):
        accounts.revoke("none")


def test_tokens_are_listed_by_account(accounts: Accounts) -> None:
    accounts.create_account("bob", "aigateway")
    infos = [accounts.create_token(name, "read").info for name in ("alice", "bob", "alice")]
    assert set(accounts.tokens("alice")) == {infos[0], infos[2]}
    assert len(accounts.tokens()) == 3


def test_a_hint_gives_nothing_away(accounts: Accounts) -> None:
    new = accounts.create_token("alice", "run")
    assert new.info.hint == f"{new.token[:4]}…{new.token[-4:]}"


@pytest.mark.parametrize(
    ("scope", "allowed"), [("run", {"run", "read"}), ("read", {"read"}), ("admin", {"run", "read", "admin"})]
)
def test_a_scope_allows(scope: Scope, allowed: set[Scope]) -> None:
    identity = Identity(LOCAL, scope, "t")
    needed: tuple[Scope, ...] = ("run", "read", "admin")
    assert {each for each in needed if identity.allows(each)} == allowed


def test_a_token_needs_an_account(accounts: Accounts) -> None:
    with pytest.raises(UnknownAccount):
        accounts.create_token("nobody", "run")


def test_a_token_can_not_expire_before_it_is_made(accounts: Accounts) -> None:
    with pytest.raises(InvalidAccount):
        accounts.create_token("alice", "run", expires_at=NOON)


def test_a_scope_must_exist(accounts: Accounts) -> None:
    with pytest.raises(InvalidAccount):
        accounts.create_token("alice", "root")  # pyright: ignore[reportArgumentType]


def test_creating_an_account_again_changes_nothing(accounts: Accounts) -> None:
    again = accounts.create_account("alice", "cloudflare", email="alice@example.com")
    assert accounts.accounts() == (again,)


def test_an_account_id_is_taken_once(accounts: Accounts) -> None:
    with pytest.raises(AccountExists):
        accounts.create_account("alice", "aigateway")


@pytest.mark.parametrize("account_id", ["", "local", "a b", "-a", "a" * 65, "../x", "é"])
def test_an_account_id_that_can_not_be_is_refused(accounts: Accounts, account_id: str) -> None:
    with pytest.raises(InvalidAccount):
        accounts.create_account(account_id, "cloudflare")


def test_an_account_has_a_known_kind(accounts: Accounts) -> None:
    with pytest.raises(InvalidAccount):
        accounts.create_account("bob", "bank")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", KINDS)
def test_only_pay_as_you_go_accounts_of_aigateway_are_prepaid(kind: Kind) -> None:
    assert Account("a", kind).prepaid == (kind == "aigateway")
    assert not Account("a", kind, byok=True).prepaid


@pytest.mark.parametrize(("byok", "fee"), [(False, 500), (True, 0)])
def test_bringing_a_key_waives_the_fee(byok: bool, fee: int) -> None:
    assert Account("a", "aigateway", byok=byok).top_up_fee_bps == fee


def test_in_open_mode_everybody_may_everything_and_nobody_prepays() -> None:
    assert OPEN.allows("admin")
    assert not OPEN.account.prepaid


def test_a_doorkeeper_remembers_for_a_moment(accounts: Accounts, clock: HandClock) -> None:
    door = Doorkeeper(accounts, seconds=2, clock=clock)
    token = accounts.create_token("alice", "run").token
    assert door.remembered(token) is None
    identity = door.identify(token)
    clock.now += timedelta(seconds=2)
    assert door.remembered(token) == identity
    clock.now += timedelta(seconds=1)
    assert door.remembered(token) is None


def test_a_remembered_token_still_expires(accounts: Accounts, clock: HandClock) -> None:
    door = Doorkeeper(accounts, seconds=3600, clock=clock)
    token = accounts.create_token("alice", "run", expires_at=NOON + timedelta(minutes=1)).token
    door.identify(token)
    clock.now += timedelta(minutes=1)
    with pytest.raises(NotAuthenticated):
        door.remembered(token)


def test_a_doorkeeper_forgets_when_told(accounts: Accounts, clock: HandClock) -> None:
    door = Doorkeeper(accounts, seconds=3600, clock=clock)
    token = accounts.create_token("alice", "run").token
    door.identify(token)
    door.forget()
    assert door.remembered(token) is None


@pytest.mark.parametrize("email", ["alice@example.com", " Alice@Example.COM "])
def test_an_email_and_its_key_are_let_in(accounts: Accounts, clock: HandClock, email: str) -> None:
    door = Doorkeeper(accounts, clock=clock)
    assert door.identify_by_email(email, accounts.create_token("alice", "run").token).account.id == "alice"


@pytest.mark.parametrize("email", ["bob@example.com", ""])
def test_a_key_of_somebody_else_is_refused(accounts: Accounts, clock: HandClock, email: str) -> None:
    door, token = Doorkeeper(accounts, clock=clock), accounts.create_token("alice", "run").token
    assert _refused(lambda: door.identify_by_email(email, token)) == "email"


def test_an_account_without_an_email_has_no_such_door(accounts: Accounts, clock: HandClock) -> None:
    accounts.create_account("bob", "cloudflare")
    door, token = Doorkeeper(accounts, clock=clock), accounts.create_token("bob", "run").token
    assert _refused(lambda: door.identify_by_email("", token)) == "email"


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "token.key"
    assert load_key(path) == load_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token.key"]


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    assert load_key(tmp_path / "a") != load_key(tmp_path / "b")


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token.key").write_bytes(b"short")
    with pytest.raises(InvalidAccount):
        load_key(tmp_path / "token.key")
