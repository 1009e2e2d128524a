"""Bytes of a client → messages: the standard streams or one TCP connection, until the client leaves.

Knows framing, not messages. What anything in this process prints goes to stderr while the standard
streams carry the protocol.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from engine.errors import UsageError

if TYPE_CHECKING:
    from lsp_server.server import Server

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_MAX_HEADER_BYTES = 64 * 1024
_LENGTH = re.compile(rb"content-length:[ \t]*([0-9]{1,15})[ \t]*\r?\n\Z", re.IGNORECASE)
_HTTP = re.compile(rb"[A-Z]+ \S+ HTTP/[0-9.]+\r?\n\Z")
_CLOSE_SECONDS = 2.0
INTERRUPTED = 130
"""Exit code of a process that Ctrl-C has ended."""


class Framed:
    """A byte stream that finds its way back to the next message after junk.

    A header line is recognised wherever a line ends with it, so a body that was longer than its header
    said costs that message and no more.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self) -> bytes:
        """The next header line; an empty one in place of a length no message has."""
        line = self._stream.readline(_MAX_HEADER_BYTES)
        if _HTTP.match(line):
            log.error("a web browser is at the other end; closing")
            return b""
        length = _LENGTH.search(line)
        if length is None:
            return line
        n_bytes = int(length[1])
        return b"Content-Length: %d\r\n" % n_bytes if 0 < n_bytes <= MAX_MESSAGE_BYTES else b"\r\n"

    def read(self, n_bytes: int) -> bytes:
        """The next ``n_bytes`` bytes, fewer at the end of the stream."""
        return self._stream.read(n_bytes)


def serve_stdio(server: Server) -> int:
    """Serve the client at the standard streams until it leaves; returns the exit code."""
    with _own_stdout() as stdout:
        return _serve(server, sys.stdin.buffer, stdout)


def serve_tcp(server: Server, host: str, port: int) -> int:
    """Serve the first client that connects until it leaves; returns the exit code.

    The address is announced on stderr as ``listening on HOST:PORT``; port 0 takes a free one.

    Raises:
        UsageError: the address cannot be listened on.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host}:{port} ({error})", "Choose another --tcp address."
        ) from error
    with listener:
        name, bound = listener.getsockname()[:2]
        print(f"unmask: listening on {name}:{bound}", file=sys.stderr, flush=True)
        connection = _accept(listener)
    with connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:
        return _serve(server, reader, writer)


def leave(code: int) -> NoReturn:
    """End the process now: a thread of it waits for a client's next byte, and that wait cannot be ended."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _serve(server: Server, reader: BinaryIO, writer: BinaryIO) -> int:
    with contextlib.suppress(ConnectionError), _ended_by_ctrl_c():
        server.start_io(cast("BinaryIO", Framed(reader)), writer)
    code = server.protocol.exit_code
    if not server.close(_CLOSE_SECONDS):
        # A thread is deep in a library, loading a model as a rule. Nothing it does is worth waiting for, and
        # native code must not meet an interpreter that is being taken down.
        leave(code)
    return code


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the process, where this is the thread that gets to know of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: leave(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _accept(listener: socket.socket) -> socket.socket:
    listener.settimeout(0.5)  # where waiting cannot be interrupted, Ctrl-C is noticed twice a second
    while True:
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            connection.settimeout(None)
            return connection


@contextlib.contextmanager
def _own_stdout() -> Iterator[BinaryIO]:
    """Standard output for the protocol alone: whatever else writes to it, native code too, goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        with os.fdopen(kept, "wb") as stdout:
            yield stdout
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
