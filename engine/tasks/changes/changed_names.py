"""A change to the names it made out of date: a declaration was renamed, its other occurrences were not.

Variables, parameters, functions and imports by scopes; fields and methods of a class where the object is
known (``engine.tasks.changes.members``). A name that the new one would clash with, or that something else
answers to by now, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.edits import apply
from engine.code.syntax import parse, walk
from engine.code.text import line_end, line_start
from engine.scopes.reserved import RESERVED
from engine.scopes.symbols import Occurrence, UnsureError, symbol_at
from engine.tasks.changes import members, type_uses
from engine.tasks.changes.change import Change, Source
from engine.tasks.changes.follow_up import FollowUp, Implied, Place, counted
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_WORD = re.compile(r"[#$]?[^\W\d][\w$]*")
_MEMBERS = frozenset({"property_identifier", "private_property_identifier"})
_IMPORTS = frozenset({"import_statement", "import_from_statement", "import_specifier", "aliased_import"})
_OTHER = {"attribute": "attribute", "keyword_argument": "name"}


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A name that another has taken the place of, where both are declared."""

    old: str
    new: str
    old_span: Span
    new_span: Span


def renames(change: Change) -> Implied:
    """What every renamed declaration implies."""
    found: list[FollowUp] = []
    unsure: str | None = None
    for renamed, leaf in [*_in_place(change), *_aliased(change)]:
        try:
            places = _places(change, renamed, leaf)
        except UnsureError as reason:
            unsure = str(reason)
            continue
        if places:
            title = f"rename {counted(len(places), 'use')} of {renamed.old} to {renamed.new}"
            found.append(FollowUp(title, tuple(places), _line_of(change.new.text, renamed.new_span)))
    return Implied(tuple(found), unsure)


def _in_place(change: Change) -> Iterator[tuple[_Renamed, Node]]:
    for leaf, now in change.renamed():
        if _is_alias_of(leaf) or not _WORD.fullmatch(change.new.of(now)):
            continue
        yield (
            _Renamed(change.old.of(leaf), change.new.of(now), change.old.span(leaf), change.new.span(now)),
            leaf,
        )


def _aliased(change: Change) -> Iterator[tuple[_Renamed, Node]]:
    """Imports that were given another name with ``as``, or that lost it."""
    for edit, start_char in change.edits_now():
        added = re.fullmatch(r"\s+as\s+(\w+)", edit.new_text)
        if edit.span.start_char == edit.span.end_char and added is not None:
            leaf = change.old.name_at(edit.span.start_char - 1)
            start = start_char + added.start(1)
            if leaf is not None and _imports(leaf) and change.old.span(leaf).end_char == edit.span.start_char:
                span = Span(start, start + len(added[1]))
                yield _Renamed(change.old.of(leaf), added[1], change.old.span(leaf), span), leaf
        old = change.old.text[edit.span.start_char : edit.span.end_char]
        lost = re.fullmatch(r"\s+as\s+(\w+)", old)
        if lost is not None and not edit.new_text:
            leaf = change.old.name_at(edit.span.start_char + lost.start(1))
            now = change.new.name_at(start_char - 1)
            if leaf is not None and now is not None and _imports(leaf):
                new = change.new.of(now)
                yield _Renamed(lost[1], new, change.old.span(leaf), change.new.span(now)), leaf


def _places(change: Change, renamed: _Renamed, leaf: Node) -> list[Place]:
    """The other occurrences that still have the old name."""
    old, new = change.old, change.new
    if _is_member(old, leaf):
        found = _member_occurrences(change, renamed, leaf)
        return [Place(span, (renamed.new,)) for span in found]
    if type_uses.is_declaration(old, leaf):
        return [Place(span, (renamed.new,)) for span in _type_occurrences(change, renamed, leaf)]
    if _is_other(leaf):
        return []
    try:
        symbol = symbol_at(old.syntax, old.text, renamed.old_span.start_char, in_file=True)
    except UnsureError:
        if _declares(leaf):
            raise
        return []
    if symbol.occurrences[symbol.definition].span != renamed.old_span:
        return []
    places = [
        Place(now, (occurrence.renamed(renamed.old, renamed.new),))
        for occurrence in symbol.occurrences
        if occurrence.span != renamed.old_span
        and (now := _still(change, occurrence, renamed.old)) is not None
    ]
    places += _listed(new, renamed) if symbol.top_level else []
    if places:
        _check(change, renamed, places)
    return sorted(places, key=lambda place: place.span.start_char)


def _still(change: Change, occurrence: Occurrence, name: str) -> Span | None:
    """Where an old occurrence stands now, if it has the old name still."""
    now = change.moved(occurrence.span)
    if now is None:
        return None
    leaf = change.new.name_at(now.start_char)
    return now if leaf is not None and change.new.span(leaf) == now and change.new.of(leaf) == name else None


def _check(change: Change, renamed: _Renamed, places: list[Place]) -> None:
    """Refuse where the old name means something else by now, or the new one would be caught up in another.

    Raises:
        UnsureError: so it is.
    """
    new = change.new
    if renamed.new in RESERVED.get(new.syntax.language.id, ()):
        raise UnsureError(f"{renamed.new} is a word of the language")
    try:
        other = symbol_at(new.syntax, new.text, places[0].span.start_char, in_file=True)
    except UnsureError:
        other = None  # nothing answers to it
    wanted = {place.span for place in places}
    if other is not None and not {one.span for one in other.occurrences} <= wanted:
        raise UnsureError(f"{renamed.old} is something else now")
    now = symbol_at(new.syntax, new.text, renamed.new_span.start_char, in_file=True)
    others = (one.span for one in now.occurrences if one.span != renamed.new_span)
    if not all(map(change.is_new, others)):
        raise UnsureError(f"{renamed.new} was there already")
    n_listed = sum(1 for place in places if new.name_at(place.span.start_char) is None)
    if _n_occurrences_then(new, renamed, places) != len(now.occurrences) + len(places) - n_listed:
        raise UnsureError(f"{renamed.new} means something else in one of the places")


def _n_occurrences_then(new: Source, renamed: _Renamed, places: list[Place]) -> int:
    """How often the new name would stand for what it is declared as, with the new name in all places."""
    edits = sorted((place.edit() for place in places), key=lambda edit: edit.span.start_char)
    at_char = renamed.new_span.start_char
    before = (edit for edit in edits if edit.span.end_char <= at_char)
    grown = sum(len(edit.new_text) - (edit.span.end_char - edit.span.start_char) for edit in before)
    text = apply(new.text, edits)
    syntax = parse(text, new.syntax.language)
    if syntax is None:
        return 0
    return len(symbol_at(syntax, text, at_char + grown, in_file=True).occurrences)


def _listed(new: Source, renamed: _Renamed) -> list[Place]:
    """The old name in ``__all__``."""
    if new.syntax.language.id != "python":
        return []
    found: list[Place] = []
    for statement in new.syntax.root.named_children:
        assignment = statement.named_children[0] if statement.named_children else None
        if assignment is None or assignment.type != "assignment":
            continue
        value = assignment.child_by_field_name("right")
        if new.of(assignment.child_by_field_name("left")) != "__all__" or value is None:
            continue
        for string in value.named_children:
            span = new.span(string)
            if string.type == "string" and new.of(string)[1:-1] == renamed.old:
                found.append(Place(Span(span.start_char + 1, span.end_char - 1), (renamed.new,)))
    return found


def _is_member(source: Source, leaf: Node) -> bool:
    """Whether a name is that of a member of a class, or written like one."""
    if leaf.type in _MEMBERS:
        return True
    return source.syntax.language.id == "python" and members.is_declaration(source, leaf)


def _member_occurrences(change: Change, renamed: _Renamed, leaf: Node) -> list[Span]:
    """Where a member of a class still has its old name; nothing where the leaf does not declare it.

    Raises:
        UnsureError: the new name is taken, or the old one given to another member.
    """
    old, new = change.old, change.new
    now = new.name_at(renamed.new_span.start_char)
    owner, now_owner = members.class_around(leaf), None if now is None else members.class_around(now)
    if owner is None or now is None or now_owner is None or not members.is_declaration(new, now):
        return []
    found = list(members.occurrences(old, owner, renamed.old, overrides=True))
    if leaf != next((node for node in found if members.is_declaration(old, node)), None):
        return []
    if any(True for _ in members.occurrences(old, owner, renamed.new, overrides=True)):
        raise UnsureError(f"the class has a member {renamed.new} already")
    spans = [change.moved(old.span(node)) for node in found if node != leaf]
    others = (
        node
        for node in members.occurrences(new, now_owner, renamed.old)
        if new.span(node) not in spans and members.is_declaration(new, node)
    )
    if any(True for _ in others):
        raise UnsureError(f"{renamed.old} is another member now")
    return [span for span in spans if span is not None]


def _type_occurrences(change: Change, renamed: _Renamed, leaf: Node) -> list[Span]:
    """Where a type still has its old name.

    Raises:
        UnsureError: that cannot be told, or one of the names has another meaning.
    """
    old, new = change.old, change.new
    now = new.name_at(renamed.new_span.start_char)
    if now is None or not type_uses.is_declaration(new, now):
        return []
    found = type_uses.occurrences(old, leaf)
    if not all(change.is_new(new.span(node)) for node in type_uses.occurrences(new, now)):
        raise UnsureError(f"{renamed.new} was there already")
    if any(
        type_uses.is_declaration(new, node) and new.of(node) == renamed.old for node in walk(new.syntax.root)
    ):
        raise UnsureError(f"{renamed.old} is another type now")
    spans = [change.moved(old.span(node)) for node in found if node != leaf]
    return [span for span in spans if span is not None]


def _is_alias_of(leaf: Node) -> bool:
    """Whether a name in an import is bound under another one."""
    parent = leaf.parent
    if parent is None or parent.type not in ("aliased_import", "import_specifier", "dotted_name"):
        return False
    if parent.type == "dotted_name":
        return parent.parent is not None and parent.parent.type == "aliased_import"
    alias = parent.child_by_field_name("alias")
    return alias is not None and alias != leaf


def _imports(leaf: Node) -> bool:
    """Whether a name stands in an import."""
    above = leaf.parent
    while above is not None and above.type in (
        "dotted_name",
        "aliased_import",
        "import_clause",
        "named_imports",
    ):
        above = above.parent
    return above is not None and above.type in _IMPORTS


def _is_other(leaf: Node) -> bool:
    """Whether a name is an attribute, or an argument's name."""
    parent = leaf.parent
    field = _OTHER.get(parent.type) if parent is not None else None
    return parent is not None and field is not None and parent.child_by_field_name(field) == leaf


def _declares(leaf: Node) -> bool:
    """Whether a name is that of a definition, as far as its place tells."""
    parent = leaf.parent
    return parent is not None and parent.child_by_field_name("name") == leaf


def _line_of(text: str, span: Span) -> Span:
    """The line that a declaration stands in."""
    return Span(line_start(text, span.start_char), line_end(text, span.end_char))
