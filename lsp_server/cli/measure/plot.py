"""Figures to a picture: one panel a row of the comparison, one bar a peer. Pure functions, SVG by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from lsp_server.cli.measure.compare import Figures
from lsp_server.cli.measure.workloads import ROWS

WIDTH, LABEL, VALUE = 860, 210, 150
BAR, GAP, HEAD = 16, 6, 44
OURS_FILL, OTHERS_FILL = "#8250df", "#8c959f"
LONGEST = 3.0
"""A bar ends at this many times the longest of our own, and its figure says how long it is."""

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.head{font-weight:600;font-size:13px;fill:#8250df}"
    "@media(prefers-color-scheme:dark){text{fill:#8b949e}}"
)


def drawn(figures: Sequence[Figures]) -> str:
    """An SVG document: median times as bars, the 95th percentile as a whisker, shorter is better."""
    parts: list[str] = []
    y = 0
    for row, group in groupby(figures, key=lambda one: one.row):
        panel = list(group)
        parts.append(
            f'<text class="head" x="0" y="{y + 18}">{escape(ROWS[row])}</text>'
            f'<text x="0" y="{y + 34}">milliseconds to the answer, median and 95th percentile</text>'
        )
        parts += _bars(panel, y + HEAD)
        y += HEAD + len(panel) * (BAR + GAP) + 2 * GAP
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{body}\n</svg>\n'


def _bars(panel: Sequence[Figures], y: int) -> Iterator[str]:
    own = [one.p95_ms for one in panel if _is_ours(one)]
    whole_ms = min(max(one.p95_ms for one in panel), LONGEST * max(own, default=float("inf")))
    scale = (WIDTH - LABEL - VALUE) / whole_ms
    for number, one in enumerate(panel):
        top = y + number * (BAR + GAP)
        middle = top + BAR / 2
        end, tip = (LABEL + min(ms, whole_ms) * scale for ms in (one.p50_ms, one.p95_ms))
        fill = OURS_FILL if _is_ours(one) else OTHERS_FILL
        cut = "» " if one.p50_ms > whole_ms else ""
        yield (
            f'<text x="{LABEL - 8}" y="{middle + 4:g}" text-anchor="end">{escape(one.peer)}</text>'
            f'<rect x="{LABEL}" y="{top}" width="{end - LABEL:.1f}" height="{BAR}" rx="2" fill="{fill}"/>'
            f'<path d="M{end:.1f} {middle:g}H{tip:.1f}" stroke="{fill}" stroke-width="2"/>'
            f'<text x="{tip + 6:.1f}" y="{middle + 4:g}">{cut}{one.p50_ms:,.0f} · {one.p95_ms:,.0f}</text>'
        )


def _is_ours(one: Figures) -> bool:
    return one.peer.startswith("Unmask")
