"""inflare beside other servers and the bare loop: one machine, photographs and graph, by turns. Needs Debian's wrk.
Run: python benchmarks/serve.py [--quick] [--json] [--write] [--photos DIR] [--peers NAME,…] [--torch PYTHON]"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.serve_graphs import MODEL, SIZES, Served, install
from benchmarks.serve_load import Load, NoLoad, Seen, free_port, memory_mb, need_wrk, rest, stop
from benchmarks.serve_page import Bound, Report, Row, machine, text, write_page
from benchmarks.serve_peers import ALL, QUICK, ROOT, NotInstalled, Peer, Setting

BARE = Path(__file__).with_name("serve_bare.py")
START_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often: seconds a turn by size, turns of the middle concurrency, and all concurrencies."""

    seconds: Mapping[str, float]
    rounds: int
    concurrencies: tuple[int, ...] = (1, 8, 32)


FULL = Plan({"30ms": 5, "r50": 15}, 3)
FAST = Plan({"30ms": 2, "r50": 4}, 2, (1, 8))


@dataclass(slots=True)
class Contender:
    """A server that answers, how it was started, and what was seen of it by concurrency."""

    name: str
    setting: str
    kind: str
    process: subprocess.Popen[bytes]
    load: Load
    start_s: float = 0.0
    memory: float = 0.0
    seen: dict[int, list[Seen]] = field(default_factory=dict[int, list[Seen]])

    def turn(self, concurrency: int, seconds: float) -> None:
        """One turn of load, and what the server still does about it afterwards."""
        self.seen.setdefault(concurrency, []).append(self.load.run(concurrency, seconds))
        rest(self.process.pid)
        self.memory = max(self.memory, memory_mb(self.process.pid))

    def row(self, size: str, reference: float) -> Row:
        """The median turn at each concurrency. `reference` is inflare's throughput at 8 of the same turns."""
        middle = {count: _middle(turns) for count, turns in sorted(self.seen.items())}
        at_8 = middle[8].per_second
        return Row(self.name, self.setting, self.kind, size, tuple(middle.values()), self.start_s, self.memory,
                   at_8 / reference)  # fmt: skip


def _middle(turns: Sequence[Seen]) -> Seen:
    rate = statistics.median(turn.per_second for turn in turns)
    nearest = min(turns, key=lambda turn: abs(turn.per_second - rate))
    return replace(nearest, per_second=rate)


class Stage:
    """One network, the photographs in everybody's form, and the servers that are up."""

    def __init__(self, size: str, folder: Path, photos: Sequence[Path]) -> None:
        self.size, self.folder, self.photos = size, folder, photos
        self.served: Served = install(size, folder / size)
        self.files = [photo.read_bytes() for photo in photos]

    def inflare(self, opened: contextlib.ExitStack) -> Contender:
        """`inflare dev` with its defaults: ledger, access log and all."""
        port = free_port()
        command = [sys.executable, "-c", "from inflare.bindings.cli import main; main()", "dev", "--port", str(port)]
        environment = {**os.environ, "INFLARE_RUNTIME_PRELOAD": MODEL}
        process = subprocess.Popen(
            command, cwd=self.served.home.parent, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "inflare.log").open("wb"),
        )  # fmt: skip
        headers = {"Content-Type": "application/octet-stream"}
        load = Load(self.folder / f"inflare-{port}", self.files, headers, f"http://127.0.0.1:{port}/ai/run/{MODEL}")
        return self._up(opened, Contender("inflare", "adaptive", "own", process, load))

    def peer(self, opened: contextlib.ExitStack, peer: Peer, setting: Setting, kind: str, graph: Path) -> Contender:
        """A peer that answers. Raises NotInstalled or NoLoad."""
        port, form = free_port(), peer.form
        python = peer.python()
        process = peer.start(python, setting, graph, kind, self.served.size.side, port)
        bodies = [form.body(file) for file in self.files]
        load = Load(self.folder / f"{peer.name}-{port}", bodies, form.headers, f"http://127.0.0.1:{port}{form.path}")
        return self._up(opened, Contender(peer.name, str(setting), kind, process, load))

    @staticmethod
    def _up(opened: contextlib.ExitStack, contender: Contender) -> Contender:
        opened.callback(stop, contender.process)
        contender.start_s = contender.load.wait(contender.process, START_S)
        return contender

    def bare(self, setting: Setting, kind: str, seconds: float) -> tuple[float, float]:
        """Images a second and the median milliseconds of the loop; `kind` is "prepare" or "run"."""
        words = [str(self.served.home), MODEL, str(setting.sessions), str(setting.threads), str(seconds), kind]
        command = [sys.executable, str(BARE), *words, *map(str, self.photos)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=True)
        found = json.loads(done.stdout)
        return float(found["per_second"]), float(found["p50_ms"])


def bounds(stage: Stage, inflare: Contender, plan: Plan, settings: Sequence[Setting]) -> tuple[Bound, ...]:
    """The bare loops and inflare by turns."""
    seconds = plan.seconds[stage.size]
    ways = [(kind, setting) for kind in ("prepare", "run") for setting in settings]
    found: dict[tuple[str, Setting], list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(plan.rounds):
        inflare.turn(8, seconds)
        for way in ways if turn % 2 == 0 else reversed(ways[: len(settings)]):  # the decoding ones every time
            found[way].append(stage.bare(way[1], way[0], seconds))
    inflare.turn(8, seconds)
    rate = _middle(inflare.seen[8]).per_second
    return tuple(
        Bound(kind, str(setting), stage.size, statistics.median(each[0] for each in turns),
              statistics.median(each[1] for each in turns), rate / statistics.median(each[0] for each in turns))
        for (kind, setting), turns in found.items()
    )  # fmt: skip


def against(stage: Stage, inflare: Contender, peers: Sequence[Contender], plan: Plan) -> list[Row]:
    """inflare and some peers by turns at 8 callers, and each once at the other concurrencies."""
    seconds = plan.seconds[stage.size]
    before = len(inflare.seen.get(8, []))
    for _ in range(plan.rounds):
        for each in (inflare, *peers):
            each.turn(8, seconds)
    reference = _middle(inflare.seen[8][before:]).per_second
    for count in plan.concurrencies:
        for each in peers if count != 8 else ():
            each.turn(count, seconds)
    return [peer.row(stage.size, reference) for peer in peers]


def measure(options: argparse.Namespace, plan: Plan, folder: Path) -> Report:
    """Everything that was asked for."""
    photos = sorted(Path(options.photos).glob("*.jp*g"))[:16]
    if not photos:
        raise SystemExit(f"no JPEG files in {options.photos}")
    rows: list[Row] = []
    bound: list[Bound] = []
    missing: dict[str, str] = {}
    for size in options.sizes.split(","):
        with contextlib.ExitStack() as opened:
            stage = Stage(size, folder, photos)
            inflare = stage.inflare(opened)
            _say(f"{size}: inflare answers after {inflare.start_s:.1f} s")
            settings = (Setting(2, 1),) if options.quick else (Setting(1, os.cpu_count() or 1), Setting(2, 1))
            bound += bounds(stage, inflare, plan, settings)
            rows += _peers(stage, inflare, plan, options, missing)
            for count in plan.concurrencies:
                if count != 8:
                    inflare.turn(count, plan.seconds[size])
            rows.append(inflare.row(size, _middle(inflare.seen[8]).per_second))
    return Report(machine(), tuple(rows), tuple(bound), missing)


def _peers(
    stage: Stage, inflare: Contender, plan: Plan, options: argparse.Namespace, missing: dict[str, str]
) -> list[Row]:
    rows: list[Row] = []
    for kind, graph in _graphs(stage, options, missing):
        for peer in ALL:
            if options.peers and peer.name not in options.peers.split(","):
                continue
            for setting in peer.settings if not options.quick else QUICK.get(peer.name, ()):
                try:
                    with contextlib.ExitStack() as alone:
                        contender = stage.peer(alone, peer, setting, kind, graph)
                        rows += against(stage, inflare, [contender], plan)
                        _say(f"{stage.size} {kind} {peer.name} {setting}: {rows[-1].ratio:.2f} of inflare")
                except (NotInstalled, NoLoad, subprocess.SubprocessError) as error:
                    missing[f"{peer.name} {setting} ({stage.size}, {kind})"] = str(error)
                    _say(f"{peer.name} {setting}: {error}")
    return rows


def _graphs(stage: Stage, options: argparse.Namespace, missing: dict[str, str]) -> Iterator[tuple[str, Path]]:
    yield "own", stage.served.graph
    if options.quick:
        return
    path = stage.folder / f"{stage.size}.export.onnx"
    program = Path(__file__).with_name("serve_graphs.py")
    words = [str(stage.served.checkpoint), str(stage.served.size.side), str(path)]
    done = subprocess.run([options.torch, str(program), *words], capture_output=True, text=True, timeout=600)
    if done.returncode:
        missing[f"torch's export ({stage.size})"] = done.stderr.strip().splitlines()[-1][:200]
    else:
        yield "export", path


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # so that every server is stopped on the way out


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the 30 ms network, two peers, less than a minute")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md's tables and the plot")
    parser.add_argument("--photos", default=str(ROOT / "examples"), help="a folder of JPEG files; default: examples")
    parser.add_argument("--sizes", default="30ms", help=f"of {', '.join(SIZES)}; default: 30ms")
    parser.add_argument("--peers", default="", help="names, with commas; default: all")
    parser.add_argument("--torch", default=sys.executable, help="an interpreter with torch and transformers")
    options = parser.parse_args()
    plan = FAST if options.quick else FULL
    signal.signal(signal.SIGTERM, _end)
    try:
        need_wrk()
        with tempfile.TemporaryDirectory() as folder:
            report = measure(options, plan, Path(folder))
    except NoLoad as error:
        raise SystemExit(str(error)) from error
    if options.write:
        write_page(report, ROOT / "docs")
    print(json.dumps(report.document(), indent=2) if options.json else text(report))


if __name__ == "__main__":
    main()
