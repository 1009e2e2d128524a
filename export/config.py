"""The shape of a model, read from a GGUF's metadata. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of a Qwen2-shaped decoder.

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

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.n_hidden // self.n_heads

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
