"""The accept gate for edits: a task's new text to the text worth having, or the reason to keep the old one.

Gives what is new the file's line ends and indentation, refuses what parses worse than before or defines
something a second time, and tells of names that nothing defines. Knows nothing of models, and nothing of a
text in another language.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from engine.code.edits import TextEdit, apply, smallest_edits
from engine.code.headers import repeated
from engine.code.languages import Language
from engine.code.names import introduced
from engine.code.syntax import parses_worse
from engine.code.text import newline_of
from engine.filling.accept import PARSES_WORSE

_NEWLINE = re.compile(r"\r\n|\r|\n")
_INDENTED = re.compile(r"(?:(?<=[\r\n])|\A)([ \t]+)(?=[^\s])")
_NEW_INDENT = re.compile(r"(?<=[\r\n])[ \t]+(?=[^\s])")
_TAB_WIDTH = 4
_MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the gate says.

    Attributes:
        text: the new text in the file's style; None where it is refused.
        note: why it is refused, or what the user should know of it; None otherwise.
    """

    text: str | None
    note: str | None = None


def admit(old: str, new: str, language: Language) -> Admitted:
    """Judge a new text by the old one, both in the same language."""
    if new == old:
        return Admitted(new)
    edits = smallest_edits(old, new)
    styled = apply(old, [TextEdit(edit.span, in_style_of(old, edit.new_text)) for edit in edits])
    if parses_worse(styled, old, language):
        return Admitted(None, PARSES_WORSE)
    twice = repeated(old, styled, language)
    if twice is not None:
        return Admitted(None, f"would define `{twice}` a second time")
    unknown = introduced(old, styled, language)
    if not unknown:
        return Admitted(styled)
    names = ", ".join(unknown[:_MAX_NAMES]) + (", …" if len(unknown) > _MAX_NAMES else "")
    return Admitted(styled, f"nothing in the file defines {names}")


def in_style_of(old: str, written: str) -> str:
    """Text written for a file, with the file's line ends and indentation where it has one kind of each."""
    newlines = set(_NEWLINE.findall(old))
    if len(newlines) == 1:
        written = _NEWLINE.sub(lambda _: newline_of(old), written)
    indents = [match[1] for match in _INDENTED.finditer(old)]
    if not indents:
        return written
    if all("\t" not in indent for indent in indents):
        unit = " " * _unit(indents)
        return _NEW_INDENT.sub(lambda match: match[0].replace("\t", unit), written)
    if all(" " not in indent for indent in indents):
        return _NEW_INDENT.sub(lambda match: _tabbed(match[0]), written)
    return written


def _unit(indents: list[str]) -> int:
    """Spaces of one level: the step that most lines are indented by."""
    steps = Counter(step for step in (2, 3, 4, 8) for indent in indents if len(indent) == step)
    return steps.most_common(1)[0][0] if steps else _TAB_WIDTH


def _tabbed(indent: str) -> str:
    """An indent of spaces as tabs, where it is so many whole levels; anything else is alignment."""
    if "\t" in indent or len(indent) % _TAB_WIDTH:
        return indent
    return "\t" * (len(indent) // _TAB_WIDTH)
