"""The torch float32 base behind the engine's own loop: what every artifact is compared with.

Same layout, same canvas, same stopping rules; only the pass itself is torch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from engine.artifact import Manifest
from engine.cache import ContextCache, FloatArray
from engine.causal import CausalDenoiser
from engine.denoiser import Provider
from engine.runtime import visibility
from export.base import load_model
from export.model import DenoiserModel


class TorchModel:
    """One pass in torch, float32, on the CPU.

    Args:
        model: the torch model.
        manifest: names, sizes and special ids; its files are not opened.
    """

    provider = Provider("torch", "the float32 reference")

    def __init__(self, model: DenoiserModel, manifest: Manifest) -> None:
        self._model = model
        self.manifest = manifest

    def forward(
        self, cache: ContextCache, ids: Sequence[int], *, rows: Sequence[int], causal: bool = True
    ) -> tuple[FloatArray, list[FloatArray]]:
        """See ``engine.runtime.OnnxModel.forward``."""
        n_past, n_new = len(cache.ids), len(ids)
        bias = visibility(n_past, n_past, n_new, causal=causal)
        past = [torch.from_numpy(np.ascontiguousarray(array[:, :n_past])) for array in cache.arrays]
        with torch.inference_mode():
            logits, new_k, new_v = self._model(
                torch.tensor(ids),
                torch.arange(n_past, n_past + n_new),
                torch.from_numpy(bias),
                torch.tensor(rows),
                past[0::2],
                past[1::2],
            )
        new = [tensor.numpy() for pair in zip(new_k, new_v, strict=True) for tensor in pair]
        return logits.numpy(), new


def reference_denoiser(gguf_path: Path, manifest: Manifest) -> CausalDenoiser:
    """The reference for an artifact, from the GGUF it is made of."""
    return CausalDenoiser(TorchModel(load_model(gguf_path), manifest), max_cache_bytes=256 << 20)
