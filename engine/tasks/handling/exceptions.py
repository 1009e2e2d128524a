"""The type of the exception that a handler of Python takes: chosen by the model, if the file knows it.

A type that does not come with the language and is neither imported nor defined in the file gives way to
``Exception``. What the handler raises instead says what it comes from.
"""

from __future__ import annotations

import builtins
import re

from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of, walk
from engine.tasks.handling.handler import Handler
from engine.tasks.handling.wrapping import ANY_ERROR
from engine.types import Span
from engine.workbench import Workbench

MAX_TOKENS = 24

_TYPES = re.compile(r"\s*(?P<said>[A-Za-z_][\w.]*|\(\s*[A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)*\s*,?\s*\))")
_HEADER = re.compile(rf"\b{ANY_ERROR}(?= as \w+:)")


def with_type(bench: Workbench, syntax: Syntax, head: str, tail: str) -> str:
    """The text before a handler, with the type that the model would name in its header.

    Args:
        bench: the model.
        syntax: of the text without the handler.
        head: the new text in front of the handler, in which the header takes any exception.
        tail: the text behind the handler.

    Raises:
        Cancelled: asked to stop.
    """
    *_, header = _HEADER.finditer(head)
    written = bench.go_on(
        head[: header.start()].rstrip(),
        tail,
        syntax.language.id,
        stop=_end,
        max_tokens=MAX_TOKENS,
    )
    found = _TYPES.match(written.text)
    said = found["said"] if found is not None else ""
    names = re.findall(r"[\w.]+", said)
    known = bool(names) and all(_is_known(syntax, name) for name in names)
    return head[: header.start()] + (said if known else ANY_ERROR) + head[header.end() :]


def with_cause(head: str, handler: str, tail: str, error: str, language: Language) -> str:
    """A handler whose last statement, where it raises a new exception, says what it comes from.

    Args:
        head, tail: the text in front of the handler, and behind it.
        handler: what was written.
        error: what the exception that is handled is called.
        language: of the text; the handlers of others than Python are as they were.
    """
    syntax = parse(head + handler + tail, language) if language.id == "python" else None
    if syntax is None or syntax.root.has_error:
        return handler
    statements = Handler(syntax, head, Span(len(head), len(head) + len(handler))).statements
    while statements and statements[-1].type == "block":
        statements = tuple(statements[-1].named_children)
    last = statements[-1] if statements else None
    if last is None or last.type != "raise_statement" or last.named_child_count != 1:
        return handler
    if last.named_children[0].type != "call":
        return handler
    at_char = syntax.utf8.byte_to_char(last.end_byte) - len(head)
    return f"{handler[:at_char]} from {error}{handler[at_char:]}"


def _end(text: str) -> int | None:
    """Where a type, or a row of types in brackets, has ended."""
    found = _TYPES.match(text)
    if found is None:
        return 0 if re.match(r"\s*[^\s\w(]", text) else None
    return found.end() if found.end() < len(text) else None


def _is_known(syntax: Syntax, name: str) -> bool:
    """Whether a name is that of a type of exceptions, as far as the file tells."""
    first, _, rest = name.partition(".")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type):
        return issubclass(kind, Exception)
    last = name.rpartition(".")[2]
    looks_right = last[:1].isupper() or last == "error"
    return looks_right and first in (_imported(syntax) if rest else _imported(syntax) | _defined(syntax))


def _imported(syntax: Syntax) -> set[str]:
    """The names that imports bind, at whatever place."""
    found: set[str] = set()
    for node in walk(syntax.root):
        if node.type in ("import_statement", "import_from_statement"):
            for part in node.children_by_field_name("name"):
                alias = part.child_by_field_name("alias")
                found.add(text_of(alias) or text_of(part).partition(".")[0])
    return found


def _defined(syntax: Syntax) -> set[str]:
    classes = (node for node in walk(syntax.root) if node.type == "class_definition")
    return {text_of(node.child_by_field_name("name")) for node in classes}
