"""Keystrokes, answers and what became of them → how long to wait before computing a suggestion.

Who types on needs no suggestion now: it would be for a text that is gone. So a suggestion is computed once
the user has been quiet for about as long as lies between two keys, less what the answer takes anyway; longer
after a rejection, shorter after an acceptance. Counted from the last key: what the editor has waited already
is not waited again. Knows nothing of LSP, models or threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_MS, MOST_MS = 50.0, 1000.0
"""Bounds of the wait."""

REJECTED, ACCEPTED = 1.5, 0.8
"""What the wait is multiplied by after each."""

LEAST_PATIENCE, MOST_PATIENCE = 0.5, 2.25
"""Bounds of all that together: most suggestions are not taken, and that must not add up without end."""

INTERVAL_MS, ANSWER_MS = 200.0, 150.0
"""What is assumed before anything was measured."""

MEMORY = 0.2
"""Weight of the newest measurement in the running averages."""


class Rhythm:
    """How one user types, and how fast this machine answers.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._interval_ms, self._answer_ms = INTERVAL_MS, ANSWER_MS
        self._patience = 1.0
        self._last: dict[str, float] = {}

    @property
    def wait_ms(self) -> float:
        """Milliseconds of quiet before a suggestion is computed."""
        wait = max(self._interval_ms - self._answer_ms, LEAST_MS) * self._patience
        return min(max(wait, LEAST_MS), MOST_MS)

    def key_pressed(self, key: str) -> None:
        """A document has changed; what comes after a second or more is another thought, not rhythm."""
        now = self._clock()
        interval_ms = (now - self._last.get(key, float("-inf"))) * 1000
        self._last[key] = now
        if interval_ms <= MOST_MS:
            self._interval_ms += MEMORY * (interval_ms - self._interval_ms)

    def is_typing(self, key: str) -> bool:
        """Whether a document was changed a moment ago."""
        return (self._clock() - self._last.get(key, float("-inf"))) * 1000 <= MOST_MS

    def answered(self, ms: float) -> None:
        """A suggestion was computed in this time."""
        self._answer_ms += MEMORY * (ms - self._answer_ms)

    def rejected(self) -> None:
        """A suggestion was in the way."""
        self._patience = min(self._patience * REJECTED, MOST_PATIENCE)

    def accepted(self) -> None:
        """A suggestion was welcome."""
        self._patience = max(self._patience * ACCEPTED, LEAST_PATIENCE)

    def left_ms(self, key: str, wait_ms: float | None = None) -> float:
        """How much of the wait is left, the last key of a document being when it was.

        Args:
            key: the document.
            wait_ms: a fixed wait; None follows the rhythm.
        """
        wait = self.wait_ms if wait_ms is None else wait_ms
        quiet_ms = (self._clock() - self._last.get(key, float("-inf"))) * 1000
        return max(0.0, wait - quiet_ms)

    def forget(self, key: str) -> None:
        """A document was closed."""
        self._last.pop(key, None)
