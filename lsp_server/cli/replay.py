"""``unmask bench --replay``: a person at work in an editor, played against a real server process, in figures.

What is measured is what the editor sees and what the process takes. Knows nothing of how the server works
beyond the counts it tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from lsp_server.cli.keystrokes import Sample, visits
from lsp_server.cli.replay_editor import Editor

if TYPE_CHECKING:
    from psutil import Process
    from rich.console import RenderableType

IDLE_SECONDS = 8.0
SETTLE_SECONDS = 1.5
"""After the last key, before it counts as idle."""

_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in milliseconds: the median, what nineteen in twenty do not exceed, and how many there are."""

    p50: float
    p95: float
    n: int

    @classmethod
    def of(cls, ms: Sequence[float]) -> Spread:
        """Of some times."""
        if len(ms) < 2:
            return cls(round(sum(ms), 1), round(sum(ms), 1), len(ms))
        cuts = quantiles(ms, n=20, method="inclusive")
        return cls(round(cuts[9], 1), round(cuts[18], 1), len(ms))


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a replay.

    Attributes:
        seconds: how long it took, loading left out.
        keys: changes of the text.
        ghost_ms: from ``didChange`` to ghost text, over all keys that got some before the next key.
        waited_ms: the same over the keys after which the person paused: there no answer comes too late.
        ghost_share: keys that got ghost text before the next key.
        waited_share: keys before a pause that got ghost text in it.
        no_model_share: requests that were answered, or had no need of an answer, without the model.
        suggestions: distinct ones that came on show.
        accepted: how many of them were taken whole.
        accepted_words: how often the first word of one was taken.
        accepted_chars: characters that were not typed.
        late: answers with text that crossed the next key on their way; an editor drops them.
        prepared: answers that the server computed before they were asked for.
        prepared_used: how many of them were asked for.
        forwards: passes through the model.
        wasted_forwards: passes for answers that were never sent; what they came to is the next one's draft.
        encoded_tokens: tokens of context encoded anew.
        cpu_seconds: of the server, over the script.
        cpu_seconds_per_accepted_char: the same over ``accepted_chars``.
        resident_mb: the most memory in RAM that was seen.
        idle_cpu_percent: of one core, after the script.
    """

    seconds: float
    keys: int
    ghost_ms: Spread
    waited_ms: Spread
    ghost_share: float
    waited_share: float
    no_model_share: float
    suggestions: int
    accepted: int
    accepted_words: int
    accepted_chars: int
    late: int
    prepared: int
    prepared_used: int
    forwards: int
    wasted_forwards: int
    encoded_tokens: int
    cpu_seconds: float
    cpu_seconds_per_accepted_char: float
    resident_mb: float
    idle_cpu_percent: float


def play(
    samples: Sequence[Sample],
    options: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    pace: float = 1.0,
    idle_seconds: float = IDLE_SECONDS,
) -> Figures:
    """Play samples against a server of their own.

    Args:
        samples: what is done.
        options: the server's ``initializationOptions``.
        say: told what is being done.
        pace: what all intervals are multiplied by; 1 is a person's.
        idle_seconds: how long it is watched doing nothing.

    Raises:
        BackendError: the server has no model.
    """
    return asyncio.run(_play(samples, options, say, pace, idle_seconds))


async def _play(
    samples: Sequence[Sample],
    options: Mapping[str, Any],
    say: Callable[[str], None],
    pace: float,
    idle_seconds: float,
) -> Figures:
    import psutil

    editor = Editor(pace)
    try:
        say("starting the server")
        process = psutil.Process(await editor.start(options))
        for sample in samples:
            editor.open(sample)
        work_before, cpu_before, begun = await editor.work(), _cpu_seconds(process), time.monotonic()
        memory = _Memory(process)
        watching = asyncio.create_task(memory.watch())
        places = list(visits(samples))
        for number, (sample, part) in enumerate(places, start=1):
            say(f"place {number} of {len(places)}: {sample.name}")
            await editor.work_on(sample, part)
        seconds, cpu = time.monotonic() - begun, _cpu_seconds(process) - cpu_before
        work = {name: count - work_before[name] for name, count in (await editor.work()).items()}
        watching.cancel()
        say("doing nothing")
        await asyncio.sleep(SETTLE_SECONDS * pace)
        idle_from = _cpu_seconds(process)
        await asyncio.sleep(idle_seconds)
        idle = (_cpu_seconds(process) - idle_from) / max(idle_seconds, 0.001)
    finally:
        await editor.stop()
    seen = editor.seen
    chars = seen.counts["accepted chars"]
    return Figures(
        seconds=round(seconds, 1),
        keys=seen.keys,
        ghost_ms=Spread.of(seen.ghost_ms),
        waited_ms=Spread.of(seen.waited_ms),
        ghost_share=round(len(seen.ghost_ms) / max(seen.keys, 1), 3),
        waited_share=round(len(seen.waited_ms) / max(seen.counts["waited"], 1), 3),
        no_model_share=round(1 - work["computed"] / max(work["requests"], 1), 3),
        suggestions=seen.counts["suggestions"],
        accepted=seen.counts["accepted"],
        accepted_words=seen.counts["accepted words"],
        accepted_chars=chars,
        late=seen.counts["late"],
        prepared=work["prepared"],
        prepared_used=work["prepared_used"],
        forwards=work["forwards"],
        wasted_forwards=work["forwards"] - work["useful_forwards"],
        encoded_tokens=work["encoded_tokens"],
        cpu_seconds=round(cpu, 1),
        cpu_seconds_per_accepted_char=round(cpu / max(chars, 1), 3),
        resident_mb=round(memory.most_bytes / 1e6, 1),
        idle_cpu_percent=round(100 * idle, 2),
    )


class _Memory:
    """The most memory of a process that was seen in RAM."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.most_bytes = 0

    async def watch(self) -> None:
        """Look now and then until cancelled."""
        while True:
            self.most_bytes = max(self.most_bytes, int(self._process.memory_info().rss))
            await asyncio.sleep(_WATCH_SECONDS)


def _cpu_seconds(process: Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def table(figures: Figures) -> RenderableType:
    """The figures for people."""
    from rich import box
    from rich.table import Table

    ghost, waited = figures.ghost_ms, figures.waited_ms
    rows = {
        "from a key to ghost text": f"p50 {ghost.p50:,.0f} ms · p95 {ghost.p95:,.0f} ms ({ghost.n} keys)",
        "… before a pause": f"p50 {waited.p50:,.0f} ms · p95 {waited.p95:,.0f} ms ({waited.n} keys)",
        "keys with ghost text before the next": f"{figures.ghost_share:.0%} of {figures.keys}",
        "… before a pause ": f"{figures.waited_share:.0%}",
        "answered without the model": f"{figures.no_model_share:.0%}",
        "suggestions": f"{figures.suggestions} shown · {figures.accepted} taken · "
        f"{figures.accepted_words} words taken · {figures.late} too late",
        "computed ahead": f"{figures.prepared}, {figures.prepared_used} of them asked for",
        "passes": f"{figures.forwards:,}, {figures.wasted_forwards:,} of them for answers that were not sent",
        "tokens encoded": f"{figures.encoded_tokens:,}",
        "processor": f"{figures.cpu_seconds:,.1f} s in {figures.seconds:,.0f} s · "
        f"{figures.cpu_seconds_per_accepted_char:.2f} s per accepted character",
        "memory": f"{figures.resident_mb:,.0f} MB resident",
        "processor when idle": f"{figures.idle_cpu_percent:.1f} % of a core",
    }
    shown = Table(box=box.SIMPLE_HEAD, show_header=False)
    for name, value in rows.items():
        shown.add_row(name, value)
    return shown
