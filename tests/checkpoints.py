"""Tiny checkpoints of published diffusion families, with random weights, as their makers lay them out.

Each is a real directory of config, safetensors and tokenizer; the reference it comes with is another
project's class (transformers), or our reading of the published code where no class can be installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from engine.denoising.tokens import byte_alphabet
from engine.models.assemble import bpe_tokenizer
from engine.weights.encodings import Encoding, decode, encode
from export import package
from export.config import AnyConfig
from export.to_onnx import export_graph

N_LAYERS, N_HIDDEN, N_HEADS, N_KV_HEADS, N_FFN, N_VOCAB = 2, 64, 4, 2, 96, 320
MERGES = ["r e", "re t", "ret u", "retu r", "retur n", "Ġ Ġ", "ĠĠ ĠĠ", "Ġ x", "( )"]
SPECIAL = ("<|endoftext|>", "<|beginoftext|>", "<|mask|>", "<|expand|>")
FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")

SIZES = {
    "vocab_size": N_VOCAB,
    "hidden_size": N_HIDDEN,
    "intermediate_size": N_FFN,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "num_key_value_heads": N_KV_HEADS,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
}

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def vocabulary() -> dict[str, int]:
    """Bytes and merges; special tokens follow."""
    tokens = [*byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES)]
    return {token: i for i, token in enumerate(tokens)}


def token_id(token: str) -> int:
    """The id of a special token."""
    return len(vocabulary()) + (*SPECIAL, *FIM).index(token)


MASK, EOS, BOS, EXPAND = (
    token_id(token) for token in ("<|mask|>", "<|endoftext|>", "<|beginoftext|>", "<|expand|>")
)

CONFIGS: dict[str, dict[str, Any]] = {
    "llada": {
        "model_type": "llada",
        "block_type": "llama",
        "activation_type": "silu",
        "layer_norm_type": "rms",
        "rope": True,
        "d_model": N_HIDDEN,
        "n_heads": N_HEADS,
        "n_kv_heads": N_HEADS,
        "n_layers": N_LAYERS,
        "mlp_hidden_size": N_FFN,
        "vocab_size": N_VOCAB,
        "embedding_size": N_VOCAB,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "max_sequence_length": 2048,
        "weight_tying": False,
        "mask_token_id": MASK,
        "eos_token_id": EOS,
    },
    "dream": {
        "model_type": "Dream",
        **SIZES,
        "mask_token_id": MASK,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
    },
    "dreamon": {
        "model_type": "Dream",
        **SIZES,
        "mask_token_id": MASK,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "expand_token_id": EXPAND,
    },
    "open-dcoder": {"model_type": "qwen2", **SIZES, "eos_token_id": EOS, "tie_word_embeddings": True},
    "a2d-qwen2": {"model_type": "a2d-qwen2", **SIZES, "eos_token_id": EOS, "tie_word_embeddings": True},
    "a2d-qwen3": {"model_type": "a2d-qwen3", **SIZES, "head_dim": 32, "eos_token_id": EOS},
    "a2d-llama": {"model_type": "a2d-llama", **SIZES, "rope_scaling": LLAMA3_ROPE, "eos_token_id": EOS},
    "a2d-bd3lm": {"model_type": "a2d-qwen3", **SIZES, "head_dim": 32, "eos_token_id": EOS},
    "fast-dllm": {
        "model_type": "Fast_dLLM_Qwen",
        **SIZES,
        "bd_size": 8,
        "mask_token_id": MASK,
        "eos_token_id": EOS,
    },
    "sdar": {
        "model_type": "sdar",
        **SIZES,
        "head_dim": 32,
        "block_size": 4,
        "mask_token_id": MASK,
        "eos_token_id": EOS,
    },
}
"""Config of each kind of checkpoint; the kinds of one family that differ in shape stand apart."""


def reference(kind: str, seed: int = 3) -> PreTrainedModel:
    """The model behind a kind of checkpoint, with weights so large that the best token is no close call."""
    config = CONFIGS[kind]
    shape = str(config["model_type"]).removeprefix("a2d-")
    sizes: dict[str, Any] = {key: value for key, value in SIZES.items() if key != "rope_theta"}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.get("rope_theta", 10_000.0)}
    common: dict[str, Any] = {
        "attn_implementation": "eager",
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
    }
    torch.manual_seed(seed)
    model: PreTrainedModel
    if shape in ("qwen3", "sdar"):
        model = Qwen3ForCausalLM(Qwen3Config(**sizes, head_dim=32, rope_parameters=rope, **common))
    elif shape in ("llama", "llada"):
        rope = config.get("rope_scaling", rope)
        if shape == "llada":
            sizes |= {"num_key_value_heads": N_HEADS, "rms_norm_eps": 1e-5}
        model = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=rope, **common))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**sizes, rope_parameters=rope, **common))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 2.0 if "embed" in name or "lm_head" in name else 1.5 * parameter.shape[-1] ** -0.5
            if parameter.dim() == 2:
                parameter.normal_(0.0, scale)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
            else:
                parameter.uniform_(0.5, 1.5)
    model.tie_weights()
    return model.float().eval()


def llada_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A Llama's tensors under the names of LLaDA's own code."""
    inner = {
        "self_attn.q_proj": "q_proj",
        "self_attn.k_proj": "k_proj",
        "self_attn.v_proj": "v_proj",
        "self_attn.o_proj": "attn_out",
        "mlp.gate_proj": "ff_proj",
        "mlp.up_proj": "up_proj",
        "mlp.down_proj": "ff_out",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ff_norm",
    }
    outer = {"model.embed_tokens": "wte", "model.norm": "ln_f", "lm_head": "ff_out"}
    renamed = {}
    for name, tensor in state.items():
        stem = name.removesuffix(".weight")
        if stem.startswith("model.layers."):
            _, _, layer, part = stem.split(".", 3)
            renamed[f"model.transformer.blocks.{layer}.{inner[part]}.weight"] = tensor
        else:
            renamed[f"model.transformer.{outer[stem]}.weight"] = tensor
    return renamed


def write(
    directory: Path, kind: str, *, shards: int = 1, dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """Write a checkpoint and give the model that it is of.

    Args:
        directory: to make; its name tells block variants, as on the hub.
        kind: a key of ``CONFIGS``.
        shards: number of weight files.
        dtype: of the stored tensors.
    """
    directory.mkdir(parents=True)
    model = reference(kind)
    state = dict(model.state_dict())
    if CONFIGS[kind].get("tie_word_embeddings"):
        del state["lm_head.weight"]
    if kind == "llada":
        state = llada_names(state)
    write_tensors(directory, {name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, shards)
    (directory / "config.json").write_text(json.dumps(CONFIGS[kind]))
    write_tokenizer(directory)
    if dtype != torch.float32:
        model.load_state_dict({name: t.to(dtype).float() for name, t in model.state_dict().items()})
    return model


def write_tensors(directory: Path, state: Mapping[str, torch.Tensor], shards: int = 1) -> None:
    """Write weights into one file, or into several with an index."""
    if shards == 1:
        save_file(dict(state), directory / "model.safetensors")
        return
    names = sorted(state)
    places = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard::shards]
        save_file({name: state[name] for name in part}, directory / file)
        places |= dict.fromkeys(part, file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def write_tokenizer(directory: Path) -> None:
    """Write a byte-level tokenizer with the special tokens."""
    special = {token_id(token): token for token in (*SPECIAL, *FIM)}
    data = bpe_tokenizer("qwen2", vocabulary(), [merge.split(" ") for merge in MERGES], special)
    (directory / "tokenizer.json").write_bytes(data)
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"mask_token": "<|mask|>", "bos_token": "<|beginoftext|>"})
    )


@contextmanager
def quick() -> Iterator[None]:
    """Each architecture is exported once, whatever weights it is bound to, and torch runs on one thread,
    which is faster for passes of so small a model."""
    made: dict[AnyConfig, onnx.ModelProto] = {}

    def export_once(config: AnyConfig) -> ir.Model:
        if config not in made:
            made[config] = ir.to_proto(export_graph(config))
        return ir.from_proto(made[config])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(package, "export_graph", export_once)
            yield
    finally:
        torch.set_num_threads(threads)


def store(model: PreTrainedModel, encoding: Encoding) -> None:
    """Give a model the values that its matrices have once they are stored."""
    if encoding in ("f32", "f16"):
        return
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2 or ".router." in name or "vision" in name:
                continue
            for matrix in parameter if parameter.dim() == 3 else [parameter]:
                matrix.copy_(torch.from_numpy(decode(encode(matrix.numpy(), encoding), encoding)))


def full_logits(model: PreTrainedModel, ids: list[int], sees: np.ndarray | None = None) -> np.ndarray:
    """Logits of every token ``[n, n_vocab]``; ``sees[s, t]``: whether s sees t, by default all do."""
    n = len(ids)
    visible = torch.ones(n, n, dtype=torch.bool) if sees is None else torch.from_numpy(sees)
    bias = torch.zeros(1, 1, n, n).masked_fill(~visible, torch.finfo(torch.float32).min)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids]), attention_mask=bias).logits[0]
    return np.asarray(logits.numpy())
