"""The training of a canvas adapter: samples to an adapter file, on a GPU or on two CPU cores.

Checkpoints hold all there is: a run that is stopped goes on as if it had not been. What is learned is
``export.objective``'s matter, from what ``export.data``'s.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.denoising.denoiser import SpecialTokens
from engine.denoising.tokens import TokenCodec
from engine.denoising.transitions import Transitions
from engine.errors import ArtifactError
from engine.models.artifact import sha256_of
from export.adapter import (
    ADAPTER_FILE,
    AdapterInfo,
    adapter_parameters,
    load_adapter,
    save_adapter,
    with_adapter,
)
from export.base import load_model
from export.data import Samples, SourceFile, frequent_tokens, read_shards
from export.model import DenoiserModel
from export.noise import NoiseRule
from export.objective import Batch, Objective, collate, held_out
from export.own_answers import OwnAnswer, read_answers
from export.recipe import Recipe
from export.transitions import TRANSITIONS_FILE, write_transitions

COUNTED_FILES = 8000
"""Files of the corpus that say which tokens are frequent."""

HELD_OUT_BATCHES = 8

TRIED_WIDTH, TRIES = 256, 5
"""Rows and columns of the matrices that say how fast a processor is, and how often they are multiplied."""

REPEATS = {"python": 2}
"""Files of these languages count this often."""


class Run:
    """A training run in a directory: ``checkpoint.pt``, ``log.jsonl``, ``adapter.safetensors``.

    Args:
        model: base and adapter; only the adapter's parameters are changed.
        samples: where batches come from.
        vocabulary: the tokens that are scored.
        recipe: the settings.
        directory: where everything is kept; a checkpoint found there is gone on from.
        base_sha256, name: for the adapter's file.
        compiled: run through ``torch.compile`` (a GPU pays the minutes back, a CPU does not).

    Raises:
        ArtifactError: the checkpoint found there is damaged, or of another base or rank.
    """

    def __init__(
        self,
        model: DenoiserModel,
        samples: Samples,
        vocabulary: Tensor,
        recipe: Recipe,
        directory: Path,
        *,
        base_sha256: str,
        name: str,
        compiled: bool = False,
    ) -> None:
        self.model, self.recipe, self.step, self.seconds = model, recipe, 0, 0.0
        self.objective = Objective(model, vocabulary, recipe)
        self._loss: Callable[[Batch], Tensor] = torch.compile(self.objective) if compiled else self.objective
        self._samples, self._directory = samples, directory
        self._info = (name, base_sha256)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        self.parameters = adapter_parameters(model)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=recipe.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
        )
        directory.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.head.weight.device

    def steps(self, *, pad_to: int = 1) -> Iterator[float]:
        """Train to the recipe's end; the loss of every step."""
        with ThreadPoolExecutor(1) as beside:
            following = beside.submit(self._batch, self.step, pad_to)
            while self.step < self.recipe.steps:
                start = time.perf_counter()
                batch, following = following.result(), beside.submit(self._batch, self.step + 1, pad_to)
                value = self._learn(batch)
                self.seconds += time.perf_counter() - start
                yield value

    def _batch(self, step: int, pad_to: int) -> Batch:
        """The samples of a step; made while the step before is computed."""
        first, n = step * self.recipe.batch, self.recipe.batch
        return collate([self._samples[first + i] for i in range(n)], self.device, pad_to=pad_to)

    def _learn(self, batch: Batch) -> float:
        """One step; its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        loss = self._loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach())

    def log(self, **figures: object) -> None:
        """Append a line to the log."""
        row = {"step": self.step, "seconds": round(self.seconds, 1), **figures}
        with (self._directory / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Write checkpoint and adapter, each in one move."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "adapter": {name: p.detach().cpu() for name, p in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        unfinished = self._directory / "checkpoint.tmp"
        torch.save(state, unfinished)
        unfinished.replace(self._directory / "checkpoint.pt")
        name, base_sha256 = self._info
        recipe = {**asdict(self.recipe), "steps_done": self.step, "seconds": round(self.seconds)}
        info = AdapterInfo(name, base_sha256, self.recipe.rank, self.recipe.shape.n_slots, recipe)
        save_adapter(self.model, info, self._directory / "adapter.tmp")
        (self._directory / "adapter.tmp").replace(self._directory / ADAPTER_FILE)

    def _resume(self) -> None:
        path = self._directory / "checkpoint.pt"
        if not path.is_file():
            return
        remedy = "Delete it to start over, or name another directory."
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            step, seconds, adapter = int(state["step"]), float(state["seconds"]), state["adapter"]
            shapes = {name: parameter.shape for name, parameter in adapter.items()}
        except Exception as error:  # the library raises many kinds for a broken file
            raise ArtifactError(f"{path} is not a checkpoint ({type(error).__name__})", remedy) from error
        if shapes != {name: parameter.shape for name, parameter in self.parameters.items()}:
            raise ArtifactError(f"{path} is of a run with another base or rank", remedy)
        self.step, self.seconds = step, seconds
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(adapter[name])
        self.optimizer.load_state_dict(state["optimizer"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run computes.

    Attributes:
        device: ``cpu`` or ``cuda``.
        compiled: whether steps run through ``torch.compile``; a GPU pays its minutes back.
    """

    device: str = "cpu"
    compiled: bool = False

    @property
    def pad_to(self) -> int:
        """Lengths are padded to a multiple of this: compiled code wants few different shapes."""
        return 128 if self.compiled else 1


def gpu_is_there() -> bool:
    """Whether torch finds a GPU."""
    return torch.cuda.is_available()


def fastest_dtype(device: str) -> torch.dtype:
    """What the base is held in: bfloat16, or float32 on a processor that only imitates the other.

    Tried and not looked up: with AVX2 alone a product in bfloat16 takes forty times as long.
    """
    if device != "cpu":
        return torch.bfloat16
    times: dict[torch.dtype, float] = {}
    for dtype in (torch.bfloat16, torch.float32):
        matrix = torch.ones(TRIED_WIDTH, TRIED_WIDTH, dtype=dtype)
        times[dtype] = min(_squaring_seconds(matrix) for _ in range(TRIES))
    return min(times, key=times.__getitem__)


def _squaring_seconds(matrix: Tensor) -> float:
    start = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - start


def train_adapter(
    gguf_path: Path,
    special: SpecialTokens,
    codec: TokenCodec,
    corpus: Path,
    recipe: Recipe,
    directory: Path,
    *,
    name: str = "canvas-1",
    start: Path | None = None,
    place: Place | None = None,
    every: int = 150,
    say: Callable[[str], None] = print,
) -> Path:
    """Train an adapter, or go on with the run that lies in a directory.

    Args:
        gguf_path: the verified base weights; they are held in ``fastest_dtype``.
        special: the base's markers.
        codec: the base's tokenizer.
        corpus: a directory made by ``unmask train corpus``; answers that ``unmask train answers`` put there
            are trained on, too.
        recipe: the settings.
        directory: for checkpoint, log and adapter.
        name: of the adapter.
        start: an adapter of this base to go on from in a new run; None for a fresh one.
        place: where to compute.
        every: steps between two checkpoints, each with figures on held-out text.
        say: told what to show.

    Returns:
        the adapter's file; the table of transitions lies beside it.

    Raises:
        UsageError: the corpus has no shards.
        ArtifactError: the directory holds a checkpoint that is damaged, or of another base or rank; or
            the adapter to start from is.
    """
    place = place or Place()
    base_sha256 = sha256_of(gguf_path)
    files, unseen = list(read_shards(corpus, "train")), list(read_shards(corpus, "heldout"))
    answers, unseen_answers = (
        [answer for answer in read_answers(corpus, split, codec.n_vocab) if recipe.shape.holds(answer)]
        for split in ("train", "heldout")
    )
    say(f"{len(files)} files and {len(answers)} answers of the base to train on")
    say(f"{len(unseen)} files and {len(unseen_answers)} answers held out")
    repeated = [file for file in files for _ in range(REPEATS.get(file.language, 1))]
    end = codec.id_of("<|endoftext|>")
    end = min(special.end) if end is None else end
    frequent = frequent_tokens(files[:COUNTED_FILES], codec, recipe.vocabulary, set(special.end))
    directory.mkdir(parents=True, exist_ok=True)
    write_transitions(files, codec, frequent, directory / TRANSITIONS_FILE)
    transitions = Transitions.from_file(directory / TRANSITIONS_FILE)
    dtype = fastest_dtype(place.device)
    base = load_model(gguf_path).to(place.device, dtype)
    model = _adapted(base, base_sha256, recipe, start).to(place.device)
    vocabulary = torch.from_numpy(frequent).to(place.device)

    def samples(
        of: Sequence[SourceFile],
        noise: NoiseRule,
        seed: int,
        written: Sequence[OwnAnswer] = (),
        share: float = 0.0,
    ) -> Samples:
        return Samples(of, codec, special, recipe.shape, noise, frequent, end, seed, written, share)

    run = Run(
        model,
        samples(repeated, recipe.noise, recipe.seed, answers, recipe.own_answers),
        vocabulary,
        recipe,
        directory,
        base_sha256=base_sha256,
        name=name,
        compiled=place.compiled,
    )
    masks = NoiseRule(0.0, 0.0)
    held = {"files": samples(unseen, masks, recipe.seed + 1)}
    if unseen_answers:
        held["answers"] = samples((), masks, recipe.seed + 2, unseen_answers, 1.0)
    batches = {kind: _held_out_batches(of, recipe.batch, run.device) for kind, of in held.items()}
    losses: list[float] = []
    say(f"from step {run.step} to {recipe.steps}, in {str(dtype).removeprefix('torch.')}")
    for loss in run.steps(pad_to=place.pad_to):
        losses.append(loss)
        if run.step % 25 == 0:
            run.log(loss=round(float(np.mean(losses[-25:])), 4))
        if run.step % every == 0 or run.step == recipe.steps:
            figures = {
                kind: held_out(run.objective, of, vocabulary, transitions) for kind, of in batches.items()
            }
            run.log(**{kind: asdict(of) for kind, of in figures.items()})
            run.save()
            say(f"step {run.step}: loss {np.mean(losses[-every:]):.3f}, {run.seconds:.0f} s")
            for kind, of in figures.items():
                say(f"  {kind}: {of}")
    return directory / ADAPTER_FILE


def _held_out_batches(samples: Samples, n_samples: int, device: torch.device) -> list[Batch]:
    """The first batches of some samples."""
    return [
        collate([samples[at * n_samples + i] for i in range(n_samples)], device)
        for at in range(HELD_OUT_BATCHES)
    ]


def _adapted(base: DenoiserModel, base_sha256: str, recipe: Recipe, start: Path | None) -> DenoiserModel:
    """The base with the adapter that a run begins with."""
    if start is None:
        return with_adapter(base, recipe.rank, recipe.seed)
    model, info = load_adapter(base, start)
    if (info.base_sha256, info.rank) != (base_sha256, recipe.rank):
        raise ArtifactError(f"{start} is of another base or rank", "Start from an adapter of this base.")
    return model
