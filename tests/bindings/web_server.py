"""A web server for tests, on loopback: films whole, in ranges or cut off, and streams that go on until they are cut."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """What is served from `folder`, and what was asked for.

    ranges: whether parts of a file may be asked for. cut: connections that are cut off after so many bytes of a
    file, one after another; later ones are not. endless: names that are sent without a length, `rounds` times over.
    """

    folder: Path
    ranges: bool = False
    cut: list[int] = field(default_factory=list[int])
    endless: frozenset[str] = frozenset()
    rounds: int = 1_000_000
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web(site: Site) -> Generator[str]:
    """The URL of the site, while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.asked.append((self.path, asked))
            path = site.folder / self.path.strip("/")
            if not path.is_file():
                self.send_error(404)
            elif path.name in site.endless:
                self._go_on(path.read_bytes())
            else:
                self._send(path.read_bytes(), asked)

        def _send(self, data: bytes, asked: str | None) -> None:
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "") if site.ranges else None
            start = int(found[1]) if found else 0
            end = int(found[2]) + 1 if found and found[2] else len(data)
            self.send_response(206 if found else 200)
            self.send_header("Content-Length", str(end - start))
            if site.ranges:
                self.send_header("Accept-Ranges", "bytes")
            if found:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            self.end_headers()
            most = site.cut.pop(0) if site.cut else end - start
            self._write(data[start : min(end, start + most)])

        def _go_on(self, data: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(site.rounds):
                if site.over.wait(0.02) or not self._write(data):
                    break

        def _write(self, data: bytes) -> bool:
            try:
                self.wfile.write(data)
            except OSError:  # whoever asked has left
                return False
            return True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        site.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
