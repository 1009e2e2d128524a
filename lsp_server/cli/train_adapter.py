"""The action `unmask train adapter`: a corpus and base weights to a canvas adapter."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings, whole_number
from lsp_server.cli.trained_base import trained_base

if TYPE_CHECKING:
    from export.recipe import Recipe

EPILOG = """\
examples:
  unmask train adapter --corpus corpus --out run --steps 2000
  unmask train adapter --corpus corpus --out run --steps 20000 --cuda --batch 16
  unmask train adapter --corpus corpus --out run --recipe '{"learning_rate": 5e-4, "shape": {"n_slots": 8}}'

A run that was stopped goes on from its last checkpoint when the same command is given again. Raising
--steps then prolongs it; the learning rate falls to nothing over the last --cooldown steps."""


def register(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "adapter",
        help="train a canvas adapter on a corpus",
        description="Train the low-rank adapter that lets masked slots be filled in parallel.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="made by `train corpus`")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="for checkpoint, log and adapter"
    )
    parser.add_argument("--name", default="canvas-1", help="of the adapter (canvas-1)")
    parser.add_argument("--start", type=Path, metavar="FILE", help="begin with this adapter, not a fresh one")
    parser.add_argument("--steps", type=whole_number(1, 10_000_000), metavar="N", help="of the whole run")
    parser.add_argument("--cooldown", type=whole_number(1, 10_000_000), metavar="N", help="of the rate")
    parser.add_argument("--batch", type=whole_number(1, 4096), metavar="N", help="samples a step")
    parser.add_argument("--recipe", metavar="JSON", help="other settings, as fields of the recipe")
    parser.add_argument("--cuda", action="store_true", help="train on the GPU, compiled")
    add_model_options(parser, decodes=False)
    parser.set_defaults(act=run)


def run(args: argparse.Namespace) -> int:
    """Train; 0 when the run has come to its end."""
    from export.train import Place, gpu_is_there, train_adapter

    if args.cuda and not gpu_is_there():
        raise UsageError("--cuda: torch finds no GPU", "Leave it out to train on the CPU.")
    recipe = recipe_of(args)
    gguf_path, manifest, codec = trained_base(load_settings(args).engine)
    path = train_adapter(
        gguf_path,
        manifest.markers,
        codec,
        args.corpus,
        recipe,
        args.out,
        name=args.name,
        start=args.start,
        place=Place("cuda", compiled=True) if args.cuda else Place(),
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(path)
    return 0


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the options ask for.

    Raises:
        UsageError: ``--recipe`` is not JSON, names a setting there is not, or gives one no number.
    """
    from export.recipe import Recipe

    try:
        wanted = json.loads(args.recipe or "{}")
    except ValueError as error:
        raise UsageError(f"--recipe is not JSON ({error})") from error
    plain = {key: getattr(args, key) for key in ("steps", "cooldown", "batch") if getattr(args, key)}
    recipe: Recipe = replace(_changed(Recipe(), wanted, "the recipe"), **plain)
    return recipe


def _changed(settings: Any, changes: object, what: str) -> Any:
    """Settings with some fields changed, nested ones by nested objects."""
    known = {field.name for field in fields(settings)}
    if not isinstance(changes, dict) or not changes.keys() <= known:
        raise UsageError(f"{what} has the settings {', '.join(sorted(known))}")
    return replace(
        settings, **{key: _setting(key, getattr(settings, key), value) for key, value in changes.items()}
    )


def _setting(name: str, present: Any, value: object) -> Any:
    """What a setting becomes: a number of the kind it is, or settings of its own."""
    if is_dataclass(present):
        return _changed(present, value, name)
    kinds: dict[type, tuple[tuple[type, ...], str]] = {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((float, int), "a number"),
    }
    kind, what = kinds[type(present)]
    if isinstance(value, bool) is not (kind == (bool,)) or not isinstance(value, kind):
        raise UsageError(f"{name} must be {what}, not {value!r}")
    return value
