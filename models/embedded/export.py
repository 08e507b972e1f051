"""Turns a training run's averaged weights into the ONNX file that ships, without torch: the serving builder does it."""

import argparse
import importlib
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from ..architectures import rtdetr, rtdetr_joints
from .classes import PERSON
from .dataset import INPUT_SIDE

PACKAGED = Path(__file__).parent / "detector.onnx"
PACKAGED_JOINTS = Path(__file__).parent / "keypoints.onnx"
EPILOG = """
examples:
  python -m inflare.models.embedded.export --run run
  python -m inflare.models.embedded.export --run run --joints    the keypoint file of a run of train --joints

Then write the printed size and hash into the model's card, and the figures that `evaluate` prints.
"""


def export(run: Path, out: Path | None = None, *, joints: bool = False) -> tuple[Path, str]:
    """Writes the detector of `run`/average, or its keypoint sibling where `joints`, to `out` or in place of the file
    that ships. Returns the file and its SHA-256. Raises UnsupportedCheckpoint."""
    folder = run / "average"
    # safetensors types its paths only in part.
    weights = cast(Any, importlib.import_module("safetensors.numpy")).load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    if joints:
        model = rtdetr_joints.build(config, weights, size=INPUT_SIDE, person=PERSON)
    else:
        plain = {name: value for name, value in weights.items() if not name.startswith(rtdetr_joints.HEAD)}
        model = rtdetr.build(config, plain, size=INPUT_SIDE)
    data = model.SerializeToString(deterministic=True)
    file = out or (PACKAGED_JOINTS if joints else PACKAGED)
    file.write_bytes(data)
    return file, sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.export",
        description="Write the ONNX file of a training run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--joints", action="store_true", help="write the keypoint sibling of a run that trained one")
    parser.add_argument("--out", type=Path, help="file to write (default: the one that ships)")
    options = parser.parse_args(arguments)
    file, digest = export(options.run, options.out, joints=options.joints)
    print(f"{file}: size = {file.stat().st_size}, sha256 = {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
