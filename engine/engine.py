"""A request to a result: the one door to the engine.

Cuts the request into holes and has each filled, or hands an edit to its task. Knows nothing of editors and
files; which model answers is decided by ``open_engine``, and a second one may answer what is asked in words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from engine import editing
from engine.code import languages
from engine.config import IN_WORDS, EngineConfig
from engine.denoising.correct import CorrectionRule, correct
from engine.denoising.denoiser import AnyDenoiser
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import DecodeRule, Decoding
from engine.denoising.tokens import TokenCodec
from engine.errors import UsageError, edit_model_missing
from engine.filling.accept import NOTHING_TO_ADD
from engine.filling.filler import Filled, Filler, Hole, Limits
from engine.filling.joint import Joint
from engine.filling.layout import MAX_CHARS_PER_TOKEN
from engine.models.memory import give_back
from engine.types import (
    EARLY,
    MAX_HOLES,
    CancelToken,
    Deadline,
    EditRequest,
    EditResult,
    FillRequest,
    FillResult,
    FrameListener,
    ModelInfo,
    ProgressListener,
    Work,
)
from engine.workbench import Workbench


class Engine:
    """Fills holes with a denoiser. One call at a time: the caller serialises.

    Args:
        denoiser: the model.
        codec: its tokenizer.
        context_tokens: the most tokens of context for one hole.
        decoding: how canvases are decoded.
        in_words: does the edits ``config.IN_WORDS``; None where this engine does.
    """

    def __init__(
        self,
        denoiser: AnyDenoiser,
        codec: TokenCodec,
        context_tokens: int,
        decoding: Decoding = "parallel",
        in_words: OnDemand | None = None,
    ) -> None:
        self._in_words = in_words
        self._denoiser = denoiser
        self._codec = codec
        self._rule = denoiser.rule.decoded(decoding)
        together = decoding == "parallel"
        self._filler = Filler(denoiser, codec, context_tokens, self._rule, revises=together)
        self._joint = Joint(self._filler, denoiser, codec) if together else None

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
        parallel, a fill that does not parse or uses a name that nothing defines is masked again where it is
        in doubt, and several holes are filled again in the light of one another.

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
        limits = Limits(cancel or CancelToken(), Deadline.after_ms(request.deadline_ms), on_frame)
        language = languages.by_id(request.language)
        segments = list(request.segments)
        filled: list[Filled] = []
        for at, segment in enumerate(request.segments):
            if segment is None:
                hole = Hole.of(segments, at, len(filled))
                filled.append(self._filler.fill(request, language, hole, limits))
                segments[at] = filled[-1].text
        if self._joint is not None and len(filled) > 1:
            self._joint.fill_again(request, language, segments, filled, limits)
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
        layout = self._filler.lay_out(prefix, suffix, languages.by_id(language_id), heal=False)
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
            ModelError, BackendError: the model for this edit cannot be had or run.
            Cancelled: asked to stop.
        """
        cancel = cancel or CancelToken()
        if self._in_words is not None and request.kind in IN_WORDS:
            return self._in_words.edit(request, cancel=cancel, on_frame=on_frame)
        bench = Workbench(
            self._denoiser,
            self._codec,
            self._rule,
            lambda fill: self.fill(fill, cancel=cancel, on_frame=on_frame),
            lambda prefix, suffix, language: self._filler.lay_out(
                prefix, suffix, languages.by_id(language), heal=False
            ),
            cancel,
            request.deadline_ms,
            revises=self._joint is not None and isinstance(self._rule, DecodeRule),
        )
        return editing.edit(bench, request)

    def forget(self) -> None:
        """Drop every cached context: the next request starts cold."""
        self._denoiser.forget()

    def close(self) -> None:
        """Release the model."""
        self._denoiser.close()
        if self._in_words is not None:
            self._in_words.close()


class OnDemand:
    """An engine that is opened when it is first needed, and closed when it was not for a while.

    Args:
        config: its settings; its artifact must be on this machine: nothing is fetched or assembled here.
        idle_s: seconds after which it is closed, on a thread of its own: it may hold more than all else.
    """

    def __init__(self, config: EngineConfig, idle_s: float = 600.0) -> None:
        self._config, self._idle_s = config, idle_s
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._closing: threading.Timer | None = None

    def edit(
        self, request: EditRequest, *, cancel: CancelToken, on_frame: FrameListener | None
    ) -> EditResult:
        """Have the engine do an edit, opened where it is not; see ``Engine.edit``.

        Raises:
            ModelError: it is not there, or does not hold together.
            BackendError: ONNX Runtime cannot run it.
        """
        with self._lock:
            self._stay()
            try:
                if self._engine is None:
                    if not is_here(self._config):
                        raise edit_model_missing(self._config.model)
                    self._engine = open_engine(self._config, progress=lambda _: cancel.check(), cancel=cancel)
                return self._engine.edit(request, cancel=cancel, on_frame=on_frame)
            finally:
                self._closing = threading.Timer(self._idle_s, self._rest)
                self._closing.daemon = True
                self._closing.start()

    def close(self) -> None:
        """Release the model; it is opened again when it is needed again."""
        with self._lock:
            self._stay()
            self._release()

    def _rest(self) -> None:
        """Release the model, unless an edit came while this thread waited for its turn."""
        with self._lock:
            if threading.current_thread() is self._closing:
                self._release()

    def _release(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            give_back()

    def _stay(self) -> None:
        """Forget that it was to be closed."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


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
    (engine,) = open_engines(config, 1, progress=progress, cancel=cancel)
    return engine


def open_engines(
    config: EngineConfig,
    n: int,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> list[Engine]:
    """Several engines over one model, each for one thread at a time.

    Raises:
        ModelError, BackendError, Cancelled: see ``open_engine``.
        UsageError: several of a model that can only be one.
    """
    denoisers, codec = _open(config, n, progress, cancel)
    in_words = None if config.in_words.model == config.model else OnDemand(config.in_words)
    return [
        Engine(denoiser, codec, config.context_tokens, config.decoding, in_words) for denoiser in denoisers
    ]


def open_denoiser(
    config: EngineConfig,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> tuple[AnyDenoiser, TokenCodec]:
    """The model of ``open_engine`` without an engine around it; several engines may share one.

    Raises:
        ModelError, BackendError, Cancelled: see ``open_engine``.
    """
    (denoiser,), codec = _open(config, 1, progress, cancel)
    return denoiser, codec


def _open(
    config: EngineConfig, n: int, progress: ProgressListener | None, cancel: CancelToken | None
) -> tuple[Sequence[AnyDenoiser], TokenCodec]:
    """One model as several denoisers."""
    if config.is_fake:
        fakes = [FakeDenoiser.from_name(config.model) for _ in range(n)]
        return fakes, fakes[0].codec
    from engine.models.loading import load_denoisers  # noqa: PLC0415  (ONNX Runtime comes with a real model)

    return load_denoisers(config, n, progress=progress, cancel=cancel)


def is_here(config: EngineConfig) -> bool:
    """Whether the model of a configuration can be loaded with nothing to fetch or assemble.

    Raises:
        ModelNotFoundError: there is no such model.
    """
    if config.is_fake:
        return True
    from engine.models.loading import artifact_here  # noqa: PLC0415  (as in ``open_denoiser``)

    return artifact_here(config) is not None


def _check(request: FillRequest) -> None:
    if not 1 <= request.n_holes <= MAX_HOLES:
        raise UsageError(f"{request.n_holes} holes", f"A request takes 1 to {MAX_HOLES} of them.")
    if request.max_tokens < 1:
        raise UsageError(f"max_tokens is {request.max_tokens}", "Ask for at least 1.")


def _result(filled: list[Filled], ms: float) -> FillResult:
    refusals = [
        EARLY.get(hole.denoised.stopped, hole.refusal) if hole.refusal == NOTHING_TO_ADD else hole.refusal
        for hole in filled
        if hole.refusal
    ]
    early = [EARLY[hole.denoised.stopped] for hole in filled if hole.denoised.stopped in EARLY]
    work = sum((hole.work for hole in filled), Work())
    return FillResult(
        status="refused" if len(refusals) == len(filled) else "ok",
        fills=tuple(hole.text for hole in filled),
        confidence=tuple(round(hole.denoised.confidence, 4) for hole in filled),
        reason=next(iter(refusals + early), None),
        tokens=sum(len(hole.denoised.tokens) for hole in filled),
        forwards=work.forwards,
        context_forwards=work.context_forwards,
        rows=work.rows,
        ms=ms,
        context_tokens=work.context_tokens,
        cached_tokens=work.cached_tokens,
        alternatives=filled[0].alternatives,
        shortened=any(hole.shortened for hole in filled),
    )
