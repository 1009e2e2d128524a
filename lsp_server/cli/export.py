"""`unmask export`: base weights to an artifact, or to the files the package ships for them."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings

EPILOG = """\
examples:
  unmask export --out my-artifact                    the default model, ready for --model my-artifact
  unmask export --quantization f32 --out reference   with float32 weights
  unmask export --adapter run/adapter.safetensors --ship engine/artifacts/qwen2.5-coder-0.5b
  unmask export --model qwen2.5-coder-1.5b --ship engine/artifacts/qwen2.5-coder-1.5b

Users never need this: graphs ship with the package and weights are assembled from the base."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="make an artifact from base weights (extra: export)",
        description="Export a base model to ONNX.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the whole artifact here")
    parser.add_argument(
        "--ship", type=Path, metavar="DIR", help="write graph and manifest, without weights, here"
    )
    parser.add_argument("--quantization", choices=("f32", "q8", "q4", "d8"), default="q8", help="default: q8")
    parser.add_argument(
        "--adapter", type=Path, metavar="FILE", help="a canvas adapter made by `unmask train adapter`"
    )
    add_model_options(parser, decodes=False)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Export; 0 when done."""
    if args.out is None and args.ship is None:
        raise UsageError("nowhere to write to", "Name --out DIR or --ship DIR.")
    if args.out is not None and args.out.exists() and any(args.out.iterdir()):
        raise UsageError(f"{args.out} is not empty", "Name a new directory.")
    try:
        from export.package import DRAFTING, package
    except ModuleNotFoundError as error:
        raise UsageError(
            f"exporting needs {error.name}", "Install the extra: pip install 'unmask[export]'."
        ) from error
    from engine import catalog, sources
    from engine.schedule import LEFT_TO_RIGHT
    from engine.store import ModelStore
    from lsp_server.cli.progress import FirstUse

    config = load_settings(args).engine
    base = catalog.lookup(config.model)
    with FirstUse() as progress:
        gguf_path = sources.pull(
            base,
            ModelStore(config.cache_dir),
            order=config.sources,
            base_file=config.base_file,
            offline=config.offline,
            progress=progress,
        )
    with tempfile.TemporaryDirectory(prefix="unmask-export-") as scratch:
        package(
            gguf_path,
            base.name,
            args.quantization,
            args.ship or Path(scratch) / "ship",
            args.out or Path(scratch) / "artifact",
            adapter=args.adapter,
            rule=DRAFTING if args.adapter else LEFT_TO_RIGHT,
        )
    print(args.out or args.ship)
    return 0
