"""A handler that was written to what is wrong with it, as far as its syntax tells.

It has to do something, and more than to throw the same error again; where what was tried is to give a value,
it gives one or leaves; what it returns fits its function, and it names nothing that there is not. What types
things have is not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.code.languages import Language
from engine.code.names import introduced
from engine.code.syntax import parse, parses_worse, text_of
from engine.scopes.symbols import bindings_in, words_of
from engine.tasks.handling import returns
from engine.tasks.handling.endings import leaves
from engine.tasks.handling.frame import Frame
from engine.tasks.handling.handler import Handler
from engine.tasks.handling.names import is_member
from engine.types import Span

_NOTHING = frozenset({"pass", ";", "...", "{", "}", ","})
_THROWS = frozenset({"raise", "throw"})
_STREAMS = frozenset({"cerr", "cout", "clog", "endl"})
_INCLUDES_STREAMS = re.compile(r"#\s*include\s*<(?:io|o|f|s)?stream>|\bc(?:err|out)\b")
_OWN = {
    "go": "any append cap close complex copy delete error false int iota len make max min new nil panic "
    "print println recover string true _",
    "rust": "Box Err None Ok Option Result Self Some String Vec assert crate dbg drop eprint eprintln "
    "format panic print println self std super todo unreachable vec write writeln",
    "java": "ArithmeticException Boolean Character Class Double Error Exception Float Integer Long Math "
    "IllegalArgumentException IllegalStateException IndexOutOfBoundsException NullPointerException Object "
    "Override RuntimeException String StringBuilder System Thread Throwable UnsupportedOperationException",
    "cpp": "EXIT_FAILURE EXIT_SUCCESS NULL abort errno exit fprintf printf size_t std stderr",
}
"""The names that come with a language, as far as handlers use them."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a handler.

    Attributes:
        reason: for people.
        is_fatal: nobody would want the handler; else it may be right all the same.
        is_told: the accept gate tells of it where the handler is taken nevertheless.
    """

    reason: str
    is_fatal: bool = True
    is_told: bool = False


def flaw_of(old: str, new: str, span: Span, language: Language, frame: Frame) -> Flaw | None:
    """What is wrong with a handler; None for nothing.

    Args:
        old: the text without it.
        new: the text with it.
        span: where it stands in the new text.
        language: of both.
        frame: what is around it.
    """
    syntax = parse(new, language)
    if syntax is None or parses_worse(new, old, language):
        return Flaw("what was written would not parse")
    handler = Handler(syntax, new, span)
    reason = _idle(handler, frame) or _goes_on(handler, frame) or returns.misfit(handler, frame)
    if reason is not None:
        return Flaw(reason)
    told = introduced(old, new, language)
    unknown = told or _unknown(handler, old, frame)
    if not unknown:
        return None
    return Flaw(f"nothing in the file defines {', '.join(unknown)}", is_fatal=False, is_told=bool(told))


def _idle(handler: Handler, frame: Frame) -> str | None:
    """Whether a handler does nothing that would not be done without it."""
    done = [token for token in handler.tokens if text_of(token) not in _NOTHING]
    said = [text_of(token) for token in done]
    gives = bool(handler.statements) and returns.is_arm(handler.statements[0]) and frame.error not in said[:1]
    is_bare = len(done) == 1 and done[0].is_named
    if not done or said == ["(", ")"] or (is_bare and not gives):
        return "it does nothing"
    if said[0] in _THROWS and set(said[1:]) <= {frame.error}:
        return "it only throws the error again"
    return None


def _goes_on(handler: Handler, frame: Frame) -> str | None:
    """Whether a handler goes on where something has no value then."""
    if handler.statements and leaves(handler.statements[-1]):
        return None
    if frame.leaves:
        return "it goes on where a value has to be given back"
    written = handler.text[handler.span.start_char : handler.span.end_char]
    for name in frame.values:
        if not re.search(rf"(?<![.\w]){re.escape(name)}\s*=(?!=)", written):
            return f"it goes on where `{name}` has no value"
    return None


def _unknown(handler: Handler, old: str, frame: Frame) -> list[str]:
    """The names in a handler that neither the file nor the language has; only in languages of ``_OWN``."""
    syntax = handler.syntax
    own = _OWN.get(syntax.language.id)
    if own is None:
        return []
    known = {frame.error, *own.split(), *words_of(old)}
    for statement in handler.statements:
        known.update(text_of(leaf) for leaf, _ in bindings_in(syntax, handler.text, statement))
    leaves = [leaf for leaf in handler.tokens if "identifier" in leaf.type]
    names = {text_of(leaf) for leaf in leaves if not is_member(syntax, leaf)} - known
    if syntax.language.id == "cpp" and not _INCLUDES_STREAMS.search(old):
        names |= _STREAMS & {text_of(leaf) for leaf in leaves}
    return sorted(names)
