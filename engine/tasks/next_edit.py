"""The task ``follow``: a text and the state before its last change to the follow-up that the change implies.

Renamed declarations have their uses renamed, changed signatures their calls fitted; an argument that a call
lacks is written by the model, with the signature in sight. A pure function finds the places
(``follow_ups``); they can be offered without a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.code import languages
from engine.code.brackets import outside_strings
from engine.code.edits import TextEdit, apply
from engine.code.languages import Language
from engine.code.syntax import parse, parses_worse
from engine.tasks import Edited, mean_confidence, refused
from engine.tasks.changes.change import Change
from engine.tasks.changes.changed_names import renames
from engine.tasks.changes.changed_signatures import signature_changes
from engine.tasks.changes.follow_up import Implied, Place, disjoint
from engine.types import EditRequest, Span
from engine.workbench import Workbench

MAX_ARGUMENT_TOKENS = 32
MAX_PLACES = 200
MAX_DECLARATION_CHARS = 800
"""No more of a changed signature is shown to the model."""

MAX_BEFORE_CHARS, MAX_BEHIND_CHARS = 1_200, 400
"""What of the text around a call is shown to it, cut at line ends."""

NOTHING = "the change implies nothing elsewhere in the file"


def follow_ups(before: str, text: str, language: Language) -> Implied:
    """What the change from one text to another implies elsewhere in it.

    Args:
        before: the last text in which nothing was left to follow.
        text: the text as it is.
        language: of both.
    """
    change = Change.between(before, text, language)
    if change is None:
        unread = language.grammar is not None and parse(text, language) is None
        return Implied(unsure="the text was not parsed in time" if unread else None)
    if parses_worse(text, before, language):
        return Implied(unsure="the text does not parse")
    names, signatures = renames(change), signature_changes(change)
    found = (*names.follow_ups, *signatures.follow_ups)
    n_places = sum(len(one.places) for one in found)
    return Implied(found if n_places <= MAX_PLACES else (), names.unsure or signatures.unsure)


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Do what the change from ``request.before`` implies, in the selection where there is one.

    Raises:
        Cancelled: asked to stop.
    """
    if request.before is None:
        return refused("the text before the change is needed")
    language = languages.by_id(request.language)
    implied = follow_ups(request.before, request.text, language)
    owners = {place: one for one in implied.follow_ups for place in one.places}
    places = [place for place in disjoint(owners) if _touches(place.span, request.selection)]
    if not places:
        return refused(implied.unsure or NOTHING)
    edits: list[TextEdit] = []
    confidences: list[float] = []
    for place in places:
        made = _filled(bench, request, place, owners[place].declaration, edits)
        if made is not None:
            edits.append(TextEdit(place.span, made[0]))
            confidences += made[1]
    if not edits:
        return refused("no argument was found")
    left = len(places) - len(edits)
    return Edited(
        apply(request.text, edits),
        tuple(edit.span for edit in edits),
        reason=f"{left} of {len(places)} places stay as they are" if left else implied.unsure,
        confidence=mean_confidence(confidences) if confidences else 1.0,
    )


def argument_end(text: str) -> int | None:
    """Where an argument ends in what follows it: at a comma or a bracket that it did not open."""
    depth = 0
    for at, char in outside_strings(text, "\"'`"):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and (char in ",;" or (char == "\n" and text[:at].strip())):
            return at
    return None


def _touches(span: Span, selection: Span | None) -> bool:
    return selection is None or (
        span.start_char <= selection.end_char and selection.start_char <= span.end_char
    )


def _filled(
    bench: Workbench, request: EditRequest, place: Place, declaration: Span, edits: Sequence[TextEdit]
) -> tuple[str, list[float]] | None:
    """The text of a place, and how sure the model is of what it wrote; None where it wrote nothing usable."""
    written = ""
    confidences: list[float] = []
    for part in place.parts:
        if part is not None:
            written += part
            continue
        before = apply(request.text[: place.span.start_char], edits) + written
        behind = request.text[place.span.end_char :]
        answer = bench.go_on(
            _shown_before(before, request.text[declaration.start_char : declaration.end_char]),
            _shown_behind(behind),
            request.language,
            stop=argument_end,
            max_tokens=MAX_ARGUMENT_TOKENS,
            heal=True,
        )
        argument = answer.text.strip()
        if not answer.ended or not argument or argument == "...":
            return None
        written += argument
        confidences.append(answer.confidence)
    return written, confidences


def _shown_before(before: str, declaration: str) -> str:
    """What the model sees before a hole: the changed signature, and the lines that lead to the hole."""
    if len(before) <= MAX_BEFORE_CHARS:
        return before
    start = before.find("\n", len(before) - MAX_BEFORE_CHARS) + 1
    near = before[start:] if start else before[-MAX_BEFORE_CHARS:]
    if declaration in near:
        return near
    return f"{declaration[:MAX_DECLARATION_CHARS].rstrip()}\n\n{near}"


def _shown_behind(behind: str) -> str:
    if len(behind) <= MAX_BEHIND_CHARS:
        return behind
    return behind[: behind.rfind("\n", 0, MAX_BEHIND_CHARS) + 1] or behind[:MAX_BEHIND_CHARS]
