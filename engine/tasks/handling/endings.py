"""A statement to whether code behind it is reached. Goes by the syntax tree alone, in seven languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.code.syntax import text_of, walk

if TYPE_CHECKING:
    from tree_sitter import Node

_LEAVES = re.compile(
    r"(?:return|raise|throw|continue|break|panic|unreachable|todo|(?:std::)?(?:exit|abort|terminate)|quit"
    r"|(?:sys|os|process|System)\.(?:exit|Exit|_exit|abort)|(?:std::)?process::(?:exit|abort)"
    r"|log\.(?:Fatal|Panic)\w*|\w+\.(?:Fatal|Fatalf|FailNow))\b"
)
"""How a statement begins behind which nothing of its block is run."""

_HOLDERS = re.compile(
    r"block|compound_statement|statement_list|else_clause|parenthesized|expression_statement"
)


def leaves(node: Node) -> bool:
    """Whether a statement never goes on to the one behind it."""
    if node.type in ("if_statement", "if_expression"):
        branches = [node.child_by_field_name("consequence"), *node.children_by_field_name("alternative")]
        has_else = any(one is not None and "elif" not in one.type for one in branches[1:])
        return has_else and all(one is not None and leaves(one) for one in branches)
    if node.type == "elif_clause":
        consequence = node.child_by_field_name("consequence")
        return consequence is not None and leaves(consequence)
    if _HOLDERS.search(node.type):
        inner = [child for child in node.named_children if "comment" not in child.type]
        if inner:
            return leaves(inner[-1])
    return _LEAVES.match(text_of(node)) is not None


def gives_value(node: Node) -> bool:
    """Whether a statement leaves its function with a value."""
    return leaves(node) and any(
        inner.type == "return_statement" and inner.named_child_count > 0 for inner in walk(node)
    )
