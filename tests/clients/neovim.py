"""Neovim, from Debian: installed, and started."""

from __future__ import annotations

from pathlib import Path

from tests.clients import debian

PROGRAM = "usr/bin/nvim"


def install(directory: Path) -> None:
    """Have a directory hold Neovim."""
    debian.install(directory, ["neovim"], [PROGRAM])


def is_installed(directory: Path) -> bool:
    """Whether ``install`` has been here."""
    return (directory / PROGRAM).exists()


def command(directory: Path) -> list[str]:
    """How Neovim is started; with ``environment``."""
    return [str(directory / PROGRAM)]


def environment(directory: Path) -> dict[str, str]:
    """Where Neovim finds what belongs to it."""
    return {"VIMRUNTIME": str(directory / "usr/share/nvim/runtime")}
