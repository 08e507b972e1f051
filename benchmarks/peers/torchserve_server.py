"""TorchServe: a custom handler in a model archive, one worker process for each session."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

if "PEER_ARCHIVED" in os.environ:
    from detection import Detection

    class Handler:
        initialized = False

        def initialize(self, context):
            self.detection = Detection()
            self.initialized = True

        def handle(self, data, context):
            return [self.detection.answer(bytes(row.get("data") or row.get("body"))) for row in data]


if __name__ == "__main__":
    here, programs = Path(__file__).parent, Path(sys.executable).parent
    store = tempfile.mkdtemp()
    subprocess.run(
        [programs / "torch-model-archiver", "--model-name", "detector", "--version", "1", "--handler", __file__,
         "--extra-files", here / "detection.py", "--export-path", store, "--force"], check=True,
    )  # fmt: skip
    port, sessions = int(os.environ["PEER_PORT"]), os.environ.get("PEER_SESSIONS", "1")
    lines = [
        f"inference_address=http://127.0.0.1:{port}",
        f"management_address=http://127.0.0.1:{port + 1}",
        f"metrics_address=http://127.0.0.1:{port + 2}",
        f"default_workers_per_model={sessions}",
        "job_queue_size=200",
        "disable_token_authorization=true",
    ]
    config = Path(store, "config.properties")
    config.write_text("\n".join(lines))
    os.environ["PEER_ARCHIVED"] = "1"
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    program = str(programs / "torchserve")
    os.execv(program, [program, "--foreground", "--ncs", "--model-store", store, "--models", "detector=detector.mar",
                       "--ts-config", str(config), "--disable-token-auth"])  # fmt: skip
