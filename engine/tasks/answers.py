"""A question about code to the code that answers it: its fence, its end, and answers that go astray.

Knows no task. What to ask, and what to make of the answer, is the task's matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.code.languages import PLAINTEXT, Language
from engine.denoising.chat import Turn
from engine.denoising.denoise import StopRule
from engine.workbench import FlawFinder, Workbench

MAX_REPEATS = 8
"""An answer that gives the same stretch of lines this often in a row has lost its way."""

MAX_STRETCH = 6
"""The most lines of such a stretch."""

MAX_ASKED_CHARS = 12_000
"""Code that is longer and cannot be cut is not asked about."""

TOO_LONG = "too long to be asked about, and cannot be cut"

_FENCE = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The code of an answer.

    Attributes:
        text: the code, without its fence and what it had to begin with.
        confidence: geometric mean of its tokens' probabilities, 0 to 1.
        complaint: why it cannot be used; None where it came to its end.
    """

    text: str
    confidence: float
    complaint: str | None = None


def fence_for(*texts: str) -> str:
    """A fence that none of the texts can close."""
    longest = max((len(run) for text in texts for run in _FENCE.findall(text)), default=2)
    return "`" * max(3, longest + 1)


def fenced(text: str, language: Language, fence: str = "```") -> str:
    """A text as a fenced block."""
    return f"{fence}{fence_name(language)}\n{text}\n{fence}"


def fence_name(language: Language) -> str:
    """What the fence of a language says."""
    return "" if language.id == PLAINTEXT.id else language.id


def ask(
    bench: Workbench,
    turns: Sequence[Turn],
    language: Language,
    *,
    fence: str = "```",
    opening: str = "",
    stop: StopRule | None = None,
    max_tokens: int,
    hint: str = "",
    flaws: FlawFinder | None = None,
) -> Answer:
    """Ask for code.

    Args:
        bench: the model.
        turns: the conversation; the answer begins inside a fence.
        language: of the answer.
        fence: see ``fence_for``.
        opening: what the code must begin with.
        stop: where the code behind the opening ends, besides at the closing fence.
        max_tokens: the most tokens of it.
        hint: code that it probably repeats.
        flaws: see ``Workbench.write``.

    Raises:
        ArtifactError: the model cannot follow instructions.
        Cancelled: asked to stop.
    """

    def ends(text: str) -> int | None:
        at = text.find(f"\n{fence}")
        if at < 0 and text.startswith(fence):
            at = 0
        own = stop(text) if stop is not None else None
        found = min((end for end in (at, own) if end is not None and end >= 0), default=None)
        return len(text) if found is None and text.endswith("\n") and goes_round(text) else found

    written = bench.write(
        turns,
        opening=f"{fence}{fence_name(language)}\n{opening}",
        stop=ends,
        max_tokens=max(max_tokens, 1),
        hint=f"{hint}\n{fence}" if hint else "",
        flaws=flaws,
    )
    complaint = None
    if written.text.endswith("\n") and goes_round(written.text):
        complaint = "the answer repeats itself"
    elif not written.ended:
        complaint = "stopped at the deadline" if bench.deadline.passed else "stopped at max_tokens"
    return Answer(written.text, written.confidence, complaint)


def goes_round(text: str) -> bool:
    """Whether a text ends in the same few lines over and over."""
    lines = [line.strip() for line in text.splitlines()]
    return any(
        any(lines[-n:]) and lines[-n * MAX_REPEATS :] == lines[-n:] * MAX_REPEATS
        for n in range(1, MAX_STRETCH + 1)
        if len(lines) >= n * MAX_REPEATS
    )
