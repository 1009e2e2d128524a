"""A bare JSON-RPC client over a child process's standard streams: bytes out, messages in, no LSP library.

A reader thread sorts what comes: answers to their requests, notifications to a list, requests of the server
to handlers that answer them, or to a list where their method is named in ``unanswered``.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

TIMEOUT_S = 20.0


class RpcError(Exception):
    """An error response."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message"))
        self.code: int = error["code"]


class Client:
    """A running server and everything it has said.

    Args:
        command: how to start it.
        env: its environment.
        cwd: its working directory.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
        )
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        self.unanswered: set[str] = set()
        self.held: list[tuple[str, Any]] = []
        self.notifications: list[tuple[str, Any]] = []
        self.requests: list[tuple[str, Any]] = []
        self.orphans: list[dict[str, Any]] = []
        self.stderr = b""
        self._changed = threading.Condition()
        self._waiting: dict[int, Future[Any]] = {}
        self._next_id = 0
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._drain)]
        for thread in self._threads:
            thread.start()

    # Sending.

    def request(self, method: str, params: Any = None) -> tuple[int, Future[Any]]:
        """Send a request; returns its id and the future answer."""
        self._next_id += 1
        future: Future[Any] = Future()
        self._waiting[self._next_id] = future
        self.send({"id": self._next_id, "method": method, "params": params})
        return self._next_id, future

    def call(self, method: str, params: Any = None, timeout_s: float = TIMEOUT_S) -> Any:
        """Send a request and wait for its result; raises ``RpcError``."""
        return self.request(method, params)[1].result(timeout_s)

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification."""
        self.send({"method": method, "params": params})

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.send_bytes(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    # Waiting.

    def wait_for(
        self, method: str, wanted: Callable[[Any], bool] = lambda _: True, timeout_s: float = TIMEOUT_S
    ) -> Any:
        """The parameters of the first notification of this kind that is wanted, past or to come."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for name, params in self.notifications:
                    if name == method and wanted(params):
                        return params
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(
                        f"no {method} among {self.notifications}; the log: {self.stderr.decode()}"
                    )

    def wait_for_state(self, state: str) -> Any:
        """The first ``unmask/status`` of this state."""
        return self.wait_for("unmask/status", lambda status: status["state"] == state)

    # The usual exchanges.

    def initialize(
        self,
        capabilities: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        folders: Sequence[Path | str] = (),
        *,
        ready: bool = True,
    ) -> Any:
        """``initialize`` and ``initialized``; with ``ready``, wait for the engine."""
        uris = [folder if isinstance(folder, str) else folder.as_uri() for folder in folders]
        result = self.call(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": INLINE if capabilities is None else capabilities,
                "initializationOptions": options,
                "workspaceFolders": [{"uri": uri, "name": uri} for uri in uris],
            },
        )
        self.notify("initialized", {})
        if ready:
            self.wait_for_state("ready")
        return result

    def open(self, uri: str, text: str, language: str = "python", version: int = 1) -> None:
        """``didOpen``."""
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: dict[str, Any]) -> None:
        """``didChange``."""
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)},
        )

    def ghost(self, uri: str, line: int, character: int, *, automatic: bool = True) -> list[Any]:
        """Items of an inline completion."""
        answer = self.call("textDocument/inlineCompletion", inline(uri, line, character, automatic=automatic))
        items = answer["items"]
        assert isinstance(items, list)
        return items

    def leave(self) -> int:
        """``shutdown`` and ``exit``; returns the exit code."""
        assert self.call("shutdown") is None
        self.notify("exit")
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        """End the process, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT_S)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    # Receiving.

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while True:
            length = 0
            while (header := stream.readline()).strip():
                name, _, value = header.partition(b":")
                assert name in (b"Content-Length", b"Content-Type"), f"junk on stdout: {header!r}"
                if name == b"Content-Length":
                    length = int(value)
            if not header:
                break
            self._receive(json.loads(stream.read(length)))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EOFError("the server has left"))

    def _receive(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" in message:
            self.requests.append((message["method"], message["params"]))
            if message["method"] in self.unanswered:
                with self._changed:
                    self.held.append((message["method"], message["id"]))
                    self._changed.notify_all()
                return
            handler = self.handlers.get(message["method"], lambda _: None)
            self.send({"id": message["id"], "result": handler(message["params"])})
        elif "method" in message:
            with self._changed:
                self.notifications.append((message["method"], message.get("params")))
                self._changed.notify_all()
        elif message["id"] not in self._waiting:
            with self._changed:
                self.orphans.append(message)
                self._changed.notify_all()
        elif "error" in message:
            self._waiting[message["id"]].set_exception(RpcError(message["error"]))
        else:
            self._waiting[message["id"]].set_result(message["result"])

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line


COPIED = "foo(1)\ngo()\nfo\n"
"""At the end of the last line, the fake that copies earlier lines suggests ``o(1)``."""

INLINE: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}


def position(line: int, character: int) -> dict[str, int]:
    """A position."""
    return {"line": line, "character": character}


def span(line: int, character: int, end_line: int, end_character: int) -> dict[str, Any]:
    """A range."""
    return {"start": position(line, character), "end": position(end_line, end_character)}


def inline(uri: str, line: int, character: int, *, automatic: bool = True) -> dict[str, Any]:
    """Parameters of ``textDocument/inlineCompletion``."""
    return {
        "textDocument": {"uri": uri},
        "position": position(line, character),
        "context": {"triggerKind": 2 if automatic else 1},
    }
