"""The user's home directory, where there is one: services and containers may have none."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import ConfigError


def home() -> Path | None:
    """The user's home directory; None where none is known, or what names it is no absolute path."""
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_absolute() and os.environ.get("HOME") != "" else None


def expanded(path: Path) -> Path:
    """A path with a leading ``~`` or ``~user`` written out.

    Raises:
        ConfigError: the home directory that it stands for is not known.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{path} begins with a home directory that is not known", "Write the path out."
        ) from None
