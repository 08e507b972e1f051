"""One graph timed in OpenVINO's runtime, in an environment of its own: lines of JSON on standard output.
Run: python engines_openvino.py GRAPH HEIGHT WIDTH THREADS f32|bf16; then a number of rounds on each line of input."""

import json
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np

openvino: Any = import_module("openvino")

path, height, width, threads, precision = sys.argv[1:]
core: Any = openvino.Core()
options = {
    "INFERENCE_NUM_THREADS": int(threads),
    "INFERENCE_PRECISION_HINT": precision,
    "PERFORMANCE_HINT": "LATENCY",
}
model = core.read_model(path)
compiled = core.compile_model(model, "CPU", options)
request = compiled.create_infer_request()
feed: dict[str, Any] = {
    "images": np.random.default_rng(0).integers(0, 256, (1, int(height), int(width), 3), dtype=np.uint8)
}
if any("sizes" in found.get_names() for found in compiled.inputs):
    feed["sizes"] = np.array([[int(height), int(width)]], np.int64)
request.infer(feed)
scores = request.get_tensor("logits").data.astype(np.float32)
print(
    json.dumps({"version": openvino.__version__.split("-")[0], "logits": scores[0].ravel()[:200_000].tolist()}),
    flush=True,
)
for line in sys.stdin:
    taken: list[float] = []
    for _ in range(int(line)):
        started = time.perf_counter()
        request.infer(feed)
        taken.append((time.perf_counter() - started) * 1e3)
    print(json.dumps(taken), flush=True)
