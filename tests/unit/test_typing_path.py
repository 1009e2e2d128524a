"""The path from a key to ghost text, counted and not timed: fixed scripts over the fake model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.engine import open_engine
from engine.errors import Cancelled
from engine.types import CancelToken, CanvasFrame, FillRequest, FillResult, FrameListener
from lsp_server import fills
from lsp_server.documents import Document
from lsp_server.effort import Effort, Spent
from lsp_server.options import Options
from lsp_server.session import Session, Snapshot
from lsp_server.suggestions import Shown, Suggestions

URI = "file:///w/a.py"
HEAD = "def area(width, height):\n    return width * height\n\n\ndef half(width, height):\n"


class Typist:
    """A session over a fake model, and the document being typed in."""

    def __init__(self, tmp_path: Path, model: str, **options: Any) -> None:
        self.requests: list[FillRequest] = []
        self.session = Session(
            environ={"UNMASK_CONFIG": os.devnull, "UNMASK_STATS": "0"},
            command_line=Options(model=model, **{"debounce_ms": 0, **options}),
            report=pytest.fail,
            on_status=lambda _: None,
            opener=self.open,
        )
        self.version = 0
        self.session.refresh()

    def open(self, config: Any, **_: Any) -> Any:
        engine = open_engine(config)
        fill, requests = engine.fill, self.requests

        class Noted:
            info = engine.info
            edit, close = engine.edit, engine.close

            def fill(
                self,
                request: FillRequest,
                *,
                cancel: CancelToken | None = None,
                on_frame: FrameListener | None = None,
            ) -> FillResult:
                requests.append(request)
                return fill(request, cancel=cancel, on_frame=on_frame)

        return Noted()

    async def ready(self) -> Typist:
        self.session.start()
        while self.session.host.status.state != "ready":
            await asyncio.sleep(0.01)
        return self

    def change(self, text: str) -> tuple[Snapshot, str, str]:
        before, after = text.split("|")
        self.version += 1
        self.session.text_changed(URI)
        return self.session.snapshot(Document(URI, before + after, self.version, "python")), before, after

    async def at(self, text: str, *, automatic: bool = True) -> list[Shown]:
        snapshot, before, after = self.change(text)
        self.last = snapshot
        return await fills.suggest(
            self.session,
            snapshot,
            before,
            after,
            automatic=automatic,
            is_current=lambda: self.last is snapshot,
        )

    async def prepare(self, shown: Shown) -> None:
        snapshot = self.last
        before, after = shown.before + shown.insert, shown.after
        await fills.prepare(self.session, snapshot, before, after, is_current=lambda: self.last is snapshot)


@pytest.fixture
def close() -> Iterator[list[Typist]]:
    open_: list[Typist] = []
    yield open_
    for typist in open_:
        assert typist.session.close(10)


async def typist(tmp_path: Path, close: list[Typist], model: str, **options: Any) -> Typist:
    made = await Typist(tmp_path, model, **options).ready()
    close.append(made)
    return made


async def test_a_line_typed_along_costs_one_answer(tmp_path: Path, close: list[Typist]) -> None:
    at = await typist(tmp_path, close, "fake:answer=width / 2")
    line = "    return width / 2"
    for n_typed in range(len("    return "), len(line) + 1):
        await at.at(f"{HEAD}{line[:n_typed]}|\n")
    effort = at.session.effort
    # Behind the last letter the suggestion is used up: one more answer.
    assert (effort.requests, effort.reused, effort.computed) == (10, 8, 2)
    assert effort.forwards <= 2 * 3
    assert effort.encoded_tokens <= len(HEAD + line) + 16 + len("width / 2")


async def test_keys_that_agree_with_nothing_cost_a_token_each(tmp_path: Path, close: list[Typist]) -> None:
    at = await typist(tmp_path, close, "fake:answer=zzz")
    await at.at(f"{HEAD}    return |\n")
    encoded = at.session.effort.encoded_tokens
    for n_typed in range(1, 7):
        await at.at(f"{HEAD}    return {'width '[:n_typed]}|\n")
    assert at.session.effort.computed == 7
    assert at.session.effort.encoded_tokens - encoded <= 6 * 2
    assert at.session.effort.forwards <= 7 * 3


async def test_a_cancelled_answer_is_the_draft_of_the_next(tmp_path: Path, close: list[Typist]) -> None:
    at = await typist(tmp_path, close, "fake:answer=width / 2 - width / 4&step_ms=80")
    first = asyncio.create_task(at.at(f"{HEAD}    return |\n"))
    while not at.session.suggestions.draft_for(URI, f"{HEAD}    return ", "\n")():
        await asyncio.sleep(0.005)
    second = asyncio.create_task(at.at(f"{HEAD}    return w|\n"))
    assert await first == []
    (shown,) = await second
    assert (
        shown.insert == "width / 2 - width / 4"
    )  # this model says so wherever it is asked: a draft is verified
    none, draft = (request.draft for request in at.requests)
    assert not none
    assert draft and "idth / 2 - width / 4".startswith(draft)


async def test_what_follows_an_acceptance_is_computed_while_the_user_reads(
    tmp_path: Path, close: list[Typist], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fills, "READING_SECONDS", 0.0)
    at = await typist(tmp_path, close, "fake:answer=width")
    (shown,) = await at.at(f"{HEAD}    return |\n")
    await at.prepare(shown)
    computed = at.session.effort.computed
    (following,) = await at.at(f"{HEAD}    return width|\n")
    effort = at.session.effort
    assert (following.insert, effort.computed, effort.prepared) == ("width", computed, 1)
    assert effort.useful_forwards == effort.forwards


async def test_what_is_prepared_gives_way_to_anything_else(
    tmp_path: Path, close: list[Typist], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fills, "READING_SECONDS", 0.0)
    at = await typist(tmp_path, close, "fake:answer=width&step_ms=60")
    (shown,) = await at.at(f"{HEAD}    return |\n")
    preparing = asyncio.create_task(at.prepare(shown))
    await asyncio.sleep(0.02)
    (other,) = await at.at(f"{HEAD}    return (|\n")
    await preparing
    assert other.insert == "width"
    assert at.session.suggestions.prepared_for(URI, f"{HEAD}    return width", "\n") is None


async def test_where_there_was_no_time_for_the_whole_context_it_is_read_afterwards(
    tmp_path: Path, close: list[Typist], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fills, "READING_SECONDS", 0.0)
    lines = "".join(f"row_{number} = {number}\n" for number in range(300))
    # 100 ms are the context's: not enough for the whole.
    at = await typist(tmp_path, close, "fake:answer=&token_ms=0.2", deadline_ms=500)
    assert await at.at(f"{lines}x = |\n") == []
    while not at.session.effort.prepared:
        await asyncio.sleep(0.01)
    typed, spare = at.requests
    assert (typed.deadline_ms is None, spare.deadline_ms is None) == (False, True)
    encoded = at.session.effort.encoded_tokens
    assert encoded > 800  # a short one and the whole
    await at.at(f"{lines}x = y|\n")
    assert at.session.effort.encoded_tokens - encoded < 16


async def test_a_text_that_changes_while_it_waits_is_not_computed(
    tmp_path: Path, close: list[Typist]
) -> None:
    at = await typist(tmp_path, close, "fake:answer=width", debounce_ms=200)
    first = asyncio.create_task(at.at(f"{HEAD}    return |\n"))
    await asyncio.sleep(0.05)
    at.last, _, _ = at.change(f"{HEAD}    return (|\n")  # an edit that brings no request
    assert await first == []
    assert at.requests == []


@pytest.mark.parametrize(
    ("text", "switch"), [("# some words |\n", "in_comments"), ("x = 'some words |'\n", "in_strings")]
)
async def test_scopes(tmp_path: Path, close: list[Typist], text: str, switch: str) -> None:
    on = await typist(tmp_path, close, "fake:answer=more")
    assert await on.at(text)
    off = await typist(tmp_path, close, "fake:answer=more", **{switch: False})
    assert await off.at(text) == []
    assert off.requests == []
    assert await off.at(text, automatic=False)
    assert await off.at("x = |\n")


async def test_who_asks_is_asked_for_other_choices(tmp_path: Path, close: list[Typist]) -> None:
    at = await typist(tmp_path, close, "fake:answer=more")
    await at.at("x = |\n")
    await at.at("x = |\n", automatic=False)
    assert [request.n_alternatives for request in at.requests] == [0, fills.ALTERNATIVES]


def test_the_pass_that_was_under_way_when_the_key_came_is_not_lost() -> None:
    suggestions = Suggestions()
    first, effort = Spent(Effort()), Effort()
    suggestions.begin(URI, "x = ", "\n", lambda: first.text)
    second = Spent(effort, draft=suggestions.draft_for(URI, "x = f", "\n"))
    assert second.text == ""  # the key came, and nothing was settled yet

    def rest_of_the_pass(on_frame: FrameListener) -> FillResult:
        on_frame(CanvasFrame(0, 1, ("fo", "o(", None), done=False))
        raise Cancelled

    with pytest.raises(Cancelled):
        first.run(rest_of_the_pass)
    second.start()
    assert second.text == "oo("
    third = Spent(effort, draft=suggestions.draft_for(URI, "x = g", "\n"))
    third.start()
    assert third.text == ""
