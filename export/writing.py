"""What the base writes behind many contexts at once, greedily: data to train on, made on a GPU in seconds.

``export.own_answers`` asks the engine, one request after the other; here contexts stand side by side in one
batch, right-aligned, and on a GPU every token's pass is one replayed graph. What is written is not stopped
where a fill would be: it goes on until the base ends it or there is no more room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engine.code import languages, regions
from engine.denoising.denoiser import SpecialTokens
from engine.denoising.tokens import TokenCodec
from engine.filling.layout import lay_out
from export.base import load_model
from export.evaluate import heldout
from export.model import DenoiserModel
from export.own_answers import OwnAnswer

INVISIBLE = -1e9

PIECE = 32
"""Contexts that are read in one pass."""


class Writer:
    """A base with room for a batch of contexts.

    Args:
        model: the base; an adapter it has is left out.
        n_batch: contexts written behind at once.
        n_context: the most tokens of a context.
        n_tokens: tokens written behind each, fewer where it ends.
    """

    def __init__(self, model: DenoiserModel, n_batch: int, n_context: int, n_tokens: int) -> None:
        c = model.config
        self._model, self._n_context, self._n_tokens = model, n_context, n_tokens
        device, dtype = model.head.weight.device, model.head.weight.dtype

        def entries() -> list[Tensor]:
            shape = (n_batch, c.n_kv_heads, n_context + n_tokens, c.head_dim)
            return [torch.zeros(shape, device=device, dtype=dtype) for _ in range(c.n_layers)]

        self._keys, self._values = entries(), entries()
        self._written = torch.zeros(n_batch, n_tokens, device=device, dtype=torch.int64)
        self._last = torch.zeros(n_batch, 1, device=device, dtype=torch.int64)
        self._positions = torch.zeros(n_batch, 1, device=device, dtype=torch.int64)
        # Which entries a new token sees: its context, what was written since, and itself.
        self._bias = torch.zeros(n_batch, 1, 1, 1, n_context + n_tokens + 1, device=device, dtype=dtype)
        self._at = torch.zeros(1, device=device, dtype=torch.int64)
        self._step: Callable[[], object] = self._write_one
        if device.type == "cuda":
            self._step = self._graph().replay

    @classmethod
    def on_gpu(cls, gguf_path: Path, n_batch: int, n_context: int, n_tokens: int) -> Writer:
        """A base, from its verified GGUF, in bfloat16."""
        return cls(load_model(gguf_path).to("cuda", torch.bfloat16), n_batch, n_context, n_tokens)

    @torch.no_grad()
    def write(self, contexts: Sequence[Sequence[int]], ends: Collection[int]) -> list[OwnAnswer]:
        """What the base writes behind each context.

        Args:
            contexts: token ids, at most ``n_batch`` contexts of at most ``n_context``, at least one.
            ends: tokens that end what is written.

        Returns:
            an answer for each context, in order; one that ended at once has no tokens.
        """
        self._read(contexts)
        for _ in range(self._n_tokens - 1):
            self._step()
        answers = []
        for context, tokens in zip(contexts, self._written.tolist(), strict=False):
            n = next((i for i, token in enumerate(tokens) if token in ends), len(tokens))
            end = tokens[n] if n < len(tokens) else None
            answers.append(OwnAnswer(tuple(context), tuple(tokens[:n]), end))
        return answers

    def _read(self, contexts: Sequence[Sequence[int]]) -> None:
        """Read the contexts and write the first token behind each."""
        n_context, device = self._n_context, self._last.device
        rows = [[*(0 for _ in range(n_context - len(context))), *context] for context in contexts]
        rows += [rows[0]] * (len(self._last) - len(rows))
        lengths = [len(context) for context in contexts]
        lengths += [lengths[0]] * (len(self._last) - len(lengths))
        ids = torch.tensor(rows, device=device)
        n_padding = n_context - torch.tensor(lengths, device=device)[:, None]  # [N, 1]
        places = torch.arange(n_context, device=device)
        visible = places >= n_padding  # [N, C]
        self._bias.fill_(INVISIBLE)
        self._bias[..., :n_context].masked_fill_(visible[:, None, None, None], 0.0)
        self._bias[..., -1] = 0.0
        self._at.fill_(n_context)
        self._positions.copy_(n_context - n_padding)
        causal = places <= places[:, None]
        c, dtype = self._model.config, self._bias.dtype
        for first in range(0, len(ids), PIECE):
            piece = slice(first, first + PIECE)
            seen = causal & visible[piece, None]  # [n, C, C]
            bias = torch.where(seen, 0.0, INVISIBLE).to(dtype)[:, None, None]
            nothing = [ids.new_zeros(len(seen), c.n_kv_heads, 0, c.head_dim, dtype=dtype)] * c.n_layers
            positions = (places - n_padding[piece]).clamp(min=0)
            x, keys, values = self._model.hidden(ids[piece], positions, None, bias, None, nothing, nothing)
            for buffers, new in ((self._keys, keys), (self._values, values)):
                for buffer, entries in zip(buffers, new, strict=True):
                    buffer[piece, :, :n_context] = entries
            self._last[piece] = self._likeliest(x[:, -1:])
        self._written[:, :1] = self._last

    def _write_one(self) -> None:
        """Read the last token of every text and write the next; all in place, for a graph."""
        x, keys, values = self._model.hidden(
            self._last, self._positions, None, self._bias, None, self._keys, self._values
        )
        for buffers, new in ((self._keys, keys), (self._values, values)):
            for buffer, entries in zip(buffers, new, strict=True):
                buffer.index_copy_(2, self._at, entries)
        self._bias.index_fill_(4, self._at, 0.0)
        self._last.copy_(self._likeliest(x))
        self._at += 1
        self._positions += 1
        self._written.index_copy_(1, self._at - self._n_context, self._last)

    def _likeliest(self, x: Tensor) -> Tensor:
        return self._model.head(self._model.norm(x)).argmax(-1)

    @torch.no_grad()
    def _graph(self) -> torch.cuda.CUDAGraph:
        """One step as a graph; its warm-up writes into buffers that the next context overwrites."""
        self._at.fill_(self._n_context)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._write_one()
            self._at.fill_(self._n_context)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._write_one()
        self._at.fill_(self._n_context)
        return graph


def context_of(case: heldout.Case, codec: TokenCodec, special: SpecialTokens, n_tokens: int) -> list[int]:
    """What the base is shown of a case, at most ``n_tokens`` of it, laid out as in a request."""
    language = languages.by_id(case.language)
    return lay_out(
        case.prefix,
        case.suffix,
        codec,
        special,
        budget_tokens=n_tokens,
        heal=True,
        landmarks=lambda: regions.landmarks(case.prefix + case.suffix, len(case.prefix), language),
    ).context
