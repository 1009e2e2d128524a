"""The values that cross the engine's border: requests, results, frames, progress.

Knows nothing of editors, files, tokens or tensors. All offsets into text are in characters
(Unicode code points); the unit stands in the name.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from engine.errors import Cancelled

Status = Literal["ok", "refused", "error"]

MAX_HOLES = 64
"""The most holes of one request."""

MAX_HOLE_TOKENS = 4096
"""The most tokens of a hole that can be asked for."""

EARLY = {"length": "stopped at max_tokens", "deadline": "stopped at the deadline"}
"""By what stopped a fill before it had come to its end: the reason its result gives."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of a text: ``start_char <= i < end_char``."""

    start_char: int
    end_char: int

    def __post_init__(self) -> None:
        assert 0 <= self.start_char <= self.end_char, self


@dataclass(frozen=True, slots=True)
class Related:
    """What another file offers to the one being filled.

    Attributes:
        path: of the file, as people write it.
        signatures: the lines that say how to use what it defines, the most wanted first.
    """

    path: str
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FillRequest:
    """What to fill.

    Attributes:
        segments: the text, cut at its holes; each ``None`` is a hole. At least one hole.
        language: LSP language identifier; unknown ones are treated as plain text.
        single_line: stop each fill at the end of its line.
        max_tokens: the most tokens each hole may get.
        deadline_ms: milliseconds from the start of the call after which the best valid answer so
            far is returned, and for a share of which the context is made short if it must; None for no limit.
        automatic: asked for by typing, not by the user; the accept gate is strict then.
        within_block: stop a fill of several lines where the block that its hole stands in ends.
        heal: complete the half-typed token before a hole and do not restart it.
        related: other files that the text goes by, the most important first.
        related_tokens: the most tokens of context that they may take.
        n_alternatives: how many other fills are wanted, where there is one hole.
        draft: what the fill of the one hole may well begin with, such as what an earlier request came to;
            it is verified, and changes how many passes are made.
        revise: whether a fill with faults may be masked again; else it stays what the model has most in mind.
    """

    segments: tuple[str | None, ...]
    language: str = "plaintext"
    single_line: bool = False
    max_tokens: int = 64
    deadline_ms: float | None = None
    automatic: bool = False
    within_block: bool = False
    heal: bool = True
    related: tuple[Related, ...] = ()
    related_tokens: int = 0
    n_alternatives: int = 0
    draft: str = ""
    revise: bool = True

    @property
    def n_holes(self) -> int:
        """Number of holes."""
        return sum(segment is None for segment in self.segments)


@dataclass(frozen=True, slots=True)
class FillResult:
    """What came of a request.

    Attributes:
        status: ``ok``; ``refused`` where the accept gate found nothing worth showing (fills are
            empty strings then); ``error`` where the request could not be used.
        fills: one text per hole, in order.
        confidence: per hole, the geometric mean of its tokens' probabilities, 0 to 1.
        reason: why it was refused or failed, or why it ended early; None otherwise.
        tokens: committed tokens over all holes.
        forwards: passes through the model, context passes included.
        context_forwards: how many of them only encoded context.
        rows: rows computed in the others, those of the context left out.
        ms: wall time of the call in milliseconds.
        context_tokens: tokens the fills were conditioned on, over all holes.
        cached_tokens: how many of those were not encoded again.
        alternatives: other fills of the one hole, likeliest first; at most as many as were asked for.
        shortened: whether a part of the context was left out for the deadline's sake.
    """

    status: Status
    fills: tuple[str, ...] = ()
    confidence: tuple[float, ...] = ()
    reason: str | None = None
    tokens: int = 0
    forwards: int = 0
    context_forwards: int = 0
    rows: int = 0
    ms: float = 0.0
    context_tokens: int = 0
    cached_tokens: int = 0
    alternatives: tuple[str, ...] = ()
    shortened: bool = False


EditKind = Literal["rewrite", "translate", "types", "docstring", "names", "repair", "complete", "follow"]

Strength = Literal["restyle", "rework", "rewrite"]


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What to change in a text that stands already.

    Attributes:
        kind: the task.
        text: the whole text.
        language: LSP language identifier of the text.
        selection: what may change; None for the whole text, and empty for a cursor.
        instruction: what the user asks for, in words (``rewrite``).
        strength: how much of a selection may be masked (``rewrite`` without an instruction).
        to: LSP language identifier of the target (``translate``).
        opening: what the new text must begin with, such as a declaration (``translate``).
        doubtful: spans that a tool complains of (``repair``).
        before: the whole text before its last change (``follow``).
        max_tokens: the most tokens to write, over the whole task.
        deadline_ms: milliseconds from the start of the call after which the best so far is returned.
    """

    kind: EditKind
    text: str
    language: str = "plaintext"
    selection: Span | None = None
    instruction: str | None = None
    strength: Strength = "rework"
    to: str | None = None
    opening: str = ""
    doubtful: tuple[Span, ...] = ()
    before: str | None = None
    max_tokens: int = 1024
    deadline_ms: float | None = None

    @property
    def span(self) -> Span:
        """The selection, or all of the text."""
        return self.selection or Span(0, len(self.text))

    @property
    def selected(self) -> str:
        """The text that is selected."""
        return self.text[self.span.start_char : self.span.end_char]


@dataclass(frozen=True, slots=True)
class Work:
    """What a request took. The fields are those of ``FillResult``."""

    tokens: int = 0
    forwards: int = 0
    context_forwards: int = 0
    rows: int = 0
    context_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Work) -> Work:
        """The work of both."""
        return Work(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class EditResult:
    """What came of an edit request.

    Attributes:
        status: ``ok``; ``refused`` where nothing is worth changing, the text being the old one then.
        text: the whole new text; in another language where it was translated.
        confidence: geometric mean of the probabilities of what was written, 0 to 1.
        reason: why it was refused, or what the user should know of the result; None otherwise.
        alternatives: other whole texts as good, best first (``names``).
        work: what it took.
        ms: wall time of the call in milliseconds.
    """

    status: Status
    text: str
    confidence: float = 0.0
    reason: str | None = None
    alternatives: tuple[str, ...] = ()
    work: Work = Work()
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CanvasFrame:
    """The canvas of one hole after one denoising step, for live display.

    Attributes:
        hole: index of the hole this canvas fills.
        step: number of the step, from 1.
        pieces: one entry per slot, in order: its text once something stands there, ``None`` while masked.
            What is proposed and not verified yet may still be overruled by a later frame.
        done: no slot is in doubt any more; ``pieces`` is then the answer alone, in one piece.
    """

    hole: int
    step: int
    pieces: tuple[str | None, ...]
    done: bool


FrameListener = Callable[[CanvasFrame], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long task is: ``done`` of ``total`` bytes or units (total None: unknown)."""

    stage: str
    done: int
    total: int | None = None


ProgressListener = Callable[[Progress], None]


@dataclass(slots=True)
class CancelToken:
    """Asks a running request to stop; polled at every forward pass. Safe across threads."""

    _event: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the holder to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether stopping was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait this long, or until stopping is asked for."""
        self._event.wait(seconds)

    def check(self) -> None:
        """Raise ``Cancelled`` if stopping was asked for."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time, by the monotonic clock, in seconds; None: never."""

    at_seconds: float | None = None

    @classmethod
    def after_ms(cls, ms: float | None) -> Deadline:
        """A deadline ``ms`` milliseconds from now."""
        return cls(None if ms is None else time.monotonic() + ms / 1000.0)

    @property
    def left_ms(self) -> float:
        """Milliseconds until then, 0 at the least."""
        return math.inf if self.at_seconds is None else max(self.at_seconds - time.monotonic(), 0.0) * 1000.0

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.at_seconds is not None and time.monotonic() >= self.at_seconds


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is loaded, for people and for ``doctor``.

    Attributes:
        name: the model's name, as in ``unmask models list``.
        quantization: storage of the weights, such as ``q8`` or ``f32``.
        provider: ONNX Runtime execution provider in use, or ``fake``.
        provider_reason: why that provider was chosen.
        adapter: identity of the canvas adapter, None where the base alone is used.
        n_vocab: size of the vocabulary.
    """

    name: str
    quantization: str
    provider: str
    provider_reason: str
    adapter: str | None
    n_vocab: int
