"""HumanEval-X translation: a Python function and a declaration in another language to that function there.

The instruct model is asked in its chat template; its answer begins with the declaration and ends where the
declaration's braces close. It passes when it compiles and passes the target's own tests.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import languages
from engine.brackets import pieces
from engine.chat import Turn, chat_context
from engine.denoise import StopRule, Task, denoise
from engine.denoiser import Denoiser
from engine.errors import UsageError
from engine.languages import Language
from engine.schedule import Decoding
from engine.tokens import TokenCodec
from engine.types import CancelToken, Deadline
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, read_problems
from export.sandbox import check_toolchain, run_program

TARGETS = {"js": "javascript", "cpp": "cpp", "java": "java", "rust": "rust"}
"""Name in the data set to language; Go's tests need a package that is not Go's own."""
TEST_SECONDS = 15.0

UNUSABLE = frozenset(
    {
        *("JavaScript/112", "CPP/38"),  # the set's own solution fails its tests
        *("JavaScript/162", "CPP/22", "CPP/162", "Rust/38", "Rust/50", "Rust/162"),  # need other packages
    }
)
"""Problems of the even-numbered half whose own solution does not pass on a plain toolchain."""

_FOREIGN_RUST = re.compile(r"^use (?:rand::Rng|regex::Regex|md5);\n", re.MULTILINE)
_SYSTEM = "You are a helpful assistant that translates code faithfully."


@dataclass(frozen=True, slots=True)
class Case:
    """A function to translate.

    Attributes:
        task_id: the target's name of the problem, such as ``CPP/0``.
        language: the target's LSP identifier.
        source: the function in Python.
        declaration: what the answer begins with, up to the brace that opens the function.
        solution: the rest of the set's own translation.
        tests: the program that checks it, to stand behind it.
    """

    task_id: str
    language: str
    source: str
    declaration: str
    solution: str
    tests: str


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes an answer after a context of any kind: a denoiser, its tokenizer, a mode of decoding."""

    denoiser: Denoiser
    codec: TokenCodec
    decoding: Decoding

    def complete(self, context: Sequence[int], *, max_tokens: int, stop: StopRule) -> Reply:
        """Go on after a context until a stop rule, the model itself or ``max_tokens`` ends it."""
        start = time.perf_counter()
        cancel = CancelToken()
        encoded = self.denoiser.encode(context, cancel)
        denoised = denoise(
            self.denoiser,
            self.codec,
            Task(heal=b"", max_tokens=max_tokens, stop=stop),
            self.denoiser.rule.decoded(self.decoding),
            cancel=cancel,
            deadline=Deadline(),
        )
        return Reply(
            texts=(denoised.text,),
            status=denoised.stopped,
            tokens=len(denoised.tokens),
            forwards=encoded.forwards + denoised.forwards,
            context_forwards=encoded.forwards,
            rows=denoised.rows,
            ms=round((time.perf_counter() - start) * 1000.0, 1),
        )


def read_cases(directory: Path, targets: Sequence[str]) -> list[Case]:
    """The usable problems of ``humaneval_x_*.jsonl.gz``, target by target.

    Args:
        directory: where the files lie.
        targets: keys of ``TARGETS``.

    Raises:
        UsageError: a file is not there.
    """
    sources = {
        _number(problem["task_id"]): problem["declaration"] + problem["canonical_solution"]
        for problem in read_problems(directory / "humaneval_x_python.jsonl.gz")
    }
    return [
        Case(
            task_id=problem["task_id"],
            language=TARGETS[target],
            source=sources[_number(problem["task_id"])].strip(),
            declaration=_FOREIGN_RUST.sub("", problem["declaration"]).lstrip("\n"),
            solution=problem["canonical_solution"],
            tests=problem["test"],
        )
        for target in targets
        for problem in read_problems(directory / f"humaneval_x_{target}.jsonl.gz")
        if problem["task_id"] not in UNUSABLE
    ]


def evaluation(
    directory: Path, *, targets: Sequence[str], limit: int | None, max_tokens: int
) -> Evaluation[Writer, Case]:
    """The set of a directory.

    Args:
        directory: holds ``humaneval_x_*.jsonl.gz``.
        targets: keys of ``TARGETS``.
        limit: the most cases, evenly spaced over all targets; None for all.
        max_tokens: the most tokens of an answer.

    Raises:
        UsageError: an unknown target, a missing file, or a language that cannot be run here.
    """
    for target in targets:
        if target not in TARGETS:
            raise UsageError(f"{target} is no target", f"Choose among {', '.join(TARGETS)}.")
        check_toolchain(TARGETS[target])

    def ask(writer: Writer, case: Case) -> Reply:
        return writer.complete(context_of(writer.codec, case), max_tokens=max_tokens, stop=stop_rule(case))

    name = f"translate python to {', '.join(targets)}"
    return Evaluation(name, "pass_at_1", evenly(read_cases(directory, targets), limit), ask, judge)


def context_of(codec: TokenCodec, case: Case) -> list[int]:
    """The conversation that asks for a translation."""
    language = languages.by_id(case.language)
    question = (
        f"Translate this Python function to {language.title}. Write the {language.title} code only.\n\n"
        f"```python\n{case.source}\n```"
    )
    turns = [Turn("system", _SYSTEM), Turn("user", question)]
    return chat_context(codec, turns, f"```{case.language}\n{case.declaration}")


def stop_rule(case: Case) -> StopRule:
    """Ends an answer behind the brace that closes what the declaration opened, or at a fence."""
    language = languages.by_id(case.language)
    n_open = _depth(case.declaration, language)

    def stop(text: str) -> int | None:
        closed = _closing(text, n_open, language)
        fence = text.find("\n```")
        ends = [end for end in (closed, fence) if end is not None and end >= 0]
        return min(ends, default=None)

    return stop


def judge(case: Case, reply: Reply) -> Answer:
    """Compile the answer with the set's tests and run it."""
    (text,) = reply.texts
    verdict = run_program(case.language, program_of(case, text), seconds=TEST_SECONDS)
    compiles = not verdict.complaint.startswith("does not compile")
    return Answer(
        case=case.task_id,
        source=_number(case.task_id),
        group=case.language,
        reply=reply,
        right=verdict.passed,
        shares={"compiles": Share(compiles, 1), "ended": Share(reply.status in ("rule", "end"), 1)},
        complaint=verdict.complaint,
    )


def program_of(case: Case, text: str) -> str:
    """A translation with its tests."""
    return f"{case.declaration}{text}\n{case.tests}"


def _number(task_id: str) -> str:
    return task_id.rpartition("/")[2]


def _depth(code: str, language: Language) -> int:
    kinds = [kind for kind, _, _ in pieces(code, language)]
    return kinds.count("{") - kinds.count("}")


def _closing(text: str, n_open: int, language: Language) -> int | None:
    """Where the brace ends that closes the last of ``n_open`` open ones, in characters; None: none does."""
    depth = n_open
    for kind, _, end_char in pieces(text, language):
        depth += (kind == "{") - (kind == "}")
        if depth == 0:
            return end_char
    return None
