"""Who is asking: the token of a request, and whether it may do what it asks."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import HTTPConnection

from .. import faults
from ..accounts import OPEN, Doorkeeper, Identity, NotAuthenticated, Scope
from ..billing.outage import unavailable
from ..storage.errors import DatabaseUnavailable

log = logging.getLogger("inflare.door")

_DENIED = "Authentication error"


class Door:
    """Every face's authentication. Without a doorkeeper (open mode) any token, or none, is the account "local"."""

    def __init__(self, doorkeeper: Doorkeeper | None) -> None:
        self._doorkeeper = doorkeeper

    @property
    def open(self) -> bool:
        """Whether anybody may enter."""
        return self._doorkeeper is None

    async def enter(self, request: HTTPConnection, needed: Scope = "run", account: str | None = None) -> Identity:
        """Who sent the request; `account` is the one in its path, which must be the token's.

        Raises Unauthenticated, Forbidden.
        """
        if self._doorkeeper is None:
            return OPEN
        try:
            identity = await self._identify(self._doorkeeper, request)
        except NotAuthenticated as error:
            log.info("refused: the token is %s", error.why)
            raise faults.Unauthenticated(_DENIED) from error
        except DatabaseUnavailable as error:
            raise unavailable(error) from error
        if account is not None and account != identity.account.id:
            log.info("refused: a token of %s for account %r", identity.account.id, account[:64])
            raise faults.Unauthenticated(_DENIED)
        if not identity.allows(needed):
            raise faults.Forbidden(f"{_DENIED}: the token has scope {identity.scope!r}, this needs {needed!r}")
        return identity

    async def _identify(self, doorkeeper: Doorkeeper, request: HTTPConnection) -> Identity:
        email, key = request.headers.get("x-auth-email"), request.headers.get("x-auth-key")
        if email and key:
            return await asyncio.to_thread(doorkeeper.identify_by_email, email, key)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        known = doorkeeper.remembered(token) if token else None
        return known or await asyncio.to_thread(doorkeeper.identify, token)
