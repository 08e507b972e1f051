"""env.AI in this process: the engine itself, asked the way a Worker asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import faults
from ..runtime.engine import Answer, Engine
from ..runtime.http import catalogue
from ..runtime.http.cloudflare import priced_headers
from ..runtime.http.intake import decode_members, job_of
from ..runtime.http.results import items_of
from ..runtime.http.workers import render_error
from .errors import from_fault
from .options import RunOptions
from .pictures import Inputs, Picture, members, portable_pixmap
from .raw import RawResponse
from .result import Result, Run


class LocalAI:
    """Runs in the process of its caller: same schemas, same pool, same ledger as behind a URL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.last_request_id: str | None = None

    async def run(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Result | RawResponse:
        """See `AI.run`."""
        try:
            answer = await self._answer(model, inputs, options)
        except faults.Fault as fault:
            if options.return_raw_response:
                return self._refused(fault)
            error = from_fault(fault)
            self.last_request_id = error.request_id
            raise error from fault
        self.last_request_id = answer.request_id
        items, headers = items_of(answer, self._engine.settings.cloudflare), priced_headers(answer)
        if options.return_raw_response:
            return RawResponse(200, headers, json.dumps(items).encode())
        schemas = self._engine.find(model).keypoints
        return Result(items, Run.of(headers, answer.neurons), schemas)

    def packed(self, pixels: NDArray[np.uint8]) -> bytes:
        """A frame uint8 [H, W, 3] as it is handed over here: without loss."""
        return portable_pixmap(pixels)

    async def models(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """See `AI.models`."""
        return catalogue.search(self._engine.catalog.cards, query, datetime.now(UTC).date())

    async def _answer(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Answer:
        settings = self._engine.settings.cloudflare
        card = self._engine.find(model)
        payload = decode_members(members(inputs), card)
        signal = options.signal
        job = job_of(
            card,
            payload,
            threshold=settings.threshold or None,
            key=options.idempotency_key,
            departed=signal.is_set if signal else lambda: False,
        )
        return await self._engine.run(job)

    def _refused(self, fault: faults.Fault) -> RawResponse:
        response = render_error(fault)
        headers = dict(response.headers)
        self.last_request_id = headers["cf-ai-req-id"]
        return RawResponse(response.status_code, headers, bytes(response.body))
