"""`/v1/models`: every id with its price, what it can do, and where to send it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...models.card import Card
from .openai_calls import Calls, billing_face, converses

_DRAW = ("/v1/images/generations", "/v1/images/edits", "/v1/detections")
_CHAT = ("/v1/chat/completions", "/v1/responses")
_NANO = 1_000_000_000


class ModelsFace:
    """The list, and one of it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.list, methods=["GET"]),
            Route("/v1/models/{model:path}", self.retrieve, methods=["GET"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every id of every model: the id decides the price."""
        await self._calls.door.enter(request, "read")
        cards = self._calls.engine.catalog.cards
        return JSONResponse(
            {"object": "list", "data": [self._entry(name, card) for card in cards for name in card.ids]}
        )

    async def retrieve(self, request: Request) -> Response:
        """One id."""
        await self._calls.door.enter(request, "read")
        model = request.path_params["model"]
        return JSONResponse(self._entry(model, self._calls.engine.find(model)))

    def _entry(self, model: str, card: Card) -> dict[str, Any]:
        talks = converses(model, card)
        quote = self._calls.engine.till.quote(card, billing_face(model, card))
        return {
            "id": model,
            "object": "model",
            "created": _created(card),
            "owned_by": card.author,
            "description": card.description,
            "task": card.task,
            "modalities": {"input": ["image"], "output": ["image", "text"] if talks else ["image"]},
            "capabilities": {
                "vision": talks,
                "streaming": talks,
                "json_mode": talks,
                "tool_calling": False,
                "prompt_caching": False,
            },
            "pricing": {
                "service": quote.face,
                "unit": quote.unit,
                "nano_usd": quote.nano_usd,
                "usd": f"{quote.nano_usd / _NANO:.9f}",
                "documented": quote.documented,
            },
            "endpoints": [*_DRAW, *(_CHAT if talks else ())],
        }


def _created(card: Card) -> int:
    """The card's date as Unix seconds; 0 where it has none that can be read."""
    try:
        return int(datetime.fromisoformat(f"{card.created_at.replace(' ', 'T')}+00:00").timestamp())
    except ValueError:
        return 0
