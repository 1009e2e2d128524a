"""Rust: what a name in a path, or among the tokens of a macro, can stand for.

Goes by the syntax tree alone, in which what a macro takes is a row of tokens: there a name may be a field's,
an argument's or one that is bound, and what cannot be told is said to be in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from engine.code.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node

Place = Literal["value", "head", "item", "other"]
"""A variable or function; what a path begins with; an item of the module that a path leads to; nothing that
is followed."""

_PATHS = frozenset({"scoped_identifier", "scoped_type_identifier", "scoped_use_list", "use_wildcard"})
_USES = frozenset({"scoped_identifier", "scoped_use_list", "use_list", "use_as_clause"})
_NAMES_BEHIND = frozenset({":", "=", "=>", "@", "in", "|"})
"""Tokens in front of which a name may be a field's or an argument's, or be bound."""

_BINDS_BEFORE = frozenset({"fn", "let", "for", "ref", "|"})
_ENDS_PATTERN = frozenset({"=", "=>", "if"})
_PATTERN_MACROS = frozenset({"matches", "assert_matches", "debug_assert_matches"})
_QUOTES = frozenset({"quote", "quote_spanned", "parse_quote", "parse_quote_spanned"})
"""Macros whose tokens are code of another place, but for what follows a ``#``."""


def place_of(leaf: Node) -> Place:
    """What a name can stand for by where it stands."""
    above = leaf.parent
    if above is None:
        return "other"
    if above.type == "token_tree":
        return _among_tokens(leaf, above)
    if above.type == "use_as_clause":
        return "item"
    if above.type not in _PATHS:
        return "value"
    if above.type == "use_wildcard" or above.child_by_field_name("path") == leaf:
        return "head"
    further = above.parent
    goes_on = further is not None and further.type in _PATHS and further.child_by_field_name("path") == above
    return "other" if goes_on else "item"


def is_doubtful(leaf: Node) -> bool:
    """Whether a name that looks like a variable's may be a field's or an argument's, or be bound there."""
    tree = leaf.parent
    if tree is None or tree.type != "token_tree":
        return False
    return _is_named_or_bound(leaf) or _is_short(leaf, tree) or _is_in_pattern(leaf)


def module_of(leaf: Node) -> Node | None:
    """The module, or file, of the text that the path in front of a name leads to; None for any other."""
    node = _module_around(leaf)
    for part in _path_of(leaf):
        found: Node | None = node
        if part == "crate":
            while node.parent is not None:
                node = node.parent
        elif part == "super":
            found = _module_around(node) if node.parent is not None else None
        elif part != "self":
            found = _module_in(node, part)
        if found is None:
            return None
        node = found if part != "crate" else node
    return node


def is_open(module: Node) -> bool:
    """Whether a module takes all names of another one."""
    body = module.child_by_field_name("body") or module
    uses = (child for child in body.named_children if child.type == "use_declaration")
    return any(text_of(use).rstrip("; ").endswith("*") for use in uses)


def is_told(name: str, text: str) -> bool:
    """Whether the text in an attribute says a name: ``#[serde(default = "name")]``."""
    word = rf"(?<!\w){re.escape(name)}(?!\w)"
    return re.search(rf'#!?\[[^\]"]*"[^"\]]*{word}[^"\]]*"', text) is not None


def _path_of(leaf: Node) -> list[str]:
    """The parts of the path in front of a name."""
    if leaf.parent is not None and leaf.parent.type == "token_tree":
        return _path_in_tokens(leaf)
    parts: list[str] = []
    child, node = leaf, leaf.parent
    while node is not None and node.type in _USES:
        path = node.child_by_field_name("path")
        if path is not None and path != child:
            parts = [*text_of(path).split("::"), *parts]
        child, node = node, node.parent
    return parts


def _path_in_tokens(leaf: Node) -> list[str]:
    parts: list[str] = []
    node = leaf.prev_sibling
    while node is not None and node.type == "::":
        part = node.prev_sibling
        parts.insert(0, text_of(part))
        node = part.prev_sibling if part is not None else None
    return parts


def _module_around(node: Node) -> Node:
    above = node.parent
    while above is not None and above.parent is not None and above.type != "mod_item":
        above = above.parent
    return above if above is not None else node


def _module_in(module: Node, name: str) -> Node | None:
    body = module.child_by_field_name("body") or module
    for child in body.named_children:
        if child.type == "mod_item" and text_of(child.child_by_field_name("name")) == name:
            return child
    return None


def _among_tokens(leaf: Node, tree: Node) -> Place:
    before, behind = text_of(leaf.prev_sibling), text_of(leaf.next_sibling)
    if before in (".", "'") or behind == "!" or _is_in_attribute(tree):
        return "other"
    if before != "#" and any(name in _QUOTES for name, _ in _macros(leaf)):
        return "other"
    if before == "::":
        return "other" if behind == "::" else "item"
    if behind == "::":
        return "head"
    return "value"


def _is_named_or_bound(leaf: Node) -> bool:
    """Whether a name may be that of an argument or a field, or bound, by the tokens beside it."""
    before, behind = text_of(leaf.prev_sibling), text_of(leaf.next_sibling)
    if behind in _NAMES_BEHIND or before in _BINDS_BEFORE:
        return True
    further = leaf.prev_sibling.prev_sibling if leaf.prev_sibling is not None else None
    if before == "mut":
        return text_of(further) != "&"
    return before in ("?", "%") and text_of(further) in ("(", ",", ";", "{")


def _is_short(leaf: Node, tree: Node) -> bool:
    """Whether a name may be that of a field and its value at once: ``Point { x }``."""
    if text_of(tree.children[0]) != "{" or tree.prev_sibling is None:
        return False
    name = text_of(tree.prev_sibling)
    beside = text_of(leaf.prev_sibling) in ("{", ",") and text_of(leaf.next_sibling) in ("}", ",")
    return beside and (name == ">" or name[:1].isupper())


def _is_in_pattern(leaf: Node) -> bool:
    """Whether a name may stand in a pattern: of a closure, of ``match`` or of ``let``."""
    child: Node = leaf
    while child.type == "token_tree" or child == leaf:
        bars = sum(1 for node in _before(child) if node.type == "|")
        is_group = child != leaf and text_of(child.children[0]) != "["
        if bars % 2 or (is_group and text_of(child.next_sibling) in _ENDS_PATTERN):
            return True
        if child.parent is None:
            break
        child = child.parent
    return any(name in _PATTERN_MACROS and _is_second(argument) for name, argument in _macros(leaf))


def _is_second(argument: Node) -> bool:
    """Whether a token of ``matches!`` stands in the pattern, and not in its guard."""
    texts = [text_of(node) for node in _before(argument)]
    return "," in texts and "if" not in texts


def _macros(leaf: Node) -> Iterator[tuple[str, Node]]:
    """The macros around a token by their names, each with the token of its own that holds this one."""
    child, tree = leaf, leaf.parent
    while tree is not None and tree.type == "token_tree":
        mark = tree.prev_sibling
        if mark is not None and mark.type == "!":
            yield text_of(mark.prev_sibling).rpartition("::")[2], child
        child, tree = tree, tree.parent


def _is_in_attribute(tree: Node) -> bool:
    above: Node | None = tree
    while above is not None and above.type == "token_tree":
        above = above.parent
    return above is not None and above.type == "attribute"


def _before(node: Node) -> Iterator[Node]:
    """The tokens in front of one."""
    for token in node.parent.children if node.parent is not None else ():
        if token.start_byte >= node.start_byte:
            return
        yield token
