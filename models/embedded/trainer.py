"""One training run: the network, its average, its optimiser, and the state to resume from."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .dataset import Batch
from .network import averaged, follow, new_network, save_hub_layout, torch_module


@dataclass(frozen=True)
class Plan:
    """A run: its length in minutes of wall time, and what is fixed in it."""

    minutes: float
    seed: int
    out: Path
    batch: int = 8
    rate: float = 1e-3
    warm_up: int = 200
    # Replicas average their weights after this many steps; the average network follows then.
    round_steps: int = 2
    save_every_s: float = 150.0


@dataclass
class Progress:
    """Where a run stands: steps of each replica, pictures of all, seconds spent, and the smoothed loss."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    starts: int = 0


class Trainer:
    """Updates the network batch by batch. Every replica has one; only the first one's average is written."""

    def __init__(self, plan: Plan) -> None:
        torch = torch_module()
        torch.manual_seed(plan.seed)
        self._plan = plan
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network: Any = new_network().to(self._device).train()
        self.average: Any = averaged(self.network)
        self._optimiser: Any = torch.optim.AdamW(_groups(self.network), lr=plan.rate, betas=(0.9, 0.99), fused=True)
        self.progress = Progress()

    def step(self, batch: Batch) -> None:
        """One update on one batch."""
        torch = torch_module()
        for group in self._optimiser.param_groups:
            group["lr"] = self._plan.rate * self._rate()
        images = torch.from_numpy(batch.images).to(self._device).float() / 255
        outputs = self.network(pixel_values=images, labels=self._labels(batch))
        self._optimiser.zero_grad(set_to_none=True)
        outputs.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if math.isfinite(norm.item()):
            self._optimiser.step()
        self._note(outputs.loss.item(), len(batch.boxes))

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
        """Moves the average towards the network, after a round."""
        rounds = self.progress.step // self._plan.round_steps
        follow(self.average, self.network, rounds, decay=0.998**self._plan.round_steps)

    def save(self) -> None:
        """Writes the state to resume from, and the averaged weights in hub layout, each in one move."""
        out = self._plan.out
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "progress": asdict(self.progress),
        }
        torch_module().save(state, out / "state.tmp")
        (out / "state.tmp").replace(out / "state.pt")
        save_hub_layout(self.average, out / "average")
        (out / "progress.json").write_text(json.dumps(asdict(self.progress)) + "\n")

    def resume(self) -> None:
        """Takes up the state in the run's folder. Raises FileNotFoundError where there is none."""
        state = torch_module().load(self._plan.out / "state.pt", map_location=self._device)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        for group in self._optimiser.param_groups:
            group["fused"], group["foreach"] = True, None
        self.progress = Progress(**state["progress"])
        self.progress.starts += 1


def _groups(network: Any) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels only."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 1e-4},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
