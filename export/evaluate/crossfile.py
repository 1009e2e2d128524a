"""Calls of what a sibling module defines, in held-out packages: with its signatures in sight, and without.

Each case takes the rest of a line from the open bracket of such a call, or the whole line. Right is what
stood there; both answers of a case are judged.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from engine.code import languages
from engine.code.context_index import related_files
from engine.code.outline import Entry, outline
from engine.code.syntax import parse, walk
from engine.code.text import line_end, line_start
from engine.engine import Engine
from engine.tasks.changes.change import Source
from engine.tasks.changes.signatures import CALLS
from engine.types import FillRequest, Related, Span
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, same, similarity
from export.evaluate.documents import SEED, read_documents

if TYPE_CHECKING:
    from tree_sitter import Node

MIN_CHARS, MAX_CHARS = 4, 120
PER_PACKAGE = 15
RELATED_TOKENS = 256
"""What signatures may take where no setting says so."""


@dataclass(frozen=True, slots=True)
class Case:
    """A file with the end of a line, or a line, taken out, and what its siblings offer."""

    name: str
    package: str
    kind: str
    request: FillRequest
    solution: str


def cases_of(documents: Iterable[Document], related_tokens: int, seed: int = SEED) -> list[Case]:
    """At most two cases of a document, at most so many documents of a package."""
    by_package: dict[str, dict[PurePosixPath, Document]] = {}
    for document in documents:
        by_package.setdefault(f"{document.ecosystem}/{document.package}", {})[
            PurePosixPath(document.path)
        ] = document
    return [
        case
        for package, files in by_package.items()
        for case in _of_package(package, files, related_tokens, random.Random(f"{seed}/{package}"))
    ]


def evaluation(
    directory: Path, *, limit: int | None, max_tokens: int, related_tokens: int
) -> Evaluation[Engine, Case]:
    """The set of a corpus directory; see ``heldout.evaluation``."""

    def ask(engine: Engine, case: Case) -> Reply:
        request = replace(case.request, max_tokens=max_tokens)
        without = engine.fill(replace(request, related=()))
        result = engine.fill(request)
        reply = Reply.of(result)
        return replace(reply, texts=(*result.fills, *without.fills))

    cases = evenly(cases_of(read_documents(directory), related_tokens), limit)
    return Evaluation("calls across files", "exact", cases, ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Compare both fills with what stood there."""
    given, without = (same(text, case.solution) for text in reply.texts)
    return Answer(
        case=case.name,
        source=case.package,
        group=case.kind,
        reply=reply,
        right=given,
        shares={
            "exact_without": Share(without, 1),
            "better": Share(given and not without, 1),
            "worse": Share(without and not given, 1),
            "edit_similarity": Share(similarity(reply.texts[0], case.solution), 1),
            "edit_similarity_without": Share(similarity(reply.texts[1], case.solution), 1),
        },
    )


def _of_package(
    package: str, files: Mapping[PurePosixPath, Document], related_tokens: int, rng: random.Random
) -> Iterator[Case]:
    @cache
    def outline_of(path: PurePosixPath) -> tuple[Entry, ...] | None:
        document = files.get(path)
        return None if document is None else outline(document.text, languages.by_id(document.language))

    n_taken = 0
    paths = sorted(files)
    rng.shuffle(paths)
    for path in paths:
        document = files[path]
        language = languages.by_id(document.language)
        related = related_files(document.text, path, language, outline_of)
        names = {name for file in related for name in _names(file, outline_of)}
        spans = list(_calls(document, names)) if names else []
        if not spans or n_taken == PER_PACKAGE:
            continue
        n_taken += 1
        rest, line = rng.choice(spans)
        for kind, span in (("arguments", rest), ("line", line)):
            text = document.text
            request = FillRequest(
                (text[: span.start_char], None, text[span.end_char :]),
                language=document.language,
                single_line=True,
                related=related,
                related_tokens=related_tokens,
            )
            name = f"{document.key}@{span.start_char}/{kind}"
            yield Case(name, package, kind, request, text[span.start_char : span.end_char])


def _names(file: Related, outline_of: object) -> set[str]:
    assert callable(outline_of)
    entries = outline_of(PurePosixPath(file.path)) or ()
    return {one.name for one in entries if one.text in file.signatures}


def _calls(document: Document, names: set[str]) -> Iterator[tuple[Span, Span]]:
    """Calls on one line of some names: the rest of the line behind the bracket, and all of its code."""
    syntax = parse(document.text, languages.by_id(document.language))
    if syntax is None:
        return
    source = Source(document.text, syntax)
    for call in walk(syntax.root):
        arguments = call.child_by_field_name("arguments") if call.type in CALLS else None
        if arguments is None or call.start_point.row != arguments.end_point.row:
            continue
        if _called(source, call) not in names:
            continue
        start = source.span(arguments).start_char + 1
        begin, end = line_start(document.text, start), line_end(document.text, start)
        code = document.text[begin:end]
        rest = Span(start, end)
        line = Span(begin + len(code) - len(code.lstrip()), end)
        is_short = line.end_char - line.start_char <= MAX_CHARS
        if is_short and rest.end_char - rest.start_char >= MIN_CHARS:
            yield rest, line


def _called(source: Source, call: Node) -> str:
    """The name that is called: the last one of a path."""
    called = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    name = called
    if called is not None and called.type in ("attribute", "member_expression"):
        name = called.child_by_field_name("attribute") or called.child_by_field_name("property")
    return source.of(name)
