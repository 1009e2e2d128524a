"""An engine configuration → an engine that answers, and what state that is in.

    off ──load──▶ loading ──▶ ready ──load──▶ (ready, the old engine answering) ──▶ ready
                     └──▶ failed ──load──▶ loading

Engines are opened on a thread of their own, so that the one in use goes on answering; the new one takes
its place between two requests, and the old one is closed by the worker. Knows nothing of LSP.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from engine.config import EngineConfig
from engine.errors import Cancelled, UnmaskError
from engine.types import (
    CancelToken,
    EditRequest,
    EditResult,
    FillRequest,
    FillResult,
    FrameListener,
    ModelInfo,
    Progress,
    ProgressListener,
)
from engine.weights.named import directory_of
from lsp_server.scheduler import Scheduler

log = logging.getLogger(__name__)

State = Literal["off", "loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """What the engine is doing, as ``unmask/status`` tells it.

    Attributes:
        state: ``off``, ``loading``, ``ready`` or ``failed``.
        message: one line for people: what is loaded or being done, or why nothing is.
        model: the model's name; None where the engine is off.
        percent: how much of the loading is done, 0 to 100; None where that is not known.
        reloading: a newer engine is being opened while this one answers.
        failure: why the engine asked for last cannot be used; None where it can.
    """

    state: State
    message: str
    model: str | None = None
    percent: int | None = None
    reloading: bool = False
    failure: str | None = None


class Answering(Protocol):
    """What the server asks of an engine."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        ...

    def fill(
        self,
        request: FillRequest,
        *,
        cancel: CancelToken | None = None,
        on_frame: FrameListener | None = None,
    ) -> FillResult:
        """Fill the holes of a request; raises ``Cancelled`` one pass after it is asked to stop."""
        ...

    def edit(
        self,
        request: EditRequest,
        *,
        cancel: CancelToken | None = None,
        on_frame: FrameListener | None = None,
    ) -> EditResult:
        """Change a text that stands already; raises ``Cancelled`` one pass after it is asked to stop."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


class Opener(Protocol):
    """How an engine is opened: ``engine.engine.open_engine``, or a stand-in."""

    def __call__(
        self, config: EngineConfig, *, progress: ProgressListener | None, cancel: CancelToken | None
    ) -> Answering:
        """Open an engine; raises ``UnmaskError`` where that cannot be done."""
        ...


def open_real(
    config: EngineConfig, *, progress: ProgressListener | None, cancel: CancelToken | None
) -> Answering:
    """Open the engine a configuration names; imports it when called.

    Raises:
        UnmaskError: it cannot be opened.
    """
    from engine.engine import open_engine  # noqa: PLC0415 - `initialize` is answered before numpy is loaded

    return open_engine(config, progress=progress, cancel=cancel)


class EngineHost:
    """Holds the engine in use and opens the next one.

    Args:
        opener: opens an engine; called on a thread of its own.
        scheduler: the worker thread, which closes engines that are replaced.
        on_status: told each new status, on whichever thread made it.
    """

    def __init__(self, opener: Opener, scheduler: Scheduler, on_status: Callable[[Status], None]) -> None:
        self._opener = opener
        self._scheduler = scheduler
        self._on_status = on_status
        self._lock = threading.Lock()
        self._engine: Answering | None = None
        self._loading: CancelToken | None = None
        self._loader: threading.Thread | None = None
        self.status = Status("off", "No model is loaded.")

    @property
    def engine(self) -> Answering | None:
        """The engine in use. To be used by the worker thread only."""
        return self._engine

    def load(self, config: EngineConfig) -> None:
        """Start opening an engine; one that is being opened is given up."""
        token = CancelToken()
        with self._lock:
            if self._loading is not None:
                self._loading.cancel()
            self._loading = token
        self._tell(self._progressed(config, Progress("starting", 0)))
        self._loader = threading.Thread(
            target=self._open, args=(config, token), name="unmask-loader", daemon=True
        )
        self._loader.start()

    def unload(self) -> None:
        """Give up the engine in use and the one being opened."""
        with self._lock:
            if self._loading is not None:
                self._loading.cancel()
            self._loading = None
            self._take(None)
        self._tell(Status("off", "Unmask is turned off in the settings."))

    def close(self, timeout_s: float) -> bool:
        """Give up loading.

        Returns:
            Whether the loading thread has ended within ``timeout_s`` seconds.
        """
        with self._lock:
            if self._loading is not None:
                self._loading.cancel()
        if self._loader is None:
            return True
        self._loader.join(timeout_s)
        return not self._loader.is_alive()

    def _open(self, config: EngineConfig, token: CancelToken) -> None:
        def progress(step: Progress) -> None:
            token.check()
            self._tell(self._progressed(config, step))

        try:
            engine = self._opener(config, progress=progress, cancel=token)
        except Cancelled:
            return
        except UnmaskError as error:
            self._failed(config, token, str(error))
        except Exception as error:
            log.exception("opening the model %s failed", config.model)
            self._failed(config, token, f"internal error: {type(error).__name__}: {error}")
        else:
            with self._lock:
                wanted = self._loading is token and not token.cancelled
                if wanted:
                    self._loading = None
                    self._take(engine)
            if not wanted:
                engine.close()
                return
            info = engine.info
            self._tell(Status("ready", f"{info.name} on {info.provider}.", info.name))

    def _take(self, engine: Answering | None) -> None:
        old, self._engine = self._engine, engine
        if old is not None:
            # The worker has left the old engine when it comes to this job; work after it takes the new one.
            self._scheduler.submit(lambda _: old.close(), key=None, typing=False)

    def _failed(self, config: EngineConfig, token: CancelToken, reason: str) -> None:
        with self._lock:
            if self._loading is not token:
                return
            self._loading = None
        log.error("%s", reason)
        engine = self._engine
        if engine is None:
            self._tell(Status("failed", reason, config.model, failure=reason))
        else:
            name = engine.info.name
            message = f"{name} stays in use, the new model cannot be used: {reason}"
            self._tell(Status("ready", message, name, failure=message))

    def _progressed(self, config: EngineConfig, step: Progress) -> Status:
        percent = min(100, 100 * step.done // step.total) if step.total else None
        message = f"Loading {config.model}: {step.stage}"
        if self._engine is not None:
            return Status("ready", message, self._engine.info.name, percent, reloading=True)
        return Status("loading", message, config.model, percent)

    def _tell(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._on_status(status)


def artifact_directory(config: EngineConfig) -> Path | None:
    """Where the artifact a configuration names lies on this machine; None where it does not (yet)."""
    from engine.weights.store import ModelStore  # noqa: PLC0415 - as in ``open_real``

    with contextlib.suppress(UnmaskError, OSError):
        place = directory_of(config.model)
        if place is None or not place.is_dir():
            place = ModelStore(config.cache_dir).artifact_dir(config.model)
        if place.is_dir():
            return place
    return None
