"""How every training run goes: its plan, where it stands, a step, and the state to resume from."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .dataset import Batch
from .network import averaged, follow, torch_module


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


class Course(ABC):
    """A network on its way, with its average, its optimiser and what is trained `beside` it, by name. Every replica has
    one; only the first one's average is written."""

    def __init__(self, plan: Plan, network: Any, **beside: Any) -> None:
        torch = torch_module()
        self.plan = plan
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device).train()
        self.average = averaged(self.network)
        self.beside = {name: part.to(self.device) for name, part in beside.items()}
        # Weight decay on matrices and kernels only.
        groups = [
            {"params": [each for each in self._parameters() if each.ndim > 1], "weight_decay": 1e-4},
            {"params": [each for each in self._parameters() if each.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99), fused=True)
        self.progress = Progress()

    @abstractmethod
    def loss(self, images: Any, batch: Batch) -> Any:
        """The loss of one batch, whose pictures are `images` float32 [B, 3, H, W] in 0..1 on the device."""

    @abstractmethod
    def read_file(self, file: Path) -> None:
        """Takes the weights that an exported file holds. Raises ValueError for a file of another network."""

    @abstractmethod
    def write_average(self, folder: Path) -> None:
        """Writes the averaged weights."""

    @property
    def share(self) -> float:
        """How much of the time is spent, 0..1."""
        return min(1.0, self.progress.seconds / 60 / self.plan.minutes)

    def step(self, batch: Batch, share: Callable[[list[Any]], None]) -> None:
        """One update on one batch; `share` puts the mean over all replicas in place of the gradients."""
        torch = torch_module()
        for group in self._optimiser.param_groups:
            group["lr"] = self.plan.rate * self._rate()
        loss = self.loss(torch.from_numpy(batch.images).to(self.device).float() / 255, batch)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [each for each in self._parameters() if each.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:  # a batch without people; replicas share gradients of one length
                parameter.grad = torch.zeros_like(parameter)
        share([parameter.grad for parameter in parameters])
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if math.isfinite(norm.item()):
            self._optimiser.step()
        self._note(loss.item(), len(batch.boxes))

    def follow(self) -> None:
        """Moves the average towards the network, after a step."""
        follow(self.average, self.network, self.progress.step)

    def save(self) -> None:
        """Writes the state to resume from, and the averaged weights, each in one move."""
        out = self.plan.out
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        torch_module().save({**parts, "progress": asdict(self.progress)}, out / "state.tmp")
        (out / "state.tmp").replace(out / "state.pt")
        self.write_average(out / "average")
        (out / "progress.json").write_text(json.dumps(asdict(self.progress)) + "\n")

    def start_from(self, run: Path) -> None:
        """Begins with the averaged weights of another run, counts its pictures, and plans the rate anew; or with what
        an exported file holds of one. Raises FileNotFoundError where there is no state, ValueError for a file of
        another network."""
        if run.suffix == ".onnx":
            self.read_file(run)
            self.average = averaged(self.network)
            self.network.train()
            self.progress = Progress(starts=1)
            return
        state = self._state(run)
        for network in (self.network, self.average):
            # A head that the other run did not have keeps its first weights.
            network.load_state_dict(state["average"], strict=not self.plan.joints)
        for name, part in self.beside.items():
            part.load_state_dict(state[name])
        before = state["progress"]
        self.progress = Progress(images=before["images"], starts=before["starts"] + 1)

    def resume(self) -> None:
        """Takes up the state in the run's folder. Raises FileNotFoundError where there is none."""
        state = self._state(self.plan.out)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for group in self._optimiser.param_groups:
            group["fused"], group["foreach"] = True, None
        self.progress = Progress(**state["progress"])
        self.progress.starts += 1

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "average": self.average, **self.beside, "optimiser": self._optimiser}

    def _parameters(self) -> list[Any]:
        return [each for part in (self.network, *self.beside.values()) for each in part.parameters()]

    def _state(self, run: Path) -> dict[str, Any]:
        return torch_module().load(run / "state.pt", map_location=self.device)

    def _rate(self) -> float:
        warm = min(1.0, (self.progress.step + 1) / self.plan.warm_up)
        return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * self.share)) / 2)

    def _note(self, loss: float, images: int) -> None:
        progress = self.progress
        progress.step += 1
        progress.images += images
        progress.loss = loss if math.isnan(progress.loss) else 0.99 * progress.loss + 0.01 * loss
