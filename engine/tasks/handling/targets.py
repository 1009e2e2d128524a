"""A selection to what in it may fail and is not handled, one frame of a handler for each.

Which way a language handles errors is told here, and nowhere else.
"""

from __future__ import annotations

from engine.code.syntax import Syntax
from engine.tasks.handling import checks, results, wrapping
from engine.tasks.handling.frame import Frame, UnfitError
from engine.tasks.handling.names import error_name
from engine.tasks.handling.statements import selected
from engine.types import Span

__all__ = ["UnfitError", "frame_of", "targets_in"]


def targets_in(syntax: Syntax, text: str, selection: Span) -> tuple[Span, ...]:
    """What of a selection needs a handler, each the selection of one alone; in order, at least one.

    Asks no model, and is cheap enough for every list of what is offered.

    Raises:
        UnfitError: there is none.
    """
    statements = selected(syntax, text, selection)
    if syntax.language.id in wrapping.WRAPPED:
        wrapping.check(syntax, text, statements)
        return (selection,)
    if syntax.language.id == "go":
        nodes = checks.unchecked(statements)
    else:
        nodes = tuple(call.statement for call in results.unmatched_results(syntax, text, statements))
    to_char = syntax.utf8.byte_to_char
    targets = tuple(Span(to_char(node.start_byte), to_char(node.end_byte)) for node in nodes)
    for target in targets:
        selected(syntax, text, target)  # alone on its lines
    return targets


def frame_of(syntax: Syntax, text: str, target: Span) -> Frame:
    """The frame of the handler of one target of ``targets_in``, behind which handlers may stand by now."""
    statements = selected(syntax, text, target)
    if syntax.language.id == "go":
        return checks.frame(statements)
    start_byte, end_byte = statements.nodes[0].start_byte, statements.nodes[-1].end_byte
    error = error_name(syntax, text, start_byte, end_byte)
    if syntax.language.id in wrapping.WRAPPED:
        return wrapping.frame(syntax, text, statements, error)
    (call,) = results.unmatched_results(syntax, text, statements)
    return results.frame(syntax, statements, call, error)
