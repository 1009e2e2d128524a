"""The task ``translate``: a text, or a selection in it, to the same in another programming language.

Long texts are translated item by item, with what the items are to be called and the signatures translated
already in sight. What does not parse in the target is asked for once more, then marked and said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.code import languages
from engine.code.brackets import pieces
from engine.code.edits import apply
from engine.code.languages import TARGETS, BlockStyle, Language
from engine.code.names import carried, unresolved
from engine.code.syntax import error_count, error_spans, parse
from engine.code.text import newline_of
from engine.denoising.chat import Turn
from engine.denoising.denoise import StopRule
from engine.errors import UsageError
from engine.tasks import Edited, glossary, mean_confidence, reassigned, refused
from engine.tasks.answers import MAX_ASKED_CHARS, TOO_LONG, Answer, ask, fence_for, fenced
from engine.tasks.assembly import assemble
from engine.tasks.excerpt import Excerpt
from engine.tasks.imports import with_modules
from engine.tasks.parts import split
from engine.types import EditRequest, Span
from engine.workbench import FlawFinder, Flaws, Workbench

PART_CHARS = 450
"""Neighbouring items are translated together up to this length; small models leave some of more out."""

SPARE_TOKENS = 256
"""A translation may have twice the tokens of its source, and this many more."""

MAX_SIGNATURES = 12

NOTHING = "there is nothing to translate"

MAX_TOKEN_CHARS = 64

_MAIN = re.compile(r"\bmain\b|__main__")
_EXPORTS = re.compile(r"^(?:module\.)?exports\s*=\s*(?:\{[^{}]*\}|\w+);?[^\S\n]*$", re.MULTILINE)
_MAIN_BEGINS = re.compile(
    r"^(?:func|fn|int|void|async function|function|def) main\(|^if __name__\b", re.MULTILINE
)

_SYSTEM = "You are a helpful assistant that translates code faithfully."


@dataclass(frozen=True, slots=True)
class _Pair:
    """From what to what."""

    source: Language
    target: Language


@dataclass(frozen=True, slots=True)
class _Part:
    """A part in the target language.

    Attributes:
        text: what was made of it; marked with a comment where it cannot be used.
        confidence: of what was written.
        complaint: what is wrong with it; None where nothing is known to be.
    """

    text: str
    confidence: float
    complaint: str | None = None


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Translate the text or what is selected.

    Raises:
        UsageError: one of the languages is not known.
        ArtifactError: the model cannot follow instructions.
        Cancelled: asked to stop.
    """
    pair = _Pair(_known(request.language, "from"), _known(request.to or "", "to"))
    if pair.source == pair.target:
        return refused(f"the text is {pair.target.title} already")
    whole = Excerpt.of(request.text, request.span)
    if not whole.shown:
        return refused(NOTHING)
    spans = [request.span] if request.opening else _items(request, pair.source)
    parts: list[_Part] = []
    complaints: list[str] = []
    for span in spans:
        excerpt = Excerpt.of(request.text, span)
        if not excerpt.shown:
            continue
        parts.append(_translated(bench, request, excerpt, pair, [part.text for part in parts]))
        if (complaint := parts[-1].complaint) is not None:
            complaints.append(complaint if len(spans) == 1 else f"{_lines(request.text, span)}: {complaint}")
    written = [part.confidence for part in parts if part.confidence]
    if not written:
        return refused(complaints[0] if complaints else NOTHING)
    confidence = mean_confidence(written)
    if request.selection is not None:
        reason = _reason(complaints)
        text = whole.put_back("\n\n".join(part.text.strip("\n") for part in parts))
        return Edited(text, (request.span,), reason=reason, confidence=confidence)
    text = parts[0].text
    if not request.opening:
        has_main = _MAIN.search(request.text) is not None
        unwanted = frozenset() if has_main or pair.target.id == "java" else frozenset({"main"})
        text = assemble([part.text for part in parts], pair.target, without=unwanted)
    if not complaints and error_count(text, pair.target):
        complaints.append(f"the whole does not parse as {pair.target.title}")
    if newline_of(request.text) == "\r\n":  # to most languages a bare carriage return ends no line
        text = text.replace("\n", "\r\n")
    return Edited(text, None, reason=_reason(complaints), confidence=confidence)


def _reason(complaints: list[str]) -> str | None:
    return f"not translated well: {'; '.join(complaints)}" if complaints else None


def _known(language_id: str, way: str) -> Language:
    language = languages.by_id(language_id)
    if language.id not in TARGETS:
        named = f"{language_id} is no language" if language_id else "there is no language"
        raise UsageError(f"{named} to translate {way}", f"Choose among {', '.join(TARGETS)}.")
    return language


def _items(request: EditRequest, source: Language) -> list[Span]:
    return split(request.text, request.span, source, PART_CHARS, deep=False)


def _translated(
    bench: Workbench, request: EditRequest, excerpt: Excerpt, pair: _Pair, done: list[str]
) -> _Part:
    """One part, asked for once more in other words where the first answer does not parse."""
    best: Answer | None = None
    best_parses, complaint, wrong = False, "", ""
    source = _asked_text(excerpt, pair)
    if not source.strip():
        return _Part("", 0.0)
    known = frozenset(map(glossary.bare, carried(source, pair.source)))
    if len(source) > MAX_ASKED_CHARS:
        return _marked(request.opening, excerpt, None, TOO_LONG, pair.target)
    for again in (False, True):
        room = request.max_tokens - bench.work.tokens
        if bench.deadline.passed or room < 1:
            complaint = complaint or ("stopped at the deadline" if room >= 1 else "stopped at max_tokens")
            break
        fence = fence_for(excerpt.shown)
        answer = ask(
            bench,
            _question(request, source, pair, done, fence, again=again, wrong=wrong),
            pair.target,
            fence=fence,
            opening=request.opening,
            stop=_end_rule(request, pair.target),
            max_tokens=min(2 * len(bench.codec.encode(source)) + SPARE_TOKENS, room),
            hint=source,
            flaws=_flaws(request.opening, known, pair.target),
        )
        text = _mended(request.opening + _called(answer.text, request, pair), request.opening, pair.target)
        if not answer.text.strip():
            complaint = answer.complaint or "the answer is empty"
            continue
        left_out = [] if request.opening else glossary.missing(source, pair.source, text)
        parses = answer.complaint is None and not error_count(text, pair.target)
        if parses and not left_out:
            unknown = _unknown(text, known, pair.target)
            said = f"nothing defines {', '.join(unknown)}" if unknown else None
            return _Part(text, answer.confidence, said)
        wrong = _wrong_line(text, pair.target)
        # A second answer is only better than the first if it parses where that did not.
        if best is None or (parses and not best_parses):
            best, best_parses = replace(answer, text=text[len(request.opening) :]), parses
            complaint = answer.complaint or f"does not parse as {pair.target.title}"
            if parses:
                complaint = f"{', '.join(left_out)} left out"
    return _marked(request.opening, excerpt, best, complaint, pair.target)


def _question(
    request: EditRequest,
    source: str,
    pair: _Pair,
    done: list[str],
    fence: str,
    *,
    again: bool,
    wrong: str,
) -> list[Turn]:
    title = pair.target.title
    block = fenced(source, pair.source, fence)
    if again:
        ask_for = (
            f"Rewrite this {pair.source.title} code in {title}. Write complete, valid {title} code only."
        )
    else:
        ask_for = f"Translate this {pair.source.title} code to {title}. Write the {title} code only."
    lines = [ask_for]
    if wrong:
        lines.append(f"This is not valid {title}: `{wrong}`.")
    if not request.opening:
        called = glossary.names(request.text, pair.source, pair.target)
        here = [f"`{name}` becomes `{new}`" for name, new in called.items() if name in source]
        lines += [f"Names: {', '.join(here)}."] if here else []
        known = [line for text in done for line in glossary.signatures(text, pair.target)][-MAX_SIGNATURES:]
        if known and not again:  # shown as a block of code, a small model writes them once more
            there = ", ".join(f"`{line}`" for line in known)
            lines.append(f"The rest of the file is translated already; it has {there}.")
    asked = "\n".join(lines)
    return [Turn("system", _SYSTEM), Turn("user", f"{asked}\n\n{block}")]


def _called(answer: str, request: EditRequest, pair: _Pair) -> str:
    """An answer in which every function is called what the glossary says, wherever the model forgot."""
    if request.opening:
        return answer
    for name, new in glossary.names(request.text, pair.source, pair.target).items():
        answer = re.sub(rf"(?<![\w$]){re.escape(name)}(?![\w$])", new, answer)
    return answer


def _wrong_line(text: str, language: Language) -> str:
    """The first line that the grammar could not read, without indentation.

    Empty where all can be read, and where only something is missing: no line is to blame for that.
    """
    syntax = parse(text, language)
    if syntax is None:
        return ""
    node = syntax.root
    while not node.is_error:
        wrong = next((child for child in node.children if child.has_error), None)
        if wrong is None or wrong.is_missing:
            return ""
        node = wrong
    node = next((child for child in node.children if child.is_error), node)
    lines = syntax.utf8.data.split(b"\n")
    return lines[min(node.start_point.row, len(lines) - 1)].decode("utf-8", "replace").strip()


def _mended(text: str, opening: str, language: Language) -> str:
    """A translation that may assign what it assigns and imports what it uses; its opening is as it was."""
    edits = reassigned.edits_of(text, language)
    text = apply(text, [edit for edit in edits if edit.span.start_char >= len(opening)])
    return text if opening else with_modules(text, language)


def _unknown(text: str, known: frozenset[str], language: Language) -> list[str]:
    """The names that a translation reads and nothing defines; its source has those known from elsewhere."""
    return sorted(name for name in unresolved(text, language) if glossary.bare(name) not in known)


def _flaws(opening: str, known: frozenset[str], target: Language) -> FlawFinder:
    """Finds what of an answer cannot be read in its language; else the names that nothing defines."""

    def find(text: str) -> Flaws:
        spans = error_spans(opening + text, target)
        last = max(spans, key=lambda span: span.start_char, default=None)
        if last is not None:
            at_chars = (last.start_char, last.end_char)
            return Flaws(len(spans), tuple(max(at_char - len(opening), 0) for at_char in at_chars))
        unknown = _unknown(_mended(opening + text, opening, target), known, target)
        found = (re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) for name in unknown)
        places = [place.span() for place in found if place is not None]
        return Flaws(len(places), min(places, default=()))

    return find


def _asked_text(excerpt: Excerpt, pair: _Pair) -> str:
    """What of an excerpt has a meaning in the target: CommonJS exports have none."""
    if "script" in pair.source.id and "script" not in pair.target.id:
        return _EXPORTS.sub("", excerpt.shown).strip("\n")
    return excerpt.shown


def _end_rule(request: EditRequest, target: Language) -> StopRule | None:
    """Where a translation ends, besides at its fence; None where nowhere else."""
    if request.opening:
        return _closed(request.opening, target)
    if _MAIN.search(request.text) is not None:
        return None

    def before_main(text: str) -> int | None:
        match = _MAIN_BEGINS.search(text)
        return match.start() if match is not None and text[: match.start()].strip() else None

    return before_main


def _marked(opening: str, excerpt: Excerpt, best: Answer | None, complaint: str, target: Language) -> _Part:
    """A part that cannot be used as it is, with a comment that says so."""
    mark = target.line_comment
    if best is not None and opening:
        return _Part(f"{opening}{best.text.rstrip()}\n{mark} Unmask: {complaint}", best.confidence, complaint)
    if best is not None:
        return _Part(f"{mark} Unmask: {complaint}\n{best.text.strip()}", best.confidence, complaint)
    old = "\n".join(f"{mark} {line}".rstrip() for line in excerpt.shown.split("\n"))
    return _Part(f"{mark} Unmask: not translated: {complaint}\n{old}", 0.0, complaint)


def _closed(opening: str, target: Language) -> StopRule | None:
    """Ends an answer behind the brace that closes what the opening opened."""
    n_open = _depth(opening, target)
    if target.block is not BlockStyle.BRACE or n_open < 1:
        return None

    ends_in_semicolon = target.id == "cpp" and re.search(r"\b(?:class|struct)\b", opening) is not None

    def stop(text: str) -> int | None:
        if "}" not in text[-MAX_TOKEN_CHARS:]:  # asked after every token: an earlier one was seen
            return None
        depth = n_open
        for kind, _, end_char in pieces(text, target):
            depth += (kind == "{") - (kind == "}")
            if depth == 0 and ends_in_semicolon:
                return end_char + text.startswith(";", end_char) if text[end_char:] else None
            if depth == 0:
                return end_char
        return None

    return stop


def _depth(code: str, language: Language) -> int:
    kinds = [kind for kind, _, _ in pieces(code, language)]
    return kinds.count("{") - kinds.count("}")


def _lines(text: str, span: Span) -> str:
    """The lines a span is on, for people."""
    first = text.count("\n", 0, span.start_char) + 1
    last = first + text.rstrip().count("\n", span.start_char, max(span.end_char - 1, span.start_char))
    return f"lines {first}–{last}" if last > first else f"line {first}"
