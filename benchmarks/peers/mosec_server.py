"""mosec: a worker process for each session; bytes in, JSON out."""

import json

from detection import SESSIONS, Detection
from mosec import Server, Worker


class Detector(Worker):
    def __init__(self):
        super().__init__()
        self.detection = Detection()

    def deserialize(self, data):
        return data

    def serialize(self, data):
        return json.dumps(data).encode()

    def forward(self, data):
        return self.detection.answer(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Detector, num=SESSIONS)
    server.run()
