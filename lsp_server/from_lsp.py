"""Values of the protocol → the engine's: positions to characters, URIs to paths, data to targets.

Every conversion from the client's position encoding goes through here. Knows nothing of requests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.uris import to_fs_path

from engine.types import Span
from lsp_server.documents import Document

What = Literal["range", "holes"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a code action or ``unmask.fill`` is about.

    Attributes:
        uri: the document.
        version: the version it was offered for; None where the client did not say.
        range: the selection, in the client's units.
        what: the selection itself, or the holes in it (in the file, where it is empty).
    """

    uri: str
    version: int | None
    range: types.Range
    what: What


def offset(document: Document, position: types.Position) -> int:
    """Offset in characters of a position; one outside the text is moved to the nearest inside it."""
    return document.offset_at_position(position)


def span(document: Document, range_: types.Range) -> Span:
    """A range as a span of characters; one that ends before it starts is empty."""
    start_char = offset(document, range_.start)
    return Span(start_char, max(start_char, offset(document, range_.end)))


def document_key(uri: str) -> str:
    """What open documents are compared by: editors escape one URI in several ways."""
    return unquote(uri)


def path_key(uri: str) -> str:
    """What paths are compared by: the path with forward slashes, drive letters in lower case.

    A URI of another scheme (``untitled:``) keeps its path, which names no file.
    """
    path = to_fs_path(uri)
    if path is None:
        return unquote(uri.partition(":")[2])
    return os.path.normcase(path).replace("\\", "/")


def directory(uri: str) -> Path | None:
    """The directory a folder's URI names; None where it is on no file system of this machine."""
    path = to_fs_path(uri)
    return None if path is None else Path(path)


def target(value: object) -> Target:
    """What the data of a code action or the argument of ``unmask.fill`` asks for.

    Raises:
        JsonRpcInvalidParams: it is not what ``to_lsp.target`` makes.
    """
    try:
        return _target(value)
    except (KeyError, TypeError, ValueError) as error:
        raise JsonRpcInvalidParams(
            'unmask.fill takes {"uri", "range", and if you like "version" and "what": "range" or "holes"}, '
            f"not {value!r:.80}."
        ) from error


def _target(value: object) -> Target:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    version = value.get("version")
    what = value.get("what", "range")
    if not isinstance(value["uri"], str) or what not in ("range", "holes"):
        raise ValueError(value)
    return Target(
        uri=value["uri"],
        version=version if isinstance(version, int) else None,
        range=types.Range(start=_position(value["range"]["start"]), end=_position(value["range"]["end"])),
        what=what,
    )


def _position(value: Mapping[str, Any]) -> types.Position:
    return types.Position(line=int(value["line"]), character=int(value["character"]))
