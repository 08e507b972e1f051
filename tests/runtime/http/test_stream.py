"""Frames over a WebSocket: answered in order, each as a request of its own, and refused in the same words."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from prometheus_client import generate_latest
from starlette.types import ASGIApp
from wsproto.utilities import LocalProtocolError

from inflare.runtime.accounts import LOCAL, Accounts, Doorkeeper, Scope
from inflare.runtime.assembly import open_accounts, open_database, open_runtime
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.config import Settings
from inflare.runtime.http import stream
from inflare.runtime.http.app import App
from inflare.runtime.http.door import Door
from inflare.runtime.http.stream import WINDOW
from tests import spots
from tests.runtime.http.sockets import PATIENCE, Line, Wire, line_to
from tests.runtime.http.test_door import ACCOUNT, bearer
from tests.runtime.test_server import server, stop

T = TypeVar("T")
Make = Callable[..., Settings]
PATH = f"/ai/stream/{spots.MODEL}"
BRIGHT, DARK = spots.png(255), spots.png(0)


@asynccontextmanager
async def opened(settings: Settings, doorkeeper: Doorkeeper | None = None) -> AsyncGenerator[tuple[App, ASGIApp]]:
    """An application, and the same as it is served."""
    async with open_runtime(settings) as runtime:
        app = App(runtime.engine, Door(doorkeeper))
        yield app, app.asgi()


def talk(settings: Settings, work: Callable[[App, Line], Coroutine[Any, Any, T]], path: str = PATH, **how: Any) -> T:
    """Run `work` over one connection to a fresh application. `how`: what `line_to` takes."""

    async def body() -> T:
        async with opened(settings) as (app, served), line_to(served, path, **how) as (line, accepted):
            assert accepted["type"] == "websocket.accept"
            return await work(app, line)

    return asyncio.run(body())


async def charged(app: App, account: str = "local") -> tuple[int, int]:
    """Requests and nano-dollars in the ledger."""
    usage = await app.engine.till.ledger.usage(UsageQuery(account=account))
    return usage.requests, usage.total_nano_usd


async def farewell(app: App, line: Line) -> tuple[dict[str, Any], int]:
    """What is said before the connection is closed, and the code."""
    return await line.answer(), (await line.message())["code"]


async def answers(line: Line, *frames: bytes | str) -> list[dict[str, Any]]:
    for frame in frames:
        line.say(frame)
    return [await line.answer() for _ in frames]


def test_frames_are_answered_in_their_order(settings: Make) -> None:
    frames = [BRIGHT, DARK] * 10  # more than the window
    found = talk(settings(), lambda app, line: answers(line, *frames))
    assert [each["frame"] for each in found] == list(range(20))
    assert [each["result"][0]["label"] for each in found] == ["bright", "dark"] * 10


def test_an_answer_is_that_of_a_single_request(settings: Make) -> None:
    async def work() -> tuple[dict[str, Any], dict[str, Any]]:
        async with opened(settings()) as (_app, served), line_to(served, PATH) as (line, _accepted):
            client = httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://inflare")
            single = await client.post(f"/ai/run/{spots.MODEL}", content=BRIGHT)
            return single.json(), (await answers(line, BRIGHT))[0]

    single, framed = asyncio.run(work())
    assert single.items() <= framed.items()
    assert (framed["status"], framed["weights"], framed["width"]) == (200, "installed", 40)


def test_each_frame_is_charged_once(settings: Make) -> None:
    async def work(app: App, line: Line) -> tuple[int, int]:
        await answers(line, BRIGHT, b"no image", DARK)
        return await charged(app)

    priced = "/ai/stream/@cf/facebook/detr-resnet-50"  # answered by the embedded detector
    assert talk(settings(), work, priced) == (2, 15_000)


@pytest.mark.parametrize(
    ("frame", "status", "code"), [(b"", 400, 3003), (b"no image", 400, 3010), ('{"image": [300]}', 400, 5006)]
)
def test_a_bad_frame_is_refused_as_a_request_and_the_next_one_answered(
    settings: Make, frame: bytes | str, status: int, code: int
) -> None:
    bad, good = talk(settings(), lambda app, line: answers(line, frame, BRIGHT))
    assert (bad["frame"], bad["status"], bad["success"], bad["errors"][0]["code"]) == (0, status, False, code)
    assert (good["frame"], good["status"]) == (1, 200)


def test_text_may_hold_what_a_json_body_holds(settings: Make) -> None:
    text = json.dumps({"image": base64.b64encode(BRIGHT).decode()})
    assert talk(settings(), lambda app, line: answers(line, text))[0]["result"][0]["label"] == "bright"


def test_the_query_says_the_threshold(settings: Make) -> None:
    (framed,) = talk(settings(), lambda app, line: answers(line, BRIGHT), query="threshold=0.8")
    assert framed["result"] and all(each["score"] > 0.8 for each in framed["result"])


def test_a_threshold_that_is_none_ends_the_connection(settings: Make) -> None:
    told, code = talk(settings(), farewell, query="threshold=lots")
    assert (told["frame"], told["errors"][0]["code"], code) == (None, 5006, 1008)


def test_a_model_that_is_not_there_ends_the_connection(settings: Make) -> None:
    told, code = talk(settings(), farewell, path="/ai/stream/@cf/no/such")
    assert (told["status"], told["errors"][0]["code"], code) == (400, 5007, 1008)


def test_limits_hold_for_frames(settings: Make) -> None:
    limits = {"limits__requests_per_minute": 2, "limits__body_bytes": 2000}
    found = talk(settings(**limits), lambda app, line: answers(line, BRIGHT, BRIGHT, BRIGHT, bytes(2001)))
    assert [each["status"] for each in found] == [200, 200, 429, 413]
    assert found[2]["errors"][0]["code"] == 3021 and found[2]["retry_after"] > 0


def test_a_model_without_a_place_refuses_each_frame_at_once(settings: Make) -> None:
    async def work(app: App, line: Line) -> set[int]:
        with app.engine.admission.admit(app.engine.find(spots.MODEL), LOCAL):  # the only place
            return {each["errors"][0]["code"] for each in await answers(line, *[BRIGHT] * (2 * WINDOW))}

    assert talk(settings(runtime__queue=1), work) == {3040}


def test_a_caller_that_reads_no_answers_must_wait(settings: Make) -> None:
    async def work(app: App, line: Line) -> tuple[int, int]:
        line.reads.clear()
        for _ in range(4 * WINDOW):
            line.say(BRIGHT)
        while (await charged(app))[0] < WINDOW:  # the whole window is answered, and none of it taken
            await asyncio.sleep(0)
        left = line.sent.qsize()
        line.reads.set()
        return left, len([await line.answer() for _ in range(4 * WINDOW)])

    left, heard = talk(settings(), work)
    assert left >= 3 * WINDOW - 1 and heard == 4 * WINDOW


def test_a_caller_that_never_reads_is_given_up(settings: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with opened(settings(limits__body_timeout_s=0.05)) as (_app, served), line_to(served, PATH) as (line, _):
            line.reads.clear()
            line.say(BRIGHT)
            await asyncio.wait_for(line.over.wait(), PATIENCE)

    asyncio.run(work())
    assert "did not read its answers" in caplog.text


def test_frames_of_a_caller_that_left_are_not_charged(settings: Make) -> None:
    async def work() -> int:
        async with opened(settings()) as (app, served):
            async with line_to(served, PATH) as (line, _):
                for _ in range(WINDOW - 1):
                    line.say(BRIGHT)
                line.leave()
            return (await charged(app))[0]

    assert asyncio.run(work()) < WINDOW - 1


def test_frames_are_counted_and_told(settings: Make) -> None:
    async def work(app: App, line: Line) -> tuple[bytes, dict[str, Any], int]:
        follower = app.tail.join()
        await answers(line, BRIGHT)
        told = dict(await follower.next(5) or {})
        return generate_latest(app.metrics.registry), told, app.traffic.in_flight

    metrics, told, in_flight = talk(settings(), work)
    assert b'inflare_inferences_total{model="@local/spots",weights="installed"} 1.0' in metrics
    assert (told["method"], told["status"], told["model"], in_flight) == ("FRAME", 200, spots.MODEL, 0)


@pytest.mark.parametrize(
    "origin", ["https://example.com", "null", "http://localhost.example.com", "http://10.0.0.1", "http://["]
)
def test_a_page_from_elsewhere_may_not_use_an_open_runtime(settings: Make, origin: str) -> None:
    told, code = talk(settings(), farewell, headers={"origin": origin})
    assert (told["status"], code) == (403, 1008)


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:1"])
def test_a_page_from_this_machine_may(settings: Make, origin: str) -> None:
    assert talk(settings(), lambda app, line: answers(line, BRIGHT), headers={"origin": origin})[0]["status"] == 200


def guarded(make: Make, work: Callable[[Accounts, App, ASGIApp], Coroutine[Any, Any, T]]) -> T:
    """Run `work` where tokens are asked for, with one account."""
    chosen = make(auth__mode="tokens")

    async def body() -> T:
        database = open_database(chosen)
        accounts = open_accounts(chosen, database)
        accounts.create_account(ACCOUNT, "cloudflare")
        async with opened(chosen, Doorkeeper(accounts, seconds=-1)) as (app, served):  # remembers nobody
            found = await work(accounts, app, served)
        database.close()
        return found

    return asyncio.run(body())


@pytest.mark.parametrize("where", ["header", "subprotocol"])
def test_a_token_pays_for_its_account(settings: Make, where: str) -> None:
    async def work(accounts: Accounts, app: App, served: ASGIApp) -> tuple[int, int]:
        token = accounts.create_token(ACCOUNT, "run").token
        path = f"/client/v4/accounts/{ACCOUNT}{PATH}"
        headers = bearer(token) if where == "header" else {}
        async with line_to(served, path, headers, ("inflare", f"bearer.{token}") if not headers else ()) as (line, _):
            status = (await answers(line, BRIGHT))[0]["status"]
        return status, (await charged(app, ACCOUNT))[0]

    assert guarded(settings, work) == (200, 1)


@pytest.mark.parametrize(("scope", "status"), [(None, 401), ("read", 403)])
def test_without_a_token_that_may_run_nothing_does(settings: Make, scope: Scope | None, status: int) -> None:
    async def work(accounts: Accounts, app: App, served: ASGIApp) -> tuple[dict[str, Any], int]:
        headers = bearer(accounts.create_token(ACCOUNT, scope).token) if scope else {}
        async with line_to(served, PATH, headers) as (line, _):
            return await farewell(app, line)

    told, code = guarded(settings, work)
    assert (told["status"], code) == (status, 1008)


def test_a_token_that_is_revoked_ends_its_stream(settings: Make) -> None:
    async def work(accounts: Accounts, app: App, served: ASGIApp) -> tuple[int, int, int]:
        token = accounts.create_token(ACCOUNT, "run")
        async with line_to(served, PATH, bearer(token.token)) as (line, _):
            first = (await answers(line, BRIGHT))[0]["status"]
            accounts.revoke(token.info.id)
            line.say(BRIGHT)
            told, code = await farewell(app, line)
            return first, told["status"], code

    assert guarded(settings, work) == (200, 401, 1008)


def test_over_a_real_connection(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url), Wire(url, PATH, protocols=["inflare"]) as wire:
        for frame in (BRIGHT, DARK, b"no image"):
            wire.say(frame)
        found = [wire.hear() for _ in range(3)]
    assert wire.subprotocol == "inflare"
    assert [each["status"] for each in found if isinstance(each, dict)] == [200, 200, 400]


def test_one_that_is_refused_while_it_sends_is_told_why(tmp_path: Path) -> None:
    frame = spots.png(255, 400, 400)  # made once: a caller that is slow to send is left before it listens
    with server(tmp_path) as (_, url), Wire(url, "/ai/stream/@cf/no/such") as wire:
        with suppress(LocalProtocolError):  # the end came together with the beginning
            for _ in range(200):
                wire.say(frame)
        told, code = wire.hear(), wire.hear()
    assert isinstance(told, dict) and (told["status"], code) == (400, 1008)


def test_one_that_never_says_goodbye_is_left(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_PARTING_S", 0.05)

    async def work(app: App, line: Line) -> int:
        _, code = await farewell(app, line)
        await asyncio.wait_for(line.over.wait(), PATIENCE)
        return code

    assert talk(settings(), work, path="/ai/stream/@cf/no/such") == 1008


def test_a_frame_beyond_every_measure_ends_the_connection(tmp_path: Path) -> None:
    with server(tmp_path, INFLARE_LIMITS_BODY_BYTES="2000") as (_, url), Wire(url, PATH) as wire:
        wire.say(bytes(5000))
        assert wire.hear() == 1009  # message too big


@pytest.mark.parametrize("noise", [b"\xff" * 100, b"\x82\xff" + b"\xff" * 8 + b"x" * 100, b"GET / HTTP/1.1\r\n\r\n"])
def test_noise_ends_its_own_connection_only(tmp_path: Path, noise: bytes) -> None:
    with server(tmp_path) as (process, url):
        with Wire(url, PATH) as wire:
            wire.shout(noise)
        with Wire(url, PATH) as wire:
            wire.say(BRIGHT)
            found = wire.hear()
        _, log = stop(process)
    assert isinstance(found, dict) and found["status"] == 200 and "Traceback" not in log


def test_a_caller_that_never_pauses_is_ended_too(settings: Make) -> None:
    async def work(app: App, line: Line) -> list[int | None]:
        for _ in range(4 * WINDOW):
            line.say(BRIGHT)
        app.streams.close()
        told = [await line.answer()]
        while told[-1]["frame"] is not None:
            told.append(await line.answer())
        return [each["frame"] for each in told]

    assert talk(settings(), work) == [*range(WINDOW), None]


def test_a_server_that_stops_answers_what_arrived_and_says_goodbye(tmp_path: Path) -> None:
    with server(tmp_path) as (process, url), Wire(url, PATH) as wire:
        wire.say(BRIGHT)
        first = wire.hear()
        process.send_signal(signal.SIGTERM)
        goodbye, code = wire.hear(), wire.hear()
        status, log = stop(process)
    assert isinstance(first, dict) and isinstance(goodbye, dict)
    assert (first["status"], goodbye["status"], goodbye["frame"], code) == (200, 503, None, 1012)
    assert status == 0 and "gave up" not in log
