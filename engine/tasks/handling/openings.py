"""What a handler may begin with where the model, left to itself, writes none that is sound."""

from __future__ import annotations

from engine.code.syntax import Syntax
from engine.tasks.handling.frame import Frame

_THROWING = {
    "python": "raise ",
    "java": "throw new ",
    "cpp": "throw std::runtime_error(",
    **dict.fromkeys(("javascript", "typescript", "typescriptreact"), "throw new Error("),
}


def openings(syntax: Syntax, text: str, frame: Frame) -> tuple[str, ...]:
    """The beginnings of a handler that are tried in turn, none given first.

    Args:
        syntax: of the text without a handler.
        text: the text.
        frame: what is around the handler.
    """
    throwing = _THROWING.get(syntax.language.id, "return ")
    return ("", throwing)
