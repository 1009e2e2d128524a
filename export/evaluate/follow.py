"""A parameter taken out of held-out functions and their calls, and put back in the signature: are the calls?

Each case has two states of a file: without the parameter, and with it in the signature alone. The task
``follow`` is asked what that implies; right is what stood in the calls to begin with.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.code import languages
from engine.code.edits import TextEdit, apply
from engine.code.regions import cut
from engine.code.syntax import parse, walk
from engine.engine import Engine
from engine.tasks.changes.change import Source
from engine.tasks.changes.signatures import FUNCTIONS, parameters_of
from engine.tasks.next_edit import follow_ups
from engine.types import EditRequest, Span
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly
from export.evaluate.documents import SEED, read_documents

if TYPE_CHECKING:
    from tree_sitter import Node

LANGUAGES = frozenset({"python", "javascript", "typescript", "go", "rust"})
MAX_FILE_CHARS = 30_000
MAX_CALLS = 8
PER_PACKAGE = 20
_NOT_ALONE = frozenset({"self", "cls"})


@dataclass(frozen=True, slots=True)
class Case:
    """A file whose calls lack an argument that the signature asks for.

    Attributes:
        name, package, language: where it is from.
        before: the file without the parameter.
        text: the file with the parameter in the signature alone.
        original: the file as it was.
        places: where the calls lack it, in ``text``.
    """

    name: str
    package: str
    language: str
    before: str
    text: str
    original: str
    places: tuple[Span, ...]


def cases_of(documents: Iterable[Document], limit: int | None = None, seed: int = SEED) -> list[Case]:
    """At most one case of each document, in their order."""
    return list(islice(_cases(documents, seed), limit))


def evaluation(directory: Path, *, limit: int | None) -> Evaluation[Engine, Case]:
    """The set of a corpus directory; see ``heldout.evaluation``."""

    def ask(engine: Engine, case: Case) -> Reply:
        result = engine.edit(EditRequest("follow", case.text, case.language, before=case.before))
        return Reply.of_edit(result, result.text)

    cases = evenly(cases_of(read_documents(directory)), limit)
    return Evaluation("calls that follow a signature", "files_exact", cases, ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Compare call by call."""
    kept = [part for part in cut(case.text, case.places) if part is not None]
    wanted, given = written_between(kept, case.original), written_between(kept, reply.texts[0])
    exact = [mine.split() == theirs.split() for mine, theirs in zip(given, wanted, strict=True)]
    return Answer(
        case=case.name,
        source=case.package,
        group=case.language,
        reply=reply,
        right=all(exact),
        shares={
            "calls_exact": Share(sum(exact), len(exact)),
            "calls_answered": Share(sum(map(bool, given)), len(exact)),
        },
        complaint="; ".join(
            f"{mine} for {theirs}"
            for mine, theirs, same in zip(given, wanted, exact, strict=True)
            if not same
        ),
    )


def written_between(kept: Sequence[str], text: str) -> list[str]:
    """What stands between texts that are known to follow one another in it."""
    found: list[str] = []
    at = len(kept[0])
    for part in kept[1:]:
        end = len(text) - len(part) if part is kept[-1] else text.index(part, at)
        found.append(text[at:end])
        at = end + len(part)
    return found


def _cases(documents: Iterable[Document], seed: int) -> Iterator[Case]:
    taken: dict[str, int] = {}
    for document in documents:
        text = document.text
        if document.language not in LANGUAGES or len(text) > MAX_FILE_CHARS or "\r" in text:
            continue
        if taken.get(document.package, 0) >= PER_PACKAGE:
            continue
        removals = list(_removals(text, document.language))
        random.Random(f"{seed}/{document.key}").shuffle(removals)
        case = next((case for removal in removals if (case := _case(document, removal)) is not None), None)
        if case is not None:
            taken[document.package] = taken.get(document.package, 0) + 1
            yield case


def _case(document: Document, removal: TextEdit) -> Case | None:
    """The case of a parameter; None where no call passes it."""
    text, language = document.text, languages.by_id(document.language)
    signature_without = apply(text, [removal])
    implied = follow_ups(text, signature_without, language)
    places = [place for one in implied.follow_ups for place in one.places]
    if not 1 <= len(places) <= MAX_CALLS or any(place.n_holes for place in places):
        return None
    calls = [place.edit() for place in places]
    before = apply(signature_without, calls)
    # The same edits in the file as it was, whose signature is longer.
    grown = removal.span.end_char - removal.span.start_char
    moved = [TextEdit(_behind(edit.span, removal.span.start_char, grown), edit.new_text) for edit in calls]
    with_signature = apply(text, moved)
    again = follow_ups(before, with_signature, language)
    lacking = [place for one in again.follow_ups for place in one.places]
    if [place.n_holes for place in lacking] != [1] * len(places):
        return None
    return Case(
        f"{document.key}@{removal.span.start_char}",
        f"{document.ecosystem}/{document.package}",
        document.language,
        before,
        with_signature,
        text,
        tuple(place.span for place in lacking),
    )


def _behind(span: Span, at_char: int, grown: int) -> Span:
    shift = grown if span.start_char >= at_char else 0
    return Span(span.start_char + shift, span.end_char + shift)


def _removals(text: str, language_id: str) -> Iterator[TextEdit]:
    """What takes a parameter that every call has to pass out of a signature: never the first."""
    syntax = parse(text, languages.by_id(language_id))
    if syntax is None or syntax.root.has_error:
        return
    source = Source(text, syntax)
    for function in walk(syntax.root):
        held = _parameter_nodes(function)
        parameters = parameters_of(source, function) if function.type in FUNCTIONS and held else None
        if parameters is None or len(parameters) != len(held):
            continue
        for at in range(1, len(held)):
            parameter = parameters[at]
            if parameter.how == "plain" and not parameter.optional and parameter.name not in _NOT_ALONE:
                start, end = source.span(held[at - 1]).end_char, source.span(held[at]).end_char
                yield TextEdit(Span(start, end), "")


def _parameter_nodes(function: Node) -> list[Node]:
    held = function.child_by_field_name("parameters")
    return [] if held is None else [node for node in held.named_children if node.type != "comment"]
