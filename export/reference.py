"""The torch float32 base behind the engine's own loop: what every artifact is compared with.

Same layout, same canvas, same stopping rules; only the pass itself is torch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from engine.denoising.cache import ContextCache, Entries, FloatArray
from engine.denoising.denoiser import Provider
from engine.denoising.rows import Rows
from engine.denoising.transitions import Transitions
from engine.models.artifact import Manifest
from engine.models.assemble import shipped_file
from engine.models.canvas_denoiser import CanvasDenoiser
from engine.models.runtime import visibility
from export.adapter import load_adapter
from export.base import load_model
from export.model import DenoiserModel
from export.transitions import TRANSITIONS_FILE


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

    def forward(self, cache: ContextCache, rows: Rows, wanted: Sequence[int]) -> tuple[FloatArray, Entries]:
        """See ``engine.models.runtime.OnnxModel.forward``."""
        cache.reserve(len(rows))
        gate = torch.from_numpy(rows.gated.astype(np.float32)[:, None]) if rows.gated.any() else None
        past = [torch.from_numpy(array) for array in cache.arrays]
        with torch.inference_mode():
            logits, new_k, new_v = self._model(
                torch.from_numpy(rows.ids),
                torch.from_numpy(len(cache.ids) + rows.offsets),
                gate,
                torch.from_numpy(visibility(len(cache.ids), cache.capacity, rows.sees)),
                torch.from_numpy(len(cache.ids) + np.arange(len(rows))),
                torch.tensor(list(wanted), dtype=torch.int64),
                past[0::2],
                past[1::2],
            )
        new = [tensor.numpy() for pair in zip(new_k, new_v, strict=True) for tensor in pair]
        return logits.numpy(), new

    def forward_top(
        self, cache: ContextCache, rows: Rows, wanted: Sequence[int]
    ) -> tuple[FloatArray, Entries]:
        """The same."""
        return self.forward(cache, rows, wanted)


def reference_denoiser(gguf_path: Path, manifest: Manifest, adapter: Path | None = None) -> CanvasDenoiser:
    """The reference for an artifact, from the GGUF and the adapter it is made of."""
    model, transitions = load_model(gguf_path), None
    if adapter is not None:
        model, _ = load_adapter(model, adapter)
        transitions = Transitions.from_file(shipped_file(adapter.with_name(TRANSITIONS_FILE)))
    return CanvasDenoiser(TorchModel(model, manifest), 256 << 20, transitions)
