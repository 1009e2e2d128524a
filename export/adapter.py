"""The canvas adapter as a file: low-rank deltas and the mask embedding, and what they were made from.

An adapter belongs to one base, named by the sha256 of its GGUF. On disk it is safetensors whose metadata
says so, with the recipe: float16, or half of that, the matrices in q8 (``engine.weights.encodings``), which
they become in an artifact anyway. The factor of the deltas is folded into ``lora_b``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from engine.errors import ArtifactError
from engine.weights.encodings import BLOCK, encode, joined
from export.model import AdaptedLinear, DenoiserModel

ADAPTER_FILE = "adapter.safetensors"


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What an adapter says of itself.

    Attributes:
        name: such as ``canvas-1``.
        base_sha256: of the GGUF it was trained on.
        rank: of the deltas.
        n_slots: masked slots of a canvas it was trained with.
        recipe: settings and figures of the training.
    """

    name: str
    base_sha256: str
    rank: int
    n_slots: int
    recipe: dict[str, object]


def adapter_parameters(model: DenoiserModel) -> dict[str, torch.nn.Parameter]:
    """The parameters that training changes, by name."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name == "mask_embedding" or ".lora_" in name
    }


def with_adapter(model: DenoiserModel, rank: int, seed: int) -> DenoiserModel:
    """A model with the weights of another and a fresh adapter, which changes nothing yet.

    Every ``lora_a`` is normal with variance 1 / n_in, every ``lora_b`` zero; the mask embedding starts
    as the mean of the embeddings.
    """
    dtype = model.head.weight.dtype
    with torch.device("meta"):
        adapted = DenoiserModel(replace(model.config, adapter_rank=rank))
    state = dict(model.state_dict())
    generator = torch.Generator().manual_seed(seed)
    for name, module in adapted.named_modules():
        if isinstance(module, AdaptedLinear):
            a = torch.randn(rank, module.in_features, generator=generator) * module.in_features**-0.5
            state[f"{name}.lora_a"] = a
            state[f"{name}.lora_b"] = torch.zeros(module.out_features, rank)
    state["mask_embedding"] = model.embedding.weight.float().mean(0)
    adapted.load_state_dict(state, assign=True, strict=True)
    frequencies = DenoiserModel.inverse_frequencies(model.config)
    adapted.register_buffer("inv_freq", frequencies.to(model.head.weight.device), persistent=False)
    assert adapted.head.weight.dtype == dtype
    return adapted.eval()


def save_adapter(model: DenoiserModel, info: AdapterInfo, path: Path) -> None:
    """Write a model's adapter as float16."""
    _write(info, {name: p.detach().to("cpu") for name, p in adapter_parameters(model).items()}, path)


def save_narrow(adapter: Path, path: Path) -> None:
    """Write the adapter of a file once more, its matrices in 8 bits.

    Raises:
        ArtifactError: the file is not an adapter.
    """
    info, tensors = read_adapter(adapter)
    _write(info, tensors, path, narrow=True)


def _write(info: AdapterInfo, tensors: dict[str, Tensor], path: Path, *, narrow: bool = False) -> None:
    stored: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        if narrow and tensor.dim() == 2 and tensor.shape[1] % BLOCK == 0:
            stored |= {
                f"{name}/{part}": array for part, array in encode(tensor.float().numpy(), "q8").items()
            }
        else:
            stored[name] = tensor.half().contiguous().numpy()
    metadata = {
        "name": info.name,
        "base_sha256": info.base_sha256,
        "rank": str(info.rank),
        "n_slots": str(info.n_slots),
        "recipe": json.dumps(info.recipe),
    }
    save_file(stored, path, metadata)


def read_adapter(path: Path) -> tuple[AdapterInfo, dict[str, Tensor]]:
    """An adapter's description and its tensors, float32.

    Raises:
        ArtifactError: the file is not an adapter.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = joined({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  (no mapping)
        info = AdapterInfo(
            metadata["name"],
            metadata["base_sha256"],
            int(metadata["rank"]),
            int(metadata["n_slots"]),
            json.loads(metadata["recipe"]),
        )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path.name} is not a canvas adapter ({error})", "Train one with `unmask train adapter`."
        ) from error
    return info, {name: torch.from_numpy(array) for name, array in tensors.items()}


def load_adapter(model: DenoiserModel, path: Path) -> tuple[DenoiserModel, AdapterInfo]:
    """A base with the adapter of a file.

    Raises:
        ArtifactError: the file is not an adapter, or one for another shape.
    """
    info, tensors = read_adapter(path)
    adapted = with_adapter(model, info.rank, seed=0)
    expected = {name: parameter.shape for name, parameter in adapter_parameters(adapted).items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise ArtifactError(f"{path.name} fits another model", "Name the base it was trained on.")
    adapted.load_state_dict(tensors, strict=False)
    return adapted, info
