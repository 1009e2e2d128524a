"""`unmask train`: a list of packages to a corpus, a corpus to a canvas adapter and a table of transitions."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UsageError
from lsp_server.cli import train_adapter, train_answers, train_transitions
from lsp_server.cli.options import whole_number

if TYPE_CHECKING:
    from export.corpus.packages import Package
    from export.corpus.shelf import Shelf

CORPUS_DESCRIPTION = """\
Make a corpus of source text from packages of PyPI, npm and Debian with permissive licences.

The list says which: each by name, version and sha256. Archives are fetched from where pip, npm and
apt of this machine fetch, read as archives and never installed or run. Tests, vendored, generated and
built files, copies, and everything that shares code with an evaluation problem are left out; one
package in twenty is held out. The same list always gives the same shards."""

CORPUS_EPILOG = """\
examples:
  unmask train corpus --out corpus --exclude problems      the list that ships with Unmask
  unmask train corpus --out corpus --exclude problems --heldout-only
  unmask train corpus --resolve names.txt --list-out packages.jsonl
  unmask train corpus --out corpus --list packages.jsonl --limit 20

A line of names.txt is pypi:NAME, npm:NAME, debian:NAME or, for a source package, debian:src:NAME.
UNMASK_INDEX_URL, UNMASK_NPM_REGISTRY and UNMASK_DEBIAN_MIRROR name other places to fetch from."""


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the subcommand with its actions."""
    parser = subparsers.add_parser(
        "train",
        help="make training data and adapters (extra: export)",
        description="Everything that goes into an adapter.",
    )
    actions = parser.add_subparsers(dest="train_command", metavar="ACTION", title="actions", required=True)
    _register_corpus(actions)
    train_answers.register(actions)
    train_adapter.register(actions)
    train_transitions.register(actions)


def run(args: argparse.Namespace) -> int:
    """Do what the action says; 0 when done."""
    try:
        code: int = args.act(args)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"training needs {error.name}", "Install the extra: pip install 'unmask[export]'."
        ) from error
    return code


def _register_corpus(actions: argparse._SubParsersAction[Any]) -> None:
    parser = actions.add_parser(
        "corpus",
        help="make a corpus from packages with permissive licences",
        description=CORPUS_DESCRIPTION,
        epilog=CORPUS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the shards and corpus.json here")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="another list of packages than the one that ships"
    )
    parser.add_argument(
        "--exclude",
        type=Path,
        metavar="DIR",
        help="gzip JSON Lines of evaluation problems; what shares code with one is left out",
    )
    parser.add_argument("--heldout-only", action="store_true", help="make the held-out split alone")
    parser.add_argument(
        "--limit",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="take N packages of the list, always the same ones",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what is fetched here")
    parser.add_argument(
        "--resolve", type=Path, metavar="FILE", help="make a list: the newest version of each name in FILE"
    )
    parser.add_argument("--list-out", type=Path, metavar="FILE", help="write the list made by --resolve here")
    parser.set_defaults(act=_corpus)


def _corpus(args: argparse.Namespace) -> int:
    if (args.resolve is None) != (args.list_out is None):
        raise UsageError("--resolve and --list-out go together", "Give both or neither.")
    if args.resolve is not None and args.list is not None:
        raise UsageError("--resolve makes a list and --list names one", "Give one of them.")
    if args.out is None and args.resolve is None:
        raise UsageError("nowhere to write to", "Name --out DIR.")
    from export.corpus.shelf import open_shelf

    with open_shelf(args.cache) as shelf:
        packages = _packages(args, shelf)
        if args.out is not None:
            _build(args, packages, shelf)
    return 0


def _packages(args: argparse.Namespace, shelf: Shelf) -> list[Package]:
    """The list that is asked for; one that is made is written."""
    from export.corpus import packages as lists
    from export.corpus.resolve import parse_names, resolve

    if args.resolve is None:
        listed: list[Package]
        listed = lists.read_recorded_list() if args.list is None else lists.read_list(args.list)
        return listed if args.limit is None else list(lists.sample(listed, args.limit))
    try:
        names = parse_names(args.resolve.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{args.resolve} cannot be read ({error})", "Name a file of names.") from error
    resolved: list[Package] = resolve(names[: args.limit], shelf, _say)
    with _writing(args.list_out):
        args.list_out.write_text(lists.format_list(resolved), "utf-8", newline="\n")
    _say(f"{len(resolved)} of {len(names)} packages are in {args.list_out}")
    return resolved


def _build(args: argparse.Namespace, packages: list[Package], shelf: Shelf) -> None:
    from export.corpus.build import build
    from export.corpus.decontaminate import Problems, read_problems

    if args.exclude is None:
        _say("without --exclude, evaluation problems may be in the corpus")

    def report(done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            _say(f"{done} of {total} packages")

    problems = Problems([] if args.exclude is None else read_problems(args.exclude))
    with _writing(args.out):
        summary = build(
            packages,
            shelf.read,
            args.out,
            problems=problems,
            heldout_only=args.heldout_only,
            report=report,
        )
    for split, facts in summary["splits"].items():
        for language, counts in facts["by_language"].items():
            files, characters = counts["files"], counts["characters"]
            print(f"{split:<8} {language:<16} {files:>7} files {characters:>12} characters")
    print(args.out)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the disk refuses is a mistake in the path."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error})", "Name another place.") from error


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
