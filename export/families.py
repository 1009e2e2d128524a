"""A published checkpoint's config to what kind of model it is: sizes, tensors, attention, noise and decoding.

The one place that knows families by name. Sources: each family's public configuration and generation code;
the defaults of decoding are the ones its makers publish.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.denoising.commit import CommitRule, Order
from export.checkpoint import Checkpoint, refuse
from export.config import ModelConfig
from export.family import Config, Family, Sources, Wishes, between, checked, decoder_family, with_head
from export.gemma_family import diffusion_gemma


def recognise(checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """What kind of model a checkpoint is.

    Raises:
        ArtifactError: it is of no family this version runs, or of a variant that it does not.
    """
    kind = checkpoint.config.get("model_type")
    if not isinstance(kind, str):
        raise refuse(f"the config of {checkpoint.directory.name} names no model_type")
    reader = READERS.get(kind)
    if kind in ("qwen2", "llama", "qwen3") and wishes.family in ("open-dcoder", "a2d", "a2d-block"):
        reader = _open_dcoder if wishes.family == "open-dcoder" else _a2d
    if reader is None:
        why = _UNSUPPORTED.get(kind, f"is a {kind!r} model: not a diffusion family this version knows")
        raise refuse(
            f"{checkpoint.directory.name} {why}",
            f"Known: {', '.join(sorted(READERS))}; `--family` where a config is an ordinary model's.",
        )
    return reader(Config(checkpoint.directory.name, checkpoint.config), checkpoint, wishes)


def _llada(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """LLaDA (arXiv 2502.09992): a Llama without a causal mask, under OLMo's names."""
    for key, allowed in {
        "block_type": ("llama",),
        "activation_type": ("silu",),
        "layer_norm_type": ("rms",),
        "rope": (True,),
        "alibi": (False,),
        "include_bias": (False,),
        "include_qkv_bias": (False, None),
        "attention_layer_norm": (False,),
        "input_emb_norm": (False,),
        "scale_logits": (False,),
        "block_group_size": (1,),
        "layer_norm_with_affine": (True,),
        "bias_for_layer_norm": (False, None),
    }.items():
        config.must(key, allowed, allowed[0])
    n_heads, n_hidden = config.size("n_heads"), config.size("d_model")
    sizes = ModelConfig(
        n_layers=config.size("n_layers"),
        n_hidden=n_hidden,
        n_heads=n_heads,
        n_kv_heads=config.size("n_kv_heads", n_heads),
        n_ffn=config.size("mlp_hidden_size", config.size("mlp_ratio", 4) * n_hidden),
        n_vocab=config.size("embedding_size", config.size("vocab_size")),
        rope_base=config.number("rope_theta", 10_000.0),
        norm_eps=config.number("rms_norm_eps", 1e-5),
        max_positions=config.size("max_sequence_length", 1024),
        qkv_bias=False,
    )
    checked(config, sizes)
    top = "model.transformer."
    sources: Sources = {"embedding.weight": (f"{top}wte.weight",)}
    for i in range(sizes.n_layers):
        ours, theirs = f"blocks.{i}.", f"{top}blocks.{i}."
        sources |= {
            f"{ours}attn.qkv.weight": tuple(f"{theirs}{part}_proj.weight" for part in "qkv"),
            f"{ours}attn_norm.weight": (f"{theirs}attn_norm.weight",),
            f"{ours}attn.output.weight": (f"{theirs}attn_out.weight",),
            f"{ours}ffn_norm.weight": (f"{theirs}ff_norm.weight",),
            f"{ours}ffn.gate_up.weight": (f"{theirs}ff_proj.weight", f"{theirs}up_proj.weight"),
            f"{ours}ffn.down.weight": (f"{theirs}ff_out.weight",),
        }
    sources |= {"norm.weight": (f"{top}ln_f.weight",), "head.weight": (f"{top}ff_out.weight",)}
    sources, tied = with_head(checkpoint, sources, tied=config.flag("weight_tying", default=False))
    return Family(
        "llada", sizes, sources, tied, "full", 0, 32, CommitRule(order="confidence"), mask_default=126_336
    )


def _dream(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """Dream, Dream-Coder, DiffuCoder (arXiv 2508.15487) and DreamOn (arXiv 2602.01326)."""
    made = checkpoint.generation_config
    rule = CommitRule(
        order=_DREAM_ORDERS.get(str(made.get("alg", "entropy")), "entropy"),
        temperature=between(made.get("temperature"), 0.0, 2.0, 0.2),
        top_p=between(made.get("top_p"), 0.0, 1.0, 0.95),
    )
    family = Family(
        "dream",
        attention="full",
        shift=1,
        window=32,
        rule=rule,
        bos=True,
        eos=True,
        mask_default=151_666,
        **decoder_family(config, checkpoint),
    )
    said = [settings.get("expand_token_id") for settings in (checkpoint.config, made)]
    expand = next((value for value in said if isinstance(value, int)), None)
    if expand is None and wishes.family == "dreamon":
        expand = 151_667
    if expand is None:
        return family
    deletes = [
        settings.get("delete_token_id", settings.get("eos_token_id"))
        for settings in (made, checkpoint.config)
    ]
    delete = next((value for value in deletes if isinstance(value, int)), None)
    rule = replace(rule, top_p=between(made.get("top_p"), 0.0, 1.0, 0.9))
    return replace(family, name="dreamon", window=4, expand=expand, delete=delete, rule=rule)


def _open_dcoder(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """Open-dCoder (Open-dLLM): Qwen2 with a mask token, told from the ordinary Qwen2 by nothing else."""
    named = checkpoint.json("tokenizer_config.json", needed=False).get("mask_token")
    if wishes.family is None and named is None and "mask_token_id" not in checkpoint.config:
        raise refuse(
            f"{config.name} is an ordinary Qwen2, which fills from left to right: no mask token is named",
            "If it is a diffusion checkpoint all the same, say which with `--family`.",
        )
    rule = CommitRule(order="confidence", temperature=0.6, remask=True)
    common = decoder_family(config, checkpoint)
    return Family("open-dcoder", attention="full", shift=1, window=32, rule=rule, **common)


def _a2d(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """Tiny-A2D (dLLM): Qwen2, Qwen3 or Llama with full attention, or by blocks (BD3-LM, arXiv 2503.09573)."""
    kind = str(config.data["model_type"]).removeprefix("a2d-")
    common = decoder_family(config, checkpoint, qkv_bias=kind == "qwen2", qk_norm=kind == "qwen3")
    rule = CommitRule(order="confidence")
    name = f"{config.data.get('_name_or_path', '')} {checkpoint.directory.resolve()}".lower()
    blocks = wishes.block is not None or wishes.family == "a2d-block" or "bd3lm" in name
    if not blocks:
        return Family("a2d", attention="full", shift=0, window=32, rule=rule, **common)
    block = wishes.block or 32
    return Family(
        "a2d-block", attention="block_causal", shift=0, window=block, block=block, rule=rule, **common
    )


def _fast_dllm(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """Fast-dLLM v2 (arXiv 2509.26328): blocks of Qwen2 that predict the next token, filled by confidence."""
    block = wishes.block or config.size("bd_size", 32)
    rule = CommitRule(order="confidence", threshold=0.9, sub_block=min(8, block))
    common = decoder_family(config, checkpoint)
    return Family(
        "fast-dllm",
        attention="block_causal",
        shift=1,
        window=block,
        block=block,
        rule=rule,
        mask_default=151_665,
        **common,
    )


def _sdar(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """SDAR (arXiv 2510.06303): blocks of Qwen3, four tokens each unless its config says otherwise."""
    block = wishes.block or config.size("block_size", config.size("block_length", 4))
    rule = CommitRule(order="confidence", threshold=0.85)
    common = decoder_family(config, checkpoint, qkv_bias=False, qk_norm=True)
    return Family(
        "sdar",
        attention="block_causal",
        shift=0,
        window=block,
        block=block,
        rule=rule,
        mask_default=151_669,
        **common,
    )


_DREAM_ORDERS: dict[str, Order] = {
    "maskgit_plus": "confidence",
    "topk_margin": "margin",
    "entropy": "entropy",
}

READERS: dict[str, Callable[[Config, Checkpoint, Wishes], Family]] = {
    "llada": _llada,
    "Dream": _dream,
    "qwen2": _open_dcoder,
    "a2d-qwen2": _a2d,
    "a2d-qwen3": _a2d,
    "a2d-llama": _a2d,
    "Fast_dLLM_Qwen": _fast_dllm,
    "sdar": _sdar,
    "diffusion_gemma": diffusion_gemma,
}

_MOE = "is a mixture of experts, of which this version runs DiffusionGemma's alone"
_UNSUPPORTED = {
    "llada_moe": f"{_MOE}",
    "lladamoe": f"{_MOE}",
    "llada2_moe": f"{_MOE}",
    "sdar_moe": f"{_MOE}",
    "bd3lm": "is the original BD3-LM, a time-conditioned transformer of its own that was not trained on code",
}


def name_of(source: str, directory: Path) -> str:
    """What an artifact is called after its checkpoint, in the letters that manifests allow."""
    last = (source.partition("@")[0].rstrip("/").rpartition("/")[2] or directory.name).lower()
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in last)
    return kept.strip("._-")[:80] or "checkpoint"
