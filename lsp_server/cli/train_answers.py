"""The action `unmask train answers`: a corpus to what the base itself writes in it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UsageError
from lsp_server.cli.options import add_model_options, load_settings, part_of, whole_number
from lsp_server.cli.trained_base import trained_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.config import EngineConfig
    from export.own_answers import Case

WRITTEN_AT_ONCE = 512
"""Contexts in one batch on a GPU: 3 GB of keys and values with the 0.5B."""

DESCRIPTION = """\
Have the base fill spans of a corpus and edit its functions, and keep what it writes beside the shards.

A draft must foresee what the base writes, which is not always what people wrote. `unmask train adapter`
trains on these answers as well. What an edit comes to is kept only where it passes its checks."""

EPILOG = """\
examples:
  unmask train answers --corpus corpus --part 1/2 --threads 1     (and 2/2 beside it)
  unmask train answers --corpus corpus --heldout --spans 20 --edits 2
  unmask train answers --corpus corpus --model qwen2.5-coder-1.5b --spans 0 --edits 40
  unmask train answers --corpus corpus --spans 4000 --edits 0 --cuda

Answers of any model with the same tokens will do. A run that was stopped goes on when the same command is
given again."""


def register(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "answers",
        help="have the base fill and edit a corpus, to be trained on",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="made by `train corpus`")
    parser.add_argument(
        "--heldout", action="store_true", help="of the held-out split: measured, and not trained on"
    )
    parser.add_argument(
        "--spans",
        type=whole_number(0, 100_000),
        default=200,
        metavar="N",
        help="fills of each kind of span (200)",
    )
    parser.add_argument(
        "--edits",
        type=whole_number(0, 100_000),
        default=20,
        metavar="N",
        help="cases of each edit in each language (20)",
    )
    parser.add_argument(
        "--part",
        type=part_of,
        default=(1, 1),
        metavar="K/N",
        help="every N-th case from the K-th on, to share the work among N processes",
    )
    parser.add_argument(
        "--cuda", action="store_true", help="fill spans in batches on the GPU; without edits (--edits 0)"
    )
    add_model_options(parser, decodes=False)
    parser.set_defaults(act=run)


def run(args: argparse.Namespace) -> int:
    """Ask; 0 when all was asked."""
    from engine.denoising.decode import verifying
    from engine.engine import open_denoiser
    from export.corpus.packages import Split
    from export.data import Shape
    from export.evaluate.documents import read_documents
    from export.own_answers import AnswersFile, Asker, cases_of
    from lsp_server.cli.progress import FirstUse

    split: Split = "heldout" if args.heldout else "train"
    part, n_parts = args.part
    cases = cases_of(read_documents(args.corpus, split), args.spans, args.edits)[part - 1 :: n_parts]
    if not cases:
        raise UsageError(f"{args.corpus} gives nothing to ask", "Raise --spans or --edits.")
    config = load_settings(args).engine
    if args.cuda:
        return _write_on_gpu(cases, args, config)
    context_tokens = args.context_tokens or Shape().context_tokens  # as long as the other samples
    with FirstUse() as first_use:
        denoiser, codec = open_denoiser(config, progress=first_use)
    with contextlib.closing(denoiser):
        file = AnswersFile(args.corpus, split, part, denoiser.info.name, codec.n_vocab)
        asker = Asker(verifying(denoiser, "`unmask train answers`"), codec, context_tokens)
        n_kept = n_tokens = 0
        for done, case in enumerate(cases, start=1):
            if case.name not in file.asked:
                answers = asker.ask(case)
                file.add(case, answers)
                n_kept += bool(answers)
                n_tokens += sum(len(answer.tokens) for answer in answers)
            if done % 20 == 0 or done == len(cases):
                _say(f"{done} of {len(cases)}; of those asked now {n_kept} are kept, {n_tokens} tokens")
    print(file.path)
    return 0


def _write_on_gpu(cases: Sequence[Case], args: argparse.Namespace, config: EngineConfig) -> int:
    """Have the base fill spans in batches."""
    from export.data import Shape
    from export.evaluate import heldout
    from export.own_answers import AnswersFile
    from export.train import gpu_is_there
    from export.writing import Writer, context_of

    if args.edits:
        raise UsageError("--cuda fills spans alone", "Add --edits 0; edits are asked for without --cuda.")
    if not gpu_is_there():
        raise UsageError("--cuda: torch finds no GPU", "Leave it out to ask one request after the other.")
    gguf_path, manifest, codec = trained_base(config)
    n_context, n_tokens = args.context_tokens or Shape().context_tokens, Shape().span_tokens
    writer = Writer.on_gpu(gguf_path, WRITTEN_AT_ONCE, n_context, n_tokens)
    file = AnswersFile(
        args.corpus, "heldout" if args.heldout else "train", args.part[0], manifest.name, codec.n_vocab
    )
    spans = [case for case in cases if isinstance(case, heldout.Case) and case.name not in file.asked]
    for first in range(0, len(spans), WRITTEN_AT_ONCE):
        batch = spans[first : first + WRITTEN_AT_ONCE]
        contexts = [context_of(case, codec, manifest.markers, n_context) for case in batch]
        for case, answer in zip(batch, writer.write(contexts, manifest.end_ids), strict=True):
            file.add(case, [answer] if answer.tokens else [])
        _say(f"{first + len(batch)} of {len(spans)}")
    print(file.path)
    return 0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
