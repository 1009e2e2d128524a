"""A call and another signature to the places of its argument list that change, and what is to stand there.

Arguments that are passed on stay as they are written. Knows nothing of how the signature came to be another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.text import line_start
from engine.tasks.changes.change import Source
from engine.tasks.changes.follow_up import Place
from engine.tasks.changes.signatures import Argument, Parameter
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node


class UnfitError(Exception):
    """The arguments of a call cannot be put into the new order."""


@dataclass(frozen=True, slots=True)
class _Item:
    """An argument of the new call: one of the old ones, or a hole; by a name, or by its place."""

    number: int | None
    name: str | None = None


def places_of(
    source: Source,
    held: Node,
    arguments: Sequence[Argument],
    given: Mapping[int, Sequence[int]],
    old: Sequence[Parameter],
    new: Sequence[Parameter],
    origin: Mapping[int, int],
) -> list[Place]:
    """What changes in a call.

    Args:
        source: the text that the call stands in.
        held: its list of arguments, brackets included.
        arguments: what it passes.
        given: which of them each old parameter gets.
        old: the parameters it was written for.
        new: those it is to fit.
        origin: by the index of a new parameter the index of the old one that it was.

    Raises:
        UnfitError: the call cannot be made to fit.
    """
    items = _items(source, arguments, given, old, new, origin)
    numbers = [item.number for item in items if item.number is not None]
    inner = source.span(held)
    inner = Span(inner.start_char + 1, inner.end_char - 1)
    if numbers != sorted(numbers) or not numbers:
        if _comments(held) and (items or not arguments):
            raise UnfitError  # whose they are in another order is not known
        return _rewritten(source, inner, arguments, items)
    return _edited(source, inner, arguments, items)


def _items(
    source: Source,
    arguments: Sequence[Argument],
    given: Mapping[int, Sequence[int]],
    old: Sequence[Parameter],
    new: Sequence[Parameter],
    origin: Mapping[int, int],
) -> list[_Item]:
    """The arguments of the new call, those by name behind the others."""
    has_names = source.syntax.language.id == "python"
    placed: list[_Item] = []
    named: list[_Item] = []
    by_name = False
    for index, parameter in enumerate(new):
        was = origin.get(index)
        numbers = [] if was is None else list(given.get(was, ()))
        if parameter.how in ("rest", "rest_named"):
            by_place = [number for number in numbers if arguments[number].keyword is None]
            if by_place and by_name:
                raise UnfitError
            placed += [_Item(number) for number in by_place]
            named += [_Item(number) for number in numbers if arguments[number].keyword is not None]
            continue
        is_hole = not parameter.optional and (was is None or old[was].optional)
        if not numbers and not is_hole:
            by_name = True  # it is left out, and what follows has no place of its own any more
            continue
        number = numbers[0] if numbers else None
        goes_named = by_name or parameter.how == "named"
        if number is not None and arguments[number].keyword is not None:
            named.append(_Item(number, parameter.name))
            by_name = True
        elif goes_named and not has_names:
            raise UnfitError
        elif goes_named:
            named.append(_Item(number, parameter.name))
        else:
            placed.append(_Item(number))
    named.sort(key=lambda item: len(arguments) if item.number is None else item.number)
    return [*placed, *named]


def _edited(
    source: Source, inner: Span, arguments: Sequence[Argument], items: Sequence[_Item]
) -> list[Place]:
    """Arguments kept where they stand, others taken out or put between them."""
    spans = [source.span(argument.node) for argument in arguments]
    separator = _separator(source, inner, spans)
    places: list[Place] = []
    numbers = [item.number for item in items if item.number is not None]
    first = items.index(next(item for item in items if item.number is not None))
    lead: list[str | None] = []
    for item in items[:first]:
        lead += [*_written(item), separator]
    if lead or numbers[0] > 0:
        start = spans[0].start_char
        taken = Span(start, spans[numbers[0]].start_char)
        places.append(_sparing(source, arguments[: numbers[0]], taken, Place(taken, tuple(lead))))
    for at, item in enumerate(items):
        if item.number is None:
            continue
        places += _named(source, arguments[item.number], item)
        following = items[at + 1 :]
        n_holes = next((n for n, other in enumerate(following) if other.number is not None), len(following))
        kept = next((other.number for other in following if other.number is not None), len(arguments))
        assert kept is not None
        end = spans[item.number].end_char
        parts: list[str | None] = []
        for hole in following[:n_holes]:
            parts += [separator, *_written(hole)]
        if parts or kept > item.number + 1:
            taken = Span(spans[min(item.number + 1, kept - 1)].start_char, _end_of(spans, kept))
            place = Place(Span(end, spans[kept - 1].end_char), tuple(parts))
            places.append(_sparing(source, arguments[item.number + 1 : kept], taken, place))
    return places


def _end_of(spans: Sequence[Span], kept: int) -> int:
    """Where what goes with the arguments before one that is kept ends."""
    return spans[kept].start_char if kept < len(spans) else spans[kept - 1].end_char


def _sparing(source: Source, removed: Sequence[Argument], taken: Span, place: Place) -> Place:
    """A place, or one that does the same without taking the comments of arguments that stay.

    Args:
        source: the text.
        removed: the arguments that go.
        taken: from the first of them to the next one that stays, or to the end of the last.
        place: what is replaced as if there were no comments.
    """
    if not removed:
        return place
    rows = {argument.node.end_point.row for argument in removed}
    lines = _lines(source.text, taken.start_char, source.span(removed[-1].node).end_char)
    end = place.span.end_char if lines is None else lines.end_char
    starts = {node: source.span(node).start_char for node in _comments(removed[0].node.parent)}
    touched = [node for node, start in starts.items() if place.span.start_char <= start < end]
    lost = [node for node in touched if starts[node] < place.span.end_char]
    if place.n_holes and any(node.start_point.row not in rows for node in lost):
        raise UnfitError
    if place.n_holes or not touched:
        return place
    if lines is not None:
        return Place(lines, ())
    return Place(taken, ()) if any(node.start_point.row not in rows for node in lost) else place


def _lines(text: str, start_char: int, end_char: int) -> Span | None:
    """The whole lines of arguments with what is said of them; None where something else is on them."""
    start = line_start(text, start_char)
    rest = re.compile(r",?[ \t]*(?:(?:#|//)[^\n]*)?\r?\n").match(text, end_char)
    return None if text[start:start_char].strip() or rest is None else Span(start, rest.end())


def _comments(held: Node | None) -> list[Node]:
    """The comments in a list of arguments."""
    return [] if held is None else [node for node in held.named_children if "comment" in node.type]


def _rewritten(
    source: Source, inner: Span, arguments: Sequence[Argument], items: Sequence[_Item]
) -> list[Place]:
    """All arguments written anew, in another order or where none is left."""
    parts: list[str | None] = []
    separator = _separator(source, inner, [source.span(argument.node) for argument in arguments])
    for item in items:
        parts += [separator] if parts else []
        if item.number is None:
            parts += _written(item)
            continue
        argument = arguments[item.number]
        value = argument.node.child_by_field_name("value") if argument.keyword is not None else argument.node
        parts.append((f"{item.name}=" if item.name else "") + source.of(value))
    if not arguments:
        return [Place(inner, tuple(parts))] if parts else []
    start, end = source.span(arguments[0].node).start_char, source.span(arguments[-1].node).end_char
    return [Place(Span(start, end) if parts else inner, tuple(parts))]


def _named(source: Source, argument: Argument, item: _Item) -> list[Place]:
    """What changes in an argument that stays: the name it is passed by."""
    if item.name is None:
        return []
    if argument.keyword is None:
        start = source.span(argument.node).start_char
        return [Place(Span(start, start), (f"{item.name}=",))]
    if source.of(argument.keyword) == item.name:
        return []
    return [Place(source.span(argument.keyword), (item.name,))]


def _written(hole: _Item) -> list[str | None]:
    return [f"{hole.name}=", None] if hole.name else [None]


def _separator(source: Source, inner: Span, spans: Sequence[Span]) -> str:
    """What stands between two arguments of a call: a comma and white space, as it does there already."""
    between = ""
    if len(spans) > 1:
        between = source.text[spans[0].end_char : spans[1].start_char]
    elif spans:
        lead = source.text[inner.start_char : spans[0].start_char]
        between = "," + lead if "\n" in lead else ""
    return between if between.strip() == "," else ", "
