r"""A snapshot and a task → the smallest edits that do it, by way of the worker.

Text goes to the engine with LF line ends; edits come back counted in the document's own characters and
written with its own line ends. Knows nothing of LSP.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import BackendError, UnmaskError, UsageError
from engine.types import CancelToken, EditRequest, EditResult, FrameListener, Span
from lsp_server import analysis, type_check
from lsp_server.errors import RequestFailed, from_engine
from lsp_server.session import Session, Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What came of a task.

    Attributes:
        edits: spans of the document with their new text, in order and disjoint.
        text: the whole new text, with the document's line ends.
        note: what the user should know of it; None where there is nothing.
    """

    edits: tuple[tuple[Span, str], ...]
    text: str
    note: str | None


async def edit(
    session: Session,
    snapshot: Snapshot,
    request: EditRequest,
    *,
    typing: bool = False,
    on_frame: FrameListener | None = None,
) -> Change:
    """Have a task done.

    Args:
        session: whose engine and settings.
        snapshot: the document.
        request: the task; its text and spans are those of the document.
        typing: whether newer work for the document takes its place; see ``Scheduler``.
        on_frame: told each step of the holes it makes, on the worker thread.

    Raises:
        RequestFailed: nothing came of it; the message says why.
        Superseded: newer work took its place.
        JsonRpcRequestCancelled: it was cancelled.
    """
    why = session.silent_because(snapshot)
    if why is not None:
        raise RequestFailed(f"Unmask: {why}")
    lines = LineEnds(request.text, snapshot.newline)
    asked = lines.without_crlf(request)

    def work(token: CancelToken) -> EditResult:
        engine = session.host.engine
        if engine is None:
            raise BackendError(session.host.status.message)
        return engine.edit(asked, cancel=token, on_frame=on_frame)

    try:
        result = await session.scheduler.run(work, key=snapshot.key, typing=typing)
    except UnmaskError as error:
        raise from_engine(error) from error
    if result.status == "ok" and _are_checked(snapshot, asked):
        result = await asyncio.to_thread(_type_checked, asked, result, Path(snapshot.path))
    if result.status != "ok":
        raise RequestFailed(f"Unmask: nothing was changed: {result.reason or 'no answer'}.")
    edits = tuple(
        (lines.span(span), lines.written(new))
        for span, new in analysis.smallest_edits(asked.text, result.text)
    )
    return Change(edits, lines.written(result.text), result.reason)


def _type_checked(request: EditRequest, result: EditResult, file: Path) -> EditResult:
    """What a type checker leaves of added types; all of them where it does not run."""
    try:
        return type_check.checked(request.text, result.text, file).of(result, request.text)
    except (UsageError, UnicodeError) as error:
        log.warning("types were not checked: %s", error)
        return result


def _are_checked(snapshot: Snapshot, request: EditRequest) -> bool:
    """Whether a type checker looks at what a task wrote."""
    is_python = request.kind == "types" and request.language == "python"
    return is_python and snapshot.settings.check_types and type_check.is_installed()


class LineEnds:
    r"""The way between a document with CRLF somewhere and the same text with LF alone.

    Args:
        text: the document's.
        newline: what is written where the new text ends a line.
    """

    def __init__(self, text: str, newline: str) -> None:
        self.newline = newline
        self._text = text
        self._pairs: list[int] = []  # where the CR of each CRLF stood, in the text without them
        at = text.find("\r\n")
        while at >= 0:
            self._pairs.append(at - len(self._pairs))
            at = text.find("\r\n", at + 2)

    def without_crlf(self, request: EditRequest) -> EditRequest:
        """The request with LF line ends, its spans counted in them."""
        return replace(
            request,
            text=self._text.replace("\r\n", "\n"),
            selection=None if request.selection is None else self._bare(request.selection),
            doubtful=tuple(map(self._bare, request.doubtful)),
            before=None if request.before is None else request.before.replace("\r\n", "\n"),
        )

    def span(self, span: Span) -> Span:
        """A span of the text with LF line ends as one of the document."""
        return Span(self._own(span.start_char), self._own(span.end_char))

    def written(self, text: str) -> str:
        """New text with the document's line ends."""
        return text.replace("\r\n", "\n").replace("\n", self.newline)

    def _own(self, at_char: int) -> int:
        return at_char + bisect_left(self._pairs, at_char)

    def _bare(self, span: Span) -> Span:
        start = span.start_char - self._text.count("\r\n", 0, span.start_char)
        return Span(start, max(start, span.end_char - self._text.count("\r\n", 0, span.end_char)))


def beside(path: Path, language: str, taken: frozenset[str] = frozenset()) -> Path:
    """A path for the same file in another language, in the same folder, that nothing has yet.

    Args:
        path: the file.
        language: LSP language identifier of the new one.
        taken: names that are in use though nothing is on the disk under them.
    """
    ending = analysis.file_ending(language)
    number = 1
    while True:
        name = f"{path.stem}{f'-{number}' if number > 1 else ''}{ending}"
        if name not in taken and not (path.parent / name).exists():
            return path.parent / name
        number += 1
