"""An editor with a cursor and nobody before it: strokes → what an editor sends, and what it would show.

Every change is a ``didChange`` and a request for ghost text; a request under way is cancelled by the next, as
editors do. Notes what came of each. Knows the protocol; nothing of where strokes come from.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from engine.errors import BackendError
from lsp_server.cli.keystrokes import Part, Sample, Stroke

_START_SECONDS = 600.0
_ANSWER_SECONDS = 30.0
_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
_LEAST_CHARS = 2
"""Nobody takes a suggestion shorter than that: typing it is faster."""


@dataclass(slots=True)
class Seen:
    """What an editor has seen.

    Attributes:
        keys: changes of the text, taken suggestions among them.
        ghost_ms: from each ``didChange`` that was answered with ghost text to the answer.
        waited_ms: the same, of changes after which there was a pause.
        counts: ``waited`` (changes before a pause), ``empty``, ``cancelled`` and ``late`` answers,
            ``suggestions``, ``accepted``, ``accepted words``, ``accepted chars``.
    """

    keys: int = 0
    ghost_ms: list[float] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Editor:
    """An editor over a server process of its own. Used within one event loop.

    Args:
        pace: what all intervals are multiplied by; 1 is a person's.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.seen = Seen()
        self._pace = pace
        self._client = LanguageClient("unmask-replay", "1")
        self._ready = asyncio.Event()
        self._failure: str | None = None
        self._texts: dict[str, str] = {}
        self._versions: Counter[str] = Counter()
        self._uri, self._at_char = "", 0
        self._ghost: types.InlineCompletionItem | None = None
        self._shown: set[object] = set()
        self._pending: asyncio.Task[None] | None = None
        self._n_asked = 0
        # A function, as pygls writes its mark on it, which a method does not take.
        self._client.feature("unmask/status")(lambda told: self._hear_status(told))  # noqa: PLW0108

    async def start(self, options: Mapping[str, Any]) -> int:
        """Start the server and wait for the model.

        Args:
            options: its ``initializationOptions``.

        Returns:
            the process's id.

        Raises:
            BackendError: it has no model.
        """
        await self._client.start_io(sys.executable, "-I", "-m", "lsp_server")
        capabilities = types.ClientCapabilities(
            text_document=types.TextDocumentClientCapabilities(
                inline_completion=types.InlineCompletionClientCapabilities()
            )
        )
        await self._client.initialize_async(
            types.InitializeParams(capabilities=capabilities, initialization_options=dict(options))
        )
        self._client.initialized(types.InitializedParams())
        await asyncio.wait_for(self._ready.wait(), _START_SECONDS)
        server = self._client._server
        if self._failure is not None or server is None:
            raise BackendError(self._failure or "the server did not start", "Run `unmask doctor`.")
        return server.pid

    async def stop(self) -> None:
        """End the server."""
        with contextlib.suppress(Exception):  # it may have left already
            await asyncio.wait_for(self._client.shutdown_async(None), _ANSWER_SECONDS)
            self._client.exit(None)
            stopped = self._client.stop()  # type: ignore[no-untyped-call]  # pygls says nothing of its result
            await asyncio.wait_for(stopped, _ANSWER_SECONDS)

    async def work(self) -> dict[str, int]:
        """What the server has done so far."""
        params = types.ExecuteCommandParams(command="unmask.status")
        told: Any = await self._client.workspace_execute_command_async(params)
        return dict(told["work"])

    def open(self, sample: Sample) -> None:
        """Open a file."""
        uri = _uri(sample)
        self._texts[uri], self._versions[uri] = sample.text, 1
        item = types.TextDocumentItem(uri=uri, language_id=sample.language, version=1, text=sample.text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))

    async def work_on(self, sample: Sample, part: Part) -> None:
        """Move to a place and do what is done there."""
        self._uri, self._at_char, self._ghost = _uri(sample), part.at_char, None
        self._ask(waits=False)
        n_taken = 0  # characters that stand already since a suggestion was taken
        for number, stroke in enumerate(part.strokes):
            if n_taken and (stroke.kind != "type" or stroke.slip):
                continue
            text, n_taken = stroke.text[n_taken:], max(0, n_taken - len(stroke.text))
            if stroke.kind == "type" and not text:
                continue
            await asyncio.sleep(stroke.after_seconds * self._pace)
            rest = part.strokes[number + 1 :]
            if stroke.kind == "type":
                self._change(text, waits=bool(rest) and rest[0].kind == "pause")
            elif stroke.kind == "delete":
                self._change("", n_deleted=1)
            elif stroke.kind == "accept":
                n_taken = await self._take(_ahead(rest))
        if self._pending is not None:
            await asyncio.wait([self._pending], timeout=_ANSWER_SECONDS)

    def _hear_status(self, told: Any) -> None:
        if told.state == "failed":
            self._failure = str(told.message)
        if told.state in ("ready", "failed"):
            self._ready.set()

    def _change(self, text: str, *, n_deleted: int = 0, waits: bool = False) -> None:
        """One change at the cursor, and the request that follows it."""
        whole, at_char = self._texts[self._uri], self._at_char
        start = at_char - n_deleted
        self._versions[self._uri] += 1
        self._texts[self._uri] = whole[:start] + text + whole[at_char:]
        self._at_char, self._ghost = start + len(text), None
        self.seen.keys += 1
        change = types.TextDocumentContentChangePartial(
            types.Range(_position(whole, start), _position(whole, at_char)), text
        )
        identifier = types.VersionedTextDocumentIdentifier(self._versions[self._uri], self._uri)
        begun = time.perf_counter()
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        self._ask(waits=waits, begun=begun)

    def _ask(self, *, waits: bool, begun: float | None = None) -> None:
        if self._pending is not None and not self._pending.done():
            told = types.CancelParams(id=f"ghost-{self._n_asked}")
            self._client.protocol.notify(types.CANCEL_REQUEST, told)
        self._n_asked += 1
        self.seen.counts["waited"] += waits
        self._pending = asyncio.create_task(self._hear(f"ghost-{self._n_asked}", begun, waits=waits))

    async def _hear(self, ident: str, begun: float | None, *, waits: bool) -> None:
        """Wait for the answer to a request; show it where nothing has changed meanwhile."""
        place = self._place()
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            types.TextDocumentIdentifier(self._uri),
            _position(self._texts[self._uri], self._at_char),
        )
        method = types.TEXT_DOCUMENT_INLINE_COMPLETION
        try:
            answer = await self._client.protocol.send_request_async(method, params, msg_id=ident)
        except Exception:  # cancelled by the next key
            self.seen.counts["cancelled"] += 1
            return
        items = list(getattr(answer, "items", answer) or ())
        if place != self._place():
            self.seen.counts["late"] += bool(items)
        elif not items:
            self.seen.counts["empty"] += 1
        else:
            if begun is not None:
                ms = (time.perf_counter() - begun) * 1000
                self.seen.ghost_ms.append(ms)
                self.seen.waited_ms += [ms] * waits
            self._show(items[0])

    def _place(self) -> tuple[str, int, int]:
        return self._uri, self._versions[self._uri], self._at_char

    def _show(self, item: types.InlineCompletionItem) -> None:
        self._ghost = item
        arguments = item.command.arguments if item.command else None
        if (ident := str(arguments)) not in self._shown:
            self._shown.add(ident)
            self.seen.counts["suggestions"] += 1
            self._tell("textDocument/didShowCompletion", item)

    async def _take(self, ahead: str) -> int:
        """Take what is on show, or its first word, if that is what would be typed; how many characters."""
        item = self._ghost
        text = "" if item is None else str(item.insert_text)
        word = _WORD.match(text)
        whole = ahead.startswith(text)
        taken = text if whole or word is None else word[0]
        if item is None or len(taken.strip()) < _LEAST_CHARS or not ahead.startswith(taken):
            return 0
        self.seen.counts["accepted" if whole else "accepted words"] += 1
        self.seen.counts["accepted chars"] += len(taken)
        self._change(taken, waits=True)
        if not whole:
            self._tell("textDocument/didPartiallyAcceptCompletion", item, acceptedLength=len(taken))
        elif item.command is not None:
            command = types.ExecuteCommandParams(item.command.command, item.command.arguments)
            await self._client.workspace_execute_command_async(command)
        return len(taken)

    def _tell(self, method: str, item: types.InlineCompletionItem, **more: int) -> None:
        command = {"arguments": item.command.arguments} if item.command else None
        told = {"item": {"insertText": item.insert_text, "command": command}, **more}
        self._client.protocol.notify(method, told)


def _uri(sample: Sample) -> str:
    return f"file:///replay/{sample.name}"


def _ahead(strokes: Sequence[Stroke]) -> str:
    """What is typed from here on, slips left out."""
    return "".join(stroke.text for stroke in strokes if stroke.kind == "type" and not stroke.slip)


def _position(text: str, at_char: int) -> types.Position:
    """Of an offset in a text without characters beyond the basic plane."""
    return types.Position(text.count("\n", 0, at_char), at_char - (text.rfind("\n", 0, at_char) + 1))
