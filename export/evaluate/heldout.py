"""Held-out packages: spans of real files, taken out and asked for, compared with what stood there.

Reads the shards ``heldout-*.jsonl.gz`` of a corpus; which spans there are is the engine's own reading. There
are no tests, so an answer is right when it is the same text, surrounding white space aside.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.code import languages
from engine.code.spans import KINDS, Kind, spans_of
from engine.engine import Engine
from engine.types import FillRequest, Span
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, same, similarity
from export.evaluate.documents import SEED, read_documents

PER_KIND = 100
MIN_CHARS = 3
MAX_CHARS = 600
MAX_LINES = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A file with one span taken out."""

    name: str
    package: str
    language: str
    kind: Kind
    prefix: str
    solution: str
    suffix: str


def cases_of(documents: Iterable[Document], per_kind: int = PER_KIND, seed: int = SEED) -> list[Case]:
    """Cases by kind: at most one of each kind from a document, at most ``per_kind`` of each kind.

    Which span of a document it is depends on the document and the seed alone.
    """
    found: dict[Kind, list[Case]] = {kind: [] for kind in KINDS}
    for document in documents:
        wanting = [kind for kind in KINDS if len(found[kind]) < per_kind]
        if not wanting:
            break
        spans = spans_of(document.text, languages.by_id(document.language))
        for kind in wanting:
            usable = [span for span in spans[kind] if _is_usable(document.text, span)]
            if usable:
                rng = random.Random(f"{seed}/{document.key}/{kind}")
                found[kind].append(_case(document, kind, rng.choice(usable)))
    return [case for cases in found.values() for case in cases]


def evaluation(
    directory: Path, *, per_kind: int, limit: int | None, max_tokens: int
) -> Evaluation[Engine, Case]:
    """The set of a corpus directory.

    Args:
        directory: holds ``heldout-*.jsonl.gz``.
        per_kind: the most cases of each kind.
        limit: the most cases, evenly spaced over all kinds; None for all.
        max_tokens: the most tokens of a fill.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        return Reply.of(engine.fill(request_for(case, max_tokens)))

    cases = evenly(cases_of(read_documents(directory), per_kind), limit)
    return Evaluation("held-out packages", "exact", cases, ask, judge)


def request_for(case: Case, max_tokens: int) -> FillRequest:
    """How a case is asked: as one line where it is one."""
    return FillRequest(
        (case.prefix, None, case.suffix),
        language=case.language,
        single_line="\n" not in case.solution,
        max_tokens=max_tokens,
    )


def judge(case: Case, reply: Reply) -> Answer:
    """Compare a fill with what stood there."""
    (fill,) = reply.texts
    return Answer(
        case=case.name,
        source=case.package,
        group=case.kind,
        reply=reply,
        right=same(fill, case.solution),
        shares={"edit_similarity": Share(similarity(fill, case.solution), 1)},
    )


def _case(document: Document, kind: Kind, span: Span) -> Case:
    text = document.text
    return Case(
        name=f"{document.key}@{span.start_char}-{span.end_char}/{kind}",
        package=f"{document.ecosystem}/{document.package}",
        language=document.language,
        kind=kind,
        prefix=text[: span.start_char],
        solution=text[span.start_char : span.end_char],
        suffix=text[span.end_char :],
    )


def _is_usable(text: str, span: Span) -> bool:
    """Whether a span is neither trivial nor more than a fill can be."""
    content = text[span.start_char : span.end_char]
    return (
        len(content.strip()) >= MIN_CHARS
        and len(content) <= MAX_CHARS
        and content.count("\n") < MAX_LINES
        and span.end_char - span.start_char < len(text) // 2
    )
