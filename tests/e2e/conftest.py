"""Running servers for the end-to-end tests; each test gets its own, with the fake model and no settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rpc import Client

ROOT = Path(__file__).resolve().parents[2]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change the server, and with our package found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UNMASK_")}
    path = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return {
        **kept,
        "PYTHONPATH": path,
        "UNMASK_CONFIG": os.devnull,
        "UNMASK_OFFLINE": "1",
        "UNMASK_STATS": "0",
        **extra,
    }


def command(*arguments: str) -> list[str]:
    """How the server is started."""
    return [sys.executable, "-m", "lsp_server", *arguments]


Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers; all are ended with the test. ``start("--model", "fake", NAME="value", code=…)``."""
    started: list[Client] = []

    def start(*arguments: str, code: str | None = None, cwd: Path = tmp_path, **environ: Any) -> Client:
        how = command(*arguments) if code is None else [sys.executable, "-c", code]
        client = Client(how, environment(**environ), cwd)
        started.append(client)
        return client

    yield start
    for client in started:
        client.close()


@pytest.fixture
def client(start: Start) -> Client:
    """A server whose fake model copies the latest line that begins alike."""
    return start("--model", "fake")
