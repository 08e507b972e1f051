"""The embedded sibling's second look: the graph that ships against the layers that were trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.models.architectures.rtdetr_topdown import (
    EVEN,
    HEAD,
    LIKENESS,
    OVERLAP,
    SECOND_OPINION,
    SURE_ENOUGH,
    VISIBLE_PART,
    WINDOW,
)
from inflare.models.coco import SIGMAS
from inflare.models.embedded import joints, topdown
from inflare.models.embedded.course import Plan
from inflare.models.embedded.dataset import Recipe, draw_batches
from inflare.models.embedded.evaluate import JOINTS_ID, card, load_all
from inflare.models.embedded.export import export
from inflare.models.embedded.network import new_network
from inflare.models.embedded.restore import restore, topdown_weights
from inflare.models.embedded.topdown_trainer import TopDownTrainer
from inflare.models.embedded.trainer import Trainer

from .references import joints_file, torch

pytestmark = pytest.mark.filterwarnings("ignore:You'd better set embed_dim")  # about the speed of the CUDA kernel

SIZE = 64
PEOPLE = (1.0, *[0.0] * 11)


def whole(seed: int) -> Any:
    torch.manual_seed(seed)
    made = new_network(queries=84)  # every place: ties among proposals decide nothing
    made.add_module("joint_head", joints.new_head(made.config.d_model))
    made.add_module(HEAD, topdown.new_topdown())
    for name, value in made.topdown_head.state_dict().items():
        if name.endswith(("running_var", "norm.weight")):
            torch.nn.init.uniform_(value, 0.5, 1.5)
        elif value.is_floating_point():
            torch.nn.init.normal_(value, std=0.03)
    return made.eval()


@pytest.fixture(scope="module")
def network() -> Any:
    return whole(5)


def exported(network: Any, folder: Path) -> Path:
    return joints_file(network, folder / "joints.onnx", SIZE)


def without_second_look(network: Any, folder: Path) -> Path:
    return joints_file(network, folder / "coarse.onnx", SIZE, without=HEAD)


def random_images(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def test_the_graph_looks_at_people_as_the_layers_do(network: Any, tmp_path: Path) -> None:
    images = random_images(2)
    outputs = load_all(exported(network, tmp_path), threads=1)(images)
    coarse = load_all(without_second_look(network, tmp_path), threads=1)(images)
    for picture, pixels in enumerate(images):
        (looked,) = np.nonzero((outputs["keypoints"][picture] != coarse["keypoints"][picture]).any(axis=(1, 2)))
        assert len(looked) >= 1
        window = topdown.windows(torch.from_numpy(outputs["boxes"][picture][looked]))
        with torch.no_grad():
            crops = topdown.cut(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, window)
            seen = topdown.look(network.topdown_head, crops)
        points = outputs["keypoints"][picture][looked]
        left_top, size = window[:, None, :2].numpy(), window[:, None, 2:].numpy()
        assert points[..., :2] == pytest.approx(left_top + seen.place.numpy() * size, abs=1e-3)
        assert points[..., 2] == pytest.approx(seen.there.numpy(), abs=1e-4)
        assert points[..., 3] == pytest.approx(seen.seen.numpy(), abs=1e-4)
        factor = seen.factor.numpy()
        assert points[..., 4] + np.log(size[..., 0]) == pytest.approx(factor[..., 0], abs=1e-4)
        assert points[..., 5] * size[..., 1] == pytest.approx(factor[..., 1] * np.exp(factor[..., 0]), abs=1e-3)
        assert points[..., 6] + np.log(size[..., 1]) == pytest.approx(factor[..., 2], abs=1e-4)
        judged = np.minimum(coarse["logits"][picture], np.log(SURE_ENOUGH / (1 - SURE_ENOUGH)))
        opinion = seen.there.mean(dim=1).numpy()
        likeness = np.log(expected_oks(points, outputs["boxes"][picture][looked]))
        judged[looked, 0] = coarse["logits"][picture][looked, 0] + SECOND_OPINION * opinion + LIKENESS * likeness + EVEN
        assert outputs["logits"][picture] == pytest.approx(judged, rel=1e-2, abs=2e-2)


def expected_oks(points: np.ndarray[Any, Any], boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mean of exp(-d^2 / 2s^2), weighed by presence, over places thrown from the joints' distributions."""
    rng, means = np.random.default_rng(0), list[float]()
    for person, box in zip(points.astype(np.float64), boxes, strict=True):
        squares = VISIBLE_PART * box[2] * box[3] * (2 * SIGMAS) ** 2
        each: list[float] = []
        for joint, square in zip(person, squares, strict=True):
            lower = np.array([[np.exp(joint[4]), 0], [joint[5], np.exp(joint[6])]])
            thrown = np.linalg.solve(lower.T, rng.normal(size=(2, 20_000)))  # of covariance inverse(L transpose(L))
            each.append(np.exp(-(thrown**2).sum(axis=0) / (2 * square)).mean())
        weight = 1 / (1 + np.exp(-person[:, 2]))
        means.append((weight * each).sum() / weight.sum())
    return np.array(means)


def test_boxes_that_are_dropped_as_doubles_are_not_looked_at() -> None:
    assert card(JOINTS_ID).head.overlap == OVERLAP


def test_pictures_of_a_batch_are_looked_at_apart(network: Any, tmp_path: Path) -> None:
    run = load_all(exported(network, tmp_path), threads=1)
    images = random_images(3)
    together = run(images)["keypoints"]
    for picture in range(3):
        alone = run(images[picture : picture + 1])["keypoints"][0]
        assert together[picture] == pytest.approx(alone, abs=1e-3)


def test_a_picture_without_people_costs_one_look(tmp_path: Path) -> None:
    certain = whole(5)
    for layer in certain.model.decoder.class_embed:
        torch.nn.init.constant_(layer.bias, -20.0)
        torch.nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0] = 1e-3  # so that one box is the best
    images = random_images(1)
    outputs = load_all(exported(certain, tmp_path), threads=1)(images)
    coarse = load_all(without_second_look(certain, tmp_path), threads=1)(images)
    changed = (outputs["keypoints"][0] != coarse["keypoints"][0]).any(axis=(1, 2))
    assert changed.sum() == 1 and coarse["logits"][0, changed, 0] == coarse["logits"][0].max()


def test_a_window_is_cut_as_it_lies() -> None:
    picture = torch.arange(3 * 32 * 32, dtype=torch.float32).view(3, 32, 32)
    part = topdown.cut(picture, torch.tensor([[0.25, 0.5, 0.5, 0.5]]))
    assert part.shape == (1, 3, *WINDOW)
    inside = picture[:, 16:, 8:24]  # left 0.25, top 0.5, half the sides
    assert part.mean().item() == pytest.approx(inside.mean().item(), rel=1e-3)
    assert part[0, 0, 0, 0] < part[0, 0, 0, -1] < part[0, 0, -1, 0]


def test_what_is_read_back_answers_alike(network: Any, tmp_path: Path) -> None:
    written = exported(network, tmp_path)
    again = whole(6)
    restore(written, again)
    crops = torch.rand(2, 3, *WINDOW)
    with torch.no_grad():
        first, second = (topdown.look(each.eval().topdown_head, crops) for each in (network, again))
    assert second.place.numpy() == pytest.approx(first.place.numpy(), abs=1e-4)
    assert second.factor.numpy() == pytest.approx(first.factor.numpy(), abs=1e-3)


def test_training_moves_every_part_and_goes_on_from_its_state(tmp_path: Path) -> None:
    plan = Plan(minutes=1, seed=1, out=tmp_path, batch=2)
    trainer = TopDownTrainer(plan)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    batches = draw_batches(Recipe(1, 2, side=SIZE, odds=PEOPLE), 0)
    for _ in range(2):
        trainer.step(next(batches), lambda gradients: None)
        trainer.follow()
    after = trainer.network.state_dict()
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []
    trainer.save()
    second = TopDownTrainer(plan)
    second.resume()
    assert second.progress.images == 4
    assert all(torch.equal(value, second.network.state_dict()[name]) for name, value in after.items())


def test_a_batch_without_people_teaches_that_no_joint_is_there(tmp_path: Path) -> None:
    trainer = TopDownTrainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2))
    batch = next(draw_batches(Recipe(1, 2, side=SIZE, odds=(0.0, *[1.0] * 11)), 0))
    shared: list[int] = []
    trainer.step(batch, lambda gradients: shared.append(sum(each.numel() for each in gradients)))
    assert shared == [sum(each.numel() for each in trainer.network.parameters())]
    assert trainer.progress.loss == pytest.approx(topdown.THERE_SHARE * 2 * np.log(2), rel=1e-3)


def test_boxes_elsewhere_hold_no_person() -> None:
    rng = np.random.default_rng(3)
    boxes = np.array([[0.3, 0.5, 0.2, 0.6], [0.8, 0.8, 0.1, 0.1]], np.float32)
    person = np.array([True, False])
    found = [topdown.elsewhere(rng, boxes, person) for _ in range(50)]
    assert {len(each) for each in found} == {1}
    assert {bool((each == boxes[1:]).all()) for each in found} == {False, True}
    full = np.array([[0.5, 0.5, 0.5, 0.5]], np.float32).repeat(2, 0)
    assert len(topdown.elsewhere(rng, full, np.array([True, True]))) in {0, 1}
    for each in np.concatenate(found):
        low = np.maximum(each[:2] - each[2:] / 2, boxes[0, :2] - boxes[0, 2:] / 2)
        high = np.minimum(each[:2] + each[2:] / 2, boxes[0, :2] + boxes[0, 2:] / 2)
        shared = np.maximum(high - low, 0).prod()
        assert shared / (each[2:].prod() + 0.12 - shared) < topdown.FAR + 1e-6


def test_shaken_boxes_are_off_as_much_as_found_ones() -> None:
    boxes = np.tile(np.array([0.5, 0.4, 0.2, 0.6], np.float32), (4000, 1))
    moved = topdown.shaken(np.random.default_rng(1), boxes)
    low, high = (sign * ((moved - boxes)[:, :2] + sign * (moved - boxes)[:, 2:] / 2) / [0.2, 0.6] for sign in (-1, 1))
    for outwards in (low, high):
        assert np.median(outwards, axis=0) == pytest.approx(topdown.OUTWARD, abs=0.01)
        quarter, half = (np.quantile(np.abs(outwards), share, axis=0) for share in (0.25, 0.5))
        assert (half < [0.09, 0.03]).all() and (half > [0.03, 0.008]).all() and (quarter < half / 1.5).all()
        assert np.abs(outwards).max() <= topdown.MOST_OFF + 1e-3
    assert (moved[:, 2:] >= 0.2 * boxes[:, 2:] - 1e-6).all()


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path, TopDownTrainer]:
    """The folders of a run of the whole network and of one of the second look, and what made the latter."""
    trunk, second = (tmp_path / name for name in ("trunk", "second"))
    for folder in (trunk, second):
        folder.mkdir()
    Trainer(Plan(minutes=1, seed=1, out=trunk, joints=True)).save()
    source = TopDownTrainer(Plan(minutes=1, seed=2, out=second))
    source.save()
    return trunk, second, source


def test_a_file_is_written_of_two_runs_and_of_another_file(
    runs: tuple[Path, Path, TopDownTrainer], tmp_path: Path
) -> None:
    trunk, second, _ = runs
    file, _ = export(trunk, tmp_path / "one.onnx", joints=True, topdown=second)
    again, _ = export(trunk, tmp_path / "two.onnx", joints=True, topdown=file)
    plain, _ = export(trunk, tmp_path / "plain.onnx", joints=True)
    images = np.random.default_rng(0).integers(0, 256, (1, 320, 320, 3), dtype=np.uint8)
    first, other = (load_all(each, threads=1)(images)["keypoints"] for each in (file, again))
    assert other == pytest.approx(first, abs=1e-4)
    assert len(plain.read_bytes()) < len(file.read_bytes())
    with pytest.raises(ValueError, match="same recipe"):
        topdown_weights(plain)


def test_a_run_starts_from_a_file(runs: tuple[Path, Path, TopDownTrainer], tmp_path: Path) -> None:
    trunk, second, source = runs
    file, _ = export(trunk, tmp_path / "one.onnx", joints=True, topdown=second)
    trainer = TopDownTrainer(replace(source.plan, out=tmp_path))
    trainer.start_from(file)
    crops = torch.rand(2, 3, *WINDOW)
    with torch.no_grad():
        ours, theirs = (topdown.look(each.eval(), crops) for each in (trainer.network, source.average))
    assert ours.place.numpy() == pytest.approx(theirs.place.numpy(), abs=1e-3)
    trainer.network.train()
    trainer.step(next(draw_batches(Recipe(1, 2, side=SIZE, odds=PEOPLE), 0)), lambda gradients: None)
    assert trainer.progress.starts == 1
