"""The work that every peer does for a photograph: decode and resize with Pillow, infer, read, as a list to be JSON.
Needs numpy, Pillow and onnxruntime. GRAPH, SIDE, THREADS and KIND come from the environment."""

import io
import os

import numpy as np
import onnxruntime
from PIL import Image

GRAPH = os.environ.get("PEER_GRAPH", "")
SIDE = int(os.environ.get("PEER_SIDE", "640"))
THREADS = int(os.environ.get("PEER_THREADS", "1"))
SESSIONS = int(os.environ.get("PEER_SESSIONS", "1"))
EXPORT = os.environ.get("PEER_KIND", "own") == "export"
PORT = int(os.environ.get("PEER_PORT", "0"))
TOP_K = 300


class Detection:
    """One session; `EXPORT` takes normalised float pixels (torch's export), otherwise the graph takes bytes."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])
        self.answer(_blank())

    def prepare(self, data: bytes):
        with Image.open(io.BytesIO(data)) as opened:
            size = opened.size
            pixels = np.asarray(opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))[None]
        if EXPORT:  # as the hub's processor does
            return {"pixel_values": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) * (1 / 255)}, size
        return {"images": pixels}, size

    def infer(self, feed):
        return self.session.run(None, feed)

    def read(self, outputs, size):
        """As transformers' post_process_object_detection: the best of all queries and classes."""
        logits, boxes = (output[0] for output in outputs[:2])
        classes = logits.shape[1]
        scores = 1 / (1 + np.exp(-logits.ravel()))
        best = np.argpartition(-scores, TOP_K)[:TOP_K]
        best = best[np.argsort(-scores[best])]
        x, y, w, h = boxes[best // classes].T
        edges = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1) * np.array([*size, *size])
        names = ("xmin", "ymin", "xmax", "ymax")
        rows = zip(scores[best].tolist(), (best % classes).tolist(), edges.tolist(), strict=True)
        return [{"score": s, "label": f"class {c}", "box": dict(zip(names, box, strict=True))} for s, c, box in rows]

    def answer(self, data: bytes):
        feed, size = self.prepare(data)
        return self.read(self.infer(feed), size)


def _blank() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (64, 64)).save(held, "JPEG")
    return held.getvalue()
