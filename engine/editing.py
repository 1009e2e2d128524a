"""An edit request to its result: runs the task and holds it to the spans that it may change.

What stays in its language also passes the accept gate. Knows no task's inside; which module answers a kind
is one table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from engine import edit_gate
from engine.code import languages
from engine.errors import UsageError
from engine.tasks import Edited
from engine.types import EditKind, EditRequest, EditResult, Span
from engine.workbench import Workbench

_MODULES: dict[EditKind, str] = {
    "complete": "engine.tasks.complete",
    "docstring": "engine.tasks.docstring",
    "follow": "engine.tasks.next_edit",
    "names": "engine.tasks.rename",
    "repair": "engine.tasks.repair",
    "rewrite": "engine.tasks.rewrite",
    "translate": "engine.tasks.translate",
    "types": "engine.tasks.annotate",
}

UNCHANGED = "nothing to change"


def edit(bench: Workbench, request: EditRequest) -> EditResult:
    """Run the task of a request.

    Raises:
        UsageError: the request cannot be used.
        Cancelled: asked to stop.
    """
    start = time.perf_counter()
    _check(request)
    edited: Edited = import_module(_MODULES[request.kind]).run(bench, request)
    for text in () if edited.text is None else (edited.text, *edited.alternatives):
        assert edited.changed is None or only_within(request.text, text, edited.changed), request.kind
    stays_in_language = edited.changed is not None and request.kind != "translate"
    if edited.text is not None and stays_in_language:
        edited = _through_gate(edited, request)
    unchanged = edited.text is None or edited.text == request.text
    return EditResult(
        status="refused" if unchanged else "ok",
        text=request.text if edited.text is None else edited.text,
        confidence=round(edited.confidence, 4),
        reason=edited.reason or (UNCHANGED if unchanged else None),
        alternatives=edited.alternatives,
        work=bench.work,
        ms=(time.perf_counter() - start) * 1000.0,
    )


def _through_gate(edited: Edited, request: EditRequest) -> Edited:
    """What the accept gate leaves of a new text and its alternatives, in their order."""
    assert edited.text is not None
    language = languages.by_id(request.language)
    judged = [edit_gate.admit(request.text, text, language) for text in (edited.text, *edited.alternatives)]
    kept = [one for one in judged if one.text is not None]
    if not kept:
        return replace(edited, text=None, alternatives=(), reason=judged[0].note)
    first, *others = kept
    notes = [note for note in (edited.reason, first.note) if note]
    return replace(
        edited,
        text=first.text,
        alternatives=tuple(one.text for one in others if one.text is not None),
        reason="; ".join(notes) or None,
    )


def kinds() -> frozenset[EditKind]:
    """The tasks there are."""
    return frozenset(_MODULES)


def only_within(old: str, new: str, spans: Sequence[Span]) -> bool:
    """Whether everything outside some spans of ``old``, in order and disjoint, stands in ``new`` in order.

    The texts before the first and behind the last span must stand where they did, at the ends.
    """
    kept, at_char = [], 0
    for span in spans:
        kept.append(old[at_char : span.start_char])
        at_char = span.end_char
    kept.append(old[at_char:])
    if not spans:
        return old == new
    first, *middle, last = kept
    if not new.startswith(first) or not new.endswith(last) or len(new) < len(first) + len(last):
        return False
    at_char, end_char = len(first), len(new) - len(last)
    for text in middle:
        found = new.find(text, at_char, end_char)
        if found < 0:
            return False
        at_char = found + len(text)
    return True


def _check(request: EditRequest) -> None:
    if request.kind not in _MODULES:
        raise UsageError(f"{request.kind} is no edit task", f"Choose among {', '.join(sorted(_MODULES))}.")
    if request.max_tokens < 1:
        raise UsageError(f"max_tokens is {request.max_tokens}", "Ask for at least 1.")
    if request.selection is not None and request.selection.end_char > len(request.text):
        raise UsageError("the selection ends behind the text", "Select a part of the text.")
