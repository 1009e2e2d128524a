"""The action `unmask train transitions`: a corpus to the table of which tokens follow which."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings

EPILOG = """\
examples:
  unmask train transitions --corpus corpus --out transitions.safetensors
  unmask train transitions --corpus corpus --vocabulary engine/artifacts/transitions.safetensors \\
      --out transitions.safetensors

`unmask train adapter` makes such a table too; this makes it anew for an adapter that is there, which drafts
from the tokens that it was trained with: --vocabulary takes them over. Then export the model again."""


def register(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "transitions",
        help="count which tokens follow which in a corpus",
        description="Count which tokens follow which in a corpus; drafts go by it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="made by `train corpus`")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the table, a safetensors file"
    )
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FILE",
        help="a table whose tokens to count; the most frequent ones if none",
    )
    add_model_options(parser, decodes=False)
    parser.set_defaults(act=run)


def run(args: argparse.Namespace) -> int:
    """Count; 0 when the table is written."""
    from engine.denoising.tokens import TokenCodec
    from engine.denoising.transitions import Transitions
    from engine.models.artifact import load_manifest
    from engine.models.loading import find_artifact
    from export.data import frequent_tokens, read_shards
    from export.recipe import Recipe
    from export.transitions import write_transitions

    if args.out.is_dir() or not args.out.absolute().parent.is_dir():
        raise UsageError(f"{args.out} cannot be written", "Name a file in a folder that is there.")
    manifest = load_manifest(find_artifact(load_settings(args).engine))
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    files = list(read_shards(args.corpus, "train"))
    if args.vocabulary is not None:
        vocabulary = Transitions.from_file(args.vocabulary).vocabulary
    else:
        vocabulary = frequent_tokens(files, codec, Recipe().vocabulary, set(manifest.end_ids))
    write_transitions(files, codec, vocabulary, args.out)
    print(args.out)
    return 0
