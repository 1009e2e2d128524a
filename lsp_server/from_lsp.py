"""Values of the protocol → the engine's: positions to characters, URIs to paths, data to targets.

Every conversion from the client's position encoding goes through here. Knows nothing of requests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote, unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.uris import to_fs_path

from engine.types import EditKind, Span, Strength
from lsp_server.documents import Document

What = Literal["range", "holes"]

_BEHIND_PATH = re.compile(r"[?#]")
"""Where the query or the fragment of a URI begins."""


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


@dataclass(frozen=True, slots=True)
class EditTarget:
    """What a code action or ``unmask.edit`` is about; see ``engine.types.EditRequest``.

    Attributes:
        uri: the document.
        version: the version it was offered for; None where the client did not say.
        range: the selection, in the client's units; None for the whole document.
        kind: the task.
        instruction: what the user asks for.
        to: the language to rewrite to.
        strength: how much of the selection may change.
        doubtful: the ranges that a tool complains of.
    """

    uri: str
    version: int | None
    range: types.Range | None
    kind: EditKind
    instruction: str | None = None
    to: str | None = None
    strength: Strength | None = None
    doubtful: tuple[types.Range, ...] = ()


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


def escaped(name: str) -> str:
    """A file's name as the last part of a URI."""
    return quote(name)


def path_key(uri: str) -> str:
    """What paths are compared by: the path with forward slashes, drive letters in lower case.

    A URI of another scheme (``untitled:``, ``git:``) keeps its path, which names no file.
    """
    path = to_fs_path(uri)
    if path is None:
        return unquote(_BEHIND_PATH.split(uri.partition(":")[2], 1)[0])
    return os.path.normcase(path).replace("\\", "/")


def path_of(key: str) -> str:
    """The ``path_key`` of a document, by its ``document_key``."""
    return path_key(quote(key, safe=":/?#"))


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
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise JsonRpcInvalidParams(
            'unmask.fill takes {"uri", "range", and if you like "version" and "what": "range" or "holes"}, '
            f"not {value!r:.80}."
        ) from error


def edit_target(value: object) -> EditTarget:
    """What the data of a code action or the argument of ``unmask.edit`` asks for.

    Raises:
        JsonRpcInvalidParams: it is not what ``to_lsp.edit_target`` makes.
    """
    try:
        return _edit_target(value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise JsonRpcInvalidParams(
            'unmask.edit takes {"uri", "kind", and if you like "range", "version", "instruction", "to", '
            f'"strength"}} with a kind among {", ".join(get_args(EditKind))}, not {value!r:.80}.'
        ) from error


def suggestion_ident(params: Any) -> int | None:
    """The number of the suggestion that ``didShowCompletion`` and its kin are about; None where it has none.

    They carry the whole item under ``item``, and its command the number (see ``to_lsp``).
    """
    try:
        ident = params.item.command.arguments[0]
    except (AttributeError, IndexError, TypeError):
        return None
    return ident if isinstance(ident, int) else None


def is_edit(value: object) -> bool:
    """Whether the data of a code action is about an edit, and not about a fill."""
    return isinstance(value, Mapping) and "kind" in value


def _edit_target(value: object) -> EditTarget:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    version, kind, strength = value.get("version"), value["kind"], value.get("strength")
    if not isinstance(value["uri"], str) or kind not in get_args(EditKind):
        raise ValueError(value)
    if strength is not None and strength not in get_args(Strength):
        raise ValueError(value)
    selection = value.get("range")
    return EditTarget(
        uri=value["uri"],
        version=version if isinstance(version, int) else None,
        range=None if selection is None else _range(selection),
        kind=kind,
        instruction=_text(value.get("instruction")),
        to=_text(value.get("to")),
        strength=strength,
        doubtful=tuple(_range(doubtful) for doubtful in value.get("doubtful") or ()),
    )


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(value)
    return value or None


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
        range=_range(value["range"]),
        what=what,
    )


def _range(value: Mapping[str, Any]) -> types.Range:
    return types.Range(start=_position(value["start"]), end=_position(value["end"]))


def _position(value: Mapping[str, Any]) -> types.Position:
    return types.Position(line=int(value["line"]), character=int(value["character"]))
