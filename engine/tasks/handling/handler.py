"""A handler in the tree of its text: its tokens and its statements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Handler:
    """A handler that was written.

    Attributes:
        syntax: of the text that it stands in.
        text: that text.
        span: where it stands.
    """

    syntax: Syntax
    text: str
    span: Span

    @cached_property
    def statements(self) -> tuple[Node, ...]:
        """The outermost nodes that lie in it, in order, without comments."""
        start, end = map(self.syntax.utf8.char_to_byte, (self.span.start_char, self.span.end_char))
        found, open_nodes = [], [self.syntax.root]
        while open_nodes:
            node = open_nodes.pop()
            if node.end_byte <= start or node.start_byte >= end or "comment" in node.type:
                continue
            if start <= node.start_byte and node.end_byte <= end and (node.is_named or not node.child_count):
                found.append(node)
            else:
                open_nodes += reversed(node.children)
        return tuple(node for node in found if node.is_named) or tuple(found)

    @cached_property
    def tokens(self) -> tuple[Node, ...]:
        """Its tokens in order, without those of comments."""
        found, open_nodes = [], list(reversed(self.statements))
        while open_nodes:
            node = open_nodes.pop()
            if "comment" in node.type:
                continue
            if node.child_count:
                open_nodes += reversed(node.children)
            else:
                found.append(node)
        return tuple(found)
