"""What a family is, and what the configs of most have in common: sizes, tensor names, typed access.

Knows no family by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.denoising.commit import CommitRule
from engine.denoising.diffusion import Attention, Noise
from engine.errors import ArtifactError
from export.checkpoint import Checkpoint, refuse
from export.config import AnyConfig, ModelConfig, RopeScaling

Sources = dict[str, tuple[str, ...]]

MAX_SIZE = 1 << 24
"""No size in a config is larger; one that is, is a lie or a mistake."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a checkpoint is, all but the ids of its tokens.

    Attributes:
        name: as in ``engine.denoising.diffusion.FAMILIES``.
        config: sizes.
        sources: parameter name to the tensors of the checkpoint that are stacked to make it.
        tied: parameter name to the parameter that it shares its values with.
        attention, shift, noise, block, window, rule: see ``engine.denoising.diffusion.Diffusion``.
        bos, eos: whether the text stands between these.
        mask_spellings: how the tokenizer may spell the mask token.
        mask_default: its id where nothing names it.
        expand, delete: ids, where the family has such tokens.
        ignored: patterns of tensors that are of no use here.
    """

    name: str
    config: AnyConfig
    sources: Sources
    tied: dict[str, str]
    attention: Attention
    shift: int
    window: int
    rule: CommitRule
    noise: Noise = "mask"
    block: int = 0
    bos: bool = False
    eos: bool = False
    mask_spellings: tuple[str, ...] = ("<|mask|>", "<|MASK|>", "|<MASK>|", "[MASK]", "<|mdm_mask|>")
    mask_default: int | None = None
    expand: int | None = None
    delete: int | None = None
    ignored: tuple[str, ...] = field(default=(r".*rotary_emb\.inv_freq",))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a config does not say and the user may.

    Attributes:
        family: name of the family, where the config is an ordinary model's.
        block: length of a block, where a family comes with and without them.
    """

    family: str | None = None
    block: int | None = None


class Config:
    """Typed access to a config; every complaint names the key."""

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        self.name, self.data = name, data

    def size(self, key: str, default: int | None = None) -> int:
        """A whole number, at least 1."""
        value = self.data.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIZE:
            raise ArtifactError(f"the config of {self.name} says {key} is {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        """A number above 0."""
        value = self.data.get(key)
        value = default if value is None else value
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise ArtifactError(f"the config of {self.name} says {key} is {value!r}")
        return float(value)

    def must(self, key: str, allowed: tuple[object, ...], default: object) -> None:
        """Refuse a variant that would be computed wrongly."""
        value = self.data.get(key, default)
        if value not in allowed:
            raise refuse(f"the config of {self.name} says {key} is {value!r}, which this version cannot run")

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise ArtifactError(f"the config of {self.name} says {key} is {value!r}")
        return value

    def part(self, key: str) -> Config:
        """A config within this one."""
        data = self.data.get(key)
        if not isinstance(data, Mapping):
            raise ArtifactError(f"the config of {self.name} has no {key}")
        return self.of(data)

    def of(self, data: Mapping[str, Any]) -> Config:
        """Other values under the same name."""
        return Config(self.name, data)

    def rope(self) -> tuple[float, RopeScaling | None]:
        """Base of the rotary frequencies, and how they are stretched."""
        said = self.data.get("rope_parameters") or self.data.get("rope_scaling") or {}
        if not isinstance(said, Mapping):
            raise ArtifactError(f"the config of {self.name} says rope_scaling is {said!r}")
        inner = self.of(said)
        base = inner.number("rope_theta", self.number("rope_theta", 10_000.0))
        kind = said.get("rope_type", said.get("type", "default"))
        if kind == "default":
            return base, None
        if kind != "llama3":
            raise refuse(
                f"the config of {self.name} stretches positions by {kind!r}, which this version cannot"
            )
        original = inner.size("original_max_position_embeddings")
        low, high = inner.number("low_freq_factor", 1.0), inner.number("high_freq_factor", 4.0)
        return base, RopeScaling(inner.number("factor", 8.0), low, high, original)


def decoder_sizes(config: Config, *, qkv_bias: bool, qk_norm: bool) -> ModelConfig:
    """Sizes of a decoder with transformers' names."""
    config.must("hidden_act", ("silu",), "silu")
    config.must("use_sliding_window", (False, None), None)
    config.must("attention_bias", (False, None) if not qkv_bias else (True, None), None)
    config.must("mlp_bias", (False, None), None)
    rope_base, scaling = config.rope()
    n_heads, n_hidden = config.size("num_attention_heads"), config.size("hidden_size")
    sizes = ModelConfig(
        n_layers=config.size("num_hidden_layers"),
        n_hidden=n_hidden,
        n_heads=n_heads,
        n_kv_heads=config.size("num_key_value_heads", n_heads),
        n_ffn=config.size("intermediate_size"),
        n_vocab=config.size("vocab_size"),
        rope_base=rope_base,
        norm_eps=config.number("rms_norm_eps", 1e-6),
        max_positions=config.size("max_position_embeddings", 2048),
        head_width=config.size("head_dim", max(n_hidden // n_heads, 1)),
        qkv_bias=qkv_bias,
        qk_norm=qk_norm,
        rope_scaling=scaling,
    )
    return checked(config, sizes)


def checked(config: Config, sizes: ModelConfig) -> ModelConfig:
    """Sizes whose heads divide."""
    if sizes.n_heads % sizes.n_kv_heads or sizes.head_dim % 2:
        raise ArtifactError(f"the config of {config.name} has heads that do not divide")
    return sizes


def decoder_sources(sizes: ModelConfig) -> Sources:
    """Tensors under transformers' names."""
    sources: Sources = {"embedding.weight": ("model.embed_tokens.weight",)}
    for i in range(sizes.n_layers):
        ours, theirs = f"blocks.{i}.", f"model.layers.{i}."
        attention = f"{theirs}self_attn."
        for kind in ("weight", "bias") if sizes.qkv_bias else ("weight",):
            sources[f"{ours}attn.qkv.{kind}"] = tuple(f"{attention}{part}_proj.{kind}" for part in "qkv")
        if sizes.qk_norm:
            sources |= {
                f"{ours}attn.{part}_norm.weight": (f"{attention}{part}_norm.weight",) for part in "qk"
            }
        sources |= {
            f"{ours}attn_norm.weight": (f"{theirs}input_layernorm.weight",),
            f"{ours}attn.output.weight": (f"{attention}o_proj.weight",),
            f"{ours}ffn_norm.weight": (f"{theirs}post_attention_layernorm.weight",),
            f"{ours}ffn.gate_up.weight": (f"{theirs}mlp.gate_proj.weight", f"{theirs}mlp.up_proj.weight"),
            f"{ours}ffn.down.weight": (f"{theirs}mlp.down_proj.weight",),
        }
    return sources | {"norm.weight": ("model.norm.weight",), "head.weight": ("lm_head.weight",)}


def with_head(checkpoint: Checkpoint, sources: Sources, *, tied: bool) -> tuple[Sources, dict[str, str]]:
    """Sources without the head where it shares the embedding's values."""
    (head,) = sources["head.weight"]
    if not tied and head in checkpoint.tensors:
        return sources, {}
    return {name: parts for name, parts in sources.items() if name != "head.weight"}, {
        "head.weight": "embedding.weight"
    }


def decoder_family(
    config: Config, checkpoint: Checkpoint, *, qkv_bias: bool = True, qk_norm: bool = False
) -> dict[str, Any]:
    """What all decoders with transformers' names have in common."""
    sizes = decoder_sizes(config, qkv_bias=qkv_bias, qk_norm=qk_norm)
    tied = config.flag("tie_word_embeddings", default=False)
    sources, shared = with_head(checkpoint, decoder_sources(sizes), tied=tied)
    ignored = (r".*rotary_emb\.inv_freq", *(("lm_head.weight",) if shared else ()))
    return {"config": sizes, "sources": sources, "tied": shared, "ignored": ignored}


def between(value: object, least: float, most: float, default: float) -> float:
    """A number of a generation config, if it is one within bounds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    return default
