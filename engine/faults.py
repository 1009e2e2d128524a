"""What is wrong with a text as far as can be told without running it. Pure functions of text."""

from __future__ import annotations

from dataclasses import dataclass

from engine.indentation import indentation_faults
from engine.languages import Language
from engine.names import unresolved
from engine.syntax import error_count


@dataclass(frozen=True, slots=True, order=True)
class Faults:
    """Faults of a text; fewer are better, syntax first.

    Attributes:
        errors: places the grammar could not read, and lines whose indentation cannot be right.
        unknown: names that nothing defines.
    """

    errors: int
    unknown: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.errors or self.unknown)


def faults_of(text: str, language: Language) -> Faults:
    """The faults of a whole text."""
    return Faults(errors_of(text, language), len(unresolved(text, language)))


def errors_of(text: str, language: Language) -> int:
    """The errors of a whole text alone."""
    return error_count(text, language) + indentation_faults(text, language)
