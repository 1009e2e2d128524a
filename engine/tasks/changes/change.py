"""Two states of one text to what was changed between them: the edits, and where what stayed stands now.

Both are parsed. Knows nothing of what a change means.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit, apply, smallest_edits
from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of
from engine.scopes.rules import RULES
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_EDITS = 200
"""Texts that differ in more places are not one change any more."""

NAMES = frozenset(
    {
        *("identifier", "type_identifier", "field_identifier", "property_identifier"),
        *("private_property_identifier", "shorthand_property_identifier"),
        *("shorthand_property_identifier_pattern", "shorthand_field_identifier"),
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed text, asked in characters."""

    text: str
    syntax: Syntax

    def span(self, node: Node) -> Span:
        """Where a node stands."""
        to_char = self.syntax.utf8.byte_to_char
        return Span(to_char(node.start_byte), to_char(node.end_byte))

    def of(self, node: Node | None) -> str:
        """The text of a node; empty for none."""
        return text_of(node)

    def name_at(self, start_char: int) -> Node | None:
        """The name that starts at an offset, or that the character there belongs to."""
        path = self.syntax.path(start_char) if start_char < len(self.text) else ()
        return path[-1] if path and path[-1].type in NAMES else None


class Change:
    """What was changed between two states of a text.

    Args:
        old: the state before.
        new: the state now.
    """

    def __init__(self, old: Source, new: Source) -> None:
        self.old, self.new = old, new
        self.edits = tuple(_of_whole_words(old.text, smallest_edits(old.text, new.text)))
        self._starts = [edit.span.start_char for edit in self.edits]
        grown = (len(edit.new_text) - (edit.span.end_char - edit.span.start_char) for edit in self.edits)
        self._shifts = [0, *accumulate(grown)]

    @classmethod
    def between(cls, before: str, text: str, language: Language) -> Change | None:
        """The change between two texts; None where it cannot be read: no scopes, no tree, too much."""
        if language.id not in RULES or before == text:
            return None
        old, new = parse(before, language), parse(text, language)
        if old is None or new is None:
            return None
        change = cls(Source(before, old), Source(text, new))
        return change if len(change.edits) <= MAX_EDITS else None

    def moved(self, span: Span) -> Span | None:
        """Where an old span that nothing touched stands now; None for any other."""
        at = bisect_right(self._starts, span.start_char)
        for index in range(max(at - 1, 0), len(self.edits)):
            edit = self.edits[index].span
            if edit.start_char >= span.end_char:
                break
            if edit.end_char > span.start_char:
                return None
        before = sum(1 for edit in self.edits[:at] if edit.span.end_char <= span.start_char)
        shift = self._shifts[before]
        return Span(span.start_char + shift, span.end_char + shift)

    def is_new(self, span: Span) -> bool:
        """Whether a span of the text as it is now was written by the change."""
        return any(
            start < span.end_char and span.start_char < start + len(edit.new_text)
            for edit, start in self.edits_now()
        )

    def edits_now(self) -> Iterator[tuple[TextEdit, int]]:
        """The edits, each with where what it wrote begins in the text as it is now."""
        for edit, shift in zip(self.edits, self._shifts, strict=False):
            yield edit, edit.span.start_char + shift

    def name_now(self, leaf: Node) -> Node | None:
        """The name that stands now where an old one stood: itself, or another in its place."""
        span = self.old.span(leaf)
        kept = self.moved(span)
        if kept is not None:
            found = self.new.name_at(kept.start_char)
            return found if found is not None and self.new.span(found) == kept else None
        at = bisect_right(self._starts, span.end_char - 1) - 1
        edit = self.edits[at]
        if at < 0 or not span.start_char <= edit.span.start_char < edit.span.end_char <= span.end_char:
            return None
        if at and self.edits[at - 1].span.end_char > span.start_char:
            return None
        start_char = span.start_char + self._shifts[at]
        found = self.new.name_at(start_char)
        end_char = edit.span.start_char + self._shifts[at] + len(edit.new_text)
        if found is None or self.new.span(found).start_char != start_char:
            return None
        return (
            found if self.new.span(found).end_char <= end_char + span.end_char - edit.span.end_char else None
        )

    def renamed(self) -> list[tuple[Node, Node]]:
        """The names that others have taken the place of: pairs of an old leaf and a new one, in order."""
        pairs: list[tuple[Node, Node]] = []
        for edit in self.edits:
            if edit.span.start_char == edit.span.end_char or not edit.new_text:
                continue
            leaf = self.old.name_at(edit.span.start_char)
            if leaf is None:
                continue
            now = self.name_now(leaf)
            if now is not None and now.type == leaf.type and self.old.of(leaf) != self.new.of(now):
                pairs.append((leaf, now))
        return pairs


def _of_whole_words(text: str, edits: Sequence[TextEdit]) -> list[TextEdit]:
    """The same edits, none of which parts a word; those that touch then are one."""
    groups: list[tuple[Span, list[TextEdit]]] = []
    for edit in edits:
        span = _whole_words(text, edit)
        if groups and groups[-1][0].end_char >= span.start_char:
            before, inside = groups.pop()
            end_char = max(before.end_char, span.end_char)
            groups.append((Span(min(before.start_char, span.start_char), end_char), [*inside, edit]))
        else:
            groups.append((span, [edit]))
    return [TextEdit(span, _replacement(text, span, inside)) for span, inside in groups]


def _whole_words(text: str, edit: TextEdit) -> Span:
    """The span of an edit, and the rest of the words that it begins and ends in."""
    start, end = edit.span.start_char, edit.span.end_char
    old, new = text[start:end], edit.new_text
    joins_left = _is_word(old[:1]) or _is_word(new[:1]) or (not new and _is_word(text[end : end + 1]))
    joins_right = _is_word(old[-1:]) or _is_word(new[-1:]) or (not new and _is_word(text[start - 1 : start]))
    while joins_left and start and _is_word(text[start - 1]):
        start -= 1
    while joins_right and _is_word(text[end : end + 1]):
        end += 1
    return Span(start, end)


def _replacement(text: str, span: Span, edits: Sequence[TextEdit]) -> str:
    """What edits in a span make of it."""
    start = span.start_char
    inside = [
        TextEdit(Span(edit.span.start_char - start, edit.span.end_char - start), edit.new_text)
        for edit in edits
    ]
    return apply(text[start : span.end_char], inside)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
