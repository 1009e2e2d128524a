"""Repair: one token of held-out code made wrong so that it parses no more, to what a model makes of it.

A whole function of a file is the text. A token of it is left out, replaced by another of the function's
tokens, doubled or joined by another one, or a bracket becomes another bracket, words being kept apart; kinds
and languages take turns. Beside these stand functions that are right already, some with a token a tool is
said to complain of: there, every change is a fault.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from engine.code import languages, syntax
from engine.code.languages import Language
from engine.engine import Engine
from engine.types import EditRequest, Span
from export.corpus.shards import Document
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly
from export.evaluate.functions import functions_of

if TYPE_CHECKING:
    from tree_sitter import Node

SEED = 2026
N_SPOILT = 300
N_RIGHT = 300
PER_DOCUMENT = 3
DRAWS = 60

Kind = Literal["deleted", "replaced", "inserted", "bracket", "right", "right, doubted"]
SPOILT: tuple[Kind, ...] = ("deleted", "replaced", "inserted", "bracket")
RIGHT: tuple[Kind, ...] = ("right", "right, doubted")

_BRACKETS = "()[]{}"
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Case:
    """A function, spoilt or right.

    Attributes:
        name: the document's, with where in it and how it is spoilt.
        package: what the document belongs to.
        language: LSP identifier.
        kind: how it is spoilt, or that it is right.
        text: what is given.
        truth: what stood there.
        doubtful: what a tool is said to complain of.
    """

    name: str
    package: str
    language: str
    kind: Kind
    text: str
    truth: str
    doubtful: tuple[Span, ...] = ()


def cases_of(
    documents: Iterable[Document], n_spoilt: int = N_SPOILT, n_right: int = N_RIGHT, seed: int = SEED
) -> list[Case]:
    """Spoilt functions, then right ones; the same documents always give the same cases.

    Args:
        documents: held-out documents.
        n_spoilt: the most spoilt functions.
        n_right: the most right functions.
        seed: of what is chosen.
    """
    kept = list(documents)
    return [
        *islice(_taking_turns(kept, SPOILT, f"{seed}/spoilt"), n_spoilt),
        *islice(_taking_turns(kept, RIGHT, f"{seed}/right"), n_right),
    ]


def evaluation(documents: Iterable[Document], *, limit: int | None) -> Evaluation[Engine, Case]:
    """The set that documents make.

    Args:
        documents: held-out documents.
        limit: the most cases, evenly spaced; None for all.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        result = engine.edit(EditRequest("repair", case.text, case.language, doubtful=case.doubtful))
        return Reply.of_edit(result, result.text)

    return Evaluation("syntax repair", "exact", evenly(cases_of(documents), limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Compare a text with the one that stood there."""
    (text,) = reply.texts
    exact, changed = text == case.truth, text != case.text
    shares = {"changed": Share(changed, 1)}
    if case.kind in SPOILT:
        parses = not syntax.has_error(text, languages.by_id(case.language))
        shares = {
            "restored": Share(exact, 1),
            "parses": Share(parses, 1),
            f"restored_{case.language}": Share(exact, 1),
        }
    return Answer(
        case=case.name, source=case.package, group=case.kind, reply=reply, right=exact, shares=shares
    )


def _taking_turns(documents: list[Document], kinds: tuple[Kind, ...], seed: str) -> Iterator[Case]:
    """Cases of every kind and every language in turn, as long as there are any of two languages or more."""
    by_language: dict[str, Iterator[tuple[Document, Span, str]]] = {}
    for document in documents:
        if document.language not in by_language and languages.by_id(document.language).grammar:
            own = [other for other in documents if other.language == document.language]
            by_language[document.language] = _functions(own, seed)
    turn = 0
    while by_language:
        for name, functions in list(by_language.items()):
            found = next(functions, None)
            if found is None:
                del by_language[name]
                continue
            document, span, text = found
            rng = random.Random(f"{seed}/{document.key}/{span.start_char}")
            kind = kinds[turn % len(kinds)]
            case = _case(document, span, text, kind, rng)
            if case is not None:
                turn += 1
                yield case


def _functions(documents: list[Document], seed: str) -> Iterator[tuple[Document, Span, str]]:
    """Functions of moderate size that parse when they stand alone, a few of each document."""
    for document in documents:
        language = languages.by_id(document.language)
        rng = random.Random(f"{seed}/{document.key}")
        spans = [function.span for function in functions_of(document.text, language)]
        rng.shuffle(spans)
        n_taken = 0
        for span in spans:
            text = textwrap.dedent(document.text[span.start_char : span.end_char])
            if n_taken < PER_DOCUMENT and not syntax.has_error(text, language):
                n_taken += 1
                yield document, span, text


def _case(document: Document, span: Span, text: str, kind: Kind, rng: random.Random) -> Case | None:
    """The case of a function; None where nothing tried keeps it from parsing."""
    language = languages.by_id(document.language)
    tokens = list(_tokens(text, language))
    if len(tokens) < 2:
        return None
    spoilt, doubtful = text, ()
    if kind == "right, doubted":
        doubtful = (rng.choice(tokens),)
    elif kind != "right":
        for _ in range(DRAWS):
            spoilt = _spoil(text, tokens, kind, rng)
            if syntax.has_error(spoilt, language):
                break
        else:
            return None
    return Case(
        name=f"{document.key}@{span.start_char}/{kind}",
        package=f"{document.ecosystem}/{document.package}",
        language=document.language,
        kind=kind,
        text=spoilt,
        truth=text,
        doubtful=doubtful,
    )


def _tokens(text: str, language: Language) -> Iterator[Span]:
    """The leaves of the tree, comments left out, in order."""
    parsed = syntax.parse(text, language)
    open_nodes: list[Node] = [parsed.root] if parsed else []
    while open_nodes:
        node = open_nodes.pop()
        open_nodes += reversed(node.children)
        if parsed and not node.children and "comment" not in node.type and node.end_byte > node.start_byte:
            span = Span(parsed.utf8.byte_to_char(node.start_byte), parsed.utf8.byte_to_char(node.end_byte))
            if text[span.start_char : span.end_char].strip():
                yield span


def _spoil(text: str, tokens: list[Span], kind: Kind, rng: random.Random) -> str:
    """One token made wrong."""
    brackets = [span for span in tokens if text[span.start_char : span.end_char] in _BRACKETS]
    if kind == "bracket" and not brackets:
        return text
    span = rng.choice(brackets if kind == "bracket" else tokens)
    before, token, after = (
        text[: span.start_char],
        text[span.start_char : span.end_char],
        text[span.end_char :],
    )
    if kind == "deleted":
        if before.endswith(" ") and after.startswith(" ") and rng.random() < 0.5:
            after = after[1:]
        return _joined(before, "", after)
    if kind == "bracket":
        return before + rng.choice([bracket for bracket in _BRACKETS if bracket != token]) + after
    other = rng.choice(tokens)
    new = text[other.start_char : other.end_char]
    if kind == "replaced":
        return _joined(before, new, after)
    return _joined(before, token if rng.random() < 0.5 else new, token + after)


def _joined(before: str, new: str, after: str) -> str:
    """Three texts one after the other, their words kept apart."""
    if _WORD.match(before[-1:]) and _WORD.match((new + after)[:1]):
        before += " "
    if new and _WORD.match(new[-1]) and _WORD.match(after[:1]):
        after = " " + after
    return before + new + after
