"""`unmask export`: weights to an artifact: those of the base, or a published diffusion checkpoint."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings, whole_number

EPILOG = """\
examples:
  unmask export --out my-artifact                    the default model, ready for --model my-artifact
  unmask export --quantization f32 --out reference   with float32 weights
  unmask export --adapter run/adapter.safetensors --ship engine/artifacts/qwen2.5-coder-0.5b
  unmask export --adapter run/adapter.safetensors --ship engine/artifacts/qwen2.5-coder-0.5b --quantization d8
  unmask export --quantization g16 --adapter run/adapter.safetensors --out for-gpu
  unmask export --model qwen2.5-coder-1.5b --transitions engine/artifacts/transitions.safetensors \
      --ship engine/artifacts/qwen2.5-coder-1.5b
  unmask export --from DIR --out my-model            an open diffusion checkpoint, for --model my-model
  unmask export --from OWNER/NAME --quantization q4 --out my-model

For the models of `unmask models list` nobody needs this: their graphs ship with the package and the weights
are assembled from the base. Of a checkpoint only JSON and safetensors are read; no code of it is run.
Which families there are, and what was verified: export/FAMILIES.md"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="make an artifact from base weights or a diffusion checkpoint (extra: export)",
        description="Export a base model, or a published diffusion checkpoint, to ONNX.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the whole artifact here")
    parser.add_argument(
        "--ship", type=Path, metavar="DIR", help="write graph and manifest, without weights, here"
    )
    parser.add_argument(
        "--quantization",
        choices=("f32", "f16", "q8", "q4", "d8", "u8", "g16"),
        default="q8",
        help="default: q8",
    )
    parser.add_argument(
        "--adapter", type=Path, metavar="FILE", help="a canvas adapter made by `unmask train adapter`"
    )
    parser.add_argument(
        "--narrow", action="store_true", help="put the adapter's matrices there in 8 bits, half its size"
    )
    parser.add_argument(
        "--transitions",
        type=Path,
        metavar="FILE",
        help="a table of which tokens follow which; by default the one that was written beside the adapter",
    )
    group = parser.add_argument_group("open diffusion checkpoints")
    group.add_argument(
        "--from",
        dest="source",
        metavar="PATH_OR_HUB_ID",
        help="a checkpoint's directory, or OWNER/NAME[@REVISION]",
    )
    group.add_argument(
        "--family",
        choices=("open-dcoder", "dreamon", "a2d", "a2d-block"),
        help="where the checkpoint's config does not tell",
    )
    group.add_argument(
        "--block", type=whole_number(1, 4096), metavar="N", help="length of a block, for models with blocks"
    )
    group.add_argument(
        "--refresh",
        type=whole_number(1, 4096),
        default=1,
        metavar="N",
        help="full attention: what stands around the canvas is computed anew every N passes, approximately "
        "right in between; 1, the default, is exact",
    )
    add_model_options(parser, decodes=False)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Export; 0 when done."""
    if args.out is None and args.ship is None:
        raise UsageError("nowhere to write to", "Name --out DIR or --ship DIR.")
    if args.out is not None and args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UsageError(f"{args.out} is not empty", "Name a new directory.")
    if args.ship is not None and args.ship.exists() and not args.ship.is_dir():
        raise UsageError(f"{args.ship} is not a directory", "Name one with --ship.")
    try:
        made = _checkpoint(args) if args.source is not None else _base(args)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"exporting needs {error.name}", "Install the extra: pip install 'unmask[export]'."
        ) from error
    print(made)
    return 0


def _checkpoint(args: argparse.Namespace) -> Path:
    """A published diffusion checkpoint to an artifact."""
    if args.out is None or any(given for given in (args.ship, args.adapter, args.narrow, args.transitions)):
        raise UsageError("a checkpoint becomes an artifact of its own", "With --from, name --out DIR alone.")
    from export.checkpoint import locate
    from export.convert import Conversion
    from export.families import name_of
    from export.family import Wishes
    from lsp_server.cli.progress import FirstUse

    directory = locate(args.source, offline=load_settings(args).engine.offline)
    wishes = Wishes(args.family, args.block)
    name = name_of(args.source, directory)
    conversion = Conversion(directory, name, args.quantization, wishes, refresh=args.refresh)
    print(f"unmask: {name} is of family {conversion.family.name}: {conversion.estimate}", file=sys.stderr)
    with FirstUse("unmask", "") as progress:
        conversion.write(args.out, progress)
    return Path(args.out)


def _base(args: argparse.Namespace) -> Path:
    """A base model to an artifact, or to the files that ship for it."""
    from engine.denoising.schedule import LEFT_TO_RIGHT
    from engine.models.assemble import shipped_file
    from engine.models.loading import base_weights
    from engine.weights import catalog
    from export.package import drafting_rule, package
    from export.transitions import TRANSITIONS_FILE
    from lsp_server.cli.progress import FirstUse

    if args.quantization == "f16":
        raise UsageError("f16 is for checkpoints with --from", "Choose f32, q8, q4, d8, u8 or g16.")
    config = load_settings(args).engine
    base = catalog.lookup(config.model)
    transitions = args.transitions
    if transitions is None and args.adapter is not None:
        transitions = shipped_file(args.adapter.with_name(TRANSITIONS_FILE))
    if transitions is not None and not transitions.is_file():
        raise UsageError(f"{transitions} is no file", "`unmask train adapter` writes it beside the adapter.")
    if args.narrow and args.adapter is None:
        raise UsageError("--narrow is of an adapter", "Name it with --adapter FILE.")
    drafting = drafting_rule(args.adapter, args.quantization)
    with FirstUse() as progress:
        gguf_path = base_weights(config, base, progress=progress)
    with tempfile.TemporaryDirectory(prefix="unmask-export-") as scratch:
        package(
            gguf_path,
            base.name,
            args.quantization,
            args.ship or Path(scratch) / "ship",
            args.out or Path(scratch) / "artifact",
            adapter=args.adapter,
            narrow=args.narrow,
            transitions=transitions,
            rule=LEFT_TO_RIGHT if transitions is None else drafting,
        )
    return Path(args.out or args.ship)
