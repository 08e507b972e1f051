"""One file from a host to the disk, whatever the network does: it goes on where it broke off, in the same run or
a later one, and gives up only after several tries in a row brought nothing."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from .remote import PullError, Remote, refused, unreachable

PATIENCE = 5  # tries in a row without a new byte
_LONGEST_PAUSE = 8.0  # seconds
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Fetcher:
    """Downloads with an httpx client; `pause` waits a number of seconds between tries, `patience` is how many."""

    def __init__(
        self, client: httpx.Client, *, pause: Callable[[float], None] = time.sleep, patience: int = PATIENCE
    ) -> None:
        self._client, self._pause, self._patience = client, pause, patience

    def fetch(self, locate: Callable[[], Remote], target: Path, advance: Callable[[int], None]) -> Remote:
        """Brings the file that `locate` names to `target`; the announcement that it came under.

        `locate` is asked again before every try, because signed addresses expire. `advance` hears of bytes on the
        disk, and of negative ones where a file has to start again. Raises PullError.
        """
        part = _Part(target, advance)
        remote, tries = locate(), 0
        while not part.resume(remote):
            before, trouble = part.size, self._attempt(remote, part)
            if trouble is None:
                break
            tries = 0 if part.size > before else tries + 1
            if tries >= self._patience or trouble.kind not in ("network", "server"):
                raise trouble
            self._pause(min(0.25 * 2**tries, _LONGEST_PAUSE))
            remote = self._again(locate, remote)
        part.finish()
        return remote

    def _again(self, locate: Callable[[], Remote], last: Remote) -> Remote:
        try:
            return locate()
        except PullError as error:
            if error.kind not in ("network", "server"):
                raise
            return last

    def _attempt(self, remote: Remote, part: "_Part") -> PullError | None:
        """One request; what went wrong, None when the file is whole."""
        headers = {**remote.headers, "accept-encoding": "identity"}
        if part.size:
            headers["range"] = f"bytes={part.size}-"
        try:
            with self._client.stream("GET", remote.url, headers=headers) as response:
                return _received(response, remote, part)
        except httpx.HTTPError as error:
            return unreachable(part.name, error)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            remedy = "Make room and pull again: what is already there is kept"
            raise PullError("disk", part.name, "the disk is full", remedy) from error


def _received(response: httpx.Response, remote: Remote, part: "_Part") -> PullError | None:
    if response.status_code in _BUSY:
        return PullError("server", part.name, f"the server answered HTTP {response.status_code}", "Try again later")
    if response.status_code == 416:
        part.restart()
        return PullError("server", part.name, "the file changed while it was fetched", "Try again")
    if response.status_code not in (200, 206):
        return refused(part.name, response.status_code)
    if not _continues(response, part.size):
        part.restart()  # the server ignored the range, or answered another one
        if response.status_code != 200:
            return PullError("server", part.name, "the server answered another range", "Try again")
    for block in response.iter_bytes():  # as it comes: a chunk size would drop what is buffered on a break
        part.append(block)
    if remote.size is not None and part.size != remote.size:
        rule = f"{part.size} of {remote.size} bytes came"
        return PullError("network", part.name, rule, "Try again: what is already there is kept")
    return None


def _continues(response: httpx.Response, start: int) -> bool:
    """Whether the answer begins at byte `start`."""
    if response.status_code == 200:
        return start == 0
    return response.headers.get("content-range", "").startswith(f"bytes {start}-")


class _Part:
    """A file on its way: its bytes so far in NAME.part, and beside it which version of it they are of."""

    def __init__(self, target: Path, advance: Callable[[int], None]) -> None:
        self.name, self._target = target.name, target
        self._path = target.with_name(f"{target.name}.part")
        self._version = target.with_name(f"{target.name}.part.etag")
        self._advance, self._told = advance, 0
        target.parent.mkdir(parents=True, exist_ok=True)

    @property
    def size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def resume(self, remote: Remote) -> bool:
        """Keeps what belongs to the announced version, drops the rest; whether the file is whole."""
        known = self._version.read_text("utf-8") if self._version.exists() else None
        if known != (remote.etag or "") or (remote.size is not None and self.size > remote.size):
            self.restart()
        self._version.write_text(remote.etag or "", "utf-8")
        self._tell()
        return remote.size is not None and self.size == remote.size and self._path.exists()

    def append(self, block: bytes) -> None:
        with self._path.open("ab") as stream:
            stream.write(block)
        self._tell()

    def restart(self) -> None:
        self._path.unlink(missing_ok=True)
        self._tell()

    def finish(self) -> None:
        self._path.touch()
        self._path.replace(self._target)
        self._version.unlink(missing_ok=True)

    def _tell(self) -> None:
        if self.size != self._told:
            self._advance(self.size - self._told)
            self._told = self.size
