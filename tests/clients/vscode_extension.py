"""The extension's sources → the .vsix that a user would install, made by the commands of its page."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.clients.home import ROOT

SOURCES = ROOT / "editor-clients" / "vscode"
VSIX = SOURCES / "dist" / "unmask.vsix"


def build() -> Path:
    """Make the .vsix anew; packages are fetched where they are not there yet."""
    if not (SOURCES / "node_modules").is_dir():
        _npm("ci")
    _npm("run", "build")
    _npm("run", "package")
    return VSIX


def test() -> None:
    """Run the tests of what needs no editor."""
    _npm("test")


def _npm(*arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments], cwd=SOURCES, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
