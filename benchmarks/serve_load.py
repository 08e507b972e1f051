"""The load of `serve.py`: Debian's wrk posting photographs, what it saw, and what the servers held meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# wrk cuts off what is under way when a turn ends: of an inference of a tenth of a second on each of two cores that is
# a fiftieth of a turn of five seconds. So a turn lasts until its last whole answer, as that of the bare loop does.
_SCRIPT: Final = """
local ffi = require("ffi")
ffi.cdef[[
  typedef struct { long seconds; long nanoseconds; } inflare_time;
  int clock_gettime(int clock, inflare_time *time);
]]
local clock, threads = ffi.new("inflare_time"), {}
local bodies, headers, turn = {}, {}, 0
local function now()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.seconds) * 1e6 + tonumber(clock.nanoseconds) / 1e3
end
function setup(thread)
  threads[#threads + 1] = thread
end
function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^(.-): (.*)$")
    if name then headers[name] = value else
      local file = io.open(line, "rb"); bodies[#bodies + 1] = file:read("*a"); file:close()
    end
  end
end
function request()
  begun = begun or now()
  turn = turn % #bodies + 1
  return wrk.format("POST", nil, headers, bodies[turn])
end
function response()
  ended = now()
end
function done(summary, latency, requests)
  local e, first, last = summary.errors, math.huge, 0
  for _, thread in ipairs(threads) do
    first, last = math.min(first, thread:get("begun") or first), math.max(last, thread:get("ended") or last)
  end
  io.write(string.format('JSON {"requests": %d, "us": %d, "p50": %d, "p99": %d, "bad": %d, "timeouts": %d}\\n',
    summary.requests, math.max(last - first, 1), latency:percentile(50), latency:percentile(99),
    e.status + e.connect + e.read + e.write, e.timeout))
end
"""


_LOOK_S: Final = 0.25
_CALM: Final = 2  # looks in a row
_IDLE: Final = 0.1  # of a core: some servers never rest wholly


class NoLoad(Exception):
    """The load could not be made, or the server did not stand it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What so many callers at once saw: requests a second, milliseconds, and refusals or failures."""

    concurrency: int
    per_second: float
    p50_ms: float
    p99_ms: float
    bad: int


def need_wrk() -> str:
    """Where wrk is. Raises NoLoad with the remedy."""
    found = shutil.which("wrk")
    if found is None:
        raise NoLoad("wrk is not installed: apt-get install wrk")
    return found


class Load:
    """Photographs in the form of one server, ready to be posted to it by any number of callers."""

    def __init__(self, folder: Path, bodies: Sequence[bytes], headers: Mapping[str, str], url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._script, self._list, self._url = folder / "post.lua", folder / "list", url
        self._script.write_text(_SCRIPT)
        files = [folder / f"{index}.body" for index in range(len(bodies))]
        for file, body in zip(files, bodies, strict=True):
            file.write_bytes(body)
        lines = [*(f"{name}: {value}" for name, value in headers.items()), *map(str, files)]
        self._list.write_text("\n".join(lines) + "\n")
        self._first, self._headers = bodies[0], dict(headers)

    def run(self, concurrency: int, seconds: float) -> Seen:
        """Post for so long. Raises NoLoad where nothing was answered."""
        command = [need_wrk(), "-t1", f"-c{concurrency}", f"-d{max(round(seconds), 1)}s", "--timeout", "60s",
                   "-s", str(self._script), self._url, "--", str(self._list)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
        line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
        if line is None:
            raise NoLoad(f"wrk said: {(done.stderr or done.stdout).strip()[-200:]}")
        found: dict[str, Any] = json.loads(line[5:])
        if not found["requests"] or found["bad"] + found["timeouts"] > found["requests"] // 2:
            raise NoLoad(f"of {found['requests']} requests {found['bad'] + found['timeouts']} failed")
        rate = (found["requests"] - found["bad"]) / found["us"] * 1e6
        return Seen(concurrency, rate, found["p50"] / 1e3, found["p99"] / 1e3, found["bad"] + found["timeouts"])

    def once(self) -> tuple[int, bytes]:
        """One photograph: the status and the answer. Raises OSError where nobody listens."""
        host, _, path = self._url.partition("://")[2].partition("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request("POST", "/" + path, self._first, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait(self, process: subprocess.Popen[bytes], limit: float) -> float:
        """Seconds until the first answer. Raises NoLoad where the server ended, or did not answer in `limit`."""
        started = time.monotonic()
        status = 0
        while time.monotonic() - started < limit:
            if process.poll() is not None:
                raise NoLoad(f"the server ended with {process.returncode}")
            try:
                status, _ = self.once()
                if status == 200:
                    return time.monotonic() - started
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise NoLoad(f"no answer within {limit:.0f} s (last status {status})")


def free_port(count: int = 3) -> int:
    """A port that is free, as are the next ones."""
    while True:
        held: list[socket.socket] = []
        try:
            with socket.socket() as first:
                first.bind(("127.0.0.1", 0))
                port = int(first.getsockname()[1])
            for offset in range(count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port + offset))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for each in held:
                each.close()


def family(root: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(place.name)):
            parents[int(place.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory_mb(root: int) -> float:
    """Proportional share of memory of a process and its descendants."""
    total = 0
    for pid in family(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def rest(root: int, limit: float = 60) -> None:
    """Wait until a process and its descendants do next to nothing, at most `limit` seconds. A server that goes on with
    the requests of callers that have left would take the processor from whoever is measured next."""
    until, spent, calm = time.monotonic() + limit, cpu_seconds(root), 0
    while calm < _CALM and time.monotonic() < until:
        time.sleep(_LOOK_S)
        before, spent = spent, cpu_seconds(root)
        calm = calm + 1 if spent - before <= _IDLE * _LOOK_S else 0


def cpu_seconds(root: int) -> float:
    """Processor time that a process and its living descendants have taken."""
    ticks = sum(sum(map(int, fields[11:13])) for pid in family(root) if (fields := _stat(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


def stop(process: subprocess.Popen[bytes], patience: float = 15) -> None:
    """End a server and all that it started, also what outlives it."""
    members = {pid: _born(pid) for pid in family(process.pid)}
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    for pid, born in members.items():
        if born and _born(pid) == born:  # not another process that got the number since
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(patience)


def _born(pid: int) -> str:
    """When the process started, in clock ticks since boot; empty where there is none."""
    return fields[19] if (fields := _stat(pid)) else ""


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name, the state first; none where there is no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
