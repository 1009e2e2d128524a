"""``unmask bench --compare``: every peer asked the same things in turn, and what that took.

Peers take turns at every occasion, and the first turn goes round, so that a machine that is busy for a
while is so for all. Knows neither models nor how figures are shown.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from engine.types import FillRequest
from lsp_server.cli.measure.peers import BASE, OURS, Peer
from lsp_server.cli.measure.workloads import ROWS, Request, Workload

PAUSE_SECONDS = 0.05
"""Between two peers: worker threads of the last one may still be spinning."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request answered.

    Attributes:
        ms: wall time.
        cpu_ms: processor time of all threads.
        tokens: committed.
        forwards: passes.
        texts: the answer.
    """

    ms: float
    cpu_ms: float
    tokens: int
    forwards: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """One peer in one row of the table.

    Attributes:
        row: what was asked, a key of ``workloads.ROWS``.
        peer: its name.
        n: occasions.
        p50_ms, p95_ms: wall time of an answer.
        times_ours: median of its time over ours on the same occasion.
        tokens: median tokens of an answer.
        tokens_per_s: tokens over time, all occasions together.
        forwards: median passes of an answer.
        cpu_ms: median processor time of an answer.
        same_text: share of answers that are those of the base decoded left to right by us; None where it
            was not asked.
    """

    row: str
    peer: str
    n: int
    p50_ms: float
    p95_ms: float
    times_ours: float
    tokens: float
    tokens_per_s: float
    forwards: float
    cpu_ms: float
    same_text: float | None


Samples = dict[tuple[str, str], dict[int, Sample]]
"""Row and peer to the samples of its occasions."""


def compare(peers: Sequence[Peer], works: Sequence[Workload], say: Callable[[str], None]) -> list[Figures]:
    """Ask everybody everything.

    Args:
        peers: ``OURS`` among them.
        works: what is asked.
        say: told what is being done.
    """
    samples: Samples = defaultdict(dict)
    for work in works:
        for number, case in enumerate(work.cases):
            for peer in rotated(peers, number):
                if not peer.is_asked(work.name, number):
                    continue
                say(f"{work.name} {number + 1} of {len(work.cases)}: {peer.name}")
                time.sleep(PAUSE_SECONDS)
                peer.engine.forget()
                answer = ""
                for step in case:
                    sample = ask(peer, step.after(answer))
                    answer = sample.texts[0]
                    if step.row is not None:
                        samples[step.row, peer.name][number] = sample
    return figures(samples, [peer.name for peer in peers])


def ask(peer: Peer, request: Request) -> Sample:
    """One answer and what it took."""
    start, cpu = time.perf_counter(), time.process_time()
    if isinstance(request, FillRequest):
        filled = peer.engine.fill(request)
        tokens, forwards, texts = filled.tokens, filled.forwards, filled.fills
    else:
        edited = peer.engine.edit(request)
        tokens, forwards, texts = edited.work.tokens, edited.work.forwards, (edited.text,)
    ms, cpu_ms = (time.perf_counter() - start) * 1000.0, (time.process_time() - cpu) * 1000.0
    return Sample(ms, cpu_ms, tokens, forwards, texts)


def figures(samples: Samples, peers: Sequence[str]) -> list[Figures]:
    """Samples to the rows of the table, in the order of ``ROWS`` and of the peers."""
    found = []
    for row in ROWS:
        ours, base = samples.get((row, OURS), {}), samples.get((row, BASE), {})
        found += [_figures(row, peer, own, ours, base) for peer in peers if (own := samples.get((row, peer)))]
    return found


def _figures(
    row: str, peer: str, own: dict[int, Sample], ours: dict[int, Sample], base: dict[int, Sample]
) -> Figures:
    all_ms = [sample.ms for sample in own.values()]
    same = [own[at].texts == base[at].texts for at in own if at in base]
    return Figures(
        row=row,
        peer=peer,
        n=len(own),
        p50_ms=round(median(all_ms), 1),
        p95_ms=round(percentile(all_ms, 0.95), 1),
        times_ours=round(median(own[at].ms / ours[at].ms for at in own if at in ours), 2),
        tokens=median(sample.tokens for sample in own.values()),
        tokens_per_s=round(sum(sample.tokens for sample in own.values()) / sum(all_ms) * 1000.0, 1),
        forwards=median(sample.forwards for sample in own.values()),
        cpu_ms=round(median(sample.cpu_ms for sample in own.values()), 1),
        same_text=round(sum(same) / len(same), 3) if same else None,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of the values does not exceed, interpolated between neighbours."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def rotated(peers: Sequence[Peer], by: int) -> list[Peer]:
    """The peers, beginning with another one each time."""
    by %= len(peers)
    return [*peers[by:], *peers[:by]]
