"""The hub's HTTP API as far as downloads go, served from memory: resolve with HEAD and GET, commits, git and LFS
etags, a redirect to a content host on another port, ranges, tokens, gates, and trouble on demand."""

import hashlib
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

LARGE = (".safetensors", ".onnx", ".bin", ".pth")  # kept in large-file storage
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """The files of one repository at one commit, which "main" means."""

    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    token: str | None = None  # who has it may read


@dataclass
class Seen:
    """One request as it came."""

    host: str  # "hub" or "content"
    method: str
    path: str
    range: str | None
    token: str | None


@dataclass
class Hub:
    """What the servers hold and do; `cuts` and `statuses` are used up by the next content requests."""

    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    plain: dict[str, bytes] = field(default_factory=dict[str, bytes])  # at /files/NAME of the content host
    cuts: list[int] = field(default_factory=list[int])  # bytes sent before the connection breaks
    statuses: list[int] = field(default_factory=list[int])
    ignore_ranges: bool = False
    corrupt: bool = False
    endpoint: str = ""
    content: str = ""
    seen: list[Seen] = field(default_factory=list[Seen])

    def downloads(self, name: str = "") -> list[Seen]:
        """The content requests so far, of files whose path ends in `name`."""
        return [seen for seen in self.seen if seen.method == "GET" and seen.path.endswith(name)]


@contextmanager
def serving(hub: Hub, tls: ssl.SSLContext | None = None) -> Generator[Hub, None, None]:
    """Both hosts, on free ports of loopback, until the block ends; over https with a `tls` context."""
    servers = [_server(hub, "hub"), _server(hub, "content")]
    if tls is not None:
        for server in servers:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    hub.endpoint, hub.content = (f"{scheme}://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _server(hub: Hub, kind: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "kind": kind})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def git_etag(data: bytes) -> str:
    """The sha1 by which git names a blob: the etag of small files."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    kind: str
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps standard error clean; `seen` is the log."""

    def _answer(self) -> None:
        token = self.headers.get("authorization")
        self.path = urlsplit(self.path).path  # a proxy is asked for whole addresses
        self.hub.seen.append(Seen(self.kind, self.command, self.path, self.headers.get("range"), token))
        if self.kind == "content":
            self._content()
        else:
            self._resolve(token)

    def _resolve(self, token: str | None) -> None:
        owner, name, verb, revision, *rest = [*self.path.strip("/").split("/"), "", "", "", ""]
        repository = self.hub.repositories.get(f"{owner}/{name}")
        file = "/".join(part for part in rest if part)
        allowed = repository is not None and repository.token in (None, (token or "").removeprefix("Bearer "))
        if repository is None or verb != "resolve" or (not allowed and not repository.gated):
            self._refuse(401, "RepoNotFound")
        elif not allowed or (repository.gated and repository.token is None):
            self._refuse(403, "GatedRepo")
        elif revision not in ("main", repository.commit):
            self._refuse(404, "RevisionNotFound")
        elif file not in repository.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repository.commit})
        else:
            self._file(repository, file)

    def _file(self, repository: Repository, name: str) -> None:
        data = repository.files[name]
        headers = {"X-Repo-Commit": repository.commit, "Accept-Ranges": "bytes"}
        if not name.endswith(LARGE):
            self._send(data, {**headers, "ETag": f'"{git_etag(data)}"'})
            return
        digest = hashlib.sha256(data).hexdigest()
        headers |= {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{digest}"', "ETag": '"pointer"'}
        owner = next(key for key, value in self.hub.repositories.items() if value is repository)
        self._reply(302, b"", {**headers, "Location": f"{self.hub.content}/lfs/{owner}/{name}"})

    def _content(self) -> None:
        kind, *rest = self.path.strip("/").split("/")
        if kind == "lfs":
            data = self.hub.repositories["/".join(rest[:2])].files.get("/".join(rest[2:]))
        else:
            data = self.hub.plain.get("/".join(rest))
        if data is None:
            self._refuse(404, "")
        elif self.hub.statuses:
            self._refuse(self.hub.statuses.pop(0), "")
        else:
            self._send(bytes(len(data)) if self.hub.corrupt else data, {"Accept-Ranges": "bytes"})

    def _send(self, data: bytes, headers: Mapping[str, str]) -> None:
        asked = self.headers.get("range")
        if asked is None or self.hub.ignore_ranges:
            self._reply(200, data, headers)
            return
        start = int(asked.removeprefix("bytes=").split("-")[0])
        if start >= len(data):
            self._refuse(416, "")
            return
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._reply(206, data[start:], {**headers, "Content-Range": span})

    def _refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._reply(status, b"", {"X-Error-Code": code, **(headers or {})})

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.hub.cuts.pop(0) if self.hub.cuts and self.kind == "content" else None
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = self.close_connection or cut is not None
