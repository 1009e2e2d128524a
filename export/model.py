"""The denoiser in torch: one decoder, any visibility between its rows.

The same module is the context encoder, the canvas decoder and the verifier: what a row may see is an
input (``bias``), not a property of the graph. Keys and values of earlier tokens come in as fixed-size
buffers; those of the new rows go out and are stored by the caller. Written for export: plain tensor
operations, no caching, no branches on data. Source of the architecture: the Qwen2 technical report
(arXiv 2407.10671): RMS norm, rotary positions, grouped-query attention with biases on q, k, v, SwiGLU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.config import ModelConfig


class RMSNorm(nn.Module):
    """Root mean square normalisation with a gain."""

    def __init__(self, n_hidden: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_hidden))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise rows ``[S, n_hidden]``."""
        # Spelled out in the form that ONNX Runtime recognises and runs as one kernel.
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, half-split pairing: x ``[H, S, D]``, cos and sin ``[S, D/2]``."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Attention(nn.Module):
    """Grouped-query attention over a buffer of earlier tokens and the new rows themselves."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        kv_width = config.n_kv_heads * config.head_dim
        self.qkv = nn.Linear(config.n_hidden, config.n_hidden + 2 * kv_width, bias=True)
        self.output = nn.Linear(config.n_hidden, config.n_hidden, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, past_k: Tensor, past_v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend.

        Args:
            x: normalised rows ``[S, n_hidden]``.
            cos, sin: ``[S, D/2]``.
            bias: added to the scores, 0 where row s sees column t and very negative where it does
                not; the buffer's columns come first. ``[S, C + S]``.
            past_k, past_v: ``[n_kv_heads, C, D]``.

        Returns:
            the output ``[S, n_hidden]``, and the new keys and values ``[n_kv_heads, S, D]`` each.
        """
        c = self.config
        n_new, n_past, group = x.shape[0], past_k.shape[1], c.n_heads // c.n_kv_heads
        heads = self.qkv(x).view(n_new, c.n_heads + 2 * c.n_kv_heads, c.head_dim).transpose(0, 1)
        turned = rotate(heads[: c.n_heads + c.n_kv_heads], cos, sin)
        new_k, new_v = turned[c.n_heads :], heads[c.n_heads + c.n_kv_heads :]
        # Query heads that share a key head stand together: one product per key head, nothing repeated.
        query = (turned[: c.n_heads] * c.head_dim**-0.5).reshape(c.n_kv_heads, group * n_new, c.head_dim)

        scores = torch.cat([query @ past_k.transpose(1, 2), query @ new_k.transpose(1, 2)], dim=-1)
        scores = scores.view(c.n_kv_heads, group, n_new, -1) + bias
        weights = scores.softmax(dim=-1).view(c.n_kv_heads, group * n_new, -1)
        mixed = weights[..., :n_past] @ past_v + weights[..., n_past:] @ new_v
        mixed = mixed.view(c.n_heads, n_new, c.head_dim).transpose(0, 1).reshape(n_new, c.n_hidden)
        return self.output(mixed), new_k, new_v


class FeedForward(nn.Module):
    """SwiGLU; gate and up projections are one matrix, gate rows first."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.n_hidden, 2 * config.n_ffn, bias=False)
        self.down = nn.Linear(config.n_ffn, config.n_hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform rows ``[S, n_hidden]``."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """One decoder block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attn_norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.attn = Attention(config)
        self.ffn_norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, past_k: Tensor, past_v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Transform rows; arguments and results as in ``Attention.forward``, before normalisation."""
        attended, new_k, new_v = self.attn(self.attn_norm(x), cos, sin, bias, past_k, past_v)
        x = x + attended
        return x + self.ffn(self.ffn_norm(x)), new_k, new_v


class DenoiserModel(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_vocab, config.n_hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.head = nn.Linear(config.n_hidden, config.n_vocab, bias=False)
        self.register_buffer("inv_freq", self.inverse_frequencies(config), persistent=False)

    @staticmethod
    def inverse_frequencies(config: ModelConfig) -> Tensor:
        """Rotary frequencies ``[head_dim / 2]``."""
        exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
        return (config.rope_base**-exponent).float()

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        bias: Tensor,
        logit_rows: Tensor,
        past_k: list[Tensor],
        past_v: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """One pass.

        Args:
            ids: token ids of the new rows ``[S]``, int64.
            positions: their positions ``[S]``, int64.
            bias: ``[S, C + S]``, see ``Attention``.
            logit_rows: which rows' logits are wanted ``[R]``, int64.
            past_k, past_v: per layer ``[n_kv_heads, C, D]``.

        Returns:
            logits ``[R, n_vocab]``; new keys and values per layer ``[n_kv_heads, S, D]``.
        """
        angles = positions.to(torch.float32)[:, None] * self.inv_freq
        cos, sin = angles.cos(), angles.sin()
        x = self.embedding(ids)
        new_k: list[Tensor] = []
        new_v: list[Tensor] = []
        for block, k, v in zip(self.blocks, past_k, past_v, strict=True):
            x, block_k, block_v = block(x, cos, sin, bias, k, v)
            new_k.append(block_k)
            new_v.append(block_v)
        return self.head(self.norm(x[logit_rows])), new_k, new_v
