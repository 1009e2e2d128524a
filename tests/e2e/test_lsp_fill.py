"""Code actions and commands: all holes as one edit, progress, canvases, refusals."""

import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Start
from tests.e2e.rpc import COPIED, Client, RpcError, span

URI = "file:///w/a.py"
TWO_HOLES = "# 😀\r\nx = <hole>\r\n\ty = '😀', <hole>)  \r\n\r\nlast"
RESOLVES: dict[str, Any] = {
    "textDocument": {
        "inlineCompletion": {},
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["refactor"]}},
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit"]},
        },
    },
    "workspace": {"workspaceEdit": {"documentChanges": True}, "applyEdit": True},
    "window": {"workDoneProgress": True},
}
COMMANDS_ONLY: dict[str, Any] = {"workspace": {"applyEdit": True}}


def actions(client: Client, range_: dict[str, Any], **context: Any) -> list[Any]:
    params = {"textDocument": {"uri": URI}, "range": range_, "context": {"diagnostics": [], **context}}
    answer = client.call("textDocument/codeAction", params)
    assert isinstance(answer, list)
    return [action for action in answer if action["title"].startswith("Unmask: fill")]


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """The text after UTF-16 edits, last one first, computed with nothing of ours."""
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]

    def offset(at: dict[str, int]) -> int:
        line = lines[at["line"]].encode("utf-16-le")[: 2 * at["character"]]
        return starts[at["line"]] + len(line.decode("utf-16-le"))

    for edit in sorted(edits, key=lambda edit: offset(edit["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        text = text[:start] + edit["newText"] + text[end:]
    return text


def test_two_holes_are_one_versioned_edit_that_leaves_every_other_byte_alone(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES, version=4)
    (holes, _) = actions(client, span(0, 0, 0, 0))
    assert holes["title"] == "Unmask: fill 2 holes"
    assert holes["kind"] == "refactor.rewrite.unmask.fill"
    assert "edit" not in holes
    edit = client.call("codeAction/resolve", holes)["edit"]
    assert list(edit) == ["documentChanges"]
    (change,) = edit["documentChanges"]
    assert change["textDocument"] == {"uri": URI, "version": 4}
    assert applied(TWO_HOLES, change["edits"]) == TWO_HOLES.replace("<hole>", "f(1)")


def test_a_fill_is_annotated_where_the_client_takes_that(start: Start):
    client = start("--model", "fake:answer=f(1)")
    edits = {"documentChanges": True, "changeAnnotationSupport": {}}
    client.initialize({**RESOLVES, "workspace": {"workspaceEdit": edits}})
    client.open(URI, TWO_HOLES)
    edit = client.call("codeAction/resolve", actions(client, span(0, 0, 0, 0))[0])["edit"]
    ((ident, annotation),) = edit["changeAnnotations"].items()
    assert annotation == {"label": "Unmask: fill", "needsConfirmation": False}
    assert [part["annotationId"] for part in edit["documentChanges"][0]["edits"]] == [ident] * 2


@pytest.mark.parametrize("answer", [None, {}])
def test_an_edit_that_is_answered_with_nothing_was_applied(client: Client, answer: Any):
    client.handlers["workspace/applyEdit"] = lambda _: answer
    client.initialize(COMMANDS_ONLY)
    client.open(URI, "x = 1\n\n")
    (action,) = actions(client, span(1, 0, 1, 0))
    told = client.call(
        "workspace/executeCommand", {"command": action["command"], "arguments": action["arguments"]}
    )
    assert told == {"applied": True}
    assert [method for method, _ in client.requests] == ["workspace/applyEdit"]


def test_only_the_holes_in_the_selection(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    hole, every_hole, _ = actions(client, span(1, 0, 2, 0))
    assert [hole["title"], every_hole["title"]] == [
        "Unmask: fill 1 hole of the selection",
        "Unmask: fill 2 holes",
    ]
    (change,) = client.call("codeAction/resolve", hole)["edit"]["documentChanges"]
    assert applied(TWO_HOLES, change["edits"]) == TWO_HOLES.replace("<hole>", "f(1)", 1)


def test_fill_here_and_over_a_selection(start: Start):
    client = start("--model", "fake:answer=f(2)")
    client.initialize(RESOLVES)
    text = "x = f(1)\n"
    client.open(URI, text)
    for range_, result in ((span(0, 4, 0, 8), "x = f(2)\n"), (span(0, 8, 0, 8), "x = f(1)f(2)\n")):
        (here,) = actions(client, range_)
        assert here["title"] == "Unmask: fill here"
        (change,) = client.call("codeAction/resolve", here)["edit"]["documentChanges"]
        assert applied(text, change["edits"]) == result


def test_a_selection_is_not_replaced_by_the_beginning_of_something(start: Start):
    client = start("--model", "fake:answer=" + quote("more = 2\n" * 600))
    client.initialize(RESOLVES)
    client.open(URI, "".join(f"value_{n} = {n}\n" for n in range(40)))
    here = next(each for each in actions(client, span(3, 0, 20, 0)) if "fill here" in each["title"])
    with pytest.raises(RpcError, match="code would be lost"):
        client.call("codeAction/resolve", here)


def test_a_block_cursor_is_a_cursor(start: Start):
    client = start("--model", "fake:answer=f(2)")
    client.initialize(RESOLVES)
    client.open(URI, "def g\n" + TWO_HOLES)
    holes, here = actions(client, span(0, 0, 0, 1))
    assert holes["title"] == "Unmask: fill 2 holes"
    (change,) = client.call("codeAction/resolve", here)["edit"]["documentChanges"]
    assert applied("def g\n", change["edits"]) == "f(2)def g\n"


def test_only_wanted_kinds_are_offered(client: Client):
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    wanted = (
        ["refactor"],
        ["refactor.rewrite"],
        ["refactor.rewrite.unmask.fill"],
        [""],
        ["source", "refactor"],
    )
    others = (["refactor.rewrite.unmask.fill.more"], ["refactor.re"], ["quickfix", "source"])
    assert all(actions(client, span(0, 0, 0, 0), only=only) for only in wanted)
    assert not any(actions(client, span(0, 0, 0, 0), only=only) for only in others)


def test_a_moving_cursor_is_not_pestered(client: Client):
    client.initialize(RESOLVES)
    client.open(URI, "x = 1\n\n")
    assert actions(client, span(0, 3, 0, 3), triggerKind=2) == []
    assert len(actions(client, span(1, 0, 1, 0), triggerKind=2)) == 1


def test_a_stale_action_is_refused_by_name(client: Client):
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    holes = actions(client, span(0, 0, 0, 0))[0]
    client.change(URI, 2, {"range": span(0, 0, 0, 0), "text": "#"})
    with pytest.raises(RpcError, match=r"a\.py has changed .*version 1, now 2") as refused:
        client.call("codeAction/resolve", holes)
    assert refused.value.code == -32803


def test_a_fill_under_way_is_not_displaced_by_typing_but_refused_when_stale(start: Start):
    client = start("--model", "fake:step_ms=300&answer=f(1)")
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    other = "file:///w/b.py"
    client.open(other, COPIED)
    holes = actions(client, span(0, 0, 0, 0))[0]
    _, filled = client.request("codeAction/resolve", holes)
    assert len(client.ghost(other, 2, 2)) == 1  # waits for the fill
    assert "edit" in filled.result(1)
    _, stale = client.request("codeAction/resolve", holes)
    client.wait_for("$/progress", lambda progress: progress["value"]["kind"] == "report")
    client.change(URI, 2, {"range": span(0, 0, 0, 0), "text": "#"})
    with pytest.raises(RpcError, match="has changed"):
        stale.result(20)


def test_cancelling_a_resolve_or_a_command_frees_the_worker(start: Start):
    slow_s = 5.0
    client = start("--model", f"fake:step_ms={slow_s * 1000}")
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    holes = actions(client, span(0, 0, 0, 0))[0]
    begun = time.perf_counter()
    command = {"command": "unmask.fill", "arguments": [holes["data"]]}
    for method, params in (("codeAction/resolve", holes), ("workspace/executeCommand", command)) * 2:
        ident, answer = client.request(method, params)
        client.notify("$/cancelRequest", {"id": ident})
        with pytest.raises(RpcError) as cancelled:
            answer.result(20)
        assert cancelled.value.code == -32800
    assert time.perf_counter() - begun < slow_s


def test_progress_counts_steps_and_its_cancel_button_works(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(RESOLVES)
    client.open(URI, TWO_HOLES)
    holes = actions(client, span(0, 0, 0, 0))[0]
    command = {"command": "unmask.fill", "arguments": [holes["data"]], "workDoneToken": "mine"}
    client.handlers["workspace/applyEdit"] = lambda _: {"applied": True}
    client.call("workspace/executeCommand", command)
    client.wait_for(
        "$/progress", lambda params: params["value"]["kind"] == "end" and params["token"] == "mine"
    )
    values = [params["value"] for method, params in client.notifications if method == "$/progress"
              and params["token"] == "mine"]  # fmt: skip
    assert [values[0]["kind"], values[-1]["kind"]] == ["begin", "end"]
    assert "hole 2 of 2, step 1" in [value.get("message") for value in values]

    slow = start("--model", "fake:step_ms=60000")
    slow.initialize(RESOLVES)
    slow.open(URI, TWO_HOLES)
    _, answer = slow.request("workspace/executeCommand", command)
    slow.wait_for("$/progress", lambda params: params["token"] == "mine")
    slow.notify("window/workDoneProgress/cancel", {"token": "mine"})
    with pytest.raises(RpcError) as cancelled:
        answer.result(20)
    assert cancelled.value.code == -32800


def test_canvases_are_sent_to_a_client_that_asked(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(RESOLVES, options={"canvas": True})
    client.open(URI, TWO_HOLES, version=9)
    holes = actions(client, span(0, 0, 0, 0))[0]
    client.call("codeAction/resolve", holes)
    last = client.wait_for("unmask/canvas", lambda canvas: canvas["hole"] == 1 and canvas["done"])
    assert (last["uri"], last["version"], last["range"]) == (URI, 9, span(2, 11, 2, 17))
    assert "".join(piece or "" for piece in last["pieces"]).startswith("f(1)")


def test_an_editor_without_resolve_gets_commands_that_apply_the_edit(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(COMMANDS_ONLY)
    client.open(URI, TWO_HOLES)
    holes = actions(client, span(0, 0, 0, 0))[0]
    assert (holes["title"], holes["command"]) == ("Unmask: fill 2 holes", "unmask.fill")
    client.handlers["workspace/applyEdit"] = lambda _: {"applied": True}
    assert client.call("workspace/executeCommand", holes) == {"applied": True}
    ((_, params),) = [request for request in client.requests if request[0] == "workspace/applyEdit"]
    assert applied(TWO_HOLES, params["edit"]["changes"][URI]) == TWO_HOLES.replace("<hole>", "f(1)")


def test_an_edit_the_editor_does_not_apply_is_an_error(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(COMMANDS_ONLY)
    client.open(URI, TWO_HOLES)
    client.handlers["workspace/applyEdit"] = lambda _: {"applied": False, "failureReason": "read-only"}
    with pytest.raises(RpcError, match="read-only"):
        client.call("workspace/executeCommand", actions(client, span(0, 0, 0, 0))[0])


def test_an_answer_of_the_editor_that_cannot_be_read_is_an_error(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(COMMANDS_ONLY)
    client.open(URI, TWO_HOLES)
    client.handlers["workspace/applyEdit"] = lambda _: "applied"
    with pytest.raises(RpcError, match="does not fit"):
        client.call("workspace/executeCommand", actions(client, span(0, 0, 0, 0))[0])


def test_of_very_many_holes_the_first_are_filled(start: Start):
    client = start("--model", "fake:answer=f(1)")
    client.initialize(RESOLVES)
    client.open(URI, "a = <hole>\n" * 70)
    offer = next(each for each in actions(client, span(0, 0, 0, 0)) if "holes" in each["title"])
    assert offer["title"] == "Unmask: fill the first 64 of 70 holes"
    (change,) = client.call("codeAction/resolve", offer)["edit"]["documentChanges"]
    assert len(change["edits"]) == 64
