"""A GGUF base to a torch model, and what each of the model's parameters is made of.

``weight_sources`` is the one place that says which GGUF tensors make up which parameter; the assembly
on a user's machine follows the same list, written into the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import torch

from export.config import ModelConfig
from export.model import DenoiserModel


def weight_sources(n_layers: int) -> dict[str, tuple[str, ...]]:
    """Parameter name to the GGUF tensors that are stacked, along their first axis, to make it."""

    def stacked(block: int, parts: str, kind: str) -> tuple[str, ...]:
        return tuple(f"blk.{block}.{part}.{kind}" for part in parts.split())

    # The family ties embedding and head; its GGUF stores the head again at a higher precision.
    sources: dict[str, tuple[str, ...]] = {"embedding.weight": ("output.weight",)}
    for i in range(n_layers):
        sources |= {
            f"blocks.{i}.attn_norm.weight": stacked(i, "attn_norm", "weight"),
            f"blocks.{i}.attn.qkv.weight": stacked(i, "attn_q attn_k attn_v", "weight"),
            f"blocks.{i}.attn.qkv.bias": stacked(i, "attn_q attn_k attn_v", "bias"),
            f"blocks.{i}.attn.output.weight": stacked(i, "attn_output", "weight"),
            f"blocks.{i}.ffn_norm.weight": stacked(i, "ffn_norm", "weight"),
            f"blocks.{i}.ffn.gate_up.weight": stacked(i, "ffn_gate ffn_up", "weight"),
            f"blocks.{i}.ffn.down.weight": stacked(i, "ffn_down", "weight"),
        }
    return sources | {"norm.weight": ("output_norm.weight",), "head.weight": ("output.weight",)}


class GgufBase:
    """A GGUF file, opened.

    Args:
        path: the file; its sha256 is the caller's business.
    """

    def __init__(self, path: Path) -> None:
        self.reader = gguf.GGUFReader(str(path))
        self._tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        names = [name for name in self.reader.fields if not name.startswith("tokenizer.")]
        self.metadata = {name: self.reader.fields[name].contents() for name in names}
        self.config = ModelConfig.from_gguf(
            self.metadata, n_vocab=int(self._tensors["token_embd.weight"].shape[1])
        )
        if "output.weight" not in self._tensors:  # tied embeddings
            self._tensors["output.weight"] = self._tensors["token_embd.weight"]

    def tensor(self, name: str) -> np.ndarray:
        """A tensor dequantized to float32, in row-major torch order."""
        tensor = self._tensors[name]
        shape = tuple(int(n) for n in reversed(tensor.shape))
        return np.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32).reshape(shape)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor in row-major torch order."""
        return tuple(int(n) for n in reversed(self._tensors[name].shape))

    def token_ids(self) -> dict[str, int]:
        """Vocabulary entry to id."""
        tokens = self.reader.fields["tokenizer.ggml.tokens"].contents()
        return {token: index for index, token in enumerate(tokens)}

    def control_ids(self) -> list[int]:
        """Ids of the tokens that stand for no text; each of them ends a fill."""
        types = self.reader.fields["tokenizer.ggml.token_type"].contents()
        return [index for index, kind in enumerate(types) if kind == gguf.TokenType.CONTROL]

    def parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every parameter of the model by name, float32."""
        for name, parts in weight_sources(self.config.n_layers).items():
            yield name, np.concatenate([self.tensor(part) for part in parts])


def load_model(path: Path) -> DenoiserModel:
    """The float32 torch model of a GGUF base."""
    base = GgufBase(path)
    with torch.device("meta"):
        model = DenoiserModel(base.config)
    state = {name: torch.from_numpy(array) for name, array in base.parameters()}
    model.load_state_dict(state, assign=True, strict=True)
    fresh = DenoiserModel.inverse_frequencies(base.config)
    model.register_buffer("inv_freq", fresh, persistent=False)
    return model.eval()
