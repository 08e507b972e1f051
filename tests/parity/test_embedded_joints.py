"""The embedded sibling's keypoint head: the graph that ships against the layers that were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inflare.models.embedded import joints
from inflare.models.embedded.course import Plan
from inflare.models.embedded.dataset import Recipe, draw_batches
from inflare.models.embedded.evaluate import load_all
from inflare.models.embedded.export import PACKAGED_JOINTS
from inflare.models.embedded.network import new_network
from inflare.models.embedded.restore import restore
from inflare.models.embedded.trainer import Trainer

from .references import joints_file, torch

pytestmark = pytest.mark.filterwarnings("ignore:You'd better set embed_dim")  # about the speed of the CUDA kernel

SIZE = 64


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(3)
    made = new_network(queries=84)  # every place: ties among proposals decide nothing
    made.add_module("joint_head", joints.new_head(made.config.d_model))
    for parameter in made.joint_head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def exported(network: Any, folder: Path) -> Path:
    return joints_file(network, folder / "joints.onnx", SIZE)


def test_the_graph_finds_the_joints_of_the_layers(network: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    with torch.no_grad():
        seen = network(pixel_values=torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        hidden = seen.intermediate_hidden_states[:, -1]
        found = joints.find(network.joint_head, hidden, seen.pred_boxes, seen.encoder_last_hidden_state)
    outputs = load_all(exported(network, tmp_path), threads=1)(images)
    for picture in range(len(images)):
        # Proposals of equal score may change places; a query is known by its box.
        distance = np.abs(outputs["boxes"][picture][:, None] - seen.pred_boxes[picture].numpy()[None]).max(axis=2)
        rows = distance.argmin(axis=0)
        points = outputs["keypoints"][picture][rows]
        assert points[..., :2] == pytest.approx(found.places[-1][picture].numpy(), abs=1e-4)
        assert points[..., 2] == pytest.approx(found.there[picture].numpy(), abs=1e-4)
        width, height = (np.maximum(seen.pred_boxes[picture, :, None, axis].numpy(), 1e-3) for axis in (2, 3))
        factor = found.factor[picture].numpy()
        assert points[..., 4] + np.log(width) == pytest.approx(factor[..., 0], abs=1e-4)
        assert points[..., 5] * height == pytest.approx(factor[..., 1] * np.exp(factor[..., 0]), abs=1e-3)
        assert points[..., 6] + np.log(height) == pytest.approx(factor[..., 2], abs=1e-4)


def test_a_network_read_back_from_its_file_answers_alike(network: Any, tmp_path: Path) -> None:
    torch.manual_seed(4)
    written = exported(network, tmp_path)
    again = new_network(queries=84)
    again.add_module("joint_head", joints.new_head(again.config.d_model))
    restore(written, again)
    images = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        first, second = (each.eval()(pixel_values=images) for each in (network, again))
        hidden = (each.intermediate_hidden_states[:, -1] for each in (first, second))
        maps = (each.encoder_last_hidden_state for each in (first, second))
        places = [
            joints.find(each.joint_head, queries, first.pred_boxes, levels).places[-1]
            for each, queries, levels in zip((network, again), hidden, maps, strict=True)
        ]
    assert second.logits.numpy() == pytest.approx(first.logits.numpy(), abs=1e-3)
    assert second.pred_boxes.numpy() == pytest.approx(first.pred_boxes.numpy(), abs=1e-4)
    assert places[1].numpy() == pytest.approx(places[0].numpy(), abs=1e-3)


def test_a_file_of_another_network_is_refused(network: Any, tmp_path: Path) -> None:
    written = exported(network, tmp_path)
    smaller = new_network()
    smaller.model.encoder_input_proj[0][0] = torch.nn.Conv2d(48, 32, 1, bias=False)
    with pytest.raises(ValueError, match="same recipe"):
        restore(written, smaller)


def test_a_run_starts_from_the_file_that_ships(tmp_path: Path) -> None:
    trainer = Trainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True))
    trainer.start_from(PACKAGED_JOINTS)
    stem = trainer.network.model.backbone.model.embedder
    before = {name: value.clone() for name, value in stem.state_dict().items()}
    trainer.step(next(draw_batches(Recipe(1, 2, side=SIZE), 0)), lambda gradients: None)
    assert trainer.progress.starts == 1
    assert all(torch.equal(value, before[name]) for name, value in stem.state_dict().items())


def test_training_moves_every_part_of_the_head(tmp_path: Path) -> None:
    trainer = Trainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True))
    before = {name: value.clone() for name, value in trainer.network.joint_head.state_dict().items()}
    batches = draw_batches(Recipe(1, 2, side=SIZE, odds=(90.0, *[1.0] * 11)), 0)
    for _ in range(2):
        trainer.step(next(batches), lambda gradients: None)
    after = trainer.network.joint_head.state_dict()
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


def people_drawn() -> Any:
    return next(draw_batches(Recipe(1, 2, side=SIZE, odds=(1.0, *[0.0] * 11)), 0))


def test_denoising_queries_train_the_joints_of_their_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True))
    seen: list[Any] = []
    find = joints.find

    def watched(head: Any, hidden: Any, boxes: Any, maps: Any) -> joints.Found:
        seen.append(hidden)
        return find(head, hidden, boxes, maps)

    monkeypatch.setattr(joints, "find", watched)
    batch = people_drawn()
    trainer.step(batch, lambda gradients: None)
    people = max((rows[..., 2] > 0).any(axis=1).sum() for rows in batch.joints)
    groups = 30 // max(len(kinds) for kinds in batch.kinds)  # new_network's denoising queries, shared by the figures
    assert groups > 1 and seen[0].shape[1] == people * (1 + groups)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_trunk_takes_its_share_of_the_gradient(tmp_path: Path, share: float) -> None:
    trainer = Trainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True))
    network, batch = trainer.network, people_drawn()
    labels = [
        {"class_labels": torch.from_numpy(kinds), "boxes": torch.from_numpy(boxes)}
        for kinds, boxes in zip(batch.kinds, batch.boxes, strict=True)
    ]
    outputs = network(pixel_values=torch.from_numpy(batch.images).float() / 255, labels=labels)
    matcher = joints.joint_matcher(network.config)
    joints.joints_loss(network.joint_head, outputs, batch, labels, matcher, share).backward()
    gradient = network.model.encoder_input_proj[0][0].weight.grad
    assert (gradient is not None and bool((gradient != 0).any())) == (share > 0)


def test_replicas_share_as_much_with_people_as_without(tmp_path: Path) -> None:
    trainer = Trainer(Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True))
    shared: list[int] = []
    for odds in ((1.0, *[0.0] * 11), (0.0, *[1.0] * 11)):
        batch = next(draw_batches(Recipe(1, 2, side=SIZE, odds=odds), 0))
        trainer.step(batch, lambda gradients: shared.append(sum(each.numel() for each in gradients)))
    assert shared[0] == shared[1]


def test_a_run_goes_on_from_its_state(tmp_path: Path) -> None:
    plan = Plan(minutes=1, seed=1, out=tmp_path, batch=2, joints=True)
    first = Trainer(plan)
    first.step(next(draw_batches(Recipe(1, 2, side=SIZE), 0)), lambda gradients: None)
    first.follow()
    first.save()
    second = Trainer(plan)
    second.resume()
    assert second.progress.images == 2
    ours, theirs = second.average.state_dict(), first.average.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_can_begin_with_a_detector(tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    folder.mkdir()
    detector = Trainer(Plan(minutes=1, seed=1, out=folder, batch=2))
    detector.step(next(draw_batches(Recipe(1, 2, side=SIZE), 0)), lambda gradients: None)
    detector.save()
    sibling = Trainer(Plan(minutes=1, seed=2, out=tmp_path, batch=2, joints=True))
    sibling.start_from(folder)
    weights = sibling.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in detector.average.state_dict().items())
    assert sibling.progress.images == 2
