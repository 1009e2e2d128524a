"""Folders and their settings, what is answered at all, suggestions that rest, and the engine's states."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import ModelNotFoundError
from engine.types import CancelToken, FillRequest, FillResult, ModelInfo, Progress, ProgressListener, Span
from lsp_server import fills
from lsp_server.documents import Document
from lsp_server.errors import RequestFailed
from lsp_server.host import Status
from lsp_server.options import Options
from lsp_server.session import Session, Snapshot

TIMEOUT_S = 10


class Stub:
    """An engine that answers with its model's name and remembers what it was asked."""

    def __init__(self, model: str) -> None:
        self.info = ModelInfo(model, "none", "stub", "", None, 1)
        self.requests: list[FillRequest] = []
        self.closed = threading.Event()
        self.answer = model

    def fill(self, request: FillRequest, **_: Any) -> FillResult:
        assert not self.closed.is_set()
        self.requests.append(request)
        return FillResult("ok", fills=(self.answer,) * request.n_holes)

    def close(self) -> None:
        self.closed.set()


class Desk:
    """A session with stub engines, and everything it has said."""

    def __init__(self, tmp_path: Path, opener: Any = None) -> None:
        self.engines: list[Stub] = []
        self.reports: list[str] = []
        self.statuses: list[Status] = []
        self._changed = threading.Condition()
        (tmp_path / "user.toml").touch()
        environ = {
            "UNMASK_CONFIG": str(tmp_path / "user.toml"),
            "UNMASK_STATS_FILE": str(tmp_path / "stats" / "suggestions.json"),
        }
        self.session = Session(
            environ=environ, command_line=Options(), report=self.reports.append, on_status=self.hear,
            opener=opener or self.open,
        )  # fmt: skip

    def open(self, config: EngineConfig, **_: Any) -> Stub:
        self.engines.append(Stub(config.model))
        return self.engines[-1]

    def hear(self, status: Status) -> None:
        with self._changed:
            self.statuses.append(status)
            self._changed.notify_all()

    def wait(self, wanted: Callable[[Status], bool]) -> Status:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.statuses)), TIMEOUT_S), self.statuses
            return next(filter(wanted, self.statuses))

    def start(self, **options: Any) -> "Desk":
        self.session.set_initial(Options(**options))
        self.session.refresh()
        self.session.start()
        self.wait(lambda status: status.state == "ready")
        return self

    def snapshot(
        self, text: str = "x = \n", uri: str = "file:///w/a.py", language: str = "python"
    ) -> Snapshot:
        return self.session.snapshot(Document(uri, text, 1, language))

    async def suggest(self, text: str, *, automatic: bool = True, current: bool = True) -> str | None:
        """The suggestion at the ``|`` of a text."""
        before, after = text.split("|")
        shown = await fills.suggest(
            self.session, self.snapshot(before + after), before, after, automatic=automatic,
            is_current=lambda: current,
        )  # fmt: skip
        return next((each.insert for each in shown), None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    assert desk.session.close(TIMEOUT_S)


# Folders.


def test_a_file_has_its_innermost_folders_settings(desk: Desk, tmp_path: Path):
    for name, tokens in (("a", 10), ("a/inner", 20), ("ab", 30)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / ".git").mkdir()
        (tmp_path / name / "unmask.toml").write_text(f"max_tokens = {tokens}\n")
    desk.session.set_folders((tmp_path / name).as_uri() for name in ("a", "a/inner", "ab"))

    def tokens(path: str) -> int:
        return desk.snapshot(uri=(tmp_path / path).as_uri()).settings.max_tokens

    assert [tokens("a/x.py"), tokens("a/inner/y/x.py"), tokens("ab/x.py"), tokens("x.py")] == [10, 20, 30, 64]


def test_folders_are_found_however_their_uri_is_escaped(desk: Desk):
    desk.session.set_folders(["file:///c%3A/My%20Code"])
    desk.session.configure(Options(), {"c:/My Code": Options(max_tokens=5)})
    assert desk.snapshot(uri="file:///C:/My%20Code/src/a.py").settings.max_tokens == 5
    assert str(desk.snapshot(uri="file:///C:/My%20Code/src/a.py").inside) == "src/a.py"


def test_the_command_line_wins_over_the_client():
    session = Session(
        environ={"UNMASK_CONFIG": os.devnull, "UNMASK_STATS": "0"},
        command_line=Options(max_tokens=3), report=pytest.fail, on_status=lambda _: None,
    )  # fmt: skip
    session.set_initial(Options(max_tokens=4, deadline_ms=77))
    session.refresh()
    assert (session.elsewhere.max_tokens, session.elsewhere.deadline_ms) == (3, 77)


def test_folders_that_want_different_models_are_told_which_one_they_get(desk: Desk, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "unmask.toml").write_text(f'model = "fake:{name}"\n')
    desk.session.set_folders((tmp_path / name).as_uri() for name in ("one", "two"))
    desk.start()
    assert [engine.info.name for engine in desk.engines] == ["fake:one"]
    assert "all use fake:one" in desk.reports[0]


# What is answered at all.


@pytest.mark.parametrize(
    ("options", "uri", "why"),
    [
        ({"enabled": True}, "file:///w/.env.local", "secrets"),
        ({"languages": {"python": False}}, "file:///w/a.py", "turned off for python"),
        ({"exclude": ("*.gen.py",)}, "file:///w/a.gen.py", "excluded"),
        ({}, "file:///w/a.py", None),
    ],
)
def test_silent_documents(desk: Desk, options, uri, why):
    desk.start(**options)
    reason = desk.session.silent_because(desk.snapshot(uri=uri))
    assert reason is None if why is None else why in reason


def test_a_large_document_is_left_alone(desk: Desk):
    desk.start()
    assert "larger than 5 MB" in desk.session.silent_because(desk.snapshot("x" * 5_000_001))


async def test_turned_off_no_model_is_loaded(desk: Desk):
    desk.session.set_initial(Options(enabled=False))
    desk.session.refresh()
    desk.session.start()
    assert desk.engines == []
    assert await desk.suggest("x = |", automatic=False) is None


@pytest.mark.parametrize(
    ("text", "quiet"),
    [("foo(|)", False), ("foo(|]})\"';", False), ("foo(|, 12345678)", False), ("foo(|abcdefghi)", True)],
)
def test_quiet_inside_a_line(desk: Desk, text, quiet):
    before, after = text.split("|")
    assert (
        desk.session.quiet_because(desk.snapshot(), before, after + "\r\nlong line below") is not None
    ) is quiet


async def test_manual_only(desk: Desk):
    desk.start(manual_only=True)
    assert await desk.suggest("x = |") is None
    assert await desk.suggest("x = |", automatic=False) == desk.engines[0].answer


# Suggestions.


async def test_the_engine_gets_lf_and_the_document_its_own_line_ends(desk: Desk):
    desk.start(multi_line="always")
    desk.engines[0].answer = "a\nb"
    assert await desk.suggest("x\r\ny = |\r\nz") == "a\r\nb"
    assert desk.engines[0].requests[0].segments == ("x\ny = ", None, "\nz")


@pytest.mark.parametrize(
    ("multi_line", "text", "single"),
    [("never", "def f():\n    |", True), ("auto", "x = |)", True), ("always", "x = |)", False)],
)
async def test_single_line(desk: Desk, multi_line, text, single):
    desk.start(multi_line=multi_line)
    await desk.suggest(text)
    assert desk.engines[0].requests[0].single_line is single


async def test_an_automatic_request_is_strict_and_has_a_deadline(desk: Desk):
    desk.start(deadline_ms=1000)
    await desk.suggest("x = |")
    await desk.suggest("y = |", automatic=False)
    typed, asked = desk.engines[0].requests
    assert (typed.automatic, asked.automatic, asked.deadline_ms) == (True, False, None)
    assert typed.deadline_ms is not None
    assert 0 < typed.deadline_ms <= 1000


async def test_typing_along_a_suggestion_asks_nobody(desk: Desk):
    desk.start()
    desk.engines[0].answer = "foo(1)"
    assert [await desk.suggest(text) for text in ("x = |", "x = f|", "x = foo|")] == [
        "foo(1)",
        "oo(1)",
        "(1)",
    ]
    assert len(desk.engines[0].requests) == 1


async def test_a_rejected_suggestion_rests(desk: Desk):
    desk.start()
    desk.engines[0].answer = "foo(1)"
    assert await desk.suggest("x = |") == "foo(1)"
    desk.engines[0].answer = "bar"
    assert await desk.suggest("x = g|") == "bar"
    desk.engines[0].answer = "foo(1)"
    assert await desk.suggest("x = |") is None
    assert await desk.suggest("x = |", automatic=False) == "foo(1)"


async def test_a_document_that_changed_meanwhile_gets_nothing(desk: Desk):
    desk.start()
    assert await desk.suggest("x = |", current=False) is None


# Explicit fills.


async def test_holes_are_filled_in_one_request(desk: Desk):
    desk.start()
    snapshot = desk.snapshot("a = <hole>\r\nb = <hole>\r\n")
    spans = [Span(4, 10), Span(16, 22)]
    answer = desk.engines[0].answer
    assert await fills.fill(desk.session, snapshot, spans) == [(spans[0], answer), (spans[1], answer)]
    (request,) = desk.engines[0].requests
    assert request.segments == ("a = ", None, "\nb = ", None, "\n")
    assert not request.automatic


async def test_an_explicit_fill_says_why_it_cannot_be(desk: Desk):
    with pytest.raises(RequestFailed, match="No model is loaded"):
        await fills.fill(desk.session, desk.snapshot(), [Span(4, 4)])


# The engine.


def test_loading_reports_percents_and_answers_nothing(tmp_path: Path):
    go = threading.Event()

    def slow(config: EngineConfig, *, progress: ProgressListener, cancel: CancelToken) -> Stub:
        progress(Progress("download", 30, 100))
        assert go.wait(TIMEOUT_S)
        return Stub(config.model)

    desk = Desk(tmp_path, slow)
    desk.session.start()
    desk.wait(lambda status: status.percent == 30)
    assert "download" in (desk.session.silent_because(desk.snapshot()) or "")
    go.set()
    desk.wait(lambda status: status.state == "ready")
    assert desk.session.silent_because(desk.snapshot()) is None
    assert desk.session.close(TIMEOUT_S)


def test_a_failure_has_a_reason_and_a_reload_tries_again(tmp_path: Path):
    tries: list[str] = []

    def flaky(config: EngineConfig, **_: Any) -> Stub:
        tries.append(config.model)
        if len(tries) == 1:
            raise ModelNotFoundError("no model of that name", "Pull it.")
        return Stub(config.model)

    desk = Desk(tmp_path, flaky)
    desk.session.start()
    failed = desk.wait(lambda status: status.state == "failed")
    assert failed.message == failed.failure == "no model of that name. Pull it."
    desk.session.reload()
    desk.wait(lambda status: status.state == "ready")
    assert desk.session.close(TIMEOUT_S)


async def test_the_old_engine_answers_until_the_new_one_is_ready(tmp_path: Path):
    go = threading.Event()
    engines: list[Stub] = []

    def opener(config: EngineConfig, **_: Any) -> Stub:
        if engines:
            assert go.wait(TIMEOUT_S)
        engines.append(Stub(config.model))
        return engines[-1]

    desk = Desk(tmp_path, opener).start(model="old")
    desk.session.configure(Options(model="new"), {})
    desk.wait(lambda status: status.reloading)
    assert await desk.suggest("x = |") == "old"
    go.set()
    desk.wait(lambda status: status.model == "new")
    assert await desk.suggest("y = |") == "new"
    assert engines[0].closed.wait(TIMEOUT_S)
    assert desk.session.close(TIMEOUT_S)


async def test_a_reload_that_fails_keeps_the_old_engine(tmp_path: Path):
    def opener(config: EngineConfig, **_: Any) -> Stub:
        if config.model == "bad":
            raise ModelNotFoundError("bad is broken")
        return Stub(config.model)

    desk = Desk(tmp_path, opener).start(model="good")
    desk.session.configure(Options(model="bad"), {})
    desk.wait(lambda status: status.state == "ready" and status.failure is not None)
    assert await desk.suggest("x = |") == "good"
    assert desk.session.close(TIMEOUT_S)


def test_what_is_watched(desk: Desk, tmp_path: Path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "project" / ".git").mkdir(parents=True)
    desk.session.set_folders([(tmp_path / "project").as_uri()])
    desk.start(model=str(tmp_path / "weights"))
    assert desk.session.watched() == {
        tmp_path / "user.toml",
        tmp_path / "project" / "unmask.toml",
        tmp_path / "weights" / "manifest.json",
    }


def test_settings_that_do_not_concern_the_engine_leave_it_be(desk: Desk):
    desk.start()
    desk.session.configure(Options(max_tokens=3, exclude=("x",)), {})
    assert len(desk.engines) == 1
