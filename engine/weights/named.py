"""What a setting names a model by: a base of the catalog, or a directory of the user's own."""

from __future__ import annotations

from pathlib import Path

from engine.weights import catalog
from engine.weights.home import expanded


def directory_of(name: str) -> Path | None:
    """The directory that a model is named by; None for the name of a base, whose place no folder takes.

    Raises:
        ConfigError: the home directory that it begins with is not known.
    """
    return None if catalog.find(name) is not None else expanded(Path(name))
