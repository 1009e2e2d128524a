"""What is wrong with a text as far as can be told without running it, and what of it a fill is to blame for.

Pure functions of text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from engine.code.indentation import indentation_faults
from engine.code.languages import BlockStyle, Language
from engine.code.names import unresolved
from engine.code.syntax import error_count, parse
from engine.code.text import indent_of


@dataclass(frozen=True, slots=True, order=True)
class Faults:
    """Faults of a text; fewer are better, syntax first.

    Attributes:
        errors: places the grammar could not read, and lines whose indentation cannot be right.
        unknown: names that nothing defines.
        names: which these are; no part of how bad they are.
    """

    errors: int
    unknown: int
    names: frozenset[str] = field(default=frozenset(), compare=False)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.errors or self.unknown)


def faults_of(text: str, language: Language) -> Faults:
    """The faults of a whole text."""
    return Faults(errors_of(text, language), len(unresolved(text, language)))


def errors_of(text: str, language: Language) -> int:
    """The errors of a whole text alone."""
    return error_count(text, language) + indentation_faults(text, language)


def has_more_errors(new: str, old: str, language: Language) -> bool:
    """Whether a text has more errors than another; False where one of them is not parsed."""
    if parse(new, language) is None or parse(old, language) is None:
        return False
    return errors_of(new, language) > errors_of(old, language)


class Blame:
    """Tells the faults that a fill is to blame for from those that its text has anyway.

    Args:
        prefix: the text before the hole.
        suffix: the text behind it.
        language: of both.
    """

    def __init__(self, prefix: str, suffix: str, language: Language) -> None:
        self._prefix, self._suffix, self._language = prefix, suffix, language

    def of(self, fill: str) -> Faults:
        """The faults of a fill that another fill might not have; leaving the hole blank is an error as well.

        Where the text around the hole is not parsed, no other fault is known.
        """
        text = self._prefix + fill + self._suffix
        if parse(self._prefix + self._suffix, self._language) is None:
            return Faults(int(not fill.strip()), 0)
        errors = errors_of(text, self._language)
        errors = max(errors - self._errors_anyway, 0) if errors else 0
        unknown = unresolved(text, self._language)
        names = unknown - self._unknown_anyway if unknown else unknown
        return Faults(errors + (not fill.strip()), len(names), names)

    @cached_property
    def _errors_anyway(self) -> int:
        """The fewest errors that plain lines or words in the hole leave."""
        texts = (self._prefix + plain + self._suffix for plain in self._plain_fills())
        parsed = (text for text in texts if parse(text, self._language) is not None)
        return min((errors_of(text, self._language) for text in parsed), default=0)

    @cached_property
    def _unknown_anyway(self) -> frozenset[str]:
        """Names that nothing around the hole binds, where the text before it already uses such names.

        Elsewhere the text is whole, and a name that only what is behind the hole uses is the hole's to bind.
        """
        around = unresolved(self._prefix + self._suffix, self._language)
        return around if around & unresolved(self._prefix, self._language) else frozenset()

    def _plain_fills(self) -> list[str]:
        line = self._prefix.rpartition("\n")[2]
        python = self._language.block is BlockStyle.COLON
        if line.strip():
            return ["", "x", "x:", "x)", "(x"]
        lines = ["pass", "if x:"] if python else ["x;", "if (x) {", "}"]
        before = next((indent_of(row) for row in reversed(self._prefix.splitlines()) if row.strip()), 0)
        behind = next((indent_of(row) for row in self._suffix.splitlines() if row.strip()), 0)
        indents = {before, before + 4, behind, max(behind - 4, 0)} if python else {0}
        newline = "" if self._suffix.startswith(("\n", "\r")) else "\n"
        room = len(line.expandtabs(4))
        return ["", *(" " * max(indent - room, 0) + code + newline for indent in indents for code in lines)]
