"""The language server of one client: pygls's server with a session and our features, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from pygls.capabilities import get_capability
from pygls.lsp.server import LanguageServer

from lsp_server import transport
from lsp_server.documents import Document, Workspace
from lsp_server.errors import is_refusal
from lsp_server.features import (
    code_action,
    completion,
    configuration,
    execute_command,
    inline_completion,
    sync,
)
from lsp_server.host import Opener, Status, open_real
from lsp_server.options import Options
from lsp_server.protocol import Protocol
from lsp_server.session import Session
from lsp_server.status import Announcer
from lsp_server.watcher import Watcher

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 3.0
"""How often it is looked whether the editor is still there."""


class Server(LanguageServer):
    """A connection to one client.

    Attributes:
        session: what the client has told, and the engine.
        announcer: what is told to the client without being asked.
        watcher: the settings files and the model.
        related_watcher: the files that open documents go by.
        asked: how often the client was asked for its settings.
        answered: which of these questions its settings are the answer to; 0 for none.
    """

    protocol: Protocol

    def __init__(
        self,
        command_line: Options | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        opener: Opener = open_real,
    ) -> None:
        # One thread of pygls's pool reads the standard input; nothing else runs in it.
        super().__init__("unmask", _version(), protocol_cls=Protocol, max_workers=1)
        self.announcer = Announcer(self)
        self.asked = 0
        self.answered = 0
        self.session = Session(
            environ=os.environ if environ is None else environ,
            command_line=command_line or Options(),
            report=self.announcer.warn,
            on_status=self.announcer.status,
            opener=opener,
            documents=self._open_documents,
            watch=self._watch_related,
        )
        self._following: asyncio.Task[None] | None = None
        self.watcher = Watcher(
            lambda names: self.announcer.on_loop(lambda: configuration.files_changed(self, names))
        )
        self.related_watcher = Watcher(self.session.related.forget)
        for feature in (inline_completion, completion, code_action, execute_command, sync, configuration):
            feature.register(self)

    @property
    def documents(self) -> Workspace:
        """The open documents; there are none before ``initialize``."""
        return self.protocol.documents()

    def _open_documents(self) -> list[Document]:
        return self.documents.open_documents()

    def _watch_related(self, files: frozenset[Path]) -> None:
        self.related_watcher.watch(files)

    def follow(self, process_id: int | None) -> None:
        """End with a process, that of the editor. On the event loop's thread."""
        if process_id is not None:
            self._following = asyncio.get_running_loop().create_task(self._leave_with(process_id))

    async def _leave_with(self, process_id: int) -> None:
        import psutil  # noqa: PLC0415 - `initialize` need not wait for it

        try:
            editor = psutil.Process(process_id)
        except psutil.Error:  # it was never there: its number is from outside this container
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            while editor.is_running() and editor.status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(FOLLOW_SECONDS)
        log.info("the editor (process %d) is gone", process_id)
        self.close(0)
        transport.leave(1)

    def client_supports(self, capability: str) -> bool:
        """Whether the client declares a capability, such as ``window.work_done_progress``."""
        return bool(get_capability(self.client_capabilities, capability))

    def engine_changed(self, status: Status) -> None:
        """Take note that another engine answers, or none."""
        self.session.engine_changed()
        self.watcher.watch(self.session.watched())

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log what went wrong, answer it where nobody else does, and show the user nothing."""
        level = logging.INFO if is_refusal(error) else logging.ERROR
        log.log(level, "%s: %s", getattr(source, "__name__", source), error)
        self.protocol.refuse_unreadable(error)

    def close(self, timeout_s: float) -> bool:
        """End all work; whether its threads have ended within about ``timeout_s`` seconds."""
        watchers = [watcher.close(timeout_s) for watcher in (self.watcher, self.related_watcher)]
        return self.session.close(timeout_s) and all(watchers)


def _version() -> str:
    try:
        return metadata.version("unmask")
    except metadata.PackageNotFoundError:
        return "0+source"
