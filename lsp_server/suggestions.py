"""What was suggested lately → what need not be computed, and what had better not be shown again.

The latest suggestions of each document are remembered. While the user types along one, deletes back into it
or only indents it anew, its rest is the answer. Once the text departs from it, it was rejected and rests, the
longer the more often; so does text that the user has just deleted or undone. Knows nothing of LSP, models or
threads.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

REST_SECONDS = 5.0
"""How long a suggestion rests after its first rejection; twice as long after each further one."""

MAX_REST_SECONDS = 320.0
SEEN_SECONDS = 0.5
"""What was on show for a shorter time was passed over, not judged: it rests, but is no rejection."""

N_REMEMBERED = 8
"""Suggestions remembered of one document."""

_AUTO_CLOSED = frozenset(")]}\"'`>")
_MOST_CLOSED = 4

Outcome = Literal["shown", "accepted", "partly accepted", "rejected"]


@dataclass(slots=True)
class Shown:
    """A suggestion as it was sent.

    Attributes:
        ident: number that its fate is reported by.
        key: the document.
        language: of the document.
        before: the text before it.
        after: the text after it.
        insert: the suggestion.
        at_seconds: when it was sent.
        counted: it was counted as shown.
        partly: the editor reported that a part of it was taken.
        taken: the editor reported its acceptance, or the user typed all of it.
        rejected: the text departed from it.
    """

    ident: int
    key: str
    language: str
    before: str
    after: str
    insert: str
    at_seconds: float = 0.0
    counted: bool = False
    partly: bool = False
    taken: bool = False
    rejected: bool = False

    @property
    def decided(self) -> bool:
        """Whether its fate is known."""
        return self.taken or self.rejected


@dataclass(frozen=True, slots=True)
class Removal:
    """Text that was deleted a moment ago, and the text before it."""

    before: str
    text: str
    at_seconds: float

    def is_undone_by(self, before: str, insert: str) -> bool:
        """Whether a suggestion would bring the text back."""
        if not before.startswith(self.before):
            return False
        typed = before[len(self.before) :]
        return not typed.startswith(self.text) and (typed + insert).startswith(self.text)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be suggested at a text that the user may come to, and the passes it took.

    Nothing would be where ``inserts`` is empty.
    """

    before: str
    after: str
    inserts: Sequence[str]
    forwards: int


@dataclass(slots=True)
class _Trail:
    """What is remembered of one document.

    Attributes:
        shown: its suggestions, oldest first.
        seen: the text around the cursor, last time.
        removals: what was deleted, oldest first.
        computed: what was computed last, whatever became of it: where, and how far it has come.
        prepared: what follows if the suggestion on show is taken.
    """

    shown: deque[Shown] = field(default_factory=lambda: deque(maxlen=N_REMEMBERED))
    seen: tuple[str, str] | None = None
    removals: deque[Removal] = field(default_factory=lambda: deque(maxlen=N_REMEMBERED))
    computed: tuple[str, str, Callable[[], str]] | None = None
    prepared: Prepared | None = None


class Suggestions:
    """The latest suggestions of each document, the rejected ones, and what became of all.

    Args:
        clock: seconds that never go back.
        on_outcome: told what became of each suggestion.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        on_outcome: Callable[[Outcome, Shown], object] = lambda outcome, shown: None,
    ) -> None:
        self._clock = clock
        self._on_outcome = on_outcome
        self._trails: dict[str, _Trail] = {}
        self._resting: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._n_sent = 0
        self._editor_reports = False
        self.counts: Counter[Outcome] = Counter()

    def show(
        self, key: str, before: str, after: str, inserts: Sequence[str], language: str = ""
    ) -> list[Shown]:
        """Remember what is about to be sent for a document: a suggestion and other choices, best first."""
        sent = []
        for insert in inserts:
            self._n_sent += 1
            sent.append(Shown(self._n_sent, key, language, before, after, insert, self._clock()))
        self._trail(key).shown.extend(reversed(sent))
        if sent and not self._editor_reports:
            self._count_shown(sent[0])
        return sent

    def rest_of(self, key: str, before: str, after: str) -> Shown | None:
        """A suggestion whose rest is the answer here; its insert is what is left of it."""
        for shown in reversed(self._trail(key).shown):
            rest = None if shown.taken else _rest(shown, before, after)
            # A rejected one comes back only to who types along it: a slip was mended.
            if rest and not (shown.rejected and len(before) <= len(shown.before)):
                if _indented_anew(shown, before) is not None:  # typing goes on from the new indentation
                    shown.before, shown.after, shown.insert = before, after, rest
                return replace(shown, before=before, after=after, insert=rest)
        return None

    def begin(self, key: str, before: str, after: str, text: Callable[[], str]) -> None:
        """A suggestion is being computed; ``text`` tells how far it has come, even if it is cancelled."""
        self._trail(key).computed = (before, after, text)

    def draft_for(self, key: str, before: str, after: str) -> Callable[[], str]:
        """What tells what the last computation leaves to be written here: a draft of the next.

        It may go on for one pass after it was cancelled, so this is told when it is asked. Nothing is left
        where the user does not type along it.
        """
        begun = self._trail(key).computed
        if begun is None or begun[1] != after or not before.startswith(begun[0]):
            return str
        typed, tell = before[len(begun[0]) :], begun[2]

        def left() -> str:
            text = tell()
            return text[len(typed) :] if text.startswith(typed) else ""

        return left

    def prepare(self, key: str, prepared: Prepared) -> None:
        """Keep what would be suggested at a text that the user may come to."""
        self._trail(key).prepared = prepared

    def prepared_for(self, key: str, before: str, after: str) -> Prepared | None:
        """What was prepared for this text; None where nothing was."""
        prepared = self._trail(key).prepared
        known = prepared is not None and (prepared.before, prepared.after) == (before, after)
        return prepared if known else None

    def observe(self, key: str, before: str, after: str) -> None:
        """Take note of the text around the cursor: a suggestion it departs from was rejected."""
        trail = self._trail(key)
        old, trail.seen = trail.seen, (before, after)
        for shown in _undecided(trail.shown):
            if before.startswith(shown.before + shown.insert):
                shown.taken = True
        if old is None or _is_same_text(old, (before, after)):
            return  # only the cursor has moved: what is left behind is passed over, not rejected
        if old[1] == after:
            self._note_removal(trail, old[0], before)
        latest = [shown for shown in _latest(trail.shown) if not shown.decided]
        if _any_goes_along(latest, *old) and not _any_goes_along(latest, before, after):
            self._reject(latest)

    def rests(self, key: str, before: str, insert: str) -> bool:
        """Whether this suggestion was rejected, or is what was deleted here, a moment ago."""
        now = self._clock()
        recent = (each for each in self._trail(key).removals if now < each.at_seconds + REST_SECONDS)
        if any(removal.is_undone_by(before, insert) for removal in recent):
            return True
        until, _ = self._resting.get((key, _line(before), insert.strip()), (now, 0))
        return now < until

    def accepted(self, ident: int) -> None:
        """The editor says that a suggestion was taken."""
        for shown in self._by_ident(ident):
            self._count_shown(shown)
            shown.taken = True
            self._note("accepted", shown)

    def partly_accepted(self, ident: int) -> None:
        """The editor says that a part of a suggestion was taken; counted once for each."""
        for shown in self._by_ident(ident):
            self._count_shown(shown)
            if not shown.partly:
                shown.partly = True
                self._note("partly accepted", shown)

    def seen(self, ident: int) -> None:
        """The editor says that it shows a suggestion: from now on, what it shows is what counts as shown."""
        self._editor_reports = True
        for shown in self._by_ident(ident):
            self._count_shown(shown)

    def forget(self, key: str | None = None) -> None:
        """Drop what is remembered of a document, or of all (the model has changed)."""
        if key is None:
            self._trails.clear()
        else:
            self._trails.pop(key, None)

    def _trail(self, key: str) -> _Trail:
        return self._trails.setdefault(key, _Trail())

    def _by_ident(self, ident: int) -> list[Shown]:
        return [shown for trail in self._trails.values() for shown in trail.shown if shown.ident == ident]

    def _count_shown(self, shown: Shown) -> None:
        if not shown.counted:
            shown.counted = True
            self._note("shown", shown)

    def _note(self, outcome: Outcome, shown: Shown) -> None:
        self.counts[outcome] += 1
        self._on_outcome(outcome, shown)

    def _note_removal(self, trail: _Trail, old: str, new: str) -> None:
        """Note what was deleted to the left of the cursor; white space alone is only indentation."""
        kept = _n_common(old, new)
        removed = old[kept:]
        if trail.removals and trail.removals[-1].before == old:  # nothing was typed between
            removed += trail.removals.pop().text
        if removed.strip():
            trail.removals.append(Removal(old[:kept], removed.rstrip(), self._clock()))

    def _reject(self, latest: Sequence[Shown]) -> None:
        """Have a suggestion and its other choices rest."""
        now = self._clock()
        self._resting = {
            place: (until, n) for place, (until, n) in self._resting.items() if now < until + MAX_REST_SECONDS
        }
        for shown in latest:
            shown.rejected = True
            place = (shown.key, _line(shown.before), shown.insert.strip())
            _, n_before = self._resting.get(place, (0.0, 0))
            seconds = min(REST_SECONDS * 2**n_before, MAX_REST_SECONDS)
            self._resting[place] = (now + seconds, n_before + 1)
        best = latest[-1]
        judged = best.counted and now >= best.at_seconds + SEEN_SECONDS
        if judged and not any(shown.partly for shown in latest):
            self._note("rejected", best)


def _undecided(shown: deque[Shown]) -> Iterator[Shown]:
    return (each for each in shown if not each.decided)


def _latest(shown: deque[Shown]) -> list[Shown]:
    """The suggestion sent last and its other choices, best last."""
    return [each for each in shown if (each.before, each.after) == (shown[-1].before, shown[-1].after)]


def _any_goes_along(choices: Sequence[Shown], before: str, after: str) -> bool:
    """Whether a text is where these were shown, or goes along with one of them."""
    return any(_rest(shown, before, after) is not None for shown in choices)


def _rest(shown: Shown, before: str, after: str) -> str | None:
    """What is left of a suggestion at a text that went along with it; None where it did not."""
    closed = after[: max(0, len(after) - len(shown.after))]
    if after != closed + shown.after or len(closed) > _MOST_CLOSED or not _AUTO_CLOSED.issuperset(closed):
        return None
    if before.startswith(shown.before) and shown.insert.startswith(before[len(shown.before) :]):
        rest: str | None = shown.insert[len(before) - len(shown.before) :]
    else:
        rest = _indented_anew(shown, before)
    # The editor closes what was opened: the bracket behind the cursor is the suggestion's own.
    return rest.removesuffix(closed) if rest is not None and rest.endswith(closed) else None


def _indented_anew(shown: Shown, before: str) -> str | None:
    """A suggestion for a blank line whose indentation, and nothing else, is another one by now."""
    start = shown.before.rfind("\n") + 1
    body = shown.insert.lstrip(" \t")
    lead = shown.insert[: len(shown.insert) - len(body)]
    old, new = shown.before[start:] + lead, before[start:]
    if old.strip() or new.strip(" \t") or not before.startswith(shown.before[:start]) or not body.strip():
        return None
    first, *others = body.split("\n")
    if not all(line.startswith(old) or not line.strip() for line in others):
        return None
    return "\n".join([first, *(new + line.removeprefix(old) if line.strip() else line for line in others)])


def _is_same_text(old: tuple[str, str], new: tuple[str, str]) -> bool:
    """Whether only the cursor has moved."""
    return len(old[0]) + len(old[1]) == len(new[0]) + len(new[1]) and "".join(old) == "".join(new)


def _n_common(one: str, other: str) -> int:
    """Length of the common start; the longer one is not looked at character by character."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _line(before: str) -> str:
    return before[before.rfind("\n") + 1 :].strip()
