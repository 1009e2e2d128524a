"""What a change implies elsewhere in the file: offered, as ghost text, taken, and never again once undone."""

from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.rpc import Client, RpcError, span
from tests.e2e.test_lsp_edits import ANNOTATES, actions
from tests.e2e.test_lsp_fill import RESOLVES, applied

URI = "file:///w/a.py"
CALLS = "def f(a):\r\n    return a  # 😀\r\n\r\nf(1)\r\nx = '😀', f(2)\r\n"
NAMED = "def total(a):\n    return a\n\n\ntotal(1)\ntotal(2)\n"


def following(client: Client, **context: Any) -> list[dict[str, Any]]:
    """The offers to follow a change."""
    found = actions(client, span(0, 0, 0, 0), **context).values()
    return [action for action in found if action["kind"] == "refactor.rewrite.unmask.follow"]


def resolved(client: Client, text: str) -> str:
    """The text after the one offer."""
    (offer,) = following(client)
    (change,) = client.call("codeAction/resolve", offer)["edit"]["documentChanges"]
    return applied(text, change["edits"])


def test_calls_follow_a_new_parameter_in_one_annotated_edit(start: Start):
    client = start("--model", "fake:answer=timeout")
    client.initialize(ANNOTATES)
    client.open(URI, CALLS)
    assert following(client) == []
    client.change(URI, 2, {"range": span(0, 7, 0, 7), "text": ", timeout"})
    (offer,) = following(client, triggerKind=2)
    assert offer["title"] == "Unmask: update 2 calls of f"
    edit = client.call("codeAction/resolve", offer)["edit"]
    (change,) = edit["documentChanges"]
    assert change["textDocument"] == {"uri": URI, "version": 2}
    ((ident, annotation),) = edit["changeAnnotations"].items()
    assert annotation == {"label": "Unmask: follow-up", "needsConfirmation": False}
    assert [(part["range"], part["newText"]) for part in change["edits"]] == [
        (span(3, 3, 3, 3), ", timeout"),
        (span(4, 13, 4, 13), ", timeout"),
    ]
    assert {part["annotationId"] for part in change["edits"]} == {ident}
    client.change(URI, 3, {"range": span(4, 0, 4, 0), "text": "#"})
    with pytest.raises(RpcError, match=r"a\.py has changed"):
        client.call("codeAction/resolve", offer)


def test_a_change_is_measured_against_the_text_before_it_while_it_goes_on(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, NAMED)
    titles = []
    for version, name in enumerate(["tota", "tot", "", "s", "su", "sum_of"], 2):
        width = len(["total", "tota", "tot", "", "s", "su"][version - 2])
        client.change(URI, version, {"range": span(0, 4, 0, 4 + width), "text": name})
        titles += [offer["title"] for offer in following(client)]
    assert titles == [
        f"Unmask: rename 2 uses of total to {name}" for name in ("tota", "tot", "s", "su", "sum_of")
    ]


def test_what_was_undone_is_not_offered_again(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, NAMED)
    changed = NAMED.replace("def total", "def add")
    client.change(URI, 2, {"text": changed})
    done = resolved(client, changed)
    assert done == NAMED.replace("total", "add")
    client.change(URI, 3, {"text": done})
    assert following(client) == []
    client.change(URI, 4, {"text": changed})  # the follow-up alone is undone
    assert following(client) == []
    client.change(URI, 5, {"text": changed.replace("def add", "def plus")})
    assert following(client) == []  # the uses of a name that is not there any more are the user's
    client.change(URI, 6, {"text": NAMED})
    client.change(URI, 7, {"text": changed})
    assert following(client) == []


def test_one_place_taken_as_ghost_text_and_undone(start: Start):
    client = start("--model", "fake:answer=9")
    client.initialize(RESOLVES)
    client.open(URI, "def f(a):\n    return a\n\n\nf(1)\nf(2)\n")
    client.change(URI, 2, {"range": span(0, 7, 0, 7), "text": ", b"})
    (item,) = client.ghost(URI, 4, 3)
    assert (item["insertText"], item["range"]) == (", 9", span(4, 3, 4, 3))
    client.change(URI, 3, {"range": span(4, 3, 4, 3), "text": ", 9"})
    client.call("workspace/executeCommand", item["command"])
    (offer,) = following(client)
    assert offer["title"] == "Unmask: update 1 call of f"
    client.change(URI, 4, {"range": span(4, 3, 4, 6), "text": ""})
    assert following(client) == []
    assert client.ghost(URI, 5, 3) == [] or client.ghost(URI, 5, 3)[0]["insertText"] != ", 9"
    told = client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert told["counts"]["accepted"] == 1


def test_ghost_text_only_where_the_old_text_is_in_the_new(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, "def foo(a):\n    return a\n\n\nfoo(1)\nfoo(2)\n")
    client.change(URI, 2, {"range": span(0, 4, 0, 7), "text": "foo_bar"})
    (item,) = client.ghost(URI, 4, 3)
    assert (item["insertText"], item["range"]) == ("_bar", span(4, 3, 4, 3))
    (item,) = client.ghost(URI, 5, 1)
    assert (item["insertText"], item["range"]) == ("oo_bar", span(5, 1, 5, 3))
    client.change(URI, 3, {"range": span(0, 4, 0, 11), "text": "other"})
    assert all("other" not in item["insertText"] for item in client.ghost(URI, 4, 0, automatic=False))
    assert [offer["title"] for offer in following(client)] == ["Unmask: rename 2 uses of foo to other"]


def test_the_command_and_a_document_that_did_not_change(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, NAMED)
    command = {"command": "unmask.edit", "arguments": [{"uri": URI, "kind": "follow"}]}
    with pytest.raises(RpcError, match="implies nothing elsewhere"):
        client.call("workspace/executeCommand", command)


def test_in_a_long_file_typing_does_not_show_what_a_change_implies(start: Start):
    client = start("--model", "fake")
    client.initialize(RESOLVES)
    client.open(URI, "def foo(a):\n    return a\n\n\nfoo(1)\nfoo(2)\n" + f"# {'x' * 97}\n" * 620)
    client.change(URI, 2, {"range": span(0, 4, 0, 7), "text": "foo_bar"})
    assert all(item["insertText"] != "_bar" for item in client.ghost(URI, 4, 3))


def test_one_request_for_ghost_text_counts_once(client: Client):
    client.initialize()
    client.open(URI, NAMED)
    client.ghost(URI, 1, 4)
    work = client.call("workspace/executeCommand", {"command": "unmask.status"})["work"]
    assert (work["requests"], work["computed"]) == (1, 1)
