"""What an adapter is trained for: a batch of samples to a loss, and held-out ones to figures.

The frozen base reads a batch once, without gradient, which gives the context of every canvas and the
base's own distribution at every position; then many canvases per sample are denoised with the adapter.
The loss mixes the text's token with the base's distribution. Knows nothing of files and optimizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.denoising.transitions import Transitions
from export.data import N_END, Sample
from export.model import DenoiserModel
from export.noise import MASKED
from export.recipe import Recipe

INVISIBLE = -1e9

N_END_UNREAD = N_END - 1
"""The base is not asked what follows the first end token: the text alone says that a tail is all ends."""


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
        teacher = base[rows, targets - 1].float().softmax(-1)
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
        gate = torch.ones(1, dtype=dtype, device=device)
        if not self._recipe.gated:
            _, past_k, past_v = model.hidden(
                batch.ids, positions, gate, causal, None, nothing * c.n_layers, nothing * c.n_layers
            )

        slots = torch.arange(n_slots, device=device)
        positions = batch.starts[..., None] + slots
        hidden_from = torch.arange(n_ids, device=device) >= batch.starts[..., None]  # [B, G, T]
        over_past = torch.where(hidden_from, INVISIBLE, 0.0).to(dtype)[:, :, None, None, None, :]
        over_past = over_past.expand(-1, -1, -1, -1, n_slots, -1)
        # A draft's masks see the ones before them (``engine.denoising.rows``), a revision's slots all of it.
        revised = (batch.shown != MASKED).any(-1)[:, :, None, None]  # [B, G, 1, 1]
        over_canvas = torch.where(revised | (slots <= slots[:, None]), 0.0, INVISIBLE).to(dtype)
        bias = torch.cat([over_past, over_canvas[:, :, None, None]], dim=-1)
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


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How an adapter does on text it was not trained on, one pass, all slots masked.

    Attributes:
        by_slot: share of slots equal to the base's choice, given the true text, by slot.
        run: mean number of slots right in a row from the first.
        run_text: the same, against the text.
        run_drafted: against the base's choice again, the run being chosen with transitions, as in serving.
    """

    by_slot: tuple[float, ...]
    run: float
    run_text: float
    run_drafted: float


@torch.no_grad()
def held_out(
    objective: Objective, batches: Sequence[Batch], vocabulary: Tensor, transitions: Transitions
) -> HeldOut:
    """Measure on batches whose canvases are masks alone."""
    right: list[Tensor] = []
    right_text: list[Tensor] = []
    right_drafted: list[Tensor] = []
    for batch in batches:
        base, logits = objective.predict(batch)
        targets = objective._targets(batch)
        rows = torch.arange(len(batch.ids), device=batch.ids.device)[:, None, None]
        drafts = logits.argmax(-1)
        # A run ends where the base would have left the text: what comes after is another story.
        chosen = base.argmax(-1)[rows, targets - 1]
        right.append((drafts == chosen).flatten(0, 1))
        joined = _joined(logits, batch, transitions).to(vocabulary.device)
        right_drafted.append((joined == vocabulary[chosen]).flatten(0, 1))
        right_text.append((vocabulary[drafts] == batch.ids[rows, targets]).flatten(0, 1))
    agrees, says, drafts_agree = (torch.cat(part).float() for part in (right, right_text, right_drafted))
    return HeldOut(
        tuple(round(float(share), 4) for share in agrees.mean(0)),
        round(float(agrees.cumprod(1).sum(1).mean()), 4),
        round(float(says.cumprod(1).sum(1).mean()), 4),
        round(float(drafts_agree.cumprod(1).sum(1).mean()), 4),
    )


def _joined(logits: Tensor, batch: Batch, transitions: Transitions) -> Tensor:
    """Every canvas's run as serving would draft it, its first known token given ``[B, G, L]``."""
    scores, ids = logits.float().cpu().numpy(), batch.ids.cpu().numpy()
    starts = batch.starts.cpu().numpy()
    runs = [
        [
            transitions.choose(canvas, ids[row, : start + 1]).tokens
            for canvas, start in zip(scores[row], starts[row], strict=True)
        ]
        for row in range(len(ids))
    ]
    return torch.from_numpy(np.array(runs))
