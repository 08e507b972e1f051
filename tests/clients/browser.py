"""A real browser without a screen: Chromium, driven over the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

PATIENCE_S = 120.0
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--window-size=900,1000",
)
# Chromium reads orders from descriptor 3 and answers on 4, each message ended by a zero byte.
_PIPED = 'exec "${@:3}" 3<&"$1" 4>&"$2"'


class Browser:
    """A running Chromium. Raises AssertionError where it refuses an order, or leaves."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders, self._answers = orders, os.fdopen(answers, "rb")
        self._number = 0

    def order(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """What the browser, or one of its pages, answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._orders, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass  # events that nobody waits for
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        """Ask it to leave."""
        with suppress(AssertionError, OSError):
            self.order("Browser.close")
        self._answers.close()
        os.close(self._orders)

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser is gone"
            text += byte
        return json.loads(text)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        target = browser.order("Target.createTarget", url=url)["targetId"]
        self._session = browser.order("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives there; a promise's once it is kept."""
        parameters = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        found = self._browser.order("Runtime.evaluate", self._session, **parameters)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """The first value of the expression that is not false, null or empty."""
        deadline = monotonic() + PATIENCE_S
        while not (found := self.value(expression)):
            assert monotonic() < deadline, f"{expression} stayed {found!r}; the page says {self.text!r}"
            sleep(0.05)
        return found

    @property
    def text(self) -> str:
        """Everything that can be read on it."""
        return self.value("document.body?.innerText ?? ''")

    def picture(self, path: Path) -> Path:
        """A PNG of what can be seen of it."""
        shot = self._browser.order("Page.captureScreenshot", self._session, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


def program() -> str:
    """Chromium's; skips the test without."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


@contextmanager
def browsing(folder: Path, *flags: str) -> Generator[Browser]:
    """A browser with a new profile in `folder`, for the length of a block."""
    chromium, bash = program(), shutil.which("bash") or "bash"
    (theirs, orders), (answers, ours) = _pipe(), _pipe()
    command = [bash, "-c", _PIPED, bash, str(theirs), str(ours), chromium, *_FLAGS, f"--user-data-dir={folder}"]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *flags, "about:blank"], pass_fds=(theirs, ours), stdin=-3, stdout=log, stderr=log
        )
    os.close(theirs)
    os.close(ours)
    browser = Browser(orders, answers)
    try:
        yield browser
    finally:
        browser.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pipe() -> tuple[int, int]:
    """Both ends, reading first, with numbers that are not 3 and 4."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return read, write
