"""`unmask eval`: an evaluation set and a model to figures, mode by mode, beside the base left to right."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.denoising.schedule import DECODINGS, DecodeRule, Decoding
from engine.errors import UsageError
from lsp_server.cli import files
from lsp_server.cli.options import add_model_options, load_settings, part_of, warn, whole_number
from lsp_server.cli.trained_base import trained_base

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.denoising.denoiser import AnyDenoiser
    from engine.denoising.tokens import TokenCodec
    from engine.engine import Engine
    from export.evaluate import repair
    from export.evaluate.answers import Evaluation

EPILOG = """\
sets, and the data each takes:
  infilling     a HumanEval infilling file (task_id, prompt, suffix, canonical_solution, test, entry_point)
  joint         the single-line infilling file: two and three holes at once in the same functions
  heldout       a corpus directory with heldout-*.jsonl.gz: exact match by kind of span
  crossfile     a corpus directory: calls of what sibling modules define, with their signatures and without
  types         a corpus directory: annotations of held-out files, taken out and put back
  repair        a corpus directory: wrong tokens put into held-out code, found and put right
  follow        a corpus directory: a parameter put back into held-out signatures, and the calls that follow
  syntax        a corpus directory: held-out functions with one token wrong that parse no more, mended
  actions       a corpus directory, or one with a folder for each package: every edit action in every language
  translate     a directory with humaneval_x_*.jsonl.gz: Python to other languages
  instructions  an EditEval file (instruction, context, input, test): Python changed as asked
  rewrites      a humaneval_x_python file: solutions rewritten without words, which must still pass

examples:
  unmask eval infilling humaneval_infilling_single_line.jsonl.gz --single-line
  unmask eval infilling humaneval_infilling_multi_line.jsonl.gz --modes lossless --limit 300
  unmask eval infilling humaneval_infilling_single_line.jsonl.gz --single-line --reference
  unmask eval joint humaneval_infilling_single_line.jsonl.gz --answers answers.jsonl --json
  unmask eval joint humaneval_infilling_single_line.jsonl.gz --answers answers.jsonl --resume
  unmask eval heldout corpus --per-kind 50
  unmask eval crossfile corpus --limit 200 --modes lossless
  unmask eval types corpus --limit 20 --modes parallel
  unmask eval repair corpus --limit 100
  unmask eval syntax corpus --limit 60
  unmask eval follow corpus --limit 100
  unmask eval actions corpus --per-kind 20 --modes parallel
  unmask eval actions corpus --part 1/2 --threads 1 --answers one.jsonl    (and 2/2 beside it)
  unmask eval actions corpus --answers both.jsonl --resume                 (after cat one.jsonl two.jsonl)
  unmask eval translate data --to js,cpp
  unmask eval instructions editeval.jsonl.gz
  unmask eval rewrites humaneval_x_python.jsonl.gz

Every mode is asked the same cases; left_to_right, the base alone, is always among them. Model output is
run in a child process with bounds on time, memory and files, without network."""

_DEFAULT_TOKENS = {
    "infilling": 128,
    "joint": 64,
    "heldout": 192,
    "crossfile": 48,
    "types": 1024,
    "repair": 48,
    "syntax": 16,
    "follow": 32,
    "actions": 1024,
    "translate": 512,
    "instructions": 1024,
    "rewrites": 1024,
}
_OF_CORPUS = ("actions", "crossfile", "follow", "heldout", "repair", "syntax", "types")
_PER_KIND = {"heldout": 100, "actions": 20}
_ONE_MODE = ("follow", "repair", "syntax")
"""Sets in which the base decides: they are asked once."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "eval",
        help="measure quality on an evaluation set (extra: export)",
        description="Measure how often answers are right, in every mode of decoding.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", choices=list(_DEFAULT_TOKENS), help="kind of evaluation")
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        help="the evaluation data; by default the directory `corpus` for those that take one",
    )
    parser.add_argument(
        "--modes",
        type=_modes,
        metavar="MODE,…",
        help=f"modes of decoding, by default all a model has: {', '.join(DECODINGS)}",
    )
    parser.add_argument("--single-line", action="store_true", help="stop each fill at the end of its line")
    parser.add_argument(
        "--max-tokens",
        type=whole_number(1, 4096),
        metavar="N",
        help="the most tokens of an answer, or of a hole",
    )
    parser.add_argument(
        "--limit",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="N cases, evenly spaced over the set (every k-th): always the same ones",
    )
    parser.add_argument(
        "--part",
        type=part_of,
        default=(1, 1),
        metavar="K/N",
        help="every N-th case from the K-th on, to share a set among N processes; --resume with their"
        " files of answers in one gives the figures of the whole",
    )
    parser.add_argument(
        "--per-kind",
        type=whole_number(1, 100_000),
        metavar="N",
        help="heldout, actions: the most cases of each kind (heldout 100, actions 20 in each language)",
    )
    parser.add_argument(
        "--holes", type=whole_number(2, 3), metavar="N", help="joint: cases with N holes, 2 or 3, alone"
    )
    parser.add_argument(
        "--to", default="js,cpp", metavar="LANG,…", help="translate: targets among js, cpp, java, rust, go"
    )
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="write every answer of every mode as JSON Lines"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="ask only what the file of --answers does not answer yet: go on after a stop, or add up parts",
    )
    parser.add_argument(
        "--row-worth",
        type=_share,
        metavar="P",
        help="compute a row of a draft if it is this likely to save a pass",
    )
    parser.add_argument("--reference", action="store_true", help="run the float32 torch base, left to right")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_model_options(parser, decodes=False)
    parser.set_defaults(handler=run)


def _share(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= 1:  # a NaN is not either
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def run(args: argparse.Namespace) -> int:
    """Run the evaluation; 0 when it ran."""
    if args.data is None and args.set not in _OF_CORPUS:
        raise UsageError(f"no data for {args.set}", "Name it: `unmask eval --help` says what a set takes.")
    args.data = args.data or Path("corpus")
    # The cases of all sets but one do not depend on the model: bad data is told before it is loaded.
    try:
        evaluation = None if args.set == "repair" else _evaluation(args)
    except KeyError as error:
        raise UsageError(
            f"{args.data} is no data for {args.set}: a case has no {error}", "Name other data."
        ) from error
    if args.answers is not None:
        files.check_place(args.answers)
    if args.resume and args.answers is None:
        raise UsageError("--resume goes on from a file of answers", "Name it with --answers.")
    if args.resume and not args.answers.exists():
        warn(f"{args.answers} is not there yet: every case is asked")
        args.resume = False
    report = _measure(args, evaluation)
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        _print_table(report)
    return 0


def _opened(path: Path | None, *, resume: bool) -> contextlib.AbstractContextManager[TextIO | None]:
    """A file to write to, where one is wanted; what was in it goes unless the run is resumed."""
    if path is None:
        return contextlib.nullcontext()
    try:
        return path.open("a" if resume else "w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error})", "Name another place.") from error


def _evaluation(args: argparse.Namespace) -> Evaluation[Any, Any]:
    """The set that was asked for, before any model is loaded."""
    from export.evaluate import (
        actions,
        crossfile,
        documents,
        follow,
        heldout,
        infilling,
        instructions,
        joint,
        rewrites,
        syntax,
        translate,
        types,
    )
    from lsp_server import type_check

    data, limit = args.data, args.limit
    max_tokens = args.max_tokens or _DEFAULT_TOKENS[args.set]
    per_kind = args.per_kind or _PER_KIND.get(args.set, 0)
    evaluation: Evaluation[Any, Any]
    if args.set == "actions":
        evaluation = actions.evaluation(data, per_kind=per_kind, limit=limit, max_tokens=max_tokens)
    elif args.set == "heldout":
        evaluation = heldout.evaluation(data, per_kind=per_kind, limit=limit, max_tokens=max_tokens)
    elif args.set == "crossfile":
        budget = load_settings(args).context_files or crossfile.RELATED_TOKENS
        evaluation = crossfile.evaluation(data, limit=limit, max_tokens=max_tokens, related_tokens=budget)
    elif args.set == "types":
        check = _type_checked if type_check.is_installed() else None
        evaluation = types.evaluation(data, limit=limit, max_tokens=max_tokens, check=check)
    elif args.set == "translate":
        targets = [target.strip() for target in args.to.split(",") if target.strip()]
        evaluation = translate.evaluation(data, targets=targets, limit=limit, max_tokens=max_tokens)
    elif args.set == "instructions":
        evaluation = instructions.evaluation(data, limit=limit, max_tokens=max_tokens)
    elif args.set == "rewrites":
        evaluation = rewrites.evaluation(data, limit=limit, max_tokens=max_tokens)
    elif args.set == "follow":
        evaluation = follow.evaluation(data, limit=limit)
    elif args.set == "syntax":
        evaluation = syntax.evaluation(documents.read_documents(data), limit=limit)
    elif args.set == "joint":
        evaluation = joint.evaluation(data, limit=limit, max_tokens=max_tokens, n_holes=args.holes)
    else:
        evaluation = infilling.evaluation(
            data, limit=limit, single_line=args.single_line, max_tokens=max_tokens
        )
    return _asked_of(evaluation, args)


def _type_checked(text: str, new: str) -> str:
    """What the type checker leaves of a text with types, as the code action does."""
    from lsp_server import type_check

    return type_check.checked(text, new).text


def _repair(args: argparse.Namespace, codec: TokenCodec) -> Evaluation[Any, Any]:
    """The set of spoilt canvases; what a token is depends on the model."""
    from export.evaluate import documents, repair

    cases = repair.cases_of(documents.read_documents(args.data), codec)
    return _asked_of(repair.evaluation(cases, codec, limit=args.limit), args)


def _asked_of(evaluation: Evaluation[Any, Any], args: argparse.Namespace) -> Evaluation[Any, Any]:
    """The part of a set that this run asks."""
    if not evaluation.cases:
        raise UsageError(f"{args.data} gives no cases", "Name other data.")
    twice = next((name for name, n in Counter(case.name for case in evaluation.cases).items() if n > 1), None)
    if twice is not None:
        raise UsageError(
            f"{args.data} has the case {twice} more than once", "Give every case a name of its own."
        )
    part, n_parts = args.part
    if len(evaluation.cases) < part:
        raise UsageError(f"{args.data} gives no case for part {part}", "Share it among fewer.")
    return replace(evaluation, cases=evaluation.cases[part - 1 :: n_parts])


def _measure(args: argparse.Namespace, evaluation: Evaluation[Any, Any] | None) -> dict[str, Any]:
    """Ask in every mode, the base first, and report on all; the model is loaded once."""
    from export.evaluate import figures, journal
    from export.evaluate.run import answers
    from lsp_server.cli import machine

    if args.reference and set(args.modes or ()) - {DECODINGS[0]}:
        raise UsageError("the float32 reference decodes left to right only", "Leave `--modes` out.")
    config = load_settings(args).engine
    try:
        denoiser, codec = _reference(config) if args.reference else _loaded(config, args.row_worth)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the float32 reference needs {error.name}", "Install the extra: pip install 'unmask[export]'."
        ) from error
    rule = denoiser.rule  # a model that fills slots in any order has all modes
    can_draft = not args.reference and not (isinstance(rule, DecodeRule) and not rule.drafts)
    modes = DECODINGS[:1] if args.set in _ONE_MODE else _in_order(args.modes, can_draft=can_draft)
    evaluation = evaluation or _repair(args, codec)
    names = [case.name for case in evaluation.cases]
    info = denoiser.info
    model = {
        "model": info.name,
        "adapter": None if args.reference else info.adapter,
        "quantization": "f32" if args.reference else info.quantization,
    }
    asked = {name: getattr(args, name) for name in ("max_tokens", "single_line", "row_worth")}
    run_of = {"set": evaluation.name, **model, **asked}
    given = journal.read(args.answers, run_of) if args.resume else {}
    if any(mode not in modes or not answers_of.keys() <= set(names) for mode, answers_of in given.items()):
        raise UsageError(f"{args.answers} is of another run", "Name another file of answers.")

    def turn(mode: Decoding) -> Engine | Callable[[repair.Case], Sequence[int]]:
        denoiser.forget()  # no mode finds the contexts of another
        return _asked(args.set, denoiser, codec, config.context_tokens, mode)

    with contextlib.closing(denoiser), _opened(args.answers, resume=args.resume) as answers_to:
        for mode, answer in answers(evaluation, turn, modes, given):
            given.setdefault(mode, {})[answer.case] = answer
            if answers_to is not None:
                journal.write(answers_to, mode, answer, run_of)
            _tell(mode, len(given[mode]), len(names))
    in_order = {mode: [given[mode][name] for name in names] for mode in modes}
    figures_of = {
        mode: figures.summarise(
            of_mode, evaluation.verdict, None if mode == modes[0] else in_order[modes[0]]
        ).as_json()
        for mode, of_mode in in_order.items()
    }
    return {
        "set": evaluation.name,
        **model,
        "provider": info.provider,
        "machine": machine.cpu_name(),
        "modes": figures_of,
    }


def _in_order(asked: Sequence[Decoding] | None, *, can_draft: bool) -> list[Decoding]:
    """The modes to run: the base first, asked for or not; a model that cannot draft has one mode in fact."""
    if asked is None:
        asked = DECODINGS if can_draft else ()
    return [mode for mode in DECODINGS if mode in asked or mode == DECODINGS[0]]


def _asked(
    name: str, denoiser: AnyDenoiser, codec: TokenCodec, context_tokens: int, mode: Decoding
) -> Engine | Callable[[repair.Case], Sequence[int]]:
    """What a set asks, decoding in a mode."""
    from engine.engine import Engine

    engine = Engine(denoiser, codec, context_tokens, mode)
    if name == "repair":
        return lambda case: engine.correct(case.prefix, case.spoilt, case.suffix, case.language)
    return engine


def _tell(mode: str, done: int, n_cases: int) -> None:
    """How far a mode is, on stderr, now and then."""
    if done % 20 == 0 or done == n_cases:
        print(f"{mode}: {done} of {n_cases}", file=sys.stderr, flush=True)


def _loaded(config: EngineConfig, row_worth: float | None) -> tuple[AnyDenoiser, TokenCodec]:
    """The model that a configuration names; what its first use takes is shown on stderr."""
    from engine.denoising.fake import FakeDenoiser
    from engine.models.canvas_denoiser import CanvasDenoiser
    from engine.models.loading import load_denoisers
    from lsp_server.cli.progress import FirstUse

    if config.is_fake:
        fake = FakeDenoiser.from_name(config.model)
        return fake, fake.codec
    with FirstUse() as first_use:
        (denoiser,), codec = load_denoisers(config, 1, progress=first_use, cancel=None)
    if row_worth is not None:
        if not isinstance(denoiser, CanvasDenoiser):
            raise UsageError("--row-worth is for models that verify drafts", "Leave it out.")
        denoiser.rule = replace(denoiser.rule, row_worth=row_worth)
    return denoiser, codec


def _reference(config: EngineConfig) -> tuple[AnyDenoiser, TokenCodec]:
    """The torch float32 base in place of the artifact's graph, with the artifact's tokenizer."""
    from export.reference import reference_denoiser

    gguf_path, manifest, codec = trained_base(config)
    return reference_denoiser(gguf_path, manifest), codec


def _modes(text: str) -> tuple[str, ...]:
    """An argparse type: names of modes, separated by commas."""
    modes = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [mode for mode in modes if mode not in DECODINGS]
    if unknown or not modes:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be some of {', '.join(DECODINGS)}, separated by commas"
        )
    return modes


def _print_table(report: Mapping[str, Any]) -> None:
    from rich.table import Table

    from export.evaluate.figures import table_rows
    from lsp_server.cli.measure.reports import console

    table = Table(
        "figure",
        *report["modes"],
        title=f"{report['set']} · {report['model']} {report['quantization']}",
        caption=f"{report['provider']} on {report['machine']}",
    )
    for row in table_rows(report["modes"]):
        table.add_row(*row)
    console().print(table)
