"""What the user hears while a model is fetched and prepared for the first time."""

from __future__ import annotations

import sys

import pytest

from engine.types import Progress
from lsp_server.cli.progress import CHECKING, FirstUse


def test_a_start_that_only_checks_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with FirstUse() as listener:
        listener(Progress(CHECKING, 0, 10))
        listener(Progress(CHECKING, 10, 10))
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_each_stage_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with FirstUse() as listener:
        for done in (0, 200_000_000, 491_400_064):
            listener(Progress("fetching weights", done, 491_400_064))
        listener(Progress("waiting", 0))
        listener(Progress(CHECKING, 1, 10))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "first use: fetching and preparing the model; this happens once",
        "first use: fetching weights (491 MB)",
        "first use: waiting",
    ]


def test_on_a_terminal_there_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    with FirstUse() as listener:
        listener(Progress("fetching weights", 50_000_000, 100_000_000))
    out, err = capsys.readouterr()
    assert out == "" and "first use" in err
    assert "fetching weights" in err and "50.0/100.0 MB" in err
