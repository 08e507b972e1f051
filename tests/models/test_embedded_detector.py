"""The file that ships: its size, its hash in the card, its contract, and that it detects on scenes never seen."""

from hashlib import sha256

import numpy as np
import onnx
import pytest

from inflare.models.embedded.classes import LABELS
from inflare.models.embedded.dataset import INPUT_SIDE
from inflare.models.embedded.evaluate import Network, card, detect, evaluate, load
from inflare.models.embedded.examples import ARRANGEMENTS, arrange
from inflare.models.embedded.export import PACKAGED
from inflare.models.embedded.scenes import HELD_OUT_SEED

# Well below what the card says for 1000 scenes: 60 of them scatter by a few hundredths.
LEAST_AP = 0.5


@pytest.fixture(scope="module")
def network() -> Network:
    return load(PACKAGED, threads=1)


def test_it_is_at_most_eight_megabytes() -> None:
    assert PACKAGED.stat().st_size <= 8_000_000


def test_the_card_holds_its_hash_and_size() -> None:
    (file,) = card().source.files
    assert file.sha256 == sha256(PACKAGED.read_bytes()).hexdigest()
    assert file.size == PACKAGED.stat().st_size


def test_the_card_names_the_classes_that_are_drawn() -> None:
    assert card().labels == LABELS


def test_it_declares_the_served_contract() -> None:
    model = onnx.load_from_string(PACKAGED.read_bytes())
    assert {entry.key: entry.value for entry in model.metadata_props}["inflare.contract"] == "1"


def test_outputs_have_the_contracts_shapes(network: Network) -> None:
    logits, boxes = network(np.zeros((2, INPUT_SIDE, INPUT_SIDE, 3), np.uint8))
    assert logits.shape == (2, 50, len(LABELS))
    assert boxes.shape == (2, 50, 4)


def test_a_picture_gives_the_same_alone_and_in_a_batch(network: Network) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, INPUT_SIDE, INPUT_SIDE, 3), dtype=np.uint8)
    together, alone = network(images)[0][1], network(images[1:2])[0][0]
    assert np.sort(together, axis=0) == pytest.approx(np.sort(alone, axis=0), abs=1e-3)


def test_it_finds_what_is_drawn_in_held_out_scenes(network: Network) -> None:
    report = evaluate(network, count=60, seed=HELD_OUT_SEED)
    assert report.figures["AP"] > LEAST_AP


def test_the_first_example_is_easy(network: Network) -> None:
    scene = arrange(ARRANGEMENTS[0])
    (found,) = detect(network, [scene])
    assert found[0].score > 0.5
    assert found[0].label in {LABELS[label.kind] for label in scene.labels}
