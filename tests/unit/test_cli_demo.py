"""The tour: what is shown, and that what is shown is what happened."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console
from rich.text import Text

from engine.code import languages, regions
from engine.code.syntax import has_error
from engine.config import EngineConfig
from engine.engine import Engine, open_engine
from engine.errors import BackendError
from engine.types import CancelToken, CanvasFrame, FillRequest, FillResult, FrameListener
from lsp_server.cli import canvas_view, demo
from tests.unit.conftest import Unmask

NAMES = [sample.name for sample in demo.SAMPLES]


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("sample", demo.SAMPLES, ids=NAMES)
def test_a_sample_has_a_language_and_holes_and_fits_a_terminal(sample: demo.Sample) -> None:
    segments = sample.segments()
    assert languages.by_id(sample.language) == languages.by_path(sample.name) != languages.PLAINTEXT
    assert None in segments
    assert all(len(line.expandtabs(4)) <= 76 for text in segments if text for line in text.split("\n"))


@pytest.mark.parametrize("sample", demo.SAMPLES, ids=NAMES)
def test_a_sample_is_right_but_for_its_holes(sample: demo.Sample) -> None:
    segments = sample.segments()
    whole = regions.join(segments, ["x"] * segments.count(None))
    assert not has_error(whole, languages.by_id(sample.language))


def test_the_tour_is_of_several_languages_and_of_several_holes() -> None:
    assert len({sample.language for sample in demo.SAMPLES}) >= 5
    assert any(sample.segments().count(None) == 2 for sample in demo.SAMPLES)


def test_without_a_terminal_start_and_end_are_printed_plainly(unmask: Unmask) -> None:
    outcome = unmask("demo", "--model", "fake:answer=filled()")
    text = outcome.out.decode()
    assert outcome.code == 0 and "\x1b" not in text
    n_holes = sum(sample.segments().count(None) for sample in demo.SAMPLES)
    assert text.partition("╭")[2].count("filled()") == n_holes
    assert text.count("to fill") == len(demo.SAMPLES)
    table = text.partition("What it took")[2]
    assert all(name in table for name in NAMES)
    assert table.partition("Next")[2].count("unmask ") == 3


def test_one_sample_by_name(unmask: Unmask) -> None:
    text = unmask("demo", "--sample", "cart", "--model", "fake").out.decode()
    assert "cart.js" in text and "intervals.py" not in text


def test_an_unknown_sample_names_the_others(unmask: Unmask) -> None:
    outcome = unmask("demo", "--sample", "nope", "--model", "fake")
    assert outcome.code == 2 and "cart.js" in outcome.err


def test_nothing_filled_is_one(unmask: Unmask) -> None:
    outcome = unmask("demo", "--model", "fake:answer=")
    assert outcome.code == 1 and "refused" in outcome.out.decode()


def test_a_canvas_is_masks_and_text() -> None:
    frame = CanvasFrame(0, 1, ("sum(", None, ")", ""), done=False)
    text = canvas_view.code(("x = ", None, "\n"), [canvas_view.settling(frame)], "python")
    assert text.plain == "x = sum(▒▒)"


def test_only_what_was_filled_is_marked_and_not_its_indentation() -> None:
    text = canvas_view.code(("if a:\n    ", None, "\nb"), [canvas_view.filled("c\n    d")], "python")
    marked = [text.plain[span.start : span.end] for span in text.spans if span.style == canvas_view._FILLED]
    assert marked == ["c", "d"]


def test_the_caption_gives_the_figures_or_the_reason() -> None:
    result = FillResult(
        "ok",
        fills=("x",),
        confidence=(1.0,),
        tokens=17,
        forwards=6,
        ms=143.2,
        context_tokens=212,
        cached_tokens=180,
    )
    line = Text.from_markup(canvas_view.caption(result)).plain
    assert line == "143 ms · 17 tokens in 6 passes · 212 of context · 180 cached"
    refused = canvas_view.caption(
        FillResult("refused", fills=("",), confidence=(0.1,), reason="not [sure] enough")
    )
    assert Text.from_markup(refused).plain == "refused: not [sure] enough"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "FRAME_SECONDS", 0)
    monkeypatch.setattr(demo, "HOLD_SECONDS", 0)


def tour() -> tuple[demo.Tour, Console]:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    return demo.Tour(console, animated=True), console


@pytest.mark.usefixtures("quick")
def test_the_animation_shows_masks_then_steps_then_the_fill() -> None:
    show, console = tour()
    engine = open_engine(EngineConfig(model="fake:answer=filled()"))
    show.show(engine, demo.SAMPLES[0])
    frames = console.file.getvalue()  # type: ignore[attr-defined]
    assert frames.index("to fill") < frames.index("step 1") < frames.index(" ms")


class Stuck(Engine):
    """An engine that shows one frame and then waits until it is asked to stop."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def fill(
        self,
        request: FillRequest,
        *,
        cancel: CancelToken | None = None,
        on_frame: FrameListener | None = None,
    ) -> FillResult:
        assert cancel is not None and on_frame is not None
        on_frame(CanvasFrame(0, 1, (None,), done=False))
        while not cancel.cancelled:
            cancel.wait(0.01)
        self.stopped.set()
        cancel.check()
        raise AssertionError


@pytest.mark.usefixtures("quick")
def test_an_interrupt_stops_the_model_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: demo._Scene, frame: CanvasFrame) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo._Scene, "apply", interrupt)
    engine = Stuck()
    show, _ = tour()
    with pytest.raises(KeyboardInterrupt):
        show.show(engine, demo.SAMPLES[0])
    assert engine.stopped.is_set()


@pytest.mark.usefixtures("quick")
def test_what_the_engine_raises_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(EngineConfig(model="fake"))

    def fail(*_: object, **__: object) -> FillResult:
        raise BackendError("the device is lost")

    monkeypatch.setattr(engine, "fill", fail)
    show, _ = tour()
    with pytest.raises(BackendError, match="lost"):
        show.show(engine, demo.SAMPLES[0])


def test_a_low_terminal_shows_the_lines_around_the_hole() -> None:
    segments = ("\n".join(map(str, range(20))) + " ", None, "\n" + "\n".join(map(str, range(20, 40))))
    holes = [canvas_view.filled("HERE")]
    text = canvas_view.code(segments, holes, "python")
    cropped = canvas_view.crop(text, 7, canvas_view.hole_start(segments, holes, 0))
    assert cropped.plain.split("\n") == ["16", "17", "18", "19 HERE", "20", "21", "22"]
    assert canvas_view.crop(text, 100, 0).plain == text.plain


def test_where_a_second_hole_starts() -> None:
    segments = ("ab", None, "cd", None, "ef")
    holes = [canvas_view.filled("xyz"), canvas_view.filled("!")]
    text = canvas_view.code(segments, holes, "python")
    assert text.plain[canvas_view.hole_start(segments, holes, 1) :].startswith("!")
