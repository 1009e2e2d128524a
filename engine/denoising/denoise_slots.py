"""The loop for models that fill slots in any order: a window of masks or noise becomes text, then the next.

In each pass every slot of the window is scored at once and the surest are filled; what a rule finds
doubtful is masked again. Where text stands behind the canvas its length is searched for, or the model asks
for more and fewer slots itself; elsewhere windows follow one another until one holds an end. What is chosen
and how is ``engine.denoising.commit``'s matter; knows nothing of attention, files, editors or ONNX.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine.denoising.canvas import MASKED, Canvas
from engine.denoising.commit import (
    CommitRule,
    best_length,
    certainty,
    choose,
    doubtful,
    entropies,
    select,
    softmax,
    temperature_at,
    within_bound,
)
from engine.denoising.denoise import (
    Denoised,
    Doubt,
    StepListener,
    Task,
    allowed_next,
    doubts_of,
    n_heal_tokens,
)
from engine.denoising.denoiser import Scores, SlotDenoiser
from engine.denoising.tokens import TokenCodec
from engine.denoising.top import TopTokens
from engine.denoising.unmask import best_tokens
from engine.types import CancelToken, Deadline

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

SEED = 0
"""Of what is drawn: the same request has the same answer."""

EXPANSIONS = 2
"""A model may ask for this many times as many slots as there is room; then it has to fill what it has."""


def denoise_slots(
    denoiser: SlotDenoiser,
    codec: TokenCodec,
    task: Task,
    rule: CommitRule,
    *,
    cancel: CancelToken,
    deadline: Deadline,
    on_step: StepListener | None = None,
) -> Denoised:
    """Fill one canvas in the denoiser's current context.

    Args:
        denoiser: holds the context.
        codec: its tokenizer.
        task: what to fill it with; its hint is of no use here.
        rule: how slots are filled.
        cancel: polled at every pass.
        deadline: checked after every pass; at least one is made.
        on_step: called after each pass.

    Raises:
        Cancelled: asked to stop.
    """
    return _Filling(denoiser, codec, task, rule, cancel, deadline, on_step).run()


class _Filling:
    """A canvas on its way, and the rules it is under."""

    def __init__(
        self,
        denoiser: SlotDenoiser,
        codec: TokenCodec,
        task: Task,
        rule: CommitRule,
        cancel: CancelToken,
        deadline: Deadline,
        on_step: StepListener | None,
    ) -> None:
        self._denoiser, self._codec, self._task, self._rule = denoiser, codec, task, rule
        self._kind = denoiser.diffusion
        self._cancel, self._deadline, self._on_step = cancel, deadline, on_step
        self._end = denoiser.special.end
        self._rng = np.random.default_rng(SEED)
        self._tokens: list[int] = []
        self._confidence: list[float] = []
        self._doubts: list[list[Doubt]] = []
        self._first = 0  # of the window's slots
        self._n_expanded = self._forwards = self._rows = self._steps = 0
        self._stopped: str | None = None
        self._end_char: int | None = None

    def run(self) -> Denoised:
        """Window after window until the text has come to its end."""
        for token, probable in self._task.start:
            if self._stopped is None:
                self._append(token, probable)
                self._look_for_end()
        uniform = self._kind.noise == "uniform"
        if uniform and not self._task.start:  # what is given stands before the noise
            for token in self._codec.encode(self._task.heal.decode("utf-8", "ignore")):
                self._append(token, 1.0)
        while self._stopped is None:
            if self._room() <= 0:
                self._stopped = "length"
                break
            self._first = len(self._tokens)
            n_slots = self._window_length()
            if uniform:
                self._denoise_noise(n_slots)
            else:
                self._denoise_masks(n_slots)
            if self._stopped is None and self._denoiser.ends_with_window():
                self._stopped = "end"
        return self._result()

    # One window of masks.

    def _denoise_masks(self, n_slots: int) -> None:
        for _ in range(n_slots):
            self._append(MASKED, 0.0)
        known = self._denoiser.foregone(self._tokens[: self._first], self._cancel)
        if known is not None:
            self._commit_next(self._counted(known).logits)
            self._look_for_end()
        n_passes = 0
        while self._stopped is None and MASKED in self._tokens[self._first :]:
            scores = self._score(fresh=n_passes % self._rule.refresh == 0)
            if self._healing():
                self._commit_next(scores.logits)
            elif self._rule.remask:
                kept = (n_passes + 1) * self._rule.per_pass / n_slots
                self._fill_and_mask_again(scores.logits, min(kept, 1.0))
            else:
                self._commit_surest(scores.logits)
            n_passes += 1
            if not self._rule.remask or MASKED not in self._tokens:  # else what ends it may go again
                self._look_for_end()
            self._after_pass()

    def _commit_next(self, logits: FloatArray) -> None:
        """Fill the first open slot alone: what the text must begin with is behind it or part of it."""
        slot = len(self._settled())
        row = self._allowed(logits)[slot - self._first]
        (token,), (confidence,) = best_tokens(row[None])
        self._put(slot, int(token), float(confidence), row)

    def _commit_surest(self, logits: FloatArray) -> None:
        """Fill the slots the rule selects."""
        rule = self._rule
        open_slots = np.array(self._tokens[self._first :]) == MASKED
        at = np.flatnonzero(open_slots)
        rows = self._allowed(logits)[at]
        tokens, probabilities = choose(rows, rule.temperature, rule.top_p, self._rng)
        own = np.zeros(len(open_slots), dtype=np.float32)
        own[at] = np.take_along_axis(probabilities, tokens[:, None], axis=-1)[:, 0]
        sure = np.full(len(open_slots), -np.inf, dtype=np.float32)
        sure[at] = certainty(probabilities, tokens, rule.order)
        offset = self._denoiser.offset(self._first) % (self._kind.block or 1)
        taken = select(sure, own, open_slots, rule, offset)
        for slot in sorted(taken.tolist(), reverse=True):  # from the right: slots may come and go
            row = int(np.searchsorted(at, slot))
            self._put(self._first + slot, int(tokens[row]), float(own[slot]), rows[row])

    def _fill_and_mask_again(self, logits: FloatArray, kept: float) -> None:
        """Fill every open slot, then mask the least certain of all again (P2)."""
        rule, logits = self._rule, self._allowed(logits)
        tokens, probabilities = choose(logits, rule.temperature, rule.top_p, self._rng)
        own = np.take_along_axis(probabilities, tokens[:, None], axis=-1)[:, 0]
        for slot, token in enumerate(tokens.tolist()):
            if self._tokens[self._first + slot] == MASKED:
                self._put(self._first + slot, token, float(own[slot]), logits[slot], ends=False)
        for slot in doubtful(own, 1.0 - kept).tolist():
            self._clear(self._first + slot)

    def _put(self, slot: int, token: int, confidence: float, row: FloatArray, *, ends: bool = True) -> None:
        """Fill a slot with a token, or do what a token stands for: more slots, fewer, or the end."""
        in_place = self._denoiser.ends_with_window()
        if token == self._kind.expand:
            self._n_expanded += 1
            self._clear(slot)
            self._tokens.insert(slot, MASKED)
            self._confidence.insert(slot, 0.0)
            self._doubts.insert(slot, [])
            return
        if token == self._kind.delete and in_place:
            gone = [slot, *(at for at in range(slot + 1, len(self._tokens)) if self._tokens[at] == MASKED)]
            for at in reversed(gone):
                del self._tokens[at], self._confidence[at], self._doubts[at]
            return
        self._tokens[slot], self._confidence[slot] = token, confidence
        self._doubts[slot] = doubts_of(TopTokens.of(row), slot, token)
        if ends and token in self._end:
            del self._tokens[slot + 1 :], self._confidence[slot + 1 :], self._doubts[slot + 1 :]

    def _clear(self, slot: int) -> None:
        self._tokens[slot], self._confidence[slot], self._doubts[slot] = MASKED, 0.0, []

    # One window of noise.

    def _denoise_noise(self, n_slots: int) -> None:
        rule = self._rule
        n_vocab = self._denoiser.info.n_vocab
        noisy = self._rng.integers(0, n_vocab, n_slots)
        previous: FloatArray | None = None
        best: IntArray | None = None
        for _ in range(n_slots):
            self._append(MASKED, 0.0)
        for step in range(rule.passes):
            scores = self._counted(
                self._denoiser.score(self._tokens[: self._first], noisy, self._cancel, previous=previous)
            )
            logits = self._allowed(scores.logits)
            if rule.temperature:
                logits = logits / np.float32(temperature_at(step, rule))
            drawn, probabilities = choose(logits, 1.0 if rule.temperature else 0.0, 1.0, self._rng)
            accepted = within_bound(entropies(probabilities), rule.entropy_bound)
            noisy = np.where(accepted, drawn, self._rng.integers(0, n_vocab, n_slots))
            again = logits.argmax(axis=-1)
            settled = best is not None and bool((again == best).all())
            best, previous = again, logits
            sure = np.take_along_axis(softmax(logits), best[:, None], axis=-1)[:, 0]
            done = settled and float(entropies(probabilities).mean()) < rule.settled_entropy
            last = done or step == rule.passes - 1
            for slot in range(n_slots):
                shown = last or accepted[slot]
                self._tokens[self._first + slot] = int(best[slot]) if shown else MASKED
                self._confidence[self._first + slot] = float(sure[slot]) if shown else 0.0
            if last:
                for slot in range(n_slots):
                    at = self._first + slot
                    self._doubts[at] = doubts_of(TopTokens.of(logits[slot]), at, int(best[slot]))
                self._look_for_end()
            self._after_pass()
            if last or self._stopped is not None:
                return

    # What both have in common.

    def _score(self, *, fresh: bool) -> Scores:
        window = np.array(self._tokens[self._first :], dtype=np.int64)
        return self._counted(
            self._denoiser.score(self._tokens[: self._first], window, self._cancel, fresh=fresh)
        )

    def _counted(self, scores: Scores) -> Scores:
        self._forwards += scores.forwards
        self._rows += scores.rows
        return scores

    def _allowed(self, logits: FloatArray) -> FloatArray:
        """The window's logits without what may not stand there: masks, no tokens at all, a bad beginning."""
        logits = logits.copy()
        logits[:, self._codec.n_vocab :] = -np.inf
        if self._kind.mask is not None:
            logits[:, self._kind.mask] = -np.inf
        if self._kind.expand is not None and (
            self._room(len(self._tokens)) <= 0 or self._n_expanded >= EXPANSIONS * self._task.max_tokens
        ):
            logits[:, self._kind.expand] = -np.inf
        settled = self._settled() if self._kind.noise == "mask" else self._tokens[: self._first]
        slot = len(settled) - self._first
        if 0 <= slot < len(logits):
            logits[slot] = allowed_next(TopTokens.of(logits[slot]), settled, self._codec, self._task).row
        return logits

    def _window_length(self) -> int:
        """Slots of the next window; of several lengths the one that the model is surest with, all masked."""
        lengths = self._denoiser.windows(len(self._tokens), self._room())
        if len(lengths) == 1:
            return lengths[0]
        means = []
        for n_slots in lengths:
            masked = np.full(n_slots, MASKED, dtype=np.int64)
            scores = self._counted(self._denoiser.score(self._tokens, masked, self._cancel))
            means.append(float(best_tokens(scores.logits)[1].mean()))
        found = best_length(lengths, tuple(means))
        self._denoiser.length = len(self._tokens) + found
        return found

    def _append(self, token: int, confidence: float) -> None:
        self._tokens.append(token)
        self._confidence.append(confidence)
        self._doubts.append([])

    def _settled(self) -> list[int]:
        """The tokens before the first open slot."""
        tokens = self._tokens
        return tokens[: tokens.index(MASKED)] if MASKED in tokens else list(tokens)

    def _healing(self) -> bool:
        return len(self._codec.decode_bytes(self._settled())) < len(self._task.heal)

    def _room(self, n_tokens: int | None = None) -> int:
        """How many more tokens there may be, behind those settled or behind so many."""
        settled = self._settled()
        n_healed = n_heal_tokens(settled, self._codec, self._task.heal)
        return self._task.max_tokens - ((len(settled) if n_tokens is None else n_tokens) - n_healed)

    def _look_for_end(self) -> None:
        """Stop where the settled text has come to its end."""
        settled = self._settled()
        ended = any(token in self._end for token in settled)
        end_char = self._task.stop(self._codec.decode(self._before_end(settled)))
        if end_char is not None:
            self._stopped, self._end_char = "rule", end_char
        elif ended:
            self._stopped = "end"

    def _before_end(self, tokens: list[int]) -> list[int]:
        return tokens[: next((i for i, token in enumerate(tokens) if token in self._end), len(tokens))]

    def _after_pass(self) -> None:
        self._steps += 1
        if self._stopped is None and self._deadline.passed:
            self._stopped = "deadline"
        if self._on_step is not None:
            tokens = np.array(self._tokens, dtype=np.int64)
            confidence = np.array(self._confidence, dtype=np.float32)
            canvas = Canvas(tokens, confidence, len(self._settled()))
            self._on_step(canvas, self._steps, self._stopped is not None)

    def _result(self) -> Denoised:
        """What came of it: the settled tokens before the end, no more of them than there may be."""
        tokens = self._before_end(self._settled())
        room = self._task.max_tokens + n_heal_tokens(tokens, self._codec, self._task.heal)
        if len(tokens) > room and self._stopped != "rule":
            tokens, self._stopped = tokens[:room], "length"
        probable = tuple(self._confidence[: len(tokens)])
        confidence = float(np.exp(np.log(np.maximum(probable, 1e-9)).mean())) if tokens else 1.0
        n_given = len(self._task.start)
        doubts = tuple(
            replace(doubt, slot=slot)  # slots may have moved since
            for slot, noted in enumerate(self._doubts[: len(tokens) + 1])
            if slot >= n_given
            for doubt in noted
        )
        assert self._stopped is not None
        text = self._codec.decode(tokens)[: self._end_char]
        return Denoised(
            text, tuple(tokens), probable, confidence, self._forwards, self._rows, self._stopped, doubts
        )
