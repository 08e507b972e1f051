"""Published checkpoints to ONNX graphs without torch, one architecture a file."""
