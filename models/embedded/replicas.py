"""Replicas of a run, one a core: each takes its own batch, and all step by the mean of their gradients.

One thread a replica waits for nobody inside a step; two threads in one process made only 1.3 times the steps of one."""

from importlib import import_module
from pathlib import Path
from typing import Any

from .network import torch_module


class Replicas:
    """What a replica shares with the others, over loopback; alone, every method gives back what it was given."""

    def __init__(self, rank: int, count: int, meeting: Path) -> None:
        self.rank, self.count = rank, count
        self._distributed: Any = None
        if count > 1:
            self._distributed = import_module("torch.distributed")
            self._distributed.init_process_group(
                "gloo", init_method=meeting.absolute().as_uri(), rank=rank, world_size=count
            )

    def share(self, gradients: list[Any]) -> None:
        """Puts the mean over all replicas in place of the gradients, so that all take the same step."""
        if self.count == 1:
            return
        torch = torch_module()
        with torch.no_grad():
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            self._distributed.all_reduce(flat)
            flat /= self.count
            start = 0
            for gradient in gradients:
                gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
                start += gradient.numel()

    def largest(self, values: list[float]) -> list[float]:
        """The largest of each value over the replicas; so all stop together, at the same time and rate."""
        if self.count == 1:
            return values
        shared = torch_module().tensor(values, dtype=torch_module().float64)
        self._distributed.all_reduce(shared, op=self._distributed.ReduceOp.MAX)
        return [float(value) for value in shared.tolist()]

    def close(self) -> None:
        """Leaves the others."""
        if self.count > 1:
            self._distributed.destroy_process_group()
