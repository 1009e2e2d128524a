"""A handler that is still to be written and the code around it, as changes of a text."""

from __future__ import annotations

from dataclasses import dataclass

from engine.code.edits import TextEdit, apply
from engine.code.text import newline_of
from engine.types import Span


class UnfitError(Exception):
    """Errors cannot be handled at a selection; the message says why, and what to select."""


@dataclass(frozen=True, slots=True)
class Frame:
    r"""The code around a handler.

    Attributes:
        edits: what changes in front of the handler, in order.
        at: what the handler, with all that is written next to it, takes the place of; behind the edits.
        opening, closing: what is written in front of the handler and behind it, lines ended by ``\n``.
        error: what the error is called in the handler.
        values: what the code behind needs and has no value of where the statements fail: the handler gives
            it one, or leaves.
        leaves: whether the handler has to leave, since the statements give back a value.
        is_foreign: whether the error is not of the type that the function around gives.
    """

    edits: tuple[TextEdit, ...]
    at: Span
    opening: str
    closing: str
    error: str
    values: tuple[str, ...] = ()
    leaves: bool = False
    is_foreign: bool = False

    @property
    def changed(self) -> tuple[Span, ...]:
        """The spans of the text that change, in order."""
        return (*(edit.span for edit in self.edits), self.at)

    def around(self, text: str) -> tuple[str, str]:
        """The new text in front of the handler, and behind it."""
        newline = newline_of(text)
        opening, closing = (part.replace("\n", newline) for part in (self.opening, self.closing))
        head = apply(text[: self.at.start_char], self.edits) + opening
        return head, closing + text[self.at.end_char :]
