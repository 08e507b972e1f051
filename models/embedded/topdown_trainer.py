"""A training run of the second look alone: nothing of the detector is needed, only drawn people and their boxes."""

from pathlib import Path
from typing import Any

import numpy as np

from ..architectures.rtdetr_topdown import HEAD, WINDOW
from .course import Course, Plan
from .dataset import Batch
from .joints import new_head
from .network import new_network, save_weights, torch_module
from .restore import restore
from .topdown import SMALL_WINDOW, new_topdown, topdown_loss


class TopDownTrainer(Course):
    """Updates the network of models/embedded/topdown.py batch by batch."""

    def __init__(self, plan: Plan) -> None:
        torch_module().manual_seed(plan.seed)
        super().__init__(plan, new_topdown())
        self._rng = np.random.default_rng(plan.seed)

    def loss(self, images: Any, batch: Batch) -> Any:
        """That of the people's joints in windows a little off."""
        shape = SMALL_WINDOW if self.share < self.plan.small_share else WINDOW
        return topdown_loss(self.network, images, batch, self._rng, shape)

    def read_file(self, file: Path) -> None:
        """Takes the weights that an exported file holds. Raises ValueError for a file of another network."""
        whole = new_network()
        whole.add_module("joint_head", new_head(whole.config.d_model))
        whole.add_module(HEAD, self.network)
        restore(file, whole, self.plan.seed)

    def write_average(self, folder: Path) -> None:
        """Writes the averaged weights under the names that the keypoint file's writer knows."""
        weights = {f"{HEAD}.{name}": value for name, value in self.average.state_dict().items()}
        save_weights(weights, folder)
