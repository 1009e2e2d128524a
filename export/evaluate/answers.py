"""What every evaluation set hands on: cases asked, replies judged, answers written down.

Pure data. Knows neither the sets nor how figures are made of it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from engine.errors import UsageError
from engine.types import EditResult, FillResult


class Named(Protocol):
    """A case, whatever else a set knows of it."""

    @property
    def name(self) -> str:
        """Unique in its set, and the same in every run."""
        ...


ModelT = TypeVar("ModelT")
CaseT = TypeVar("CaseT", bound=Named)
AnyT = TypeVar("AnyT")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a case, not judged yet.

    Attributes:
        texts: one per hole, or the one text asked for.
        status: as in ``engine.types.FillResult``.
        tokens: committed tokens.
        forwards: passes, those of the context included.
        context_forwards: the passes that only encoded context.
        rows: rows run through the model outside the context's encoding; 0 where nobody counted.
        ms: wall time in milliseconds.
        ids: the token ids, where a set judges those.
        confidence: what the engine said of it, 0 to 1; of several holes the least. None where nobody asked.
    """

    texts: tuple[str, ...]
    status: str
    tokens: int
    forwards: int
    context_forwards: int
    rows: int
    ms: float
    ids: tuple[int, ...] = ()
    confidence: float | None = None

    @classmethod
    def of(cls, result: FillResult) -> Reply:
        """The reply that a result of the engine is."""
        return cls(
            texts=result.fills,
            status=result.status,
            tokens=result.tokens,
            forwards=result.forwards,
            context_forwards=result.context_forwards,
            rows=result.rows,
            ms=round(result.ms, 1),
            confidence=min(result.confidence, default=0.0),
        )

    @classmethod
    def of_edit(cls, result: EditResult, text: str) -> Reply:
        """The reply that the result of an edit is; ``text`` is what of it is judged."""
        return cls(
            texts=(text,),
            status=result.status,
            tokens=result.work.tokens,
            forwards=result.work.forwards,
            context_forwards=result.work.context_forwards,
            rows=result.work.rows,
            ms=round(result.ms, 1),
            confidence=result.confidence,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """How much of something was hit: ``hits`` of ``of``."""

    hits: float
    of: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A case, asked and judged.

    Attributes:
        case: name of the case, unique in its set.
        source: what it is taken from; cases of one source are not independent of each other.
        group: the kind of case figures are also given for; empty where a set has one kind.
        reply: what the engine gave.
        right: the set's verdict.
        shares: further figures by name, each added up over the cases.
        complaint: what the tests said; empty where there is nothing to say.
    """

    case: str
    source: str
    group: str
    reply: Reply
    right: bool
    shares: Mapping[str, Share] = field(default_factory=dict)
    complaint: str = ""

    def as_json(self) -> dict[str, Any]:
        """A JSON object of everything."""
        return asdict(self)

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Answer:
        """The answer that ``as_json`` wrote.

        Raises:
            KeyError, TypeError: it did not.
        """
        reply = {
            **answer["reply"],
            "texts": tuple(answer["reply"]["texts"]),
            "ids": tuple(answer["reply"]["ids"]),
        }
        shares = {name: Share(**share) for name, share in answer["shares"].items()}
        rest = {name: answer[name] for name in ("case", "source", "group", "right", "complaint")}
        return cls(reply=Reply(**reply), shares=shares, **rest)


@dataclass(frozen=True, slots=True)
class Evaluation(Generic[ModelT, CaseT]):
    """A set, ready to be asked.

    Attributes:
        name: what it is called in reports.
        verdict: what the share of right answers is called, such as ``pass_at_1``.
        cases: in order.
        ask: a model and a case to a reply.
        judge: a case and its reply to an answer.
    """

    name: str
    verdict: str
    cases: Sequence[CaseT]
    ask: Callable[[ModelT, CaseT], Reply]
    judge: Callable[[CaseT, Reply], Answer]


def evenly(cases: Sequence[AnyT], limit: int | None) -> list[AnyT]:
    """At most ``limit`` of the cases, evenly spaced over all of them; every one where it is None."""
    if limit is None or limit >= len(cases):
        return list(cases)
    return [cases[at * len(cases) // limit] for at in range(limit)]


def read_problems(path: Path) -> list[dict[str, Any]]:
    """Problems of a gzip JSON Lines file.

    Raises:
        UsageError: there is no such file, or it is not one.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            problems = [json.loads(line) for line in file]
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Name a gzip JSON Lines file.") from error
    if not all(isinstance(problem, dict) for problem in problems):
        raise UsageError(f"{path} has a line that is no JSON object", "Name a file of problems.")
    return problems


def function_of(task_id: str) -> str:
    """The function a task belongs to: ``HumanEval/0`` of ``SingleLineInfilling/HumanEval/0/L2``."""
    parts = task_id.split("/")
    at = parts.index("HumanEval") if "HumanEval" in parts else 0
    return "/".join(parts[at : at + 2])


def same(text: str, wanted: str) -> bool:
    """Whether two texts are equal, surrounding white space aside."""
    return text.strip() == wanted.strip()


def similarity(text: str, wanted: str) -> float:
    """Edit similarity from 0 to 1 (``difflib``'s ratio), surrounding white space aside."""
    matcher = SequenceMatcher(None, text.strip(), wanted.strip(), autojunk=False)
    return round(matcher.ratio(), 4)
