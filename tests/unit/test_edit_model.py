"""The second model: which edits it does, when it is opened and let go, what is said where it is missing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine import engine as engine_
from engine.config import EngineConfig
from engine.engine import Engine, OnDemand, open_engine
from engine.errors import Cancelled, ModelNotFoundError
from engine.types import CancelToken, EditRequest, EditResult, FillRequest
from lsp_server.settings import load
from tests.unit.conftest import Unmask

SMALL, LARGE = "fake:answer=small()", "fake:answer=large()"
BOTH = EngineConfig(model=SMALL, edit_model=LARGE)
IN_WORDS = EditRequest("rewrite", "x = 1\n", "python", instruction="Call it.")
TYPED = FillRequest(("x = ", None, "\n"), "python", single_line=True)


def edited(engine: Engine, request: EditRequest = IN_WORDS) -> str:
    result = engine.edit(request)
    assert result.status == "ok", result.reason
    return result.text


def test_what_is_asked_in_words_is_asked_of_the_second_model_and_all_else_of_the_first() -> None:
    engine = open_engine(BOTH)
    assert edited(engine) == "large()\n"
    assert engine.fill(TYPED).fills == ("small()",)
    body = EditRequest("complete", "def f():\n    pass\n", "python")
    assert edited(engine, body) == "def f():\n    small()\n"
    engine.close()


@pytest.mark.parametrize("config", [EngineConfig(model=SMALL), EngineConfig(model=SMALL, edit_model=SMALL)])
def test_without_a_second_model_the_first_does_everything(config: EngineConfig) -> None:
    assert edited(open_engine(config)) == "small()\n"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is opened and closed, from now on."""
    noted: list[str] = []
    open_, close = engine_.open_engine, Engine.close

    def opened(config: EngineConfig, **how: Any) -> Engine:
        noted.append(f"open {config.model}")
        return open_(config, **how)

    def closed(self: Engine) -> None:
        noted.append("close")
        close(self)

    monkeypatch.setattr(engine_, "open_engine", opened)
    monkeypatch.setattr(Engine, "close", closed)
    return noted


def ask(model: OnDemand) -> str:
    return model.edit(IN_WORDS, cancel=CancelToken(), on_frame=None).text


def test_it_is_opened_when_first_needed_and_stays(log: list[str]) -> None:
    engine = engine_.open_engine(BOTH)
    assert log == [f"open {SMALL}"]
    assert edited(engine) == edited(engine) == "large()\n"
    engine.fill(TYPED)
    assert log == [f"open {SMALL}", f"open {LARGE}"]
    engine.close()
    assert log[2:] == ["close", "close"]


def test_it_is_let_go_when_long_idle_and_comes_back(log: list[str]) -> None:
    model = OnDemand(EngineConfig(model=LARGE), idle_s=0.05)
    assert ask(model) == "large()\n"
    until = time.monotonic() + 20
    while "close" not in log and time.monotonic() < until:
        time.sleep(0.01)
    assert log == [f"open {LARGE}", "close"]
    assert ask(model) == "large()\n"
    model.close()
    assert log[2:] == [f"open {LARGE}", "close"]


def test_an_edit_that_comes_as_it_is_let_go_keeps_it(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model, edit = OnDemand(EngineConfig(model=LARGE), idle_s=0.1), Engine.edit
    ask(model)

    def slow(self: Engine, request: EditRequest, **how: Any) -> EditResult:
        time.sleep(0.3)  # the first edit's time is over meanwhile
        return edit(self, request, **how)

    monkeypatch.setattr(Engine, "edit", slow)
    monkeypatch.setattr(model, "_idle_s", 600.0)
    monkeypatch.setattr(threading.Timer, "cancel", lambda _: None)  # as if it had just begun to run
    ask(model)
    time.sleep(0.1)
    assert log == [f"open {LARGE}"]


def test_a_cancelled_edit_does_not_open_it() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        OnDemand(EngineConfig(model=LARGE)).edit(IN_WORDS, cancel=token, on_frame=None)


def test_a_model_that_is_not_here_is_never_fetched_and_what_to_do_is_said(tmp_path: Path) -> None:
    config = EngineConfig(model="qwen2.5-coder-1.5b", cache_dir=tmp_path, sources=("file", "wheels"))
    with pytest.raises(ModelNotFoundError) as raised:
        ask(OnDemand(config))
    assert str(raised.value) == (
        "qwen2.5-coder-1.5b, the model for edits in words, is not on this machine. "
        "Run `unmask models pull qwen2.5-coder-1.5b`."
    )


def test_the_command_line_goes_by_the_setting_and_a_model_named_there_is_for_everything(
    unmask: Unmask,
) -> None:
    Path("a.py").write_text("x = 1\n")
    Path("unmask.toml").write_text(f'model = "{SMALL}"\nedit_model = "{LARGE}"\n')
    edit = ("fill", "a.py", "--instruction", "Call it.")
    assert unmask(*edit).out == b"large()\n"
    assert unmask("fill", "a.py", "--at", "1:5").out.startswith(b"x = small()")
    assert unmask(*edit, "--model", SMALL).out == b"small()\n"


def test_batch_asks_both(unmask: Unmask) -> None:
    Path("unmask.toml").write_text(f'model = "{SMALL}"\nedit_model = "{LARGE}"\n')
    fill = '{"id": 1, "language": "python", "segments": ["x = ", null, "\\n"]}\n'
    edit = (
        '{"id": 2, "language": "python", "segments": ["x = 1\\n"],'
        ' "task": {"kind": "rewrite", "instruction": "Call it."}}\n'
    )
    outcome = unmask("batch", stdin=(fill + edit).encode())
    first, second = outcome.out.decode().splitlines()
    assert "small()" in first and "large()" in second


def test_a_folder_of_a_projects_own_is_not_loaded(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither under a name that a project's settings may say nor under one that a user may mean."""
    for name in ("weights", "qwen2.5-coder-0.5b"):
        Path(name).mkdir()
        Path(name, "manifest.json").write_text("{}")
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    monkeypatch.setenv("UNMASK_CACHE_DIR", str(tmp_path / "none"))
    Path("unmask.toml").write_text('model = "weights"\n')
    outcome = unmask("fill", "-", stdin=b"x = <hole>")
    assert "model is not for a project to set but by a name of `unmask models list`" in outcome.err
    assert (outcome.code, "qwen2.5-coder-0.5b is not on this machine" in outcome.err) == (3, True)


def test_a_project_may_name_it_but_not_by_a_path(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / ".git").mkdir()
    (tmp_path / "unmask.toml").write_text('edit_model = "qwen2.5-coder-1.5b"\n')
    environ = {"UNMASK_CONFIG": os.devnull}
    assert load(tmp_path, environ, said.append).engine.edit_model == "qwen2.5-coder-1.5b"
    for path in ("./weights", "a/b", "C:\\\\weights", "C:weights"):
        (tmp_path / "unmask.toml").write_text(f'edit_model = "{path}"\n')
        assert load(tmp_path, environ, said.append).engine.edit_model is None
        assert "edit_model is not for a project to set" in said.pop()


def test_doctor_says_where_it_is_and_what_is_missing(unmask: Unmask) -> None:
    Path("unmask.toml").write_text(f'model = "{SMALL}"\nedit_model = "{LARGE}"\n')
    assert "For edits" in unmask("doctor").out.decode()
    Path("unmask.toml").write_text(f'model = "{SMALL}"\nedit_model = "qwen2.5-coder-1.5b"\n')
    outcome = unmask("doctor")
    assert outcome.code == 1
    assert "Run `unmask models pull qwen2.5-coder-1.5b`." in outcome.out.decode()


@pytest.mark.parametrize("how", ["option", "setting"])
def test_doctor_knows_of_no_second_model_where_it_is_the_first(unmask: Unmask, how: str) -> None:
    Path("unmask.toml").write_text(f'model = "{SMALL}"\nedit_model = "{SMALL}"\n')
    outcome = unmask("doctor", *(("--model", SMALL) if how == "option" else ()))
    assert (outcome.code, "For edits" in outcome.out.decode()) == (0, False)
