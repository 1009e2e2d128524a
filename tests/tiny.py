"""A Qwen2-shaped model of some thousand parameters as a real GGUF, so that the whole path runs in seconds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer

from engine.denoising.tokens import TokenCodec, byte_alphabet
from engine.models.assemble import tokenizer_json
from engine.weights.catalog import BaseModel, WheelSet

N_LAYERS, N_HIDDEN, N_HEADS, N_KV_HEADS, N_FFN = 2, 64, 4, 2, 96
CONTROL = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
MERGES = ["r e", "re t", "ret u", "retu r", "retur n", "Ġ Ġ", "ĠĠ ĠĠ", "Ġ x", "( )"]


def vocabulary() -> list[str]:
    """Bytes, then merges, then control tokens."""
    return [*byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES), *CONTROL]


def tensors(seed: int = 7) -> dict[str, np.ndarray]:
    """Random weights under GGUF's names, large enough that the argmax is never a close call."""
    rng = np.random.default_rng(seed)
    head_dim = N_HIDDEN // N_HEADS

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    made = {
        "token_embd.weight": 2 * rng.normal(size=(len(vocabulary()), N_HIDDEN)).astype(np.float32),
        "output_norm.weight": rng.uniform(0.5, 1.5, N_HIDDEN).astype(np.float32),
    }
    for i in range(N_LAYERS):
        sizes = {"q": N_HEADS * head_dim, "k": N_KV_HEADS * head_dim, "v": N_KV_HEADS * head_dim}
        for part, size in sizes.items():
            made[f"blk.{i}.attn_{part}.weight"] = 2 * matrix(size, N_HIDDEN)
            made[f"blk.{i}.attn_{part}.bias"] = rng.normal(0, 0.1, size).astype(np.float32)
        made[f"blk.{i}.attn_output.weight"] = matrix(N_HIDDEN, N_HIDDEN)
        made[f"blk.{i}.ffn_gate.weight"] = matrix(N_FFN, N_HIDDEN)
        made[f"blk.{i}.ffn_up.weight"] = matrix(N_FFN, N_HIDDEN)
        made[f"blk.{i}.ffn_down.weight"] = matrix(N_HIDDEN, N_FFN)
        for norm in ("attn_norm", "ffn_norm"):
            made[f"blk.{i}.{norm}.weight"] = rng.uniform(0.5, 1.5, N_HIDDEN).astype(np.float32)
    return made


def write_gguf(path: Path) -> None:
    """Write the model."""
    tokens = vocabulary()
    writer = gguf.GGUFWriter(str(path), "qwen2")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(N_HIDDEN)
    writer.add_feed_forward_length(N_FFN)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_KV_HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in CONTROL else gguf.TokenType.NORMAL for token in tokens]
    )
    writer.add_token_merges(MERGES)
    for name, values in tensors().items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_adapter(
    gguf_path: Path,
    path: Path,
    *,
    base_sha256: str | None = None,
    rank: int = 32,
    recipe: dict[str, object] | None = None,
) -> None:
    """Write a random canvas adapter of the model, one that changes every gated row a lot, and its table.

    Args:
        gguf_path: the model.
        path: of the adapter.
        base_sha256: the base it claims; None for the model's own.
        rank: of its deltas.
        recipe: how it says it was trained.
    """
    import torch

    from export.adapter import AdapterInfo, adapter_parameters, save_adapter, with_adapter
    from export.base import load_model
    from export.data import SourceFile
    from export.transitions import TRANSITIONS_FILE, write_transitions

    model = with_adapter(load_model(gguf_path), rank, seed=5)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in adapter_parameters(model).items():
            scale = 2.0 if name == "mask_embedding" else 0.2
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    sha256 = base_sha256 or hashlib.sha256(gguf_path.read_bytes()).hexdigest()
    save_adapter(model, AdapterInfo("tiny-canvas", sha256, rank, 6, recipe or {"steps": 0}), path)
    code = SourceFile("tiny", "tiny.py", "python", Path(__file__).read_text(encoding="utf-8"))
    known = np.arange(0, len(vocabulary()), 2)
    write_transitions([code], codec(gguf_path), known, path.with_name(TRANSITIONS_FILE))


def codec(gguf_path: Path) -> TokenCodec:
    """The model's tokenizer."""
    return TokenCodec(Tokenizer.from_str(tokenizer_json(gguf.GGUFReader(str(gguf_path))).decode()))


def base_model(path: Path) -> BaseModel:
    """A catalogue entry for a tiny GGUF."""
    data = path.read_bytes()
    return BaseModel(
        name="tiny",
        title="Tiny",
        parameters=sum(values.size for values in tensors().values()),
        licence="Apache-2.0",
        file_name=path.name,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        hub_repo="nobody/tiny",
        wheels=WheelSet((), "0"),
    )
