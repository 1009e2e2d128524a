"""What the engine can be told, resolved: no optional values, no file formats, no environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.denoising.schedule import Decoding

Device = Literal["auto", "cpu", "cuda"]
SourceKind = Literal["file", "wheels", "hub"]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"
FAKE_MODEL = "fake"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Settings of one engine.

    Attributes:
        model: a name from ``unmask models list``, a path to an artifact directory, or ``fake``.
        device: ``auto`` takes CUDA where it works and the CPU otherwise.
        threads: intra-op threads; 0 means one per physical core.
        context_tokens: the most tokens of context for one hole, both sides together.
        cache_dir: where weights and artifacts are kept; None for the user's cache directory.
        sources: where base weights are looked for, in this order.
        base_file: a local GGUF for the source ``file``; None where there is none.
        offline: never touch the network.
        cache_mb: memory for live context caches, in MiB.
        decoding: ``parallel`` drafts and lets plausible drafts stand, ``lossless`` gives what the base
            alone would give, ``left_to_right`` is the base alone.
    """

    model: str = DEFAULT_MODEL
    device: Device = "auto"
    threads: int = 0
    context_tokens: int = 1024
    cache_dir: Path | None = None
    sources: tuple[SourceKind, ...] = ("file", "hub", "wheels")
    base_file: Path | None = None
    offline: bool = False
    cache_mb: int = 80
    decoding: Decoding = "parallel"
