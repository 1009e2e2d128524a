"""A DiffusionGemma checkpoint's config to what kind of model it is, and the names of its tensors."""

from __future__ import annotations

from collections.abc import Mapping

from engine.denoising.commit import CommitRule
from engine.errors import ArtifactError
from export.checkpoint import Checkpoint
from export.config import GemmaConfig, GemmaLayer
from export.family import Config, Family, Sources, Wishes, between


def diffusion_gemma(config: Config, checkpoint: Checkpoint, wishes: Wishes) -> Family:
    """DiffusionGemma: a causal Gemma 4 under a canvas of uniform noise; images are left out."""
    text = config.part("text_config")
    text.must("hidden_activation", ("gelu_pytorch_tanh",), "gelu_pytorch_tanh")
    text.must("attention_bias", (False,), False)
    text.must("use_bidirectional_attention", ("vision", None), None)
    config.must("tie_word_embeddings", (True,), True)
    n_layers, head_dim, n_kv_heads = (
        text.size(key) for key in ("num_hidden_layers", "head_dim", "num_key_value_heads")
    )
    kinds = text.data.get("layer_types")
    if not isinstance(kinds, list) or len(kinds) != n_layers or kinds[-1] != "full_attention":
        raise ArtifactError(f"the config of {config.name} has no layer_types that fit {n_layers} layers")
    overrides = text.data.get("per_layer_config") or {}
    layers = []
    for i, kind in enumerate(kinds):
        sliding = kind == "sliding_attention"
        own = text.of(overrides.get(str(i), {}) if isinstance(overrides, Mapping) else {})
        far_dim, far_heads = text.size("global_head_dim", 512), text.data.get("num_global_key_value_heads")
        layers.append(
            GemmaLayer(
                sliding,
                own.size("num_key_value_heads", n_kv_heads if sliding or far_heads is None else far_heads),
                own.size("head_dim", head_dim if sliding else far_dim),
            )
        )
    ropes = text.part("rope_parameters")
    near, far = ropes.part("sliding_attention"), ropes.part("full_attention")
    near.must("rope_type", ("default",), "default")
    far.must("rope_type", ("proportional",), "proportional")
    sizes = GemmaConfig(
        n_hidden=text.size("hidden_size"),
        n_heads=text.size("num_attention_heads"),
        n_ffn=text.size("intermediate_size"),
        n_vocab=text.size("vocab_size"),
        norm_eps=text.number("rms_norm_eps", 1e-6),
        max_positions=text.size("max_position_embeddings", 131_072),
        layers=tuple(layers),
        n_experts=text.size("num_experts"),
        n_active=text.size("top_k_experts"),
        n_expert_ffn=text.size("moe_intermediate_size"),
        window=text.size("sliding_window", 512),
        near_base=near.number("rope_theta", 10_000.0),
        far_base=far.number("rope_theta", 1_000_000.0),
        far_share=far.number("partial_rotary_factor", 0.25),
        softcap=text.number("final_logit_softcapping", 30.0),
    )
    made = checkpoint.generation_config
    sampler = made.get("sampler_config")
    rule = CommitRule(
        entropy_bound=between(
            sampler.get("entropy_bound") if isinstance(sampler, dict) else None, 0, 100, 0.1
        ),
        temperature=between(made.get("t_max"), 0.0, 10.0, 0.8),
        last_temperature=between(made.get("t_min"), 0.0, 10.0, 0.4),
        passes=int(between(made.get("max_denoising_steps"), 1, 4096, 48)),
        settled_entropy=between(made.get("confidence_threshold"), 0, 100, 0.005),
    )
    canvas = config.size("canvas_length", 256)
    return Family(
        "diffusion-gemma",
        sizes,
        _gemma_sources(sizes),
        {"head.weight": "embedding.weight"},
        "causal_context",
        0,
        canvas,
        rule,
        noise="uniform",
        bos=True,
        ignored=(r"model\.encoder\.(vision_tower|embed_vision)\..*", r"lm_head\.weight", *_GEMMA_TWICE),
    )


_GEMMA_TWICE = (r"model\.encoder\.language_model\.(?!layers\.\d+\.layer_scalar).*",)
"""The encoder's copies of the decoder's tensors, where a checkpoint has them."""


def _gemma_sources(sizes: GemmaConfig) -> Sources:
    """Tensors under transformers' names; experts are taken out of their stack one by one."""
    top = "model.decoder."
    sources: Sources = {
        "embedding.weight": (f"{top}embed_tokens.weight",),
        "soft_embedding.weight": (f"{top}embed_tokens.weight^T",),
        "condition_norm.weight": (f"{top}self_conditioning.pre_norm.weight",),
        "norm.weight": (f"{top}norm.weight",),
    }
    for part in ("gate", "up", "down"):
        sources[f"condition.{part}.weight"] = (f"{top}self_conditioning.{part}_proj.weight",)
    names = {
        "attn_norm.weight": "input_layernorm.weight",
        "after_attn_norm.weight": "post_attention_layernorm.weight",
        "attn.q.weight": "self_attn.q_proj.weight",
        "attn.k.weight": "self_attn.k_proj.weight",
        "attn.v.weight": "self_attn.v_proj.weight",
        "attn.output.weight": "self_attn.o_proj.weight",
        "attn.q_norm.weight": "self_attn.q_norm.weight",
        "attn.k_norm.weight": "self_attn.k_norm.weight",
        "ffn_norm.weight": "pre_feedforward_layernorm.weight",
        "after_ffn_norm.weight": "post_feedforward_layernorm.weight",
        "ffn.gate.weight": "mlp.gate_proj.weight",
        "ffn.up.weight": "mlp.up_proj.weight",
        "ffn.down.weight": "mlp.down_proj.weight",
        "dense_norm.weight": "post_feedforward_layernorm_1.weight",
        "expert_norm.weight": "pre_feedforward_layernorm_2.weight",
        "routed_norm.weight": "post_feedforward_layernorm_2.weight",
        "router.proj.weight": "router.proj.weight",
        "router.scale": "router.scale",
        "router.expert_scale": "router.per_expert_scale",
        "canvas_scale": "layer_scalar",
    }
    for i, layer in enumerate(sizes.layers):
        ours, theirs = f"blocks.{i}.", f"{top}layers.{i}."
        sources |= {
            f"{ours}{name}": (f"{theirs}{tensor}",)
            for name, tensor in names.items()
            if layer.sliding or name != "attn.v.weight"
        }
        sources[f"{ours}context_scale"] = (f"model.encoder.language_model.layers.{i}.layer_scalar",)
        for expert in range(sizes.n_experts):
            for part in ("gate_up", "down"):
                name = f"{ours}experts.{expert}.{part}.weight"
                sources[name] = (f"{theirs}experts.{part}_proj[{expert}]",)
    return sources
