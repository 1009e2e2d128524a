"""What every report of ``unmask bench`` has: a header, a console, and a line that says what is being done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from lsp_server.cli import machine

if TYPE_CHECKING:
    from rich.console import Console

    from engine.engine import Engine


PIPED_COLUMNS = 160


def header(engine: Engine) -> dict[str, object]:
    """What every report begins with: of what, and on what."""
    info = engine.info
    return {
        "unmask": machine.version(),
        "machine": asdict(machine.look()),
        "onnxruntime": next((v for name in machine.RUNTIMES if (v := machine.installed(name))), None),
        "model": info.name,
        "quantization": info.quantization,
        "adapter": info.adapter,
        "provider": info.provider,
        "provider_reason": info.provider_reason,
    }


def console() -> Console:
    """A console on stdout; into a file or a pipe, wide enough for every table."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS)


def introduce(console: Console, report: Mapping[str, object]) -> None:
    """Say of what a report is, and on what, by its header."""
    from rich.markup import escape

    here = machine.look()
    console.print(
        f"[bold]{escape(str(report['model']))}[/], {report['quantization']}, on {report['provider']}"
    )
    console.print(
        f"{escape(here.cpu)}, {here.usable_cpus} usable threads · onnxruntime {report['onnxruntime']}",
        style="dim",
        soft_wrap=True,
    )


@contextlib.contextmanager
def saying() -> Iterator[Callable[[str], None]]:
    """Where to say what is being done: a line on a terminal's stderr, else nowhere."""
    if not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console

    with Console(stderr=True).status("measuring") as status:
        yield status.update
