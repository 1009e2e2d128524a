"""`unmask eval`: an evaluation set and a model to a table of figures, beside the float32 reference."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings, loaded_engine, whole_number

if TYPE_CHECKING:
    from engine.engine import Engine

EPILOG = """\
examples:
  unmask eval infilling humaneval_infilling_single_line.jsonl.gz --single-line
  unmask eval infilling humaneval_infilling_single_line.jsonl.gz --single-line --reference
  unmask eval infilling set.jsonl.gz --limit 50 --answers answers.jsonl --json

The file is gzip JSON Lines with task_id, prompt, suffix, canonical_solution, test, entry_point.
Model output is run in a child process with bounds on time, memory and files, without network.
--reference runs the same engine with the float32 torch base in place of the ONNX graph."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "eval",
        help="measure quality on an evaluation set (extra: export)",
        description="Measure how often fills are right.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", choices=["infilling"], help="kind of evaluation")
    parser.add_argument("data", type=Path, help="the evaluation data")
    parser.add_argument("--single-line", action="store_true", help="stop each fill at the end of its line")
    parser.add_argument("--max-tokens", type=whole_number(1, 4096), default=128, metavar="N")
    parser.add_argument("--limit", type=whole_number(1, 1_000_000), metavar="N", help="the first N problems")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write every answer as JSON Lines")
    parser.add_argument("--reference", action="store_true", help="run the float32 torch base")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_model_options(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the evaluation; 0 when it ran."""
    from export.evaluate import evaluate, read_problems, summarise, write_answers

    if not args.data.is_file():
        raise UsageError(f"{args.data} is not a file", "Name a gzip JSON Lines file.")
    problems = read_problems(args.data, args.limit)

    def progress(done: int) -> None:
        if done % 20 == 0 or done == len(problems):
            print(f"{done} of {len(problems)}", file=sys.stderr, flush=True)

    with _engine(args) as engine:
        info = engine.info
        answers = list(
            evaluate(
                engine, problems, single_line=args.single_line, max_tokens=args.max_tokens, progress=progress
            )
        )
    if args.answers is not None:
        write_answers(answers, args.answers)
    figures = {
        "set": args.data.name,
        "model": info.name,
        "quantization": "f32" if args.reference else info.quantization,
        "provider": info.provider,
        **asdict(summarise(answers)),
    }
    if args.json:
        print(json.dumps(figures))
    else:
        _print_table(figures)
    return 0


@contextlib.contextmanager
def _engine(args: argparse.Namespace) -> Iterator[Engine]:
    """The engine to measure: the artifact's, or the same around the torch reference."""
    config = load_settings(args).engine
    if not args.reference:
        with loaded_engine(config) as engine:
            yield engine
        return
    from engine import catalog, sources
    from engine.assemble import packaged_manifest
    from engine.engine import Engine
    from engine.loading import find_artifact
    from engine.store import ModelStore
    from engine.tokens import TokenCodec
    from export.reference import reference_denoiser

    base = catalog.lookup(config.model)
    manifest = packaged_manifest(base.name)
    directory = find_artifact(config)  # for its tokenizer
    gguf_path = sources.pull(
        base,
        ModelStore(config.cache_dir),
        order=config.sources,
        base_file=config.base_file,
        offline=config.offline,
    )
    codec = TokenCodec.from_file(directory / manifest.tokenizer.file)
    yield Engine(reference_denoiser(gguf_path, manifest), codec, config.context_tokens)


def _print_table(figures: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", title="evaluation")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)
