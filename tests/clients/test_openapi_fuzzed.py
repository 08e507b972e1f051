"""Schemathesis over /openapi.json of a running server: no 5xx, no status and no body that the document omits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Server

pytest.importorskip("schemathesis", reason="needs the extra: pip install 'inflare[clients]'")

PROGRAM = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SEED = "20261121"
EXAMPLES = 6  # of each operation


def fuzzed(server: Server, folder: Path, *filters: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "run", f"{server.url}/openapi.json", "--checks", CHECKS, "--phases", "coverage,fuzzing"]
    options = [
        "--max-examples",
        str(EXAMPLES),
        "--seed",
        SEED,
        "--warnings",
        "off",
        "--no-color",
        "--request-timeout",
        "60",
    ]
    options += ["--suppress-health-check", "all"]
    return subprocess.run([*command, *options, *filters], cwd=folder, capture_output=True, text=True, timeout=280)


PATHS = {
    "openai": r"^/v1/",
    "cloudflare": r"^(/client/v4/accounts/\{account\})?/ai/(models|run/@local)",
    "binding": r"^/(run|(ai-gateway|ai-api|to-everything|autorag)/.*)?$",
    "forwarded": r"/ai/run/proxy$",
    "operators": r"^/(healthz|readyz|metrics|openapi\.json)$",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_every_answer_is_a_documented_one(server: Server, tmp_path: Path, path: str) -> None:
    done = fuzzed(server, tmp_path, "--include-path-regex", path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
