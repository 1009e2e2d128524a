"""``unmask fill --task``: one file, one edit task, one new text as text, diff, JSON or in place.

Turns arguments into an edit request and its result into output. What a task does is the engine's matter,
bytes are `files`'.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from engine.config import IN_WORDS
from engine.errors import UsageError
from engine.types import EditKind, EditRequest, EditResult, Span, Strength
from lsp_server.cli import options

if TYPE_CHECKING:
    from engine.code.text import Document

MIN_TOKENS = 1024
"""What a task may write of its own accord, or a token for every character where that is more."""


_OF_TASKS = {"to": "translate", "strength": "rewrite", "before": "follow", "check": "types"}
"""Options that mean something to one task."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make an edit of a fill."""
    group = parser.add_argument_group("edit what stands there, in place of filling holes")
    group.add_argument("--task", choices=get_args(EditKind), help="what to do with the file or the lines")
    group.add_argument(
        "--instruction",
        metavar="TEXT",
        help="what to change, in words; without --task, a rewrite",
    )
    group.add_argument(
        "--strength", choices=get_args(Strength), help="rewrite without an instruction: how much may change"
    )
    group.add_argument(
        "--before", metavar="FILE", help="follow: the file as it was before the change that is followed"
    )
    group.add_argument(
        "--check",
        action="store_true",
        default=None,
        help="types: leave out what mypy complains of, where it is installed (Python files)",
    )
    group.add_argument("--to", metavar="LANG", help="translate: the target, such as javascript or go")


def is_asked(args: argparse.Namespace) -> bool:
    """Whether the arguments ask for an edit.

    Raises:
        UsageError: an option of edits, but no edit.
    """
    if args.instruction is not None and not args.instruction.strip():
        raise UsageError("--instruction says nothing", "Say what to change, or leave it out.")
    kind = args.task or (None if args.instruction is None else "rewrite")
    for name, task in _OF_TASKS.items():
        if getattr(args, name) is not None and kind != task:
            remedy = f"Add --task {task}." if kind is None else f"Leave it out, or ask for --task {task}."
            raise UsageError(f"--{name} belongs to the task {task}", remedy)
    return kind is not None


def run(args: argparse.Namespace) -> int:
    """Edit and print; 1 where there is nothing to give."""
    from engine.code.text import encode
    from lsp_server.cli import files, requests

    settings = options.settings_of(args, args.file)
    document = files.read(args.file)
    request = _request(args, document.text)
    new_file = None
    if args.write and _is_new_file(request):
        new_file = _beside(args.file, request.to or "")
    config = settings.engine.in_words if request.kind in IN_WORDS else settings.engine
    with options.loaded_engine(config) as engine:
        result = engine.edit(request)
    if result.status == "ok" and args.check:
        result = _checked(args.file, document, result)
    if result.status == "ok":
        if new_file is not None:
            files.create(new_file, result.text)
        elif args.write:
            files.write(args.file, document, result.text)
        if args.diff:
            _print_bytes(_diff(args.file, document, request, result))
        elif not args.json and not args.write:
            is_new = _is_new_file(request)
            _print_bytes(result.text.encode("utf-8") if is_new else encode(document, result.text))
    if args.json:
        _print_bytes(requests.encode(requests.edit_answer(None, request, result)))
    _remark(result, new_file or (args.file if args.write else None))
    return 0 if result.status == "ok" else 1


def _request(args: argparse.Namespace, text: str) -> EditRequest:
    from lsp_server.cli import files, holes
    from lsp_server.cli.fill import language_of

    if args.task == "follow" and args.before is None:
        raise UsageError("follow needs the file as it was before", "Name it with --before FILE.")
    if args.before == args.file == files.STDIN:
        raise UsageError("stdin cannot be the file and what it was before", "Name one of them.")
    if args.check and (args.task != "types" or args.file == files.STDIN or language_of(args) != "python"):
        raise UsageError("--check is for the types of a Python file", "Leave it out.")
    if args.before not in (None, files.STDIN):
        files.check_no_secret(args.before)
        options.settings_of(args, args.before)
    if any("\ud800" <= char <= "\udfff" for char in args.instruction or ""):
        raise UsageError("--instruction is not UTF-8", "Write it in the encoding of the terminal.")
    selection: Span | None = None
    if args.at is not None:
        selection = holes.at(text, args.at)
    elif args.lines is not None:
        selection = holes.lines(text, args.lines)
    return EditRequest(
        kind=args.task or "rewrite",
        text=text,
        language=language_of(args),
        selection=selection,
        instruction=args.instruction,
        strength=args.strength or "rework",
        to=args.to,
        before=None if args.before is None else files.read(args.before).text,
        max_tokens=args.max_tokens or max(MIN_TOKENS, len(text)),
        deadline_ms=args.deadline_ms,
    )


def _checked(name: str, document: Document, result: EditResult) -> EditResult:
    """What the type checker leaves of a result."""
    from engine.code.text import encode
    from lsp_server.type_check import checked

    done = checked(document.text, result.text, Path(name), encoded=lambda text: encode(document, text))
    return done.of(result, document.text)


def _is_new_file(request: EditRequest) -> bool:
    """Whether the result is another file and not a change of this one."""
    return request.kind == "translate" and request.selection is None


def _beside(name: str, to: str) -> str:
    """Where a translation is written: beside the file, never over anything.

    Raises:
        UsageError: something is there, or the target has no file names.
    """
    from engine.code import languages

    target = languages.by_id(to)
    if target is languages.PLAINTEXT:
        return name  # the task itself says what is wrong with the target
    path = Path(name).with_suffix(target.extensions[0])
    if path.exists():
        raise UsageError(f"{path} is there already", "Move it, or leave --write out to print the result.")
    return str(path)


def _diff(name: str, document: Document, request: EditRequest, result: EditResult) -> bytes:
    """The diff to the new text; to a new file where it is one."""
    from engine.code.edits import smallest_edits
    from lsp_server.cli.fill import diff_of

    shown = "stdin" if name == "-" else Path(name).as_posix()
    if _is_new_file(request):
        from engine.code import languages
        from lsp_server.cli.diff import created

        extension = languages.by_id(request.to or "").extensions[0]
        lines = created(result.text, str(Path(shown).with_suffix(extension)))
        return "".join(lines).encode("utf-8", "surrogateescape")  # a name may be any bytes
    edits = smallest_edits(request.text, result.text)
    return diff_of(document, [edit.span for edit in edits], [edit.new_text for edit in edits], shown)


def _remark(result: EditResult, written: str | None) -> None:
    """Say on stderr what stdout does not."""
    if result.status != "ok":
        print(f"unmask: nothing to give: {result.reason}", file=sys.stderr)
        return
    if result.reason:
        print(f"unmask: {result.reason}", file=sys.stderr)
    if written is not None:
        print(f"unmask: wrote {written}: {result.work.tokens} tokens in {result.ms:,.0f} ms", file=sys.stderr)


def _print_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
