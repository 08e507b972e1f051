"""The servers that inflare is compared with: what each needs, how it is started, and the form of its requests.

Each lives in an environment of its own, made on first use; one that this interpreter has already is taken as it is."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ROOT / "benchmarks" / "peers"
CACHE: Final = ROOT / ".cache" / "peers"
_BOUNDARY: Final = "photograph-boundary"
_WORK: Final = ("numpy", "pillow")


class NotInstalled(Exception):
    """A peer cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """So many sessions of so many threads each."""

    sessions: int
    threads: int

    def __str__(self) -> str:
        return f"{self.sessions} x {self.threads}"


@dataclass(frozen=True, slots=True)
class Form:
    """How a photograph travels: the request's path and headers, and its body around the file's bytes."""

    path: str = "/predict"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/octet-stream"})
    body: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class Peer:
    """One server. `requirements` are pip's, `module` is what it is imported as, `command` follows the interpreter."""

    name: str
    module: str
    requirements: tuple[str, ...]
    settings: tuple[Setting, ...]
    command: tuple[str, ...]
    form: Form = Form()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def python(self, *, install: bool = True) -> Path:
        """The interpreter that has it. Raises NotInstalled."""
        if importlib.util.find_spec(self.module) is not None:
            return Path(sys.executable)
        place = CACHE / self.name
        python = place / "bin" / "python"
        if not (place / "installed").is_file():
            if not install:
                raise NotInstalled("not there, and --no-install was given")
            self._install(place, python)
        return python

    def _install(self, place: Path, python: Path) -> None:
        venv.create(place, with_pip=True, symlinks=os.name != "nt", clear=True)
        # The same engine, in the same version, under every server.
        engine = "onnxruntime==" + _engine_version()
        wanted = [*_WORK, engine, *self.requirements]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=1200)
        if done.returncode:
            raise NotInstalled(next(iter(done.stderr.strip().splitlines()[-1:]), "pip failed")[:200])
        (place / "installed").touch()

    def start(
        self, python: Path, setting: Setting, graph: Path, kind: str, side: int, port: int
    ) -> subprocess.Popen[bytes]:
        """The server's process, in a group of its own; it does not answer yet."""
        given = {
            "PEER_GRAPH": graph, "PEER_KIND": kind, "PEER_SIDE": side, "PEER_PORT": port,
            "PEER_SESSIONS": setting.sessions, "PEER_THREADS": setting.threads,
        }  # fmt: skip
        environment = {
            **os.environ, **self.environment, **{name: str(value) for name, value in given.items()},
            "PYTHONPATH": str(PEERS), "PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        values = {"port": str(port), "peers": str(PEERS), "sessions": str(setting.sessions), "bin": str(python.parent)}
        words = [word.format(**values) for word in self.command]
        return subprocess.Popen(
            [str(python), *words], cwd=_folder(self.name, port), env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(_folder(self.name, port) / "log").open("wb"),
        )  # fmt: skip


def _folder(name: str, port: int) -> Path:
    place = CACHE / "run" / f"{name}-{port}"
    place.mkdir(parents=True, exist_ok=True)
    if name == "mlserver":
        model = {"name": "detector", "implementation": "mlserver_server.Detector", "parallel_workers": 0}
        (place / "model-settings.json").write_text(json.dumps(model))
        settings = {
            "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2,
            "parallel_workers": 0, "debug": False, "metrics_endpoint": None,
        }  # fmt: skip
        (place / "settings.json").write_text(json.dumps(settings))
    return place


def _engine_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


def _upload(data: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="photo.jpg"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _v2_base64(data: bytes) -> bytes:
    tensor = {
        "name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(data).decode()],
    }  # fmt: skip
    return json.dumps({"inputs": [tensor]}).encode()


_V2_HEAD: Final = json.dumps(
    {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 0}}]}
)


def _v2_binary(data: bytes) -> bytes:
    """The binary extension of the V2 protocol; the length of the JSON head is a header, so it is padded to 256."""
    sized = _V2_HEAD.replace('"binary_data_size": 0', f'"binary_data_size": {len(data) + 4}')
    return sized.ljust(256).encode() + len(data).to_bytes(4, "little") + data


UPLOAD: Final = Form(headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, body=_upload)
V2: Final = "/v2/models/detector/infer"
_BOTH: Final = (Setting(1, 2), Setting(2, 1))

ALL: Final = (
    Peer("fastapi", "fastapi", ("fastapi", "uvicorn[standard]"), (Setting(1, 2), Setting(1, 1), Setting(2, 1)),
         ("{peers}/fastapi_server.py",)),
    Peer("litserve", "litserve", ("litserve", "python-multipart"), _BOTH, ("{peers}/litserve_server.py",), UPLOAD),
    Peer("mosec", "mosec", ("mosec",), _BOTH,
         ("{peers}/mosec_server.py", "--address", "127.0.0.1", "--port", "{port}", "--timeout", "60000"),
         Form("/inference")),
    Peer("mlserver", "mlserver", ("mlserver",), (Setting(1, 2),), ("{bin}/mlserver", "start", "."),
         Form(V2, {"Content-Type": "application/json"}, _v2_base64)),
    Peer("bentoml", "bentoml", ("bentoml",), _BOTH,
         ("-m", "bentoml", "serve", "bentoml_server:Detector", "--host", "127.0.0.1", "--port", "{port}",
          "--working-dir", "{peers}"), UPLOAD, {"BENTOML_DO_NOT_TRACK": "True"}),
    Peer("pytriton", "pytriton", ("nvidia-pytriton",), _BOTH, ("{peers}/pytriton_server.py",),
         Form(V2, {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "256"}, _v2_binary),
         # Its tensor store fails on start: the interpreter it brings is older than this one's standard library.
         {"PYTRITON_NO_TENSORSTORE": "1"}),
    Peer("torchserve", "ts",
         ("torchserve", "torch-model-archiver", "torch", "setuptools<81", "packaging", "psutil", "pyyaml"), _BOTH,
         ("{peers}/torchserve_server.py",), Form("/predictions/detector")),
    Peer("ray", "ray", ("ray[serve]",), _BOTH, ("{peers}/ray_server.py",),
         environment={"RAY_USAGE_STATS_ENABLED": "0"}),
)  # fmt: skip
"""In the order in which they are measured. MLServer runs a model's inferences one after another in its own process."""

QUICK: Final = {"fastapi": (Setting(1, 1),), "litserve": (Setting(2, 1),)}
"""The two best that a plain pip installs, each with the setting that was best for many callers."""
