"""How cost grows: image size, batch, models loaded, connections, accounts, and ledger rows up to ten million.
Run: python benchmarks/scale.py [--quick] [--json] [--only NAME,…]"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import scale_ledger, scale_server
from benchmarks.serve_graphs import install
from benchmarks.serve_page import machine

PHOTO = Path(__file__).parents[1] / "examples" / "01-street.jpg"


def sections(folder: Path, quick: bool) -> dict[str, Callable[[], Iterator[Any]]]:
    """Each thing that grows, and the measurement of its growth."""
    served = install("30ms", folder / "network")
    photo = PHOTO.read_bytes()
    sides = (320, 640, 1280, 2560) if quick else (320, 640, 1280, 2560, 5120, 7680)
    counts = (1, 2, 4) if quick else (1, 2, 4, 8, 16)
    loaded = (1, 3) if quick else (1, 2, 4, 8, 16)
    held = (1, 200, 1_000) if quick else (1, 100, 500, 1_000, 2_000)
    rows = (0, 10_000, 200_000) if quick else (0, 10_000, 100_000, 1_000_000, 10_000_000)
    people = (1, 1_000) if quick else (1, 100, 10_000, 100_000)
    charges = 100 if quick else 1_000
    return {
        "image size": lambda: scale_server.image_sizes(served, sides, 3 if quick else 9),
        "batch": lambda: scale_server.batches(served, counts, 3 if quick else 9),
        "models": lambda: scale_server.models(served, loaded, photo),
        "connections": lambda: scale_server.connections(served, held, photo),
        "accounts": lambda: scale_ledger.accounts(folder, people, charges),
        "ledger rows": lambda: scale_ledger.rows(folder, rows, charges),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts, under 50 s")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--only", default="", help="sections, with commas; default: all")
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, section in sections(Path(folder), options.quick).items():
            if options.only and name not in options.only.split(","):
                continue
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            found[name] = [asdict(row) for row in section()]
    if options.json:
        print(json.dumps({"machine": machine(), **found}, indent=2))
        return
    print(machine())
    for name, rows in found.items():
        print(f"\n{name}")
        print("  ".join(f"{key:>14}" for key in rows[0]))
        for row in rows:
            print("  ".join(f"{value:14.2f}" if isinstance(value, float) else f"{value:14}" for value in row.values()))


if __name__ == "__main__":
    main()
