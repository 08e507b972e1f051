"""Published checkpoints to ONNX graphs without torch, one architecture a file."""

from .checkpoint import compile_checkpoint
from .weights import UnsupportedCheckpoint

__all__ = ["UnsupportedCheckpoint", "compile_checkpoint"]
