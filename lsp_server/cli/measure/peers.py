"""Who answers: our own modes and what people would use in their place, all over the same base weights.

Every peer is an engine, so that all get the same contexts and stop by the same rules; peers differ in
the denoiser inside. One that is not installed says how to install it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.config import EngineConfig
from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.decode import verifying
from engine.denoising.denoiser import Denoiser, Encoded, Prediction, Reading
from engine.denoising.draft import Draft
from engine.denoising.schedule import DECODINGS, Decoding
from engine.engine import Engine, open_denoiser
from engine.errors import UnmaskError, UsageError
from engine.models.artifact import Manifest, load_manifest
from engine.types import CancelToken, FillRequest, ModelInfo, ProgressListener
from engine.weights import catalog
from lsp_server.cli import machine
from lsp_server.cli.measure import OCCASIONS, Kind, Occasion
from lsp_server.cli.measure.greedy import GreedyDenoiser, NextToken

OURS = "Unmask, parallel"
"""The peer that the others are compared with."""

BASE = "Unmask, left_to_right"
"""The peer whose texts the others should give."""

LLAMA_KINDS = ("Q4_K_M", "Q4_0", "Q8_0")
"""What llama.cpp is measured with; the first is the file as its makers released it."""

LLAMA_FASTEST = "Q4_0"
"""The fastest: it alone is asked for the rewrite, and once more with drafts copied from the text itself."""

SLOW: tuple[Occasion, ...] = ("line",)
SLOW_CASES = 3
"""What a peer is asked that takes many times as long as the others, and how often."""

INSTALL_LLAMA = (
    "not installed: `pip install 'unmask[bench]'` builds llama.cpp for this processor, ten minutes on two "
    "cores; where that build crashes at its first pass, see the results log for flags"
)
INSTALL_TRANSFORMERS = "not installed: `pip install 'unmask[test]'`"


@dataclass(frozen=True, slots=True)
class Peer:
    """One who answers.

    Attributes:
        name: for the table.
        engine: what is asked.
        weights_bytes: size of the weights on disk.
        resident_bytes: memory that it took to load it and to answer once.
        occasions: what it is asked; what would take it minutes is left out.
        most_cases: how often at most; None for every time.
    """

    name: str
    engine: Engine
    weights_bytes: int
    resident_bytes: int
    occasions: tuple[Occasion, ...] = OCCASIONS
    most_cases: int | None = None

    def is_asked(self, occasion: Occasion, number: int) -> bool:
        """Whether it is asked the case of an occasion that has a number, from 0."""
        return occasion in self.occasions and (self.most_cases is None or number < self.most_cases)


@dataclass(frozen=True, slots=True)
class Absent:
    """One who cannot be asked, and why."""

    name: str
    why: str


class Uncached:
    """A denoiser whose every pass computes the whole text anew: the naive diffusion loop.

    Args:
        denoiser: what computes.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self.info, self.special = denoiser.info, denoiser.special
        self.rule, self.canvas_slots = denoiser.rule, denoiser.canvas_slots
        self._context: list[int] = []

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Take a context; every prediction computes it."""
        self._context = list(context)
        return Encoded(len(context), 0, 0)

    def encoding_ms(self, context: Sequence[int]) -> float:
        """Nothing is encoded beforehand."""
        return 0.0

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Verify and draft, the whole context with it."""
        self._denoiser.forget()
        self._denoiser.encode(self._context, cancel)
        return self._denoiser.predict(canvas, masks, cancel)

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        """See ``Denoiser``."""
        return self._denoiser.draft(ahead, settled, worth)

    def guess(self, settled: Sequence[int], worth: float, allowed: npt.NDArray[np.int64] | None) -> Draft:
        """See ``Denoiser``."""
        return self._denoiser.guess(settled, worth, allowed)

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """See ``Denoiser``."""
        self._denoiser.encode(self._context, cancel)
        return self._denoiser.read(canvas, cancel)

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[npt.NDArray[np.float32]]:
        """See ``Denoiser``."""
        self._denoiser.encode(self._context, cancel)
        return self._denoiser.compare(before, branches, cancel)

    def forget(self) -> None:
        """There is nothing to forget."""

    def close(self) -> None:
        """It belongs to others."""


class Hall:
    """Where peers are opened; used as a context manager, which closes them.

    Args:
        config: our own settings; peers use the same threads and the same context.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._threads = config.threads or machine.look().physical_cores or 1
        self._stack = contextlib.ExitStack()
        self.present: list[Peer] = []
        self.absent: list[Absent] = []

    def __enter__(self) -> Hall:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open_ours(self, progress: ProgressListener | None) -> None:
        """Open our own modes, which share one model.

        Args:
            progress: told of the first use of the model.

        Raises:
            ModelError: it cannot be had.
            BackendError: ONNX Runtime cannot run it.
        """
        before = machine.resident_bytes()
        opened, self._codec = open_denoiser(self._config, progress=progress)
        self._stack.callback(opened.close)
        self._denoiser = verifying(opened, "the comparison")
        self._manifest = self._own_manifest()
        n_bytes = self._manifest.weights.n_bytes if self._manifest else 0
        engines = {how: self._engine(self._denoiser, how) for how in DECODINGS}
        warm_up(engines["parallel"])
        taken = machine.resident_bytes() - before
        for how in reversed(DECODINGS):
            self.present.append(Peer(f"Unmask, {how}", engines[how], n_bytes, taken))

    def open_others(self, kinds: Sequence[Kind], say: Callable[[str], None]) -> None:
        """Open the peers of these kinds beside our own, or note why one is absent.

        Args:
            kinds: which.
            say: told what is being done.
        """
        if "uncached" in kinds:
            engine, ours = self._engine(Uncached(self._denoiser), "lossless"), self.present[0]
            self.present.append(
                Peer(
                    "naive loop, no cache", engine, ours.weights_bytes, ours.resident_bytes, SLOW, SLOW_CASES
                )
            )
        if "llama" in kinds:
            self._open_llama(say)
        if "transformers" in kinds:
            self._open_transformers(say)

    def _engine(self, denoiser: Denoiser, how: Decoding) -> Engine:
        return Engine(denoiser, self._codec, self._config.context_tokens, how)

    def _open_llama(self, say: Callable[[str], None]) -> None:
        try:
            from lsp_server.cli.measure import llama
        except ImportError:
            self.absent.append(Absent("llama.cpp", INSTALL_LLAMA))
            return
        with self._unless_impossible("llama.cpp"):
            source = self._base_file()
            directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
            for number, kind in enumerate(LLAMA_KINDS):
                say(f"preparing llama.cpp with {kind}")
                path = source if not number else llama.requantized(source, kind, directory, self._threads)
                n_bytes = path.stat().st_size

                def load(path: Path = path) -> NextToken:
                    return llama.LlamaModel(path, self._threads, max(4096, 2 * self._config.context_tokens))

                info = ModelInfo(
                    "llama.cpp", kind, "llama.cpp", llama.features(), None, self._denoiser.info.n_vocab
                )
                modes: dict[str, Decoding] = {f"llama.cpp {kind}": "left_to_right"}
                if kind == LLAMA_FASTEST:
                    modes[f"llama.cpp {kind}, prompt lookup"] = "lossless"
                occasions = OCCASIONS if kind == LLAMA_FASTEST else OCCASIONS[:-1]
                self._open_greedy(load, info, modes, n_bytes, occasions)

    def _open_transformers(self, say: Callable[[str], None]) -> None:
        try:
            from export.peer import TransformersModel
        except ImportError:
            self.absent.append(Absent("transformers, bfloat16", INSTALL_TRANSFORMERS))
            return
        with self._unless_impossible("transformers, bfloat16"):
            path = self._base_file()
            say("loading transformers")
            info = ModelInfo("transformers", "bf16", "torch", "bfloat16", None, self._denoiser.info.n_vocab)
            n_bytes = 2 * self._base().parameters
            modes: dict[str, Decoding] = {"transformers, bfloat16": "left_to_right"}
            self._open_greedy(
                lambda: TransformersModel(path, self._threads), info, modes, n_bytes, SLOW, SLOW_CASES
            )

    def _open_greedy(
        self,
        load: Callable[[], NextToken],
        info: ModelInfo,
        modes: dict[str, Decoding],
        n_bytes: int,
        occasions: tuple[Occasion, ...],
        most_cases: int | None = None,
    ) -> None:
        """One model, and a peer for each way it is decoded."""
        before = machine.resident_bytes()
        model = load()
        self._stack.callback(model.close)
        like = self._denoiser
        denoiser = GreedyDenoiser(model, info, like.special, like.canvas_slots)
        engines = {name: self._engine(denoiser, how) for name, how in modes.items()}
        warm_up(next(iter(engines.values())))
        taken = machine.resident_bytes() - before
        self.present += [
            Peer(name, engine, n_bytes, taken, occasions, most_cases) for name, engine in engines.items()
        ]

    @contextlib.contextmanager
    def _unless_impossible(self, name: str) -> Iterator[None]:
        """Note that a peer cannot be had, and why, and go on without it."""
        try:
            yield
        except UnmaskError as error:
            self.absent.append(Absent(name, str(error)))

    def _base(self) -> catalog.BaseModel:
        """The base of our own model.

        Raises:
            UsageError: it has none.
            ModelError: it is not one that can be had.
        """
        if self._manifest is None:
            raise UsageError("the fake model has no base weights to compare with")
        return catalog.lookup(self._manifest.base_name)

    def _base_file(self) -> Path:
        """Its GGUF.

        Raises:
            UsageError, ModelError: see ``_base``.
        """
        from engine.models.loading import base_weights

        return base_weights(self._config, self._base())

    def _own_manifest(self) -> Manifest | None:
        if self._config.is_fake:
            return None
        from engine.models.loading import find_artifact

        return load_manifest(find_artifact(self._config))


def warm_up(engine: Engine) -> None:
    """Answer once, so that everything that happens at first use has happened."""
    engine.fill(
        FillRequest(("def double(n):\n    return ", None, "\n"), "python", single_line=True, max_tokens=8)
    )
