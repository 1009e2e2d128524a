"""What the engine says of a text without a model: its shape, its holes, whether it is secret.

The one place of the server that reaches tree-sitter, and it does so when first asked, so that
``initialize`` is answered before a parser is loaded. Knows nothing of LSP.
"""

# ruff: noqa: PLC0415 - importing late is what this module is for

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from engine.types import Related, Span

if TYPE_CHECKING:
    from engine.code.context_index import OutlineOf
    from engine.code.outline import Entry
    from engine.offers import Offer
    from engine.tasks.changes.follow_up import Implied

HOLE = "<hole>"


@dataclass(frozen=True, slots=True)
class Place:
    """What stands where something is to be filled.

    Attributes:
        multi_line: the code calls for several lines here.
        in_comment: inside a comment.
        in_string: inside a string literal.
    """

    multi_line: bool
    in_comment: bool
    in_string: bool


def language_of(language_id: str, path: str) -> str:
    """The language to fill in: the editor's identifier, or the file name's where it has none."""
    if language_id:
        return language_id
    from engine.code import languages

    return str(languages.by_path(PurePosixPath(path)).id)


def place(text: str, at_char: int, language: str) -> Place:
    """What stands at an offset."""
    from engine.code import languages, regions

    shape = regions.shape_at(text, at_char, languages.by_id(language))
    return Place(shape.multi_line, shape.in_comment, shape.in_string)


def holes(text: str, language: str) -> tuple[Span, ...]:
    """The ``<hole>`` markers of a text, or else its placeholders (``...``, ``pass  # TODO``), in order."""
    from engine.code import languages, regions

    marked = tuple(regions.hole_spans(text, HOLE)) if HOLE in text else ()
    return marked or tuple(regions.placeholder_spans(text, languages.by_id(language)))


def is_secret(path: str) -> bool:
    """Whether a path names a file that is never read: keys, ``.env``, credentials."""
    from engine.code import regions

    return bool(regions.is_secret_path(PurePosixPath(path)))


def smallest_edits(old: str, new: str) -> tuple[tuple[Span, str], ...]:
    """The smallest edits that make ``new`` of ``old``."""
    from engine.code import edits

    return tuple((edit.span, edit.new_text) for edit in edits.smallest_edits(old, new))


def offers(
    text: str, language: str, selection: Span, *, complained_of: bool, automatic: bool
) -> tuple[Offer, ...]:
    """The edit tasks that apply at a selection; see ``engine.offers``."""
    from engine import offers as engine_offers

    return engine_offers.offers(text, language, selection, complained_of=complained_of, automatic=automatic)


def implied(before: str, text: str, language: str) -> Implied:
    """What the change from one text to another implies elsewhere in it; see ``engine.tasks.next_edit``."""
    from engine.code import languages
    from engine.tasks import next_edit

    return next_edit.follow_ups(before, text, languages.by_id(language))


def applied(text: str, changes: Iterable[tuple[Span, str]]) -> str:
    """A text with spans replaced, which are in order and disjoint."""
    from engine.code import edits

    return edits.apply(text, [edits.TextEdit(span, new) for span, new in changes])


def related_files(
    text: str, path: PurePosixPath, language: str, outline_of: OutlineOf, recent: Iterable[PurePosixPath]
) -> tuple[Related, ...]:
    """What other files offer to one; see ``engine.code.context_index``."""
    from engine.code import context_index, languages

    return context_index.related_files(text, path, languages.by_id(language), outline_of, recent)


def outline(text: str, language: str) -> tuple[Entry, ...]:
    """What a text defines at its top."""
    from engine.code import languages
    from engine.code import outline as engine_outline

    return engine_outline.outline(text, languages.by_id(language))


def is_parsed(path: str) -> bool:
    """Whether a file is, by its name, in a language that has a grammar."""
    from engine.code import languages

    return languages.by_path(PurePosixPath(path)).grammar is not None


def decoded(data: bytes, name: str) -> str:
    """The text of a file.

    Raises:
        TextError: it is none.
    """
    from engine.code import text

    return text.decode(data, name).text


def file_ending(language: str) -> str:
    """How the names of a language's files end, with the dot; empty where that is not known."""
    from engine.code import languages

    return next(iter(languages.by_id(language).extensions), "")


def title(language: str) -> str:
    """A language's name for people."""
    from engine.code import languages

    return str(languages.by_id(language).title)
