"""A file with holes as something to look at: highlighted code with each hole as masks, settling or filled.

Turns segments and the state of each canvas into `rich` text. Knows nothing of engines, time or terminals.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

from engine.types import CanvasFrame, FillResult

MASK = "▒▒"
THEME = "ansi_dark"

# Foreground and background together, so that they can be read on dark and on light terminals.
_MASKED = Style(color="#c678dd")
_COMMITTED = Style(color="#1f1a0d", bgcolor="#e5c07b")
_FILLED = Style(color="#0f1f0a", bgcolor="#98c379")

Piece = tuple[str, Style]


def masked(n_slots: int = 4) -> list[Piece]:
    """A hole before its first step."""
    return [(MASK, _MASKED)] * n_slots


def settling(frame: CanvasFrame) -> list[Piece]:
    """A hole after a step: what stands in it is text, the rest still masks.

    Trailing slots that say nothing (the canvas is longer than the fill) are left out.
    """
    pieces = list(frame.pieces)
    while pieces and pieces[-1] == "":
        pieces.pop()
    return [(MASK, _MASKED) if piece is None else (piece, _COMMITTED) for piece in pieces]


def filled(text: str) -> list[Piece]:
    """A hole that is done."""
    return [(text, _FILLED)]


def code(segments: Sequence[str | None], holes: Sequence[list[Piece]], lexer: str) -> Text:
    """Segments with their holes filled with pieces, highlighted as one text.

    Args:
        segments: the file, None where a hole is.
        holes: the pieces of each hole, in order.
        lexer: name of the highlighter's language.
    """
    plain = ""
    spans: list[tuple[int, int, Style]] = []
    states = iter(holes)
    for segment in segments:
        for text, style in [(segment, None)] if segment is not None else next(states):
            if style is not None:
                spans.append((len(plain), len(plain) + len(text), style))
            plain += text
    highlighted = Syntax("", lexer, theme=THEME, background_color="default").highlight(plain)
    for start_char, end_char, style in spans:
        _stylize_visible(highlighted, start_char, end_char, style)
    highlighted.rstrip()
    return highlighted


def hole_start(segments: Sequence[str | None], holes: Sequence[list[Piece]], index: int) -> int:
    """Where hole ``index`` starts in the text of ``code``, in characters."""
    at = [position for position, segment in enumerate(segments) if segment is None][index]
    before = sum(len(segment) for segment in segments[:at] if segment is not None)
    return before + sum(len(text) for hole in holes[:index] for text, _ in hole)


def crop(text: Text, n_lines: int, around_char: int) -> Text:
    """At most ``n_lines`` lines of a text, those around a place, for a low terminal."""
    lines = text.split("\n")
    line = text.plain.count("\n", 0, around_char)
    first = max(0, min(line - n_lines // 2, len(lines) - n_lines))
    return Text("\n").join(lines[first : first + max(n_lines, 1)])


def _stylize_visible(text: Text, start_char: int, end_char: int, style: Style) -> None:
    """Style a range line by line, without the indentation and line ends in it."""
    at = start_char
    for line in text.plain[start_char:end_char].split("\n"):
        indent = len(line) - len(line.lstrip()) if at > start_char else 0
        text.stylize(style, at + indent, at + len(line))
        at += len(line) + 1


def panel(title: str, body: Text, caption: str) -> RenderableType:
    """One sample: its code in a frame, a title above and a caption below."""
    return Panel(
        body, title=title, title_align="left", subtitle=caption, subtitle_align="right", padding=(0, 1)
    )


def caption(result: FillResult) -> str:
    """One line about a result, as console markup."""
    if result.status != "ok":
        return f"[red]{result.status}[/]: {escape(result.reason or '')}"
    cached = f" · {result.cached_tokens} cached" if result.cached_tokens else ""
    return (
        f"[bold green]{result.ms:,.0f} ms[/] · {result.tokens} tokens in {result.forwards} passes"
        f" · {result.context_tokens} of context{cached}"
    )
