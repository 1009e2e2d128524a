"""A text to the places where a type annotation is missing: parameters, returns, class attributes.

Asks the syntax tree of Python and TypeScript; knows no model. Of types it knows what a place proves by
itself: a body without a ``return`` value returns nothing, a default of ``True`` is a ``bool``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.code.decorators import decorators_of
from engine.code.languages import Language
from engine.code.syntax import Syntax, text_of, walk
from engine.tasks.annotations.returned import Returned, literal_type, own, returned
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

SlotKind = Literal["parameter", "return", "attribute"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place without an annotation.

    Attributes:
        kind: of what the type is missing.
        name: of the parameter or attribute; the function's for a return.
        span: what the annotation takes the place of: nothing, or the ``=`` of a default.
        before: what stands in front of the type, such as ``:`` or `` ->``; a space follows.
        after: what stands behind it, such as `` = ``.
        value: the source of the default or the value assigned; None where there is none.
        known: the type, where the code proves it; ``Self`` for what returns its own object.
        nullable: whether it may be nothing: its default is, or a ``return`` beside others gives nothing.
        yields: whether the function is a generator.
    """

    kind: SlotKind
    name: str
    span: Span
    before: str
    after: str = ""
    value: str | None = None
    known: str | None = None
    nullable: bool = False
    yields: bool = False

    def written(self, annotation: str) -> str:
        """The text that goes into the span for a type."""
        return f"{self.before} {annotation}{self.after}"


@dataclass(frozen=True, slots=True)
class Group:
    """The slots of one function's signature, or one attribute's: what is filled in one canvas.

    Attributes:
        name: of the function or attribute.
        span: the whole definition.
        header_end_char: where what follows the last slot is shown to the model from: the body.
        class_name: the class it stands in directly; None for none.
        slots: in order, at least one.
    """

    name: str
    span: Span
    header_end_char: int
    class_name: str | None
    slots: tuple[Slot, ...]


def groups_of(syntax: Syntax, text: str) -> list[Group]:
    """Every definition with a slot, in order of their starts; none where the language is not known."""
    find = _FINDERS.get(syntax.language.id)
    return [] if find is None else sorted(find(syntax, text), key=lambda group: group.span.start_char)


def knows(language: Language) -> bool:
    """Whether the language has annotations that can be left out."""
    return language.id in _FINDERS


class _Source:
    """A parsed text, asked in characters."""

    def __init__(self, syntax: Syntax, text: str) -> None:
        self.text = text
        self._to_char = syntax.utf8.byte_to_char

    def span(self, node: Node) -> Span:
        return Span(self._to_char(node.start_byte), self._to_char(node.end_byte))

    def slot(self, kind: SlotKind, name: Node, value: Node | None, known: str | None) -> Slot:
        """The slot behind a name, in front of its value if there is one."""
        end_char = self.span(name).end_char
        span, after = Span(end_char, end_char), ""
        if value is not None:
            start_char = self.span(value).start_char
            if self.text[end_char:start_char].strip(" \t") == "=":
                span, after = Span(end_char, start_char), " = "
        nullable = value is not None and value.type == "none"
        return Slot(kind, text_of(name), span, ":", after, text_of(value) or None, known, nullable)


def returns_value(body: Node) -> bool:
    """Whether the body of a function, in any language, gives a value: by ``return``, or as an expression."""
    if body.type not in (
        "block",
        "statement_block",
        "compound_statement",
        "constructor_body",
        "function_body",
    ):
        return "body" not in body.type  # an arrow function's expression
    last = body.named_children[-1] if body.named_child_count else None
    if body.parent is not None and body.parent.type == "function_item":
        return body.parent.child_by_field_name("return_type") is not None and last is not None
    return any(
        node.type in ("return_statement", "return_expression")
        and any("comment" not in child.type for child in node.named_children)
        for node in own(body)
    )


# --- Python -------------------------------------------------------------------------------------------

_SPECIAL_RETURNS = {
    **dict.fromkeys(("__init__", "__init_subclass__", "__post_init__", "__del__"), "None"),
    **dict.fromkeys(("__setattr__", "__delattr__", "__setitem__", "__delitem__", "__set__"), "None"),
    **dict.fromkeys(("__str__", "__repr__", "__format__"), "str"),
    **dict.fromkeys(("__len__", "__hash__", "__index__", "__int__"), "int"),
    **dict.fromkeys(("__bool__", "__contains__", "__eq__", "__ne__"), "bool"),
    "__bytes__": "bytes",
    "__float__": "float",
}
_COMPARISONS = frozenset({"__eq__", "__ne__"})
_OPEN_CLASSES = ("Enum", "Flag", "Model", "Structure", "Union", "TypedDict", "NamedTuple", "Schema", "Form")
"""Ends of names of bases whose attributes mean something else, or nothing, once they are annotated."""


def _python(syntax: Syntax, text: str) -> Iterator[Group]:
    source = _Source(syntax, text)
    for node in walk(syntax.root):
        if node.type == "function_definition" and not node.has_error:
            group = _python_function(source, node)
            if group.slots:
                yield group
        elif node.type == "class_definition":
            yield from _python_attributes(source, node)


def _python_function(source: _Source, node: Node) -> Group:
    name_node, parameters, body = (
        node.child_by_field_name(field) for field in ("name", "parameters", "body")
    )
    assert name_node is not None and parameters is not None
    name, owner = text_of(name_node), _class_of(node)
    decorators = decorators_of(node)
    slots = list(
        _python_parameters(source, parameters, name, owner is not None and "staticmethod" not in decorators)
    )
    end_char = source.span(parameters).end_char
    if node.child_by_field_name("return_type") is None:
        returns = returned(body, decorators) if body is not None else Returned()
        known = _SPECIAL_RETURNS.get(name, returns.only) if owner is not None else returns.only
        slots.append(
            Slot(
                "return",
                name,
                Span(end_char, end_char),
                " ->",
                known=known,
                nullable=returns.nullable,
                yields=returns.yields,
            )
        )
    colon = next((child for child in reversed(node.children) if child.type == ":"), None)
    header_end = source.span(colon).end_char if colon is not None else end_char
    class_name = text_of(owner.child_by_field_name("name")) if owner is not None else None
    return Group(name, source.span(node), header_end, class_name, tuple(slots))


def _python_parameters(source: _Source, parameters: Node, function: str, bound: bool) -> Iterator[Slot]:
    first = True
    for child in parameters.named_children:
        if child.type == "comment":
            continue
        skipped = first and bound
        first = False
        if child.type == "identifier":
            if skipped or text_of(child) in ("self", "cls"):
                continue
            known = "object" if bound and function in _COMPARISONS else None
            yield source.slot("parameter", child, None, known)
        elif child.type == "default_parameter":
            name, value = child.child_by_field_name("name"), child.child_by_field_name("value")
            if name is not None and name.type == "identifier" and value is not None:
                yield source.slot("parameter", name, value, literal_type(value))
        elif child.type in ("list_splat_pattern", "dictionary_splat_pattern") and child.named_child_count:
            yield source.slot("parameter", child, None, None)


def _python_attributes(source: _Source, node: Node) -> Iterator[Group]:
    body, bases = node.child_by_field_name("body"), node.child_by_field_name("superclasses")
    owner = text_of(node.child_by_field_name("name"))
    named = [text_of(base) for base in bases.named_children] if bases is not None else []
    if body is None or decorators_of(node) or any(base.endswith(_OPEN_CLASSES) for base in named):
        return
    for statement in body.named_children:
        target = (
            statement.named_children[0]
            if statement.type == "expression_statement" and statement.named_children
            else None
        )
        if target is None or target.type != "assignment" or target.child_by_field_name("type") is not None:
            continue
        left, right = target.child_by_field_name("left"), target.child_by_field_name("right")
        if left is None or right is None or left.type != "identifier" or right.type == "assignment":
            continue
        name = text_of(left)
        if name.startswith("__") or target.has_error or right.type in ("lambda", "identifier", "attribute"):
            continue
        slot = source.slot("attribute", left, right, literal_type(right))
        yield Group(name, source.span(target), slot.span.end_char, owner, (slot,))


def _class_of(node: Node) -> Node | None:
    """The class whose body a definition stands in directly."""
    above = node.parent
    if above is not None and above.type == "decorated_definition":
        above = above.parent
    if above is None or above.type != "block":
        return None
    return above.parent if above.parent is not None and above.parent.type == "class_definition" else None


# --- TypeScript ---------------------------------------------------------------------------------------

_TS_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "arrow_function",
        "function_expression",
    }
)
_TS_LITERALS = {
    "string": "string",
    "template_string": "string",
    "number": "number",
    "true": "boolean",
    "false": "boolean",
}


def _typescript(syntax: Syntax, text: str) -> Iterator[Group]:
    source = _Source(syntax, text)
    for node in walk(syntax.root):
        if node.type in _TS_FUNCTIONS and not node.has_error and not _is_typed_by_place(node):
            group = _typescript_function(source, node)
            if group is not None and group.slots:
                yield group
        elif node.type == "public_field_definition" and node.child_by_field_name("type") is None:
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is None or value is None or value.type in _TS_FUNCTIONS:
                continue
            if any(child.type in ("readonly", "?", "!") for child in node.children):
                continue  # what is readonly has the type of its value
            slot = source.slot("attribute", name, value, _TS_LITERALS.get(value.type))
            yield Group(slot.name, source.span(node), slot.span.end_char, None, (slot,))


def _is_typed_by_place(node: Node) -> bool:
    """Whether a function's parameters get their types from where it stands: an argument, a typed variable."""
    if node.type not in ("arrow_function", "function_expression"):
        return False
    above = node.parent
    if above is None or above.type not in ("variable_declarator", "public_field_definition"):
        return True
    return above.child_by_field_name("type") is not None


def _typescript_function(source: _Source, node: Node) -> Group | None:
    parameters, body = node.child_by_field_name("parameters"), node.child_by_field_name("body")
    if parameters is None or body is None:
        return None
    name_node = node.child_by_field_name("name")
    if name_node is None and node.parent is not None:
        name_node = node.parent.child_by_field_name("name")
    name = text_of(name_node)
    slots = []
    for child in parameters.named_children:
        pattern = child.child_by_field_name("pattern")
        if child.type not in ("required_parameter", "optional_parameter") or pattern is None:
            continue
        if child.child_by_field_name("type") is None and pattern.type in ("identifier", "rest_pattern"):
            value = child.child_by_field_name("value")
            known = None if value is None else _TS_LITERALS.get(value.type)
            slot = source.slot("parameter", pattern, value, known)
            if child.type == "optional_parameter":
                mark = next((part for part in child.children if part.type == "?"), pattern)
                end_char = source.span(mark).end_char
                slot = Slot("parameter", slot.name, Span(end_char, end_char), ":")
            slots.append(slot)
    end_char = source.span(parameters).end_char
    kinds = {child.type for child in node.children}
    if node.child_by_field_name("return_type") is None and name != "constructor" and "set" not in kinds:
        slots.append(Slot("return", name, Span(end_char, end_char), ":", known=_ts_returned(node, body)))
    arrow = next((child for child in node.children if child.type == "=>"), None)
    header_end = source.span(arrow).start_char if arrow is not None else end_char
    while arrow is not None and header_end > end_char and source.text[header_end - 1] in " \t":
        header_end -= 1
    return Group(name, source.span(node), header_end, None, tuple(slots))


def _ts_returned(function: Node, body: Node) -> str | None:
    """``void`` where a body returns nothing; None where that is not so, or not certain."""
    kinds = {child.type for child in function.children}
    if body.type != "statement_block" or "*" in kinds or not body.named_child_count:
        return None
    stack = [body]
    while stack:
        node = stack.pop()
        if node.type == "return_statement" and node.named_child_count:
            return None
        stack += [
            child
            for child in node.children
            if child.type not in (*_TS_FUNCTIONS, "class_declaration", "class")
        ]
    if any(child.type == "throw_statement" for child in body.named_children):
        return None
    return "Promise<void>" if "async" in kinds else "void"


_FINDERS: dict[str, Callable[[Syntax, str], Iterator[Group]]] = {
    "python": _python,
    "typescript": _typescript,
    "typescriptreact": _typescript,
}
