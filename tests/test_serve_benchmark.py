"""The comparison of servers: its ratios, its page, and the forms of its requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serve_load import Seen, rest
from benchmarks.serve_page import Bound, Report, Row, between, markdown
from benchmarks.serve_peers import ALL, QUICK


def row(server: str, ratio: float, p50: float, graph: str = "own") -> Row:
    seen = (Seen(1, 30, p50, 40, 0), Seen(8, 60 * ratio, 130, 150, 0))
    return Row(server, "2 x 1", graph, "30ms", seen, 1.0, 300.0, ratio)


@pytest.fixture
def report() -> Report:
    rows = (row("inflare", 1.0, 18), row("slow", 0.5, 36), row("quick", 0.8, 27), row("quick", 0.4, 54, "export"))
    bounds = tuple(
        Bound("prepare", setting, "30ms", 60, 30, ratio) for setting, ratio in (("1 x 2", 1.1), ("2 x 1", 0.98))
    )
    return Report("a machine", rows, bounds, {"other 1 x 2": "no wheel"})


def test_the_ratios_are_to_the_best_of_each_kind(report: Report) -> None:
    found = report.document()
    assert (found["ratio_to_bare_loop_c8"], found["ratio_to_best_peer_c8"]) == (0.98, 1.25)
    assert (found["ratio_to_best_peer_export_c8"], found["p50_ratio_to_best_peer_c1"]) == (2.5, 1.5)


def test_the_page_names_what_was_not_measured(report: Report) -> None:
    assert "- other 1 x 2: no wheel" in markdown(report)


def test_only_what_is_between_the_markers_changes() -> None:
    page = "a\n<!-- begin: serve -->\nold\n<!-- end: serve -->\nb"
    assert between(page, "serve", "new") == page.replace("old", "new")


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="begin: serve"):
        between("a", "serve", "new")


@pytest.mark.parametrize("peer", ALL, ids=lambda peer: peer.name)
def test_every_form_carries_the_photograph(peer: object) -> None:
    chosen = next(each for each in ALL if each is peer)
    body = chosen.form.body(b"\xff\xd8photo")
    assert b"\xff\xd8photo" in body or "/9hwaG90bw==" in json.dumps(body.decode())


def test_the_quick_run_tries_peers_that_exist() -> None:
    assert set(QUICK) <= {peer.name for peer in ALL}


def test_a_turn_ends_when_the_server_has_done_what_callers_left_behind(tmp_path: Path) -> None:
    done = tmp_path / "done"
    program = (
        "import pathlib, sys, time\nprint('busy', flush=True)\nwhile time.process_time() < 1.5: pass\n"
        "pathlib.Path(sys.argv[1]).touch()\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(done)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == b"busy\n"
            rest(server.pid)
            assert done.exists()
        finally:
            server.kill()
