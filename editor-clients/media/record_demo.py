"""A real run of `unmask demo`'s samples → ``demo.svg``, an animated picture of it that loops.

    python editor-clients/media/record_demo.py [MODEL]

MODEL is what the setting ``model`` takes. Every frame stands for as long as it did while the model ran;
only the wait before a fill and the look at its result are added. The picture needs nothing from outside:
no font, no script, and where animations are off it shows the first sample, filled.
"""

from __future__ import annotations

import html
import io
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from engine.config import DEFAULT_MODEL, EngineConfig
from engine.engine import Engine, open_engine
from engine.types import CanvasFrame, FillRequest, FillResult, ModelInfo
from lsp_server.cli import canvas_view, machine
from lsp_server.cli.demo import SAMPLES, Sample

TARGET = Path(__file__).with_name("demo.svg")
SHOWN = ("words.rs", "account.py", "cart.js")

WAIT_SECONDS = 0.9
HOLD_SECONDS = 2.4
TAKES = 4

COLUMNS = 76
CHAR_WIDTH = 9.8
LINE_HEIGHT = 23
FONT_SIZE = 16
MARGIN = 26
TITLE_HEIGHT = 44
FOOT_HEIGHT = 50

_BACKGROUND = (22, 24, 29)
_FOREGROUND = (215, 218, 224)
_COLOURS = [
    (63, 68, 81),
    (224, 108, 117),
    (152, 195, 121),
    (229, 192, 123),
    (97, 175, 239),
    (198, 120, 221),
    (86, 182, 194),
    (215, 218, 224),
]
_THEME = TerminalTheme(_BACKGROUND, _FOREGROUND, _COLOURS, [(127, 132, 142), *_COLOURS[1:]])

Row = tuple[tuple[str, Style], ...]
"""One line of a frame: runs of text, each with its style."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is seen from a moment on.

    Attributes:
        at_seconds: since the fill began.
        rows: the file's lines.
        caption: the line below.
    """

    at_seconds: float
    rows: tuple[Row, ...]
    caption: Row


@dataclass(frozen=True, slots=True)
class Scene:
    """One sample being filled: at least two frames, the last one its result."""

    sample: Sample
    frames: tuple[Frame, ...]


class Camera:
    """Turns the state of one sample's holes into frames."""

    def __init__(self, sample: Sample) -> None:
        self._segments = sample.segments()
        self._lexer = sample.language
        self._console = Console(width=COLUMNS, file=io.StringIO(), force_terminal=True)

    def frame(self, at_seconds: float, holes: Sequence[list[canvas_view.Piece]], caption: str) -> Frame:
        """A frame of the file with these pieces in its holes; the caption is console markup."""
        code = canvas_view.code(self._segments, holes, self._lexer)
        return Frame(at_seconds, tuple(self._rows(code)), next(self._rows(Text.from_markup(caption))))

    def _rows(self, text: Text) -> Iterator[Row]:
        options = self._console.options.update(no_wrap=True, overflow="crop")
        for line in self._console.render_lines(text, options, pad=False):
            yield tuple((part.text, part.style or Style()) for part in Segment.simplify(line))


def record(engine: Engine, sample: Sample) -> Scene:
    """Fill a sample as ``unmask demo`` does, without anything cached, and keep every frame.

    Of several takes the fastest is kept: the first passes of a process are slower than all others, and
    whatever else the machine does is no part of the picture.

    Raises:
        SystemExit: the model left a hole empty; that is no picture for a front page.
    """
    request = FillRequest(sample.segments(), language=sample.language, single_line=True, max_tokens=48)
    seen, result = min((_take(engine, request) for _ in range(TAKES)), key=lambda take: take[1].ms)
    if not all(result.fills):
        raise SystemExit(f"{sample.name}: {result.status}, {result.reason}")

    camera = Camera(sample)
    holes = [canvas_view.masked() for _ in range(request.n_holes)]
    frames = [camera.frame(0.0, holes, "[magenta]▒▒[/] to fill")]
    for at_seconds, frame in seen:
        holes[frame.hole] = canvas_view.settling(_first_line(frame))
        frames.append(camera.frame(at_seconds, holes, f"{at_seconds * 1000:,.0f} ms"))
    holes = [canvas_view.filled(fill) for fill in result.fills]
    frames.append(camera.frame(result.ms / 1000, holes, canvas_view.caption(result)))
    return Scene(sample, tuple(frames))


def _take(engine: Engine, request: FillRequest) -> tuple[list[tuple[float, CanvasFrame]], FillResult]:
    """One fill from a cold cache: its frames, each with the seconds since the start, and its result."""
    engine.forget()
    seen: list[tuple[float, CanvasFrame]] = []
    start = time.perf_counter()
    result = engine.fill(request, on_frame=lambda frame: seen.append((time.perf_counter() - start, frame)))
    return seen, result


def _first_line(frame: CanvasFrame) -> CanvasFrame:
    """A frame of a single-line fill without the slots past the line's end, which are no part of it."""
    kept: list[str | None] = []
    for piece in frame.pieces:
        line, newline, _ = (piece or "").partition("\n")
        kept.append(line if newline else piece)
        if newline:
            break
    return replace(frame, pieces=tuple(kept))


@dataclass(slots=True)
class Picture:
    """Scenes one after the other, as one SVG.

    Attributes:
        scenes: what is shown.
        recorded: with what, for the corner.
    """

    scenes: Sequence[Scene]
    recorded: str
    _moments: dict[tuple[float, float], str] = field(default_factory=dict)

    def svg(self) -> str:
        """The document."""
        n_rows = max(len(frame.rows) for scene in self.scenes for frame in scene.frames)
        width = round(COLUMNS * CHAR_WIDTH + 2 * MARGIN)
        height = TITLE_HEIGHT + n_rows * LINE_HEIGHT + FOOT_HEIGHT
        baseline = height - 17
        body: list[str] = []
        start = 0.0
        for number, scene in enumerate(self.scenes):
            end = start + _seconds(scene)
            parts = [self._title(scene.sample), *self._rows(scene, start, end, baseline, still=number == 0)]
            body.append(self._shown("\n".join(parts), start, end, still=number == 0))
            start = end
        moments = "\n".join(self._keyframes(name, *when) for when, name in self._moments.items())
        names = ", ".join(scene.sample.name for scene in self.scenes)
        return _DOCUMENT.format(
            width=width,
            height=height,
            inner_width=width - 1,
            inner_height=height - 1,
            background=_hex(_BACKGROUND),
            foreground=_hex(_FOREGROUND),
            size=FONT_SIZE,
            seconds=f"{start:.3f}",
            moments=moments,
            title=html.escape(f"Unmask fills holes in {names}"),
            recorded=html.escape(self.recorded),
            right=width - MARGIN,
            rule_y=height - FOOT_HEIGHT + 3.5,
            title_y=TITLE_HEIGHT - 8.5,
            body="\n".join(body),
        )

    def _title(self, sample: Sample) -> str:
        return (
            f'<text class="h" x="{MARGIN + 74}" y="24">{html.escape(sample.name)}'
            f'<tspan class="n" dx="12">{html.escape(sample.about)}</tspan></text>'
        )

    def _rows(self, scene: Scene, start: float, end: float, baseline: int, *, still: bool) -> Iterator[str]:
        """Every line of a scene, each state of it shown while it lasts."""
        begins = [
            start + (WAIT_SECONDS + frame.at_seconds if at else 0) for at, frame in enumerate(scene.frames)
        ]
        ends = [*begins[1:], end]
        places = [TITLE_HEIGHT + at * LINE_HEIGHT + 17 for at in range(len(scene.frames[0].rows))]
        columns = [[frame.rows[at] for frame in scene.frames] for at in range(len(places))]
        for y, states in [*zip(places, columns, strict=True), (baseline, [f.caption for f in scene.frames])]:
            for row, run in groupby(range(len(states)), key=states.__getitem__):
                shown = list(run)
                drawn = _draw(row, y)
                if len(shown) == len(states) or not drawn:
                    yield drawn
                else:
                    last = shown[-1] == len(states) - 1
                    yield self._shown(drawn, begins[shown[0]], ends[shown[-1]], still=still and last)

    def _shown(self, drawn: str, start: float, end: float, *, still: bool) -> str:
        name = self._moments.setdefault((start, end), f"k{len(self._moments)}")
        return f'<g class="{"f s" if still else "f"}" style="animation-name:{name}">{drawn}</g>'

    def _keyframes(self, name: str, start: float, end: float) -> str:
        total = sum(map(_seconds, self.scenes))
        # The start is said even where nothing shows: left out, it would be the opacity without animations.
        steps = "0%{opacity:0}" if start > 0 else ""
        steps += f"{start / total:.3%}{{opacity:1}}"
        steps += f"{end / total:.3%},to{{opacity:0}}" if end < total else "to{opacity:1}"
        return f"@keyframes {name}{{{steps}}}"


def _seconds(scene: Scene) -> float:
    return WAIT_SECONDS + scene.frames[-1].at_seconds + HOLD_SECONDS


def _draw(row: Row, y: int) -> str:
    """One line; masks and backgrounds are drawn, so that no font decides how they look."""
    marks: list[str] = []
    texts: list[str] = []
    column = 0
    for text, style in row:
        x = MARGIN + column * CHAR_WIDTH
        column += len(text)
        if canvas_view.MASK in text:
            n_slots = len(text) // len(canvas_view.MASK)
            slot = CHAR_WIDTH * len(canvas_view.MASK)
            lefts = (x + at * slot + 1 for at in range(n_slots))
            shape = f'y="{y - 14}" width="{slot - 2:.1f}" height="17"'
            marks += [f'<rect class="m" x="{left:.1f}" {shape}/>' for left in lefts]
            continue
        if style.bgcolor is not None and not style.bgcolor.is_default and text.strip():
            fill = _hex(style.bgcolor.get_truecolor(_THEME, foreground=False))
            wide = len(text) * CHAR_WIDTH
            marks.append(
                f'<rect x="{x:.1f}" y="{y - 16}" width="{wide:.1f}" height="21" rx="3" fill="{fill}"/>'
            )
        if text.strip():
            texts.append(_text(text, x, y, style))
    return "".join(marks + texts)


def _text(text: str, x: float, y: int, style: Style) -> str:
    indent = len(text) - len(text.lstrip())
    text = text.strip()
    colour = _FOREGROUND if style.color is None else tuple(style.color.get_truecolor(_THEME))
    look = "" if colour == _FOREGROUND else f' fill="{_hex(colour)}"'
    look += ' font-weight="700"' if style.bold else ""
    look += ' font-style="italic"' if style.italic else ""
    look += ' opacity=".62"' if style.dim else ""
    # The length holds every font to the grid.
    return (
        f'<text x="{x + indent * CHAR_WIDTH:.1f}" y="{y}" textLength="{len(text) * CHAR_WIDTH:.1f}"'
        f' lengthAdjust="spacingAndGlyphs"{look}>{html.escape(text, quote=False)}</text>'
    )


def _hex(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


_DOCUMENT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
fill="{foreground}" role="img">
<title>{title}</title>
<style>
text{{font:{size}px ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;\
white-space:pre}}
.h{{font-weight:700}}
.n{{font:13.5px -apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans","DejaVu Sans",Helvetica,Arial,\
sans-serif;fill:#8b919d}}
.m{{fill:url(#mask);stroke:#c678dd;stroke-opacity:.55;rx:3px}}
.f{{opacity:0;animation:{seconds}s step-end infinite}}
.s{{opacity:1}}
@media (prefers-reduced-motion:reduce){{.f{{animation:none}}}}
{moments}
</style>
<defs><pattern id="mask" width="4" height="4" patternUnits="userSpaceOnUse">\
<path d="M0 0h2v2h-2zM2 2h2v2h-2z" fill="#c678dd" fill-opacity=".75"/></pattern></defs>
<rect x=".5" y=".5" width="{inner_width}" height="{inner_height}" rx="11" fill="{background}" \
stroke="#7f848e" stroke-opacity=".45"/>
<g fill-opacity=".9"><circle cx="30" cy="19" r="6" fill="#e06c75"/>\
<circle cx="50" cy="19" r="6" fill="#e5c07b"/><circle cx="70" cy="19" r="6" fill="#98c379"/></g>
<path d="M1 {title_y}h{inner_width}M1 {rule_y}h{inner_width}" stroke="#7f848e" stroke-opacity=".22"/>
<text class="n" x="{right}" y="24" text-anchor="end">{recorded}</text>
{body}
</svg>
"""


def describe(info: ModelInfo) -> str:
    """The model and the machine, in one short line."""
    where = info.provider.removesuffix("ExecutionProvider")
    if where == "CPU":
        where = f"{machine.look().physical_cores} CPU cores"
    return f"{info.name} {info.quantization}, {where}, real time"


def main(argv: Sequence[str]) -> int:
    """Record with the model ``argv`` names, or the default one."""
    chosen = {sample.name: sample for sample in SAMPLES}
    engine = open_engine(EngineConfig(model=argv[0] if argv else DEFAULT_MODEL))
    try:
        scenes = [record(engine, chosen[name]) for name in SHOWN]
        picture = Picture(scenes, describe(engine.info))
    finally:
        engine.close()
    svg = picture.svg()
    TARGET.write_text(svg, encoding="utf-8", newline="\n")
    for scene in scenes:
        print(f"{scene.sample.name}: {len(scene.frames)} frames, {scene.frames[-1].at_seconds:.2f} s")
    print(f"{TARGET.name}: {len(svg.encode()) / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
