"""The editors that the tests drive: ``python -m tests.clients.install [EDITOR …]``, all of them by default.

Each lies in a directory of its own below ``$UNMASK_EDITORS``, or ``editors`` in the user's cache directory
of Unmask. What is there already is left as it is. Exit code 1 where one could not be installed.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from platformdirs import user_cache_path

from tests.clients.errors import NotInstalled

EDITORS = ("tmux", "neovim", "helix", "emacs", "vscode")
"""Each is a module beside this one with ``install(directory)`` and ``is_installed(directory)``."""


def directory(editor: str) -> Path:
    """Where an editor lies, or is going to."""
    said = os.environ.get("UNMASK_EDITORS")
    return (Path(said) if said else user_cache_path("unmask") / "editors") / editor


def is_installed(editor: str) -> bool:
    """Whether an editor can be tested."""
    return bool(importlib.import_module(f"tests.clients.{editor}").is_installed(directory(editor)))


def main(names: list[str]) -> int:
    """Install editors, one after the other, whether or not another could be."""
    unknown = [name for name in names if name not in EDITORS]
    if unknown:
        print(f"{__doc__}\nEDITOR is one of {', '.join(EDITORS)}.", file=sys.stderr)
        return 2
    code = 0
    for name in names or EDITORS:
        begun = time.monotonic()
        place = directory(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            importlib.import_module(f"tests.clients.{name}").install(place)
        except (NotInstalled, OSError) as error:
            print(f"{name}: not installed: {error}", file=sys.stderr, flush=True)
            code = 1
        else:
            print(f"{name}: in {place} ({time.monotonic() - begun:.0f} s)", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
