"""Emacs with eglot, which is part of it, and lsp-mode, from Debian: installed, and started."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.clients import debian
from tests.clients.errors import NotInstalled

PACKAGES = ("emacs-nox", "elpa-lsp-mode")
PROGRAM, CLIENT = "usr/bin/emacs-nox", "usr/bin/emacsclient.emacs"
_PACKAGES = "usr/share/emacs/site-lisp/elpa-src"
_COMPILED = (
    *(f"{name}-*/*.el" for name in ("dash", "f", "ht", "lv", "s", "spinner")),
    "markdown-mode-*/markdown-mode.el",
    "lsp-mode-*/lsp-protocol.el",
    "lsp-mode-*/lsp-mode.el",
    "lsp-mode-*/lsp-inline-completion.el",
    "lsp-mode-*/lsp-completion.el",
    "lsp-mode-*/lsp-modeline.el",
    "lsp-mode-*/lsp-diagnostics.el",
    "lsp-mode-*/lsp-lens.el",
    "lsp-mode-*/lsp-semantic-tokens.el",
)
# Native compilation needs a C compiler beside it, which is not there.
INTERPRETED = "(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)"


def install(directory: Path) -> None:
    """Have a directory hold Emacs and lsp-mode, compiled."""
    debian.install(directory, PACKAGES, (PROGRAM, CLIENT))
    compiled = directory / "compiled"
    if compiled.exists():
        return
    packages = directory / _PACKAGES
    files = [str(path) for pattern in _COMPILED for path in sorted(packages.glob(pattern))]
    done = subprocess.run(
        [*command(directory), "-Q", "--batch", "-f", "batch-byte-compile", *files],
        env=environment(directory),
        capture_output=True,
        text=True,
        check=False,
    )
    if not next(iter(packages.glob("lsp-mode-*/lsp-mode.elc")), None):
        raise NotInstalled(f"Emacs did not compile lsp-mode: {done.stderr.strip()[-300:]}")
    compiled.touch()


def is_installed(directory: Path) -> bool:
    """Whether ``install`` has been here."""
    return (directory / "compiled").exists()


def command(directory: Path) -> list[str]:
    """How Emacs is started, with ``environment``; its init file has to begin with ``INTERPRETED`` as well."""
    (dump,) = directory.glob("usr/libexec/emacs/*/*/*.pdmp")
    return [str(directory / PROGRAM), f"--dump-file={dump}", "--eval", INTERPRETED]


def environment(directory: Path) -> dict[str, str]:
    """Where Emacs finds what belongs to it, and lsp-mode."""
    (shared,) = directory.glob("usr/share/emacs/[0-9]*")
    packages = sorted(str(path) for path in (directory / _PACKAGES).iterdir())
    (programs,) = directory.glob("usr/libexec/emacs/*/*-linux-gnu*")
    return {
        "EMACSLOADPATH": ":".join([f"{shared}/lisp", *packages, ""]),
        "EMACSDATA": f"{shared}/etc",
        "EMACSDOC": f"{shared}/etc",
        "EMACSPATH": str(programs),
    }
