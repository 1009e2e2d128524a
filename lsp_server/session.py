"""What the editor has told so far → whether and with what to answer it.

Holds the folders with their settings, the engine and its worker, and what was suggested; takes one
immutable snapshot of a document for each request. Knows no wire format: positions are characters here,
and what is sent goes out through the two callbacks.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from engine.config import EngineConfig
from lsp_server import analysis, from_lsp, ledger, settings
from lsp_server.documents import Document
from lsp_server.effort import Effort
from lsp_server.host import EngineHost, Opener, Status, artifact_directory, open_real
from lsp_server.ledger import Ledger
from lsp_server.options import Options, Report
from lsp_server.related import Around, RelatedFiles
from lsp_server.rhythm import Rhythm
from lsp_server.scheduler import Scheduler
from lsp_server.settings import Settings
from lsp_server.settled import Settled
from lsp_server.suggestions import Outcome, Shown, Suggestions

MAX_DOCUMENT_CHARS = 5_000_000
MAX_RIGHT_CHARS = 8
MAX_RECENT = 2
"""How many files that were edited lately count as related."""

WRITE_SECONDS = 10.0
"""From something to count to its being written: a file is not touched at every key."""

_CLOSERS = frozenset(")]}\"';,` \t")
_LINE_END = re.compile(r"[\r\n]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Folder:
    """One workspace folder.

    Attributes:
        uri: as the client wrote it.
        configured: what the client says for this folder alone.
        settings: what holds for the files in it.
    """

    uri: str
    configured: Options = field(default_factory=Options)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at one moment, with what holds for it.

    Attributes:
        key: names the document, however its URI is escaped.
        version: counts the document's changes.
        text: all of it.
        language: LSP language identifier.
        path: as ``from_lsp.path_key`` makes it.
        inside: the path relative to its folder, or the whole path outside all folders.
        settings: of its folder.
    """

    key: str
    version: int | None
    text: str
    language: str
    path: str
    inside: PurePosixPath
    settings: Settings

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.inside.name

    @property
    def newline(self) -> str:
        """The line end the document uses: CRLF where its first line does."""
        first = self.text.find("\n")
        return "\r\n" if first > 0 and self.text[first - 1] == "\r" else "\n"


class Session:
    """The state of one client's connection. Used from the event loop's thread only.

    Args:
        environ: the environment variables.
        command_line: what ``unmask serve`` was told; wins over everything else.
        report: told, in one line, what the user should know about their settings.
        on_status: told each new status of the engine, on any thread.
        opener: opens engines.
        documents: all that are open.
        watch: told which other files matter to the open ones.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        command_line: Options,
        report: Report,
        on_status: Callable[[Status], None],
        opener: Opener = open_real,
        documents: Callable[[], Iterable[Document]] = tuple,
        watch: Callable[[frozenset[Path]], object] | None = None,
    ) -> None:
        self.scheduler = Scheduler()
        self.host = EngineHost(opener, self.scheduler, on_status)
        self.suggestions = Suggestions(on_outcome=self._note)
        self.settled = Settled()
        self.related = RelatedFiles(watch)
        self._documents = documents
        self._edited: OrderedDict[str, None] = OrderedDict()
        self.rhythm = Rhythm()
        self.effort = Effort()
        self._ledger = Ledger(ledger.file(environ))
        self._background: asyncio.Task[None] | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._environ = environ
        self._command_line = command_line
        self._report = report
        self._initial = Options()
        self._configured = Options()
        self._folders: dict[str, Folder] = {}
        self._elsewhere = Settings()
        self._newest: dict[str, int] = {}
        self._started = False
        self._loaded: EngineConfig | None = None

    # Settings.

    @property
    def elsewhere(self) -> Settings:
        """The settings of files outside all folders."""
        return self._elsewhere

    @property
    def folders(self) -> Mapping[str, Folder]:
        """The workspace folders by ``from_lsp.path_key``."""
        return self._folders

    def set_folders(self, uris: Iterable[str]) -> None:
        """Take the workspace folders as they are now, and read their settings."""
        keyed = {from_lsp.path_key(uri).rstrip("/"): uri for uri in uris}
        self._folders = {key: self._folders.get(key, Folder(uri)) for key, uri in keyed.items()}
        self.refresh()

    def set_initial(self, options: Options) -> None:
        """Take the client's ``initializationOptions``."""
        self._initial = options

    def configure(self, everywhere: Options, by_folder: Mapping[str, Options]) -> None:
        """Take the client's configuration, and by folder key what it says for a folder alone."""
        self._configured = everywhere
        for key, folder in self._folders.items():
            folder.configured = by_folder.get(key, Options())
        self.refresh()

    def refresh(self) -> None:
        """Read all settings again; open another engine where they ask for one."""
        self._elsewhere = self._load(None, Options())
        for folder in self._folders.values():
            folder.settings = self._load(from_lsp.directory(folder.uri), folder.configured)
        if self._started:
            self._follow()

    def settings_for(self, path: str) -> Settings:
        """The settings of a file: those of the innermost folder that holds it."""
        key = self._folder_of(path)
        return self._elsewhere if key is None else self._folders[key].settings

    # The engine.

    def start(self) -> None:
        """Start opening the engine the settings ask for."""
        self._started = True
        self._follow()

    def reload(self) -> None:
        """Read all settings again and open the engine anew, whether or not they changed."""
        self._loaded = None
        self.refresh()

    def engine_changed(self) -> None:
        """Another engine answers: what the old one suggested says nothing of it."""
        self.suggestions.forget()

    def close(self, timeout_s: float) -> bool:
        """End all work; whether its threads have ended within about ``timeout_s`` seconds."""
        self._write_ledger()
        if self._background is not None:
            self._background.cancel()
        self.host.close(0)
        worker = self.scheduler.close(timeout_s)
        return self.host.close(timeout_s) and worker

    def watched(self) -> frozenset[Path]:
        """The files whose change means ``reload`` or ``refresh``; they need not exist."""
        user = settings.user_file(self._environ)
        files = set() if user is None else {user}
        for folder in self._folders.values():
            directory = from_lsp.directory(folder.uri)
            if directory is not None:
                files |= {*settings.project_files(directory)}
        artifact = artifact_directory(self._loaded) if self._loaded else None
        return frozenset(files | ({artifact / "manifest.json"} if artifact else set()))

    # Documents.

    def snapshot(self, document: Document) -> Snapshot:
        """A document as it is now. Surrogates without a partner, which no encoding can hold, are replaced."""
        text = document.source
        if not text.isascii():
            text = _LONE_SURROGATE.sub("\ufffd", text)
        path = from_lsp.path_key(document.uri)
        folder = self._folder_of(path)
        inside = PurePosixPath(path if folder is None else path[len(folder) + 1 :])
        language = analysis.language_of(document.language_id or "", path)
        key = from_lsp.document_key(document.uri)
        return Snapshot(key, document.version, text, language, path, inside, self.settings_for(path))

    def edited(self, document: Document) -> None:
        """A document was changed: of all it is the one that was edited last."""
        path = from_lsp.path_key(document.uri)
        self._edited[path] = None
        self._edited.move_to_end(path)
        while len(self._edited) > 2 * MAX_RECENT:
            self._edited.popitem(last=False)

    def around(self, snapshot: Snapshot) -> Around | None:
        """What other files a document may go by; None outside all folders, and where that is turned off."""
        folder = self._folder_of(snapshot.path)
        root = None if folder is None else from_lsp.directory(self._folders[folder].uri)
        if folder is None or root is None or not snapshot.settings.context_files:
            return None
        texts: dict[PurePosixPath, tuple[str, str]] = {}
        for document in self._documents():
            path = from_lsp.path_key(document.uri)
            if self._folder_of(path) == folder:
                language = analysis.language_of(document.language_id or "", path)
                texts[PurePosixPath(path[len(folder) + 1 :])] = (document.source, language)
        recent = [PurePosixPath(path[len(folder) + 1 :]) for path in reversed(self._edited)]
        alike = (path for path in recent if texts.get(path, ("", ""))[1] == snapshot.language)
        others = [path for path in alike if path != snapshot.inside]
        return Around(root, snapshot.settings.excludes, texts, tuple(others[:MAX_RECENT]))

    def text_changed(self, key: str) -> None:
        """A document has changed: what is being computed for it is for a text that is gone."""
        self.rhythm.key_pressed(key)
        self.scheduler.outdate(key)

    def forget(self, key: str) -> None:
        """A document was closed: end its work."""
        self.scheduler.cancel(key)
        self.rhythm.forget(key)
        self.suggestions.forget(key)
        self.settled.forget(key)
        self._newest.pop(key, None)

    def silent_because(self, snapshot: Snapshot) -> str | None:
        """Why this document gets no answer at all; None where it does."""
        return next(self._reasons(snapshot), None)

    def quiet_because(self, snapshot: Snapshot, before: str, after: str) -> str | None:
        """Why nothing is suggested between two texts without being asked for; None where it is."""
        if snapshot.settings.manual_only:
            return "suggestions are given only when asked for"
        right = _LINE_END.split(after, 1)[0]
        if sum(char not in _CLOSERS for char in right) > MAX_RIGHT_CHARS:
            return "the cursor is inside a line"
        return None

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for; the one before is given up."""
        if self._background is not None:
            self._background.cancel()
        self._background = asyncio.get_running_loop().create_task(work)

    def newest_request(self, key: str) -> int:
        """Note a request for a suggestion: older ones of the document are answered empty."""
        self.scheduler.supersede(key)
        self._newest[key] = self._newest.get(key, 0) + 1
        return self._newest[key]

    def is_newest(self, key: str, ticket: int) -> bool:
        """Whether no request came after the one that ``newest_request`` gave this number."""
        return self._newest.get(key) == ticket

    def _note(self, outcome: Outcome, shown: Shown) -> None:
        """Learn what became of a suggestion, and count it where that is wanted."""
        if outcome == "rejected":
            self.rhythm.rejected()
        elif outcome in ("accepted", "partly accepted"):
            self.rhythm.accepted()
        if not self.settings_for(from_lsp.path_of(shown.key)).stats:
            return
        self._ledger.note(shown.language, outcome)
        if outcome == "accepted":
            self._ledger.note(shown.language, "accepted chars", len(shown.insert))
        if self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(WRITE_SECONDS, self._write_ledger)

    def _write_ledger(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        self._ledger.write()

    def _reasons(self, snapshot: Snapshot) -> Iterator[str]:
        held = snapshot.settings
        if not held.enabled:
            yield "Unmask is turned off"
        if not held.allows_language(snapshot.language):
            yield f"Unmask is turned off for {snapshot.language}"
        if held.excludes(snapshot.inside):
            yield f"{snapshot.name} is excluded"
        if len(snapshot.text) > MAX_DOCUMENT_CHARS:
            yield f"{snapshot.name} is larger than {MAX_DOCUMENT_CHARS // 1_000_000} MB"
        if self.host.status.state != "ready":
            yield self.host.status.message
        elif analysis.is_secret(snapshot.path):  # last: what it imports is there once an engine is
            yield f"{snapshot.name} may hold secrets"

    def _folder_of(self, path: str) -> str | None:
        inside = [key for key in self._folders if path.startswith(key + "/")]
        return max(inside, key=len, default=None)

    def _load(self, directory: Path | None, folder: Options) -> Settings:
        return settings.load(
            directory,
            self._environ,
            self._report,
            self._initial,
            self._configured,
            folder,
            self._command_line,
        )

    def _follow(self) -> None:
        """Make the engine the one the settings ask for: the first folder's that is not turned off."""
        held = [folder.settings for folder in self._folders.values()] or [self._elsewhere]
        wanted = [each.engine for each in held if each.enabled]
        if not wanted:
            if self._loaded is not None:
                self._loaded = None
                self.host.unload()
            return
        if len(set(wanted)) > 1:
            self._report(
                "The workspace's folders ask for different models, devices or contexts; "
                f"all use {wanted[0].model}, as the first one says."
            )
        if wanted[0] != self._loaded:
            self._loaded = wanted[0]
            self.host.load(wanted[0])
