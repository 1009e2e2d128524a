"""What an edit task works with: fills, answers and scores of one model, within the limits of one request.

Counts the work that a task makes. Knows no task; a task knows no denoiser.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.chat import Turn, chat_context
from engine.denoise import StopRule, Task, denoise
from engine.denoiser import Denoiser
from engine.layout import Layout
from engine.lookup import Hint
from engine.schedule import DecodeRule
from engine.tokens import TokenCodec
from engine.types import CancelToken, Deadline, FillRequest, FillResult, Work


@dataclass(frozen=True, slots=True)
class Written:
    """An answer of the model in a conversation.

    Attributes:
        text: the answer, what it had to begin with left out, cut where the stop rule ended it.
        confidence: geometric mean of its tokens' probabilities, 0 to 1.
        ended: whether it came to its end, and not to a limit.
    """

    text: str
    confidence: float
    ended: bool


class Workbench:
    """One model and one request's limits.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        rule: how canvases are decoded.
        fill: fills a request, one call at a time.
        lay_out: prefix, suffix and language identifier to a context.
        cancel: polled at every pass.
        deadline_ms: milliseconds from now; None for no limit.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        codec: TokenCodec,
        rule: DecodeRule,
        fill: Callable[[FillRequest], FillResult],
        lay_out: Callable[[str, str, str], Layout],
        cancel: CancelToken,
        deadline_ms: float | None,
    ) -> None:
        self._denoiser, self.codec, self._rule = denoiser, codec, rule
        self._fill, self._lay_out = fill, lay_out
        self.cancel, self.deadline = cancel, Deadline.after_ms(deadline_ms)
        self.work = Work()

    def fill(
        self,
        segments: Sequence[str | None],
        language: str,
        *,
        single_line: bool = False,
        max_tokens: int = 64,
        within_block: bool = False,
        heal: bool = True,
    ) -> FillResult:
        """Fill the holes of a text jointly; see ``FillRequest``.

        Raises:
            Cancelled: asked to stop.
        """
        left_ms = None
        if self.deadline.at_seconds is not None:
            left_ms = max(1.0, (self.deadline.at_seconds - time.monotonic()) * 1000.0)
        request = FillRequest(
            tuple(segments),
            language,
            single_line=single_line,
            max_tokens=max_tokens,
            deadline_ms=left_ms,
            within_block=within_block,
            heal=heal,
        )
        result = self._fill(request)
        self.work += Work(
            result.tokens,
            result.forwards,
            result.context_forwards,
            result.rows,
            result.context_tokens,
            result.cached_tokens,
        )
        return result

    def write(
        self,
        turns: Sequence[Turn],
        *,
        opening: str = "",
        stop: StopRule | None = None,
        max_tokens: int = 512,
        hint: str = "",
    ) -> Written:
        """The model's answer in a conversation.

        Args:
            turns: what was said, in order.
            opening: what the answer must begin with.
            stop: where the text behind the opening ends, beyond the model's own end.
            max_tokens: the most tokens of it.
            hint: a text that the answer probably repeats; it changes how many passes are made, not the text.

        Raises:
            ArtifactError: the model cannot follow instructions.
            Cancelled: asked to stop.
        """
        encoded = self._denoiser.encode(chat_context(self.codec, turns, opening), self.cancel)
        task = Task(b"", max_tokens, stop or _never, hint=Hint.edited(self.codec.encode(hint)))
        denoised = denoise(
            self._denoiser, self.codec, task, self._rule, cancel=self.cancel, deadline=self.deadline
        )
        self.work += Work(
            len(denoised.tokens),
            encoded.forwards + denoised.forwards,
            encoded.forwards,
            denoised.rows,
            encoded.context_tokens,
            encoded.cached_tokens,
        )
        return Written(denoised.text, denoised.confidence, denoised.stopped in ("end", "rule"))

    def score(
        self, prefix: str, text: str, suffix: str, language: str
    ) -> tuple[list[int], npt.NDArray[np.float32]]:
        """How likely the base finds each token of a text between two others.

        Args:
            prefix: the text before.
            text: the text that is scored, at least one token.
            suffix: the text after.
            language: LSP language identifier.

        Returns:
            token ids of ``text`` and their log-probabilities ``[n]``.

        Raises:
            Cancelled: asked to stop.
        """
        layout = self._lay_out(prefix, suffix, language)
        encoded = self._denoiser.encode(layout.context, self.cancel)
        tokens = self.codec.encode(text)
        reading = self._denoiser.read(tokens, self.cancel)
        self.work += Work(
            forwards=encoded.forwards + reading.forwards,
            context_forwards=encoded.forwards,
            rows=reading.rows,
            context_tokens=encoded.context_tokens,
            cached_tokens=encoded.cached_tokens,
        )
        return tokens, reading.log_probs


def _never(text: str) -> int | None:
    return None
