"""What the tests in editors share: one whose editor is not there is skipped, with what installs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.clients import install
from tests.clients.home import Home
from tests.clients.terminal import Terminal


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``editor("name")`` where one of the editors named is not installed."""
    for mark in item.iter_markers("editor"):
        missing = [name for name in mark.args if not install.is_installed(name)]
        if missing:
            pytest.skip(f"not installed here: python -m tests.clients.install {' '.join(missing)}")


Open = Callable[[Home, Sequence[str], Mapping[str, str]], Terminal]


@pytest.fixture
def in_terminal(tmp_path: Path) -> Iterator[Open]:
    """Start programs in terminals; all are ended with the test."""
    opened: list[Terminal] = []

    def start(home: Home, command: Sequence[str], env: Mapping[str, str]) -> Terminal:
        files = tmp_path / f"t{len(opened)}"
        opened.append(Terminal(command, {**home.env, **env}, home.project, files))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()
