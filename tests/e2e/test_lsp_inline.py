"""Ghost text, completion for editors without it, cancelling, and the newest request winning."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.rpc import COPIED, INLINE, Client, RpcError, inline, position, span

URI = "file:///w/a.py"
EMOJI = "s = '😀é'; total(1)\r\ngo()\r\ns = '😀é'; to\r\nend\r\n"
SLOW_S = 1.5


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 16), ("utf-16", 13), ("utf-32", 12)])
def test_ghost_text_after_emoji_with_crlf(client: Client, encoding, column):
    capabilities = {**INLINE, "general": {"positionEncodings": [encoding]}}
    assert client.initialize(capabilities)["capabilities"]["positionEncoding"] == encoding
    client.open(URI, EMOJI)
    (item,) = client.ghost(URI, 2, column)
    assert item["insertText"] == "tal(1)"
    assert item["range"] == span(2, column, 2, column)
    assert client.leave() == 0


def test_several_lines_have_the_documents_line_ends(start: Start):
    client = start("--model", "fake:answer=a%20%3D%201%0A%20%20%20%20return%20a")
    client.initialize(options={"multiLine": "always"})
    client.open(URI, "def f():\r\n    \r\nf()\r\n")
    (item,) = client.ghost(URI, 1, 4, automatic=False)
    assert "\r\n" in item["insertText"]
    assert "\n" not in item["insertText"].replace("\r\n", "")


def test_edits_are_followed_incrementally(client: Client):
    client.initialize()
    client.open(URI, "call(😀)\r\ngo()\r\nx\r\n")
    client.change(
        URI,
        2,
        {"range": span(2, 0, 2, 1), "text": "zz"},
        {"range": span(2, 0, 2, 2), "text": "ca"},
        {"range": span(0, 5, 0, 7), "text": "2"},
    )
    assert [item["insertText"] for item in client.ghost(URI, 2, 2)] == ["ll(2)"]


def test_a_uri_is_the_same_document_however_it_is_escaped(client: Client):
    client.initialize(folders=["file:///c%3A/w"])
    client.open("file:///c%3A/w/a.py", COPIED)
    assert [item["insertText"] for item in client.ghost("file:///c:/w/a.py", 2, 2)] == ["o(1)"]


def test_a_request_for_a_text_that_is_gone_is_answered_soon_however_the_uri_is_escaped(start: Start):
    client = start("--model", "fake:step_ms=60000")
    client.initialize()
    uri = "file:///c%3A/my%20w/a.py"
    client.open(uri, "x = \n")
    _, answer = client.request("textDocument/inlineCompletion", inline(uri, 0, 4))
    time.sleep(0.4)
    client.change(uri, 2, {"range": span(0, 4, 0, 4), "text": "1"})
    assert answer.result(10)["items"] == []


@pytest.mark.parametrize(
    "selected",
    [span(0, 0, 2, 5), span(2, 0, 2, 3), span(0, 4, 0, 5)],
    ids=["two lines", "before", "elsewhere"],
)
def test_a_selected_completion_that_is_not_at_the_cursor_is_not_extended(client: Client, selected):
    client.initialize()
    client.open(URI, "foo.bar(1)\ngo()\nfoo.b\n")
    params = inline(URI, 2, 5)
    params["context"]["selectedCompletionInfo"] = {"range": selected, "text": "bar"}
    assert client.call("textDocument/inlineCompletion", params)["items"] == []


@pytest.mark.parametrize(("manual_only", "n_items"), [(True, 0), (False, 1)])
def test_completion_while_a_word_is_typed_is_not_asked_for(start: Start, manual_only: bool, n_items: int):
    """Editors send «invoked» for it, as for the key that asks for completions."""
    client = start("--model", "fake")
    client.initialize({}, {"manualOnly": manual_only})
    client.open(URI, "foo(1)\ngo()\n\n")
    client.change(URI, 2, {"range": span(2, 0, 2, 0), "text": "fo"})
    params = {"textDocument": {"uri": URI}, "position": position(2, 2), "context": {"triggerKind": 1}}
    assert len(client.call("textDocument/completion", params)["items"]) == n_items
    time.sleep(1.1)  # nobody is typing any more
    assert len(client.call("textDocument/completion", params)["items"]) == 1


def test_a_selected_completion_is_extended(client: Client):
    client.initialize()
    client.open(URI, "foo.bar(1)\ngo()\nfoo.b\n")
    params = inline(URI, 2, 5)
    params["context"]["selectedCompletionInfo"] = {"range": span(2, 4, 2, 5), "text": "bar"}
    (item,) = client.call("textDocument/inlineCompletion", params)["items"]
    assert (item["insertText"], item["range"]) == ("bar(1)", span(2, 4, 2, 5))


def test_acceptance_is_counted(client: Client):
    client.initialize()
    client.open(URI, COPIED)
    (item,) = client.ghost(URI, 2, 2)
    client.call("workspace/executeCommand", item["command"])
    told = client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert told["counts"] == {"shown": 1, "accepted": 1}


def test_reports_of_the_editor_reach_the_file_of_counts_of_two_servers(start: Start, tmp_path: Path):
    file = tmp_path / "state" / "suggestions.json"
    clients = [start("--model", "fake", UNMASK_STATS="1", UNMASK_STATS_FILE=str(file)) for _ in range(2)]
    for client in clients:
        client.initialize()
        client.open(URI, COPIED)
        (item,) = client.ghost(URI, 2, 2)
        client.notify("textDocument/didShowCompletion", {"item": item})
        client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 2})
        client.notify("textDocument/didShowCompletion", {"item": {"insertText": "another server's"}})
        client.call("workspace/executeCommand", item["command"])
        counts = client.call("workspace/executeCommand", {"command": "unmask.status"})["counts"]
        assert counts == {"shown": 1, "partly accepted": 1, "accepted": 1}
    assert not file.exists()  # a key touches no file
    assert [client.leave() for client in clients] == [0, 0]
    told = json.loads(file.read_text())
    assert told["languages"] == {
        "python": {"shown": 2, "partly accepted": 2, "accepted": 2, "rejected": 0, "accepted chars": 8}
    }
    assert "foo" not in file.read_text()


def test_nothing_is_shown_for_a_text_that_is_gone(start: Start):
    """Keys faster than answers, each with a request: what is answered fits the text it was asked for."""
    client = start("--model", "fake:step_ms=30")
    client.initialize()
    client.open(URI, "total(1)\ngo(2)\nend()\n\n")
    answers = []
    for n_typed, char in enumerate("total"):
        client.change(URI, n_typed + 2, {"range": span(3, n_typed, 3, n_typed), "text": char})
        answers.append(client.request("textDocument/inlineCompletion", inline(URI, 3, n_typed + 1))[1])
        time.sleep(0.04 * (n_typed % 3))
    client.change(URI, 7, {"range": span(3, 0, 3, 5), "text": "go"})
    answers.append(client.request("textDocument/inlineCompletion", inline(URI, 3, 2))[1])
    *older, newest = [answer.result(20)["items"] for answer in answers]
    for n_typed, items in enumerate(older, start=1):
        assert [item["insertText"] for item in items] in ([], ["total(1)"[n_typed:]])
    assert [item["insertText"] for item in newest] == ["(2)"]


def test_a_secret_file_gets_nothing(client: Client):
    client.initialize()
    client.open("file:///w/.env", "TOKEN=1\nTOK\n", language="dotenv")
    assert client.ghost("file:///w/.env", 1, 3, automatic=False) == []


def test_cancelling_is_answered_within_a_step_and_frees_the_worker(start: Start):
    client = start("--model", f"fake:step_ms={SLOW_S * 1000}")
    client.initialize()
    client.open(URI, COPIED)
    begun = time.perf_counter()
    for _ in range(3):
        ident, answer = client.request("textDocument/inlineCompletion", inline(URI, 2, 2))
        client.notify("$/cancelRequest", {"id": ident})
        with pytest.raises(RpcError) as cancelled:
            answer.result(SLOW_S)
        assert cancelled.value.code == -32800
    assert time.perf_counter() - begun < SLOW_S
    # The worker is free at once: the next fill takes its two passes and no more.
    begun = time.perf_counter()
    assert len(client.ghost(URI, 2, 2, automatic=False)) == 1
    assert time.perf_counter() - begun < 2.9 * SLOW_S


def test_the_newest_request_wins_and_older_ones_are_empty(start: Start):
    client = start("--model", "fake:step_ms=300")
    client.initialize()
    client.open(URI, COPIED)
    answers = [client.request("textDocument/inlineCompletion", inline(URI, 2, 1))[1] for _ in range(5)]
    *older, newest = [answer.result(20)["items"] for answer in answers]
    assert older == [[], [], [], []]
    assert [item["insertText"] for item in newest] == ["oo(1)"]


def test_an_edit_empties_the_answer_under_way(start: Start):
    client = start("--model", f"fake:step_ms={SLOW_S * 1000}")
    client.initialize()
    client.open(URI, COPIED)
    begun = time.perf_counter()
    _, answer = client.request("textDocument/inlineCompletion", inline(URI, 2, 1))
    client.change(URI, 2, {"range": span(2, 1, 2, 1), "text": "o"})
    assert answer.result(20)["items"] == []
    _, answer = client.request("textDocument/inlineCompletion", inline(URI, 2, 2))
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert answer.result(20)["items"] == []
    assert time.perf_counter() - begun < SLOW_S


def complete(client: Client, line: int, character: int) -> list[dict]:
    params = {
        "textDocument": {"uri": URI}, "position": position(line, character), "context": {"triggerKind": 1},
    }  # fmt: skip
    answer = client.call("textDocument/completion", params)
    return answer["items"]


def test_completion_replaces_the_word_and_keeps_to_the_end_of_the_list(client: Client):
    client.initialize(capabilities={})
    client.open(URI, "s = '😀'; total(1)\ngo()\ns = '😀'; to\n")
    (item,) = complete(client, 2, 12)
    assert item["textEdit"] == {"range": span(2, 10, 2, 12), "newText": "total(1)"}
    assert item["filterText"] == "to"
    assert item["detail"] == "Unmask"


def test_completion_is_turned_off_and_on_by_its_setting(start: Start):
    off = start("--model", "fake")
    assert "completionProvider" not in off.initialize({}, {"completion": "never"})["capabilities"]
    on = start("--model", "fake")
    on.initialize(INLINE, {"completion": "always"})
    on.open(URI, COPIED)
    assert len(complete(on, 2, 2)) == 1
