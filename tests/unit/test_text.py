from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code.text import (
    Document,
    LineIndex,
    Utf8,
    char_to_byte,
    decode,
    encode,
    indent_of,
    line_end,
    line_start,
    newline_of,
    split_lines,
)
from engine.errors import PositionError, TextError

TEXTS = st.text(alphabet=st.sampled_from(list("ab \t\r\n\"'é漢😀\u2028\x0c\ufeff")), max_size=80)


@given(TEXTS)
def test_lines_joined_are_the_text_and_agree_with_the_index(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    index = LineIndex(text)
    ends_open = not text or text[-1] in "\r\n"
    assert index.n_lines == len(lines) + ends_open
    for row, line in enumerate(lines):
        span = index.line_span(row, with_newline=True)
        assert text[span.start_char : span.end_char] == line
        bare = index.line_span(row)
        assert text[bare.start_char : bare.end_char] == line.rstrip("\r\n")


@given(TEXTS)
def test_position_and_offset_are_inverse_outside_crlf(text: str) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        inside_crlf = text[offset - 1 : offset + 1] == "\r\n" if offset else False
        back = index.offset(*index.position(offset))
        assert back == offset - inside_crlf


def test_lines_end_as_in_lsp() -> None:
    assert split_lines("a\rb\r\nc\n\u2028d\x0ce") == ["a\r", "b\r\n", "c\n", "\u2028d\x0ce"]


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        (3, 0, "line 4 is outside the file. Give a line from 1 to 3."),
        (-1, 0, "line 0 is outside the file. Give a line from 1 to 3."),
        (0, 4, "column 5 is outside line 1. Give a column from 1 to 4."),
        (2, 1, "column 2 is outside line 3. Give a column from 1 to 1."),
    ],
)
def test_a_position_outside_names_the_valid_range(line: int, column: int, says: str) -> None:
    with pytest.raises(PositionError) as caught:
        LineIndex("abc\r\nde\n").offset(line, column)
    assert str(caught.value) == says


def test_an_offset_outside_is_refused() -> None:
    with pytest.raises(PositionError):
        LineIndex("abc").position(4)


@pytest.mark.parametrize(
    ("text", "newline"), [("", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r"), ("a\nb\r\n", "\n")]
)
def test_newline_of_is_the_dominant_one(text: str, newline: str) -> None:
    assert newline_of(text) == newline


def test_indent_counts_tabs_to_the_next_stop() -> None:
    assert [indent_of(line) for line in ("x", "  x", "\tx", "  \tx", "\t x", "    ")] == [0, 2, 4, 4, 5, 4]


@given(st.text(max_size=60))
def test_utf8_files_come_back_byte_for_byte(text: str) -> None:
    if "\0" in text or "coding" in text:
        return
    for bom in (b"", codecs.BOM_UTF8):
        data = bom + text.encode()
        document = decode(data, "f.py")
        assert encode(document) == data
        assert document.bom == bom or text.startswith("\ufeff")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf16_and_utf32_by_their_mark(codec: str) -> None:
    data = "\ufeff1 = 'é😀'\r\n".encode(codec)
    document = decode(data, "f.py")
    assert (document.text, document.encoding) == ("1 = 'é😀'\r\n", codec)
    assert encode(document) == data


@pytest.mark.parametrize(
    "head",
    [
        "# -*- coding: latin-1 -*-",
        "#!/usr/bin/python\n# vim: set fileencoding=latin-1 :",
        "/* -*- mode: c; coding: latin-1-unix -*- */",
    ],
)
def test_a_declared_encoding_is_used(head: str) -> None:
    data = f"{head}\ns = 'café'\n".encode("latin-1")
    document = decode(data, "f")
    assert document.encoding == "iso8859-1"
    assert "café" in document.text
    assert encode(document) == data
    assert encode(document, "é") == b"\xe9"


@pytest.mark.parametrize("codec", ["utf-16", "rot13", "nonsense", "undefined", "hex"])
def test_a_declared_encoding_that_cannot_be_meant_is_ignored(codec: str) -> None:
    assert decode(f"# coding: {codec}\nx = 'é'\n".encode(), "f.py").encoding == "utf-8"


def test_a_character_the_encoding_lacks_is_named() -> None:
    with pytest.raises(TextError, match="at offset 1 cannot be written as iso8859-1"):
        encode(Document("", "iso8859-1"), "a漢")


def test_wrong_bytes_are_named_by_offset_and_remedy() -> None:
    with pytest.raises(TextError) as caught:
        decode(b"abc\xff", "f.py")
    assert str(caught.value).startswith("f.py is not UTF-8: byte offset 3. Save it as UTF-8")


@pytest.mark.parametrize("data", [b"\x7fELF\0\1", "a\0b".encode("utf-16")])
def test_zero_bytes_look_binary(data: bytes) -> None:
    with pytest.raises(TextError, match="looks binary"):
        decode(data, "a.out")


@given(st.text(alphabet=st.sampled_from(list("aé漢😀\ud83d\n")), max_size=40), st.integers(0, 3))
def test_characters_and_bytes_map_both_ways(text: str, n_times: int) -> None:
    text = text * (1 + 40 * n_times)
    utf8 = Utf8(text)
    for at in range(0, len(text) + 1, 1 + len(text) // 50):
        byte = len(text[:at].encode("utf-8", "surrogatepass"))
        assert utf8.char_to_byte(at) == byte == char_to_byte(text, at)
        assert utf8.byte_to_char(byte) == at
    inside = Utf8("a漢b")
    assert [inside.byte_to_char(byte) for byte in range(6)] == [0, 1, 1, 1, 2, 3]


@given(TEXTS, st.data())
def test_where_a_line_begins_and_ends_is_what_the_index_says(text: str, data: st.DataObject) -> None:
    index = LineIndex(text)
    span = index.line_span(data.draw(st.integers(0, index.n_lines - 1)))
    at_char = data.draw(st.integers(span.start_char, span.end_char))
    assert (line_start(text, at_char), line_end(text, at_char)) == (span.start_char, span.end_char)
