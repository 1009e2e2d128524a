"""The loop: a canvas of masks becomes text.

Each pass verifies what the last one proposed and proposes again what could follow. Tokens that stand
are settled, the first that does not is overruled by the base's own choice, what came after it is masked
again; the loop ends as soon as the settled text, or a proposal beyond doubt, has come to its end. Knows
nothing of files, editors or ONNX; what "the end" is beyond the model's own end tokens is asked of the
caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Denoiser, Prediction
from engine.denoising.draft import NO_DRAFT, ROOT, Draft
from engine.denoising.lookup import NO_COPY, NOTHING, Hint, continuation, with_copy
from engine.denoising.schedule import DecodeRule, plan_masks, worth_verifying
from engine.denoising.tokens import TokenCodec
from engine.denoising.top import TopTokens, top_of
from engine.denoising.verify import is_close, stands
from engine.types import CancelToken, Deadline

StopRule = Callable[[str], int | None]
"""Given a text (healed piece included): where it ends, in characters, or None where it goes on.

A pure function: it is asked of what is settled, and as well of what is only proposed or will be thrown away.
"""


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
class Task:
    """What one canvas is to become.

    Attributes:
        heal: bytes the text must begin with; its tokens do not count against ``max_tokens``.
        max_tokens: the most tokens to settle.
        stop: see ``StopRule``.
        avoid: what the text should not begin with.
        start: tokens that the canvas begins with, settled beforehand, each with its probability.
        hint: a text that it may repeat; proposed where the two agree, and verified.
    """

    heal: bytes
    max_tokens: int
    stop: StopRule
    avoid: Sequence[Avoided] = ()
    start: tuple[tuple[int, float], ...] = ()
    hint: Hint = NOTHING


@dataclass(frozen=True, slots=True)
class Doubt:
    """Another token that a slot could have held.

    Attributes:
        slot: which.
        token: the other token.
        nats: how much less likely the base finds it than the one that was settled.
        probability: of the other token.
    """

    slot: int
    token: int
    nats: float
    probability: float


@dataclass(frozen=True, slots=True)
class Denoised:
    """A finished canvas.

    Attributes:
        text: what it says, the healed piece included, cut at its end.
        tokens: the settled tokens, end token left out.
        probabilities: of each of them.
        confidence: geometric mean of their probabilities; 1 for none.
        forwards: passes it took.
        rows: rows computed in them, those of the context left out.
        stopped: ``end`` (end token), ``rule`` (the stop rule), ``length`` or ``deadline``.
        doubts: what else could stand in the slots behind the given start, least doubtful slots left out.
    """

    text: str
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    confidence: float
    forwards: int
    rows: int
    stopped: str
    doubts: tuple[Doubt, ...] = ()

    def slot_of(self, at_char: int, codec: TokenCodec) -> int:
        """The slot that a character of the text stands in; behind the text, the number of its tokens."""
        at_byte, end_byte = len(self.text[:at_char].encode("utf-8", "replace")), 0
        for slot, token in enumerate(self.tokens):
            end_byte += len(codec.token_bytes[token])
            if end_byte > at_byte:
                return slot
        return len(self.tokens)


N_DOUBTS = 3
"""Other tokens that are noted of a slot."""

MAX_DOUBT_NATS = 5.0
"""Tokens less likely than that, relative to the settled one, are not noted."""


def denoise(
    denoiser: Denoiser,
    codec: TokenCodec,
    task: Task,
    rule: DecodeRule,
    *,
    cancel: CancelToken,
    deadline: Deadline,
    on_step: StepListener | None = None,
) -> Denoised:
    """Fill one canvas after the denoiser's current context.

    Args:
        denoiser: holds the context.
        codec: its tokenizer.
        task: what to fill it with.
        rule: how much to draft and what to let stand.
        cancel: polled at every pass.
        deadline: checked after every step; at least one step is made.
        on_step: called after each step.

    Raises:
        Cancelled: asked to stop.
    """
    settling = _Settling(codec, task, denoiser.special.end, denoiser.canvas_slots)
    forwards = rows = step = 0
    ahead = Ahead()
    settling.propose_next(rule, settling.guess(denoiser, rule), drafted=False)
    while settling.stopped is None:
        draft, n_before = settling.canvas.draft, settling.canvas.n_settled
        masks = plan_masks(draft, rule, len(ahead), settling.ended)
        prediction = denoiser.predict(settling.canvas, masks, cancel)
        forwards += prediction.forwards
        rows += prediction.rows
        step += 1
        reached = settling.verify(prediction, rule)
        if settling.stopped is None:
            path = () if reached is None else draft.path(reached + ROOT)
            ahead = ahead.after(settling.canvas.n_settled - n_before, prediction.drafts, path)
            if len(ahead):
                drafted = denoiser.draft(ahead, settling.canvas.settled, rule.row_worth)
            else:
                drafted = settling.guess(denoiser, rule)
            settling.propose_next(rule, drafted, drafted=bool(len(ahead)))
        if settling.stopped is None and deadline.passed:
            settling.stopped = "deadline"
        if on_step is not None:
            on_step(settling.canvas, step, settling.stopped is not None)
    return settling.result(forwards, rows)


class _Settling:
    """A canvas on its way, and the rules it is under."""

    def __init__(self, codec: TokenCodec, task: Task, end: frozenset[int], n_slots: int) -> None:
        self._codec, self._task, self._end, self._n_slots = codec, task, end, n_slots
        self._end_char: int | None = None
        self._doubts: list[Doubt] = []
        self.canvas = Canvas.masked(max(n_slots, len(task.start)))
        self.ended: frozenset[int] = frozenset()
        """The nodes of the draft with which the text ends, if they stand."""
        self.stopped: str | None = None
        for token, probable in task.start:
            if self.stopped is None:
                self._settle(token, probable)

    def verify(self, prediction: Prediction, rule: DecodeRule) -> int | None:
        """Settle what stands of the draft, and the base's choice after it.

        Returns:
            the place reached, from 0; None where the base's choice is left to the next pass.
        """
        draft, node = self.canvas.draft, ROOT
        while True:
            allowed = self._allowed(prediction, node)
            if allowed is None or (node >= draft.n_run and is_close(allowed)):
                return None
            token = int(allowed.tokens[0])
            standing = [
                child for child in draft.children(node) if stands(allowed, draft.tokens[child], token, rule)
            ]
            if standing:
                followed = max(standing, key=lambda child: allowed.logit_of(draft.tokens[child]))
                token = draft.tokens[followed]
            self._doubts += doubts_of(allowed, len(self.canvas.settled), token)
            probable = allowed.chance_of(token)
            self._settle(token, probable)
            if self.stopped is not None or not standing:
                return node - ROOT
            node = followed

    def _allowed(self, prediction: Prediction, node: int) -> TopTokens | None:
        """What may stand behind a node, so far as the base says; None where that is left to the next pass."""
        settled = self.canvas.settled
        allowed = allowed_next(top_of(prediction.logits[node - ROOT]), settled, self._codec, self._task)
        if len(allowed):
            return allowed
        if node != ROOT:
            return None
        assert prediction.whole is not None, "who gives the best alone can give all"
        return allowed_next(TopTokens.of(prediction.whole()), settled, self._codec, self._task)

    def guess(self, denoiser: Denoiser, rule: DecodeRule) -> Draft:
        """What could come next where no slot was drafted; nothing where the rule drafts nothing."""
        if not rule.drafts:
            return NO_DRAFT
        settled = self.canvas.settled
        missing = self._task.heal[len(self._codec.decode_bytes(settled)) :]
        allowed = self._codec.continuing(missing) if missing else None
        return denoiser.guess(settled, rule.row_worth, allowed)

    def propose_next(self, rule: DecodeRule, draft: Draft, *, drafted: bool) -> None:
        """Propose a draft, together with what follows in the task's hint.

        A drafted run that reaches the end beyond doubt is settled at once; a copied one never is.

        Args:
            rule: the rule in force.
            draft: what is proposed.
            drafted: whether slots were predicted for it.
        """
        if drafted:
            self._settle_certain(draft, rule)
        if self.stopped is None:
            hint = self._task.hint
            copied = continuation(self.canvas.settled, hint) if rule.drafts else NO_COPY
            self._put(with_copy(draft, copied, hint.trust if drafted else 1.0), rule)

    def _settle_certain(self, draft: Draft, rule: DecodeRule) -> None:
        """Settle a drafted run that reaches the end beyond doubt."""
        run = list(zip(draft.tokens, draft.chances, strict=True))[: draft.n_run]
        n_certain = sum(reach >= rule.sure for reach in draft.reached[: draft.n_run])
        if n_certain and self._is_under_way and self._end_of(draft.tokens[:n_certain]) is not None:
            for token, probable in run:
                self._settle(token, probable)
                if self.stopped is not None:
                    return

    def _put(self, draft: Draft, rule: DecodeRule) -> None:
        """Propose as much of a draft as is worth verifying."""
        draft = worth_verifying(draft, rule)
        depths, most = draft.depths, self._room() - 1  # the base settles one token more than stands
        draft = draft.where(lambda node: depths[node] < most)
        last = self._end_of(draft.tokens[: draft.n_run])
        ends = {node for node, token in enumerate(draft.tokens) if token in self._end or node == last}
        whole = draft
        draft = whole.where(lambda node: whole.parents[node] not in ends)
        # Where the run ends it, nothing before that was left out, so that it has its number still.
        self.ended = frozenset(
            node for node, token in enumerate(draft.tokens) if token in self._end or node == last
        )
        if max(draft.depths, default=-1) + 1 >= self.canvas.n_open:
            self.canvas = self.canvas.extend(self._n_slots)
        self.canvas = self.canvas.propose(draft)

    def result(self, forwards: int, rows: int) -> Denoised:
        """What came of it."""
        tokens = self._text_tokens(self.canvas.settled)
        probable = self.canvas.confidence[: len(tokens)]
        confidence = float(np.exp(np.log(np.maximum(probable, 1e-9)).mean())) if tokens else 1.0
        text = self._codec.decode(tokens)[: self._end_char]
        assert self.stopped is not None
        return Denoised(
            text,
            tuple(tokens),
            tuple(map(float, probable)),
            confidence,
            forwards,
            rows,
            self.stopped,
            tuple(self._doubts),
        )

    def _settle(self, token: int, confidence: float) -> None:
        if not self.canvas.n_open:
            self.canvas = self.canvas.extend(self._n_slots)
        self.canvas = self.canvas.settle(token, confidence)
        settled = self.canvas.settled
        self.stopped, self._end_char = self._stop(settled)
        if self.stopped is None and self._room() <= 0:
            self.stopped = "length"

    def _end_of(self, tokens: Sequence[int]) -> int | None:
        """The first of a run behind the settled tokens with which the text ends; None where it goes on."""
        settled = self.canvas.settled
        ends = (n for n in range(len(tokens)) if self._stop([*settled, *tokens[: n + 1]])[0] is not None)
        return next(ends, None)

    def _stop(self, tokens: list[int]) -> tuple[str | None, int | None]:
        """Why and where a text of these tokens has come to its end; its last token is the newest."""
        end_char = self._task.stop(self._codec.decode(self._text_tokens(tokens)))
        if end_char is not None:
            return "rule", end_char
        return ("end", None) if tokens[-1] in self._end else (None, None)

    def _text_tokens(self, tokens: list[int]) -> list[int]:
        """The tokens before the first end token."""
        return tokens[: next((i for i, token in enumerate(tokens) if token in self._end), len(tokens))]

    @property
    def _is_under_way(self) -> bool:
        """Whether the text has begun in earnest: what it must and must not begin with is behind it."""
        said, heal = self._codec.decode_bytes(self.canvas.settled), self._task.heal
        return len(said) >= len(heal) and (not self._task.avoid or bool(said[len(heal) :].strip()))

    def _room(self) -> int:
        """How many more tokens may be settled."""
        settled = self.canvas.settled
        healed = n_heal_tokens(settled, self._codec, self._task.heal)
        return self._task.max_tokens - (len(settled) - healed)


def allowed_next(top: TopTokens, settled: Sequence[int], codec: TokenCodec, task: Task) -> TopTokens:
    """What the base says of the slot behind the settled tokens, with what may not stand there ruled out."""
    said = codec.decode_bytes(settled)
    missing = task.heal[len(said) :]
    if missing:
        top = top.held_to(codec.continuing(missing))
    if not said[len(task.heal) :].strip():
        for avoided in task.avoid:
            top = top.preferring_others(avoided.tokens, avoided.alternative)
    return top


def doubts_of(top: TopTokens, slot: int, settled: int) -> list[Doubt]:
    """The likeliest other tokens of a slot, from what the base says of it."""
    own = top.logit_of(settled)
    others = [
        Doubt(slot, int(token), float(own - logit), math.exp(logit - top.norm))
        for token, logit in zip(top.tokens[: N_DOUBTS + 1], top.logits[: N_DOUBTS + 1], strict=True)
        if token != settled and own - logit <= MAX_DOUBT_NATS
    ]
    return others[:N_DOUBTS]


def n_heal_tokens(tokens: Sequence[int], codec: TokenCodec, heal: bytes) -> int:
    """Number of leading tokens that lie within the healed piece entirely."""
    n_tokens = n_bytes = 0
    for token in tokens:
        n_bytes += len(codec.token_bytes[token])
        if n_bytes > len(heal):
            break
        n_tokens += 1
    return n_tokens
