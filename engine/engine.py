"""A request to a result: the one door to the engine.

Cuts the request into holes, lays each one's context out, denoises it and passes it through the accept
gate. Knows nothing of editors and files; which model answers is decided by ``open_engine``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine import accept, editing, languages, regions
from engine.canvas import MASKED, Canvas
from engine.config import FAKE_MODEL, EngineConfig
from engine.correct import CorrectionRule, correct
from engine.denoise import Avoided, Denoised, Task, denoise
from engine.denoiser import Denoiser
from engine.errors import UsageError
from engine.fake import FakeDenoiser
from engine.languages import Language
from engine.layout import MAX_CHARS_PER_TOKEN, Layout, lay_out
from engine.schedule import Decoding
from engine.stopping import stop_rule
from engine.tokens import TokenCodec
from engine.types import (
    CancelToken,
    CanvasFrame,
    Deadline,
    EditRequest,
    EditResult,
    FillRequest,
    FillResult,
    FrameListener,
    ModelInfo,
    ProgressListener,
)
from engine.workbench import Workbench

MAX_HOLES = 64

BLANK_ALTERNATIVE = 0.05
"""A hole that somebody asked to fill is left blank only if no text is at least this probable."""

STAND_IN = "..."
"""Left out altogether, later holes read as finished blank code, and the model imitates it (results log)."""

MAX_SWEEPS = 2
"""How often holes that were filled are filled again in the light of the others."""

CLEARLY_LIKELIER = 10.0
"""Nats by which a new fill must make the whole likelier; less decides as often wrongly (results log)."""

MAX_JOINT_CHARS = 2000
"""Holes further apart than this are not weighed against one another."""

_EARLY = {"length": "stopped at max_tokens", "deadline": "stopped at the deadline"}


@dataclass(frozen=True, slots=True)
class _Filled:
    """What came of one hole."""

    text: str
    denoised: Denoised
    refusal: str | None
    context_tokens: int
    cached_tokens: int
    context_forwards: int
    forwards: int
    rows: int
    steps: int

    def after(self, weighed: _Weighed) -> _Filled:
        """This hole with the work of weighing it."""
        return replace(
            self,
            context_forwards=self.context_forwards + weighed.context_forwards,
            forwards=self.forwards + weighed.context_forwards + weighed.forwards,
            rows=self.rows + weighed.rows,
        )

    def then(self, again: _Filled, *, kept: bool) -> _Filled:
        """This hole after it was filled again: one text or the other, the work of both."""
        return replace(
            again if kept else self,
            context_forwards=self.context_forwards + again.context_forwards,
            forwards=self.forwards + again.forwards,
            rows=self.rows + again.rows,
            steps=self.steps + again.steps,
        )


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A whole text: its syntax errors, its log-likelihood to the base, and what it took to find out."""

    errors: int
    likelihood: float
    context_forwards: int
    forwards: int
    rows: int

    def is_clearly_better_than(self, other: _Weighed) -> bool:
        """Whether a text parses better, or as well and is far likelier."""
        if self.errors != other.errors:
            return self.errors < other.errors
        return self.likelihood > other.likelihood + CLEARLY_LIKELIER


class Engine:
    """Fills holes with a denoiser. One call at a time: the caller serialises.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        context_tokens: the most tokens of context for one hole.
        decoding: how canvases are decoded.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        codec: TokenCodec,
        context_tokens: int,
        decoding: Decoding = "parallel",
    ) -> None:
        self._denoiser = denoiser
        self._codec = codec
        self._context_tokens = context_tokens
        self._rule = denoiser.rule.decoded(decoding)
        self._together = decoding == "parallel"

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._denoiser.info

    def fill(
        self,
        request: FillRequest,
        *,
        cancel: CancelToken | None = None,
        on_frame: FrameListener | None = None,
    ) -> FillResult:
        """Fill every hole of a request.

        Holes are filled in reading order; each sees the fills before it and the text after it. Decoding in
        parallel, each is then filled again in the light of all others, and the new text stays where it
        makes the whole likelier.

        Args:
            request: what to fill.
            cancel: polled at every pass.
            on_frame: called after every denoising step, on the calling thread.

        Raises:
            UsageError: no hole, too many, or ``max_tokens`` below 1.
            Cancelled: asked to stop.
        """
        start = time.perf_counter()
        _check(request)
        cancel = cancel or CancelToken()
        deadline = Deadline.after_ms(request.deadline_ms)
        language = languages.by_id(request.language)
        segments = list(request.segments)
        filled: list[_Filled] = []
        for at, segment in enumerate(request.segments):
            if segment is None:
                hole = self._fill_hole(
                    request, language, segments, at, len(filled), cancel, deadline, on_frame
                )
                segments[at] = hole.text
                filled.append(hole)
        if self._together and len(filled) > 1:
            self._fill_again(request, language, segments, filled, cancel, deadline, on_frame)
        return _result(filled, (time.perf_counter() - start) * 1000.0)

    def correct(
        self,
        prefix: str,
        tokens: Sequence[int],
        suffix: str,
        language_id: str,
        *,
        rule: CorrectionRule | None = None,
        cancel: CancelToken | None = None,
    ) -> list[int]:
        """Find the tokens of a text that do not belong, and put others in their places.

        Args:
            prefix: the text before.
            tokens: the text itself as token ids, at least one.
            suffix: the text after.
            language_id: LSP language identifier.
            rule: when a token is changed; None for the default.
            cancel: polled at every pass.

        Returns:
            as many tokens.

        Raises:
            Cancelled: asked to stop.
        """
        cancel, rule = cancel or CancelToken(), rule or CorrectionRule()
        layout = self._lay_out(prefix, suffix, languages.by_id(language_id), heal=False)
        self._denoiser.encode(layout.context, cancel)
        tail = self._codec.encode(suffix[: rule.ahead * MAX_CHARS_PER_TOKEN])
        return correct(self._denoiser, tokens, tail, rule, cancel)

    def edit(
        self,
        request: EditRequest,
        *,
        cancel: CancelToken | None = None,
        on_frame: FrameListener | None = None,
    ) -> EditResult:
        """Change a text that stands already.

        Args:
            request: the task, and what it may change.
            cancel: polled at every pass.
            on_frame: called after every denoising step of the holes a task makes.

        Raises:
            UsageError: the request cannot be used.
            ArtifactError: the model cannot follow instructions, and the task needs it to.
            Cancelled: asked to stop.
        """
        cancel = cancel or CancelToken()
        bench = Workbench(
            self._denoiser,
            self._codec,
            self._rule,
            lambda fill: self.fill(fill, cancel=cancel, on_frame=on_frame),
            lambda prefix, suffix, language: self._lay_out(
                prefix, suffix, languages.by_id(language), heal=False
            ),
            cancel,
            request.deadline_ms,
        )
        return editing.edit(bench, request)

    def forget(self) -> None:
        """Drop every cached context: the next request starts cold."""
        self._denoiser.forget()

    def close(self) -> None:
        """Release the model."""
        self._denoiser.close()

    def _fill_hole(
        self,
        request: FillRequest,
        language: Language,
        segments: list[str | None],
        at: int,
        hole: int,
        cancel: CancelToken,
        deadline: Deadline,
        on_frame: FrameListener | None,
    ) -> _Filled:
        prefix = "".join(text or "" for text in segments[:at])
        suffix = _text_after(segments, at)
        layout = self._lay_out(prefix, suffix, language, heal=request.heal)
        piece = layout.heal.decode("utf-8")
        encoded = self._denoiser.encode(layout.context, cancel)

        n_steps = 0

        def show(canvas: Canvas, step: int, last: bool) -> None:
            nonlocal n_steps
            n_steps = step
            if on_frame is not None and not last:
                on_frame(self._frame(canvas, layout.heal, hole, step))

        avoid = [] if request.automatic else [self._blank]
        if None in segments[at + 1 :]:
            avoid.insert(0, self._stand_in)
        denoised = denoise(
            self._denoiser,
            self._codec,
            Task(layout.heal, request.max_tokens, stop_rule(request, language, prefix, piece, suffix), avoid),
            self._rule,
            cancel=cancel,
            deadline=deadline,
            on_step=show,
        )
        fill = denoised.text[len(piece) :] if denoised.text.startswith(piece) else ""
        if denoised.stopped in _EARLY and "\n" in fill:
            fill = fill[: fill.rindex("\n") + 1]  # whole lines only
        fill = accept.tidy(prefix, fill, suffix, language, single_line=request.single_line)
        refusal = accept.judge(
            prefix, fill, suffix, language, confidence=denoised.confidence, automatic=request.automatic
        )
        if on_frame is not None:  # the last step shows the answer, not what the canvas held beyond it
            on_frame(CanvasFrame(hole, n_steps, ("" if refusal else fill,), done=True))
        return _Filled(
            text="" if refusal else fill,
            denoised=denoised,
            refusal=refusal,
            context_tokens=encoded.context_tokens,
            cached_tokens=encoded.cached_tokens,
            context_forwards=encoded.forwards,
            forwards=encoded.forwards + denoised.forwards,
            rows=denoised.rows,
            steps=n_steps,
        )

    def _fill_again(
        self,
        request: FillRequest,
        language: Language,
        segments: list[str | None],
        filled: list[_Filled],
        cancel: CancelToken,
        deadline: Deadline,
        on_frame: FrameListener | None,
    ) -> None:
        """Fill every hole anew with all others in sight, until nothing makes the whole likelier."""
        holes = [at for at, segment in enumerate(request.segments) if segment is None]
        if len("".join(text or "" for text in segments[holes[0] : holes[-1] + 1])) > MAX_JOINT_CHARS:
            return
        likely: _Weighed | None = None
        # A hole that was filled when all others stood as they do now would be filled with the same again.
        fresh = {holes[-1]}
        for at in [hole for _ in range(MAX_SWEEPS) for hole in holes]:
            if at in fresh:
                continue
            if deadline.passed:
                return
            hole, known = holes.index(at), segments[at]
            segments[at] = None
            again = self._fill_hole(request, language, segments, at, hole, cancel, deadline, None)
            segments[at] = known
            kept = False
            whole = again.denoised.stopped != "deadline"
            if whole and again.text != known and again.refusal is None:
                if likely is None:
                    likely = self._weigh(segments, holes, language, cancel)
                    again = again.after(likely)
                segments[at] = again.text
                better = self._weigh(segments, holes, language, cancel)
                again = again.after(better)
                kept = better.is_clearly_better_than(likely)
                likely, segments[at] = (better, again.text) if kept else (likely, known)
            filled[hole] = filled[hole].then(again, kept=kept)
            fresh = {at} if kept else {*fresh, at}
            if kept and on_frame is not None:
                on_frame(CanvasFrame(hole, filled[hole].steps, (again.text,), done=True))

    def _weigh(
        self, segments: list[str | None], holes: list[int], language: Language, cancel: CancelToken
    ) -> _Weighed:
        """How likely everything from the first hole to the last is, and the end behind it."""
        first, last = holes[0], holes[-1]
        prefix, text, suffix = (
            "".join(text or "" for text in part)
            for part in (segments[:first], segments[first : last + 1], segments[last + 1 :])
        )
        layout = self._lay_out(prefix, suffix, language, heal=False)
        encoded = self._denoiser.encode(layout.context, cancel)
        reading = self._denoiser.read([*self._codec.encode(text), min(self._denoiser.special.end)], cancel)
        return _Weighed(
            regions.error_count(prefix + text + suffix, language),
            float(reading.log_probs.sum()),
            encoded.forwards,
            reading.forwards,
            reading.rows,
        )

    def _lay_out(self, prefix: str, suffix: str, language: Language, *, heal: bool) -> Layout:
        return lay_out(
            prefix,
            suffix,
            self._codec,
            self._denoiser.special,
            budget_tokens=self._context_tokens,
            heal=heal,
            landmarks=lambda: regions.landmarks(prefix + suffix, len(prefix), language),
        )

    @cached_property
    def _blank(self) -> Avoided:
        """Beginnings that leave a hole blank."""
        end = np.array(sorted(self._denoiser.special.end), dtype=np.int64)
        return Avoided(np.concatenate([end, self._codec.line_ends]), BLANK_ALTERNATIVE)

    @cached_property
    def _stand_in(self) -> Avoided:
        """Beginnings that imitate what stands for later holes."""
        return Avoided(self._codec.beginning_with(STAND_IN), 0.0)

    def _frame(self, canvas: Canvas, heal: bytes, hole: int, step: int) -> CanvasFrame:
        """The canvas as text; the healed piece is not shown, it stands in the file already."""
        hidden = len(heal)
        pieces: list[str | None] = []
        for token in canvas.tokens:
            if token == MASKED:
                pieces.append(None)
                continue
            data = self._codec.token_bytes[int(token)]
            pieces.append(data[min(hidden, len(data)) :].decode("utf-8", errors="replace"))
            hidden = max(0, hidden - len(data))
        return CanvasFrame(hole, step, tuple(pieces), done=False)


def open_engine(
    config: EngineConfig,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> Engine:
    """Load the model a configuration names, fetching and assembling it on first use.

    Raises:
        ModelError: it cannot be had or does not hold together.
        BackendError: ONNX Runtime cannot run it.
        Cancelled: asked to stop.
    """
    if config.model.partition(":")[0] == FAKE_MODEL:
        fake = FakeDenoiser.from_name(config.model)
        return Engine(fake, fake.codec, config.context_tokens, config.decoding)
    from engine.loading import load_denoiser  # noqa: PLC0415  (ONNX Runtime comes with a real model)

    denoiser, codec = load_denoiser(config, progress=progress, cancel=cancel)
    return Engine(denoiser, codec, config.context_tokens, config.decoding)


def _check(request: FillRequest) -> None:
    if not 1 <= request.n_holes <= MAX_HOLES:
        raise UsageError(f"{request.n_holes} holes", f"A request takes 1 to {MAX_HOLES} of them.")
    if request.max_tokens < 1:
        raise UsageError(f"max_tokens is {request.max_tokens}", "Ask for at least 1.")


def _text_after(segments: list[str | None], at: int) -> str:
    """The text after a hole; the base model, which knows one hole only, sees later ones as ``STAND_IN``."""
    return "".join(STAND_IN if text is None else text for text in segments[at + 1 :])


def _result(filled: list[_Filled], ms: float) -> FillResult:
    refusals = [hole.refusal for hole in filled if hole.refusal]
    early = [_EARLY[hole.denoised.stopped] for hole in filled if hole.denoised.stopped in _EARLY]
    return FillResult(
        status="refused" if len(refusals) == len(filled) else "ok",
        fills=tuple(hole.text for hole in filled),
        confidence=tuple(round(hole.denoised.confidence, 4) for hole in filled),
        reason=next(iter(refusals + early), None),
        tokens=sum(len(hole.denoised.tokens) for hole in filled),
        forwards=sum(hole.forwards for hole in filled),
        context_forwards=sum(hole.context_forwards for hole in filled),
        rows=sum(hole.rows for hole in filled),
        ms=ms,
        context_tokens=sum(hole.context_tokens for hole in filled),
        cached_tokens=sum(hole.cached_tokens for hole in filled),
    )
