"""``unmask demo``: real files with holes, filled before your eyes, then what it cost.

Knows the shipped samples and how a tour is told; how a canvas looks is `canvas_view`'s matter. The model
runs on its own thread, so its timings are its own however slowly the frames are shown.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING, Self

from engine.errors import UsageError
from engine.types import CancelToken, CanvasFrame, FillRequest, FillResult
from lsp_server.cli import options

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from engine.engine import Engine

FRAME_SECONDS = 0.09
HOLD_SECONDS = 1.2

DESCRIPTION = """\
A tour of two minutes: holes in small real files, in five languages, are filled while you watch. Masks
(▒▒) are slots of the canvas; each step verifies what stands and proposes more. The figures are the model's
own time; the picture is slowed down where the model is faster than the eye."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A shipped file with holes.

    Attributes:
        name: file name, such as ``cart.js``.
        about: what there is to see, in a few words.
        language: LSP language identifier; also the highlighter's name for it.
    """

    name: str
    about: str
    language: str

    def segments(self) -> tuple[str | None, ...]:
        """The text, None where a hole is."""
        from engine.code import regions

        source = resources.files("lsp_server.cli") / "samples" / f"{self.name}.txt"
        text = source.read_text(encoding="utf-8").replace("\r\n", "\n")
        return regions.cut(text, regions.hole_spans(text))


SAMPLES = (
    Sample("intervals.py", "one expression, from both sides", "python"),
    Sample("cart.js", "a branch that mirrors the one above", "javascript"),
    Sample("stack.go", "two lines that belong together", "go"),
    Sample("words.rs", "a statement that needs what follows", "rust"),
    Sample("emitter.ts", "what the comment promises", "typescript"),
    Sample("account.py", "two holes, one request", "python"),
)

NEXT = (
    ("unmask fill FILE --at LINE:COL --diff", "fill in a file of yours"),
    ("unmask serve", "what your editor starts"),
    ("unmask bench", "how fast this machine is"),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="the two-minute tour: watch holes in real files being filled",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(sample.name for sample in SAMPLES)
    parser.add_argument("--sample", metavar="NAME", help=f"only this file: {names}")
    parser.add_argument("--no-animation", action="store_true", help="show the start and the end only")
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Give the tour; 1 if not one hole could be filled."""
    samples = _chosen(args.sample)
    settings = options.load_settings(args)
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    moves = (
        sys.stdout.isatty() and not console.is_dumb_terminal
    )  # colour may be forced where nothing can move
    tour = Tour(console, animated=moves and not args.no_animation)
    tour.welcome()
    console.print(f"loading {settings.engine.model} …", style="dim", markup=False)
    with options.loaded_engine(settings.engine) as engine:
        info = engine.info
        console.print(
            f"{info.name}, {info.quantization}, on {info.provider}: {info.provider_reason}\n",
            style="dim",
            markup=False,
        )
        results = [tour.show(engine, sample) for sample in samples]
    tour.farewell(samples, results)
    return 0 if any(result.status == "ok" for result in results) else 1


def _chosen(name: str | None) -> Sequence[Sample]:
    if name is None:
        return SAMPLES
    for sample in SAMPLES:
        if name in (sample.name, sample.name.partition(".")[0]):
            return (sample,)
    names = ", ".join(sample.name for sample in SAMPLES)
    raise UsageError(f"there is no sample {name!r}", f"Choose one of {names}.")


class Tour:
    """Shows samples being filled, one after the other.

    Args:
        console: where to.
        animated: draw every frame; otherwise only the start and the end.
    """

    def __init__(self, console: Console, *, animated: bool) -> None:
        self._console = console
        self._animated = animated

    def welcome(self) -> None:
        """Say what is to be seen."""
        from rich.rule import Rule

        self._console.print(Rule("[bold]unmask[/] fills masked spans of code, in place", style="magenta"))
        self._console.print(
            "\nMasks [magenta]▒▒[/] stand where code is missing. The model fills them in parallel, looking\n"
            "at the code on both sides; each step verifies what stands there and proposes more.\n"
        )

    def show(self, engine: Engine, sample: Sample) -> FillResult:
        """Fill one sample on the screen."""
        request = FillRequest(sample.segments(), language=sample.language, single_line=True, max_tokens=48)
        scene = _Scene(sample, request, self._console.height - 2 if self._animated else None)
        if not self._animated:
            self._console.print(scene.picture("to fill"))
            result = engine.fill(request)
            scene.finish(result)
            self._console.print(scene.picture())
            return result
        from rich.live import Live

        with Live(scene.picture("to fill"), console=self._console, auto_refresh=False) as live:
            time.sleep(HOLD_SECONDS / 2)
            with _Filling(engine, request) as filling:
                for frame in filling.frames():
                    scene.apply(frame)
                    live.update(scene.picture(), refresh=True)
                    time.sleep(FRAME_SECONDS)
            result = filling.result()
            scene.finish(result)
            live.update(scene.picture(), refresh=True)
        time.sleep(HOLD_SECONDS)
        return result

    def farewell(self, samples: Sequence[Sample], results: Sequence[FillResult]) -> None:
        """The table of figures and what to try next."""
        self._console.print()
        self._console.print(_table(samples, results))
        self._console.print("\n[bold]Next[/]")
        for command, why in NEXT:
            self._console.print(f"  [bold cyan]{command:<40}[/] [dim]{why}[/]", soft_wrap=True)


class _Scene:
    """One sample on the screen: the state of each of its holes.

    Args:
        sample: what is shown.
        request: what is asked of the engine.
        height: the lines there are for code; None for as many as it takes.
    """

    def __init__(self, sample: Sample, request: FillRequest, height: int | None) -> None:
        from lsp_server.cli import canvas_view as view

        self._view = view
        self._sample = sample
        self._segments = request.segments
        self._holes = [view.masked() for _ in range(request.n_holes)]
        self._height = height
        self._active = 0
        self._caption = ""

    def apply(self, frame: CanvasFrame) -> None:
        """Show a hole after one more step."""
        self._active = frame.hole
        self._holes[frame.hole] = self._view.settling(frame)
        self._caption = f"step {frame.step}"

    def finish(self, result: FillResult) -> None:
        """Show what came of it; a hole that was refused keeps its masks."""
        self._holes = [
            self._view.filled(fill) if fill else self._view.masked()
            for fill in result.fills or [""] * len(self._holes)
        ]
        self._caption = self._view.caption(result)

    def picture(self, caption: str = "") -> RenderableType:
        """The scene as it is now."""
        title = f"[bold]{self._sample.name}[/]  [dim]{self._sample.about}[/]"
        body = self._view.code(self._segments, self._holes, self._sample.language)
        if self._height is not None:
            around_char = self._view.hole_start(self._segments, self._holes, self._active)
            body = self._view.crop(body, self._height - 2, around_char)
        return self._view.panel(title, body, caption or self._caption)


class _Filling:
    """A fill on its own thread; its frames can be watched as they come. Leaving its block early stops it."""

    def __init__(self, engine: Engine, request: FillRequest) -> None:
        self._frames: queue.SimpleQueue[CanvasFrame | None] = queue.SimpleQueue()
        self._cancel = CancelToken()
        self._outcome: FillResult | BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(engine, request), name="fill")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cancel.cancel()
        self._thread.join()

    def frames(self) -> Iterator[CanvasFrame]:
        """Every frame, in order, up to the last."""
        while (frame := self._frames.get()) is not None:
            yield frame

    def result(self) -> FillResult:
        """What came of it, once its block is left; raises what the engine raised."""
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        assert self._outcome is not None
        return self._outcome

    def _work(self, engine: Engine, request: FillRequest) -> None:
        try:
            self._outcome = engine.fill(request, cancel=self._cancel, on_frame=self._frames.put)
        except BaseException as error:  # raised again where the result is asked for
            self._outcome = error
        finally:
            self._frames.put(None)


def _table(samples: Sequence[Sample], results: Sequence[FillResult]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="What it took", title_justify="left", title_style="bold")
    table.add_column("file")
    for heading in ("tokens", "passes", "ms", "tokens/s", "context", "cached"):
        table.add_column(heading, justify="right")
    table.add_column("sure", justify="right")
    for sample, result in zip(samples, results, strict=True):
        sure = min(result.confidence, default=0.0)
        table.add_row(
            sample.name,
            str(result.tokens),
            str(result.forwards),
            f"{result.ms:,.0f}",
            f"{result.tokens * 1000 / result.ms:,.0f}" if result.ms else "",
            str(result.context_tokens),
            str(result.cached_tokens),
            f"{sure:.0%}" if result.status == "ok" else f"[red]{result.status}[/]",
        )
    return table
