"""A denoiser without weights: instant, deterministic, for tests, demonstrations and editor clients' checks.

It speaks bytes, drafts every slot in one pass, and is sure of all of them; healing, stopping, settling
and everything else around it are the engine's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from urllib.parse import parse_qs

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.chat import TURN_END, TURN_START
from engine.denoising.denoiser import TOP, Encoded, Prediction, Reading, SpecialTokens
from engine.denoising.draft import NO_DRAFT, Draft
from engine.denoising.schedule import DecodeRule
from engine.denoising.tokens import TokenCodec
from engine.errors import ConfigError
from engine.types import CancelToken, ModelInfo

SURE, UNLIKELY = -0.01, -12.0
"""Log-probabilities of the byte that is right and of any other."""

SPECIAL = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|endoftext|>", TURN_START, TURN_END)

_FENCED = re.compile(r"(`{3,})[^\n`]*\n(.*?)\n\1", re.DOTALL)


class FakeDenoiser:
    """Fills every hole with one answer, or by copying; answers a conversation with the same.

    Args:
        answer: what every hole is filled with; None repeats the end of the latest earlier line that
            begins like the line the hole is in, or else gives ``value``. In a conversation, None gives the
            last fenced block of it again.
        step_ms: how long each pass takes, in milliseconds; a cancelled one ends at once.
        token_ms: how long encoding a token of context takes beyond that.
    """

    canvas_slots = 16
    rule = DecodeRule(agreement=(1.0,) * 15, sure=0.9)

    def __init__(self, answer: str | None = None, step_ms: float = 0.0, token_ms: float = 0.0) -> None:
        self.codec = TokenCodec.of_bytes(SPECIAL)
        ids = [self.codec.id_of(token) for token in SPECIAL]
        prefix, middle, suffix, end, *_ = (i for i in ids if i is not None)
        self.special = SpecialTokens(prefix, suffix, middle, frozenset({end}))
        self.info = ModelInfo("fake", "none", "fake", "asked for by name", None, self.codec.n_vocab)
        self._end = end
        self._answer = answer
        self._step_ms, self._token_ms = step_ms, token_ms
        self._context: list[int] = []

    @classmethod
    def from_name(cls, name: str) -> FakeDenoiser:
        """The fake that a model name such as ``fake`` or ``fake:step_ms=50&answer=foo(x)`` asks for.

        Raises:
            ConfigError: an option that is not one of these, or not a number.
        """
        options = parse_qs(name.partition(":")[2], keep_blank_values=True)
        unknown = sorted(set(options) - {"answer", "step_ms", "token_ms"})
        if unknown:
            raise ConfigError(
                f"the fake model has no option {unknown[0]!r}", "Use `answer`, `step_ms` or `token_ms`."
            )
        try:
            step_ms, token_ms = (float(options.get(name, ["0"])[-1]) for name in ("step_ms", "token_ms"))
        except ValueError as error:
            raise ConfigError("step_ms or token_ms of the fake model is not a number") from error
        return cls(options["answer"][-1] if "answer" in options else None, step_ms, token_ms)

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Take a context; what agrees with the last one from its start counts as cached."""
        common = min(self._common(context), len(context) - 1)
        if self._token_ms:
            cancel.wait(self.encoding_ms(context) / 1000.0)
        self._pass(cancel)
        self._context = list(context)
        return Encoded(len(context), common, 1)

    def encoding_ms(self, context: Sequence[int]) -> float:
        """What does not agree with the last context, by ``token_ms``."""
        return (len(context) - self._common(context)) * self._token_ms

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Every slot at once, the right byte with near certainty."""
        self._pass(cancel)
        target = [*self.codec.encode(self._fill()), self._end]
        places = [canvas.n_settled + n for n in (0, *(depth + 1 for depth in canvas.draft.depths))]

        def said(start: int, n_slots: int) -> npt.NDArray[np.float32]:
            logits = np.zeros((n_slots, self.codec.n_vocab), dtype=np.float32)
            for row, slot in enumerate(range(start, start + n_slots)):
                logits[row, target[slot] if slot < len(target) else self._end] = 12.0
            return logits

        logits = np.concatenate([said(place, 1) for place in places])
        drafts = tuple(said(place + 1, n_masks) for place, n_masks in zip(places, masks, strict=True))
        return Prediction(logits, drafts, 1, len(logits) + sum(masks))

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        """Each slot speaks for itself."""
        return ahead.alone()

    def guess(self, settled: Sequence[int], worth: float, allowed: npt.NDArray[np.int64] | None) -> Draft:
        """Nothing."""
        return NO_DRAFT

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """The right byte is nearly certain in every slot, all others are nearly impossible."""
        self._pass(cancel)
        said = self._said(len(canvas))
        top = np.tile(np.arange(TOP), (len(canvas), 1))
        top[:, 0] = said
        log_probs = np.where(np.asarray(canvas) == said, SURE, UNLIKELY).astype(np.float32)
        top_log_probs = np.full(top.shape, UNLIKELY, dtype=np.float32)
        top_log_probs[:, 0] = SURE
        return Reading(log_probs, top.astype(np.int64), top_log_probs, 1, len(canvas))

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[npt.NDArray[np.float32]]:
        """See ``read``."""
        self._pass(cancel)
        scores = []
        for branch in branches:
            said = self._said(len(before) + len(branch))[len(before) :]
            scores.append(np.where(np.asarray(branch) == said, SURE, UNLIKELY).astype(np.float32))
        return scores

    def _said(self, n_slots: int) -> npt.NDArray[np.int64]:
        """The byte of each of the first slots, end tokens behind the answer."""
        target = [*self.codec.encode(self._fill()), *[self._end] * n_slots]
        return np.array(target[:n_slots], dtype=np.int64)

    def forget(self) -> None:
        """Drop the context."""
        self._context = []

    def close(self) -> None:
        """Nothing to release."""

    def _common(self, context: Sequence[int]) -> int:
        alike = zip(self._context, context, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], alike))

    def _pass(self, cancel: CancelToken) -> None:
        if self._step_ms:
            cancel.wait(self._step_ms / 1000.0)
        cancel.check()

    def _fill(self) -> str:
        """The text that follows the context: the piece being healed is part of it."""
        if self.special.fim_middle not in self._context:
            return self._said_in_chat()
        middle = self._context.index(self.special.fim_middle)
        prefix = self.codec.decode(self._context[middle + 1 :])
        if self._answer is not None:
            return self._answer
        *earlier, line = prefix.split("\n")
        start = line.lstrip()
        copies = (
            old.lstrip()[len(start) :]
            for old in reversed(earlier)
            if old.lstrip().startswith(start) and start
        )
        return next((copy for copy in copies if copy.strip()), "value")

    def _said_in_chat(self) -> str:
        """The answer of a conversation, with the fence that closes it."""
        said = self.codec.decode(self._context)
        blocks = list(_FENCED.finditer(said))
        answer = self._answer if self._answer is not None else blocks[-1][2] if blocks else "value"
        opened = re.search(r"(`{3,})[^\n`]*\n[^`]*\Z", said)
        return f"{answer}\n{opened[1]}" if opened else answer
