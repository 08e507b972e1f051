"""env.AI for Python: the same answers and errors in process and against a real server, whatever holds the image."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from inflare.bindings import ConnectionFailed, Env, InferenceUpstreamError, RawResponse, Result
from inflare.bindings.env import EnvSession
from inflare.bindings.options import RunOptions
from inflare.bindings.remote import RemoteAI
from inflare.bindings.replies import Reply
from inflare.runtime.billing.usage import UsageQuery
from inflare.runtime.config import load
from tests import spots
from tests.bindings.through import Through
from tests.runtime.conftest import serving
from tests.runtime.test_server import server

BRIGHT = spots.png(255)
PIXELS = np.full((20, 40, 3), 255, dtype=np.uint8)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with server(tmp_path_factory.mktemp("server")) as (_, address):
        yield address


@pytest.fixture(params=["in process", "remote"])
def env(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Env]:
    """An Env of either kind, used from code that does not await."""
    session: EnvSession
    if request.param == "remote":
        session = Env.connect(request.getfixturevalue("url"))
    else:
        spots.install(tmp_path / ".inflare")
        (tmp_path / "wrangler-like.toml").write_text('[vars]\nGREETING = "hello"')
        session = Env.open(tmp_path / "wrangler-like.toml")
    with session as opened:
        yield opened


def photo(folder: Path) -> Path:
    path = folder / "photo.png"
    path.write_bytes(BRIGHT)
    return path


IMAGES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: BRIGHT,
    "bytearray": lambda folder: bytearray(BRIGHT),
    "memoryview": lambda folder: memoryview(BRIGHT),
    "a list of uint8": lambda folder: [*BRIGHT],
    "base64 text": lambda folder: base64.b64encode(BRIGHT).decode(),
    "pixels": lambda folder: PIXELS,
    "grey pixels": lambda folder: PIXELS[:, :, 0],
    "pixels with alpha": lambda folder: np.dstack([PIXELS, PIXELS[:, :, 0]]),
    "an array of a file's bytes": lambda folder: np.frombuffer(BRIGHT, dtype=np.uint8),
    "a PIL image": lambda folder: PIL.Image.open(io.BytesIO(BRIGHT)),
    "a path": photo,
    "a file": lambda folder: io.BytesIO(BRIGHT),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_whatever_holds_an_image_is_an_image(env: Env, tmp_path: Path, kind: str) -> None:
    image = IMAGES[kind](tmp_path)
    expected = env.AI.run_sync(spots.MODEL, {"image": BRIGHT})
    assert env.AI.run_sync(spots.MODEL, {"image": image}) == expected
    assert env.AI.run_sync(spots.MODEL, IMAGES[kind](tmp_path)) == expected


def test_the_result_is_the_bare_list_of_a_worker(env: Env) -> None:
    result: Any = env.AI.run_sync(spots.MODEL, {"image": BRIGHT})
    assert Result in type(result).__mro__ and list in type(result).__mro__
    assert [*result[0]] == ["score", "label", "box"]
    assert result[0]["box"] == {"xmin": 10, "ymin": 5, "xmax": 30, "ymax": 15}


def test_the_result_has_a_typed_view_and_says_what_made_it(env: Env) -> None:
    result = env.AI.run_sync(spots.MODEL, BRIGHT)
    assert (result.detections[0].label, result.detections[0].box.width) == ("bright", 20)
    assert (result.run.model, result.run.weights) == (spots.MODEL, "installed")
    assert result.run.request_id == env.AI.last_request_id == env.AI.lastRequestId
    assert len(result.above(0.6)) == 2


def test_errors_have_a_workers_names_and_codes(env: Env) -> None:
    with pytest.raises(InferenceUpstreamError, match="^5007: No such model @cf/x/y or task$") as caught:
        env.AI.run_sync("@cf/x/y", BRIGHT)
    assert (caught.value.name, caught.value.status) == ("InferenceUpstreamError", 400)


@pytest.mark.parametrize(("image", "code"), [([1, 2, 256], 5006), ([], 5006), (b"no image", 3010), ("***", 5004)])
def test_bad_images_are_refused_as_in_a_worker(env: Env, image: Any, code: int) -> None:
    with pytest.raises(InferenceUpstreamError) as caught:
        env.AI.run_sync(spots.MODEL, {"image": image})
    assert (caught.value.code, caught.value.name) == (code, "AiError")
    assert env.AI.last_request_id == caught.value.request_id


@pytest.mark.parametrize("name", ["photo.jpg", "/home/me/my photos/a.b.JPEG", "../x.png"])
def test_the_name_of_a_file_is_told_from_base64(env: Env, name: str) -> None:
    for inputs in (name, {"image": name}):
        with pytest.raises(TypeError, match="write Path\\("):
            env.AI.run_sync(spots.MODEL, inputs)


def test_a_data_url_may_end_like_the_name_of_a_file(env: Env) -> None:
    with pytest.raises(InferenceUpstreamError) as caught:
        env.AI.run_sync(spots.MODEL, "data:image/png;base64,x.png")
    assert caught.value.code == 5004


@pytest.mark.parametrize("options", [{"returnRawResponse": True}, {"return_raw_response": True}])
def test_the_raw_response_can_be_had(env: Env, options: dict[str, bool]) -> None:
    good = env.AI.run_sync(spots.MODEL, BRIGHT, options)
    bad = env.AI.run_sync(spots.MODEL, b"no image", options)
    assert isinstance(good, RawResponse)
    assert (good.ok, good.json()[0]["label"]) == (True, "bright")
    assert (bad.status, bad.json()["internalCode"]) == (400, 3010)


def test_a_gateway_is_accepted(env: Env) -> None:
    assert env.AI.run_sync(spots.MODEL, BRIGHT, {"gateway": {"id": "mine", "skipCache": True}})


def test_an_unknown_option_is_refused_with_a_hint(env: Env) -> None:
    with pytest.raises(TypeError, match="did you mean 'returnRawResponse'"):
        env.AI.run_sync(spots.MODEL, BRIGHT, {"returnRawRespones": True})


def test_a_set_signal_drops_the_run(env: Env) -> None:
    signal = asyncio.Event()
    signal.set()
    with pytest.raises(InferenceUpstreamError, match="^3008: "):
        env.AI.run_sync(spots.MODEL, BRIGHT, signal=signal)


def test_pixels_of_another_type_are_refused_with_the_remedy(env: Env) -> None:
    with pytest.raises(TypeError, match="dtype uint8, not float64: scale it to 0..255"):
        env.AI.run_sync(spots.MODEL, PIXELS / 255)


def test_the_catalogue_can_be_searched(env: Env) -> None:
    assert [entry["name"] for entry in env.AI.models_sync(search="detr-resnet-50", author="facebook")] == [
        "@cf/facebook/detr-resnet-50"
    ]


def test_vars_are_attributes_and_unknown_ones_say_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "wrangler-like.toml").write_text('[ai]\nbinding = "VISION"\n[vars]\nGREETING = "hello"')
    with Env.open(tmp_path / "wrangler-like.toml") as env:
        assert (env.GREETING, env.VISION) == ("hello", env.AI)
        with pytest.raises(AttributeError, match="env has no 'DB'; it has GREETING, VISION"):
            _ = env.DB


def test_async_with_await_is_the_usual_way(tmp_path: Path) -> None:
    spots.install(tmp_path / ".inflare")

    async def work() -> str:
        async with Env.open(home=str(tmp_path / ".inflare")) as env:
            with pytest.raises(RuntimeError, match="use `await env.AI.run"):
                env.AI.run_sync(spots.MODEL, BRIGHT)
            return (await env.AI.run(spots.MODEL, {"image": BRIGHT}))[0]["label"]

    assert asyncio.run(work()) == "bright"


def test_a_runtime_that_is_not_running_is_said_with_the_command_that_starts_it() -> None:
    with Env.connect("http://127.0.0.1:9", retries=0) as env, pytest.raises(ConnectionFailed, match="inflare dev"):
        env.AI.run_sync(spots.MODEL, BRIGHT)


class Scripted:
    """A client that answers with what it was given, and writes down the headers it was sent."""

    def __init__(self, replies: list[Reply]) -> None:
        self.replies, self.sent = iter(replies), list[Mapping[str, str]]()

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes] = ()) -> Reply:
        self.sent.append(headers)
        return next(self.replies)


def against(replies: list[Reply], retries: int = 2) -> tuple[Any, list[Mapping[str, str]], list[float]]:
    """Run once against scripted answers: the outcome, what was sent, and how long was waited between."""
    client, waits = Scripted(replies), list[float]()

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    async def work() -> Any:
        ai = RemoteAI(client, "http://x", retries=retries, sleep=pause)
        try:
            return await ai.run(spots.MODEL, BRIGHT, RunOptions())
        except InferenceUpstreamError as error:
            return error

    return asyncio.run(work()), client.sent, waits


def busy(after: str) -> Reply:
    return Reply(429, {"retry-after": after}, b'{"internalCode": 3040, "description": "busy"}')


def test_retries_wait_as_long_as_the_server_asks_and_keep_their_key() -> None:
    outcome, sent, waits = against([busy("7"), busy("2"), Reply(200, {}, b"[]")])
    assert outcome == []
    assert waits == [7.0, 2.0]
    assert len({headers["idempotency-key"] for headers in sent}) == 1


def test_retries_end() -> None:
    outcome, sent, _ = against([busy("1")] * 3)
    assert (outcome.code, outcome.retry_after, len(sent)) == (3040, 1.0, 3)


def test_what_a_retry_cannot_mend_is_not_retried() -> None:
    refusal = Reply(400, {}, b'{"internalCode": 5006, "name": "AiError", "description": "no"}')
    outcome, sent, _ = against([refusal] * 3)
    assert (outcome.code, len(sent)) == (5006, 1)


def test_two_calls_have_two_keys_and_two_charges(tmp_path: Path) -> None:
    spots.install(tmp_path / ".inflare")

    async def work() -> int:
        async with serving(load(None, {}, {}, tmp_path).settings) as (app, client):
            ai = RemoteAI(Through(client), "http://inflare", retries=0)
            for _ in range(2):
                await ai.run(spots.MODEL, BRIGHT, RunOptions())
            return (await app.engine.till.ledger.usage(UsageQuery())).requests

    assert asyncio.run(work()) == 2
