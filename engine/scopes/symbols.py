"""A name at a place of a text to all places that mean the same thing: a small, careful resolver.

Goes by the syntax tree alone, file by file, in seven languages. Where a tree does not settle what a name
means (attributes, imports, macros, a binding shadowed half-way) it says so and gives none. Strings and
comments are never occurrences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, text_of, walk
from engine.scopes import cpp_names, python_names, rust_names
from engine.scopes.doubts import Bound, Places, doubt
from engine.scopes.rules import RULES, Rules
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node


_SIDES = {"for_in_clause": ("left", "right"), "type_switch_statement": ("alias", "value")}
"""Nodes that bind a name in one field, and read one in another."""


class UnsureError(Exception):
    """What a name means cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a name stands.

    Attributes:
        span: the name.
        keeps: whether the name is a property's too (``{name}``), so that ``name: other`` must be written.
    """

    span: Span
    keeps: bool = False

    def renamed(self, old: str, new: str) -> str:
        """The text that takes its place."""
        return f"{old}: {new}" if self.keeps else new


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable, parameter or function of a file.

    Attributes:
        name: what it is called.
        kind: ``variable``, ``parameter`` or ``function``.
        definition: index of the occurrence that binds it first.
        occurrences: in order, at least one.
        scope: what it is known in.
        top_level: whether that is the whole file.
    """

    name: str
    kind: str
    definition: int
    occurrences: tuple[Occurrence, ...]
    scope: Span
    top_level: bool


def symbol_at(syntax: Syntax, text: str, char_offset: int, *, in_file: bool = False) -> Symbol:
    """The symbol whose name stands at an offset, or ends there.

    Args:
        syntax: of the text.
        text: the whole file.
        char_offset: where the name stands.
        in_file: whether only this file matters; what other files import or export is followed then, too.

    Raises:
        UnsureError: there is none, or its occurrences cannot be told for sure.
    """
    rules = RULES.get(syntax.language.id)
    if rules is None:
        raise UnsureError(f"names are not followed in {syntax.language.title}")
    leaf = _leaf_at(syntax, rules, char_offset)
    if leaf is None:
        raise UnsureError("no name of a variable, parameter or function stands here")
    return _Resolver(syntax, text, rules, in_file=in_file).symbol(leaf)


def bound_and_read(syntax: Syntax, text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a text binds in any scope, and those that it reads as variables or functions.

    Returns:
        two empty sets where names are not followed in the language.
    """
    rules = RULES.get(syntax.language.id)
    if rules is None:
        return frozenset(), frozenset()
    return _Resolver(syntax, text, rules, in_file=True).bound_and_read()


def bindings_in(
    syntax: Syntax, text: str, node: Node, name: str | None = None
) -> Iterator[tuple[Node, Node]]:
    """The names that a node binds, or one of them, as leaves, each with the scope that it is known in.

    Gives none where names are not followed in the language.
    """
    rules = RULES.get(syntax.language.id)
    if rules is None:
        return
    resolver = _Resolver(syntax, text, rules, in_file=True)
    for leaf in walk(node):
        is_meant = leaf.type in rules.names and (name is None or text_of(leaf) == name)
        found = resolver.binding(leaf) if is_meant else None
        if found is not None:
            yield leaf, found[0]


class _Resolver:
    """Binds the occurrences of one name to scopes."""

    def __init__(self, syntax: Syntax, text: str, rules: Rules, *, in_file: bool) -> None:
        self._syntax, self._text, self._rules, self._in_file = syntax, text, rules, in_file

    def bound_and_read(self) -> tuple[frozenset[str], frozenset[str]]:
        bound: set[str] = set()
        read: set[str] = set()
        for node in walk(self._syntax.root):
            if node.type not in self._rules.names:
                continue
            if self.binding(node) is not None:
                bound.add(text_of(node))
            elif self._is_reference(node):
                read.add(text_of(node))
        return frozenset(bound), frozenset(read)

    def symbol(self, leaf: Node) -> Symbol:
        rules = self._rules
        name = text_of(leaf)
        leaves = [
            node for node in walk(self._syntax.root) if node.type in rules.names and text_of(node) == name
        ]
        self._check_whole(name)
        bound: Bound = {}
        scope_of: dict[int, Node] = {}
        free: list[Node] = []
        for node in leaves:
            self._check_place(node)
            found = self.binding(node)
            if found is None:
                free.append(node)
                continue
            scope, kind = found
            bound.setdefault(scope.id, []).append((node, kind))
            scope_of[scope.id] = scope
        own = next((key for key, nodes in bound.items() if any(node == leaf for node, _ in nodes)), None)
        if own is None and not self._is_reference(leaf):
            raise UnsureError(f"{name} stands for no variable, parameter or function here")
        own = own if own is not None else self._meant(leaf, bound)
        if own is None:
            raise UnsureError(f"{name} is not defined in this file")
        scope, bindings = scope_of[own], bound[own]
        kind = bindings[0][1]
        self._check_symbol(name, kind, scope, bindings)
        free = list(filter(self._is_reference, free))
        nodes = [node for node, _ in bindings] + [node for node in free if self._meant(node, bound) == own]
        nodes.sort(key=lambda node: node.start_byte)
        self._check_order(name, bindings, bound, scope_of)
        reason = doubt(
            self._syntax,
            self._text,
            Places(
                name,
                scope,
                nodes,
                free,
                bound,
                scope_of,
                lambda node: self._meant(node, bound),
                lambda node: self._seen_from(node, bound),
            ),
        )
        if reason is not None:
            raise UnsureError(f"{name} {reason}")
        first = min(node.start_byte for node, _ in bindings)
        return Symbol(
            name,
            kind,
            next(at for at, node in enumerate(nodes) if node.start_byte == first),
            tuple(
                Occurrence(self._span(node), "shorthand" in node.type or self._is_short(node))
                for node in nodes
            ),
            self._span(scope),
            scope.parent is None,
        )

    def binding(self, leaf: Node) -> tuple[Node, str] | None:
        """The scope that an occurrence binds its name in, and as what; None where it binds nothing."""
        child, node = leaf, leaf.parent
        is_constant = self._rules.constants and text_of(leaf)[:1].isupper()
        while node is not None:
            for rule in self._rules.bindings.get(node.type, ()):
                binds = rule.field is None or any(
                    part == child for part in node.children_by_field_name(rule.field)
                )
                if binds and rule.field == "pattern" and is_constant:
                    return None
                if binds and not (node.type == "for_in_statement" and not node.child_by_field_name("kind")):
                    return self._scope(node, rule.where), rule.kind
            if node.type not in self._rules.patterns or self._rules.reads_beside(node, child):
                return None
            fields = self._rules.patterns[node.type]
            if fields and not any(
                part == child for field in fields for part in node.children_by_field_name(field)
            ):
                return None
            child, node = node, node.parent
        return None

    def _scope(self, node: Node, where: str) -> Node:
        """The scope a declaration binds in: ``here``, ``outside`` the declaring node, or its ``function``."""
        if where == "var":
            says = node if node.type == "for_in_statement" else node.parent
            is_var = says is not None and any(child.type == "var" for child in says.children)
            where = "function" if is_var else "here"
        above: Node | None = node.parent if where == "outside" else node
        while above is not None and above.parent is not None:
            if self._opens(above) and (where != "function" or above.type in self._rules.functions):
                return above
            above = above.parent
        return self._syntax.root

    def _opens(self, node: Node) -> bool:
        """Whether a node is a scope; the body and the declarator of a function are one with it."""
        above = node.parent
        if above is None:
            return True
        if node.type not in self._rules.scopes:
            return False
        if node.type.endswith("declarator"):
            return cpp_names.is_apart(node)
        return not (above.type in self._rules.functions and above.child_by_field_name("body") == node)

    def _meant(self, leaf: Node, bound: Bound) -> int | None:
        """The scope, among those that bind the name, that a reference means; None for none of them."""
        if cpp_names.path_of(leaf) == "":
            return self._syntax.root.id if self._syntax.root.id in bound else None
        place = rust_names.place_of(leaf) if self._syntax.language.id == "rust" else "value"
        if place == "head":
            imports = {key: nodes for key, nodes in bound.items() if nodes[0][1] == "import"}
            return self._seen_from(leaf, imports)
        if place != "item":
            return self._seen_from(leaf, bound)
        module = rust_names.module_of(leaf)
        if module is None or module.id in bound:
            return None if module is None else module.id
        return self._seen_from(module, bound) if rust_names.is_open(module) else None

    def _seen_from(self, place: Node, bound: Bound) -> int | None:
        """The scope, among those that bind the name, that it means at a place; None for none of them."""
        if not bound:
            return None
        name = text_of(next(iter(bound.values()))[0][0])
        child, node = place, place.parent
        inner = True
        while node is not None:
            if self._opens(node) and not self._is_outside(node, child, place):
                visible = inner or node.type not in self._rules.closed
                if node.id in bound and visible:
                    return node.id
                inner = inner and node.type not in self._rules.functions | self._rules.blind
            if node.type in self._rules.bodies and name in self._members(node, self._rules.bodies[node.type]):
                return None
            child, node = node, node.parent
        return None

    def _is_outside(self, scope: Node, child: Node, place: Node) -> bool:
        """Whether a place in a scope, by the child of it that it stands in, is evaluated outside of it."""
        if scope.type in self._rules.blind:
            return python_names.is_first_iterable(scope, place)
        return self._rules.evaluated_outside(scope, child)

    def _members(self, body: Node, kind: str) -> set[str]:
        """The names that a body declares itself, as leaves of a kind."""
        found: set[str] = set()
        nodes = list(body.named_children)
        while nodes:
            node = nodes.pop()
            if node.type == kind:
                found.add(text_of(node))
            elif node.type == "template_declaration" or node.type.startswith("preproc_"):
                nodes += node.named_children
            for field in ("name", "declarator"):
                nodes += node.children_by_field_name(field)
        return found

    def _is_reference(self, leaf: Node) -> bool:
        """Whether an occurrence stands for a variable, and not for an attribute or an argument's name."""
        node = leaf.parent
        if node is None:
            return False
        if self._syntax.language.id == "rust" and rust_names.place_of(leaf) == "other":
            return False
        fields = self._rules.other.get(node.type)
        if fields is None or cpp_names.path_of(leaf) == "":
            return True
        return bool(fields) and not any(
            part == leaf for field in fields for part in node.children_by_field_name(field)
        )

    def _is_short(self, leaf: Node) -> bool:
        return leaf.parent is not None and leaf.parent.type == "shorthand_field_initializer"

    def _check_whole(self, name: str) -> None:
        """Refuse a file in which a name may mean anything."""
        if self._syntax.root.has_error and any(
            name.encode() in (node.text or b"") for node in walk(self._syntax.root) if node.is_error
        ):
            raise UnsureError(f"{name} stands where the file does not parse")
        in_format = rf"\{{{re.escape(name)}[:}}]|\{{[^{{}}\"]*(?<!\w){re.escape(name)}\$"
        if self._syntax.language.id == "rust" and re.search(in_format, self._text):
            raise UnsureError(f"{name} stands in the text of a format string")
        listed = self._syntax.language.id == "python" and "__all__" in self._text and not self._in_file
        if listed and re.search(rf"[\"']{re.escape(name)}[\"']", self._text):
            raise UnsureError(f"{name} is exported by __all__: other files may use it")
        said = self._rules.dynamic.search(self._text) if self._rules.dynamic is not None else None
        if said is not None:
            raise UnsureError(f"{said[0].strip()} may look {name} up by its text")

    def _check_place(self, node: Node) -> None:
        name, above = text_of(node), node.parent
        while above is not None:
            further = above.parent
            reason = self._rules.unsure.get(above.type) or (
                self._rules.unsure.get(f"{further.type} {above.type}") if further is not None else None
            )
            is_value = above.type == "literal_element" and (
                above.parent is None or above.parent.child_by_field_name("key") != above
            )
            if reason is not None and not is_value:
                raise UnsureError(f"{name} {reason}")
            if self._reads_what_it_binds(above, name):
                raise UnsureError(f"{name} is used where it is being bound")
            if above.type in self._rules.scopes:
                return
            above = above.parent

    def _reads_what_it_binds(self, node: Node, name: str) -> bool:
        """Whether a node both binds a name and reads it, where it may be another."""
        left, right = map(node.child_by_field_name, _SIDES.get(node.type, ("", "")))
        if left is None or right is None or self._rules.evaluated_outside(node, right):
            return False
        return self._says(left, name) and self._says(right, name)

    def _says(self, node: Node, name: str) -> bool:
        """Whether a name stands anywhere in a node."""
        return any(leaf.type in self._rules.names and text_of(leaf) == name for leaf in walk(node))

    def _check_symbol(self, name: str, kind: str, scope: Node, bindings: list[tuple[Node, str]]) -> None:
        kinds = {binding_kind for _, binding_kind in bindings}
        if any(self._is_property(node) for node, _ in bindings):
            raise UnsureError(f"{name} is a member of a class: its uses cannot be followed")
        if "import" in kinds and not self._in_file:
            raise UnsureError(f"{name} is imported: it is named elsewhere")
        if ("member" in kinds and not self._in_file) or scope.type in self._rules.closed:
            raise UnsureError(f"{name} is a member of a class: its uses cannot be followed")
        if kind in ("function", "member", "import") and len(bindings) > 1:
            raise UnsureError(f"{name} is defined more than once")
        if kind == "parameter" and scope.parent is None:
            raise UnsureError(f"{name} is the parameter of a declaration alone")
        if not self._in_file:
            self._check_elsewhere(name, kind, scope, bindings)

    def _is_property(self, leaf: Node) -> bool:
        """Whether a parameter is a property of the object, too."""
        above = leaf.parent
        if above is None or above.child_by_field_name("pattern") != leaf:
            return False
        return any(part.type in self._rules.properties for part in above.children)

    def _check_elsewhere(self, name: str, kind: str, scope: Node, bindings: list[tuple[Node, str]]) -> None:
        """Refuse a name that something outside of what is followed may go by."""
        if kind == "parameter" and self._is_keyword(name):
            raise UnsureError(f"{name} is passed by its name")
        first = min((node for node, _ in bindings), key=lambda node: node.start_byte)
        if self._syntax.language.id == "python":
            if kind == "parameter" and python_names.is_interface(scope):
                raise UnsureError(f"{name} may be passed by its name")
            if kind == "function" and first.parent is not None and python_names.is_fixture(first.parent):
                raise UnsureError(f"{name} is a fixture: tests go by its name")
        above: Node | None = first
        while above is not None and above != scope:
            if above.type == "export_statement" or self._is_public(above):
                raise UnsureError(f"{name} is exported: other files may use it")
            above = above.parent
        if scope.parent is None and self._syntax.language.id == "go" and name[:1].isupper():
            raise UnsureError(f"{name} is exported: other files may use it")

    def _is_public(self, node: Node) -> bool:
        return any(child.type == "visibility_modifier" for child in node.children)

    def _is_keyword(self, name: str) -> bool:
        """Whether some call passes an argument by this name."""
        return any(
            node.type == "keyword_argument" and self._name_of_field(node, "name") == name
            for node in walk(self._syntax.root)
        )

    def _check_order(
        self,
        name: str,
        bindings: list[tuple[Node, str]],
        bound: Bound,
        scope_of: dict[int, Node],
    ) -> None:
        """Refuse where a name is used before it is bound in a scope: there it may be an outer one."""
        if not self._rules.in_order:
            return
        if self._rules.rebinds and len({node.start_byte for node, _ in bindings}) > 1:
            raise UnsureError(f"{name} is bound more than once here")
        own = self._scope_of(bindings, bound, scope_of)
        for key, inner in bound.items():
            scope = scope_of[key]
            is_inside = own.start_byte <= scope.start_byte and scope.end_byte <= own.end_byte
            if scope.parent is None or not is_inside or inner[0][1] in ("function", "member"):
                continue
            first = min((node for node, _ in inner), key=lambda node: node.start_byte)
            ends = self._statement_end(first)
            for node in walk(scope):
                if node.start_byte >= ends or node.type not in self._rules.names or text_of(node) != name:
                    continue
                is_bound = any(node == other for other, _ in inner)
                if not is_bound and self._is_reference(node) and self._meant(node, bound) == key:
                    raise UnsureError(f"{name} is used where it is being bound")

    @staticmethod
    def _scope_of(
        bindings: list[tuple[Node, str]],
        bound: Bound,
        scope_of: dict[int, Node],
    ) -> Node:
        return next(scope_of[key] for key, nodes in bound.items() if nodes is bindings)

    def _statement_end(self, node: Node) -> int:
        """Where the declaration that binds a name has ended."""
        above, child = node.parent, node
        while above is not None and above.type not in self._rules.declarations:
            if above.type in self._rules.scopes:
                return child.start_byte
            child, above = above, above.parent
        return above.end_byte if above is not None else node.end_byte

    def _span(self, node: Node) -> Span:
        to_char = self._syntax.utf8.byte_to_char
        return Span(to_char(node.start_byte), to_char(node.end_byte))

    def _name_of_field(self, node: Node, field: str) -> str:
        named = node.child_by_field_name(field)
        return "" if named is None else text_of(named)


def words_of(text: str) -> set[str]:
    """Every word of a text, whatever it stands for."""
    return set(re.findall(r"[^\W\d]\w*", text))


def _leaf_at(syntax: Syntax, rules: Rules, char_offset: int) -> Node | None:
    for at in (char_offset, char_offset - 1):
        for node in reversed(syntax.path(at) if at >= 0 else ()):
            if node.type in rules.names:
                return node
    return None
