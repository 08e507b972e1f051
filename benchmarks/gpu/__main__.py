"""The command: python -m benchmarks.gpu [--quick] [--json] [--cpu] [--models NAME …]. Run it from the repository."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu import ceilings, graphs, parity, speed
from inflare.runtime.inference.sessions import SessionOptions, available_providers

BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and for how many seconds each."""

    models: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured, and where."""

    machine: str
    ceilings: ceilings.Ceilings
    parity: list[parity.Parity]
    rows: list[speed.Row]

    def document(self) -> dict[str, object]:
        rows = [{**asdict(each), "passed": each.passed} for each in self.parity]
        return {**asdict(self), "parity": rows}


def run(plan: Plan, options: SessionOptions, cpu: SessionOptions, folder: Path) -> Found:
    """Measures the plan; says on standard error what it is at."""
    found = Found(_machine(options), ceilings.measure(options, folder), [], [])
    for name in plan.models:
        print(f"building {name} …", file=sys.stderr)
        built = graphs.build(name, folder)
        for precision in plan.precisions:
            print(f"measuring {name} {precision} …", file=sys.stderr)
            found.parity.extend(parity.compare(built, precision, options, cpu))
            found.rows.extend(speed.measure(built, precision, options, plan.batches, plan.seconds, found.ceilings))
    return found


def _machine(options: SessionOptions) -> str:
    cores = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{options.choice.providers[0]} on {cores}"


def text(found: Found) -> str:
    """The tables for people."""
    best = ", ".join(f"{name} {value / 1e12:.2f} TFLOP/s" for name, value in found.ceilings.flops.items())
    lines = [
        found.machine,
        f"ceilings by {found.ceilings.by}: {best}, {found.ceilings.copy / 1e9:.0f} GB/s read and written",
        "\nparity with the CPU's fp32, in parts of the largest value",
        *(
            f"  {each.model:22}{each.precision:6}{each.output:10}{each.difference:10.1e}  "
            f"{'pass' if each.passed else 'FAIL'}"
            for each in found.parity
        ),
        f"\n{'model':22}{'':6}{'mode':8}{'batch':>6}{'ms':>10}{'images/s':>10}{'of ceiling':>12}",
    ]
    return "\n".join([*lines, *map(_line, found.rows)])


def _line(row: speed.Row) -> str:
    head = f"{row.model:22}{row.precision:6}{row.mode:8}"
    if row.milliseconds is None or row.per_second is None:
        return f"{head}not possible: {row.problem}"
    share = "" if row.share is None else f"{row.share:.1%}"
    return f"{head}{row.batch:6}{row.milliseconds:10.2f}{row.per_second:10.1f}{share:>12}"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns its exit status: 1 where the device does not compute what the CPU does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="batches 1 and 8, a third of a second each")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--cpu", action="store_true", help="measure the CPU where there is no GPU")
    parser.add_argument("--models", nargs="+", choices=graphs.names(), default=graphs.names(), metavar="NAME")
    parser.add_argument("--tensorrt", action="store_true", help="TensorRT before CUDA, where its libraries are")
    given = parser.parse_args(arguments)
    wanted = ("tensorrt", "cuda", "cpu") if given.tensorrt else ("cuda", "cpu")
    choice, cpu = available_providers(("cpu",) if given.cpu else wanted), available_providers(("cpu",))
    if choice.device == "cpu" and not given.cpu:
        print(f"No GPU to measure: {choice.reason}. --cpu measures the CPU instead.")
        return 0
    on_gpu, threads = choice.device == "gpu", os.cpu_count() or 1
    batches = ((1, 8) if given.quick else BATCHES) if on_gpu else ((1,) if given.quick else (1, 2, 4))
    plan = Plan(tuple(given.models), ("fp32", "fp16") if on_gpu else ("fp32",), batches, 0.3 if given.quick else 1.5)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "engines"
        cache.mkdir()
        options = SessionOptions(choice, threads, cache=cache)
        found = run(plan, options, SessionOptions(cpu, threads), Path(folder))
    print(json.dumps(found.document(), indent=2) if given.json else text(found))
    return 0 if all(each.passed for each in found.parity) else 1


if __name__ == "__main__":
    raise SystemExit(main())
