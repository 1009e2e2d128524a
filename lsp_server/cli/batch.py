"""``unmask batch``: JSON Lines in, JSON Lines out, in order, one answer for every line.

Knows streams and which failures end the process (only those of the model itself, before the first
line); the contract of a line is `requests`' matter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from engine.errors import Cancelled, UnmaskError
from lsp_server.cli import files, options

if TYPE_CHECKING:
    from engine.engine import Engine

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
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Answer lines until the end of stdin."""
    lines = files.stdin()
    settings = options.load_settings(args)
    with options.loaded_engine(settings.engine) as engine:
        answer_lines(engine, lines, sys.stdout.buffer, debug=args.debug)
    return 0


def answer_lines(engine: Engine, lines: BinaryIO, answers: BinaryIO, *, debug: bool = False) -> None:
    """Answer every line of a stream; each answer is out before the next line is read."""
    from lsp_server.cli import requests

    for line in _lines(lines):
        if line is None:
            limit_mb = requests.MAX_LINE_BYTES // 2**20
            reply = requests.error_answer(None, f"the line is longer than {limit_mb} MiB")
        elif not line.strip():
            continue
        else:
            reply = _answer(engine, line, debug=debug)
        answers.write(requests.encode(reply))
        answers.flush()


def _answer(engine: Engine, line: bytes, *, debug: bool) -> dict[str, object]:
    from engine.types import EditRequest
    from lsp_server.cli import requests

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
    """The lines of a stream; None for one that is too long, whose bytes are dropped unread."""
    from lsp_server.cli.requests import MAX_LINE_BYTES

    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(2**20)
        yield None
