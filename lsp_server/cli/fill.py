"""``unmask fill``: one file, one or more holes, one answer as text, diff, JSON or in place.

Turns arguments into a request and a result into output. Where holes are is `holes`' matter, bytes are
`files`'.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.types import EARLY, FillRequest, FillResult, Span
from lsp_server.cli import edit, options
from lsp_server.replacing import loses_code, tokens_for

if TYPE_CHECKING:
    from engine.code.text import Document
    from engine.types import Related
    from lsp_server.settings import Settings

DESCRIPTION = """\
Fill the holes of a file and print the filled text; with --task or --instruction, edit what stands there.

A hole is a cursor (--at), a range of lines (--lines), or each mark `<hole>` in the text. Nothing outside
the holes changes, byte for byte. The file itself changes with --write only. Where the model has nothing
good enough to give, nothing is printed or written, the reason goes to stderr, and the exit code is 1.

An edit (--task) is of the whole file, of the lines of --lines, or at the cursor of --at. The task complete
fills a body, branch or case that is missing at --at, or handles the errors of the statements of --lines.
With --write, a file that is translated is written beside the old one, with its own extension, and never
over another."""

EPILOG = """\
examples:
  unmask fill app.py --at 12:9                fill at line 12, column 9; print the file
  unmask fill app.py --lines 3-5 --diff       put something better in the place of lines 3 to 5
  unmask fill app.py --write                  fill every <hole> in app.py, in place
  echo 'total = <hole>' | unmask fill - --language python --json
  unmask fill app.py --lines 3-5 --task complete --diff    handle the errors of these lines
  unmask fill app.py --lines 3-9 --instruction 'Use a list comprehension.' --diff
  unmask fill app.py --task translate --to go --write      app.go, beside it"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "fill",
        help="fill holes in a file, or in stdin",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="the file; `-` for stdin")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--at", metavar="LINE:COL", help="a cursor: line and column from 1, in characters")
    where.add_argument("--lines", metavar="A-B", help="a range of lines, both included, to be replaced")
    parser.add_argument(
        "--language", metavar="ID", help="LSP language identifier; default: by the file's name"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the answer as `unmask batch` does")
    output.add_argument("--diff", action="store_true", help="print a unified diff")
    parser.add_argument("--write", action="store_true", help="change the file in place")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--single-line",
        dest="single_line",
        action="store_true",
        default=None,
        help="stop at the end of the line",
    )
    shape.add_argument(
        "--multi-line",
        dest="single_line",
        action="store_false",
        default=None,
        help="several lines are welcome; default: as the code around the hole calls for",
    )
    parser.add_argument(
        "--max-tokens",
        type=options.whole_number(1, 4096),
        metavar="N",
        help="the most tokens for each hole; default: 256, or what stands there needs",
    )
    parser.add_argument(
        "--deadline-ms",
        type=options.whole_number(1, 3_600_000),
        metavar="MS",
        help="give the best there is after so many milliseconds",
    )
    edit.add_options(parser)
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fill and print; 1 where there is nothing to give."""
    from engine.code import regions
    from lsp_server.cli import files, requests

    from_stdin = args.file == files.STDIN
    if from_stdin and args.write:
        raise UsageError("--write needs a file, and stdin is none", "Leave it out, or name a file.")
    if not from_stdin:
        files.check_no_secret(args.file)
    _check_language(args.language)
    if edit.is_asked(args):
        return edit.run(args)
    settings = options.settings_of(args, args.file)
    document = files.read(args.file)
    spans = _spans(args, document.text)
    language = language_of(args)
    segments = regions.cut(document.text, spans)
    single_line = args.single_line
    if single_line is None:
        multi_line = {"always": True, "never": False}.get(settings.multi_line)
        single_line = not (_wants_lines(document.text, spans, language) if multi_line is None else multi_line)
    request = FillRequest(
        segments=segments,
        language=language,
        single_line=single_line,
        max_tokens=args.max_tokens or tokens_for(spans, settings.explicit_tokens),
        deadline_ms=args.deadline_ms,
        within_block=True,
        related=() if from_stdin else _related(Path(args.file), document.text, language, settings),
        related_tokens=settings.context_files,
    )
    with options.loaded_engine(settings.engine) as engine:
        result = engine.fill(request)
    if result.status == "error":
        raise UsageError(result.reason or "the request cannot be used")
    if args.write:
        result = _without_loss(args.file, document.text, spans, result)
    if result.status == "ok":
        _give(args, document, spans, result.fills)
    if args.json:
        _print_bytes(requests.encode(requests.answer(None, result)))
    _remark(args, result)
    return 0 if result.status == "ok" else 1


def _spans(args: argparse.Namespace, text: str) -> tuple[Span, ...]:
    from engine.code import regions
    from lsp_server.cli import holes

    if args.at is not None:
        return (holes.at(text, args.at),)
    if args.lines is not None:
        return (holes.lines(text, args.lines),)
    marked = regions.hole_spans(text)
    if not marked:
        shown = "stdin" if args.file == "-" else args.file
        raise UsageError(f"{shown} has no {regions.HOLE}", "Mark one, or say where with --at or --lines.")
    return marked


def _without_loss(file: str, text: str, spans: Sequence[Span], result: FillResult) -> FillResult:
    """The result, or a refusal where code would be replaced by the beginning of other."""
    if not loses_code(text, spans, result):
        return result
    option = "--max-tokens" if result.reason == EARLY["length"] else "--deadline-ms"
    reason = f"the fill {result.reason}, and {file} would lose code. Raise {option}."
    return replace(result, status="refused", fills=("",) * len(spans), reason=reason)


def _related(file: Path, text: str, language: str, settings: Settings) -> tuple[Related, ...]:
    """What the files that a file imports offer to it, as far as they lie in its repository or its folder."""
    from lsp_server.related import Around, RelatedFiles

    if not settings.context_files:
        return ()
    file = Path(os.path.abspath(file))  # noqa: PTH100 -- a link lies where it lies
    root = next((folder for folder in file.parents if (folder / ".git").exists()), file.parent)
    inside = PurePosixPath(file.relative_to(root).as_posix())
    return RelatedFiles().of(inside, text, language, Around(root, settings.excludes))


def _check_language(named: str | None) -> None:
    """Say where the language that is named is none that is known."""
    from engine.code import languages

    if named is None or languages.by_id(named) is not languages.PLAINTEXT or named == languages.PLAINTEXT.id:
        return
    near = get_close_matches(named.lower(), [language.id for language in languages.LANGUAGES], n=1)
    meant = f": did you mean {near[0]}?" if near else ""
    options.warn(f"{named} is no language Unmask knows, so the text is taken for plain text{meant}")


def language_of(args: argparse.Namespace) -> str:
    """The language that the arguments name, or else that of the name of the file."""
    from engine.code import languages

    if args.language is not None:
        return str(args.language)
    return "plaintext" if args.file == "-" else languages.by_path(args.file).id


def _wants_lines(text: str, spans: tuple[Span, ...], language: str) -> bool:
    """Whether several lines belong in any of the holes."""
    from engine.code import languages, regions

    if any("\n" in text[span.start_char : span.end_char] for span in spans):
        return True
    known = languages.by_id(language)
    bare = regions.join(regions.cut(text, spans), [""] * len(spans))
    taken_chars = 0
    for span in spans:
        if regions.shape_at(bare, span.start_char - taken_chars, known).multi_line:
            return True
        taken_chars += span.end_char - span.start_char
    return False


def _give(args: argparse.Namespace, document: Document, spans: Sequence[Span], fills: Sequence[str]) -> None:
    """Write and print the filled text as asked."""
    from engine.code import regions
    from engine.code.text import encode
    from lsp_server.cli import files

    text = regions.join(regions.cut(document.text, spans), fills)
    data = encode(document, text)
    if args.write:
        files.write(args.file, document, text)
    if args.diff:
        name = "stdin" if args.file == "-" else Path(args.file).as_posix()
        _print_bytes(diff_of(document, spans, fills, name))
    elif not args.json and not args.write:
        _print_bytes(data)


def diff_of(document: Document, spans: Sequence[Span], fills: Sequence[str], name: str) -> bytes:
    """The diff in the file's own encoding, byte order mark and all, so that it applies to its bytes.

    Line tools cannot take UTF-16 and UTF-32 apart; for those it is UTF-8, to be read by people.
    """
    from lsp_server.cli.diff import unified_diff

    mark = document.bom.decode(document.encoding)
    moved = [Span(span.start_char + len(mark), span.end_char + len(mark)) for span in spans]
    lines = list(unified_diff(mark + document.text, moved, fills, name))
    wide = document.encoding.startswith(("utf-16", "utf-32"))
    header = "".join(lines[:2]).encode("utf-8", "surrogateescape")  # a name may be any bytes
    return header + "".join(lines[2:]).encode("utf-8" if wide else document.encoding)


def _remark(args: argparse.Namespace, result: FillResult) -> None:
    """Say on stderr what stdout does not."""
    if result.status == "refused":
        print(f"unmask: nothing to give: {result.reason}", file=sys.stderr)
        return
    if result.reason in EARLY.values():
        print(f"unmask: {result.reason}", file=sys.stderr)
    elif result.reason:
        holes = [str(number) for number, fill in enumerate(result.fills, start=1) if not fill]
        print(f"unmask: left empty: hole {', '.join(holes)}: {result.reason}", file=sys.stderr)
    if args.write:
        print(f"unmask: wrote {args.file}: {result.tokens} tokens in {result.ms:,.0f} ms", file=sys.stderr)


def _print_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
