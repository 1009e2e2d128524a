"""The base that torch works with, to train or as a reference: its weights, manifest and tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.denoising.tokens import TokenCodec
    from engine.models.artifact import Manifest


def trained_base(config: EngineConfig) -> tuple[Path, Manifest, TokenCodec]:
    """The verified GGUF of the configured model, fetched if need be, with its manifest and tokenizer.

    Raises:
        UnmaskError: the model is not one of the list, or cannot be had.
    """
    from engine.denoising.tokens import TokenCodec
    from engine.models.assemble import packaged_manifest
    from engine.models.loading import base_weights, find_artifact
    from engine.weights import catalog

    base = catalog.lookup(config.model)
    manifest = packaged_manifest(base.name)
    codec = TokenCodec.from_file(find_artifact(config) / manifest.tokenizer.file)
    return base_weights(config, base), manifest, codec
