"""Edits of open documents → their text, with the protocol's own notion of a line.

pygls splits lines as ``str.splitlines`` does, at form feeds and other characters that are no line ends
in LSP, and moves a position past the end of the last line one character back. Both would corrupt the
text silently, so lines and offsets are redefined here; the position encodings stay pygls's codec's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument
from pygls.workspace import Workspace as PyglsWorkspace

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Document(TextDocument):
    """A document an editor has open; never read from disk."""

    _cut: tuple[str | None, Sequence[str], Sequence[int]] = (None, (), (0,))

    @property
    def source(self) -> str:
        """The text as the editor has it."""
        return self._source or ""

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their ends (LF, CRLF or CR); no empty one after a last line end."""
        return self._lines()[0]

    def offset_at_position(self, client_position: types.Position) -> int:
        """Offset in characters of a position in the client's units, clamped as the protocol says."""
        lines, starts = self._lines()
        if client_position.line >= len(lines):
            return len(self.source)
        content = lines[client_position.line].rstrip("\r\n")
        character = min(client_position.character, self.position_codec.client_num_units(content))
        within = self.position_codec.position_from_client_units([content], types.Position(0, character))
        return starts[client_position.line] + within.character

    def client_position_at_offset(self, offset: int) -> types.Position:
        """Position in the client's units of an offset in characters."""
        _, starts = self._lines()
        line = bisect_right(starts, offset) - 1
        return types.Position(line, self.position_codec.client_num_units(self.source[starts[line] : offset]))

    def _lines(self) -> tuple[Sequence[str], Sequence[int]]:
        """Lines and the offset of each in characters, kept until the text changes."""
        source, lines, starts = self._cut
        if source is None or source is not self._source:
            source = self.source
            lines = tuple(_LINE.findall(source))
            starts = tuple(accumulate(map(len, lines), initial=0))
            if source and not source.endswith(("\r", "\n")):
                starts = starts[:-1]  # behind a last line without an end there is no other
            self._cut = (source, lines, starts)
        return lines, starts

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        start_char = self.offset_at_position(change.range.start)
        end_char = max(start_char, self.offset_at_position(change.range.end))
        self._source = self.source[:start_char] + change.text + self.source[end_char:]


class Workspace(PyglsWorkspace):
    """The open documents of a session, as ``Document``."""

    def open_document(self, uri: str) -> Document | None:
        """The document an editor has open under a URI, however the URI is escaped."""
        document = self.text_documents.get(unquote(uri))
        assert document is None or isinstance(document, Document)
        return document

    def open_documents(self) -> list[Document]:
        """All documents that are open."""
        return [document for document in self.text_documents.values() if isinstance(document, Document)]

    def is_current(self, document: Document, version: int | None) -> bool:
        """Whether a document is still open, and still in this version."""
        return self.open_document(document.uri) is document and document.version == version

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> Document:
        return Document(
            doc_uri,
            source=source,
            version=version,
            language_id=language_id,
            sync_kind=self._sync_kind,
            position_codec=self._position_codec,
        )
