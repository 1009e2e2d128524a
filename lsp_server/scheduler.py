"""Work for the engine → its results, one piece at a time on one thread.

Three kinds of work. *Typing* work belongs to a document, and the newest wins: a new piece takes the place
of an older one, waiting or running. *Explicit* work is done in order, goes before waiting typing work,
and typing never displaces it. *Spare* work is typing work that nobody waits for: it is done when nothing
else is, and dropped as soon as anything else comes. Every piece carries a cancel token that the engine polls
at each pass, so the thread is free again one pass after a piece is cancelled. Knows nothing of LSP or of
what is computed.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from engine.errors import Cancelled
from engine.types import CancelToken
from lsp_server.errors import Superseded

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """One piece of work and what becomes of it.

    Attributes:
        work: called on the worker thread with the token.
        key: the document it belongs to; None for housekeeping.
        typing: whether newer work for the same document takes its place.
        spare: whether any other work takes its place.
        token: asks it to stop.
        future: its result; raises ``Cancelled`` or ``Superseded`` where it was stopped.
    """

    work: Callable[[CancelToken], T]
    key: str | None
    typing: bool
    spare: bool = False
    token: CancelToken = field(default_factory=CancelToken)
    future: Future[T] = field(default_factory=Future)
    superseded: bool = False


class Scheduler:
    """The one worker thread. ``submit`` may be called from any thread, ``run`` from a running event loop."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._explicit: deque[Job[Any]] = deque()
        self._typing: deque[Job[Any]] = deque()
        self._spare: deque[Job[Any]] = deque()
        self._running: Job[Any] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    async def run(
        self, work: Callable[[CancelToken], T], *, key: str | None, typing: bool, spare: bool = False
    ) -> T:
        """Have work done and wait for its result.

        Cancelling the waiting task cancels the work. With ``typing``, older typing work of the same
        document is superseded; so it is by explicit work.

        Raises:
            Superseded: newer work took its place.
            Cancelled: it was cancelled otherwise, as by closing the document.
        """
        job = self.submit(work, key=key, typing=typing, spare=spare)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            self._stop(job)
            raise

    def submit(
        self, work: Callable[[CancelToken], T], *, key: str | None, typing: bool, spare: bool = False
    ) -> Job[T]:
        """Queue work and return at once."""
        job = Job(work, key, typing, spare)
        with self._lock:
            self._drop_spare()
            if key is not None and not spare:
                self._supersede(key)
            if self._closed:
                job.future.set_exception(Cancelled())
                return job
            (self._spare if spare else self._typing if typing else self._explicit).append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="unmask-engine", daemon=True)
                self._thread.start()
            self._lock.notify()
        return job

    def supersede(self, key: str) -> None:
        """Drop the typing work of a document: what it was asked for has changed."""
        with self._lock:
            self._supersede(key)

    def outdate(self, key: str) -> None:
        """Drop the typing work of a document that has changed, and cancel what was asked of it as it was."""
        self.supersede(key)
        with self._lock:
            jobs = [job for job in self._jobs() if job.key == key and not job.typing]
        for job in jobs:
            self._stop(job)

    def cancel(self, key: str) -> None:
        """Cancel all work of a document."""
        with self._lock:
            jobs = [job for job in self._jobs() if job.key == key]
        for job in jobs:
            self._stop(job)

    def close(self, timeout_s: float) -> bool:
        """Cancel everything and end the thread.

        Returns:
            Whether the thread has ended within ``timeout_s`` seconds.
        """
        with self._lock:
            self._closed = True
            jobs = self._jobs()
            self._lock.notify()
        for job in jobs:
            self._stop(job)
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _jobs(self) -> list[Job[Any]]:
        return [*self._explicit, *self._typing, *self._spare, *([self._running] if self._running else [])]

    def _supersede(self, key: str) -> None:
        for job in self._jobs():
            if job.typing and job.key == key:
                job.superseded = True
                self._stop(job)

    def _drop_spare(self) -> None:
        for job in self._jobs():
            if job.spare:
                job.superseded = True
                self._stop(job)

    def _stop(self, job: Job[Any]) -> None:
        """Ask a job to stop; one that waits is answered at once, a running one at its next pass."""
        job.token.cancel()
        with self._lock:
            for queue in (self._explicit, self._typing, self._spare):
                if job in queue:
                    queue.remove(job)
                    _settle(job, _end(job))

    def _next(self) -> Job[Any] | None:
        with self._lock:
            self._running = None
            while not ((queue := self._explicit or self._typing or self._spare) or self._closed):
                self._lock.wait()
            if queue:
                self._running = queue.popleft()
            return self._running

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.token.check()
                result = job.work(job.token)
                job.token.check()
            except Cancelled:
                _settle(job, _end(job))
            except Exception as error:
                _settle(job, error)
            else:
                _settle(job, result=result)
            del job  # the text it holds need not wait for the next one


def _end(job: Job[Any]) -> Exception:
    return Superseded() if job.superseded else Cancelled()


def _settle(job: Job[T], error: Exception | None = None, result: T | None = None) -> None:
    """Give a job its end, unless the one who waited has cancelled it meanwhile."""
    with contextlib.suppress(InvalidStateError):
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(cast("T", result))
