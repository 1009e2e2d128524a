"""``unmask bench --roofline``: how near a pass comes to what this machine can do.

A pass reads every weight once and multiplies it with every row. Two ceilings are measured, bytes from
memory and int8 products in a second; the slower of the two is the least time a pass can take. Attention
and the adapter are left out of the products, so the share told is a little low.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from engine.denoising.canvas import Canvas
from engine.denoising.draft import Draft
from engine.types import CancelToken

if TYPE_CHECKING:
    from engine.denoising.denoiser import Denoiser
    from engine.models.artifact import Manifest, TensorEntry

ROWS = (1, 2, 4, 8, 16, 32, 128)
CONTEXT = 512
RUNS = 7
READ_BYTES = 1 << 29


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the machine can do at most, as measured.

    Attributes:
        bytes_per_s: read from memory by all threads together.
        products_per_s: int8 multiplications with addition, by ONNX Runtime's own fastest kernel.
    """

    bytes_per_s: float
    products_per_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a pass has to do at least: bytes of weights read, int8 products made."""

    n_bytes: int
    products: int

    def least_ms(self, ceilings: Ceilings) -> float:
        """The time it takes at the ceilings."""
        return 1000.0 * max(self.n_bytes / ceilings.bytes_per_s, self.products / ceilings.products_per_s)


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of some rows.

    Attributes:
        rows: computed, each with its logits.
        ms: median time.
        n_bytes, products: see ``Work``.
        least_ms: at the ceilings.
        share: of the ceiling that is reached, 0 to 1.
    """

    rows: int
    ms: float
    n_bytes: int
    products: int
    least_ms: float
    share: float


def measure_ceilings(threads: int) -> Ceilings:
    """Measure both, the best of several runs: a ceiling is what is reached when nobody else is about."""
    from engine.models.runtime import int8_products_per_s

    return Ceilings(_bytes_per_s(threads), int8_products_per_s(threads))


def passes(
    denoiser: Denoiser,
    manifest: Manifest,
    context: Sequence[int],
    ceilings: Ceilings,
    say: Callable[[str], None],
) -> list[Pass]:
    """Time passes of one row and more behind a context.

    Args:
        denoiser: what is measured.
        manifest: of its artifact.
        context: token ids.
        ceilings: what it is held against.
        say: told what is being done.
    """
    cancel = CancelToken()
    found = []
    for n_rows in ROWS:
        say(f"passes of {n_rows} rows")
        draft = Draft.run(context[: n_rows - 1], [1.0] * (n_rows - 1))
        canvas = Canvas.masked(n_rows).propose(draft)
        denoiser.encode(context, cancel)
        times = []
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            denoiser.predict(canvas, [0] * n_rows, cancel)
            times.append((time.perf_counter() - start) * 1000.0)
        ms, work = median(times[1:]), work_of(manifest.tensors, n_rows)
        least = work.least_ms(ceilings)
        found.append(
            Pass(n_rows, round(ms, 1), work.n_bytes, work.products, round(least, 1), round(least / ms, 3))
        )
    return found


def work_of(tensors: Sequence[TensorEntry], n_rows: int) -> Work:
    """What a pass of some rows of the base has to do, all of its logits wanted."""
    base = [tensor for tensor in tensors if ".lora_" not in tensor.name and tensor.name != "embedding.weight"]
    n_bytes = sum(size for tensor in base for _, size in tensor.parts.values())
    weights = sum(math.prod(tensor.shape) for tensor in base if len(tensor.shape) == 2)
    return Work(n_bytes, weights * n_rows)


def _bytes_per_s(threads: int) -> float:
    """By a reduction that does next to nothing with what it reads."""
    parts = np.array_split(np.ones(READ_BYTES // 8, dtype=np.uint64), threads)
    best = math.inf
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(RUNS):
            start = time.perf_counter()
            list(pool.map(np.bitwise_or.reduce, parts))
            best = min(best, time.perf_counter() - start)
    return READ_BYTES / best
