"""The replay of keystrokes against a real server process, with the fake model."""

from __future__ import annotations

import os

import pytest

from engine.errors import BackendError
from lsp_server.cli import keystrokes, replay

MARKED = """\
total = price * count + shipping
net = price * count
to⟦tal =⏸⇥ price * count + shipping
x⏸⟧
⟦⏸⇥zzzz⏸⟧
"""
"""The fake copies the latest line that begins alike: `` price * count + shipping`` is its suggestion."""


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_CONFIG", os.devnull)


def test_what_agrees_is_taken_and_not_typed() -> None:
    sample = keystrokes.read("sample.py", MARKED)
    said: list[str] = []
    figures = replay.play(
        [sample], {"model": "fake", "stats": False, "debounce_ms": 0}, said.append, pace=0.4, idle_seconds=0.2
    )
    # t a l _ =, the rest of the line taken in one, a line end, x, and four z
    assert figures.keys == 5 + 1 + 2 + 4
    assert (figures.accepted, figures.accepted_words) == (1, 0)
    assert figures.accepted_chars == len(" price * count + shipping")
    assert figures.suggestions >= 2
    assert figures.no_model_share > 0.2  # typed along
    assert figures.waited_ms.n == 4 and figures.waited_share == 1.0  # x, z, and what was taken, and z
    assert 0 < figures.ghost_ms.p50 <= figures.ghost_ms.p95
    assert figures.forwards > figures.wasted_forwards >= 0
    assert figures.resident_mb > 10
    assert any("sample.py" in line for line in said)


def test_a_server_without_a_model_is_an_error() -> None:
    with pytest.raises(BackendError, match="no-such-model"):
        replay.play([], {"model": "no-such-model", "offline": True}, lambda _: None)
