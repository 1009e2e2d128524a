"""Helix, from Debian: installed, and started."""

from __future__ import annotations

from pathlib import Path

from tests.clients import debian

PROGRAM = "usr/bin/hx"


def install(directory: Path) -> None:
    """Have a directory hold Helix."""
    debian.install(directory, ["hx"], [PROGRAM])


def is_installed(directory: Path) -> bool:
    """Whether ``install`` has been here."""
    return (directory / PROGRAM).exists()


def command(directory: Path) -> list[str]:
    """How Helix is started; with ``environment``."""
    return [str(directory / PROGRAM)]


def environment(directory: Path) -> dict[str, str]:
    """Where Helix finds what belongs to it."""
    return {"HELIX_RUNTIME": str(directory / "usr/lib/hx/runtime")}
