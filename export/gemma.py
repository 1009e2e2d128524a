"""DiffusionGemma's text model in torch, written for export: causal context and canvas as one graph.

A closed gate makes a row one of the context (plain embeddings, the encoder's layer scales), an open one a
slot of the canvas, which also sees what the pass before said of it. Who sees whom comes in from outside, once
for layers that see everything and once for those with a sliding window. Experts are computed one by one for
all rows and weighted by the router: exact, and as much work as having no router at all. Source: transformers'
``DiffusionGemmaForBlockDiffusion``, against which it is tested; images are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.config import GemmaConfig, GemmaLayer
from export.model import RMSNorm, rotate


def normalised(x: Tensor, eps: float) -> Tensor:
    """RMS norm without a gain ``[*, n]``."""
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + eps)


class GatedLinearUnit(nn.Module):
    """A feed-forward layer with a tanh-GELU gate; gate and up projections are separate matrices."""

    def __init__(self, n_hidden: int, n_ffn: int) -> None:
        super().__init__()
        self.gate = nn.Linear(n_hidden, n_ffn, bias=False)
        self.up = nn.Linear(n_hidden, n_ffn, bias=False)
        self.down = nn.Linear(n_ffn, n_hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform rows ``[S, n_hidden]``."""
        return self.down(F.gelu(self.gate(x), approximate="tanh") * self.up(x))


class Expert(nn.Module):
    """One expert; gate and up projections are one matrix, gate rows first."""

    def __init__(self, n_hidden: int, n_ffn: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(n_hidden, 2 * n_ffn, bias=False)
        self.down = nn.Linear(n_ffn, n_hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform rows ``[S, n_hidden]``."""
        opened, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.gelu(opened, approximate="tanh") * up)


class Router(nn.Module):
    """What share of each expert a row gets: of the few that suit it best, none of the others."""

    def __init__(self, config: GemmaConfig) -> None:
        super().__init__()
        self.config = config
        self.proj = nn.Linear(config.n_hidden, config.n_experts, bias=False)
        self.scale = nn.Parameter(torch.ones(config.n_hidden))
        self.expert_scale = nn.Parameter(torch.ones(config.n_experts))

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[S, n_hidden]`` to shares ``[S, n_experts]``."""
        c = self.config
        scores = self.proj(normalised(x, c.norm_eps) * self.scale * c.n_hidden**-0.5)
        shares, experts = scores.softmax(dim=-1).topk(c.n_active, dim=-1)
        shares = shares / shares.sum(dim=-1, keepdim=True)
        return torch.zeros_like(scores).scatter(-1, experts, shares) * self.expert_scale


class GemmaAttention(nn.Module):
    """Grouped-query attention with normalised queries, keys and values, and no scale."""

    def __init__(self, config: GemmaConfig, layer: GemmaLayer) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        width, kv_width = config.n_heads * layer.head_dim, layer.n_kv_heads * layer.head_dim
        self.q = nn.Linear(config.n_hidden, width, bias=False)
        self.k = nn.Linear(config.n_hidden, kv_width, bias=False)
        if layer.sliding:  # elsewhere keys serve as values
            self.v = nn.Linear(config.n_hidden, kv_width, bias=False)
        self.output = nn.Linear(width, config.n_hidden, bias=False)
        self.q_norm = RMSNorm(layer.head_dim, config.norm_eps)
        self.k_norm = RMSNorm(layer.head_dim, config.norm_eps)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        columns: Tensor,
        past_k: Tensor,
        past_v: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend over a buffer of earlier tokens and the new rows; see ``export.model.Attention``."""
        n_new, layer, c = x.shape[0], self.layer, self.config
        query = self.q_norm(self.q(x).view(n_new, c.n_heads, layer.head_dim)).transpose(0, 1)
        raw = self.k(x).view(n_new, layer.n_kv_heads, layer.head_dim)
        value = self.v(x).view(n_new, layer.n_kv_heads, layer.head_dim) if layer.sliding else raw
        new_k = rotate(self.k_norm(raw).transpose(0, 1), cos, sin)
        new_v = normalised(value, c.norm_eps).transpose(0, 1)
        places = columns[:, None].expand(new_k.shape)
        keys, values = past_k.scatter(-2, places, new_k), past_v.scatter(-2, places, new_v)
        group = c.n_heads // layer.n_kv_heads
        query = rotate(query, cos, sin).reshape(layer.n_kv_heads, group * n_new, layer.head_dim)
        scores = (query @ keys.transpose(-2, -1)).view(layer.n_kv_heads, group, n_new, -1) + bias
        weights = scores.softmax(dim=-1).view(layer.n_kv_heads, group * n_new, -1)
        mixed = (weights @ values).view(c.n_heads, n_new, layer.head_dim).transpose(0, 1)
        return self.output(mixed.reshape(n_new, -1)), new_k, new_v


class GemmaBlock(nn.Module):
    """One layer: attention, then a dense and a routed feed-forward layer side by side."""

    def __init__(self, config: GemmaConfig, layer: GemmaLayer) -> None:
        super().__init__()
        n_hidden, eps = config.n_hidden, config.norm_eps
        self.attn_norm, self.after_attn_norm = RMSNorm(n_hidden, eps), RMSNorm(n_hidden, eps)
        self.attn = GemmaAttention(config, layer)
        self.ffn_norm, self.after_ffn_norm = RMSNorm(n_hidden, eps), RMSNorm(n_hidden, eps)
        self.ffn = GatedLinearUnit(n_hidden, config.n_ffn)
        self.dense_norm = RMSNorm(n_hidden, eps)
        self.router = Router(config)
        self.expert_norm, self.routed_norm = RMSNorm(n_hidden, eps), RMSNorm(n_hidden, eps)
        self.experts = nn.ModuleList(Expert(n_hidden, config.n_expert_ffn) for _ in range(config.n_experts))
        self.context_scale = nn.Parameter(torch.ones(1))
        self.canvas_scale = nn.Parameter(torch.ones(1))

    def forward(
        self,
        x: Tensor,
        gate: Tensor,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        columns: Tensor,
        past_k: Tensor,
        past_v: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Transform rows ``[S, n_hidden]``; ``gate [S, 1]`` is 1 for slots of the canvas."""
        attended, new_k, new_v = self.attn(self.attn_norm(x), cos, sin, bias, columns, past_k, past_v)
        x = x + self.after_attn_norm(attended)
        dense = self.dense_norm(self.ffn(self.ffn_norm(x)))
        shares, rows = self.router(x), self.expert_norm(x)
        routed = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            routed = routed + shares[:, number : number + 1] * expert(rows)
        x = x + self.after_ffn_norm(dense + self.routed_norm(routed))
        return x * torch.where(gate > 0, self.canvas_scale, self.context_scale), new_k, new_v


class GemmaModel(nn.Module):
    """The whole text model."""

    def __init__(self, config: GemmaConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_vocab, config.n_hidden)
        self.soft_embedding = nn.Linear(config.n_vocab, config.n_hidden, bias=False)  # the same, transposed
        self.condition_norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.condition = GatedLinearUnit(config.n_hidden, config.n_ffn)
        self.blocks = nn.ModuleList(GemmaBlock(config, layer) for layer in config.layers)
        self.norm = RMSNorm(config.n_hidden, config.norm_eps)
        self.head = nn.Linear(config.n_hidden, config.n_vocab, bias=False)
        self.register_buffer("far_freq", self.inverse_frequencies(config, sliding=False), persistent=False)
        self.register_buffer("near_freq", self.inverse_frequencies(config, sliding=True), persistent=False)

    @staticmethod
    def inverse_frequencies(config: GemmaConfig, *, sliding: bool) -> Tensor:
        """Rotary frequencies ``[head_dim / 2]``; layers that see everything turn a part of each head."""
        width = next((layer.head_dim for layer in config.layers if layer.sliding == sliding), 2)
        base, share = (config.near_base, 1.0) if sliding else (config.far_base, config.far_share)
        n_turned = int(share * width // 2)
        exponent = torch.arange(0, 2 * n_turned, 2, dtype=torch.float64) / width
        still = torch.zeros(width // 2 - n_turned, dtype=torch.float64)
        return torch.cat([base**-exponent, still]).float()

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        gate: Tensor,
        bias: Tensor,
        near_bias: Tensor,
        columns: Tensor,
        logit_rows: Tensor,
        conditioned: Tensor,
        previous: Tensor,
        past: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """One pass.

        Args:
            ids, positions, gate, bias, columns, logit_rows: see ``export.model.DenoiserModel``.
            near_bias: as ``bias``, for layers with a sliding window ``[S, C]``.
            conditioned: 1 where ``previous`` counts ``[S, 1]``.
            previous: logits of the pass before, for each row ``[S, n_vocab]``.
            past: keys and values, layer by layer.

        Returns:
            logits ``[R, n_vocab]``, then new keys and values, layer by layer.
        """
        c, scale = self.config, self.config.n_hidden**0.5
        x = self.embedding(ids) * scale
        soft = self.soft_embedding(previous.softmax(dim=-1)) * scale * conditioned
        x = torch.where(gate > 0, normalised(x + self.condition(self.condition_norm(soft)), c.norm_eps), x)
        turns = {}
        for sliding, frequencies in ((False, self.far_freq), (True, self.near_freq)):
            angles = positions.to(torch.float32)[:, None] * frequencies
            turns[sliding] = (angles.cos(), angles.sin())
        new: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            sliding = c.layers[i].sliding
            cos, sin = turns[sliding]
            visible = near_bias if sliding else bias
            x, new_k, new_v = block(x, gate, cos, sin, visible, columns, past[2 * i], past[2 * i + 1])
            new += [new_k, new_v]
        logits = self.head(self.norm(x[logit_rows]))
        return (torch.tanh(logits / c.softcap) * c.softcap, *new)
