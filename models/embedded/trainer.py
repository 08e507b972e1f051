"""A training run of the detector: boxes and classes, and beside them the joints where they are asked for."""

from pathlib import Path
from typing import Any

from .classes import LABELS
from .course import Course, Plan
from .dataset import Batch
from .guide import guide_loss, new_guide
from .joints import joint_matcher, joints_loss, new_head
from .network import freeze_stem, new_network, save_hub_layout, torch_module
from .restore import restore


class Trainer(Course):
    """Updates the whole network batch by batch."""

    def __init__(self, plan: Plan) -> None:
        torch_module().manual_seed(plan.seed)
        network = new_network()
        if plan.joints:
            network.add_module("joint_head", new_head(network.config.d_model))
        super().__init__(plan, network, guide=new_guide(network.config.encoder_hidden_dim, len(LABELS)))
        self._matcher: Any = joint_matcher(network.config) if plan.joints else None

    def loss(self, images: Any, batch: Batch) -> Any:
        """That of boxes and classes, of the guide, and of the joints."""
        labels = self._labels(batch)
        outputs = self.network(pixel_values=images, labels=labels)
        loss = outputs.loss + guide_loss(self.beside["guide"], outputs.encoder_last_hidden_state, batch)
        if not self.plan.joints:
            return loss
        return loss + joints_loss(self.network.joint_head, outputs, batch, labels, self._matcher, self.plan.trunk_share)

    def read_file(self, file: Path) -> None:
        """Takes the weights that an exported file holds. Raises ValueError for a file of another network."""
        restore(file, self.network, self.plan.seed)

    def write_average(self, folder: Path) -> None:
        """Writes the averaged weights in hub layout."""
        save_hub_layout(self.average, folder)

    def start_from(self, run: Path) -> None:
        """As every course does; what is taken from a file goes on with its first layers as they are."""
        super().start_from(run)
        if run.suffix == ".onnx":
            self.progress.frozen = True
            freeze_stem(self.network)

    def resume(self) -> None:
        """Takes up the state in the run's folder. Raises FileNotFoundError where there is none."""
        super().resume()
        if self.progress.frozen:
            freeze_stem(self.network)

    def _labels(self, batch: Batch) -> list[dict[str, Any]]:
        torch = torch_module()

        def put(values: Any) -> Any:
            return torch.from_numpy(values).to(self.device)

        pairs = zip(batch.boxes, batch.kinds, strict=True)
        return [{"class_labels": put(kinds), "boxes": put(boxes)} for boxes, kinds in pairs]
