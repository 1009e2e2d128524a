"""The measurements of ``unmask bench`` that have an option of their own: settings in, a report out."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from engine.config import EngineConfig
from engine.denoising.decode import verifying
from engine.engine import Engine, open_denoiser
from engine.errors import UsageError
from lsp_server.cli import files, machine, options
from lsp_server.cli.measure import (
    COMPARED_LINES,
    KINDS,
    OCCASIONS,
    compare,
    growth,
    load,
    peers,
    plot,
    reports,
    roofline,
    tables,
    workloads,
)
from lsp_server.cli.progress import FirstUse

if TYPE_CHECKING:
    from rich.console import Console

    from engine.denoising.denoiser import Denoiser
    from engine.denoising.tokens import TokenCodec


def compare_peers(args: argparse.Namespace) -> int:
    """Ask every peer the same and report."""
    settings = options.load_settings(args)
    if args.plot is not None:
        files.check_place(args.plot)
    works = workloads.workloads(args.occasions or OCCASIONS, args.runs or COMPARED_LINES, args.cases)
    with peers.Hall(settings.engine) as hall:
        with FirstUse() as first_use:
            hall.open_ours(first_use)
        with reports.saying() as say:
            hall.open_others(args.peers or KINDS, say)
            figures = compare.compare(hall.present, works, say)
        report = {
            **reports.header(hall.present[0].engine),
            "cases": str(args.cases.name) if args.cases else "shipped texts",
            "peers": [
                {
                    "name": peer.name,
                    "quantization": peer.engine.info.quantization,
                    "provider": peer.engine.info.provider,
                    "provider_reason": peer.engine.info.provider_reason,
                    "weights_bytes": peer.weights_bytes,
                    "resident_bytes": peer.resident_bytes,
                }
                for peer in hall.present
            ],
            "absent": [asdict(one) for one in hall.absent],
            "figures": [asdict(one) for one in figures],
        }
        _tell(
            args,
            report,
            lambda console: tables.print_comparison(console, figures, hall.present, hall.absent),
        )
    if args.plot is not None:
        args.plot.write_text(plot.drawn(figures), encoding="utf-8")
    return 0


def show_growth(args: argparse.Namespace) -> int:
    """Let context, canvas and holes grow and report."""
    config = options.load_settings(args).engine
    roomy = replace(config, context_tokens=2 * max(growth.CONTEXTS), cache_mb=max(config.cache_mb, 1024))
    with _opened(roomy) as (engine, denoiser, codec), reports.saying() as say:
        costs = growth.growth(engine, denoiser, codec, say)
        report = {**reports.header(engine), "growth": [asdict(cost) for cost in costs]}
    _tell(args, report, lambda console: tables.print_growth(console, costs))
    return 0


def show_load(args: argparse.Namespace) -> int:
    """Let more and more people write at once and report."""
    config = options.load_settings(args).engine
    roomy = replace(config, cache_mb=config.cache_mb * args.load)
    lines, n_lines = list(workloads.own_lines()), args.runs or load.LINES
    with options.loaded_engines(roomy, args.load) as engines, reports.saying() as say:
        loads = [load.measure(engines[:n], lines, n_lines, say) for n in load.levels(args.load)]
        report = {**reports.header(engines[0]), "load": [asdict(one) for one in loads]}
    _tell(args, report, lambda console: tables.print_load(console, loads))
    return 0


def show_roofline(args: argparse.Namespace) -> int:
    """Hold passes against the machine's ceilings and report.

    Raises:
        UsageError: a model without weights.
    """
    config = options.load_settings(args).engine
    if config.is_fake:
        raise UsageError("the fake model has no weights to read", "Choose another with `--model`.")
    with _opened(config) as (engine, denoiser, codec), reports.saying() as say:
        from engine.models.artifact import load_manifest
        from engine.models.loading import find_artifact

        manifest = load_manifest(find_artifact(config))
        say("measuring the machine")
        ceilings = roofline.measure_ceilings(config.threads or machine.look().physical_cores or 1)
        context = codec.encode(workloads.source(workloads.REWRITTEN))[: roofline.CONTEXT]
        passes = roofline.passes(denoiser, manifest, context, ceilings, say)
        report = {
            **reports.header(engine),
            "ceilings": asdict(ceilings),
            "passes": [asdict(one) for one in passes],
        }
    _tell(args, report, lambda console: tables.print_roofline(console, ceilings, passes))
    return 0


def _tell(args: argparse.Namespace, report: dict[str, object], show: Callable[[Console], None]) -> None:
    """The report as JSON, or for people: what was measured on, then a table."""
    if args.json:
        print(json.dumps(report, indent=2))
        return
    console = reports.console()
    reports.introduce(console, report)
    show(console)


@contextlib.contextmanager
def _opened(config: EngineConfig) -> Iterator[tuple[Engine, Denoiser, TokenCodec]]:
    """A model, and an engine around it; closed at the end."""
    with FirstUse() as first_use:
        opened, codec = open_denoiser(config, progress=first_use)
    denoiser = verifying(opened, "this measurement")
    engine = Engine(denoiser, codec, config.context_tokens, config.decoding)
    try:
        yield engine, denoiser, codec
    finally:
        engine.close()
