"""A text to what an error is called in it: as its other handlers do, by a name that nothing else here has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMES = ("error", "err", "e", "exc", "exception", "failure")
_SHORT_FIRST = ("e", "error", "ex", "err", "exception", "failure")
"""In Java and C++, where it is mostly called ``e``."""

_HANDLERS = frozenset({"except_clause", "except_group_clause", "catch_clause", "match_arm"})
_BOUND = re.compile(
    r"except\b[^:\n]*?\bas\s+(\w+)\s*:|catch\s*\((?:[^()]*[\s&*])?(\w+)\)|\bErr\((?:mut\s+|ref\s+)?(\w+)\)"
)
"""A handler's header, and what it calls the error."""
_NEAR = 80
_MEMBER = re.compile(rb"(?:(?<!\.)\.|->|::)\s*$")


def error_name(syntax: Syntax, text: str, start_byte: int, end_byte: int) -> str:
    """What the error of the statements between two bytes can be called.

    A name of other handlers counts as free, since it is known in them alone; any other name of a variable,
    parameter or function in the file does not.
    """
    usual = [next(filter(None, match.groups())) for match in _BOUND.finditer(text)]
    first = _SHORT_FIRST if syntax.language.id in ("java", "cpp") else _NAMES
    taken = set(_taken(syntax, start_byte, end_byte))
    wanted = [name for name, _ in Counter(usual).most_common() if name.isidentifier() and name.strip("_")]
    numbered = (f"error{number}" for number in range(2, 1 << 30))
    return next(name for names in (wanted, first, numbered) for name in names if name not in taken)


def _taken(syntax: Syntax, start_byte: int, end_byte: int) -> Iterator[str]:
    open_nodes = [syntax.root]
    while open_nodes:
        node = open_nodes.pop()
        is_around = node.start_byte <= start_byte and end_byte <= node.end_byte
        is_inside = start_byte <= node.start_byte and node.end_byte <= end_byte
        if node.type in _HANDLERS and not is_around and not is_inside:
            continue
        if node.child_count:
            open_nodes += node.children
        elif "identifier" in node.type and not is_member(syntax, node):
            yield text_of(node)


def is_member(syntax: Syntax, leaf: Node) -> bool:
    """Whether a name stands behind what it is a member of."""
    return _MEMBER.search(syntax.utf8.data, max(leaf.start_byte - _NEAR, 0), leaf.start_byte) is not None
