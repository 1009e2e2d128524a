"""The training of a canvas adapter: samples to an adapter file, on a GPU or on two CPU cores.

A step reads a batch of samples with the frozen base, once and without gradient, which gives the
context of every canvas and the base's own distribution at every position; then it denoises many
canvases per sample with the adapter. The loss mixes the text's token with the base's distribution.
Checkpoints hold all there is: a run that is stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.artifact import Manifest, sha256_of
from engine.denoiser import SpecialTokens
from engine.errors import ArtifactError
from engine.tokens import TokenCodec
from export.adapter import ADAPTER_FILE, AdapterInfo, adapter_parameters, save_adapter, with_adapter
from export.base import load_model
from export.data import N_END, Sample, Samples, Shape, frequent_tokens, read_shards
from export.model import DenoiserModel
from export.noise import MASKED, NoiseRule
from export.transitions import TRANSITIONS_FILE, write_transitions

INVISIBLE = -1e9


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a run.

    Attributes:
        rank: of the adapter.
        shape, noise: of the samples.
        batch: samples a step.
        steps: of the whole run; the last ``cooldown`` of them bring the rate down to zero.
        warmup: steps that bring it up.
        learning_rate: of AdamW, in between.
        weight_decay: of AdamW.
        distillation: weight of the base's distribution in the targets, the text's token having the rest.
        slot_decay: weight of a slot in the loss, relative to the slot before it.
        visible_weight: weight of slots whose answer is visible, relative to masked ones.
        vocabulary: how many tokens are scored.
        seed: of everything drawn.
    """

    rank: int = 32
    shape: Shape = field(default_factory=Shape)
    noise: NoiseRule = field(default_factory=NoiseRule)
    batch: int = 2
    steps: int = 2000
    warmup: int = 40
    cooldown: int = 400
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    distillation: float = 0.7
    slot_decay: float = 0.9
    visible_weight: float = 0.3
    vocabulary: int = 24_576
    seed: int = 1

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0: up, level, down."""
        up = min(1.0, (step + 1) / max(self.warmup, 1))
        down = min(1.0, (self.steps - step) / max(self.cooldown, 1))
        return self.learning_rate * max(0.0, min(up, down))


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples side by side, padded at their ends.

    Attributes:
        ids: what the base reads ``[B, T]``.
        starts: per canvas, how many ids it sees ``[B, G]``.
        shown: what slots show ``[B, G, L]``.
        n_ids: true length of each sample ``[B]``.
    """

    ids: Tensor
    starts: Tensor
    shown: Tensor
    n_ids: Tensor


def collate(samples: Sequence[Sample], device: torch.device, pad_to: int = 1) -> Batch:
    """Samples to a batch; lengths are rounded up to a multiple of ``pad_to``."""
    longest = -(-max(len(sample.ids) for sample in samples) // pad_to) * pad_to
    ids = np.zeros((len(samples), longest), dtype=np.int64)
    for row, sample in zip(ids, samples, strict=True):
        row[: len(sample.ids)] = sample.ids
    return Batch(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(np.stack([sample.starts for sample in samples])).to(device),
        torch.from_numpy(np.stack([sample.shown for sample in samples])).to(device),
        torch.tensor([len(sample.ids) for sample in samples], device=device),
    )


class Objective:
    """The loss of a batch.

    Args:
        model: base and adapter; the base's weights may be bfloat16.
        vocabulary: the tokens that are scored, ascending ``[V]``.
        recipe: weights of the parts.
    """

    def __init__(self, model: DenoiserModel, vocabulary: Tensor, recipe: Recipe) -> None:
        self._model = model
        self._recipe = recipe
        self._head = model.head.weight.detach()[vocabulary]
        index = torch.full((model.config.n_vocab,), -1, dtype=torch.int64, device=vocabulary.device)
        index[vocabulary] = torch.arange(len(vocabulary), device=vocabulary.device)
        self._index = index

    def __call__(self, batch: Batch) -> Tensor:
        """The mean loss, a scalar with gradient."""
        base, logits = self.predict(batch)
        targets = self._targets(batch)
        rows = torch.arange(len(batch.ids), device=batch.ids.device)[:, None, None]
        texts = self._index[batch.ids[rows, targets]]  # [B, G, L]
        scores = logits.float().log_softmax(-1)
        by_text = -scores.gather(-1, texts.clamp(min=0)[..., None])[..., 0]
        # What the base says of a token, it says at the position before it.
        teacher = base.float().softmax(-1)[rows, targets - 1]
        by_base = -(teacher * scores).sum(-1)

        known = texts >= 0
        within = targets < (batch.n_ids[:, None, None] - N_END_UNREAD)
        alpha = torch.where(within, self._recipe.distillation, 0.0)
        loss = (1 - alpha) * torch.where(known, by_text, 0.0) + alpha * by_base
        weights = self._weights(batch)
        return (loss * weights).sum() / weights.sum()

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What base ``[B, T, V]`` and adapter ``[B, G, L, V]`` say, at every position and in every slot."""
        model = self._model
        n_batch, n_ids = batch.ids.shape
        n_slots = batch.shown.shape[2]
        dtype, device = model.head.weight.dtype, batch.ids.device
        c = model.config
        with torch.no_grad():
            nothing = [torch.zeros(n_batch, c.n_kv_heads, 0, c.head_dim, dtype=dtype, device=device)]
            positions = torch.arange(n_ids, device=device).expand(n_batch, -1)
            causal = torch.full((n_ids, n_ids), INVISIBLE, dtype=dtype, device=device).triu(1)
            x, past_k, past_v = model.hidden(
                batch.ids, positions, None, causal, None, nothing * c.n_layers, nothing * c.n_layers
            )
            base = model.norm(x) @ self._head.T

        slots = torch.arange(n_slots, device=device)
        positions = batch.starts[..., None] + slots
        hidden_from = torch.arange(n_ids, device=device) >= batch.starts[..., None]  # [B, G, T]
        over_past = torch.where(hidden_from, INVISIBLE, 0.0).to(dtype)[:, :, None, None, None, :]
        over_past = over_past.expand(-1, -1, -1, -1, n_slots, -1)
        bias = F.pad(over_past, (0, n_slots))  # every slot of a canvas sees all of it
        gate = torch.ones(1, dtype=dtype, device=device)
        x, _, _ = model.hidden(batch.shown, positions, gate, bias, None, past_k, past_v)
        return base, model.norm(x) @ self._head.T

    def _targets(self, batch: Batch) -> Tensor:
        """The position each slot predicts ``[B, G, L]``."""
        slots = torch.arange(batch.shown.shape[2], device=batch.ids.device)
        return batch.starts[..., None] + slots + 1

    def _weights(self, batch: Batch) -> Tensor:
        """How much each slot counts ``[B, G, L]``."""
        slots = torch.arange(batch.shown.shape[2], device=batch.ids.device)
        weights = (self._recipe.slot_decay**slots).expand(batch.shown.shape)
        answer = F.pad(batch.shown[..., 1:], (0, 1), value=MASKED)
        return torch.where(answer == MASKED, weights, weights * self._recipe.visible_weight)


N_END_UNREAD = N_END - 1
"""The base is not asked what follows the first end token: the text alone says that a tail is all ends."""

COUNTED_FILES = 8000
"""Files of the corpus whose tokens are counted: which are frequent, and which follow which."""

HELD_OUT_BATCHES = 8

REPEATS = {"python": 2}
"""Files of these languages count this often."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How an adapter does on text it was not trained on, one pass, all slots masked.

    Attributes:
        by_slot: share of slots equal to the base's choice, given the true text, by slot.
        run: mean number of slots right in a row from the first.
        run_text: the same, against the text.
    """

    by_slot: tuple[float, ...]
    run: float
    run_text: float


@torch.no_grad()
def held_out(objective: Objective, batches: Sequence[Batch], vocabulary: Tensor) -> HeldOut:
    """Measure on batches whose canvases are masks alone."""
    right: list[Tensor] = []
    right_text: list[Tensor] = []
    for batch in batches:
        base, logits = objective.predict(batch)
        targets = objective._targets(batch)
        rows = torch.arange(len(batch.ids), device=batch.ids.device)[:, None, None]
        drafts = logits.argmax(-1)
        # A run ends where the base would have left the text: what comes after is another story.
        chosen = base.argmax(-1)[rows, targets - 1]
        right.append((drafts == chosen).flatten(0, 1))
        right_text.append((vocabulary[drafts] == batch.ids[rows, targets]).flatten(0, 1))
    agrees, says = torch.cat(right).float(), torch.cat(right_text).float()
    return HeldOut(
        tuple(round(float(share), 4) for share in agrees.mean(0)),
        round(float(agrees.cumprod(1).sum(1).mean()), 4),
        round(float(says.cumprod(1).sum(1).mean()), 4),
    )


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
        while self.step < self.recipe.steps:
            start = time.perf_counter()
            first = self.step * self.recipe.batch
            batch = collate(
                [self._samples[first + i] for i in range(self.recipe.batch)], self.device, pad_to=pad_to
            )
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.rate(self.step)
            loss = self._loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.step += 1
            value = float(loss.detach())
            self.seconds += time.perf_counter() - start
            yield value

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


def train_adapter(
    gguf_path: Path,
    manifest: Manifest,
    codec: TokenCodec,
    corpus: Path,
    recipe: Recipe,
    directory: Path,
    *,
    name: str = "canvas-1",
    place: Place | None = None,
    every: int = 150,
    say: Callable[[str], None] = print,
) -> Path:
    """Train an adapter, or go on with the run that lies in a directory.

    Args:
        gguf_path: the verified base weights; they are held in bfloat16.
        manifest: of the base's artifact, for its special tokens.
        codec: the base's tokenizer.
        corpus: a directory made by ``unmask train corpus``.
        recipe: the settings.
        directory: for checkpoint, log and adapter.
        name: of the adapter.
        place: where to compute.
        every: steps between two checkpoints, each with figures on held-out text.
        say: told what to show.

    Returns:
        the adapter's file; the table of transitions lies beside it.

    Raises:
        UsageError: the corpus has no shards.
        ArtifactError: the directory holds a checkpoint that is damaged, or of another base or rank.
    """
    place = place or Place()
    files, unseen = list(read_shards(corpus, "train")), list(read_shards(corpus, "heldout"))
    say(f"{len(files)} files to train on, {len(unseen)} held out")
    repeated = [file for file in files for _ in range(REPEATS.get(file.language, 1))]
    end = codec.id_of("<|endoftext|>")
    special = SpecialTokens(
        manifest.special["fim_prefix"],
        manifest.special["fim_suffix"],
        manifest.special["fim_middle"],
        manifest.end_ids,
    )
    end = min(manifest.end_ids) if end is None else end
    counted = files[:COUNTED_FILES]
    frequent = frequent_tokens(counted, codec, recipe.vocabulary, set(manifest.end_ids))
    directory.mkdir(parents=True, exist_ok=True)
    write_transitions(counted, codec, frequent, directory / TRANSITIONS_FILE)
    base = load_model(gguf_path).to(place.device, torch.bfloat16)
    model = with_adapter(base, recipe.rank, recipe.seed).to(place.device)
    vocabulary = torch.from_numpy(frequent).to(place.device)
    run = Run(
        model,
        Samples(repeated, codec, special, recipe.shape, recipe.noise, frequent, end, recipe.seed),
        vocabulary,
        recipe,
        directory,
        base_sha256=sha256_of(gguf_path),
        name=name,
        compiled=place.compiled,
    )
    drafts = Samples(
        unseen, codec, special, recipe.shape, NoiseRule(0.0, 0.0), frequent, end, recipe.seed + 1
    )
    batches = [
        collate([drafts[i * recipe.batch + j] for j in range(recipe.batch)], run.device)
        for i in range(HELD_OUT_BATCHES)
    ]
    losses: list[float] = []
    say(f"from step {run.step} to {recipe.steps}")
    for loss in run.steps(pad_to=place.pad_to):
        losses.append(loss)
        if run.step % 25 == 0:
            run.log(loss=round(float(np.mean(losses[-25:])), 4))
        if run.step % every == 0 or run.step == recipe.steps:
            figures = held_out(run.objective, batches, vocabulary)
            run.log(**asdict(figures))
            run.save()
            say(f"step {run.step}: loss {np.mean(losses[-every:]):.3f}, {run.seconds:.0f} s, {figures}")
    return directory / ADAPTER_FILE
