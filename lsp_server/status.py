"""The engine's state and the progress of work → what the user sees of them.

``unmask/status`` for clients that show it, the protocol's own progress for those that show that, and a
message, once for each text, for what a user has to know. Knows nothing of what the work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from lsprotocol import types

from lsp_server import to_lsp
from lsp_server.host import Status

if TYPE_CHECKING:
    from lsp_server.server import Server

log = logging.getLogger(__name__)

STATUS = "unmask/status"


class WorkDone:
    """One progress of the protocol; shows nothing where the client shows none. On the event loop's thread.

    Args:
        server: the connection.
        title: what is being done.
        token: the client's own token for it; None has one created, where the client can.
        on_cancel: called where the user cancels it; None makes it one that cannot be cancelled.
    """

    def __init__(
        self,
        server: Server,
        title: str,
        token: types.ProgressToken | None = None,
        on_cancel: Callable[[], object] | None = None,
    ) -> None:
        self._progress = server.work_done_progress
        self._title = title
        self._token = token
        self._on_cancel = on_cancel
        self._begun = False
        self._ended = False
        self._percent: int | None = None
        if token is not None:
            self._begin()
        elif server.client_supports("window.work_done_progress"):
            self._token = str(uuid.uuid4())
            created = self._progress.create(self._token)
            created.add_done_callback(lambda future: self._created(accepted=_succeeded(future)))

    def report(self, message: str, percent: int | None = None) -> None:
        """Say how far it is; a percentage that goes back is not shown."""
        if not self._begun or self._ended or self._token is None:
            return
        if percent is not None and (self._percent is None or percent > self._percent):
            self._percent = percent
        self._progress.report(
            self._token, types.WorkDoneProgressReport(message=message, percentage=self._percent)
        )

    def end(self, message: str | None = None) -> None:
        """Say that it is over."""
        if self._begun and not self._ended and self._token is not None:
            self._progress.end(self._token, types.WorkDoneProgressEnd(message=message))
            self._progress.tokens.pop(self._token, None)
        self._ended = True

    def _created(self, *, accepted: bool) -> None:
        if accepted and not self._ended:
            self._begin()
        elif self._token is not None:  # it was over before the client had answered
            self._progress.tokens.pop(self._token, None)

    def _begin(self) -> None:
        assert self._token is not None
        self._begun = True
        self._progress.begin(
            self._token,
            types.WorkDoneProgressBegin(title=self._title, cancellable=self._on_cancel is not None),
        )
        if self._on_cancel is not None:
            stop = self._on_cancel
            self._progress.tokens[self._token].add_done_callback(lambda _: stop())


class Announcer:
    """Tells the client about the engine, and the user about what they should know.

    Args:
        server: the connection.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: WorkDone | None = None
        self._said: set[str] = set()
        self._unsaid: list[str] = []

    def connect(self) -> None:
        """The client may be spoken to from now on."""
        self._loop = asyncio.get_running_loop()
        for message in self._unsaid:
            self.warn(message)
        self._unsaid.clear()

    def on_loop(self, call: Callable[[], object]) -> None:
        """Have something done on the event loop's thread; from any thread; nothing once it is closed."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(call)

    def warn(self, message: str) -> None:
        """Show a message, once however often it is said. On the event loop's thread."""
        if self._loop is None:
            self._unsaid.append(message)
        elif message not in self._said:
            self._said.add(message)
            log.warning("%s", message)
            self._server.window_show_message(
                types.ShowMessageParams(type=types.MessageType.Warning, message=f"Unmask: {message}")
            )

    def status(self, status: Status) -> None:
        """Tell a new status of the engine, from any thread."""
        self.on_loop(lambda: self._status(status))

    def _status(self, status: Status) -> None:
        log.info("%s: %s", status.state, status.message)
        self._server.protocol.notify(STATUS, to_lsp.status(status))
        if status.state == "loading" or status.reloading:
            if self._work is None:
                self._work = WorkDone(self._server, "Unmask")
            self._work.report(status.message, status.percent)
            return
        if self._work is not None:
            self._work.end(status.message)
            self._work = None
        if status.failure is not None:
            self.warn(status.failure)
        self._server.engine_changed(status)


def _succeeded(future: Future[None]) -> bool:
    return not future.cancelled() and future.exception() is None
