r"""Text and offsets: bytes of a file to text and back, lines, and the way between characters and UTF-8 bytes.

Knows nothing of syntax, editors or tokens. A line ends with ``\n``, ``\r\n`` or a lone ``\r``, as in LSP.
Lines and columns are counted from 0 here; messages count from 1, as people and the command line do.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from engine.errors import PositionError, TextError
from engine.types import Span

_NEWLINE = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_TAB_WIDTH = 4

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# PEP 263 (a comment, in the first two lines) and the Emacs cookie in any kind of comment.
_DECLARED = re.compile(rb"^(?:[ \t\f]*#.*?|.*?-\*-.*?)coding[:=][ \t]*([-\w.]+)", re.ASCII)
_EMACS_NEWLINE = re.compile(r"-(?:unix|dos|mac)$", re.IGNORECASE)
_COOKIE_BYTES = 1 << 12
_ASCII = bytes(range(0x20, 0x7F))

_CHARS_PER_MARK = 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text and what it takes to write it back byte for byte.

    Attributes:
        text: the text, newlines as they are in the file, without a byte order mark.
        encoding: the Python codec the bytes were read with, such as ``utf-8`` or ``latin-1``.
        bom: the byte order mark in front, empty where there was none.
    """

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""


def decode(data: bytes, name: str) -> Document:
    """The text of a file.

    UTF-8, UTF-16 and UTF-32 by their byte order mark, else the encoding the file declares in its first
    two lines, else UTF-8. ``encode`` gives the same bytes back.

    Args:
        data: the whole file.
        name: what to call it in an error.

    Raises:
        TextError: it is binary or not in the encoding it should be in, naming the byte offset.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decoded(data[len(bom) :], name, encoding, bom)
    declared = _declared_encoding(data)
    return _decoded(data, name, declared or "utf-8", b"")


def encode(document: Document, text: str | None = None) -> bytes:
    """The bytes of ``text`` (default: the document's own) in the document's encoding, mark included.

    Raises:
        TextError: a character cannot be written in that encoding.
    """
    text = document.text if text is None else text
    try:
        return document.bom + text.encode(document.encoding)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise TextError(
            f"character {character!a} at offset {error.start} cannot be written as {document.encoding}",
            "Save the file as UTF-8 first.",
        ) from None


def newline_of(text: str) -> str:
    r"""The newline most lines of ``text`` end with; ``\n`` where there is none."""
    crlf = text.count("\r\n")
    cr = text.count("\r") - crlf
    lf = text.count("\n") - crlf
    most = max(crlf, cr, lf)
    return "\n" if lf == most else "\r\n" if crlf == most else "\r"


def split_lines(text: str) -> list[str]:
    """The lines of ``text`` with their newlines; joined they give ``text`` again."""
    return _LINE.findall(text)


def line_start(text: str, at_char: int) -> int:
    """Where the line of an offset begins."""
    return max(text.rfind("\n", 0, at_char), text.rfind("\r", 0, at_char)) + 1


def line_end(text: str, at_char: int) -> int:
    """Where the line of an offset ends, what ends it left out."""
    rest = _REST_OF_LINE.match(text, at_char)
    assert rest is not None
    return rest.end()


def indent_of(line: str) -> int:
    """Columns of white space in front of a line, a tab going to the next multiple of four."""
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blank.expandtabs(_TAB_WIDTH)) if "\t" in blank else len(blank)


class LineIndex:
    """Where the lines of one text start; made once, then every question is a bisection."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    @property
    def n_lines(self) -> int:
        """Number of lines, the empty one after a final newline included; at least 1."""
        return len(self._starts)

    def line_span(self, line: int, *, with_newline: bool = False) -> Span:
        """The characters of a line, counted from 0, its newline left out unless asked for.

        Raises:
            PositionError: there is no such line.
        """
        if not 0 <= line < self.n_lines:
            raise PositionError(
                f"line {line + 1} is outside the file", f"Give a line from 1 to {self.n_lines}."
            )
        start = self._starts[line]
        if line + 1 == self.n_lines:
            return Span(start, len(self._text))
        end = self._starts[line + 1]
        if not with_newline:
            end -= 2 if self._text[max(start, end - 2) : end] == "\r\n" else 1
        return Span(start, end)

    def offset(self, line: int, col_chars: int) -> int:
        """The offset of a line and a column, both from 0; the column may be just behind the line.

        Raises:
            PositionError: outside the file, naming the valid range.
        """
        span = self.line_span(line)
        n_columns = span.end_char - span.start_char
        if not 0 <= col_chars <= n_columns:
            raise PositionError(
                f"column {col_chars + 1} is outside line {line + 1}",
                f"Give a column from 1 to {n_columns + 1}.",
            )
        return span.start_char + col_chars

    def position(self, offset_char: int) -> tuple[int, int]:
        r"""The line and column, both from 0, of an offset; inside a ``\r\n`` it is the end of the line.

        Raises:
            PositionError: outside the text.
        """
        if not 0 <= offset_char <= len(self._text):
            raise PositionError(
                f"offset {offset_char} is outside the text", f"Give one from 0 to {len(self._text)}."
            )
        line = bisect_right(self._starts, offset_char) - 1
        span = self.line_span(line)
        return line, min(offset_char, span.end_char) - span.start_char


class Utf8:
    """A text as UTF-8, and the way between its characters and bytes.

    An ASCII text costs nothing extra; others keep one mark per 1,024 characters. Lone surrogates, which
    some editors send, are three bytes each as in WTF-8.
    """

    __slots__ = ("_marks", "_text", "data")

    def __init__(self, text: str) -> None:
        self._text = text
        self.data = _utf8(text)
        self._marks: list[int] | None = None  # byte offset of every 1,024th character
        if len(self.data) != len(text):
            sizes = (
                len(_utf8(text[start : start + _CHARS_PER_MARK]))
                for start in range(0, len(text), _CHARS_PER_MARK)
            )
            self._marks = list(accumulate(sizes, initial=0))

    def char_to_byte(self, offset_char: int) -> int:
        """The byte offset of a character offset (0 to the length of the text)."""
        if self._marks is None:
            return offset_char
        mark, rest = divmod(offset_char, _CHARS_PER_MARK)
        start = mark * _CHARS_PER_MARK
        return self._marks[mark] + len(_utf8(self._text[start : start + rest]))

    def byte_to_char(self, offset_byte: int) -> int:
        """The character offset of a byte offset; inside a character it is that character's start."""
        if self._marks is None:
            return offset_byte
        mark = min(bisect_right(self._marks, offset_byte) - 1, max(len(self._marks) - 2, 0))
        head = self.data[self._marks[mark] : offset_byte]
        n_started = sum(byte & 0xC0 != 0x80 for byte in head)
        inside = offset_byte < len(self.data) and self.data[offset_byte] & 0xC0 == 0x80
        return mark * _CHARS_PER_MARK + n_started - inside


def char_to_byte(text: str, offset_char: int) -> int:
    """The UTF-8 byte offset of one character offset; for many on one text use ``Utf8``."""
    return offset_char if text.isascii() else len(_utf8(text[:offset_char]))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes, name: str, encoding: str, bom: bytes) -> Document:
    wide = encoding.startswith(("utf-16", "utf-32"))
    nul = -1 if wide else data.find(b"\0")
    if nul >= 0:
        raise TextError(f"{name} looks binary (a zero byte at offset {nul})", "Choose a text file.")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(
            f"{name} is not {encoding.upper()}: byte offset {len(bom) + error.start}",
            "Save it as UTF-8, or declare its encoding in the first line.",
        ) from None
    if wide and "\0" in text:
        raise TextError(f"{name} looks binary (a zero character)", "Choose a text file.")
    if not wide and encoding != "utf-8" and text.encode(encoding) != data:
        raise TextError(f"{name} would not be written back exactly as {encoding}", "Save it as UTF-8.")
    return Document(text, encoding, bom)


def _declared_encoding(data: bytes) -> str | None:
    """The codec named in the first two lines, if it is a text codec this Python has that keeps ASCII."""
    for line in data[:_COOKIE_BYTES].splitlines()[:2]:
        declared = _DECLARED.match(line)
        if declared:
            return _usable_codec(_EMACS_NEWLINE.sub("", declared[1].decode("ascii")))
    return None


def _usable_codec(name: str) -> str | None:
    try:
        if _ASCII.decode(name) != _ASCII.decode("ascii"):
            return None
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        return None
