"""The page of examples/webcam in a real browser, whose webcam shows a drawn scene, against a running `inflare dev`."""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from inflare.runtime.assembly import open_accounts, open_database
from inflare.runtime.config import load
from tests import spots
from tests.clients.browser import Browser, Page, browsing
from tests.clients.conftest import Server, serving
from tests.clients.processes import running

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCENE = EXAMPLES / "02-park.jpg"
DETECTOR, KEYPOINTS = "@cf/facebook/detr-resnet-50", "@cf/roboflow/rf-detr-keypoint-preview"
ELSEWHERE = "shop.test"  # a name that is not this machine's, and leads to it all the same
SURE = 0.6  # what scores more is found in one frame of the webcam as in the next
FRAME = r"/^Frame ([5-9]|\d\d+):/.exec(document.getElementById('status').textContent)?.input"
# Keeps what the page sends, besides sending it.
SENDS = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (frame) { window.sent.push(frame); return send.call(this, frame); };
"""
LAST = """
window.sent.at(-1).arrayBuffer()
  .then((bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("")))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    """Chromium whose webcam shows the park, and that asks nobody whether a page may see it."""
    folder = tmp_path_factory.mktemp("browser")
    camera = shutil.copy(SCENE, folder / "park.mjpeg")  # a film of one frame, over and over
    fake = "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"
    named = f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"
    with browsing(folder / "profile", "--use-fake-ui-for-media-stream", *fake, named) as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Generator[int]:
    """The port at which the page is served, as docs/streams.md has it."""
    command = (sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory")
    with running([*command, EXAMPLES / "webcam"]) as program:
        yield int(program.wait_for(r"port (\d+)")[1])


@pytest.fixture
def page(browser: Browser, site: int) -> Page:
    """The page, whose frames are kept."""
    page = Page(browser, f"http://127.0.0.1:{site}/index.html")
    page.value(SENDS)
    return page


def start(page: Page, server: str, model: str, token: str = "") -> None:
    """What a person does."""
    fields = {"server": server.replace("http:", "ws:"), "model": model, "token": token}
    for name, text in fields.items():
        page.value(f"document.getElementById({name!r}).value = {text!r}")
    page.value("document.querySelector('form button').click()")


def said(page: Page) -> str:
    return page.value("document.getElementById('status').textContent")


def drawn(page: Page) -> NDArray[np.bool_]:
    """Where something is drawn over the webcam's picture."""
    url = page.value("document.getElementById('overlay').toDataURL()")
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(picture.getchannel("A")) > 0


def near(ink: NDArray[np.bool_], x: float, y: float) -> bool:
    """Whether something is drawn within four pixels; true where there are none."""
    top, left = max(0, round(y) - 4), max(0, round(x) - 4)
    around = ink[top : round(y) + 5, left : round(x) + 5]
    return around.size == 0 or bool(around.any())


def sure(page: Page, server: Server, model: str) -> list[dict[str, Any]]:
    """What a single request finds without doubt in the frame that the page sent last."""
    frame = base64.b64decode(page.value(LAST))
    body = httpx.post(f"{server.url}/ai/run/{model}", content=frame, timeout=60).json()
    found = [each for each in body["result"] if each["score"] > SURE]
    assert found, "nothing to look for"
    return found


def test_boxes_are_drawn_where_a_single_request_finds_them(page: Page, server: Server) -> None:
    start(page, server.url, DETECTOR)
    text = page.until(FRAME)
    ink, found = drawn(page), sure(page, server, DETECTOR)
    assert int(text.partition(": ")[2].partition(" found")[0]) >= len(found)
    assert "The embedded detector answers" in text
    assert ink.shape == (480, 640) and ink.mean() < 0.2
    for box in (each["box"] for each in found):
        x, y = (box["xmin"] + box["xmax"]) / 2, (box["ymin"] + box["ymax"]) / 2
        for side in ((box["xmin"], y), (box["xmax"], y), (x, box["ymin"]), (x, box["ymax"])):
            assert near(ink, *side), box


def test_skeletons_are_drawn_where_a_single_request_finds_them(page: Page, server: Server) -> None:
    start(page, server.url, KEYPOINTS)
    page.until(FRAME)
    ink, (person, *_) = drawn(page), sure(page, server, KEYPOINTS)
    at = {each["name"]: each for each in person["keypoints"] if each["confidence"] > SURE}
    assert at and all(near(ink, each["x"], each["y"]) for each in at.values())
    bones = [(f"{side}_shoulder", f"{side}_hip") for side in ("left", "right")]
    for ends in ([at[name] for name in bone] for bone in bones if set(bone) <= at.keys()):
        assert near(ink, sum(each["x"] for each in ends) / 2, sum(each["y"] for each in ends) / 2)


def test_stop_ends_stream_and_webcam_and_start_begins_anew(page: Page, server: Server) -> None:
    start(page, server.url, DETECTOR)
    page.until(FRAME)
    page.value("document.getElementById('stop').click()")
    assert said(page) == "Stopped." and not drawn(page).any()
    assert page.value("document.getElementById('video').srcObject") is None
    start(page, server.url, spots.MODEL)
    assert page.until(FRAME)


def test_a_model_that_is_not_there_is_said(page: Page, server: Server) -> None:
    start(page, server.url, "@cf/nobody/nothing")
    assert page.until("/^40.: .*Closed/.exec(document.getElementById('status').textContent)?.input").endswith("(1008).")


def test_a_server_that_stops_or_is_not_there_is_said(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        start(page, server.url, spots.MODEL)
        page.until(FRAME)
    assert page.until("/Closed/.exec(document.getElementById('status').textContent)?.input").startswith("503: ")
    start(page, server.url, spots.MODEL)
    assert page.until("/^Nobody/.exec(document.getElementById('status').textContent)?.input").endswith("run?")


def test_a_frame_that_is_refused_for_now_is_not_sent_again_at_once(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path, "--set", "limits.requests_per_minute=3") as server:
        start(page, server.url, spots.MODEL)
        assert page.until("/^429: /.exec(document.getElementById('status').textContent)?.input")
        page.value("new Promise((done) => setTimeout(done, 1000))")
        assert page.value("window.sent.length") <= 5  # three answered, two on their way when the first was refused


def test_a_token_travels_and_a_wrong_one_is_refused(page: Page, tmp_path: Path) -> None:
    settings = load(None, {}, {"auth.mode": "tokens"}, tmp_path).settings
    database = open_database(settings)
    accounts = open_accounts(settings, database)
    accounts.create_account("0123456789abcdef0123456789abcdef", "cloudflare")
    token = accounts.create_token("0123456789abcdef0123456789abcdef", "run").token
    database.close()
    with serving(tmp_path, "--set", "auth.mode=tokens") as server:
        start(page, server.url, spots.MODEL)
        assert page.until("/^401: .*Closed/.exec(document.getElementById('status').textContent)?.input")
        start(page, server.url, spots.MODEL, token)
        assert page.until(FRAME)


def test_a_page_of_another_site_may_not_use_an_open_runtime(browser: Browser, site: int, server: Server) -> None:
    page = Page(browser, f"http://{ELSEWHERE}:{site}/index.html")
    address = f"{server.url.replace('http:', 'ws:')}/ai/stream/{spots.MODEL}"
    heard = f"new Promise((done) => {{ new WebSocket('{address}').onmessage = ({{ data }}) => done(data); }})"
    assert '"status": 403' in page.value(heard) or '"status":403' in page.value(heard)
    assert page.value("navigator.mediaDevices") is None  # nor does the browser give it a webcam
