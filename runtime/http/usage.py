"""What was charged: `/v1/usage`, `/v1/credits` and `/v1/generation`. A token reads its own account; admin, any."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import faults
from ..billing.money import exact
from ..billing.usage import By, UsageQuery, instant
from ..engine import Engine
from .door import Door

_BY = ("day", "model", "face")
_PREFIXES = ("chatcmpl-", "resp_", "msg_")
_LONGEST = 256


class UsageFace:
    """Three questions to the ledger."""

    def __init__(self, engine: Engine, door: Door) -> None:
        self._engine = engine
        self._door = door

    def routes(self) -> list[Route]:
        return [
            Route("/v1/usage", self.usage, methods=["GET"]),
            Route("/v1/credits", self.credits, methods=["GET"]),
            Route("/v1/generation", self.generation, methods=["GET"]),
        ]

    async def usage(self, request: Request) -> Response:
        """?from= &to= (ISO 8601, UTC unless they say otherwise; to is exclusive) &by= &model= &face= &account=."""
        account = await self._account(request)
        asked = request.query_params
        by = asked.get("by", "day")
        if by not in _BY:
            raise faults.BadInput(f"'by' must be one of {', '.join(_BY)}", "by")
        query = UsageQuery(
            account=account,
            model=_name(asked.get("model"), "model"),
            face=_name(asked.get("face"), "face"),
            start=_instant(asked.get("from"), "from"),
            end=_instant(asked.get("to"), "to"),
            by=cast(By, by),
        )
        return JSONResponse((await self._engine.till.ledger.usage(query)).report())

    async def credits(self, request: Request) -> Response:
        """The wallet: what is there, what open requests hold, what is left."""
        account = await self._account(request)
        balance = await self._engine.till.ledger.balance(account)
        return JSONResponse(
            {
                "account": account,
                "balance_nano_usd": balance.nano_usd,
                "held_nano_usd": balance.held,
                "available_nano_usd": balance.available,
            }
        )

    async def generation(self, request: Request) -> Response:
        """?id=: what one request cost, by its id or by that of its chat completion or response."""
        identity = await self._door.enter(request, "read")
        name = _name(request.query_params.get("id"), "id")
        if not name:
            raise faults.BadInput("'id' is required: the id of a response, or its header inflare-generation-id", "id")
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        own = None if identity.scope == "admin" else identity.account.id
        charge = await self._engine.till.ledger.charge(name, own)
        if charge is None:
            raise faults.NoSuchRoute("no request with this id was charged to this account")
        return JSONResponse(
            {
                "id": charge.request_id,
                "account": charge.account,
                "model": charge.model,
                "face": charge.face,
                "nano_usd": charge.nano_usd,
                "usd": exact(charge.nano_usd).removeprefix("$").replace(",", ""),
                "sequence": charge.sequence,
                "created": int(charge.at.timestamp()),
            }
        )

    async def _account(self, request: Request) -> str:
        """Whose figures are asked for: the token's own, or with scope admin ?account=."""
        identity = await self._door.enter(request, "read")
        wanted = _name(request.query_params.get("account"), "account")
        if wanted is None or wanted == identity.account.id:
            return identity.account.id
        if not identity.allows("admin"):
            raise faults.Forbidden(f"the token's account is {identity.account.id}; another's takes scope 'admin'")
        return wanted


def _name(text: str | None, param: str) -> str | None:
    """A name from the query: short, and without what a database cannot hold."""
    if text is not None and (len(text) > _LONGEST or not text.isprintable()):
        raise faults.BadInput(f"'{param}' is not a name", param)
    return text


def _instant(text: str | None, param: str) -> datetime | None:
    if text is None:
        return None
    try:
        return instant(text)
    except ValueError as error:
        raise faults.BadInput(
            f"'{param}' must be a date or time like 2026-01-31 or 2026-01-31T12:00:00Z", param
        ) from error
