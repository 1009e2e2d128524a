"""``unmask bench --growth``: what an answer costs as context, canvas and holes grow, each by itself.

Contexts are tokens of Unmask's own source. Asks the denoiser for passes and the engine for several holes;
knows how neither works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from engine.types import CancelToken, FillRequest
from lsp_server.cli import machine
from lsp_server.cli.measure import workloads

if TYPE_CHECKING:
    from engine.denoising.denoiser import Denoiser
    from engine.denoising.tokens import TokenCodec
    from engine.engine import Engine

CONTEXTS = (128, 256, 512, 1024, 2048, 4096, 8192)
CANVASES = (8, 16, 32, 64, 128, 256)
HOLES = (1, 2, 4, 8, 16)
CANVAS_CONTEXT = 512
RUNS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one size costs.

    Attributes:
        grows: ``context`` (tokens), ``canvas`` (masked slots in one pass) or ``holes``.
        size: how many.
        ms: to encode the context and make the first pass; of a pass over the canvas; of the whole answer.
        ms_each: the same for one of them.
        again_ms: of a pass of one token with the context cached; None for others.
        resident_bytes: memory of the process afterwards.
    """

    grows: str
    size: int
    ms: float
    ms_each: float
    again_ms: float | None
    resident_bytes: int


def growth(engine: Engine, denoiser: Denoiser, codec: TokenCodec, say: Callable[[str], None]) -> list[Cost]:
    """Measure every size once, what is short several times.

    Args:
        engine: fills holes.
        denoiser: the engine's own.
        codec: its tokenizer.
        say: told what is being done.
    """
    text = "".join(workloads.source(name) for name in workloads.SOURCES) * 2
    ids = codec.encode(text)
    found: list[Cost] = []
    for size in CONTEXTS:
        say(f"context of {size:,} tokens")
        found.append(_context(denoiser, ids[:size]))
    for size in CANVASES:
        say(f"canvas of {size} slots")
        found.append(_canvas(denoiser, ids[:CANVAS_CONTEXT], size))
    for size in HOLES:
        say(f"{size} holes")
        found.append(_holes(engine, size))
    return found


def _context(denoiser: Denoiser, ids: Sequence[int]) -> Cost:
    denoiser.forget()
    cold = _ms(lambda: _pass(denoiser, ids, 0))
    again = median(_ms(lambda: _pass(denoiser, ids, 0)) for _ in range(RUNS))
    return _cost("context", len(ids), cold, again)


def _canvas(denoiser: Denoiser, ids: Sequence[int], n_slots: int) -> Cost:
    denoiser.forget()
    _pass(denoiser, ids, n_slots)
    return _cost("canvas", n_slots, median(_ms(lambda: _pass(denoiser, ids, n_slots)) for _ in range(RUNS)))


def _holes(engine: Engine, n_holes: int) -> Cost:
    request = holes(n_holes)
    engine.forget()
    return _cost("holes", n_holes, _ms(lambda: engine.fill(request)))


def holes(n_holes: int) -> FillRequest:
    """Small functions of one file, the last word of each missing."""
    segments: list[str | None] = ['"""Areas of shapes."""\n\nimport math\n']
    for number in range(n_holes):
        segments += [f"\n\ndef area_{number + 1}(width, height):\n    return ", None]
    return FillRequest((*segments, "\n"), "python", single_line=True, max_tokens=16)


def _pass(denoiser: Denoiser, ids: Sequence[int], n_masks: int) -> None:
    """The first pass behind a context, all slots masked; what is cached is used."""
    from engine.denoising.canvas import Canvas

    cancel = CancelToken()
    denoiser.encode(ids, cancel)
    denoiser.predict(Canvas.masked(max(n_masks, 1)), (n_masks,), cancel)


def _ms(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return (time.perf_counter() - start) * 1000.0


def _cost(grows: str, size: int, ms: float, again_ms: float | None = None) -> Cost:
    again = None if again_ms is None else round(again_ms, 1)
    return Cost(grows, size, round(ms, 1), round(ms / size, 2), again, machine.resident_bytes())
