"""The options most subcommands share: turns them into settings, and settings into a loaded engine.

Knows how the user hears about settings that were dropped and about the first fetch of a model, always
on stderr. What a setting means is `lsp_server.settings`' and the engine's matter.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, get_args

from engine.config import Device, EngineConfig, SourceKind
from engine.denoising.schedule import DECODINGS
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.engine import Engine
    from lsp_server.options import Options
    from lsp_server.settings import Settings


def add_model_options(parser: argparse.ArgumentParser, *, decodes: bool = True) -> None:
    """Add the options that say which model runs, on what, and where its weights come from."""
    group = parser.add_argument_group("model and machine (each also a setting; see `unmask doctor`)")
    group.add_argument(
        "--model",
        metavar="NAME",
        help="a name from `unmask models list`, the path of an artifact, or `fake`; for edits in words, too",
    )
    group.add_argument("--device", choices=get_args(Device), help="auto takes CUDA where it works")
    group.add_argument("--threads", type=whole_number(0, 1024), metavar="N", help="0: one per physical core")
    group.add_argument(
        "--context-tokens",
        type=whole_number(64, 131_072),
        metavar="N",
        help="the most tokens of context for one hole",
    )
    if decodes:
        group.add_argument(
            "--context-files",
            type=whole_number(0, 65_536),
            metavar="N",
            help="the most of them for signatures of other files; 0 reads no other file",
        )
        group.add_argument(
            "--decoding",
            choices=DECODINGS,
            help="parallel drafts, verifies and mends; lossless gives the base's text; left_to_right is it",
        )
    group.add_argument("--offline", action="store_true", default=None, help="never touch the network")
    group.add_argument("--cache-dir", type=Path, metavar="DIR", help="where weights and artifacts are kept")
    group.add_argument(
        "--sources",
        type=_sources,
        metavar="KIND,…",
        help=f"where weights are looked for, in this order; default: {','.join(EngineConfig().sources)}",
    )
    group.add_argument(
        "--base-file", type=Path, metavar="GGUF", help="weights on this disk, for the source `file`"
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """An argparse type: a whole number from ``least`` to ``most``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return parse


def part_of(text: str) -> tuple[int, int]:
    """An argparse type: ``K/N``, the K-th of N parts."""
    matched = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if matched is None or not 1 <= int(matched[1]) <= int(matched[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 1/2")
    return int(matched[1]), int(matched[2])


def _sources(text: str) -> tuple[str, ...]:
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [kind for kind in kinds if kind not in get_args(SourceKind)]
    if unknown or not kinds:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be some of {', '.join(get_args(SourceKind))}, separated by commas"
        )
    return kinds


def said(args: argparse.Namespace) -> Options:
    """What the command line says, as a layer of settings.

    Args:
        args: parsed arguments of a subcommand that called ``add_model_options``.
    """
    from lsp_server.options import Options

    return Options(
        model=args.model,
        edit_model=args.model,  # who names one here means it for everything
        device=args.device,
        threads=args.threads,
        context_tokens=args.context_tokens,
        context_files=getattr(args, "context_files", None),
        decoding=getattr(args, "decoding", None),
        cache_dir=args.cache_dir,
        sources=args.sources,
        base_file=args.base_file,
        offline=args.offline,
    )


def load_settings(
    args: argparse.Namespace,
    report: Callable[[str], None] | None = None,
    *,
    project_dir: Path | None = None,
) -> Settings:
    """The settings of this run: the user's files and environment, then the command line.

    Args:
        args: see ``said``.
        report: told about every setting that cannot be used; by default, stderr is.
        project_dir: where the project's settings are looked for; by default, the working directory.
    """
    from lsp_server import settings

    return settings.load(project_dir or Path.cwd(), os.environ, report or warn, said(args))


def settings_of(args: argparse.Namespace, name: str) -> Settings:
    """The settings that hold for a file, or for stdin (``-``).

    Args:
        args: see ``said``.
        name: the file.

    Raises:
        UsageError: they exclude it.
    """
    from lsp_server.cli.files import STDIN

    if name == STDIN:
        return load_settings(args)
    path = Path(os.path.abspath(name))  # noqa: PTH100 -- a link lies where it lies
    settings = load_settings(args, project_dir=path.parent)
    if settings.exclude and settings.excludes(_in_its_project(path)):
        raise UsageError(f"{name} is excluded in the settings", "Pipe it through stdin if you mean it.")
    return settings


def _in_its_project(path: Path) -> PurePosixPath:
    """An absolute path relative to the folder of its project, or the whole path outside all projects."""
    from lsp_server.settings import FILE_NAME

    def is_project(folder: Path) -> bool:
        try:
            return any((folder / mark).exists() for mark in (".git", FILE_NAME))
        except OSError:  # a folder that may not be looked into
            return False

    root = next((folder for folder in path.parents if is_project(folder)), None)
    inside = str(path if root is None else path.relative_to(root))
    return PurePosixPath(os.path.normcase(inside).replace("\\", "/"))


def warn(message: str) -> None:
    """Tell the user on stderr; the run goes on."""
    print(f"unmask: {' '.join(message.split())}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def loaded_engine(config: EngineConfig) -> Iterator[Engine]:
    """An engine that is closed at the end; what its first use takes is shown on stderr.

    Raises:
        ModelError: the model cannot be had.
        BackendError: ONNX Runtime cannot run it.
    """
    with loaded_engines(config, 1) as (engine,):
        yield engine


@contextlib.contextmanager
def loaded_engines(config: EngineConfig, n: int) -> Iterator[list[Engine]]:
    """Engines over one model, each for a thread; see ``loaded_engine``.

    Raises:
        UsageError: several of a model that can only be one.
    """
    from engine.engine import open_engines
    from lsp_server.cli.progress import FirstUse

    with FirstUse() as first_use:
        engines = open_engines(config, n, progress=first_use)
    try:
        yield engines
    finally:
        for engine in engines:
            engine.close()
