"""transformers' own model over our base weights: what parity is checked with, and a peer of the benchmark.

Knows how our parameters are called there, and nothing of canvases; its cache is the library's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

from export.base import load_model
from export.model import DenoiserModel


def as_transformers(ours: DenoiserModel) -> Qwen2ForCausalLM:
    """Another project's model over the very same tensors, shared, not copied."""
    c = ours.config
    config = Qwen2Config(
        vocab_size=c.n_vocab,
        hidden_size=c.n_hidden,
        intermediate_size=c.n_ffn,
        num_hidden_layers=c.n_layers,
        num_attention_heads=c.n_heads,
        num_key_value_heads=c.n_kv_heads,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_base},
        rms_norm_eps=c.norm_eps,
        tie_word_embeddings=False,
    )
    model = Qwen2ForCausalLM(config)
    model.load_state_dict(_state(ours), assign=True, strict=True)
    return model.eval()


def _state(ours: DenoiserModel) -> dict[str, Tensor]:
    """Our parameters under transformers' names."""
    c = ours.config
    kv = c.n_kv_heads * c.head_dim
    state: dict[str, Tensor] = {
        "model.embed_tokens.weight": ours.embedding.weight,
        "model.norm.weight": ours.norm.weight,
        "lm_head.weight": ours.head.weight,
    }
    for i, block in enumerate(ours.blocks):
        layer = f"model.layers.{i}"
        for kind, tensor in (("weight", block.attn.qkv.weight), ("bias", block.attn.qkv.bias)):
            for part, piece in zip("qkv", tensor.split([c.n_hidden, kv, kv]), strict=True):
                state[f"{layer}.self_attn.{part}_proj.{kind}"] = piece
        gate, up = block.ffn.gate_up.weight.chunk(2)
        state |= {
            f"{layer}.self_attn.o_proj.weight": block.attn.output.weight,
            f"{layer}.input_layernorm.weight": block.attn_norm.weight,
            f"{layer}.post_attention_layernorm.weight": block.ffn_norm.weight,
            f"{layer}.mlp.gate_proj.weight": gate,
            f"{layer}.mlp.up_proj.weight": up,
            f"{layer}.mlp.down_proj.weight": block.ffn.down.weight,
        }
    return state


class TransformersModel:
    """The base in bfloat16, one text in its cache; see ``NextToken`` in the benchmark.

    Args:
        gguf_path: the base weights.
        threads: of torch.
    """

    def __init__(self, gguf_path: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._model = as_transformers(load_model(gguf_path).to(torch.bfloat16))
        self._cache = DynamicCache()

    def logits(self, ids: Sequence[int], n_known: int, n_wanted: int) -> npt.NDArray[np.float32]:
        """What the last ``n_wanted`` tokens of a text say of their next ones ``[n_wanted, n_vocab]``."""
        if surplus := self._cache.get_seq_length() - n_known:
            self._cache.crop(-surplus)
        with torch.inference_mode():
            said = self._model(
                torch.tensor([ids[n_known:]]), past_key_values=self._cache, logits_to_keep=n_wanted
            )
        logits: npt.NDArray[np.float32] = said.logits[0].float().numpy()
        return logits

    def close(self) -> None:
        """The model goes with the object."""
