"""The loop: a canvas of masks becomes text.

Each step predicts the masked slots, commits those that are sure (always at least the leftmost), and
stops as soon as the text before the first mask has come to its end. Knows nothing of files, editors
or ONNX; what "the end" is beyond the model's own end tokens is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.canvas import Canvas
from engine.denoiser import Denoiser
from engine.schedule import choose
from engine.tokens import TokenCodec
from engine.types import CancelToken, Deadline
from engine.unmask import best_tokens, hold_to

StopRule = Callable[[str], int | None]
"""Given the text settled so far (healed piece included): where it ends, in characters, or None."""


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
    on_step: Callable[[Canvas, int], None] | None = None,
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
        on_step: called with the canvas and the step's number after each step.

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
        canvas = _commit(denoiser, codec, canvas, prediction.slots, prediction.logits, heal)
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
            on_step(canvas, step)

    settled = canvas.settled[: _ended(canvas.settled, denoiser.special.end)]
    text = codec.decode(settled)
    probabilities = canvas.confidence[: len(settled)]
    confidence = float(np.exp(np.log(np.maximum(probabilities, 1e-9)).mean())) if settled else 1.0
    return Denoised(text[:end_char], tuple(settled), confidence, forwards, stopped)


def _commit(
    denoiser: Denoiser,
    codec: TokenCodec,
    canvas: Canvas,
    slots: np.ndarray[tuple[int], np.dtype[np.int64]],
    logits: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    heal: bytes,
) -> Canvas:
    """Commit what the rule chooses; while the healed piece is unfinished, the leftmost slot alone."""
    missing = heal[len(codec.decode_bytes(canvas.settled)) :]
    if missing:
        slots, logits = slots[:1], hold_to(logits[0], codec.continuing(missing))[None]
    tokens, confidence = best_tokens(logits)
    chosen = choose(confidence, denoiser.commit_rule)
    return canvas.commit(slots[chosen], tokens[chosen], confidence[chosen])


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
