"""From a request of the OpenAI-compatible face to its answers: who asks, for which model, at whose price."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from ...models.card import Card
from .. import faults
from ..accounts import Identity
from ..billing.prices import BillingFace
from ..engine import Answer, Complete, Engine, Job
from .cloudflare import answer_headers
from .departure import watched
from .door import Door
from .intake import request_id
from .openai_asked import Asked, load, read_asked

if TYPE_CHECKING:
    from .fetch import Fetcher


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in: `model` is the id as it was asked for, which decides the price."""

    request: Request
    identity: Identity
    asked: Asked
    model: str
    card: Card

    @property
    def face(self) -> BillingFace:
        """Whose price book holds."""
        return billing_face(self.model, self.card)


def billing_face(model: str, card: Card) -> BillingFace:
    """The service that a model id at /v1 belongs to: "@…" is Workers AI's, an id that AIgateway prices is
    AIgateway's, and any other gigarouter's."""
    if model.startswith("@"):
        return "cloudflare"
    return "aigateway" if any(price.face == "aigateway" for price in card.prices) else "gigarouter"


def converses(model: str, card: Card) -> bool:
    """Whether chat takes the model: AIgateway documents neither vision nor JSON mode nor streaming for its own."""
    return billing_face(model, card) != "aigateway"


class Calls:
    """What the routes of this face share."""

    def __init__(self, engine: Engine, door: Door) -> None:
        self.engine = engine
        self.door = door
        self._fetcher: Fetcher | None = None

    async def admit(self, request: Request) -> Call:
        """Read a request. Raises a Fault."""
        identity = await self.door.enter(request)
        asked = await read_asked(request, self.engine.settings.limits)
        query = request.query_params.get("model")
        model = query if query is not None and "model" not in asked.members else asked.text("model")
        return Call(request, identity, asked, model, self.engine.find(model))

    async def image(self, value: object, param: str = "image") -> bytes:
        """The image that a member stands for. Raises a Fault."""
        return await load(value, self._fetch, param)

    async def detect(self, call: Call, images: Sequence[bytes], complete: Complete | None = None) -> tuple[Answer, ...]:
        """An answer for each image, for one charge; `complete` runs before it. Raises a Fault."""

        def run(departed: Callable[[], bool]) -> Awaitable[tuple[Answer, ...]]:
            jobs = [self._job(call, each, departed) for each in images]
            return self.engine.run_together(jobs) if complete is None else self.engine.run_together(jobs, complete)

        return await watched(call.request, run)

    async def _fetch(self, url: str, param: str) -> bytes:
        if self._fetcher is None:
            self._fetcher = await self.engine.aside(self._new_fetcher)
        return await self._fetcher.fetch(url, param)

    def _new_fetcher(self) -> Fetcher:
        from .fetch import Fetcher  # with what it stands on, a twentieth of the server's start

        return Fetcher(self.engine.settings)

    def _job(self, call: Call, image: bytes, departed: Callable[[], bool]) -> Job:
        threshold = call.asked.share("threshold")
        key = call.request.headers.get("idempotency-key")
        if not image:
            raise faults.BadImage("the image is empty")
        return Job(
            model=call.card.id,
            image=image,
            request_id=request_id(),
            account=call.identity.account,
            face=call.face,
            threshold=self.engine.settings.openai.threshold if threshold is None else threshold,
            keypoint_threshold=call.asked.share("keypoint_threshold"),
            idempotency_key=key,
            digest=None if key is None else lambda: call.asked.digest(call.request.url.path),
            departed=departed,
        )


def headers_of(answers: Sequence[Answer]) -> dict[str, str]:
    """What stands beside every success: ids, weights, time, and what it cost."""
    first = answers[0]
    headers = {**answer_headers(first), "x-request-id": first.request_id}
    if first.charge is not None:
        headers["inflare-generation-id"] = first.charge.request_id
        headers["inflare-cost-nano-usd"] = str(first.charge.nano_usd)
    return headers


def generation_id(answers: Sequence[Answer]) -> str:
    """By what /v1/generation knows the request: the id of its charge, which a keyed repeat shares."""
    first = answers[0]
    return first.charge.request_id if first.charge is not None else first.request_id


def usage_of(answers: Sequence[Answer]) -> dict[str, Any]:
    """What was used: images, and what they cost."""
    charge = answers[0].charge
    return {"images": len(answers), "nano_usd": charge.nano_usd if charge is not None else 0}
