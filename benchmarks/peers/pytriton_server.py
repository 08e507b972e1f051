"""Triton through pytriton: an inference callable for each session; the image is a BYTES tensor in its binary form."""

import json

import numpy as np
from detection import PORT, SESSIONS, Detection
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def callable_of(detection):
    def infer(requests):
        results = []
        for request in requests:
            data = bytes(request["image"].ravel()[0])
            results.append({"result": np.array([json.dumps(detection.answer(data)).encode()], dtype=np.bytes_)})
        return results

    return infer


if __name__ == "__main__":
    config = TritonConfig(http_address="127.0.0.1", http_port=PORT, allow_grpc=False, allow_metrics=False)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="detector",
            infer_func=[callable_of(Detection()) for _ in range(SESSIONS)],
            inputs=[Tensor(name="image", dtype=np.bytes_, shape=(1,))],
            outputs=[Tensor(name="result", dtype=np.bytes_, shape=(1,))],
            config=ModelConfig(batching=False),
        )
        triton.serve()
