"""What the official Python SDK (PyPI `cloudflare`) makes of trouble: its own exceptions, retries, and one charge."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from inflare.runtime.http.cloudflare import wire_of
from inflare.runtime.http.inject import NAMES
from tests import spots
from tests.clients.conftest import Server

cloudflare = pytest.importorskip("cloudflare", reason="needs the extra: pip install 'inflare[clients]'")

from cloudflare import Cloudflare  # noqa: E402

ACCOUNT = "0123456789abcdef0123456789abcdef"
# Its own exception classes, by status.
CLASSES = {
    400: cloudflare.BadRequestError,
    401: cloudflare.AuthenticationError,
    403: cloudflare.PermissionDeniedError,
    404: cloudflare.NotFoundError,
    409: cloudflare.ConflictError,
    422: cloudflare.UnprocessableEntityError,
    429: cloudflare.RateLimitError,
    500: cloudflare.InternalServerError,
    503: cloudflare.InternalServerError,
}


class Forgetful(httpx.HTTPTransport):
    """Sends every request, and loses the first answer."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        self.keys.append(request.headers.get("idempotency-key"))
        if len(self.keys) > 1:
            return response
        response.read()
        raise httpx.ReadError("the connection was lost")


@pytest.fixture(scope="module")
def client(server: Server) -> Generator[Cloudflare]:
    with Cloudflare(base_url=f"{server.url}/client/v4", api_token="any", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_error_raises_its_class(client: Cloudflare, name: str) -> None:
    wire = wire_of(NAMES[name]())
    with pytest.raises(cloudflare.APIStatusError) as caught:
        client.ai.models.list(account_id=ACCOUNT, extra_headers={"inflare-inject": name})
    error = caught.value
    assert type(error) is CLASSES.get(wire.status, cloudflare.APIStatusError)
    assert (error.status_code, error.errors[0].code) == (wire.status, wire.code)


def test_a_retry_waits_as_long_as_it_was_told(client: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with pytest.raises(cloudflare.RateLimitError):
        client.with_options(max_retries=2).ai.models.list(
            account_id=ACCOUNT, extra_headers={"inflare-inject": "rate_limited"}
        )
    assert waited == [1.0, 1.0]  # retry-after: 1; its own first pauses are shorter


def test_a_keyed_retry_is_charged_once(server: Server, image: Path) -> None:
    def charged() -> int:
        return httpx.get(f"{server.url}/v1/usage", params={"model": spots.MODEL}).json()["requests"]

    before, transport = charged(), Forgetful()
    octets = [float(value) for value in image.read_bytes()]
    with (
        httpx.Client(transport=transport) as http,
        Cloudflare(base_url=f"{server.url}/client/v4", api_token="any", max_retries=1, http_client=http) as client,
    ):
        headers = {"idempotency-key": "cloudflare-python"}
        found = cast(Any, client.ai.run(spots.MODEL, account_id=ACCOUNT, image=octets, extra_headers=headers))
    assert [item.label for item in found] == ["bright"] * 3
    assert (transport.keys, charged() - before) == (["cloudflare-python"] * 2, 1)
