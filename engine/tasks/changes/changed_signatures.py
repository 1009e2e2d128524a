"""A change to the calls it made out of date: what a function takes was changed, its calls were not.

A call is one where the function is sure to be the one meant: by scopes, as a method on an object known to be
of its class, or as the constructor of a class. Calls that were changed as well are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from engine.code.decorators import decorators_of, last_name
from engine.code.syntax import walk
from engine.code.text import line_start
from engine.scopes.python_names import KEEPS_SIGNATURE
from engine.scopes.symbols import UnsureError, symbol_at
from engine.tasks.changes import members
from engine.tasks.changes.calls import UnfitError, places_of
from engine.tasks.changes.change import Change, Source
from engine.tasks.changes.follow_up import FollowUp, Implied, Place, counted, disjoint
from engine.tasks.changes.signatures import CALLS, FUNCTIONS, Parameter, arguments_of, bound, parameters_of
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_CONSTRUCTORS = frozenset({"__init__", "constructor"})


def signature_changes(change: Change) -> Implied:
    """What every changed signature implies."""
    found: list[FollowUp] = []
    unsure: str | None = None
    for function in _touched(change):
        changed = _changed(change, function)
        if changed is None:
            continue
        now, old, new = changed
        try:
            calls = list(_calls(change.old, function))
            if _is_used_in_macro(change, function):
                unsure = f"{_called(change.new, now)} is called in a macro: that call is not followed"
        except UnsureError as reason:
            unsure = str(reason)
            continue
        by_call = [places for call in calls if (places := list(_places(change, call, old, new)))]
        if by_call:
            title = f"update {counted(len(by_call), 'call')} of {_called(change.new, now)}"
            places = disjoint(place for places in by_call for place in places)
            found.append(FollowUp(title, tuple(places), _header(change.new, now)))
    return Implied(tuple(found), unsure)


def _touched(change: Change) -> list[Node]:
    """The functions that an edit touches, in order."""
    n_chars = len(change.old.text)
    found: dict[int, Node] = {}
    for edit in change.edits:
        start, end = edit.span.start_char, edit.span.end_char
        for at_char in (start - 1, start, end - 1, end):
            for node in change.old.syntax.path(at_char) if 0 <= at_char < n_chars else ():
                if node.type in FUNCTIONS:
                    found[node.id] = node
    return sorted(found.values(), key=lambda node: (node.start_byte, -node.end_byte))


def _changed(
    change: Change, function: Node
) -> tuple[Node, tuple[Parameter, ...], tuple[Parameter, ...]] | None:
    """The function as it is now, what it took and what it takes; None where that is the same."""
    name = function.child_by_field_name("name")
    held = change.old.span(function)
    if name is None or function.has_error or change.moved(held) is not None:
        return None
    old = parameters_of(change.old, function)
    leaf = change.name_now(name) if old is not None else None
    now = leaf.parent if leaf is not None else None
    if old is None or now is None or now.type != function.type:
        return None
    new = parameters_of(change.new, now)
    wrapped = _is_wrapped(now) or _is_wrapped(function)
    if new is None or new == old or (wrapped and function.type != "class_definition"):
        return None
    n_own = _n_own(change.old, function)
    if n_own != _n_own(change.new, now):
        return None
    return now, old[n_own:], new[n_own:]


def _n_own(source: Source, function: Node) -> int:
    """How many of the parameters are what a method is called on."""
    if function.type != "function_definition" or source.syntax.language.id != "python":
        return 0
    if not _is_method(function):
        return 0
    return 0 if "staticmethod" in decorators_of(function) else 1


def _is_method(function: Node) -> bool:
    above = function.parent
    if above is not None and above.type == "decorated_definition":
        above = above.parent
    return above is not None and above.parent is not None and above.parent.type in members.CLASSES


def _is_wrapped(function: Node) -> bool:
    """Whether a decorator may make something else of a function."""
    names = map(last_name, decorators_of(function))
    return any(name not in KEEPS_SIGNATURE for name in names)


def _calls(source: Source, function: Node) -> Iterator[Node]:
    """The calls of a function.

    Raises:
        UnsureError: which they are cannot be told.
    """
    name = function.child_by_field_name("name")
    assert name is not None
    owner = members.class_around(function) if _is_member(function) else None
    if owner is None:
        yield from _named(source, name)
    elif source.of(name) in _CONSTRUCTORS:
        held = owner.child_by_field_name("name")
        if held is not None and held.type == "identifier":
            yield from _named(source, held)
        elif held is not None:
            yield from _made(source, source.of(held))
    elif members.is_declaration(source, name):
        on_class = {"staticmethod", "classmethod"} & set(decorators_of(function))
        for leaf in members.occurrences(source, owner, source.of(name)):
            if on_class or source.syntax.language.id != "python" or not members.is_named(source, leaf, owner):
                yield from _called_by(leaf.parent)


def _is_member(function: Node) -> bool:
    if function.type == "class_definition":
        return False
    return function.type == "method_definition" or _is_method(function)


def _named(source: Source, name: Node) -> Iterator[Node]:
    """The calls of what a name stands for."""
    symbol = symbol_at(source.syntax, source.text, source.span(name).start_char, in_file=True)
    for occurrence in symbol.occurrences:
        yield from _called_by(source.name_at(occurrence.span.start_char))


def _is_used_in_macro(change: Change, function: Node) -> bool:
    """Whether a macro of Rust is given a call of a function, as text, that was not touched.

    Raises:
        UnsureError: which uses it has cannot be told.
    """
    name = function.child_by_field_name("name")
    if name is None or change.old.syntax.language.id != "rust":
        return False
    symbol = symbol_at(change.old.syntax, change.old.text, change.old.span(name).start_char, in_file=True)
    for occurrence in symbol.occurrences:
        leaf = change.old.name_at(occurrence.span.start_char)
        held = leaf.next_sibling if leaf is not None else None
        if held is None or leaf is None or leaf.parent is None or leaf.parent.type != "token_tree":
            continue
        if change.old.of(held).startswith("(") and change.moved(change.old.span(held)) is not None:
            return True
    return False


def _made(source: Source, name: str) -> Iterator[Node]:
    """``new`` of a class whose name is a type's."""
    for node in walk(source.syntax.root):
        made = node.child_by_field_name("constructor") if node.type == "new_expression" else None
        if made is not None and source.of(made) == name:
            yield node


def _called_by(node: Node | None) -> Iterator[Node]:
    """The call in which a node is what is called."""
    call = node.parent if node is not None else None
    if call is None or call.type not in CALLS:
        return
    if node in (call.child_by_field_name("function"), call.child_by_field_name("constructor")):
        yield call


def _places(
    change: Change, call: Node, old: Sequence[Parameter], new: Sequence[Parameter]
) -> Iterator[Place]:
    """What changes in a call that was not touched."""
    arguments = arguments_of(call)
    held = call.child_by_field_name("arguments")
    span = change.moved(change.old.span(held)) if held is not None else None
    if arguments is None or held is None or span is None:
        return
    given = bound(change.old, old, arguments)
    if given is None:
        return
    try:
        places = places_of(change.old, held, arguments, given, old, new, _origin(old, new))
    except UnfitError:
        return
    shift = span.start_char - change.old.span(held).start_char
    for place in places:
        yield Place(Span(place.span.start_char + shift, place.span.end_char + shift), place.parts)


def _origin(old: Sequence[Parameter], new: Sequence[Parameter]) -> dict[int, int]:
    """By the index of a new parameter the index of the old one that it was: by name, else by its place."""
    old_names, new_names = [one.name for one in old], [one.name for one in new]
    origin = {new_names.index(name): at for at, name in enumerate(old_names) if name in new_names}
    matcher = SequenceMatcher(None, old_names, new_names, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag != "replace" or old_end - old_start > new_end - new_start:
            continue
        for at in range(old_end - old_start):
            is_new = new_start + at not in origin and old_start + at not in origin.values()
            if is_new and old[old_start + at].how == new[new_start + at].how:
                origin[new_start + at] = old_start + at
    return origin


def _called(source: Source, function: Node) -> str:
    """What people call a function; a constructor by its class."""
    name = source.of(function.child_by_field_name("name"))
    owner = members.class_around(function)
    if name in _CONSTRUCTORS and owner is not None:
        return source.of(owner.child_by_field_name("name"))
    return name


def _header(source: Source, function: Node) -> Span:
    """From the name's line to where the body begins."""
    span = source.span(function)
    body = function.child_by_field_name("body")
    value = function.child_by_field_name("value")
    body = body or (value.child_by_field_name("body") if value is not None else None)
    end = span.end_char if body is None else source.span(body).start_char
    return Span(line_start(source.text, span.start_char), end)
