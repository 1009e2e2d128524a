"""Every action in every language it is for: functions of held-out files with something taken out, asked for.

What is taken out is known, so an answer can be compared with it: lines behind ``<hole>``, annotations, a
body, a name, a token. Comments, rewrites and translations have no one right answer. Each is looked at for
what an edit must always be: something was changed, it parses, and all around it is as it was.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Literal, get_args

from engine.code import languages, regions
from engine.code.edits import TextEdit, apply
from engine.code.languages import TARGETS, BlockStyle, Language
from engine.code.spans import spans_of
from engine.code.syntax import error_count, has_error, parse
from engine.engine import Engine
from engine.offers import TYPED
from engine.scopes.symbols import Symbol, UnsureError, symbol_at, words_of
from engine.tasks.comments import definitions_of
from engine.types import EditKind, EditRequest, FillRequest, Span, Strength
from export.corpus.shards import Document
from export.evaluate import handling, syntax, types
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, similarity
from export.evaluate.documents import SEED, read_documents_or_packages
from export.evaluate.functions import Function, functions_of

Action = Literal[
    "holes", "types", "docstring", "names", "repair", "complete", "handle", "rewrite", "instruct", "translate"
]

SHORT_FILE_CHARS, MAX_FILE_CHARS = 4_000, 16_000
"""Files over the first are taken only where there are too few others."""

MAX_BODY_LINES = 8
PER_PACKAGE = 4
"""So many cases of one kind are taken of a package, and more only where there are too few others."""

MAX_TURNS = 16
RARE: dict[Action, tuple[int, int]] = {"handle": (60_000, 64)}
"""The longest file and the most turns of an action for which little stands in files of some languages."""

N_HOLES = 2
HOLE_TOKENS = 64
POOR_NAME = "v1"
MIN_NAME_CHARS = 4
MAX_NAMES_TRIED = 40

_IMPORT = re.compile(r"^\s*(?:from\s.+\simport\s|import\s).*\n?", re.MULTILINE)
_OPEN = re.compile(r"[({\[:,]$|^[)}\]]|^(?:#|//|/?\*|@|else\b|elif\b|except\b|finally\b|case\b)")
"""A line that is a part of a statement, or no statement at all."""


@dataclass(frozen=True, slots=True)
class Case:
    """A text and what is asked of it.

    Attributes:
        name, package: where it is from.
        action: what is asked.
        text: what is given, in ``language``.
        language: LSP identifier.
        selection: where it is asked, empty for a cursor; None for the whole text.
        may_change: all outside it must stay; None where that is told otherwise.
        original: the text as it was; None where no one text is right.
        strength: of a rewrite.
        instruction: what a rewrite is to do.
        to: the target of a translation.
    """

    name: str
    package: str
    action: Action
    text: str
    language: str
    selection: Span | None
    may_change: Span | None
    original: str | None = None
    strength: Strength = "rework"
    instruction: str | None = None
    to: str | None = None

    @property
    def group(self) -> str:
        """What the case's figures are added up with."""
        return f"{self.language}: {self.action}"


def evaluation(
    directory: Path, *, per_kind: int, limit: int | None, max_tokens: int
) -> Evaluation[Engine, Case]:
    """The set of a corpus, or of a folder of packages.

    Args:
        directory: see ``documents.read_documents_or_packages``.
        per_kind: the most cases of each action in each language.
        limit: the most cases, evenly spaced over all; None for all.
        max_tokens: the most tokens of an answer; a hole has ``HOLE_TOKENS``.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        return reply_to(case, engine, max_tokens)

    cases = cases_of(read_documents_or_packages(directory), per_kind)
    return Evaluation("edit actions", "works", evenly(cases, limit), ask, judge)


def cases_of(documents: Iterable[Document], per_kind: int, seed: int = SEED) -> list[Case]:
    """Cases of every action and language, one of each in turn; the same documents always give the same."""
    by_language: dict[str, list[Document]] = {language: [] for language in TARGETS}
    for document in documents:
        if document.language in by_language and "\r" not in document.text:
            by_language[document.language].append(document)
    kinds = [
        _cases(own, action, per_kind, seed)
        for language, own in by_language.items()
        for action in get_args(Action)
        if action != "types" or language in TYPED
    ]
    return [case for turn in zip_longest(*kinds) for case in turn if case is not None]


def reply_to(case: Case, engine: Engine, max_tokens: int) -> Reply:
    """Have a case's action done."""
    if case.action == "holes":
        spans = regions.placeholder_spans(case.text, languages.by_id(case.language))
        segments = regions.cut(case.text, spans)
        request = FillRequest(segments, case.language, max_tokens=HOLE_TOKENS, within_block=True)
        result = engine.fill(request)
        return replace(Reply.of(result), texts=(regions.join(segments, result.fills),))
    edited = engine.edit(
        EditRequest(
            _TASKS.get(case.action, case.action),
            case.text,
            case.language,
            case.selection,
            strength=case.strength,
            instruction=case.instruction,
            to=case.to,
            max_tokens=max_tokens,
        )
    )
    return Reply.of_edit(edited, edited.text)


def judge(case: Case, reply: Reply) -> Answer:
    """Look at a text: was something done, and soundly; where it is known, is it what stood there."""
    (text,) = reply.texts
    answered = reply.status == "ok" and text != case.text
    language = languages.by_id(case.to or case.language)
    n_before = 0 if case.to else error_count(case.text, language)
    parses, kept = error_count(text, language) <= n_before, _is_kept(case, text)
    shares = {"answered": Share(answered, 1)}
    if answered:
        shares |= {"parses": Share(parses, 1), "outside_kept": Share(kept, 1)}
    if answered and case.action == "handle":
        added = handling.n_handlers(text, language) > handling.n_handlers(case.text, language)
        names = handling.names_resolve(case.text, text, language)
        kept = kept and added and names
        shares |= {"handler": Share(added, 1), "names_resolve": Share(names, 1)}
    if case.original is not None:
        shares["exact"] = Share(text == case.original, 1)
        if case.may_change is not None:
            written, wanted = (_changed_part(case, whole) for whole in (text, case.original))
            shares["edit_similarity"] = Share(similarity(written, wanted), 1)
    return Answer(
        case=case.name,
        source=case.package,
        group=case.group,
        reply=reply,
        right=answered and parses and kept,
        shares=shares,
    )


def _is_kept(case: Case, text: str) -> bool:
    """Whether all that was not to change is as it was."""
    if case.action == "names":
        at = case.text.index(POOR_NAME, case.selection.start_char if case.selection else 0)
        name = re.match(r"\w*", text[at:])
        return name is not None and text == re.sub(rf"\b{POOR_NAME}\b", name[0], case.text)
    if case.action == "types":  # imports may be added
        bare = [_IMPORT.sub("", types.stripped(whole, case.language)[0]) for whole in (case.text, text)]
        return bare[0].split() == bare[1].split()
    if case.may_change is None:
        return True
    before, after = case.text[: case.may_change.start_char], case.text[case.may_change.end_char :]
    if not text.startswith(before) or not text.endswith(after) or len(text) < len(before) + len(after):
        return False
    return case.action != "handle" or handling.is_kept(
        _changed_part(case, case.text), _changed_part(case, text)
    )


def _changed_part(case: Case, text: str) -> str:
    """What stands in a text where the case's may change."""
    assert case.may_change is not None
    n_after = len(case.text) - case.may_change.end_char
    return text[case.may_change.start_char : len(text) - n_after]


_TASKS: dict[Action, EditKind] = {"instruct": "rewrite", "handle": "complete"}
"""Which task an action is, where it is not one of that name."""

Maker = Callable[[Document, Language, random.Random], Case | None]


def _cases(documents: list[Document], action: Action, per_kind: int, seed: int) -> Iterator[Case]:
    """At most ``per_kind`` cases of an action: one of each document, then a second one, and so on."""
    if action == "repair":
        yield from _repairs(documents, per_kind, seed)
        return
    taken: dict[str, int] = {}
    seen: set[str] = set()
    limit, turns = RARE.get(action, (MAX_FILE_CHARS, MAX_TURNS))
    kept = [document for document in documents if len(document.text) <= limit]
    kept.sort(key=lambda one: (len(one.text) > MAX_FILE_CHARS, len(one.text) > SHORT_FILE_CHARS))
    n_made = 0
    for turn in range(turns):
        for document in kept:
            if n_made == per_kind:
                return
            if taken.get(document.package, 0) >= PER_PACKAGE * (turn + 1):
                continue
            rng = random.Random(f"{seed}/{document.key}/{action}/{turn}")
            case = _MAKERS[action](document, languages.by_id(document.language), rng)
            if case is None or case.name in seen:
                continue
            taken[document.package] = taken.get(document.package, 0) + 1
            seen.add(case.name)
            n_made += 1
            yield case


def _repairs(documents: list[Document], per_kind: int, seed: int) -> Iterator[Case]:
    """The spoilt functions of the set ``syntax``, in one language."""
    for spoilt in syntax.cases_of(documents, per_kind, 0, seed):
        yield Case(
            spoilt.name,
            spoilt.package,
            "repair",
            spoilt.text,
            spoilt.language,
            None,
            None,
            original=spoilt.truth,
        )


def _case(document: Document, action: Action, at: Span, text: str, selection: Span | None) -> Case:
    """A case of a document; ``at`` tells it from others of the same document."""
    return Case(
        f"{document.key}@{at.start_char}/{action}",
        f"{document.ecosystem}/{document.package}",
        action,
        text,
        document.language,
        selection,
        None,
    )


def _function(document: Document, language: Language, rng: random.Random) -> Function | None:
    """One of the functions of a document that parses."""
    if has_error(document.text, language):
        return None
    functions = list(functions_of(document.text, language))
    return rng.choice(functions) if functions else None


def _holes(document: Document, language: Language, rng: random.Random) -> Case | None:
    """Whole lines of a function behind ``<hole>``."""
    text, function = document.text, _function(document, language, rng)
    if function is None:
        return None
    spans = spans_of(text, language)
    lines = [
        span
        for span in spans["line"]
        if function.body.start_char <= span.start_char
        and span.end_char <= function.body.end_char
        and not _OPEN.search(text[span.start_char : span.end_char])
        and not any(doc.start_char <= span.start_char < doc.end_char for doc in spans["docstring"])
    ]
    if len(lines) < N_HOLES + 1:
        return None
    chosen = sorted(rng.sample(lines, N_HOLES), key=lambda span: span.start_char)
    given = apply(text, [TextEdit(span, regions.HOLE) for span in chosen])
    if regions.placeholder_spans(text, language) or has_error(
        apply(
            text, [TextEdit(span, "x = 1" + ";" * (language.block is BlockStyle.BRACE)) for span in chosen]
        ),
        language,
    ):
        return None
    last = len(text) - chosen[-1].end_char
    case = _case(document, "holes", chosen[0], given, None)
    return replace(case, may_change=Span(chosen[0].start_char, len(given) - last), original=text)


def _types(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A function without its annotations."""
    text, function = document.text, _function(document, language, rng)
    if function is None:
        return None
    given, _ = types.stripped(text, language.id, function.span)
    start = function.span.start_char
    selection = Span(start, function.span.end_char - (len(text) - len(given)))
    if given == text or has_error(given, language):
        return None
    return replace(_case(document, "types", function.span, given, selection), original=text)


def _docstring(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A definition that has no comment."""
    parsed = parse(document.text, language)
    bare = [one for one in definitions_of(parsed, document.text) if not one.has_comment] if parsed else []
    if not bare or has_error(document.text, language):
        return None
    chosen = rng.choice(bare)
    cursor = Span(chosen.span.start_char, chosen.span.start_char)
    case = _case(document, "docstring", chosen.span, document.text, cursor)
    return replace(case, may_change=chosen.comment)


def _names(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A variable or parameter under a name that says nothing."""
    text = document.text
    parsed = parse(text, language)
    if parsed is None or parsed.root.has_error or POOR_NAME in words_of(text):
        return None
    leaves = spans_of(text, language)["name"]
    for leaf in rng.sample(leaves, min(MAX_NAMES_TRIED, len(leaves))):
        try:
            symbol = symbol_at(parsed, text, leaf.start_char)
        except UnsureError:
            continue
        if _is_telling(symbol):
            spans = [occurrence.span for occurrence in symbol.occurrences]
            given = apply(text, [TextEdit(span, POOR_NAME) for span in spans])
            start = spans[0].start_char
            case = _case(document, "names", spans[0], given, Span(start, start + len(POOR_NAME)))
            return replace(case, original=text)
    return None


def _is_telling(symbol: Symbol) -> bool:
    """Whether a symbol is a local one whose name says something."""
    return (
        symbol.kind in ("variable", "parameter")
        and not symbol.top_level
        and len(symbol.name) >= MIN_NAME_CHARS
        and len(symbol.occurrences) > 1
        and not any(occurrence.keeps for occurrence in symbol.occurrences)
    )


def _complete(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A function without its body."""
    text, function = document.text, _function(document, language, rng)
    if function is None:
        return None
    body = function.body
    n_lines = text.count("\n", body.start_char, body.end_char) + 1
    if n_lines > MAX_BODY_LINES + 2 * (language.block is BlockStyle.BRACE):
        return None
    indent = re.match(r"[ \t]*", text[function.span.start_char :])
    empty = "pass" if language.block is BlockStyle.COLON else f"{{\n{indent[0] if indent else ''}}}"
    given = apply(text, [TextEdit(body, empty)])
    if has_error(given, language):
        return None
    cursor = Span(body.start_char, body.start_char)
    case = _case(document, "complete", body, given, cursor)
    return replace(case, may_change=Span(body.start_char, body.start_char + len(empty)), original=text)


def _handle(document: Document, language: Language, rng: random.Random) -> Case | None:
    """Statements of a function whose errors nothing handles."""
    asked = handling.asked(document.text, language, rng)
    if asked is None:
        return None
    case = _case(document, "handle", asked.selection, asked.text, asked.selection)
    lines = handling.lines_of(asked.text, asked.selection)
    return replace(case, may_change=lines, original=asked.original)


def _rewrite(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A function, at one of the strengths."""
    function = _function(document, language, rng)
    if function is None:
        return None
    case = _case(document, "rewrite", function.span, document.text, function.span)
    return replace(case, may_change=function.span, strength=rng.choice(get_args(Strength)))


def _instruct(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A function and what is to be done in it: to call something by a name that says what it is."""
    named = _names(document, language, rng)
    if named is None or named.original is None or named.selection is None:
        return None
    at = named.selection.start_char
    around = [one.span for one in functions_of(named.text, language) if one.span.start_char <= at]
    around = [span for span in around if at < span.end_char]
    if not around:
        return None
    span = min(around, key=lambda span: span.end_char - span.start_char)
    good = re.match(r"\w+", named.original[at:])
    if good is None or POOR_NAME in named.text[: span.start_char] + named.text[span.end_char :]:
        return None
    return replace(
        named,
        name=named.name.replace("/names", "/instruct"),
        action="instruct",
        selection=span,
        may_change=span,
        instruction=f"Rename `{POOR_NAME}` to `{good[0]}`.",
    )


def _translate(document: Document, language: Language, rng: random.Random) -> Case | None:
    """A function that stands alone, to one of the other languages."""
    function = _function(document, language, rng)
    if function is None:
        return None
    text = textwrap.dedent(document.text[function.span.start_char : function.span.end_char]) + "\n"
    if has_error(text, language):
        return None
    target = rng.choice([one for one in TARGETS if one != language.id])
    return replace(_case(document, "translate", function.span, text, None), to=target)


_MAKERS: dict[Action, Maker] = {
    "holes": _holes,
    "types": _types,
    "docstring": _docstring,
    "names": _names,
    "complete": _complete,
    "handle": _handle,
    "rewrite": _rewrite,
    "instruct": _instruct,
    "translate": _translate,
}
