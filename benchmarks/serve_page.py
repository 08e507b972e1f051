"""What `serve.py` found, for programs, for people, and for docs/performance.md with its plot."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.serve_load import Seen

BEGIN: Final = "<!-- begin: {} -->"
END: Final = "<!-- end: {} -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One server with one setting. `ratio`: its throughput at 8 over inflare's of the same turns."""

    server: str
    setting: str
    graph: str
    size: str
    seen: tuple[Seen, ...]
    start_s: float
    memory_mb: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A bare loop; `ratio`: inflare's throughput at 8 callers over its own."""

    kind: str
    setting: str
    size: str
    per_second: float
    p50_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    machine: str
    rows: tuple[Row, ...]
    bounds: tuple[Bound, ...]
    missing: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """For programs; the ratios at the top are of the first size."""
        return {
            "machine": self.machine,
            "ratio_to_bare_loop_c8": self.to_bound("prepare"),
            "ratio_to_bare_session_c8": self.to_bound("run"),
            "ratio_to_best_peer_c8": self.to_best("own"),
            "ratio_to_best_peer_export_c8": self.to_best("export"),
            "best_peer_c8": self.best("own").server if self.best("own") else None,  # pyright: ignore[reportOptionalMemberAccess]
            "p50_ratio_to_best_peer_c1": self.first_latency(),
            "rows": [asdict(row) for row in self.rows],
            "bounds": [asdict(bound) for bound in self.bounds],
            "not_measured": dict(self.missing),
        }

    def sizes(self) -> tuple[str, ...]:
        """Each network that was served."""
        return tuple(dict.fromkeys(row.size for row in self.rows))

    def to_bound(self, kind: str, size: str = "") -> float | None:
        """inflare over the fastest bare loop of a kind."""
        size = size or self.sizes()[0]
        found = [bound.ratio for bound in self.bounds if (bound.kind, bound.size) == (kind, size)]
        return round(min(found), 3) if found else None

    def best(self, graph: str, size: str = "") -> Row | None:
        """The peer with the highest throughput at 8."""
        size = size or self.sizes()[0]
        found = [row for row in self.rows if row.server != "inflare" and (row.graph, row.size) == (graph, size)]
        return max(found, key=lambda row: row.ratio, default=None)

    def to_best(self, graph: str, size: str = "") -> float | None:
        """inflare over the best peer at 8."""
        row = self.best(graph, size)
        return round(1 / row.ratio, 3) if row else None

    def first_latency(self, size: str = "") -> float | None:
        """The lowest median at concurrency 1 of any peer over inflare's: above 1 inflare is quicker."""
        size = size or self.sizes()[0]
        medians = {
            row.server == "inflare": min(
                (seen.p50_ms for other in self.rows for seen in other.seen
                 if seen.concurrency == 1 and other.size == size
                 and (other.server == "inflare") == (row.server == "inflare")), default=0.0)
            for row in self.rows
        }  # fmt: skip
        if not medians.get(True) or not medians.get(False):
            return None
        return round(medians[False] / medians[True], 3)


def machine() -> str:
    """What it ran on, in one line."""
    names = (line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name"))
    name = next(names, platform.machine()).partition(":")[2].strip() or platform.machine()
    return f"{os.cpu_count()} cores of {name}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


_HEAD: Final = ("server", "sessions x threads", "/s at 1", "at 8", "at 32", "p50 ms at 1", "p99 ms at 8", "MB",
                "start s", "of inflare")  # fmt: skip


def _cells(row: Row) -> tuple[str, ...]:
    by = {seen.concurrency: seen for seen in row.seen}

    def at(count: int, value: Callable[[Seen], float], digits: int) -> str:
        return f"{value(by[count]):.{digits}f}" if count in by else "-"

    rates = tuple(at(count, lambda seen: seen.per_second, 1) for count in (1, 8, 32))
    latencies = (at(1, lambda seen: seen.p50_ms, 1), at(8, lambda seen: seen.p99_ms, 0))
    return (
        row.server,
        row.setting,
        *rates,
        *latencies,
        f"{row.memory_mb:.0f}",
        f"{row.start_s:.1f}",
        f"{row.ratio:.2f}",
    )


def _tables(report: Report) -> list[tuple[str, Sequence[Sequence[str]]]]:
    found: list[tuple[str, Sequence[Sequence[str]]]] = []
    for size in report.sizes():
        for graph in ("own", "export"):
            rows = [row for row in report.rows if row.size == size and (row.graph == graph or row.server == "inflare")]
            if any(row.server != "inflare" for row in rows):
                ordered = sorted(rows, key=lambda row: -row.ratio)
                what = "everybody runs inflare's graph" if graph == "own" else "the peers run torch's export"
                found.append((f"RT-DETR, {size}: {what}", [_HEAD, *map(_cells, ordered)]))
        bounds = [bound for bound in report.bounds if bound.size == size]
        words = {"prepare": "decode, resize, `session.run`", "run": "`session.run` alone"}
        head = ("bare loop", "sessions x threads", "/s", "p50 ms", "inflare at 8 over it")
        body = [
            (words[each.kind], each.setting, f"{each.per_second:.1f}", f"{each.p50_ms:.1f}", f"{each.ratio:.3f}")
            for each in bounds
        ]
        found.append((f"RT-DETR, {size}: the bounds", [head, *body]))
    return found


def text(report: Report) -> str:
    """For people."""
    lines = [report.machine]
    for title, rows in _tables(report):
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["", title]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for size in report.sizes():
        lines += ["", _summary(report, size)]
    lines += [f"not measured: {name}: {why}" for name, why in report.missing.items()]
    return "\n".join(lines)


def _summary(report: Report, size: str) -> str:
    return (
        f"{size}: inflare at 8 over the bare loop with decode and resize {report.to_bound('prepare', size)}, "
        f"over the best peer {report.to_best('own', size)}, over the best with torch's export "
        f"{report.to_best('export', size)}; p50 at 1 of the best peer over inflare's {report.first_latency(size)}"
    )


def markdown(report: Report) -> str:
    """For the page."""
    lines = [f"{report.machine}. The plot: [PNG](serve.png), [SVG](serve.svg)."]
    for title, (head, *rows) in _tables(report):
        lines += ["", f"**{title}**", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    if report.missing:
        lines += ["", "Not measured:", "", *(f"- {name}: {why}" for name, why in report.missing.items())]
    return "\n".join(lines)


def between(page: str, name: str, content: str) -> str:
    """`page` with what is between the markers `name` replaced. Raises ValueError where there are none."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no {begin} … {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def write_page(report: Report, folder: Path) -> None:
    """The tables into performance.md and, where matplotlib is installed, serve.png and serve.svg beside it."""
    page = folder / "performance.md"
    page.write_text(between(page.read_text(), "serve", markdown(report)))
    draw(report, folder)


def draw(report: Report, folder: Path) -> None:
    """Throughput of each server's best setting at 1, 8 and 32 callers. Raises ImportError without the extra `bench`."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    size = report.sizes()[0]
    best: dict[str, Row] = {}
    for row in sorted((row for row in report.rows if row.size == size), key=lambda row: row.ratio):
        if row.graph == "own":
            best[row.server] = row
    figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(best) + 1.8), layout="constrained")
    for index, count in enumerate((1, 8, 32)):
        rates = [next((s.per_second for s in row.seen if s.concurrency == count), 0.0) for row in best.values()]
        places = [place + 0.25 * (1 - index) for place in range(len(best))]
        axes.barh(places, rates, 0.25, label="1 caller" if count == 1 else f"{count} callers")
    axes.set_yticks(range(len(best)), list(best))
    axes.set_xlabel(f"photographs a second, RT-DETR of {size}, inflare's graph")
    top = max((bound.per_second for bound in report.bounds if (bound.kind, bound.size) == ("prepare", size)), default=0)
    if top:
        axes.axvline(top, color="black", linestyle=":", label="bare loop")
    axes.legend()
    for kind in ("png", "svg"):
        figure.savefig(folder / f"serve.{kind}", dpi=150)
    pyplot.close(figure)
