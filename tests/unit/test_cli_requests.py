"""The JSON contract: every field, every way a line can be wrong, every field of an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import EditRequest, EditResult, FillRequest, FillResult, Span, Work
from lsp_server.cli import requests

ANSWER_FIELDS = [
    "id",
    "status",
    "fills",
    "confidence",
    "reason",
    "tokens",
    "forwards",
    "ms",
    "context_tokens",
    "cached_tokens",
]


def parse(**fields: object) -> requests.BatchRequest:
    return requests.parse_line(json.dumps(fields).encode())


def reason(line: bytes | dict[str, object]) -> str:
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    with pytest.raises(requests.RequestError) as caught:
        requests.parse_line(data)
    return str(caught.value)


def test_only_segments_are_needed_and_the_rest_has_the_engines_defaults() -> None:
    assert parse(segments=["a", None]).ask == FillRequest(("a", None))


def test_every_field_is_read() -> None:
    request = parse(
        id="x",
        language="go",
        segments=["a", None, "b", None],
        single_line=True,
        max_tokens=7,
        deadline_ms=12.5,
        instruction=None,
        task=None,
    )
    assert request.id == "x"
    assert request.ask == FillRequest(("a", None, "b", None), "go", True, 7, 12.5)


@pytest.mark.parametrize("name", ["language", "single_line", "max_tokens", "deadline_ms"])
def test_null_is_the_same_as_not_saying_it(name: str) -> None:
    assert parse(**{"segments": [None], name: None}).ask == FillRequest((None,))


def test_unknown_fields_are_ignored() -> None:
    assert parse(segments=[None], from_the_future=[1, 2]).ask == FillRequest((None,))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "`segments` is missing"),
        ({"segments": None}, "`segments` is missing"),
        ({"segments": "text"}, "`segments` must be a list"),
        ({"segments": {}}, "`segments` must be a list"),
        ({"segments": []}, "`segments` has no hole"),
        ({"segments": ["a", "b"]}, "`segments` has no hole"),
        ({"segments": [None, 3]}, "`segments[1]`"),
        ({"segments": [None, ["a"]]}, "`segments[1]`"),
        ({"segments": ["\ud800", None]}, "`segments[0]` holds half a surrogate pair"),
        ({"segments": [None], "language": 3}, "`language`"),
        ({"segments": [None], "single_line": 1}, "`single_line`"),
        ({"segments": [None], "single_line": "no"}, "`single_line`"),
        ({"segments": [None], "max_tokens": "64"}, "`max_tokens`"),
        ({"segments": [None], "max_tokens": 1.5}, "`max_tokens`"),
        ({"segments": [None], "max_tokens": True}, "`max_tokens`"),
        ({"segments": [None], "max_tokens": 0}, "`max_tokens` must be between"),
        ({"segments": [None], "max_tokens": 10**9}, "`max_tokens` must be between"),
        ({"segments": [None], "deadline_ms": "1"}, "`deadline_ms`"),
        ({"segments": [None], "deadline_ms": False}, "`deadline_ms`"),
        ({"segments": [None], "deadline_ms": -1}, "`deadline_ms` must be between"),
        ({"segments": [None], "deadline_ms": 10**400}, "`deadline_ms` must be between"),
        ({"segments": [None], "instruction": "make it faster"}, "an edit, which takes no holes"),
        ({"segments": ["x"], "instruction": "\ud800"}, "`instruction` holds half a surrogate pair"),
        ({"segments": ["x"], "task": {"kind": "complete", "opening": "\udc00"}}, "`task.opening` holds half"),
        ({"segments": ["x"], "task": {"kind": "follow", "before": "\ud800"}}, "`task.before` holds half"),
        ({"segments": ["x"], "task": "rewrite"}, "`task` must be an object"),
        ({"segments": ["x"], "task": {}}, "`task.kind` is missing"),
        ({"segments": ["x"], "task": {"kind": "dance"}}, "`task.kind` must be one of rewrite, translate"),
        ({"segments": ["x"], "task": {"kind": "types", "selection": 1}}, "`task.selection`"),
        ({"segments": ["x"], "task": {"kind": "types", "selection": True}}, "list of 3"),
        ({"segments": ["x", "y"], "task": {"kind": "types"}}, "list of 1"),
        ({"segments": ["\ud800"], "task": {"kind": "types"}}, "half a surrogate pair"),
        ({"segments": ["x"], "task": {"kind": "translate", "to": 3}}, "`task.to`"),
        ({"segments": ["x"], "task": {"kind": "repair", "doubtful": [[0, 9]]}}, "`task.doubtful`"),
        ({"segments": ["x"], "task": {"kind": "repair", "doubtful": 3}}, "`task.doubtful`"),
        ({"segments": ["x"], "task": {"kind": "rewrite", "strength": "bold"}}, "`task.strength`"),
    ],
)
def test_a_wrong_field_is_named_and_the_id_comes_back(fields: dict[str, object], named: str) -> None:
    with pytest.raises(requests.RequestError) as caught:
        requests.parse_line(json.dumps({"id": 41, **fields}).encode())
    assert named in str(caught.value)
    assert caught.value.id == 41


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"nope", "not JSON"),
        (b'{"segments": [null]', "not JSON"),
        (b"[null]", "must be a JSON object, not a list"),
        (b"null", "not null"),
        (b'"text"', "not a text"),
        (b"\xff\xfe{}", "not UTF-8: byte 0"),
        (b'{"id": NaN, "segments": [null]}', "NaN is no JSON number"),
        (b'{"id": 1e999, "segments": [null]}', "too large a number"),
        (b'{"id": ' + b"9" * 5000 + b', "segments": [null]}', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_request_says_why(line: bytes, named: str) -> None:
    assert named in reason(line)
    assert "\n" not in reason(line)


def test_a_byte_order_mark_in_front_is_no_error() -> None:
    assert requests.parse_line(b'\xef\xbb\xbf{"segments": [null]}').ask == FillRequest((None,))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_any_id_comes_back_as_it_was_sent(request_id: object) -> None:
    parsed = parse(id=request_id, segments=[None])
    line = requests.encode(requests.answer(parsed.id, FillResult("ok", fills=("x",), confidence=(1.0,))))
    assert json.loads(line)["id"] == request_id
    assert line.endswith(b"\n") and len(line.decode().splitlines()) == 1


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_named_error(line: bytes) -> None:
    with pytest.raises(requests.RequestError):
        requests.parse_line(line)


def test_an_answer_has_every_field_in_the_contracts_order() -> None:
    result = FillResult(
        "ok",
        fills=("x", "y"),
        confidence=(0.91234567, 1.0),
        tokens=5,
        forwards=2,
        ms=12.3456,
        context_tokens=100,
        cached_tokens=90,
    )
    assert requests.answer(3, result) == {
        "id": 3,
        "status": "ok",
        "fills": ["x", "y"],
        "confidence": [0.9123, 1.0],
        "reason": None,
        "tokens": 5,
        "forwards": 2,
        "ms": 12.3,
        "context_tokens": 100,
        "cached_tokens": 90,
    }
    assert list(requests.answer(3, result)) == ANSWER_FIELDS
    assert list(requests.error_answer(None, "why")) == ANSWER_FIELDS


def test_an_error_answer_is_one_line() -> None:
    answer = requests.error_answer(1, "first\n  second")
    assert (answer["status"], answer["reason"], answer["fills"]) == ("error", "first second", [])


def test_a_task_is_read_with_its_selection() -> None:
    asked = parse(
        language="python",
        segments=["a\n", "b", "\nc"],
        task={"kind": "translate", "to": "go", "selection": True, "opening": "func "},
        max_tokens=9,
        deadline_ms=5,
    ).ask
    assert asked == EditRequest(
        "translate", "a\nb\nc", "python", Span(2, 3), to="go", opening="func ", max_tokens=9, deadline_ms=5.0
    )


def test_an_empty_instruction_is_none() -> None:
    assert parse(segments=["x = ", None], instruction="").ask == parse(segments=["x = ", None]).ask


def test_an_instruction_alone_asks_for_a_rewrite_of_everything() -> None:
    asked = parse(segments=["x=1"], instruction="Call it total.").ask
    assert asked == EditRequest("rewrite", "x=1", instruction="Call it total.")


def test_the_answer_of_an_edit_has_the_whole_text_and_what_changed() -> None:
    request = EditRequest("rewrite", "a = 1\nb = 2\n", selection=Span(6, 12))
    result = EditResult("ok", "a = 1\nb = 3\n", 0.5, work=Work(4, 3, 1, 9, 20, 10), ms=2.04)
    told = requests.edit_answer(7, request, result)
    assert list(told)[: len(ANSWER_FIELDS)] == ANSWER_FIELDS
    assert (told["text"], told["fills"]) == ("a = 1\nb = 3\n", ["b = 3\n"])
    assert told["edits"] == [{"start": 10, "end": 11, "new_text": "3"}]
    assert (told["tokens"], told["forwards"], told["context_tokens"], told["ms"]) == (4, 3, 20, 2.0)


def test_an_edit_beyond_the_selection_gives_the_whole_text_as_its_fill() -> None:
    request = EditRequest("names", "s = 1\nprint(s)\n", selection=Span(0, 0))
    told = requests.edit_answer(1, request, EditResult("ok", "total = 1\nprint(total)\n"))
    assert told["fills"] == [told["text"]] == ["total = 1\nprint(total)\n"]
