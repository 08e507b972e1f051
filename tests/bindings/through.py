"""A remote env.AI's client with the application itself behind it, and no socket between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx

from inflare.bindings.replies import Reply


class Through:
    """Hands requests on to an httpx client, which may hold any transport."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes] = ()) -> Reply:
        answer = await self._client.request(method, target, headers=dict(headers), content=b"".join(body))
        return Reply(answer.status_code, dict(answer.headers), answer.content)
