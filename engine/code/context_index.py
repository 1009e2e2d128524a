"""A file and what it imports to the signatures that it goes by: which other files matter, and what of them.

Where files are read from is the caller's matter: here a path is a name, and what it holds is asked for as an
outline. The result depends on the imports of the file alone, not on where a cursor is, so it stands still
while the user types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from engine.code.imported import imports_of, places_of
from engine.code.languages import Language
from engine.code.outline import Entry
from engine.types import Related

OutlineOf = Callable[[PurePosixPath], tuple[Entry, ...] | None]
"""The outline of the file at a path relative to the root; None where there is none to be read."""

MAX_FILES = 16


def related_files(
    text: str,
    path: PurePosixPath,
    language: Language,
    outline_of: OutlineOf,
    recent: Iterable[PurePosixPath] = (),
) -> tuple[Related, ...]:
    """What other files offer to one: first what it takes by name, then modules it imports, then recent files.

    Args:
        text: of the file.
        path: of the file, relative to the root.
        language: of the file.
        outline_of: see ``OutlineOf``.
        recent: files that were edited lately, the latest first.
    """
    named: dict[PurePosixPath, list[str]] = {}
    whole: dict[PurePosixPath, list[str]] = {}
    for imported in imports_of(text, language):
        for place, by_name in places_of(imported, path, language):
            entries = None if place == path else outline_of(place)
            if entries is None:
                continue
            is_named = by_name and bool(imported.names)
            wanted = [one.text for one in entries if not is_named or one.name in imported.names]
            target = named if is_named else whole
            target.setdefault(place, []).extend(one for one in wanted if one not in target.get(place, ()))
            if by_name:
                break
    for place in recent:
        if place != path and place not in whole:
            entries = outline_of(place) or ()
            whole[place] = [one.text for one in entries]
    found = [Related(str(place), tuple(texts)) for place, texts in named.items() if texts]
    found += [Related(str(place), tuple(texts)) for place, texts in whole.items() if texts]
    return tuple(found[:MAX_FILES])
