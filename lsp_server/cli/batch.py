"""``unmask batch``: JSON Lines in, JSON Lines out, in order, one answer for every line.

Knows streams and which failures end the process (only those of the model itself, before the first
line); the contract of a line is `requests`' matter.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue, SimpleQueue
from typing import TYPE_CHECKING, BinaryIO

from engine.errors import Cancelled, UnmaskError
from lsp_server.cli import files, options

if TYPE_CHECKING:
    from engine.engine import Engine

Reply = dict[str, object]

MOST_AT_ONCE = 64
READ_AHEAD = 2
"""Lines that are read for each that is worked on."""

DESCRIPTION = """\
Answer fill requests, one JSON object a line, in order.

request   {"id": 1, "language": "python", "segments": ["def add(a, b):\\n    return ", null, "\\n"],
           "single_line": false, "max_tokens": 64, "deadline_ms": null}
answer    {"id": 1, "status": "ok", "fills": ["a + b"], "confidence": [0.93], "reason": null, "tokens": 3,
           "forwards": 2, "ms": 61.5, "context_tokens": 12, "cached_tokens": 0}

Each null in `segments` is a hole; several are filled jointly. Only `segments` has to be there.

edit      {"id": 2, "language": "python", "segments": ["x=1\\n"], "task": {"kind": "rewrite"},
           "instruction": "Call it total."}
          "task" is {"kind": "rewrite", "translate" (with "to": "javascript"), "types", "docstring",
          "names", "repair", "complete" or "follow" (with "before": the text before its last change)}; with
          "selection": true in it, `segments` is the text before, the selection and the text after.
          "complete" fills a body, branch or case that is missing, or handles the errors of a selection.
          The answer has "text", the whole new text, and "edits".

`status` is ok, refused (nothing worth giving: `reason` says why) or error (the line is no request:
`reason` names the field). A bad line never ends the process; blank lines are skipped."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "batch",
        help="fill holes given as JSON Lines on stdin",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--at-once",
        type=options.whole_number(1, MOST_AT_ONCE),
        default=1,
        metavar="N",
        help="work on N lines together; on a GPU they share its passes (default 1)",
    )
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Answer lines until the end of stdin."""
    lines = files.stdin()
    settings = options.load_settings(args)
    with options.loaded_engines(settings.engine, args.at_once) as engines:
        answer_lines(engines, lines, sys.stdout.buffer, debug=args.debug)
    return 0


def answer_lines(
    engines: Sequence[Engine], lines: BinaryIO, answers: BinaryIO, *, debug: bool = False
) -> None:
    """Answer every line of a stream, in order, each as soon as it can be.

    Args:
        engines: one for each line that is worked on at a time; with a single one, an answer is out before
            the next line is read.
        lines, answers: the streams.
        debug: whether the traces of our own bugs are shown.
    """
    from lsp_server.cli import requests

    for reply in (
        _one_by_one(engines[0], lines, debug) if len(engines) == 1 else _at_once(engines, lines, debug)
    ):
        answers.write(requests.encode(reply))
        answers.flush()


def _one_by_one(engine: Engine, lines: BinaryIO, debug: bool) -> Iterator[Reply]:
    for line in _lines(lines):
        yield _answer(engine, line, debug=debug)


def _at_once(engines: Sequence[Engine], lines: BinaryIO, debug: bool) -> Iterator[Reply]:
    """Answers of several lines that are worked on together; a thread of its own reads on meanwhile."""
    free: SimpleQueue[Engine] = SimpleQueue()
    for engine in engines:
        free.put(engine)
    asked: Queue[Future[Reply] | None] = Queue(maxsize=READ_AHEAD * len(engines))

    def answer(line: bytes | None) -> Reply:
        engine = free.get()
        try:
            return _answer(engine, line, debug=debug)
        finally:
            free.put(engine)

    def read() -> None:
        try:
            for line in _lines(lines):
                asked.put(workers.submit(answer, line))
        except Exception as error:  # whoever waits for the answers is to see it
            failed: Future[Reply] = Future()
            failed.set_exception(error)
            asked.put(failed)
        asked.put(None)

    workers = ThreadPoolExecutor(len(engines))
    threading.Thread(target=read, name="lines", daemon=True).start()
    try:
        while (future := asked.get()) is not None:
            yield future.result()
    finally:
        workers.shutdown(wait=False, cancel_futures=True)


def _answer(engine: Engine, line: bytes | None, *, debug: bool) -> Reply:
    from engine.types import EditRequest
    from lsp_server.cli import requests

    if line is None:
        return requests.error_answer(None, f"the line is longer than {requests.MAX_LINE_BYTES // 2**20} MiB")
    request_id: object = None
    try:
        request = requests.parse_line(line)
        request_id = request.id
        if isinstance(request.ask, EditRequest):
            return requests.edit_answer(request_id, request.ask, engine.edit(request.ask))
        return requests.answer(request_id, engine.fill(request.ask))
    except requests.RequestError as error:
        return requests.error_answer(error.id, str(error))
    except Cancelled:
        raise
    except UnmaskError as error:
        return requests.error_answer(request_id, str(error))
    except Exception as error:  # a bug of ours must not take the other lines down
        if debug:
            import traceback

            traceback.print_exc(file=sys.stderr)
        return requests.error_answer(request_id, f"internal error: {type(error).__name__}: {error}")


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a stream but for blank ones; None for one too long, whose bytes are dropped unread."""
    from lsp_server.cli.requests import MAX_LINE_BYTES

    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES or line.endswith(b"\n"):
            if line.strip():
                yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(2**20)
        yield None
