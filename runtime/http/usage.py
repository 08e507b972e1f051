"""What was charged: `/v1/usage`, `/v1/credits` and `/v1/generation`. A token reads its own account; admin, any."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import faults
from ..billing.ledger import Ledger
from ..billing.money import exact
from ..billing.usage import By, Usage, UsageQuery
from .door import Door

_BY = ("day", "model", "face")
_PREFIXES = ("chatcmpl-", "resp_", "msg_")
_LONGEST = 256


class UsageFace:
    """Three questions to the ledger."""

    def __init__(self, ledger: Ledger, door: Door) -> None:
        self._ledger = ledger
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
        return JSONResponse(report(await self._ledger.usage(query)))

    async def credits(self, request: Request) -> Response:
        """The wallet: what is there, what open requests hold, what is left."""
        account = await self._account(request)
        balance = await self._ledger.balance(account)
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
        charge = await self._ledger.charge(name, own)
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


def report(usage: Usage) -> dict[str, object]:
    """The document `inflare/usage`."""
    query = usage.query
    report: dict[str, object] = {
        "account": query.account,
        "requests": usage.requests,
        "total_nano_usd": usage.total_nano_usd,
        "rows": [{"key": row.key, "requests": row.requests, "nano_usd": row.nano_usd} for row in usage.rows],
    }
    for name, value in (("from", query.start), ("to", query.end), ("by", query.by)):
        if value is not None:
            report[name] = value.isoformat() if isinstance(value, datetime) else value
    return report


def _name(text: str | None, param: str) -> str | None:
    """A name from the query: short, and without what a database cannot hold."""
    if text is not None and (len(text) > _LONGEST or not text.isprintable()):
        raise faults.BadInput(f"'{param}' is not a name", param)
    return text


def _instant(text: str | None, param: str) -> datetime | None:
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time.min, UTC)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise faults.BadInput(
            f"'{param}' must be a date or time like 2026-01-31 or 2026-01-31T12:00:00Z", param
        ) from error
