"""Positions in three encodings, edits of documents, URIs, and the data of code actions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.workspace import PositionCodec

from engine.types import Span
from lsp_server import from_lsp, to_lsp
from lsp_server.documents import Document

UTF8, UTF16, UTF32 = (
    types.PositionEncodingKind.Utf8,
    types.PositionEncodingKind.Utf16,
    types.PositionEncodingKind.Utf32,
)
TEXT = "a😀b\r\né\x0cx\ny"


def document(text: str, encoding: types.PositionEncodingKind = UTF16) -> Document:
    return Document("file:///a.py", text, 1, "python", position_codec=PositionCodec(encoding))


def at(line: int, character: int) -> types.Position:
    return types.Position(line, character)


@pytest.mark.parametrize(("encoding", "after_emoji"), [(UTF8, 5), (UTF16, 3), (UTF32, 2)])
def test_an_emoji_counts_as_the_encoding_says(encoding, after_emoji):
    held = document(TEXT, encoding)
    assert from_lsp.offset(held, at(0, after_emoji)) == TEXT.index("b")
    assert held.client_position_at_offset(TEXT.index("b")) == at(0, after_emoji)


def test_a_form_feed_ends_no_line():
    assert from_lsp.offset(document(TEXT), at(1, 2)) == TEXT.index("x")
    assert from_lsp.offset(document(TEXT), at(2, 0)) == TEXT.index("y")


@pytest.mark.parametrize(
    ("position", "offset_char"),
    [
        (at(0, 99), TEXT.index("\r")),  # never between CR and LF
        (at(2, 99), len(TEXT)),
        (at(3, 0), len(TEXT)),
        (at(99, 7), len(TEXT)),
    ],
)
def test_a_position_outside_the_text_is_moved_inside(position, offset_char):
    assert from_lsp.offset(document(TEXT), position) == offset_char


def test_the_line_after_the_last_line_end():
    assert from_lsp.offset(document("a\n"), at(1, 0)) == 2
    assert document("a\n").client_position_at_offset(2) == at(1, 0)
    assert document("").client_position_at_offset(0) == at(0, 0)
    assert document("a\ntot").client_position_at_offset(5) == at(1, 3)


@given(
    st.text(st.sampled_from("ab é😀\r\n\x0c\u2028"), max_size=30),
    st.sampled_from([UTF8, UTF16, UTF32]),
    st.data(),
)
def test_there_and_back(text, encoding, data):
    held = document(text, encoding)
    offset_char = data.draw(st.integers(0, len(text)))
    inside_crlf = text[max(0, offset_char - 1) : offset_char + 1] == "\r\n"
    if not inside_crlf:
        assert from_lsp.offset(held, held.client_position_at_offset(offset_char)) == offset_char


@given(st.text(st.sampled_from("ab😀\r\n\x0c"), max_size=20), st.text("x😀\n", max_size=5), st.data())
def test_an_incremental_edit_replaces_its_range_and_nothing_else(text, new, data):
    held = document(text)
    offsets = [i for i in range(len(text) + 1) if text[max(0, i - 1) : i + 1] != "\r\n"]
    start, end = sorted(data.draw(st.tuples(st.sampled_from(offsets), st.sampled_from(offsets))))
    range_ = to_lsp.range_(held, Span(start, end))
    held.apply_change(types.TextDocumentContentChangePartial(range=range_, text=new))
    assert held.source == text[:start] + new + text[end:]


def test_a_range_that_ends_before_it_starts_is_empty():
    assert from_lsp.span(document("abc"), types.Range(at(0, 2), at(0, 1))) == Span(2, 2)


@pytest.mark.parametrize(
    "uri", ["file:///c%3A/My%20Code/a.py", "file:///C:/My%20Code/a.py", "file:///c:/My Code/a.py"]
)
def test_windows_uris_are_one_path_however_they_are_escaped(uri):
    assert from_lsp.path_key(uri) == "c:/My Code/a.py"


def test_other_uris():
    assert from_lsp.path_key("file:///home/%C3%A9/a%23b.py") == "/home/é/a#b.py"
    assert from_lsp.path_key("untitled:Untitled-1") == "Untitled-1"
    assert from_lsp.path_key("git:/w/key.pem?%7B%22ref%22%7D") == "/w/key.pem"
    assert from_lsp.path_key("vscode-notebook-cell:/w/my.env#W0") == "/w/my.env"


@pytest.mark.parametrize("uri", ["file:///w/a%20b.py", "file:///w/100%25.py", "untitled:Untitled-1"])
def test_a_document_has_one_path_by_its_uri_and_by_its_key(uri: str) -> None:
    assert from_lsp.path_of(from_lsp.document_key(uri)) == from_lsp.path_key(uri)
    assert from_lsp.directory("vscode-remote://host/x") is None


TARGET = from_lsp.Target("file:///a.py", 3, types.Range(at(1, 2), at(3, 4)), "holes")


def test_a_target_comes_back_as_it_was():
    assert from_lsp.target(to_lsp.target(TARGET)) == TARGET


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        {},
        {"uri": "file:///a.py"},
        {"uri": 1, "range": {}},
        {**to_lsp.target(TARGET), "what": "all"},
        {**to_lsp.target(TARGET), "range": {"start": {}, "end": {}}},
    ],
)
def test_what_is_no_target_is_refused(value):
    with pytest.raises(JsonRpcInvalidParams, match=r"unmask\.fill takes"):
        from_lsp.target(value)
