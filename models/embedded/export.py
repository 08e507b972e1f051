"""Turns a training run's averaged weights into the ONNX file that ships, without torch: the serving builder does it."""

import argparse
import importlib
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from ..architectures import rtdetr, rtdetr_joints
from .classes import PERSON
from .dataset import INPUT_SIDE
from .restore import topdown_weights

PACKAGED = Path(__file__).parent / "detector.onnx"
PACKAGED_JOINTS = Path(__file__).parent / "keypoints.onnx"
EPILOG = """
examples:
  python -m inflare.models.embedded.export --run run
  python -m inflare.models.embedded.export --run joints --topdown look --joints
                         the keypoint file of a run of train --joints and one of train --topdown

Then write the printed size and hash into the model's card, and the figures that `evaluate` prints.
"""


def export(
    run: Path, out: Path | None = None, *, joints: bool = False, topdown: Path | None = None
) -> tuple[Path, str]:
    """Writes the detector of `run`/average, or its keypoint sibling where `joints`, to `out` or in place of the file
    that ships. The sibling has the second look of the run, or of the keypoint file, `topdown` where one is given.
    Returns the file and its SHA-256. Raises UnsupportedCheckpoint, ValueError where `topdown` has no second look."""
    weights = _weights(run)
    config = json.loads((run / "average" / "config.json").read_text())
    if joints:
        if topdown is not None:
            weights |= topdown_weights(topdown) if topdown.suffix == ".onnx" else _weights(topdown)
        model = rtdetr_joints.build(config, weights, size=INPUT_SIDE, person=PERSON)
    else:
        plain = {name: value for name, value in weights.items() if not name.startswith(rtdetr_joints.HEAD)}
        model = rtdetr.build(config, plain, size=INPUT_SIDE)
    data = model.SerializeToString(deterministic=True)
    file = out or (PACKAGED_JOINTS if joints else PACKAGED)
    file.write_bytes(data)
    return file, sha256(data).hexdigest()


def _weights(run: Path) -> dict[str, NDArray[Any]]:
    # safetensors types its paths only in part.
    return cast(Any, importlib.import_module("safetensors.numpy")).load_file(run / "average" / "model.safetensors")


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
    parser.add_argument(
        "--topdown",
        type=Path,
        metavar="RUN",
        help="with --joints: a run of train --topdown, or a keypoint file whose second look is kept",
    )
    parser.add_argument("--out", type=Path, help="file to write (default: the one that ships)")
    options = parser.parse_args(arguments)
    if options.topdown and not options.joints:
        parser.error("--topdown goes with --joints: the detector has no second look")
    file, digest = export(options.run, options.out, joints=options.joints, topdown=options.topdown)
    print(f"{file}: size = {file.stat().st_size}, sha256 = {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
