"""Several people at one model: how many requests a second it answers, and how long each of them waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from engine.engine import Engine
from engine.types import FillRequest, FillResult
from lsp_server.cli.measure.workloads import MAX_TOKENS, Line

LINES = 4
"""Lines that everybody writes."""

TYPED = 8
"""Characters that are typed of a line, each asked about."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured with so many at once.

    Attributes:
        at_once: people, each with one request at a time and no pause between them.
        requests: how many were answered.
        requests_per_s: of all together.
        tokens_per_s: shown to all together.
        p50_ms, p95_ms: from a request to its answer.
    """

    at_once: int
    requests: int
    requests_per_s: float
    tokens_per_s: float
    p50_ms: float
    p95_ms: float


def levels(most: int) -> list[int]:
    """1, 2, 4, … and the most at last."""
    doubled = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return [*doubled, most]


def measure(
    engines: Sequence[Engine], lines: Sequence[Line], n_lines: int, say: Callable[[str], None]
) -> Load:
    """Have as many people as there are engines write lines.

    Args:
        engines: over one model; their caches are dropped.
        lines: what is written; everybody begins at another one.
        n_lines: that each writes.
        say: told what is being done.
    """
    say(f"{len(engines)} at once")
    for engine in engines:
        engine.forget()

    def person(number: int) -> list[FillResult]:
        own = [lines[(number * n_lines + turn) % len(lines)] for turn in range(n_lines)]
        return [result for line in own for result in _written(engines[number], line)]

    start = time.perf_counter()
    with ThreadPoolExecutor(len(engines)) as people:
        results = [result for own in people.map(person, range(len(engines))) for result in own]
    seconds = time.perf_counter() - start
    waited = [result.ms for result in results]
    return Load(
        at_once=len(engines),
        requests=len(waited),
        requests_per_s=round(len(waited) / seconds, 2),
        tokens_per_s=round(sum(result.tokens for result in results) / seconds, 1),
        p50_ms=round(float(np.percentile(waited, 50)), 1),
        p95_ms=round(float(np.percentile(waited, 95)), 1),
    )


def _written(engine: Engine, line: Line) -> Iterator[FillResult]:
    """The answers while a line is written: a place just opened, then key by key."""
    answer = ""
    for n_typed in range(min(TYPED, len(line.written)) + 1):
        key = line.written[max(0, n_typed - 1) : n_typed]
        draft = answer.removeprefix(key) if key and answer.startswith(key) else ""
        request = FillRequest(
            (line.prefix + line.written[:n_typed], None, line.suffix),
            language="python",
            single_line=True,
            max_tokens=MAX_TOKENS,
            draft=draft,
        )
        result = engine.fill(request)
        yield result
        answer = result.fills[0]
