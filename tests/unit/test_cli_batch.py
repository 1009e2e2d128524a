"""`unmask batch`: one answer for every line, in order, whatever the lines are."""

from __future__ import annotations

import io
import json
import random
import threading
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.engine import Engine, open_engine
from engine.errors import Cancelled, UsageError
from engine.types import FillResult
from lsp_server.cli import batch, requests
from tests.unit.conftest import Unmask

FAKE = ("--model", "fake:answer=x")
GOOD = b'{"id": %d, "segments": ["a = ", null, "\\n"]}\n'
BAD = (
    b"nope\n",
    b"[1]\n",
    b'{"id": %d}\n',
    b'{"id": %d, "segments": ["no hole"]}\n',
    b'{"id": %d, "segments": [null], "max_tokens": "x"}\n',
    b'{"id": %d, "segments": [null], "task": {"kind": "rewrite"}}\n',
    b'{"id": %d, "segments": ["\\ud83d", null]}\n',
    b"\xff\xfe\n",
    b"{" * 5000 + b"\n",
)


def answers(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_thousand_mixed_lines_are_answered_in_order(unmask: Unmask) -> None:
    chance = random.Random(7)
    lines = [GOOD if chance.random() < 0.7 else chance.choice(BAD) for _ in range(1000)]
    sent = [line % number if b"%d" in line else line for number, line in enumerate(lines)]
    outcome = unmask("batch", *FAKE, stdin=b"".join(sent))
    assert (outcome.code, outcome.err) == (0, "")
    got = answers(outcome.out)
    assert [answer["id"] for answer in got] == [n if b"%d" in line else None for n, line in enumerate(lines)]
    assert [answer["status"] for answer in got] == ["ok" if line is GOOD else "error" for line in lines]
    assert all(set(answer) == set(got[0]) and len(answer) == 10 for answer in got)
    assert all((answer["reason"] is None) == (answer["status"] == "ok") for answer in got)
    assert all(answer["fills"] == (["x"] if answer["status"] == "ok" else []) for answer in got)


def test_blank_lines_are_skipped_and_the_last_needs_no_newline(unmask: Unmask) -> None:
    outcome = unmask("batch", *FAKE, stdin=b"\n  \r\n" + GOOD % 1 + b"\n" + (GOOD % 2).rstrip())
    assert [answer["id"] for answer in answers(outcome.out)] == [1, 2]


def test_nothing_in_nothing_out(unmask: Unmask) -> None:
    outcome = unmask("batch", *FAKE)
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "")


def test_several_holes_one_answer(unmask: Unmask) -> None:
    outcome = unmask("batch", *FAKE, stdin=b'{"segments": ["a = ", null, "\\nb = ", null, "\\n"]}')
    (answer,) = answers(outcome.out)
    assert (answer["fills"], len(answer["confidence"])) == (["x", "x"], 2)


def test_a_refusal_gives_empty_fills_and_the_reason(unmask: Unmask) -> None:
    outcome = unmask("batch", "--model", "fake:answer=", stdin=GOOD % 1)
    (answer,) = answers(outcome.out)
    assert (outcome.code, answer["status"], answer["fills"]) == (0, "refused", [""])
    assert answer["reason"]


def test_too_many_holes_are_an_error_of_that_line(unmask: Unmask) -> None:
    line = json.dumps({"id": 1, "segments": [None] * 1000}).encode() + b"\n"
    first, second = answers(unmask("batch", *FAKE, stdin=line + GOOD % 2).out)
    assert (first["id"], first["status"]) == (1, "error") and "1000" in first["reason"]
    assert second["status"] == "ok"


def test_a_line_of_more_than_16_mib_is_answered_and_dropped(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_LINE_BYTES", 100)
    long = b'{"id": 1, "segments": ["' + b"x" * 3_000_000 + b'", null]}\n'
    first, second, third = answers(unmask("batch", *FAKE, stdin=long + GOOD % 2 + long.rstrip()).out)
    assert (first["status"], third["status"]) == ("error", "error") and "longer than" in first["reason"]
    assert (second["id"], second["status"]) == (2, "ok")


class Failing:
    """An engine that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def fill(self, request: object) -> FillResult:
        raise self._error


def test_a_bug_in_one_line_does_not_take_the_others_down() -> None:
    out = io.BytesIO()
    batch.answer_lines([Failing(ZeroDivisionError("oh"))], io.BytesIO(GOOD % 1 + GOOD % 2), out)  # type: ignore[arg-type]
    got = answers(out.getvalue())
    assert [(answer["id"], answer["status"]) for answer in got] == [(1, "error"), (2, "error")]
    assert got[0]["reason"] == "internal error: ZeroDivisionError: oh"


def test_cancelling_ends_the_run() -> None:
    with pytest.raises(Cancelled):
        batch.answer_lines([Failing(Cancelled())], io.BytesIO(GOOD % 1), io.BytesIO())  # type: ignore[arg-type]


class OneByOne(io.RawIOBase):
    """Lines that may be read only once the one before was answered."""

    def __init__(self, lines: list[bytes], answered: io.BytesIO) -> None:
        self._lines = lines
        self._answered = answered
        self.n_read = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        assert self._answered.getvalue().count(b"\n") == self.n_read
        if self.n_read == len(self._lines):
            return b""
        self.n_read += 1
        return self._lines[self.n_read - 1]


@pytest.fixture
def engine() -> Engine:
    return open_engine(EngineConfig(model="fake:answer=x"))


def test_each_answer_is_out_before_the_next_line_is_read(engine: Engine) -> None:
    out = io.BytesIO()
    lines = OneByOne([GOOD % number for number in range(5)], out)
    batch.answer_lines([engine], lines, out)  # type: ignore[arg-type]
    assert (lines.n_read, len(answers(out.getvalue()))) == (5, 5)


def test_lines_that_are_worked_on_together_are_answered_in_order(unmask: Unmask) -> None:
    lines = [GOOD % n if n % 5 else BAD[n % len(BAD)] for n in range(100)]
    lines = [line % n if b"%d" in line else line for n, line in enumerate(lines)]
    alone = unmask("batch", *FAKE, stdin=b"".join(lines))
    together = unmask("batch", *FAKE, "--at-once", "4", stdin=b"".join(lines))
    assert (together.code, together.err) == (0, "")
    own = {"ms": 0, "cached_tokens": 0, "forwards": 0}
    told = [answer | own for answer in answers(together.out)]
    assert told == [answer | own for answer in answers(alone.out)]


def test_a_line_that_takes_long_does_not_keep_others_from_being_worked_on() -> None:
    """Two lines that are done only once both are begun."""
    both = threading.Barrier(2, timeout=10)

    class Meeting:
        def fill(self, request: object) -> FillResult:
            both.wait()
            raise UsageError("met", "")

    out = io.BytesIO()
    lines = io.BytesIO(GOOD % 1 + GOOD % 2)
    batch.answer_lines([Meeting(), Meeting()], lines, out)  # type: ignore[list-item]
    assert [(one["id"], "met" in one["reason"]) for one in answers(out.getvalue())] == [(1, True), (2, True)]


def test_what_ends_a_run_ends_it_with_several_at_once_too() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            raise OSError("the pipe broke")

    two = [Failing(Cancelled()), Failing(Cancelled())]
    with pytest.raises(Cancelled):
        batch.answer_lines(two, io.BytesIO(GOOD % 1), io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(OSError, match="pipe"):
        batch.answer_lines(two, Broken(), io.BytesIO())  # type: ignore[arg-type]


def test_a_target_of_another_task_does_not_hide_the_edits(unmask: Unmask) -> None:
    task = {"kind": "rewrite", "instruction": "Give 3.", "to": "go"}
    line = json.dumps({"segments": ["x = 1\n"], "language": "python", "task": task})
    outcome = unmask("batch", "--model", "fake:answer=x = 3%0A", stdin=line.encode() + b"\n")
    (answer,) = answers(outcome.out)
    assert (answer["text"], len(answer["edits"])) == ("x = 3\n", 1)
