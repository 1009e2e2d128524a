"""``unmask bench``: how long an answer takes on this machine, cold, warm and after a keystroke.

The contexts are cut from Unmask's own source to the wanted number of tokens. Knows how to measure an
engine from outside; nothing of how it works.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.types import FillRequest, FillResult
from lsp_server.cli import options
from lsp_server.cli.measure import COMPARED_LINES, KINDS, OCCASIONS, reports

if TYPE_CHECKING:
    from rich.console import RenderableType

    from engine.engine import Engine

CONTEXTS_TOKENS = (200, 1000)
RUNS = 5
SUFFIX_SHARE = 0.25
TOLERANCE = 0.03
MOST_CUTS = 6

DESCRIPTION = """\
Measure this machine with contexts of 200 and of 1,000 tokens cut from real code: cold (nothing cached),
warm (the same request again), and after one more typed character. Figures are medians over the runs,
in milliseconds from the request to the answer; `tokens/s` is the warm rate, while denoising.

--compare asks others over the same base weights the same things in turn, llama.cpp (if it is installed: extra
`bench`), transformers and the naive loop without a cache; eight minutes on two cores. --growth lets context,
canvas and holes grow. --roofline holds passes against what the machine can do. --load has several people
write at once.

With --replay, a server process of its own is typed at by a script, at a person's pace: real files in four
languages, with pauses, slips, jumps to other places, and suggestions taken where they agree with what comes
next. Measured are the time from a key to ghost text, what was answered without the model, what was shown and
taken, and what the process took, also when idle. Your own settings hold; nothing is counted for
`unmask stats`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the runs at one context length.

    Attributes:
        context_tokens: the length there was.
        cold_ms: nothing cached.
        warm_ms: the same request again.
        typed_ms: after one more typed character.
        tokens: committed for the warm answer.
        tokens_per_s: committed tokens a second of the warm answers.
        forwards_cold: passes through the model for the cold answer, the context's own included.
        forwards_warm: passes for the warm answer.
        status: what came of the warm requests, ``ok`` where all were.
    """

    context_tokens: int
    cold_ms: float
    warm_ms: float
    typed_ms: float
    tokens: int
    tokens_per_s: float
    forwards_cold: int
    forwards_warm: int
    status: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A place in real code where a line stops short.

    Attributes:
        prefix: text before the place.
        suffix: text after it.
        typed: what stood there and was taken out.
    """

    prefix: str
    suffix: str
    typed: str

    def request(self, n_chars: int, *, n_typed: int = 0, max_tokens: int = 32) -> FillRequest:
        """A request that sees about ``n_chars`` around the place, ``n_typed`` of them just typed."""
        n_suffix = round(n_chars * SUFFIX_SHARE)
        prefix = self.prefix[-max(1, n_chars - n_suffix) :] + self.typed[:n_typed]
        return FillRequest(
            (prefix, None, self.suffix[:n_suffix]), language="python", single_line=True, max_tokens=max_tokens
        )


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "bench",
        help="latency and throughput on this machine",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--runs",
        type=options.whole_number(1, 1000),
        metavar="N",
        help=f"repetitions (default {RUNS}), or lines to write in a comparison (default {COMPARED_LINES})",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--compare", action="store_true", help="beside llama.cpp and others over the same base weights"
    )
    what.add_argument(
        "--replay",
        action="store_true",
        help="a person typing in an editor, played against a server process (about 4 minutes)",
    )
    what.add_argument("--growth", action="store_true", help="as context, canvas and holes grow")
    what.add_argument(
        "--load",
        type=options.whole_number(1, 64),
        metavar="N",
        help="1, 2, 4, … N people writing at once: requests a second, and how long each waits",
    )
    what.add_argument("--roofline", action="store_true", help="passes beside what this machine can do")
    group = parser.add_argument_group("with --compare")
    group.add_argument(
        "--peers", type=_some_of(KINDS), metavar="KIND,…", help=f"only these: {', '.join(KINDS)}"
    )
    group.add_argument(
        "--occasions",
        type=_some_of(OCCASIONS),
        metavar="NAME,…",
        help=f"only these: {', '.join(OCCASIONS)}",
    )
    group.add_argument(
        "--cases", type=Path, metavar="FILE", help="lines from an infilling set in place of shipped texts"
    )
    group.add_argument("--plot", type=Path, metavar="SVG", help="also draw the figures")
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and report.

    Raises:
        UsageError: an option of a comparison, but no comparison.
    """
    for option in ("peers", "occasions", "cases", "plot"):
        if getattr(args, option) is not None and not args.compare:
            raise UsageError(f"--{option} belongs to a comparison", "Add --compare.")
    if args.replay:
        return _replay(args)
    if not (args.compare or args.growth or args.roofline or args.load):
        return _measure_here(args)
    from lsp_server.cli.measure import command

    if args.compare:
        return command.compare_peers(args)
    if args.load:
        return command.show_load(args)
    return command.show_growth(args) if args.growth else command.show_roofline(args)


def _measure_here(args: argparse.Namespace) -> int:
    from lsp_server.cli import machine

    runs = args.runs or RUNS

    settings = options.load_settings(args)
    start = time.perf_counter()
    # The default window would cut a context of this length at one of its steady lines.
    roomy = replace(
        settings.engine, context_tokens=max(settings.engine.context_tokens, 2 * max(CONTEXTS_TOKENS))
    )
    with options.loaded_engine(roomy) as engine:
        load_ms = (time.perf_counter() - start) * 1000.0
        loaded_bytes = machine.resident_bytes()
        with reports.saying() as say:
            figures = [measure(engine, n_tokens, runs, say) for n_tokens in CONTEXTS_TOKENS]
        report: dict[str, object] = {
            **reports.header(engine),
            "runs": runs,
            "load_ms": round(load_ms, 1),
            "memory_loaded_bytes": loaded_bytes,
            "memory_bytes": machine.resident_bytes(),
            "contexts": [asdict(row) for row in figures],
        }
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report, figures)
    return 0


def _replay(args: argparse.Namespace) -> int:
    """Play the shipped samples, and report."""
    from lsp_server.cli import keystrokes, machine, replay

    said = {name: value for name, value in asdict(options.said(args)).items() if value is not None}
    said |= {name: str(said[name]) for name in ("cache_dir", "base_file") if name in said}
    said["stats"] = False  # nobody is shown anything
    with reports.saying() as say:
        figures = replay.play(keystrokes.shipped(), said, say)
    if args.json:
        report = {"unmask": machine.version(), "machine": asdict(machine.look()), "replay": asdict(figures)}
        print(json.dumps(report, indent=2))
    else:
        reports.console().print(replay.table(figures))
    return 0


def measure(engine: Engine, n_tokens: int, runs: int, say: Callable[[str], None]) -> Figures:
    """Measure at one context length.

    Args:
        engine: what to measure; its caches are dropped.
        n_tokens: the wanted context length.
        runs: repetitions.
        say: told what is being done.
    """
    say(f"cutting a context of {n_tokens:,} tokens")
    place = real_code()
    n_chars = fit(engine, place, n_tokens)
    cold: list[FillResult] = []
    warm: list[FillResult] = []
    typed: list[FillResult] = []
    for number in range(1, runs + 1):
        say(f"{n_tokens:,} tokens: run {number} of {runs}")
        engine.forget()
        cold.append(engine.fill(place.request(n_chars)))
        warm.append(engine.fill(place.request(n_chars)))
        typed.append(engine.fill(place.request(n_chars, n_typed=1)))
    seconds = sum(result.ms for result in warm) / 1000.0
    return Figures(
        context_tokens=round(median(result.context_tokens for result in warm)),
        cold_ms=round(median(result.ms for result in cold), 1),
        warm_ms=round(median(result.ms for result in warm), 1),
        typed_ms=round(median(result.ms for result in typed), 1),
        tokens=round(median(result.tokens for result in warm)),
        tokens_per_s=round(sum(result.tokens for result in warm) / seconds, 1) if seconds else 0.0,
        forwards_cold=round(median(result.forwards for result in cold)),
        forwards_warm=round(median(result.forwards for result in warm)),
        status=next((result.status for result in warm if result.status != "ok"), "ok"),
    )


def real_code() -> Cut:
    """The place measured at: the ``return`` nearest to the middle of a file of our own."""
    text = (resources.files("engine") / "denoising" / "tokens.py").read_text(encoding="utf-8")
    marker = "        return "
    middle = min(_occurrences(text, marker), key=lambda at: abs(at - len(text) // 2)) + len(marker)
    end = text.index("\n", middle)
    return Cut(text[:middle], text[end:], text[middle:end])


def fit(engine: Engine, place: Cut, n_tokens: int) -> int:
    """How many characters around a place make a context of about ``n_tokens`` tokens.

    As near as the engine allows: a context is never longer than its ``context_tokens``.
    """
    n_chars = n_tokens  # too few rather than too many: a text that is cut to fit says nothing of its length
    best: tuple[float, int] | None = None
    for _ in range(MOST_CUTS):
        got = engine.fill(place.request(n_chars, max_tokens=1)).context_tokens
        miss = abs(got - n_tokens) / n_tokens
        if best is None or miss < best[0]:
            best = (miss, n_chars)
        if miss <= TOLERANCE:
            break
        n_chars = max(8, round(n_chars * n_tokens / max(got, 1)))
    assert best is not None
    return best[1]


def _occurrences(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _some_of(names: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """An argparse type: some of these, separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        named = [part.strip() for part in text.split(",") if part.strip()]
        if not named or any(name not in names for name in named):
            raise argparse.ArgumentTypeError(
                f"{text!r} must be some of {', '.join(names)}, separated by commas"
            )
        return tuple(named)

    return parse


def _print(report: dict[str, object], figures: list[Figures]) -> None:
    from lsp_server.cli import machine

    console = reports.console()
    reports.introduce(console, report)
    console.print(_table(figures))
    memory = machine.resident_bytes() / 1e6
    console.print(
        f"loaded in {report['load_ms']:,.0f} ms · {memory:,.0f} MB resident · {report['runs']} runs"
    )


def _table(figures: list[Figures]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("context", "cold ms", "warm ms", "typed ms", "tokens", "passes", "tokens/s", ""):
        table.add_column(heading, justify="right")
    for row in figures:
        table.add_row(
            f"{row.context_tokens:,}",
            f"{row.cold_ms:,.1f}",
            f"{row.warm_ms:,.1f}",
            f"{row.typed_ms:,.1f}",
            str(row.tokens),
            str(row.forwards_warm),
            f"{row.tokens_per_s:,.1f}",
            "" if row.status == "ok" else row.status,
        )
    return table
