"""Settings as they arrive and change while the server runs, several roots, and the engine's states."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.rpc import COPIED, INLINE, Client, span

URI = "file:///w/a.py"
PULLS: dict[str, Any] = {
    **INLINE,
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
}

SLOW_SERVER = """
import sys, time
from pathlib import Path
from engine.engine import open_engine
from engine.types import Progress
from lsp_server.options import Options
from lsp_server.server import Server
from lsp_server.transport import serve_stdio

gate = Path({gate!r})

def opener(config, *, progress, cancel):
    progress(Progress("download", 42, 100))
    while not gate.exists():
        cancel.wait(0.01)
        cancel.check()
    return open_engine(config)

sys.exit(serve_stdio(Server(Options(model="fake"), opener=opener)))
"""


def inserted(client: Client, uri: str, line: int = 2, character: int = 2) -> list[str]:
    return [item["insertText"] for item in client.ghost(uri, line, character)]


def write_until(client: Client, file: Path, text: str, wanted: Callable[[Any], bool]) -> None:
    """Write a file until the server says what it should of it: watching begins a moment after it starts."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        file.write_text(text)
        try:
            client.wait_for("unmask/status", wanted, timeout_s=1)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"{file} went unnoticed")


def test_while_loading_answers_are_empty_and_the_status_says_why(start: Start, tmp_path: Path):
    gate = tmp_path / "gate"
    client = start(code=SLOW_SERVER.format(gate=str(gate)))
    begun = time.perf_counter()
    client.initialize({**INLINE, "window": {"workDoneProgress": True}}, ready=False)
    client.open(URI, COPIED)
    assert inserted(client, URI) == []
    assert client.call("textDocument/codeAction", {
        "textDocument": {"uri": URI}, "range": span(0, 0, 0, 0), "context": {"diagnostics": []},
    }) == []  # fmt: skip
    assert time.perf_counter() - begun < 5
    status = client.wait_for("unmask/status", lambda status: status["percent"] == 42)
    assert status["state"] == "loading"
    assert "download" in status["message"]
    client.wait_for("$/progress", lambda params: params["value"]["kind"] == "begin")
    gate.touch()
    client.wait_for_state("ready")
    client.wait_for("$/progress", lambda params: params["value"]["kind"] == "end")
    assert inserted(client, URI) == ["o(1)"]
    assert client.leave() == 0


def test_leaving_while_loading(start: Start, tmp_path: Path):
    client = start(code=SLOW_SERVER.format(gate=str(tmp_path / "never")))
    client.initialize(ready=False)
    client.wait_for_state("loading")
    assert client.leave() == 0


def test_a_model_that_cannot_be_had_is_said_once_and_a_reload_tries_again(start: Start):
    client = start("--model", "no-such-model")
    client.initialize(ready=False)
    failed = client.wait_for_state("failed")
    assert "no-such-model" in failed["message"]
    client.open(URI, COPIED)
    assert inserted(client, URI) == []
    said = [params["message"] for method, params in client.notifications if method == "window/showMessage"]
    assert len(said) == 1
    assert "no-such-model" in said[0]
    client.notifications.clear()
    client.call("workspace/executeCommand", {"command": "unmask.reload"})
    client.wait_for_state("failed")
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert [method for method, _ in client.notifications if method == "window/showMessage"] == []
    assert client.leave() == 0


def test_bad_settings_are_named_and_the_rest_is_used(start: Start):
    client = start()
    client.initialize(options={"model": "fake:answer=f(1)", "modle": "x", "maxTokens": "many"})
    said = [params["message"] for method, params in client.notifications if method == "window/showMessage"]
    assert len(said) == 2
    assert any("'modle'" in message for message in said)
    assert any("'maxTokens'" in message for message in said)


def test_configuration_is_pulled_and_follows_changes(start: Start):
    client = start()
    held = {"model": "fake:answer=one", "manualOnly": False}
    client.handlers["workspace/configuration"] = lambda params: [held for _ in params["items"]]
    client.initialize(PULLS)
    client.open(URI, "x = \ny = \n")
    assert inserted(client, URI, 0, 4) == ["one"]
    held = {"model": "fake:answer=two"}
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.wait_for("unmask/status", lambda status: status["reloading"])
    client.notifications.clear()
    client.call("workspace/executeCommand", {"command": "unmask.reload"})
    client.wait_for_state("ready")
    assert inserted(client, URI, 1, 4) == ["two"]
    assert "client/registerCapability" in [method for method, _ in client.requests]


def test_configuration_can_be_pushed(client: Client):
    client.initialize()
    client.open(URI, COPIED)
    client.notify(
        "workspace/didChangeConfiguration", {"settings": {"unmask": {"languages": {"python": False}}}}
    )
    assert inserted(client, URI) == []
    client.notify("workspace/didChangeConfiguration", {"settings": {"unmask": {}}})
    assert inserted(client, URI) == ["o(1)"]


@pytest.mark.parametrize("settings", [{}, {"python": {}}])
def test_a_push_without_our_section_turns_nothing_on(start: Start, settings: dict[str, Any]):
    client = start("--model", "fake")
    client.handlers["workspace/configuration"] = lambda params: [{"enabled": False} for _ in params["items"]]
    client.initialize(PULLS, ready=False)
    client.open(URI, COPIED)
    assert client.call("workspace/executeCommand", {"command": "unmask.status"})["state"] == "off"
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    assert inserted(client, URI) == []
    assert client.leave() == 0
    states = [status["state"] for method, status in client.notifications if method == "unmask/status"]
    assert "loading" not in states
    assert "ready" not in states
    asked = [method for method, _ in client.requests if method == "workspace/configuration"]
    assert len(asked) == 2


@pytest.mark.parametrize("settings", [{}, {"python": {}}, None])
def test_a_push_without_our_section_changes_nothing(client: Client, settings: dict[str, Any] | None):
    client.initialize()
    client.open(URI, COPIED)
    client.notify("workspace/didChangeConfiguration", {"settings": {"unmask": {"enabled": False}}})
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    assert inserted(client, URI) == []


def test_a_changed_unmask_toml_takes_effect_without_dropping_a_request(start: Start, tmp_path: Path):
    file = tmp_path / "unmask.toml"
    file.write_text('model = "fake:answer=one"\n')
    client = start()
    client.initialize(folders=[tmp_path])
    uri = (tmp_path / "a.py").as_uri()
    client.open(uri, "x = \ny = \nz = \n")
    assert inserted(client, uri, 0, 4) == ["one"]
    client.notifications.clear()
    write_until(
        client,
        file,
        'model = "fake:answer=two"\n',
        lambda status: status["state"] == "ready" and not status["reloading"],
    )
    assert inserted(client, uri, 1, 4) == ["two"]
    client.notifications.clear()
    write_until(
        client, file, 'model = "fake:anwser=x"\n', lambda status: "cannot be used" in status["message"]
    )
    assert inserted(client, uri, 2, 4) == ["two"]
    assert client.leave() == 0


def test_a_changed_model_is_opened_anew_while_the_old_one_answers(client: Client):
    client.initialize()
    client.open(URI, COPIED)
    change = {"uri": "file:///models/mine/manifest.json", "type": 2}
    client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
    assert inserted(client, URI) == ["o(1)"]
    client.wait_for("unmask/status", lambda status: status["reloading"])


def test_several_roots_have_their_own_settings(start: Start, tmp_path: Path):
    for name, text in (
        ("on", "max_tokens = 8\n"),
        ("off", "enabled = false\n"),
        ("later", "exclude = ['*.py']\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "unmask.toml").write_text(text)
    uris = {name: (tmp_path / name / "a.py").as_uri() for name in ("on", "off", "later")}
    client = start("--model", "fake")
    client.initialize(folders=[tmp_path / "on", tmp_path / "off"])
    for uri in uris.values():
        client.open(uri, COPIED)
    assert [inserted(client, uri) for uri in uris.values()] == [["o(1)"], [], ["o(1)"]]
    added = [{"uri": (tmp_path / "later").as_uri(), "name": "later"}]
    removed = [{"uri": (tmp_path / "off").as_uri(), "name": "off"}]
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": removed}})
    assert [inserted(client, uri) for uri in uris.values()] == [["o(1)"], ["o(1)"], []]


def test_a_folder_that_is_added_later_is_asked_for_its_settings(start: Start, tmp_path: Path):
    (tmp_path / "first").mkdir()
    later = (tmp_path / "later").as_uri()
    client = start("--model", "fake")
    client.handlers["workspace/configuration"] = lambda params: [
        {"enabled": False} if item.get("scopeUri") == later else None for item in params["items"]
    ]
    client.initialize(PULLS, folders=[tmp_path / "first"])
    event = {"added": [{"uri": later, "name": "later"}], "removed": []}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    uris = [f"{later}/a.py", (tmp_path / "first" / "a.py").as_uri()]
    for uri in uris:
        client.open(uri, COPIED)
    # The answer to our question is on its way before this one is: our client answers at once.
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert [inserted(client, uri) for uri in uris] == [[], ["o(1)"]]


def test_settings_that_come_late_are_taken(start: Start):
    client = start("--model", "fake")
    client.unanswered.add("workspace/configuration")
    client.initialize(PULLS)  # it is ready once it has given up waiting
    client.open(URI, COPIED)
    assert inserted(client, URI) == ["o(1)"]
    ((_, ident),) = [held for held in client.held if held[0] == "workspace/configuration"]
    client.send({"id": ident, "result": [{"enabled": False}]})
    client.wait_for_state("off")
    assert inserted(client, URI) == []
    assert client.leave() == 0


def test_an_old_answer_does_not_undo_a_newer_one(start: Start):
    client = start("--model", "fake")
    client.unanswered.add("workspace/configuration")
    client.initialize(PULLS, ready=False)
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    first, second = [ident for method, ident in client.held if method == "workspace/configuration"]
    client.send({"id": second, "result": [{"enabled": False}]})
    client.send({"id": first, "result": [{"enabled": True}]})
    client.open(URI, COPIED)
    assert inserted(client, URI) == []
    assert client.leave() == 0
    states = [status["state"] for method, status in client.notifications if method == "unmask/status"]
    assert "loading" not in states


def test_completion_that_only_the_pulled_settings_ask_for_is_registered(start: Start):
    client = start("--model", "fake")
    client.handlers["workspace/configuration"] = lambda params: [
        {"completion": "always"} for _ in params["items"]
    ]
    capabilities = {
        **PULLS,
        "textDocument": {"inlineCompletion": {}, "completion": {"dynamicRegistration": True}},
    }
    assert "completionProvider" not in client.initialize(capabilities)["capabilities"]
    client.open(URI, COPIED)
    registered = [
        each["method"]
        for method, params in client.requests
        if method == "client/registerCapability"
        for each in params["registrations"]
    ]
    assert "textDocument/completion" in registered
    params = {"textDocument": {"uri": URI}, "position": {"line": 2, "character": 2}}
    assert len(client.call("textDocument/completion", params)["items"]) == 1


def test_a_renamed_folder_keeps_its_settings(start: Start, tmp_path: Path):
    (tmp_path / "unmask.toml").write_text("enabled = false\n")
    client = start("--model", "fake")
    client.initialize(folders=[tmp_path], ready=False)
    folder = {"uri": tmp_path.as_uri(), "name": "old"}
    event = {"removed": [folder], "added": [{**folder, "name": "new"}]}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    uri = (tmp_path / "a.py").as_uri()
    client.open(uri, COPIED)
    assert inserted(client, uri) == []
    # Without the folder the engine would be loaded for files outside all folders.
    assert client.call("workspace/executeCommand", {"command": "unmask.status"})["state"] != "ready"
