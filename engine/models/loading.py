"""A model's name to a running denoiser: fetched, assembled, verified and loaded, in that order."""

from __future__ import annotations

from pathlib import Path

from engine.config import EngineConfig
from engine.denoising.denoiser import AnyDenoiser
from engine.denoising.tokens import TokenCodec
from engine.denoising.transitions import Transitions
from engine.errors import ArtifactError, BackendError, UsageError
from engine.models.artifact import Manifest, is_artifact, verify
from engine.models.assemble import artifact_path, build_artifact
from engine.models.canvas_denoiser import CanvasDenoiser
from engine.models.memory import move_to_huge_pages
from engine.models.replayed import ReplayedModel
from engine.models.runtime import CPU, FixedSession, OnnxModel
from engine.models.shared import SharedModel
from engine.models.slot_denoiser import DiffusionDenoiser
from engine.models.variants import suited_manifest
from engine.types import CancelToken, ProgressListener
from engine.weights import catalog, sources
from engine.weights.encodings import FOR_GPUS
from engine.weights.named import directory_of
from engine.weights.store import ModelStore


def load_denoisers(
    config: EngineConfig, n: int, *, progress: ProgressListener | None, cancel: CancelToken | None
) -> tuple[list[AnyDenoiser], TokenCodec]:
    """Load the model a configuration names once, for several requests at a time.

    Args:
        config: what to load; the memory for caches is that of all together.
        n: how many, each for one thread at a time.
        progress: told of what is fetched, assembled and verified.
        cancel: stops that.

    Raises:
        ModelError: it cannot be had or does not hold together.
        BackendError: ONNX Runtime cannot run it.
        Cancelled: asked to stop.
        UsageError: several of a model that can only be one.
    """
    directory = find_artifact(config, progress=progress, cancel=cancel)
    manifest = verify(directory, progress=progress)
    if n > 1 and manifest.diffusion is not None:
        raise UsageError(f"{manifest.name} takes one request at a time", "Ask for one at once.")
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    _check_vocabulary(manifest, codec)
    codec.widen(manifest.n_vocab)
    codec.prepare()
    transitions = _transitions(manifest)
    model = _model(manifest, config)
    if model.provider.name == CPU:
        move_to_huge_pages()
    if isinstance(model, OnnxModel) and manifest.diffusion is not None:
        return [DiffusionDenoiser(model, config.cache_mb << 20)], codec
    each = model if n == 1 else SharedModel(model)
    return [CanvasDenoiser(each, (config.cache_mb << 20) // n, transitions) for _ in range(n)], codec


def find_artifact(
    config: EngineConfig, *, progress: ProgressListener | None = None, cancel: CancelToken | None = None
) -> Path:
    """The artifact a configuration names; fetched and assembled where it is not there yet."""
    there = artifact_here(config)
    if there is not None:
        return there
    base = catalog.lookup(config.model)
    gguf_path = base_weights(config, base, progress=progress, cancel=cancel)
    manifest = suited_manifest(base.name, config.device)
    store = ModelStore(config.cache_dir)
    return build_artifact(manifest, base, gguf_path, store, progress=progress, cancel=cancel)


def base_weights(
    config: EngineConfig,
    base: catalog.BaseModel,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """The verified GGUF of a base model; fetched, as a configuration says, where it is not there yet."""
    return sources.pull(
        base,
        ModelStore(config.cache_dir),
        order=config.sources,
        base_file=config.base_file,
        offline=config.offline,
        progress=progress,
        cancel=cancel,
    )


def artifact_here(config: EngineConfig) -> Path | None:
    """The artifact a configuration names, as it lies; None where it must be fetched or assembled first.

    Raises:
        ModelNotFoundError: there is no such model.
    """
    directory = directory_of(config.model)
    if directory is not None and is_artifact(directory):
        return directory
    manifest = suited_manifest(catalog.lookup(config.model).name, config.device)
    target = artifact_path(manifest, ModelStore(config.cache_dir))
    return target if is_artifact(target) else None


def _model(manifest: Manifest, config: EngineConfig) -> OnnxModel | ReplayedModel:
    """The loaded graph."""
    if manifest.quantization != FOR_GPUS:
        return OnnxModel(manifest, config.device, config.threads)
    try:
        replayed = ReplayedModel(FixedSession(manifest, config.device, config.threads))
        replayed.check()
    except BackendError:  # what cannot be captured can still be run
        return ReplayedModel(FixedSession(manifest, config.device, config.threads, captures=False))
    return replayed


def _transitions(manifest: Manifest) -> Transitions | None:
    if manifest.transitions is None:
        return None
    table = Transitions.from_file(manifest.path(manifest.transitions))
    if table.highest_token >= manifest.n_vocab:
        raise ArtifactError(f"the transitions of {manifest.name} are of another vocabulary", "Pull it again.")
    return table


def _check_vocabulary(manifest: Manifest, codec: TokenCodec) -> None:
    if codec.n_vocab > manifest.n_vocab:
        raise ArtifactError(
            f"the tokenizer of {manifest.name} has {codec.n_vocab} tokens, its graph only {manifest.n_vocab}",
            "Pull the model again.",
        )
