"""curl, as the provider's page writes it and in the other ways in which people send a file."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import spots
from tests.clients.conftest import Server
from tests.clients.processes import PATIENCE_S

brotli = pytest.importorskip("brotli")

ACCOUNT = "/client/v4/accounts/0123456789abcdef0123456789abcdef"
RUN = f"/ai/run/{spots.MODEL}"
JSON = ["-H", "content-type: application/json"]


def curl(*arguments: str | Path) -> tuple[str, Any]:
    """What curl reports of the connection ("status version"), and the JSON that came."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("needs curl")
    command = [program, "--silent", "--show-error", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    body, _, report = done.stdout.rpartition("\n")
    return report, json.loads(body)


@pytest.fixture
def payload(image: Path, tmp_path: Path) -> Path:
    """A JSON file of the image's octets, as -d @file sends it."""
    path = tmp_path / "payload.json"
    path.write_text(json.dumps({"image": list(image.read_bytes())}))
    return path


@pytest.mark.parametrize("route", [RUN, f"{ACCOUNT}{RUN}", f"{ACCOUNT}/ai/run/@local%2Fspots"])
@pytest.mark.parametrize("token", [[], ["-H", "Authorization: Bearer any"]], ids=["no token", "token"])
def test_the_documented_line_works(server: Server, image: Path, route: str, token: list[str]) -> None:
    report, body = curl(f"{server.url}{route}", "-X", "POST", *token, "--data-binary", f"@{image}")
    assert report == "200 1.1"
    assert [item["label"] for item in body["result"]] == ["bright"] * 3


def test_an_upload_that_expects_100_continue(server: Server, image: Path) -> None:
    report, body = curl("-T", image, "-X", "POST", "-H", "Expect: 100-continue", f"{server.url}{RUN}")
    assert (report, body["success"]) == ("200 1.1", True)


def test_a_form(server: Server, image: Path) -> None:
    assert curl("-F", f"image=@{image}", f"{server.url}{RUN}")[1]["success"] is True


@pytest.mark.parametrize("headers", [[], JSON], ids=["form-urlencoded", "json"])
def test_json_from_a_file(server: Server, payload: Path, headers: list[str]) -> None:
    """-d alone calls it a URL-encoded form."""
    assert curl(*headers, "-d", f"@{payload}", f"{server.url}{RUN}")[1]["success"] is True


def test_http_2_without_tls(server: Server, image: Path) -> None:
    report, body = curl("--http2-prior-knowledge", "--data-binary", f"@{image}", f"{server.url}{RUN}")
    assert (report, body["success"]) == ("200 2", True)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_compressed_body(server: Server, payload: Path, tmp_path: Path, encoding: str) -> None:
    compress = {"gzip": gzip.compress, "br": brotli.compress}[encoding]
    packed = tmp_path / "packed"
    packed.write_bytes(compress(payload.read_bytes()))
    header = f"content-encoding: {encoding}"
    assert curl("-H", header, "--data-binary", f"@{packed}", f"{server.url}{RUN}")[1]["success"] is True


def test_a_compressed_body_over_the_limit_is_refused(server: Server, tmp_path: Path) -> None:
    packed = tmp_path / "bomb"
    packed.write_bytes(gzip.compress(bytes(64 << 20)))
    report, body = curl("-H", "content-encoding: gzip", "--data-binary", f"@{packed}", f"{server.url}{RUN}")
    assert (report, body["errors"][0]["code"]) == ("413 1.1", 3006)


def test_a_wrong_file_gets_the_code_and_the_reason(server: Server, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("plain words")
    report, body = curl("--data-binary", f"@{text}", f"{server.url}{RUN}")
    assert (report, body["errors"][0]["code"]) == ("400 1.1", 3010)
