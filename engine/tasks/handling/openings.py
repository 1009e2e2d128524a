"""What a handler may begin with where the model, left to itself, writes none that is sound."""

from __future__ import annotations

from engine.code.syntax import Syntax, text_of
from engine.tasks.handling.frame import Frame

_THROWING = {
    "python": ("raise ", "raise RuntimeError("),
    "java": ("throw new ", "throw new RuntimeException("),
    "cpp": ('throw std::runtime_error(std::string("',),
    "go": ("return ",),
    **dict.fromkeys(("javascript", "typescript", "typescriptreact"), ("throw new Error(",)),
}


def openings(syntax: Syntax, frame: Frame) -> tuple[str, ...]:
    """The beginnings of a handler that are tried in turn, none given first.

    Args:
        syntax: of the text without a handler.
        frame: what is around the handler.
    """
    if syntax.language.id != "rust":
        return ("", *_THROWING[syntax.language.id])
    functions = [node for node in syntax.path(frame.at.start_char) if node.type == "function_item"]
    given = text_of(functions[-1].child_by_field_name("return_type")) if functions else ""
    if "Result" in given:
        return ("", f"return Err({frame.error}.", "return Err(")
    return ("", "panic!(" if "=>" in frame.opening else "eprintln!(")
