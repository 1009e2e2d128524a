"""The task ``types``: a text to the same text with the annotations that were missing.

Every missing annotation of a function is a hole, filled from left to right with the body in sight; what the
code proves by itself is not asked of the model. A fill that is no type, or whose names do not resolve, is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.code import languages
from engine.code.brackets import outside_strings
from engine.code.edits import TextEdit, apply
from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, parses_worse
from engine.tasks import Edited, refused
from engine.tasks.annotations import slots, typenames, typescript
from engine.tasks.annotations.slots import Group, Slot
from engine.tasks.imports import import_edits
from engine.types import EditRequest
from engine.workbench import Workbench

MAX_TYPE_TOKENS = 32
MAX_BODY_CHARS = 1_600
"""No more of a body is shown; of a longer one the beginning, and the lines that return."""

NOTHING_MISSING = "no annotation is missing here"
_ITERATORS = frozenset(
    {"Iterator", "Iterable", "Generator", "AsyncIterator", "AsyncIterable", "AsyncGenerator", "Any"}
)

_GENERATORS = frozenset({"Generator", "AsyncGenerator"})


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Annotate what is selected.

    Raises:
        Cancelled: asked to stop.
    """
    language = languages.by_id(request.language)
    if language.id == "javascript":
        return refused("JavaScript has no type annotations: name the file .ts to get them")
    if not slots.knows(language):
        return refused(f"types are added to Python and TypeScript, not to {language.title}")
    syntax = parse(request.text, language)
    if syntax is None:
        return refused("the text is too large, or too odd, to be parsed")
    groups = _chosen(slots.groups_of(syntax, request.text), request)
    if not groups:
        return refused(NOTHING_MISSING)
    annotating = _Annotating(bench, request, syntax, language)
    for group in groups:
        if bench.deadline.passed or annotating.tokens_left <= 0:
            break
        annotating.annotate(group)
    return annotating.edited(sum(len(group.slots) for group in groups))


@dataclass(slots=True)
class _Annotating:
    """The annotations made so far, and what is asked for the next."""

    bench: Workbench
    request: EditRequest
    syntax: Syntax
    language: Language
    edits: list[TextEdit] = field(default_factory=list)
    imports: set[tuple[str, str]] = field(default_factory=set)
    log_confidence: list[float] = field(default_factory=list)
    names: typenames.FileNames | typescript.FileTypes = field(init=False)

    def __post_init__(self) -> None:
        if self.language.id == "python":
            self.names = typenames.file_names(self.syntax, self.request.text)
        else:
            self.names = typescript.file_types(self.syntax)

    @property
    def tokens_left(self) -> int:
        """How many tokens may still be written."""
        return self.request.max_tokens - self.bench.work.tokens

    def annotate(self, group: Group) -> None:
        """Annotate one definition as far as types are found; one inside another's header is left."""
        if self.edits and group.slots[0].span.start_char < self.edits[-1].span.end_char:
            return
        for slot in group.slots:
            if self.bench.deadline.passed:
                return
            annotation = self._known(slot, group)
            if annotation is None and self.tokens_left > 0:
                annotation = self._asked(slot, group)
            if annotation is not None:
                self.edits.append(TextEdit(slot.span, slot.written(annotation)))

    def edited(self, n_slots: int) -> Edited:
        """The text with all annotations."""
        if not self.edits:
            return refused("no type could be made out")
        text = self.request.text
        edits = list(self.edits)
        if self.imports:
            edits += import_edits(self.syntax, text, self.imports, edits[0].span.start_char)
        edits.sort(key=lambda edit: edit.span.start_char)
        new = apply(text, edits)
        if parses_worse(new, text, self.language):
            return refused("the annotated text would not parse")
        mean = sum(self.log_confidence) / len(self.log_confidence) if self.log_confidence else 0.0
        left = n_slots - len(self.edits)
        return Edited(
            new,
            tuple(edit.span for edit in edits),
            reason=f"{left} of {n_slots} places stay without a type" if left else None,
            confidence=math.exp(mean),
        )

    def _known(self, slot: Slot, group: Group) -> str | None:
        """The type that the code proves, or None."""
        known = slot.known
        if known == "Self" and isinstance(self.names, typenames.FileNames):
            known = "Self" if self.names.local("Self") else group.class_name
        return None if known is None else self._resolved(known, slot)

    def _asked(self, slot: Slot, group: Group) -> str | None:
        """The type that the model gives; None where it is none that can be used."""
        text = self.request.text
        before = apply(text[: slot.span.start_char], self.edits) + slot.before
        body = _shown(text[group.header_end_char : group.span.end_char])
        ends = python_type_end if self.language.id == "python" else typescript.type_end
        written = self.bench.go_on(
            before,
            body,
            self.language.id,
            stop=ends,
            max_tokens=min(MAX_TYPE_TOKENS, self.tokens_left),
        )
        annotation = written.text.strip()
        resolved = self._resolved(annotation, slot) if written.ended else None
        if resolved is not None:
            self.log_confidence.append(math.log(max(written.confidence, 1e-9)))
        return resolved

    def _resolved(self, annotation: str, slot: Slot) -> str | None:
        at_byte = self.syntax.utf8.char_to_byte(slot.span.start_char)
        if isinstance(self.names, typescript.FileTypes):
            return typescript.resolve(annotation, self.names, self.syntax, at_byte)
        if slot.nullable:
            annotation = typenames.with_none(annotation)
        resolved = typenames.resolve(annotation, self.names, at_byte)
        if resolved is None or not _fits(slot, resolved.text):
            return None
        self.imports |= resolved.imports
        return resolved.text


def python_type_end(text: str) -> int | None:
    """Where a Python type ends in what follows a colon or an arrow; None while it has not."""
    depth = 0
    for at, char in outside_strings(text, "\"'"):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and char in ",=:#\n" and text[:at].strip():
            return at
    return None


def _chosen(groups: Sequence[Group], request: EditRequest) -> list[Group]:
    """The groups that a selection means: those whose headers it touches, else the one around its start."""
    if request.selection is None:
        return list(groups)
    start, end = request.selection.start_char, request.selection.end_char
    touched = [
        group
        for group in groups
        if group.span.start_char <= max(end - 1, start)
        and start < max(group.header_end_char, group.span.start_char + 1)
    ]
    if touched:
        return touched
    around = [group for group in groups if group.span.start_char <= start < group.span.end_char]
    return around[-1:]


def _shown(body: str) -> str:
    """What of a body the model sees."""
    if len(body) > MAX_BODY_CHARS:
        lines = body[MAX_BODY_CHARS * 3 // 4 :].splitlines()
        returns = [line for line in lines if line.strip().startswith(("return", "yield"))]
        body = body[: MAX_BODY_CHARS * 3 // 4] + "\n" + "\n".join(returns)[-MAX_BODY_CHARS // 4 :]
    return body.rstrip() + "\n"


def _fits(slot: Slot, annotation: str) -> bool:
    """Whether a type goes with what is seen of its place."""
    if slot.kind == "return" and slot.known is None and annotation == "None":
        return False  # something is returned, or that nothing is would be known
    heads = typenames.parts_of(annotation)
    if slot.yields:
        return not _ITERATORS.isdisjoint(heads)
    if slot.kind == "return":
        return _GENERATORS.isdisjoint(heads)  # what does not yield seldom gives one
    return True
