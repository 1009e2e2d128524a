"""What a change implies elsewhere in its file, as data: places, and what would stand there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.code.edits import TextEdit
from engine.types import Span

MAX_TITLES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a change makes out of date.

    Attributes:
        span: what is replaced, in the text as it is now; may be empty.
        parts: what takes its place; None for what a model has to write.
    """

    span: Span
    parts: tuple[str | None, ...]

    @property
    def n_holes(self) -> int:
        """How much of it a model has to write."""
        return self.parts.count(None)

    def edit(self) -> TextEdit:
        """The edit of a place without holes."""
        assert self.n_holes == 0
        return TextEdit(self.span, "".join(part or "" for part in self.parts))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What one changed declaration implies.

    Attributes:
        title: for people, in the imperative, without a capital: ``update 2 calls of f``.
        places: in order and disjoint, at least one.
        declaration: the changed declaration's header, in the text as it is now.
    """

    title: str
    places: tuple[Place, ...]
    declaration: Span


@dataclass(frozen=True, slots=True)
class Implied:
    """What a change implies.

    Attributes:
        follow_ups: one for each declaration.
        unsure: why what some declaration implies cannot be told; None where there is none.
    """

    follow_ups: tuple[FollowUp, ...] = ()
    unsure: str | None = None

    @property
    def title(self) -> str:
        """All of it for people, in the imperative."""
        titles = [one.title for one in self.follow_ups]
        more = len(titles) - MAX_TITLES
        return ", ".join(titles[:MAX_TITLES]) + (f" and {counted(more, 'other change')}" if more > 0 else "")


def disjoint(places: Iterable[Place]) -> list[Place]:
    """The places in order, those left out that hold or cut another one."""
    kept: list[Place] = []
    for place in sorted(places, key=lambda place: place.span.end_char - place.span.start_char):
        if all(_apart(place.span, other.span) for other in kept):
            kept.append(place)
    return sorted(kept, key=lambda place: (place.span.start_char, place.span.end_char))


def counted(n: int, what: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{n} {what}" + ("" if n == 1 else "s")


def _apart(one: Span, other: Span) -> bool:
    if one == other:
        return False
    return one.end_char <= other.start_char or other.end_char <= one.start_char
