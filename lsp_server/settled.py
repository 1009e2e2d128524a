"""The text of each document in which nothing was left to follow → what a change is measured against.

Remembers which texts a follow-up was taken from: where the user comes back to one, by undoing, nothing is
implied any more. Knows nothing of LSP, and nothing of what a change means.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from engine.types import Span
from lsp_server import analysis

if TYPE_CHECKING:
    from engine.tasks.changes.follow_up import Implied

T = TypeVar("T")

_REMEMBERED = 8


class Settled:
    """The settled text of each document, by its key."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._given: dict[str, OrderedDict[str, str]] = {}  # by the text it gives: what it was given for
        self._taken: dict[str, OrderedDict[str, None]] = {}
        self._implied: dict[str, tuple[str, Implied]] = {}

    def before(self, key: str) -> str | None:
        """The last text of a document in which nothing was left to follow; None where it is not known."""
        return self._texts.get(key)

    def settle(self, key: str, text: str) -> None:
        """Nothing is left to follow in this text."""
        self._texts[key] = text
        self._implied.pop(key, None)

    def note(self, key: str, text: str, implied: Implied) -> None:
        """Keep what a text implies, measured against the settled one."""
        self._implied[key] = (text, implied)

    def implied(self, key: str, text: str) -> Implied | None:
        """What was noted for this very text; None where that is nothing."""
        known = self._implied.get(key)
        return known[1] if known is not None and known[0] == text else None

    def forget(self, key: str) -> None:
        """A document was closed."""
        for held in (self._texts, self._given, self._taken, self._implied):
            held.pop(key, None)

    def give(self, key: str, text: str, changes: Sequence[tuple[Span, str]]) -> None:
        """A follow-up was offered that would change a text so."""
        _remember(self._given.setdefault(key, OrderedDict()), analysis.applied(text, changes), text)

    def is_waiting(self, key: str) -> bool:
        """Whether what becomes of a document's text matters."""
        return key in self._given or key in self._taken

    def observe(self, key: str, text: str) -> None:
        """A document has another text now: a follow-up was taken, or taken back, or neither."""
        given = self._given.get(key)
        source = given.pop(text, None) if given is not None else None
        if source is not None:
            _remember(self._taken.setdefault(key, OrderedDict()), source, None)
        elif text in self._taken.get(key, ()):
            self.settle(key, text)


def _remember(held: OrderedDict[str, T], text: str, value: T) -> None:
    held[text] = value
    held.move_to_end(text)
    while len(held) > _REMEMBERED:
        held.popitem(last=False)
