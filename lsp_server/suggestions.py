"""What was suggested last → what need not be computed, and what had better not be shown again.

One suggestion is remembered for each document. While the user types along it, its rest is the answer.
Once the text departs from it, or it is taken and then removed, it was rejected and rests for a while.
Knows nothing of LSP, models or threads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

REST_SECONDS = 5.0


@dataclass(slots=True)
class Shown:
    """A suggestion as it was sent.

    Attributes:
        ident: number that its acceptance is reported by.
        before: the text before it.
        after: the text after it.
        insert: the suggestion.
        taken: the editor reported its acceptance, or the user typed all of it.
    """

    ident: int
    before: str
    after: str
    insert: str
    taken: bool = False


class Suggestions:
    """The last suggestion of each document, the rejected ones, and counts of both.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, Shown] = {}
        self._resting: dict[tuple[str, str, str], float] = {}
        self.counts: Counter[str] = Counter()

    def show(self, key: str, before: str, after: str, insert: str) -> Shown:
        """Remember what is about to be sent for a document."""
        self.counts["shown"] += 1
        shown = Shown(self.counts["shown"], before, after, insert)
        self._last[key] = shown
        return shown

    def rest_of(self, key: str, before: str, after: str) -> Shown | None:
        """The last suggestion where the text is still the one it was made for; its insert is what is left."""
        shown = self._last.get(key)
        if shown is None or shown.after != after or not before.startswith(shown.before):
            return None
        typed = before[len(shown.before) :]
        if shown.taken or len(typed) >= len(shown.insert) or not shown.insert.startswith(typed):
            return None
        return Shown(shown.ident, before, after, shown.insert[len(typed) :])

    def observe(self, key: str, before: str) -> None:
        """Take note of the text before the cursor: a suggestion it departs from was rejected."""
        shown = self._last.get(key)
        if shown is None:
            return
        along = before.startswith(shown.before)
        typed = before[len(shown.before) :]
        if along and typed.startswith(shown.insert):
            shown.taken = True
        else:
            removed = shown.taken and along and not typed
            departed = not shown.taken and not (along and shown.insert.startswith(typed))
            if removed or departed:
                self._reject(key, shown)

    def rests(self, key: str, before: str, insert: str) -> bool:
        """Whether this suggestion, in this line, was rejected a moment ago."""
        now = self._clock()
        self._resting = {place: until for place, until in self._resting.items() if until > now}
        return (key, _line(before), insert.strip()) in self._resting

    def accepted(self, ident: int) -> None:
        """The editor says that a suggestion was taken."""
        self.counts["accepted"] += 1
        for shown in self._last.values():
            if shown.ident == ident:
                shown.taken = True

    def forget(self, key: str | None = None) -> None:
        """Drop what is remembered of a document, or of all (the model has changed)."""
        if key is None:
            self._last.clear()
        else:
            self._last.pop(key, None)

    def _reject(self, key: str, shown: Shown) -> None:
        self.counts["rejected"] += 1
        self._resting[key, _line(shown.before), shown.insert.strip()] = self._clock() + REST_SECONDS
        self._last.pop(key, None)


def _line(before: str) -> str:
    return before[before.rfind("\n") + 1 :].strip()
