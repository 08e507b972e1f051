"""One training run: the network, its average, its optimiser, and the state to resume from."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .classes import LABELS
from .dataset import Batch
from .guide import guide_loss, new_guide
from .joints import joint_matcher, joints_loss, new_head
from .network import averaged, follow, freeze_stem, new_network, save_hub_layout, torch_module
from .restore import restore


@dataclass(frozen=True)
class Plan:
    """A run: its length in minutes of wall time, and what is fixed in it."""

    minutes: float
    seed: int
    out: Path
    batch: int = 8
    rate: float = 1e-3
    warm_up: int = 200
    # The first part of the time goes to smaller pictures: twice as many in a minute.
    small_share: float = 0.4
    # Whether a keypoint head is trained on the people, beside the boxes.
    joints: bool = False
    # How much of the joints' gradient moves the layers that boxes and classes come from.
    trunk_share: float = 0.25
    save_every_s: float = 150.0


@dataclass
class Progress:
    """Where a run stands: steps of each replica, pictures of all, seconds spent, the smoothed loss, how often it was
    started, and whether its first layers are frozen."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    starts: int = 0
    frozen: bool = False


class Trainer:
    """Updates the network batch by batch. Every replica has one; only the first one's average is written."""

    def __init__(self, plan: Plan) -> None:
        torch = torch_module()
        torch.manual_seed(plan.seed)
        self._plan = plan
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network: Any = new_network()
        if plan.joints:
            self.network.add_module("joint_head", new_head(self.network.config.d_model))
        self.network.to(self._device).train()
        self._matcher: Any = joint_matcher(self.network.config) if plan.joints else None
        self.average: Any = averaged(self.network)
        width = self.network.config.encoder_hidden_dim
        self._guide: Any = new_guide(width, len(LABELS)).to(self._device)
        groups = _groups([*self.network.parameters(), *self._guide.parameters()])
        self._optimiser: Any = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99), fused=True)
        self.progress = Progress()

    def step(self, batch: Batch, share: Callable[[list[Any]], None]) -> None:
        """One update on one batch; `share` puts the mean over all replicas in place of the gradients."""
        torch = torch_module()
        for group in self._optimiser.param_groups:
            group["lr"] = self._plan.rate * self._rate()
        images = torch.from_numpy(batch.images).to(self._device).float() / 255
        labels = self._labels(batch)
        outputs = self.network(pixel_values=images, labels=labels)
        self._optimiser.zero_grad(set_to_none=True)
        loss = outputs.loss + guide_loss(self._guide, outputs.encoder_last_hidden_state, batch)
        if self._plan.joints:
            loss = loss + joints_loss(
                self.network.joint_head, outputs, batch, labels, self._matcher, self._plan.trunk_share
            )
        loss.backward()
        parameters = [each for each in (*self.network.parameters(), *self._guide.parameters()) if each.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:  # a batch without people; replicas share gradients of one length
                parameter.grad = torch.zeros_like(parameter)
        share([parameter.grad for parameter in parameters])
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if math.isfinite(norm.item()):
            self._optimiser.step()
        self._note(loss.item(), len(batch.boxes))

    @property
    def share(self) -> float:
        """How much of the time is spent, 0..1."""
        return min(1.0, self.progress.seconds / 60 / self._plan.minutes)

    def _labels(self, batch: Batch) -> list[dict[str, Any]]:
        torch = torch_module()

        def put(values: Any) -> Any:
            return torch.from_numpy(values).to(self._device)

        pairs = zip(batch.boxes, batch.kinds, strict=True)
        return [{"class_labels": put(kinds), "boxes": put(boxes)} for boxes, kinds in pairs]

    def _rate(self) -> float:
        warm = min(1.0, (self.progress.step + 1) / self._plan.warm_up)
        return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * self.share)) / 2)

    def _note(self, loss: float, images: int) -> None:
        progress = self.progress
        progress.step += 1
        progress.images += images
        progress.loss = loss if math.isnan(progress.loss) else 0.99 * progress.loss + 0.01 * loss

    def follow(self) -> None:
        """Moves the average towards the network, after a step."""
        follow(self.average, self.network, self.progress.step)

    def save(self) -> None:
        """Writes the state to resume from, and the averaged weights in hub layout, each in one move."""
        out = self._plan.out
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "guide": self._guide.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "progress": asdict(self.progress),
        }
        torch_module().save(state, out / "state.tmp")
        (out / "state.tmp").replace(out / "state.pt")
        save_hub_layout(self.average, out / "average")
        (out / "progress.json").write_text(json.dumps(asdict(self.progress)) + "\n")

    def start_from(self, run: Path) -> None:
        """Begins with the averaged weights of another run, counts its pictures, and plans the rate anew; or with what
        an exported file holds of one. Raises FileNotFoundError where there is no state, ValueError for a file of
        another network."""
        if run.suffix == ".onnx":
            restore(run, self.network, self._plan.seed)
            self.average = averaged(self.network)
            self.network.train()
            self.progress = Progress(starts=1, frozen=True)
            freeze_stem(self.network)
            return
        state = torch_module().load(run / "state.pt", map_location=self._device)
        for network in (self.network, self.average):
            # A head that the other run did not have keeps its first weights.
            network.load_state_dict(state["average"], strict=not self._plan.joints)
        self._guide.load_state_dict(state["guide"])
        before = state["progress"]
        self.progress = Progress(images=before["images"], starts=before["starts"] + 1)

    def resume(self) -> None:
        """Takes up the state in the run's folder. Raises FileNotFoundError where there is none."""
        state = torch_module().load(self._plan.out / "state.pt", map_location=self._device)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._guide.load_state_dict(state["guide"])
        self._optimiser.load_state_dict(state["optimiser"])
        for group in self._optimiser.param_groups:
            group["fused"], group["foreach"] = True, None
        self.progress = Progress(**state["progress"])
        self.progress.starts += 1
        if self.progress.frozen:
            freeze_stem(self.network)


def _groups(parameters: list[Any]) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels only."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 1e-4},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
