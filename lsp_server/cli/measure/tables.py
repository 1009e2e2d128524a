"""Figures to tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lsp_server.cli.measure.compare import Figures
from lsp_server.cli.measure.growth import Cost
from lsp_server.cli.measure.load import Load
from lsp_server.cli.measure.peers import Absent, Peer
from lsp_server.cli.measure.roofline import Ceilings, Pass
from lsp_server.cli.measure.workloads import ROWS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def table(*headings: str) -> Table:
    """An empty table; its first column is text, the others are numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number else "left", no_wrap=not number)
    return made


def print_comparison(
    console: Console, figures: Sequence[Figures], peers: Sequence[Peer], absent: Sequence[Absent]
) -> None:
    """Every row of the comparison, then what each peer takes up."""
    for row, group in groupby(figures, key=lambda one: one.row):
        console.print(f"[bold]{row}[/]: {ROWS[row]}")
        shown = table(
            "", "n", "p50 ms", "p95 ms", "times ours", "tokens", "tokens/s", "passes", "CPU ms", "same text"
        )
        for one in group:
            same = "" if one.same_text is None else f"{one.same_text:.0%}"
            shown.add_row(
                one.peer,
                str(one.n),
                f"{one.p50_ms:,.0f}",
                f"{one.p95_ms:,.0f}",
                f"{one.times_ours:.2f}",
                f"{one.tokens:g}",
                f"{one.tokens_per_s:,.1f}",
                f"{one.forwards:g}",
                f"{one.cpu_ms:,.0f}",
                same,
            )
        console.print(shown)
    shown = table("", "weights MB", "resident MB")
    for peer in peers:
        shown.add_row(peer.name, f"{peer.weights_bytes / 1e6:,.0f}", f"{peer.resident_bytes / 1e6:,.0f}")
    console.print(shown)
    for missing in absent:
        console.print(f"{missing.name}: {missing.why}", markup=False, soft_wrap=True)


def print_growth(console: Console, costs: Sequence[Cost]) -> None:
    """One line a size."""
    shown = table("grows", "to", "ms", "ms each", "again ms", "resident MB")
    for cost in costs:
        shown.add_row(
            cost.grows,
            f"{cost.size:,}",
            f"{cost.ms:,.0f}",
            f"{cost.ms_each:,.2f}",
            "" if cost.again_ms is None else f"{cost.again_ms:,.0f}",
            f"{cost.resident_bytes / 1e6:,.0f}",
        )
    console.print(shown)


def print_load(console: Console, loads: Sequence[Load]) -> None:
    """One line for so many at once."""
    shown = table("at once", "requests", "a second", "tokens a second", "ms, median", "ms, 95 of 100")
    for load in loads:
        shown.add_row(
            str(load.at_once),
            f"{load.requests:,}",
            f"{load.requests_per_s:,.1f}",
            f"{load.tokens_per_s:,.0f}",
            f"{load.p50_ms:,.0f}",
            f"{load.p95_ms:,.0f}",
        )
    console.print(shown)


def print_roofline(console: Console, ceilings: Ceilings, passes: Sequence[Pass]) -> None:
    """The ceilings, then one line a pass."""
    console.print(
        f"this machine: {ceilings.bytes_per_s / 1e9:,.1f} GB/s from memory, "
        f"{ceilings.products_per_s / 1e9:,.0f} billion int8 products/s"
    )
    shown = table("rows in a pass", "ms", "MB read", "billion products", "least ms", "of the ceiling")
    for one in passes:
        shown.add_row(
            str(one.rows),
            f"{one.ms:,.1f}",
            f"{one.n_bytes / 1e6:,.0f}",
            f"{one.products / 1e9:,.2f}",
            f"{one.least_ms:,.1f}",
            f"{one.share:.0%}",
        )
    console.print(shown)
