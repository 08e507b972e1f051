"""ONNX Runtime sessions, pooled, and the batcher that feeds them."""
