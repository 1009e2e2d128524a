"""Edit tasks as code actions and commands: what is offered where, one versioned edit, refusals, new files."""

import time
from pathlib import Path
from typing import Any

import pytest

from engine.code.edits import smallest_edits
from engine.code.languages import by_id
from engine.code.syntax import has_error
from tests.e2e.conftest import Start
from tests.e2e.rpc import Client, RpcError, span
from tests.e2e.test_lsp_fill import COMMANDS_ONLY, RESOLVES, applied

URI = "file:///w/a.py"
BROKEN = "# 😀\r\ndef f(x)\r\n\treturn '😀' + x  \r\n\r\ny = 1\nlast"
ANNOTATES: dict[str, Any] = {
    **RESOLVES,
    "workspace": {
        "workspaceEdit": {
            "documentChanges": True,
            "resourceOperations": ["create"],
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
        "applyEdit": True,
    },
}
# A server whose engine answers edits without a model: in capitals, or whatever it is told by the instruction.
STUB = """
import sys
from engine import editing
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.types import EditResult
from lsp_server import host, server, session
from lsp_server.cli.main import main

for kind in ("types", "docstring", "names", "complete", "translate"):
    editing._MODULES.setdefault(kind, "none")

class Stub(Engine):
    def edit(self, request, *, cancel=None, on_frame=None):
        assert "\\r" not in request.text
        if request.instruction == "wait":
            cancel.wait(60)
            cancel.check()
        span = request.span
        new = request.selected.upper() if request.kind != "types" else request.selected
        text = request.text[:span.start_char] + new + request.text[span.end_char:]
        return EditResult("ok" if text != request.text else "refused", text, reason=request.to)

def opener(config, *, progress, cancel):
    fake = FakeDenoiser()
    return Stub(fake, fake.codec, 1000)

server.Server.__init__.__kwdefaults__["opener"] = opener
sys.argv = ["unmask", "serve"]
sys.exit(main())
"""


def actions(client: Client, range_: dict[str, Any], uri: str = URI, **context: Any) -> dict[str, Any]:
    """The offers that are not fills, by title."""
    params = {"textDocument": {"uri": uri}, "range": range_, "context": {"diagnostics": [], **context}}
    answer = client.call("textDocument/codeAction", params)
    titles = [action["title"] for action in answer]
    assert len(titles) == len(set(titles))
    return {title: action for title, action in zip(titles, answer, strict=True) if "fill" not in title}


def assert_mended(old: str, new: str) -> None:
    """It parses, and all that was changed is one place of one line or two; which, the fake does not care."""
    assert not has_error(new, by_id("python"))
    (part,) = smallest_edits(old, new)
    assert "\n" not in part.new_text


# Repair, by the fake model.


def test_repair_is_a_quick_fix_where_the_text_does_not_parse(start: Start):
    client = start("--model", "fake")
    client.initialize(ANNOTATES)
    client.open(URI, BROKEN, version=3)
    assert "Unmask: repair" not in actions(client, span(4, 0, 4, 0))
    repair = actions(client, span(1, 2, 1, 2))["Unmask: repair"]
    assert (repair["kind"], "edit" in repair) == ("quickfix", False)
    edit = client.call("codeAction/resolve", repair)["edit"]
    ((ident, annotation),) = edit["changeAnnotations"].items()
    assert annotation == {"label": "Unmask: repair", "needsConfirmation": False}
    (change,) = edit["documentChanges"]
    assert change["textDocument"] == {"uri": URI, "version": 3}
    (part,) = change["edits"]
    assert part["annotationId"] == ident
    assert_mended(BROKEN, applied(BROKEN, change["edits"]))


def test_a_diagnostic_is_an_offer_to_repair_and_comes_back_with_it(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, "x = 1\n")
    assert "Unmask: repair" not in actions(client, span(0, 0, 0, 0))
    diagnostic = {"range": span(0, 4, 0, 5), "message": "wrong"}
    repair = actions(client, span(0, 4, 0, 4), diagnostics=[diagnostic])["Unmask: repair"]
    assert repair["diagnostics"] == [diagnostic]
    assert repair["data"]["doubtful"] == [span(0, 4, 0, 5)]


def test_a_text_that_parses_is_refused(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, "x = 1\n")
    client.handlers["workspace/applyEdit"] = lambda _: pytest.fail("applied")
    for range_ in ({"range": span(0, 0, 0, 0)}, {}):
        command = {"command": "unmask.edit", "arguments": [{"uri": URI, "kind": "repair", **range_}]}
        with pytest.raises(RpcError, match="nothing to change") as refused:
            client.call("workspace/executeCommand", command)
        assert refused.value.code == -32803


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_are_in_the_clients_units(start: Start, encoding: str):
    client = start("--model", "fake")
    client.initialize({**RESOLVES, "general": {"positionEncodings": [encoding]}})
    text = "s = '😀'; x = f(1\n"
    client.open(URI, text)
    repair = actions(client, span(0, 0, 0, 3))["Unmask: repair"]
    (change,) = client.call("codeAction/resolve", repair)["edit"]["documentChanges"]
    (edit,) = change["edits"]
    units = {"utf-8": 3, "utf-16": 1, "utf-32": 0}[encoding]  # more than characters, for the face
    start_char, end_char = (edit["range"][end]["character"] - units for end in ("start", "end"))
    assert_mended(text, text[:start_char] + edit["newText"] + text[end_char:])


def test_a_moving_cursor_hears_only_of_what_is_broken(start: Start):
    client = start(code=STUB)
    client.initialize(RESOLVES)
    client.open(URI, BROKEN)
    assert list(actions(client, span(1, 5, 1, 5), triggerKind=2)) == ["Unmask: repair"]
    assert list(actions(client, span(4, 0, 4, 0), triggerKind=2)) == []


def test_only_wanted_kinds(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, BROKEN)
    for only, offered in (
        (["quickfix"], True),
        ([""], True),
        (["quickfix.more"], False),
        (["refactor"], False),
        (["source"], False),
    ):
        assert ("Unmask: repair" in actions(client, span(1, 0, 1, 0), only=only)) is offered


# All tasks, by a stub.

CODE = "class A:\r\n    def f(self, x):\r\n        return x\r\n\r\n    def g(self):\r\n        pass\r\n"


def test_offers_go_by_where_the_cursor_is(start: Start):
    client = start(code=STUB)
    client.initialize(ANNOTATES)
    client.open(URI, CODE)
    at_f = actions(client, span(1, 8, 1, 8))
    assert {"Unmask: add types", "Unmask: write docstring", "Unmask: name this better"} <= set(at_f)
    assert "Unmask: complete body" not in at_f
    assert at_f["Unmask: add types"]["kind"] == "refactor.rewrite.unmask.types"
    assert "Unmask: complete body" in actions(client, span(5, 8, 5, 8))
    assert "Unmask: rewrite file to JavaScript" in at_f
    assert "Unmask: rewrite file to Python" not in at_f
    selected = actions(client, span(1, 0, 3, 0))
    assert {f"Unmask: rewrite selection ({how})" for how in ("restyle", "rework", "rewrite")} <= set(selected)
    assert "Unmask: rewrite selection to Go" in selected


def test_what_is_missing_is_offered_by_its_name_and_done(start: Start):
    client = start("--model", "fake:answer=log(error)", "--log-level", "error")
    client.initialize(ANNOTATES)
    text = "def f(a):\r\n    if a:\r\n        b = g(a)\r\n    return a\r\n"
    client.open(URI, text)
    assert "Unmask: add the else branch" in actions(client, span(1, 4, 1, 4))
    assert "Unmask: handle errors" not in actions(client, span(2, 8, 2, 8))
    handle = actions(client, span(2, 0, 3, 0))["Unmask: handle errors"]
    assert handle["kind"] == "refactor.rewrite.unmask.complete"
    (change,) = client.call("codeAction/resolve", handle)["edit"]["documentChanges"]
    assert applied(text, change["edits"]) == text.replace(
        "        b = g(a)\r\n",
        "        try:\r\n            b = g(a)\r\n"
        "        except Exception as error:\r\n            log(error)\r\n",
    )


def test_only_tasks_that_there_are_are_offered(start: Start):
    client = start("--model", "fake", "--log-level", "error")
    client.initialize(RESOLVES)
    client.open("file:///w/notes.txt", "words (of no\nlanguage", language="plaintext")
    titles = actions(client, span(0, 0, 1, 0), uri="file:///w/notes.txt")
    assert all(title.startswith("Unmask: rewrite selection") for title in titles)


def test_a_selection_is_edited_in_place_with_its_own_line_ends(start: Start):
    client = start(code=STUB)
    client.initialize(RESOLVES)
    text = "a = 1\r\nb = '😀'\n\tc = d\r\ne\r\n"
    client.open(URI, text)
    rewrite = actions(client, span(1, 0, 3, 0))["Unmask: rewrite selection (rework)"]
    assert rewrite["data"]["strength"] == "rework"
    (change,) = client.call("codeAction/resolve", rewrite)["edit"]["documentChanges"]
    assert applied(text, change["edits"]) == "a = 1\r\nB = '😀'\n\tC = D\r\ne\r\n"
    assert all("\n" not in edit["newText"] for edit in change["edits"])


def test_stale_refused_and_cancelled(start: Start):
    client = start(code=STUB)
    client.initialize(RESOLVES)
    client.open(URI, CODE)
    offer = actions(client, span(1, 8, 1, 8))["Unmask: add types"]
    with pytest.raises(RpcError, match="nothing was changed"):  # the stub has no types to add
        client.call("codeAction/resolve", offer)
    slow = {"uri": URI, "kind": "rewrite", "range": span(0, 0, 1, 0), "instruction": "wait"}
    command = {"command": "unmask.edit", "arguments": [slow], "workDoneToken": "mine"}
    begun = time.perf_counter()
    ident, answer = client.request("workspace/executeCommand", command)
    client.wait_for("$/progress", lambda params: params["token"] == "mine")
    client.notify("$/cancelRequest", {"id": ident})
    with pytest.raises(RpcError) as cancelled:
        answer.result(20)
    assert cancelled.value.code == -32800
    assert time.perf_counter() - begun < 30
    client.change(URI, 2, {"range": span(0, 0, 0, 0), "text": "#"})
    with pytest.raises(RpcError, match=r"a\.py has changed .*version 1, now 2") as stale:
        client.call("codeAction/resolve", offer)
    assert stale.value.code == -32803


def test_a_command_applies_its_edit_and_says_what_there_is_to_know(start: Start):
    client = start(code=STUB)
    client.initialize(COMMANDS_ONLY)
    client.open(URI, "word\r\n")
    client.handlers["workspace/applyEdit"] = lambda _: {"applied": True}
    target = {"uri": URI, "version": 1, "kind": "rewrite", "range": span(0, 0, 0, 4), "to": "note"}
    command = {"command": "unmask.edit", "arguments": [target]}
    assert client.call("workspace/executeCommand", command) == {"applied": True}
    ((_, params),) = [request for request in client.requests if request[0] == "workspace/applyEdit"]
    assert applied("word\r\n", params["edit"]["changes"][URI]) == "WORD\r\n"
    assert client.wait_for("window/showMessage")["message"] == "Unmask: note"


def test_a_second_model_does_what_is_asked_in_words(start: Start):
    client = start(UNMASK_MODEL="fake:answer=small()", UNMASK_EDIT_MODEL="fake:answer=large()")
    client.initialize(COMMANDS_ONLY)
    client.open(URI, "x = 1\ny = \n")
    client.handlers["workspace/applyEdit"] = lambda _: {"applied": True}
    assert [item["insertText"] for item in client.ghost(URI, 1, 4)] == ["small()"]
    target = {"uri": URI, "version": 1, "kind": "rewrite", "range": span(0, 0, 0, 5), "instruction": "Call."}
    client.call("workspace/executeCommand", {"command": "unmask.edit", "arguments": [target]})
    ((_, params),) = [request for request in client.requests if request[0] == "workspace/applyEdit"]
    assert applied("x = 1\ny = \n", params["edit"]["changes"][URI]) == "large()\ny = \n"


@pytest.mark.parametrize("target", [{"kind": "paint"}, {"kind": "rewrite", "strength": 3}, {}, {"kind": 1}])
def test_a_target_that_is_none(start: Start, target: dict[str, Any]):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    command = {"command": "unmask.edit", "arguments": [{"uri": URI, **target}]}
    with pytest.raises(RpcError) as refused:
        client.call("workspace/executeCommand", command)
    assert refused.value.code == -32602


def test_a_file_in_another_language_is_a_new_file_that_overwrites_none(start: Start, tmp_path: Path):
    client = start(code=STUB)
    client.initialize(ANNOTATES)
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "some.js").write_text("precious")
    uri = (folder / "some.py").as_uri()
    client.open(uri, "a = 1\r\n")
    client.open((folder / "some-2.js").as_uri(), "unsaved", language="javascript")
    offer = actions(client, span(0, 0, 0, 0), uri=uri)["Unmask: rewrite file to JavaScript"]
    edit = client.call("codeAction/resolve", offer)["edit"]
    create, write = edit["documentChanges"]
    new = (folder / "some-3.js").as_uri()
    assert (create["kind"], create["uri"]) == ("create", new)
    assert create["options"] == {"overwrite": False, "ignoreIfExists": False}
    assert write["textDocument"] == {"uri": new, "version": None}
    assert [part["newText"] for part in write["edits"]] == ["A = 1\r\n"]
    assert list(edit["changeAnnotations"].values()) == [
        {"label": "Unmask: rewrite to JavaScript", "needsConfirmation": False}
    ]


def test_an_editor_that_makes_no_files_is_offered_none_and_told(start: Start):
    client = start(code=STUB)
    client.initialize(RESOLVES)
    client.open(URI, "a = 1\n")
    assert not any("rewrite file" in title for title in actions(client, span(0, 0, 0, 0)))
    target = {"uri": URI, "version": 1, "kind": "translate", "to": "rust"}
    with pytest.raises(RpcError, match="no new files"):
        client.call("codeAction/resolve", {"title": "Rewrite", "data": target})


@pytest.mark.parametrize("check", [True, False])
def test_types_that_a_checker_complains_of_are_left_out(start: Start, check: bool):
    client = start("--model", "fake:answer=int")
    client.initialize(RESOLVES, {"check_types": check})
    text = "def half(word):\r\n    return len(word) / 2\r\n\r\n\r\nhalf('a')\r\n"
    client.open(URI, text)
    offer = actions(client, span(0, 5, 0, 5))["Unmask: add types"]
    if check:  # neither a number of characters nor half of it is an int here
        with pytest.raises(RpcError, match="mypy complains"):
            client.call("codeAction/resolve", offer)
        return
    (change,) = client.call("codeAction/resolve", offer)["edit"]["documentChanges"]
    assert applied(text, change["edits"]) == text.replace("(word):", "(word: int) -> int:")
