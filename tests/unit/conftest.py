"""What unit tests share: the command run in this process, without settings, and a site to pull from."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lsp_server.cli.main import main
from tests.site import good_file, site, store  # noqa: F401 - fixtures


@dataclass(frozen=True)
class Outcome:
    """What a run of `unmask` left behind."""

    code: int
    out: bytes
    err: str


Unmask = Callable[..., Outcome]


@pytest.fixture
def unmask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Unmask:
    """Run the command in an empty directory: ``unmask("fill", "-", stdin=b"…")``."""
    for name in [name for name in os.environ if name.startswith("UNMASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UNMASK_CONFIG", os.devnull)
    monkeypatch.setenv("UNMASK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = main(arguments)
        captured = capsysbinary.readouterr()
        return Outcome(code, captured.out, captured.err.decode())

    return run
