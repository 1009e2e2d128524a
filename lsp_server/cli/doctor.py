"""``unmask doctor``: the findings of `diagnosis`, for people or as JSON; 1 where something is broken."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from lsp_server.cli.diagnosis import Diagnosis

DESCRIPTION = """\
Say what this machine has and what Unmask would use: Python, processor, memory, packages, ONNX Runtime and
the provider it would run on and why, the cache directory, models and settings files. What is broken comes
with its remedy, and the exit code is 1. Nothing is fetched unless --load is given."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine has and would use, and what is broken",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--load", action="store_true", help="also load the model (fetching it if need be) and fill one hole"
    )
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Examine and report."""
    from lsp_server import settings as settings_
    from lsp_server.cli.diagnosis import examine
    from lsp_server.cli.machine import version

    complaints: list[str] = []
    settings = options.load_settings(args, complaints.append)
    named = (settings_.user_file(os.environ), settings_.project_file(Path.cwd()))
    files = [path for path in named if path is not None and _is_file(path)]
    found = examine(
        settings.engine, version=version(), config_files=files, complaints=complaints, load=args.load
    )
    if args.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        from rich.console import Console

        _print(Console(file=sys.stdout, highlight=False), found)
    return 1 if found.problems else 0


def _is_file(path: Path) -> bool:
    """Whether there is such a file that may be looked at; why not, the settings' complaints say."""
    try:
        return path.is_file()
    except OSError:
        return False


def _print(console: Console, found: Diagnosis) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(found):
        table.add_row(name, escape(value))
    console.print(table)
    console.print()
    for note in found.notes:
        console.print(f"[yellow]note[/]  {escape(note)}", soft_wrap=True)
    for problem in found.problems:
        console.print(f"[bold red]broken[/]  {escape(problem.cause)}", soft_wrap=True)
        if problem.remedy:
            console.print(f"        [dim]→[/] {escape(problem.remedy)}", soft_wrap=True)
    if not found.problems:
        console.print("[bold green]all is well[/]")


def _rows(found: Diagnosis) -> list[tuple[str, str]]:
    machine = found.machine
    cores = f"{machine.physical_cores} cores, " if machine.physical_cores else ""
    versions = ", ".join(f"{name} {version or 'MISSING'}" for name, version in found.packages.items())
    model = ("Model", f"{found.model}: {found.model_state or 'NOT usable'}")
    access = "writable" if found.cache_writable else "NOT writable"
    rows = [
        ("Unmask", found.unmask),
        ("Python", machine.python),
        ("Platform", machine.platform),
        ("Processor", f"{machine.cpu} ({cores}{machine.usable_cpus} usable threads)"),
        ("Memory", f"{machine.memory_bytes / 1e9:.1f} GB, {machine.available_bytes / 1e9:.1f} GB free"),
        ("Packages", versions),
        ("Providers", ", ".join(found.providers) or "none"),
        ("Would use", f"{found.provider}: {found.provider_reason}" if found.provider else "none"),
        model,
        ("Cache", f"{found.cache_dir} ({access}, {found.cache_free_bytes / 1e9:.1f} GB free)"),
        ("In it", ", ".join(found.models) or "nothing yet"),
        ("Settings", ", ".join(found.config_files) or "defaults; no unmask.toml found"),
    ]
    if found.edit_model is not None:
        state = found.edit_model_state or "NOT usable"
        rows.insert(1 + rows.index(model), ("For edits", f"{found.edit_model}: {state}"))
    if found.load is not None:
        load = found.load
        filled = f"filled {load['fill']!r} in {load['fill_ms']} ms"
        rows.append(("Loaded", f"in {load['load_ms']} ms on {load['provider']}; {filled}"))
    return rows
