"""``unmask stats``: what became of the suggestions that editors showed on this machine.

Reads the file that the language servers write. Nothing in it is anybody's code, and nobody is sent it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lsp_server.ledger import Entries

DESCRIPTION = """\
What became of suggestions, counted on this machine by language and sent to nobody: how many were shown,
accepted whole, accepted in part, and rejected (the text went another way; the rest were passed over).
The setting `stats` turns the counting off."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "stats",
        help="what became of the suggestions shown on this machine",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--reset", action="store_true", help="remove the counts and begin anew")


def run(args: argparse.Namespace) -> int:
    """Tell, or begin anew."""
    from lsp_server import ledger

    path = ledger.file(os.environ)
    if path is None:
        raise UsageError(
            "there is no home directory to keep counts in", f"Name a file with {ledger.FILE_VARIABLE}."
        )
    if args.reset:
        ledger.reset(path)
    entries = ledger.read(path)
    if args.json:
        languages = {language: _row(counts) for language, counts in sorted(entries.counts.items())}
        told = {
            "file": str(path),
            "since": entries.since,
            "total": _row(_total(entries)),
            "languages": languages,
        }
        print(json.dumps(told, indent=2))
    elif entries.counts:
        from rich.console import Console

        console = Console(file=sys.stdout, highlight=False)
        console.print(_table(entries))
        console.print(f"since {entries.since} · {path}", style="dim", soft_wrap=True)
    else:
        print(f"Nothing was counted yet in {path}.")
    return 0


def _total(entries: Entries) -> Counter[str]:
    return sum(entries.counts.values(), Counter[str]())


def _row(counts: Counter[str]) -> dict[str, float | None]:
    """The counts of a language as JSON has them, with the share of what was shown that was accepted."""
    from lsp_server.ledger import COLUMNS

    shown = counts["shown"]
    share = round((counts["accepted"] + counts["partly accepted"]) / shown, 3) if shown else None
    return {**{name.replace(" ", "_"): counts[name] for name in COLUMNS}, "accepted_share": share}


def _table(entries: Entries) -> RenderableType:
    from rich import box
    from rich.table import Table

    from lsp_server.ledger import COLUMNS

    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("language")
    for name in (*COLUMNS, "share"):
        shown.add_column(name, justify="right")
    total = _total(entries)
    rows = [*sorted(entries.counts.items()), *([("all", total)] if len(entries.counts) > 1 else [])]
    for language, counts in rows:
        share = _row(counts)["accepted_share"]
        shown.add_row(
            language, *(f"{counts[name]:,}" for name in COLUMNS), "–" if share is None else f"{share:.0%}"
        )
    return shown
