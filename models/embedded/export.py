"""Turns a training run's averaged weights into the ONNX file that ships, without torch: the serving builder does it."""

import argparse
import importlib
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from ..architectures import rtdetr
from .dataset import INPUT_SIDE

PACKAGED = Path(__file__).parent / "detector.onnx"
EPILOG = """
example:
  python -m inflare.models.embedded.export --run run

Then write the printed size and hash into the model's card, and the figures that `evaluate` prints.
"""


def export(run: Path, out: Path) -> str:
    """Writes the graph of `run`/average to `out`. Returns its SHA-256. Raises UnsupportedCheckpoint."""
    folder = run / "average"
    # safetensors types its paths only in part.
    weights = cast(Any, importlib.import_module("safetensors.numpy")).load_file(folder / "model.safetensors")
    model = rtdetr.build(json.loads((folder / "config.json").read_text()), weights, size=INPUT_SIDE)
    data = model.SerializeToString(deterministic=True)
    out.write_bytes(data)
    return sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.export",
        description="Write the ONNX file of a training run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--out", type=Path, default=PACKAGED, help="file to write (default: the one that ships)")
    options = parser.parse_args(arguments)
    digest = export(options.run, options.out)
    print(f"{options.out}: size = {options.out.stat().st_size}, sha256 = {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
