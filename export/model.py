"""The denoiser in torch: one decoder, any visibility between its rows, an adapter on those that ask for it.

Decoders of the Llama kind (Llama, LLaDA, Qwen2, Qwen3) differ in its config alone.

The same module is the context encoder, the canvas decoder and the verifier: what a row may see is an
input (``bias``), and so is whether it runs through the canvas adapter (``gate``); a row with a closed
gate is computed by the base alone. Keys and values of earlier tokens come in as fixed-size buffers;
those of the new rows go out and are stored by the caller. Written for export: plain tensor operations,
no caching, no branches on data; leading batch dimensions (``*``) serve training. Sources: the Qwen2
technical report (arXiv 2407.10671) for RMS norm, rotary positions, grouped-query attention with biases
on q, k, v, SwiGLU; gated low-rank adapters on masked slots from arXiv 2507.11851.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.config import ModelConfig

MASK_ID = -1
"""Token id of a masked slot; its input is the adapter's mask embedding."""


class RMSNorm(nn.Module):
    """Root mean square normalisation with a gain."""

    def __init__(self, n_hidden: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_hidden))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise rows ``[*, S, n_hidden]``, in float32 whatever they are kept in."""
        if x.dtype != torch.float32:
            return F.rms_norm(x.float(), x.shape[-1:], eps=self.eps).to(x.dtype) * self.weight
        # Spelled out in the form that ONNX Runtime recognises and runs as one kernel.
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class AdaptedLinear(nn.Linear):
    """A linear layer with a gated low-rank delta: ``W x + bias + gate * B (A x)``.

    Args:
        n_in, n_out: widths.
        rank: of the delta; 0 leaves the delta out altogether.
        bias: whether there is one.
    """

    def __init__(self, n_in: int, n_out: int, rank: int, *, bias: bool) -> None:
        super().__init__(n_in, n_out, bias=bias)
        if rank:
            self.lora_a = nn.Parameter(torch.zeros(rank, n_in))
            self.lora_b = nn.Parameter(torch.zeros(n_out, rank))
        self.rank = rank

    def forward(self, x: Tensor, gate: Tensor | None = None) -> Tensor:
        """Transform rows ``[*, S, n_in]``; ``gate [*, S, 1]`` is 1 where the delta counts, None nowhere."""
        y = super().forward(x)
        if gate is None or not self.rank:
            return y
        a, b = self.lora_a.to(x.dtype), self.lora_b.to(x.dtype)
        return y + F.linear(F.linear(x, a) * gate, b)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, half-split pairing: x ``[*, H, S, D]``; cos, sin ``[*, 1, S, D/2]``, ``[S, D/2]``."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _shared_product(x: Tensor, shared: Tensor) -> Tensor:
    """Product of x ``[*, G, H, S, n]`` or ``[*, H, S, n]`` with ``shared [*, H, n, m]``."""
    if x.dim() == shared.dim():
        return x @ shared
    n_canvases = x.shape[-4]
    rows = x.transpose(-4, -3).flatten(-3, -2) @ shared  # [*, H, G * S, m]
    return rows.unflatten(-2, (n_canvases, -1)).transpose(-4, -3)


class Attention(nn.Module):
    """Grouped-query attention over a buffer of earlier tokens and the new rows themselves."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, kv_width = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
        rank = config.adapter_rank
        self.qkv = AdaptedLinear(config.n_hidden, width + 2 * kv_width, rank, bias=config.qkv_bias)
        self.output = AdaptedLinear(width, config.n_hidden, rank, bias=False)
        if config.qk_norm:
            self.q_norm = RMSNorm(config.head_dim, config.norm_eps)
            self.k_norm = RMSNorm(config.head_dim, config.norm_eps)

    def forward(
        self,
        x: Tensor,
        gate: Tensor | None,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        columns: Tensor | None,
        past_k: Tensor,
        past_v: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend.

        Args:
            x: normalised rows ``[*, S, n_hidden]``.
            gate: see ``AdaptedLinear``.
            cos, sin: see ``rotate``.
            bias: added to the scores, 0 where row s sees column t and very negative where it does not
                ``[S, C]``. Without ``columns`` the new rows' own columns come behind the buffer's
                ``[S, C + S]``, or ``[*, G, 1, 1, S, C + S]``.
            columns: the places of the new rows in the buffer ``[S]``, int64. A row's result is then the
                same, to the bit, whether the rows it sees are in the buffer already or new with it.
            past_k, past_v: ``[*, n_kv_heads, C, D]``; where ``x`` is ``[*, G, S, n_hidden]``, G canvases
                share one buffer.

        Returns:
            the output ``[*, S, n_hidden]``, and the new keys and values ``[*, n_kv_heads, S, D]`` each.
        """
        c = self.config
        batch, n_new = x.shape[:-2], x.shape[-2]
        group = c.n_heads // c.n_kv_heads
        heads = self.qkv(x, gate).view(*batch, n_new, c.n_heads + 2 * c.n_kv_heads, c.head_dim)
        heads = heads.transpose(-3, -2)
        turned = heads[..., : c.n_heads + c.n_kv_heads, :, :]
        if c.qk_norm:
            query, key = turned.split([c.n_heads, c.n_kv_heads], dim=-3)
            turned = torch.cat([self.q_norm(query), self.k_norm(key)], dim=-3)
        turned = rotate(turned, cos, sin)
        new_k, new_v = turned[..., c.n_heads :, :, :], heads[..., c.n_heads + c.n_kv_heads :, :, :]
        # Query heads that share a key head stand together: one product per key head, nothing repeated.
        query = turned[..., : c.n_heads, :, :] * c.head_dim**-0.5
        query = query.reshape(*batch, c.n_kv_heads, group * n_new, c.head_dim)

        def weighted(scores: Tensor) -> Tensor:
            scores = scores.reshape(*batch, c.n_kv_heads, group, n_new, -1) + bias
            return scores.softmax(dim=-1).view(*batch, c.n_kv_heads, group * n_new, -1)

        if columns is None:
            n_past = past_k.shape[-2]
            over_past = _shared_product(query, past_k.transpose(-2, -1))
            weights = weighted(torch.cat([over_past, query @ new_k.transpose(-2, -1)], dim=-1))
            mixed = _shared_product(weights[..., :n_past], past_v) + weights[..., n_past:] @ new_v
        else:
            places = columns[:, None].expand(new_k.shape)
            keys, values = past_k.scatter(-2, places, new_k), past_v.scatter(-2, places, new_v)
            mixed = weighted(query @ keys.transpose(-2, -1)) @ values
        mixed = mixed.reshape(*batch, c.n_heads, n_new, c.head_dim).transpose(-3, -2)
        return self.output(mixed.reshape(*batch, n_new, c.n_heads * c.head_dim), gate), new_k, new_v


class FeedForward(nn.Module):
    """SwiGLU; gate and up projections are one matrix, gate rows first."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = AdaptedLinear(config.n_hidden, 2 * config.n_ffn, config.adapter_rank, bias=False)
        self.down = AdaptedLinear(config.n_ffn, config.n_hidden, config.adapter_rank, bias=False)

    def forward(self, x: Tensor, gate: Tensor | None) -> Tensor:
        """Transform rows ``[*, S, n_hidden]``; ``gate``: see ``AdaptedLinear``."""
        opened, up = self.gate_up(x, gate).chunk(2, dim=-1)
        return self.down(F.silu(opened) * up, gate)


class Block(nn.Module):
    """One decoder block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attn_norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.attn = Attention(config)
        self.ffn_norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(
        self,
        x: Tensor,
        gate: Tensor | None,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        columns: Tensor | None,
        past_k: Tensor,
        past_v: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Transform rows; arguments and results as in ``Attention.forward``, before normalisation."""
        attended, new_k, new_v = self.attn(self.attn_norm(x), gate, cos, sin, bias, columns, past_k, past_v)
        x = x + attended
        return x + self.ffn(self.ffn_norm(x), gate), new_k, new_v


class DenoiserModel(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_vocab, config.n_hidden)
        if config.adapter_rank:
            self.mask_embedding = nn.Parameter(torch.zeros(config.n_hidden))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.head = nn.Linear(config.n_hidden, config.n_vocab, bias=False)
        self.register_buffer("inv_freq", self.inverse_frequencies(config), persistent=False)

    @staticmethod
    def inverse_frequencies(config: ModelConfig) -> Tensor:
        """Rotary frequencies ``[head_dim / 2]``."""
        exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
        frequencies = config.rope_base**-exponent
        scaling = config.rope_scaling
        if scaling is None:
            return frequencies.float()
        turns = frequencies * scaling.original / (2 * torch.pi)
        kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0.0, 1.0)
        return (frequencies * (kept + (1.0 - kept) / scaling.factor)).float()

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        gate: Tensor | None,
        bias: Tensor,
        columns: Tensor,
        logit_rows: Tensor,
        past_k: list[Tensor],
        past_v: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """One pass.

        Args:
            ids, positions, gate, bias, columns, past_k, past_v: see ``hidden``, without a batch.
            logit_rows: which rows' logits are wanted ``[R]``, int64.

        Returns:
            logits ``[R, n_vocab]``; new keys and values per layer ``[n_kv_heads, S, D]``.
        """
        x, new_k, new_v = self.hidden(ids, positions, gate, bias, columns, past_k, past_v)
        return self.head(self.norm(x[logit_rows])), new_k, new_v

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor,
        gate: Tensor | None,
        bias: Tensor,
        columns: Tensor | None,
        past_k: list[Tensor],
        past_v: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """One pass without its last step.

        Args:
            ids: token ids of the new rows ``[*, S]``, int64; ``MASK_ID`` for a masked slot.
            positions: their positions ``[*, S]``, int64.
            gate: 1 for rows of a canvas, which run through the adapter, 0 for rows of the base alone
                ``[*, S, 1]``; None for all closed.
            bias, columns: see ``Attention``.
            past_k, past_v: per layer ``[*, n_kv_heads, C, D]``.

        Returns:
            the residual stream, before the last norm ``[*, S, n_hidden]``; new keys and values per layer.
        """
        angles = positions.to(torch.float32)[..., None] * self.inv_freq
        if positions.dim() > 1:
            angles = angles.unsqueeze(-3)  # the same for every head
        if gate is None:
            x = self.embedding(ids)
        else:
            x = self.embedding(ids.clamp(min=0))
            x = torch.where((ids < 0)[..., None], self.mask_embedding.to(x.dtype), x)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        new_k: list[Tensor] = []
        new_v: list[Tensor] = []
        for block, k, v in zip(self.blocks, past_k, past_v, strict=True):
            x, block_k, block_v = block(x, gate, cos, sin, bias, columns, k, v)
            new_k.append(block_k)
            new_v.append(block_v)
        return x, new_k, new_v
