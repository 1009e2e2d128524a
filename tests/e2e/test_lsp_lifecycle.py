"""From the start of the process to its exit code, junk in between, and what is loaded when."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Start, command, environment
from tests.e2e.rpc import COPIED, INLINE, Client, RpcError, inline

URI = "file:///w/a.py"


def test_initialize_is_answered_soon_after_the_process_starts(start: Start):
    """The promise is one second; a machine busy with other tests gets three. Prints what it took."""
    begun = time.perf_counter()
    client = start("--model", "fake")
    client.initialize(ready=False)
    took_s = time.perf_counter() - begun
    print(f"initialize answered {took_s:.2f} s after the start of the process")
    assert took_s < 3


def test_importing_the_server_loads_nothing_heavy():
    code = (
        "import sys, lsp_server, lsp_server.server, lsp_server.transport; "
        "print([name for name in ('torch', 'onnxruntime', 'numpy', 'tree_sitter', 'tokenizers') "
        "if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_capabilities(client: Client):
    offered = client.initialize()["capabilities"]
    assert offered["inlineCompletionProvider"] == {}
    assert offered["textDocumentSync"]["change"] == 2
    assert offered["codeActionProvider"]["resolveProvider"] is True
    assert "completionProvider" not in offered
    assert set(offered["executeCommandProvider"]["commands"]) == {
        "unmask.fill", "unmask.edit", "unmask.reload", "unmask.accepted", "unmask.status",
    }  # fmt: skip


def test_an_editor_without_ghost_text_is_offered_completion(client: Client):
    assert "completionProvider" in client.initialize(capabilities={})["capabilities"]


def test_exit_after_shutdown_is_0(client: Client):
    client.initialize()
    assert client.leave() == 0


def test_exit_without_shutdown_is_1(client: Client):
    client.initialize()
    client.notify("exit")
    assert client.process.wait(20) == 1


def test_a_client_that_vanishes_ends_the_server(client: Client):
    client.initialize()
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.process.wait(20) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_ctrl_c_ends_the_server(client: Client):
    client.initialize()
    client.process.send_signal(signal.SIGINT)
    assert client.process.wait(10) == 130


@pytest.mark.parametrize("was_there", [True, False])
def test_the_server_ends_with_the_process_of_its_editor(client: Client, was_there: bool):
    """With one that it could see: a process outside its container it cannot."""
    editor = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert editor.stdin is not None
    if not was_there:
        editor.stdin.close()
        editor.wait()
    client.call("initialize", {"processId": editor.pid, "rootUri": None, "capabilities": INLINE})
    client.notify("initialized", {})
    client.wait_for_state("ready")
    if was_there:
        assert client.process.poll() is None
        editor.stdin.close()
        editor.wait()
        assert client.process.wait(15) == 1
    else:
        with pytest.raises(subprocess.TimeoutExpired):
            client.process.wait(4)


def test_exit_does_not_wait_for_a_running_fill(start: Start):
    client = start("--model", "fake:step_ms=60000")
    client.initialize()
    client.open(URI, "x = \n")
    client.request("textDocument/inlineCompletion", inline(URI, 0, 4))
    begun = time.perf_counter()
    assert client.leave() == 0
    assert time.perf_counter() - begun < 10


def test_shutdown_while_the_client_owes_an_answer(client: Client):
    client.unanswered.add("workspace/configuration")
    client.initialize({**INLINE, "workspace": {"configuration": True}}, ready=False)
    client.open(URI, COPIED)
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert [method for method, _ in client.held] == ["workspace/configuration"]
    assert client.leave() == 0
    client.close()
    assert b"Traceback" not in client.stderr
    assert b"ERROR" not in client.stderr


def test_before_initialize_and_after_shutdown_requests_are_refused(client: Client):
    with pytest.raises(RpcError) as early:
        client.call("textDocument/inlineCompletion", inline(URI, 0, 0))
    assert early.value.code == -32002
    client.initialize()
    with pytest.raises(RpcError) as twice:
        client.call("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert twice.value.code == -32600
    client.call("shutdown")
    with pytest.raises(RpcError) as late:
        client.call("textDocument/inlineCompletion", inline(URI, 0, 0))
    assert late.value.code == -32600
    client.notify("exit")
    assert client.process.wait(20) == 0


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


JUNK = (
    frame(b"{not json"),
    frame(b"\xff\xfe"),
    frame(b"[" * 100_000),
    frame(b"42"),
    frame(b"[]"),
    frame(b"{}"),
    frame(b'{"jsonrpc": "1.0", "method": "x"}'),
    frame(b'{"jsonrpc": "2.0"}'),
    frame(b'{"jsonrpc": "2.0", "id": 999, "result": null}'),
    frame(b'{"jsonrpc": "2.0", "id": 998, "error": {"code": 1, "message": "x"}}'),
    b"Content-Length: -5\r\n\r\n",
    b"Content-Length: 999999999999999\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"Content-Length: 3\r\n\r\n" + b'{"jsonrpc": "2.0", "method": "longer than it said"}',
    b"content-length: 2\r\n\r\n{}",
)


def test_junk_bytes_are_survived(client: Client):
    client.initialize()
    for number, junk in enumerate(JUNK):
        uri = f"file:///w/{number}.py"
        client.send_bytes(junk)
        client.open(uri, COPIED)
        assert [item["insertText"] for item in client.ghost(uri, 2, 2)] == ["o(1)"], junk[:80]
    assert client.leave() == 0


def test_junk_messages_are_survived_and_requests_among_them_answered(client: Client):
    client.initialize()
    client.notify("no/such/notification", {"x": 1})
    client.notify("textDocument/didOpen", {"wrong": True})
    client.notify(
        "textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": []}
    )
    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "never opened"}]},
    )
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    client.notify("$/cancelRequest", {"id": 12345})
    client.notify("$/setTrace", {"value": "verbose"})
    client.notify("textDocument/didShowCompletion", {"item": {"insertText": "x"}})
    client.notify("textDocument/didPartiallyAcceptCompletion", None)
    client.notify("window/workDoneProgress/cancel", {"token": "unknown"})
    for method, params, code in (
        ("no/such/request", {}, -32601),
        ("textDocument/inlineCompletion", {"position": "here"}, -32602),
        ("textDocument/inlineCompletion", None, -32602),
        ("workspace/executeCommand", {"command": "rm"}, -32602),
        ("workspace/executeCommand", {"command": "unmask.fill", "arguments": ["x"]}, -32602),
        ("codeAction/resolve", {"title": "x", "data": {"uri": 3}}, -32602),
    ):
        with pytest.raises(RpcError) as refused:
            client.call(method, params)
        assert refused.value.code == code, method
    assert client.ghost("file:///never/opened.py", 3, 4) == []
    assert client.call("workspace/executeCommand", {"command": "unmask.accepted", "arguments": ["x"]}) is None
    client.open(URI, COPIED)
    assert [item["insertText"] for item in client.ghost(URI, 2, 2)] == ["o(1)"]
    told = client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert told["counts"] == {"shown": 1}  # what is reported without our number is not ours
    assert [method for method, _ in client.notifications if method == "window/showMessage"] == []
    assert client.leave() == 0


def test_malformed_json_is_answered_with_a_parse_error(client: Client):
    client.initialize()
    client.send_bytes(frame(b"{"))
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    assert [(answer["id"], answer["error"]["code"]) for answer in client.orphans] == [(None, -32700)]


def test_a_document_whose_change_cannot_be_read_is_left_alone_until_it_is_opened_again(client: Client):
    client.initialize()
    client.open(URI, COPIED)
    assert [item["insertText"] for item in client.ghost(URI, 2, 2)] == ["o(1)"]
    broken = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"range": 3, "text": "x"}]}
    client.notify("textDocument/didChange", broken)
    assert client.ghost(URI, 2, 2) == []
    client.notify("textDocument/didChange", {"textDocument": 3, "contentChanges": []})
    whole = {"textDocument": {"uri": URI, "version": 3}, "contentChanges": [{"text": COPIED}]}
    client.notify("textDocument/didChange", whole)
    assert client.ghost(URI, 2, 2) == []
    client.open(URI, COPIED)
    assert [item["insertText"] for item in client.ghost(URI, 2, 2)] == ["o(1)"]


def test_objects_inside_a_message_are_no_messages(client: Client):
    client.initialize()
    client.open(URI, COPIED)
    for inner in (
        {"jsonrpc": "2.0"},
        {"jsonrpc": "2.0", "id": 1, "method": "x"},
        {"jsonrpc": "2.0", "id": 1},
    ):
        command = {"command": "unmask.status", "arguments": [inner]}
        assert client.call("workspace/executeCommand", command)["state"] == "ready"
    settings = {"unmask": {"enabled": False}, "other": {"jsonrpc": "2.0"}}
    client.notify("workspace/didChangeConfiguration", {"settings": settings})
    assert client.ghost(URI, 2, 2) == []


def test_what_is_no_message_is_answered_where_it_has_an_id(client: Client):
    client.initialize()
    for body in (
        b"[1, 2]",
        b"null",
        b'{"method": "shutdown"}',
        b'{"id": 901, "result": null}',
        b'{"id": 902, "method": "shutdown"}',
        b'{"id": 903, "method": "shutdown", "jsonrpc": "1.0"}',
        b'{"id": "904", "jsonrpc": "2.0"}',
        b'{"id": 905, "method": {}, "jsonrpc": "2.0"}',
    ):
        client.send_bytes(frame(body))
    client.call("workspace/executeCommand", {"command": "unmask.status"})
    answers = [(answer["id"], answer["error"]["code"]) for answer in client.orphans]
    assert answers == [(902, -32600), (903, -32600), ("904", -32600), (905, -32600)]


def test_a_workspace_with_its_own_engine_does_not_get_run(start: Start, tmp_path: Path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('hijacked')\n")
    client = start("--model", "fake")
    assert client.process.wait(20) == 2
    client.close()
    assert b"which is not Unmask's" in client.stderr
    assert b"hijacked" not in client.stderr


def test_tcp_serves_one_client_and_ends(tmp_path: Path):
    process = subprocess.Popen(
        command("--model", "fake", "--tcp", "127.0.0.1:0"),
        env=environment(),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        address = process.stderr.readline().rsplit(" ", 1)[1]
        host, _, port = address.strip().partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            stream = connection.makefile("rwb")
            for number, method in ((1, "initialize"), (2, "shutdown"), (None, "exit")):
                params = {"processId": None, "rootUri": None, "capabilities": INLINE} if number == 1 else None
                message = {"jsonrpc": "2.0", "method": method, "params": params}
                stream.write(frame(json.dumps(message | ({"id": number} if number else {})).encode()))
                stream.flush()
                if number:
                    length = int(stream.readline().split(b":")[1])
                    while stream.readline().strip():
                        pass
                    assert json.loads(stream.read(length))["id"] == number
        assert process.wait(20) == 0
