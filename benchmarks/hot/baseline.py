"""The ratios that measurements are held to, and the file that they are committed in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).with_name("baseline.json")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Ratios by function; while writing they are being collected, not compared with."""

    writing: bool
    ratios: dict[str, float] = field(default_factory=dict[str, float])


def read() -> Baseline:
    """The committed one."""
    return Baseline(False, json.loads(FILE.read_text()))


def write(baseline: Baseline) -> None:
    """Replaces the committed one."""
    ratios = {name: round(baseline.ratios[name], 3) for name in sorted(baseline.ratios)}
    FILE.write_text(json.dumps(ratios, indent=2) + "\n")
