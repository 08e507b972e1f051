"""Ray Serve: a deployment with a replica for each session, behind its HTTP proxy."""

import asyncio
import signal

import ray
from detection import PORT, SESSIONS, THREADS, Detection
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=SESSIONS, ray_actor_options={"num_cpus": THREADS * 0.5}, max_ongoing_requests=16)
class Detector:
    def __init__(self):
        self.detection = Detection()

    async def __call__(self, request: Request):
        data = await request.body()
        return await asyncio.to_thread(self.detection.answer, data)


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, logging_level="error", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Detector.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()
