"""The official Python SDK (PyPI `cloudflare`), with nothing changed but its base URL."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests import spots
from tests.clients.conftest import Server, serving

cloudflare = pytest.importorskip("cloudflare", reason="needs the extra: pip install 'inflare[clients]'")

from cloudflare import APIStatusError, BadRequestError, Cloudflare, DefaultHttpxClient, NotFoundError  # noqa: E402

ACCOUNT = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def client(server: Server) -> Generator[Cloudflare]:
    with Cloudflare(base_url=f"{server.url}/client/v4", api_token="any") as made:
        yield made


def octets(image: Path) -> list[float]:
    return [float(value) for value in image.read_bytes()]


def test_run_gets_typed_detections(client: Cloudflare, image: Path) -> None:
    """The SDK sends the octets as the floats they are given as, and the slashes of the model as %2F."""
    found = cast(Any, client.ai.run(spots.MODEL, account_id=ACCOUNT, image=octets(image)))
    assert [item.label for item in found] == ["bright"] * 3
    assert found[0].box.xmin == 10


def test_the_base_url_can_come_from_the_environment(
    server: Server, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"{server.url}/client/v4")
    with Cloudflare(api_token="any") as client:
        assert client.ai.run(spots.MODEL, account_id=ACCOUNT, image=octets(image))


def test_raw_bytes_can_be_posted(client: Cloudflare, image: Path) -> None:
    answer: Any = client.post(
        f"/accounts/{ACCOUNT}/ai/run/{spots.MODEL}",
        cast_to=cast(Any, object),
        content=image.read_bytes(),
        options={"headers": {"content-type": "application/octet-stream"}},
    )
    assert answer["success"] is True


def test_paging_through_the_models_ends(client: Cloudflare) -> None:
    """An SDK that pages asks until a page is empty."""
    names = [cast(Any, model)["name"] for model in client.ai.models.list(account_id=ACCOUNT)]
    assert spots.MODEL in names
    assert len(names) == len(set(names))


def test_small_pages_hold_the_same_models(client: Cloudflare) -> None:
    whole = [cast(Any, model)["name"] for model in client.ai.models.list(account_id=ACCOUNT)]
    paged = [cast(Any, model)["name"] for model in client.ai.models.list(account_id=ACCOUNT, per_page=2)]
    assert paged == whole


def test_the_schema_of_a_model_is_served(client: Cloudflare) -> None:
    schema = cast(Any, client.ai.models.schema.get(account_id=ACCOUNT, model="@cf/facebook/detr-resnet-50"))
    assert schema.to_dict()["output"]["type"] == "array"


def test_bad_input_raises_bad_request_with_the_code(client: Cloudflare) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.ai.run(spots.MODEL, account_id=ACCOUNT, image=[1.0, 256.0])
    assert caught.value.errors[0].code == 5006


def test_an_unknown_model_raises_bad_request(client: Cloudflare) -> None:
    with pytest.raises(BadRequestError, match="5007"):
        client.ai.run("@cf/nobody/nothing", account_id=ACCOUNT, image=[1.0])


def test_a_malformed_account_raises_not_found(client: Cloudflare) -> None:
    with pytest.raises(NotFoundError, match="7003"):
        client.ai.run(spots.MODEL, account_id="not an account", image=[1.0])


def test_a_body_over_the_limit_raises_its_status(client: Cloudflare) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.post(
            f"/accounts/{ACCOUNT}/ai/run/{spots.MODEL}",
            cast_to=cast(Any, object),
            content=bytes(64 << 20),
        )
    assert caught.value.status_code == 413


def slowly(server: Server) -> tuple[threading.Thread, str]:
    """A request that holds the only permit while its large image is decoded, and the URL that it went to."""
    url = f"{server.url}/ai/run/{spots.MODEL}"
    large = spots.png(255, 8000, 8000)
    thread = threading.Thread(target=lambda: httpx.post(url, content=large, timeout=60))
    thread.start()
    return thread, url


def test_an_overloaded_model_is_tried_again_and_answers(tmp_path: Path, image: Path) -> None:
    statuses: list[int] = []

    def note(response: httpx.Response) -> None:
        statuses.append(response.status_code)

    recorder = DefaultHttpxClient(event_hooks={"response": [note]})
    with serving(tmp_path, "--set", "runtime.queue=1") as server:
        base = f"{server.url}/client/v4"
        with recorder, Cloudflare(base_url=base, api_token="any", max_retries=20, http_client=recorder) as client:
            while 429 not in statuses:
                statuses.clear()
                thread, url = slowly(server)
                while thread.is_alive() and httpx.post(url, content=image.read_bytes()).status_code != 429:
                    pass
                assert client.ai.run(spots.MODEL, account_id=ACCOUNT, image=octets(image))
                thread.join()
    assert statuses[0] == 429
    assert statuses[-1] == 200
