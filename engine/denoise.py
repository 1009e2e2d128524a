"""The loop: a canvas of masks becomes text.

Each step predicts the masked slots, commits those that are sure (always at least the leftmost), and
stops as soon as the text before the first mask has come to its end. Knows nothing of files, editors
or ONNX; what "the end" is beyond the model's own end tokens is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.canvas import Canvas
from engine.denoiser import Denoiser
from engine.schedule import choose
from engine.tokens import TokenCodec
from engine.types import CancelToken, Deadline
from engine.unmask import best_tokens, hold_to, prefer_others

StopRule = Callable[[str], int | None]
"""Given the text settled so far (healed piece included): where it ends, in characters, or None."""


StepListener = Callable[[Canvas, int, bool], None]
"""Given the canvas, the step's number from 1, and whether it was the last."""


@dataclass(frozen=True, slots=True)
class Avoided:
    """Tokens a text should not begin with.

    Attributes:
        tokens: their ids ``[n]``.
        alternative: they are taken all the same if no other is at least this probable.
    """

    tokens: npt.NDArray[np.int64]
    alternative: float


@dataclass(frozen=True, slots=True)
class Denoised:
    """A finished canvas.

    Attributes:
        text: what it says, the healed piece included, cut at its end.
        tokens: the settled tokens, end token left out.
        confidence: geometric mean of their probabilities; 1 for none.
        forwards: passes it took.
        stopped: ``end`` (end token), ``rule`` (the stop rule), ``length`` or ``deadline``.
    """

    text: str
    tokens: tuple[int, ...]
    confidence: float
    forwards: int
    stopped: str


def denoise(
    denoiser: Denoiser,
    codec: TokenCodec,
    *,
    heal: bytes,
    max_tokens: int,
    stop: StopRule,
    cancel: CancelToken,
    deadline: Deadline,
    avoid: Sequence[Avoided] = (),
    on_step: StepListener | None = None,
) -> Denoised:
    """Fill one canvas after the denoiser's current context.

    Args:
        denoiser: holds the context.
        codec: its tokenizer.
        heal: bytes the text must begin with; its tokens do not count against ``max_tokens``.
        max_tokens: the most tokens to settle.
        stop: see ``StopRule``.
        cancel: polled at every pass.
        deadline: checked after every step; at least one step is made.
        avoid: what the text should not begin with.
        on_step: called after each step.

    Raises:
        Cancelled: asked to stop.
    """
    canvas = Canvas.masked(min(denoiser.canvas_slots, max_tokens))
    forwards = step = 0
    stopped: str | None = None
    end_char: int | None = None
    while stopped is None:
        prediction = denoiser.predict(canvas, cancel)
        forwards += prediction.forwards
        step += 1
        slots, logits = prediction.slots, prediction.logits
        missing = heal[len(codec.decode_bytes(canvas.settled)) :]
        if missing:  # the healed piece comes first, and alone
            slots, logits = slots[:1], hold_to(logits[0], codec.continuing(missing))[None]
        if avoid and not codec.decode_bytes(canvas.settled)[len(heal) :].strip():
            first = logits[0]
            for avoided in avoid:
                first = prefer_others(first, avoided.tokens, avoided.alternative)
            logits = np.concatenate([first[None], logits[1:]])
        tokens, confidence = best_tokens(logits)
        chosen = choose(confidence, denoiser.commit_rule)
        canvas = canvas.commit(slots[chosen], tokens[chosen], confidence[chosen])
        settled = canvas.settled
        ended = _ended(settled, denoiser.special.end)
        healed = _n_heal_tokens(settled, codec, heal)
        end_char = stop(codec.decode(settled[:ended]))
        if end_char is not None:
            stopped = "rule"
        elif ended < len(settled):
            stopped = "end"
        elif len(settled) - healed >= max_tokens:
            stopped = "length"
        elif deadline.passed:
            stopped = "deadline"
        elif not canvas.open_slots.size:
            canvas = canvas.extend(min(denoiser.canvas_slots, max_tokens + healed - len(settled)))
        if on_step is not None:
            on_step(canvas, step, stopped is not None)

    settled = canvas.settled[: _ended(canvas.settled, denoiser.special.end)]
    text = codec.decode(settled)
    log_probabilities = np.log(np.maximum(canvas.confidence[: len(settled)], 1e-9))
    mean_confidence = float(np.exp(log_probabilities.mean())) if settled else 1.0
    return Denoised(text[:end_char], tuple(settled), mean_confidence, forwards, stopped)


def _ended(tokens: list[int], end: frozenset[int]) -> int:
    """Number of tokens before the first end token."""
    return next((i for i, token in enumerate(tokens) if token in end), len(tokens))


def _n_heal_tokens(tokens: list[int], codec: TokenCodec, heal: bytes) -> int:
    """Number of leading tokens that lie within the healed piece entirely."""
    n_tokens = n_bytes = 0
    for token in tokens:
        n_bytes += len(codec.token_bytes[token])
        if n_bytes > len(heal):
            break
        n_tokens += 1
    return n_tokens
