"""Progress: bars of bytes for people, nothing for programs."""

from __future__ import annotations

import io
import sys

import pytest

from inflare.models.progress import bars, silence


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with bars("model.safetensors", 2_000_000) as advance:
        advance(500_000)
        advance(1_500_000)
    last = screen.getvalue().rstrip().split("\r")[-1]
    assert last.startswith("model.safetensors: 100%") and "2.00M/2.00M" in last


def test_a_bar_goes_back_where_a_file_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with bars("net.pth", 1000) as advance:
        advance(900)
        advance(-900)
        advance(100)
    assert "100/1.00k" in screen.getvalue().rstrip().split("\r")[-1]


def test_a_pipe_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with bars("model.safetensors", 10) as advance:
        advance(10)
    assert capsys.readouterr().err == ""


def test_silence_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with silence("model.safetensors", 10) as advance:
        advance(10)
    assert screen.getvalue() == ""
