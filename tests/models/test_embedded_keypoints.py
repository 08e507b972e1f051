"""The keypoint file that ships: its size, its hash in the card, its contract, and people's joints in unseen scenes."""

from hashlib import sha256

import numpy as np
import onnx
import pytest

from inflare.models.detection import Box, Detection, Keypoint
from inflare.models.embedded.dataset import INPUT_SIDE
from inflare.models.embedded.evaluate import JOINTS_ID, card, load_all, scene_png
from inflare.models.embedded.evaluate_joints import Ellipses, JointNetwork, JointReport, evaluate_joints
from inflare.models.embedded.export import PACKAGED_JOINTS
from inflare.models.embedded.scenes import HELD_OUT_SEED, Joints, Label, Scene

# Well below what the card says for 1000 scenes: 60 of them have about 25 people.
LEAST_OKS_AP50 = 0.4
LEAST_INSIDE = 0.85


@pytest.fixture(scope="module")
def network() -> JointNetwork:
    return load_all(PACKAGED_JOINTS, threads=1)


@pytest.fixture(scope="module")
def report(network: JointNetwork) -> JointReport:
    return evaluate_joints(network, card(JOINTS_ID), scene_png, count=60, seed=HELD_OUT_SEED)


def test_it_is_at_most_ten_megabytes() -> None:
    assert PACKAGED_JOINTS.stat().st_size <= 10_000_000


def test_the_card_holds_its_hash_and_size() -> None:
    (file,) = card(JOINTS_ID).source.files
    assert (file.sha256, file.size) == (
        sha256(PACKAGED_JOINTS.read_bytes()).hexdigest(),
        PACKAGED_JOINTS.stat().st_size,
    )


def test_it_declares_the_served_contract() -> None:
    model = onnx.load_from_string(PACKAGED_JOINTS.read_bytes())
    assert {entry.key: entry.value for entry in model.metadata_props}["inflare.contract"] == "1"


def test_outputs_have_the_contracts_shapes(network: JointNetwork) -> None:
    outputs = network(np.zeros((2, INPUT_SIDE, INPUT_SIDE, 3), np.uint8))
    assert {name: value.shape for name, value in outputs.items()} == {
        "logits": (2, 50, 1),
        "boxes": (2, 50, 4),
        "keypoints": (2, 50, 17, 8),
    }


def test_it_finds_joints_in_held_out_scenes(report: JointReport) -> None:
    assert report.figures["AP50"] > LEAST_OKS_AP50


def test_true_joints_lie_in_the_ellipses_it_draws(report: JointReport) -> None:
    assert report.joints > 50
    assert report.inside_visible > LEAST_INSIDE


def standing(x: float, y: float) -> Scene:
    """One person with every joint at (x, y)."""
    rows = np.tile(np.array([x, y, 2], np.float32), (17, 1))
    label = Label(0, (0, 0, 40, 80), 1600, Joints(rows))
    return Scene(np.zeros((80, 40, 3), np.uint8), (label,), np.zeros((80, 40), np.int16))


def seen_at(x: float, y: float, spread: float) -> Detection:
    point = Keypoint("nose", x, y, 0.9, True, ((spread, 0.0), (0.0, spread)))
    return Detection(0.9, "person", 0, Box(0, 0, 40, 80), (point,) * 17, 0.9)


@pytest.mark.parametrize(("away", "share"), [(0.0, 1.0), (4.8, 1.0), (5.0, 0.0)])
def test_an_ellipse_of_95_percent_reaches_2_45_deviations(away: float, share: float) -> None:
    counted = Ellipses()
    counted.add(standing(20, 40), [seen_at(20 + away, 40, 4.0)])
    assert (counted.joints, counted.share(2)) == (17, share)


def test_a_person_nobody_found_counts_in_no_ellipse() -> None:
    counted = Ellipses()
    counted.add(standing(20, 40), [])
    assert counted.joints == 0
