"""LitServe: an uploaded file, one worker process for each session."""

import litserve
from detection import PORT, SESSIONS, Detection


class Api(litserve.LitAPI):
    def setup(self, device):
        self.detection = Detection()

    def decode_request(self, request: litserve.Request):
        return self.detection.prepare(request["content"].file.read())

    def predict(self, prepared):
        feed, size = prepared
        return self.detection.infer(feed), size

    def encode_response(self, found):
        return {"result": self.detection.read(*found)}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=SESSIONS)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning", access_log=False)
