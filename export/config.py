"""The shape of a model, read from a GGUF's metadata or a checkpoint's config. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """Frequencies stretched for longer texts, the low ones only (Llama 3.1, ``rope_type: llama3``).

    Attributes:
        factor: by how much the low ones are stretched.
        low, high: turns within the original length below which a frequency is low, above which it is high.
        original: positions of the original training.
    """

    factor: float
    low: float
    high: float
    original: int


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of a decoder of the Llama kind: Qwen2 unless its fields say otherwise.

    Attributes:
        n_layers: blocks.
        n_hidden: width of the residual stream.
        n_heads: query heads.
        n_kv_heads: key and value heads; divides ``n_heads``.
        n_ffn: width of the gated feed-forward layer.
        n_vocab: rows of the embedding.
        rope_base: base of the rotary frequencies.
        norm_eps: epsilon of the RMS norms.
        max_positions: positions the model was trained for.
        adapter_rank: rank of the canvas adapter; 0 for the base alone.
        head_width: width of one head; 0 where the heads share ``n_hidden``.
        qkv_bias: whether queries, keys and values have biases (Qwen2).
        qk_norm: whether queries and keys are normalised head by head (Qwen3).
        rope_scaling: how the rotary frequencies are stretched; None where they are not (Llama 3.1 and later).
    """

    n_layers: int
    n_hidden: int
    n_heads: int
    n_kv_heads: int
    n_ffn: int
    n_vocab: int
    rope_base: float = 1_000_000.0
    norm_eps: float = 1e-6
    max_positions: int = 32_768
    adapter_rank: int = 0
    head_width: int = 0
    qkv_bias: bool = True
    qk_norm: bool = False
    rope_scaling: RopeScaling | None = None

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.head_width or self.n_hidden // self.n_heads

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, object], n_vocab: int) -> ModelConfig:
        """Read the sizes from GGUF metadata.

        Raises:
            ValueError: the file holds another architecture than Qwen2.
            KeyError: a size is missing.
        """
        architecture = metadata["general.architecture"]
        if architecture != "qwen2":
            raise ValueError(f"the GGUF holds a {architecture!r} model; this family reads 'qwen2'")

        def number(key: str) -> float:
            return float(str(metadata[f"qwen2.{key}"]))

        return cls(
            n_layers=int(number("block_count")),
            n_hidden=int(number("embedding_length")),
            n_heads=int(number("attention.head_count")),
            n_kv_heads=int(number("attention.head_count_kv")),
            n_ffn=int(number("feed_forward_length")),
            n_vocab=n_vocab,
            rope_base=number("rope.freq_base"),
            norm_eps=number("attention.layer_norm_rms_epsilon"),
            max_positions=int(number("context_length")),
        )


@dataclass(frozen=True, slots=True)
class GemmaLayer:
    """Sizes of one layer of a Gemma.

    Attributes:
        sliding: whether it sees a window of the context alone.
        n_kv_heads: key heads.
        head_dim: width of one head.
    """

    sliding: bool
    n_kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class GemmaConfig:
    """Sizes of a DiffusionGemma's text model.

    Attributes:
        n_hidden, n_heads, n_ffn, n_vocab, norm_eps, max_positions: see ``ModelConfig``.
        layers: of each layer.
        n_experts, n_active, n_expert_ffn: experts of a layer, how many a row goes to, and their width.
        window: how many tokens back a sliding layer sees, the token itself counted.
        near_base, far_base: base of the rotary frequencies, of sliding layers and of the others.
        far_share: how much of a head the other layers turn.
        softcap: bound of the logits.
    """

    n_hidden: int
    n_heads: int
    n_ffn: int
    n_vocab: int
    norm_eps: float
    max_positions: int
    layers: tuple[GemmaLayer, ...]
    n_experts: int
    n_active: int
    n_expert_ffn: int
    window: int
    near_base: float
    far_base: float
    far_share: float
    softcap: float

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)


AnyConfig = ModelConfig | GemmaConfig
