"""A handler that was written to what is wrong with it, as far as its syntax tells.

It has to do something, and more than to throw the same error again; it must parse, and use names that there
are. Where what was tried is to give a value, the handler gives one or leaves. Types are not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.names import introduced
from engine.code.syntax import Syntax, parse, parses_worse, text_of
from engine.tasks.handling.frame import Frame
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_NOTHING = frozenset({"pass", ";", "...", "{", "}", "(", ")", ","})
_THROWS = frozenset({"raise", "throw"})


def complaint(old: str, new: str, handler: Span, language: Language, frame: Frame) -> str | None:
    """What is wrong with a handler; None for nothing.

    Args:
        old: the text without it.
        new: the text with it.
        handler: where it stands in the new text.
        language: of both.
        frame: what is around it.
    """
    if parses_worse(new, old, language):
        return "what was written would not parse"
    syntax = parse(new, language)
    if syntax is None:
        return "the new text is too large to be parsed"
    said = [text_of(leaf) for leaf in _leaves(syntax, handler)]
    done = [token for token in said if token not in _NOTHING]
    if not done:
        return "the handler does nothing"
    if done[0] in _THROWS and set(done[1:]) <= {frame.error}:
        return "the handler only throws the error again"
    unknown = introduced(old, new, language)
    return f"nothing in the file defines {', '.join(unknown)}" if unknown else None


def openings(syntax: Syntax, frame: Frame) -> tuple[str, ...]:
    """What a handler may begin with, one after the other until one is sound; nothing first."""
    return ("",)


def _leaves(syntax: Syntax, span: Span) -> Iterator[Node]:
    """The tokens in a span, without comments."""
    start, end = (syntax.utf8.char_to_byte(at) for at in (span.start_char, span.end_char))
    open_nodes = [syntax.root]
    while open_nodes:
        node = open_nodes.pop()
        if node.end_byte <= start or node.start_byte >= end or "comment" in node.type:
            continue
        if node.child_count:
            open_nodes += reversed(node.children)
        elif start <= node.start_byte and node.end_byte <= end:
            yield node
