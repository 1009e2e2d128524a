"""What answering one client has taken, counted and not timed: requests, passes of the model, tokens encoded.

Told by the command ``unmask.status``; the replay benchmark goes by it. Knows nothing of LSP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import takewhile

from engine.types import CanvasFrame, FillResult, FrameListener


@dataclass(slots=True)
class Effort:
    """Counts since the start.

    Attributes:
        requests: for suggestions.
        reused: requests answered by what was suggested or prepared before.
        computed: requests that the model was asked for.
        prepared: answers that were computed before anybody asked.
        prepared_used: how many of them were asked for.
        forwards: passes of the model for suggestions, those of cancelled requests among them.
        useful_forwards: passes for answers that were sent.
        encoded_tokens: tokens of context encoded anew, cancelled requests left out.
    """

    requests: int = 0
    reused: int = 0
    computed: int = 0
    prepared: int = 0
    prepared_used: int = 0
    forwards: int = 0
    useful_forwards: int = 0
    encoded_tokens: int = 0

    def told(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


class Spent:
    """What one answer takes, cancelled or not. Used on the worker thread; read when its work has ended.

    Args:
        effort: what it is added to.
        on_frame: told each step as well.
        draft: tells what the answer may well begin with.
        spare: nobody has asked for it.

    Attributes:
        forwards: passes so far.
        text: what the answer has come to so far.
        shortened: whether there was no time for the whole context.
    """

    def __init__(
        self,
        effort: Effort,
        on_frame: FrameListener | None = None,
        draft: Callable[[], str] = str,
        *,
        spare: bool = False,
    ) -> None:
        self._effort = effort
        self._spare = spare
        self._on_frame = on_frame
        self.forwards = 0
        self.shortened = False
        self._draft = draft
        self.text = draft()

    def start(self) -> None:
        """Take the draft as it is now that the work before has ended: its last pass came after the key."""
        self.text = self._draft() or self.text
        self._draft = str

    def run(self, fill: Callable[[FrameListener], FillResult]) -> FillResult:
        """Have something filled: steps are passes, until the result tells their exact number."""
        try:
            result = fill(self._step)
            self.forwards, self.shortened = result.forwards, result.shortened
            self._effort.encoded_tokens += result.context_tokens - result.cached_tokens
        finally:
            self._effort.computed += not self._spare
            self._effort.prepared += self._spare
            self._effort.forwards += self.forwards
        return result

    def _step(self, frame: CanvasFrame) -> None:
        self.forwards += not frame.done
        self.text = "".join(piece for piece in takewhile(_stands, frame.pieces) if piece) or self.text
        if self._on_frame is not None:
            self._on_frame(frame)


def _stands(piece: str | None) -> bool:
    return piece is not None
