"""Hostile and unusual files posted to a running server: an answer or a refusal each, and a server that is as before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx

from tests import spots
from tests.runtime.test_server import RUN, server

_MEMORY_GROWTH = 256 << 20  # bytes; the largest picture under the pixel limit takes 192 MB while it is decoded


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def test_every_hostile_file_is_answered_or_refused(shared_data: Path, tmp_path: Path) -> None:
    files = sorted(path for path in (shared_data / "nasty").rglob("*") if path.is_file())
    counts: Counter[int] = Counter()
    with (
        server(tmp_path, INFLARE_LOG_ACCESS="false") as (process, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        client.post(RUN, content=spots.png(255))
        before = resident(process.pid)
        for path in files:
            response = client.post(RUN, content=path.read_bytes())
            counts[response.status_code] += 1
            assert response.status_code in (200, 400, 413), path
            assert response.json()["success"] is (response.status_code == 200), path
        assert client.post(RUN, content=spots.png(255)).status_code == 200
        after = resident(process.pid)
    print(f"{len(files)} files: {dict(counts)}; memory {before >> 20} -> {after >> 20} MB")
    assert counts[200] > 900
    assert after - before < _MEMORY_GROWTH


def test_the_valid_files_of_pngsuite_are_answered(shared_data: Path, tmp_path: Path) -> None:
    """PngSuite names its corrupt files with an x in front."""
    valid = sorted(path for path in (shared_data / "nasty" / "pngsuite").rglob("[!x]*.png"))
    assert len(valid) > 100
    with server(tmp_path, INFLARE_LOG_ACCESS="false") as (_, url), httpx.Client(base_url=url, timeout=60) as client:
        refused = [path.name for path in valid if client.post(RUN, content=path.read_bytes()).status_code != 200]
    assert refused == []
