"""What this machine has and would use: settings and the machine → facts, and problems with remedies.

Asks every part in turn and keeps going when one is broken: a check that fails is a finding, never an
exception. Knows nothing of how findings are printed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config import EngineConfig
from engine.errors import BackendError, ConfigError, ModelNotFoundError, UnmaskError, edit_model_missing
from engine.types import FillRequest
from lsp_server.cli import machine
from lsp_server.cli.machine import Machine

if TYPE_CHECKING:
    from engine.weights.catalog import BaseModel
    from engine.weights.store import ModelStore

LEAST_MEMORY_BYTES = 2 * 10**9

REINSTALL = "Reinstall with `pip install --force-reinstall unmask`."


@dataclass(frozen=True, slots=True)
class Problem:
    """Something broken, and what to do about it."""

    cause: str
    remedy: str


@dataclass(slots=True)
class Diagnosis:
    """Everything found, in the order it is shown; the fields are those of ``doctor --json``.

    Attributes:
        unmask: version of Unmask.
        machine: this machine.
        packages: version of each distribution needed; None where one is missing.
        providers: ONNX Runtime execution providers this build offers.
        provider: the one that would be used, None if none can be.
        provider_reason: why that one.
        cache_dir: where weights and artifacts are kept.
        cache_free_bytes: free space there.
        cache_writable: whether it can be written to.
        model: the model the settings name.
        model_state: whether it is here, in words.
        edit_model: the other one that they name for edits in words; None where they name none.
        edit_model_state: whether that is here, in words.
        models: base models and artifacts in the cache directory.
        config_files: settings files that are read, in rising precedence.
        load: what loading the model and filling one hole took, if that was asked for.
        notes: what is worth knowing and not broken.
        problems: what is broken.
    """

    unmask: str
    machine: Machine
    packages: dict[str, str | None] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    provider: str | None = None
    provider_reason: str = ""
    cache_dir: str = ""
    cache_free_bytes: int = 0
    cache_writable: bool = False
    model: str = ""
    model_state: str = ""
    edit_model: str | None = None
    edit_model_state: str = ""
    models: tuple[str, ...] = ()
    config_files: tuple[str, ...] = ()
    load: dict[str, object] | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The object of ``doctor --json``."""
        return {"ok": not self.problems, **asdict(self)}

    @contextlib.contextmanager
    def finding(self) -> Iterator[None]:
        """Keep a named error, or one of the operating system, raised in the block as a problem."""
        try:
            yield
        except OSError as error:
            cause = f"{error.filename or 'something'} cannot be looked at ({error.strerror or error})"
            self.problems.append(Problem(cause, "Check the name and its permissions."))
        except UnmaskError as error:
            self.problems.append(Problem(error.cause, error.remedy))


def examine(
    config: EngineConfig,
    *,
    version: str,
    config_files: Sequence[Path] = (),
    complaints: Sequence[str] = (),
    load: bool = False,
) -> Diagnosis:
    """Look at everything.

    Args:
        config: the settings to judge by.
        version: Unmask's.
        config_files: settings files that were read.
        complaints: what was wrong in them.
        load: also load the model and fill one hole.
    """
    found = Diagnosis(version, machine.look(), config_files=tuple(str(path) for path in config_files))
    for complaint in complaints:
        found.problems.append(Problem(complaint, "Correct or remove that setting."))
    _packages(found)
    _runtime(found, config)
    store = _cache(found, config)
    _model(found, config, store)
    if found.machine.available_bytes < LEAST_MEMORY_BYTES:
        found.notes.append(
            f"{found.machine.available_bytes / 1e9:.1f} GB of memory are free; the model needs about 1 GB"
        )
    if load and found.problems:
        found.notes.append("the model was not loaded: see to what is broken first")
    elif load:
        _load(found, config)
    return found


def _packages(found: Diagnosis) -> None:
    versions = {name: machine.installed(name) for name in machine.PACKAGES}
    runtimes = {name: version for name in machine.RUNTIMES if (version := machine.installed(name))}
    found.packages = {**versions, **runtimes}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        found.problems.append(Problem(f"missing packages: {', '.join(missing)}", REINSTALL))
    if len(runtimes) > 1:
        found.problems.append(
            Problem(
                "onnxruntime and onnxruntime-gpu are both installed, and each overwrites the other",
                f"Uninstall both, then: {REINSTALL}",
            )
        )
    import engine
    import lsp_server

    homes = {Path(str(package.__file__)).resolve().parent.parent for package in (engine, lsp_server)}
    if len(homes) > 1:
        found.problems.append(
            Problem(
                f"`engine` is imported from {Path(str(engine.__file__)).parent}, which is not Unmask's",
                "Start the command `unmask`, or `python -I -m lsp_server`, from another directory.",
            )
        )


def _runtime(found: Diagnosis, config: EngineConfig) -> None:
    with found.finding():
        try:
            from engine.models import runtime
        except ImportError as error:
            raise BackendError(f"ONNX Runtime cannot be imported ({error})", REINSTALL) from error
        found.providers = tuple(runtime.available_providers())
        chosen = runtime.choose_provider(config.device)
        found.provider, found.provider_reason = chosen.name, chosen.reason


def _cache(found: Diagnosis, config: EngineConfig) -> ModelStore | None:
    from engine.weights.store import ModelStore

    store = None
    with found.finding():
        store = ModelStore(config.cache_dir)
        found.cache_dir = str(store.root)
        there = next(path for path in (store.root, *store.root.parents) if path.exists())
        found.cache_free_bytes = shutil.disk_usage(there).free
        store.check_writable()
        found.cache_writable = True
    if store is None:
        return None
    with contextlib.suppress(OSError):
        found.models = (*(base.name for base in store.list_bases()), *store.list_artifacts())
    return store


def _model(found: Diagnosis, config: EngineConfig, store: ModelStore | None) -> None:
    found.model = config.model
    with found.finding():
        if config.base_file is not None and not config.base_file.is_file():
            raise ConfigError(
                f"base_file {config.base_file} is not a file", "Correct or remove that setting."
            )
    with found.finding():
        found.model_state = _state_of(config, store)
    if config.in_words.model != config.model:
        found.edit_model = config.edit_model
        with found.finding():
            from engine.engine import is_here

            if not is_here(config.in_words):
                raise edit_model_missing(config.in_words.model)
            found.edit_model_state = _state_of(config.in_words, store)


def _state_of(config: EngineConfig, store: ModelStore | None) -> str:
    """Whether the model that a configuration names is here, in words.

    Raises:
        UnmaskError: it is not and cannot be fetched either, or is damaged.
    """
    if config.is_fake:
        from engine.denoising.fake import FakeDenoiser

        FakeDenoiser.from_name(config.model)
        return "no weights; for tests and demonstrations"
    from engine.weights.catalog import lookup
    from engine.weights.named import directory_of

    directory = directory_of(config.model)
    if directory is not None and directory.is_dir():
        from engine.models.artifact import verify

        verify(directory, full=False)
        return "an artifact directory, complete"
    if store is None:
        return ""
    return _base_state(lookup(config.model), config, store)


def _base_state(base: BaseModel, config: EngineConfig, store: ModelStore) -> str:
    """Whether a known model is here, in words.

    Raises:
        ModelNotFoundError: it is not and cannot be fetched either.
        StoreError: there is no room for it.
    """
    from engine.models.artifact import verify
    from engine.models.assemble import artifact_path
    from engine.models.variants import suited_manifest
    from engine.weights.store import human_bytes

    manifest = suited_manifest(base.name, config.device)
    target = artifact_path(manifest, store)
    if target.is_dir():
        verify(target, full=False)
        return f"ready ({manifest.quantization})"
    if store.has_base(base):
        store.check_space(manifest.weights.n_bytes)
        return f"weights here; prepared on first use ({manifest.quantization})"
    can_fetch = not config.offline or ("file" in config.sources and config.base_file is not None)
    if not can_fetch:
        raise ModelNotFoundError(
            f"{base.name} is not on this machine and `offline` is set",
            f"Run `unmask models pull {base.name}` with network, or name a file with --base-file.",
        )
    store.check_space(base.size_bytes + manifest.weights.n_bytes)
    return f"fetched on first use ({human_bytes(base.size_bytes)})"


def _load(found: Diagnosis, config: EngineConfig) -> None:
    import time

    from engine.errors import ModelError
    from lsp_server.cli.options import loaded_engine

    before = machine.resident_bytes()
    start = time.perf_counter()
    with found.finding(), loaded_engine(config) as engine:
        loaded_ms = (time.perf_counter() - start) * 1000.0
        request = FillRequest(
            ("def add(a, b):\n    return ", None, "\n"), language="python", single_line=True, max_tokens=16
        )
        result = engine.fill(request)
        found.load = {
            "load_ms": round(loaded_ms, 1),
            "fill_ms": round(result.ms, 1),
            "memory_bytes": machine.resident_bytes() - before,
            "provider": engine.info.provider,
            "provider_reason": engine.info.provider_reason,
            "quantization": engine.info.quantization,
            "status": result.status,
            "fill": "".join(result.fills),
        }
        if result.status != "ok":
            raise ModelError(
                f"{config.model} loads, but could not fill a simple hole ({result.reason})",
                "Check it with `unmask models verify`.",
            )
