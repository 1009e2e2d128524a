"""A text to the headers of what it defines, in all languages: what a definition is called and how it is used.

Asks the syntax tree; knows nothing of models. Functions without a name are no definitions here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTION = re.compile(r"function|method|constructor|closure|lambda|func_literal")
_NAMELESS = re.compile(r"closure|lambda|arrow|func_literal|function_expression|anonymous|do_block")
_LAYOUT = re.compile(r"\s+|,(?=\s*(?:[)\]}>{:]|$))")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a definition.

    Attributes:
        text: what stands before the body, decorators included, as it stands there.
        holder: where what it stands in begins, in bytes.
        local: whether it stands in a function.
    """

    text: str
    holder: int
    local: bool

    @property
    def key(self) -> str:
        """The text without what is only layout."""
        return _LAYOUT.sub("", self.text)

    @property
    def line(self) -> str:
        """The line that says what it is, without what stands above it."""
        lines = self.text.splitlines()
        return next((line.strip() for line in lines if not line.lstrip().startswith(("@", "#["))), lines[0])


def headers_of(text: str, language: Language) -> list[Header]:
    """The headers of all definitions of a text; none where it cannot be parsed."""
    syntax = parse(text, language)
    if syntax is None:
        return []
    found: dict[int, Header] = {}
    for captures in syntax.matches(0, len(text)):
        for node in captures.get("definition", ()):
            body = next((one for one in captures.get("body", ()) if _holds(node, one)), None)
            if body is None or _NAMELESS.search(node.type):
                continue
            header = syntax.utf8.data[node.start_byte : _header_end(node, body)].decode("utf-8", "replace")
            holder = node.parent.start_byte if node.parent is not None else 0
            local = any(_FUNCTION.search(above.type) for above in _above(node))
            # An export or a decorator begins with what it is about: the outermost of them is the definition.
            outer = found.get(body.start_byte)
            if outer is None or len(outer.text) < len(header):
                found[body.start_byte] = Header(header.strip(), holder, local)
    return list(found.values())


def repeated(old: str, new: str, language: Language) -> str | None:
    """The header of something that a new text defines twice in one place and the old one does not."""
    counts = [
        Counter((header.holder, header.key) for header in headers_of(text, language)) for text in (old, new)
    ]
    had = Counter(key for (_, key), count in counts[0].items() for _ in range(count - 1))
    for (_, key), count in counts[1].items():
        if count - 1 > had[key]:
            return next(one.line for one in headers_of(new, language) if one.key == key)
    return None


def _holds(node: Node, body: Node) -> bool:
    return node.start_byte <= body.start_byte and body.end_byte <= node.end_byte


def _header_end(node: Node, body: Node) -> int:
    """Where a definition's header ends, in bytes: comments between it and the body are none of it."""
    last = body.prev_sibling
    while last is not None and "comment" in last.type:
        last = last.prev_sibling
    return body.start_byte if last is None else max(last.end_byte, node.start_byte)


def _above(node: Node) -> Iterator[Node]:
    above = node.parent
    while above is not None:
        yield above
        above = above.parent
