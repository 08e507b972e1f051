"""`fetch`: a request that the Worker itself sends."""

from __future__ import annotations

from http import HTTPMethod
from typing import Any
from urllib.parse import urljoin

import httpx

from .exchange import Request, Response, refuse_options
from .headers import HeadersInit

_OPTIONS = ("method", "headers", "body", "redirect")
_MOST_REDIRECTS = 20  # as the Fetch standard
# Tell of the bytes on the wire; the body that a Worker reads is decoded.
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


class Fetcher:
    """Sends requests over one pool of connections."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def fetch(
        self,
        resource: Request | str,
        *,
        method: HTTPMethod | str | None = None,
        headers: HeadersInit = None,
        body: Any = None,
        redirect: str | None = None,
        **others: Any,
    ) -> Response:
        """The answer to a request, whatever its status. Raises OSError where there is none."""
        refuse_options("fetch", others, _OPTIONS)
        request = Request(resource, method=method, headers=headers, body=body, redirect=redirect)
        sent = self._client.build_request(
            str(request.method), request.url, headers=request.headers.items(), content=request.sent or None
        )
        try:
            answer = await self._followed(sent, request.redirect)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without the client's own frames, which would bury the Worker's line in the terminal.
            raise OSError(f"fetch of {request.url} failed: {str(error) or type(error).__name__}") from None
        return _response(answer)

    async def _followed(self, request: httpx.Request, redirect: str) -> httpx.Response:
        answer = await self._client.send(request)
        if redirect == "manual":
            return answer
        if redirect == "error" and answer.next_request is not None:
            raise OSError(
                f"fetch of {request.url} was redirected to {urljoin(str(request.url), answer.headers['location'])}"
            )
        for _ in range(_MOST_REDIRECTS):
            if answer.next_request is None:
                return answer
            answer = await self._client.send(answer.next_request)
        raise OSError(f"fetch of {request.url} was redirected more than {_MOST_REDIRECTS} times")


def _response(answer: httpx.Response) -> Response:
    fields = [pair for pair in answer.headers.multi_items() if pair[0] not in _OF_THE_WIRE]
    response = Response(None, max(answer.status_code, 200), answer.reason_phrase, fields)
    response.fill(answer.content)
    response.url = str(answer.url)
    return response
