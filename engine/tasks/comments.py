"""A definition to the documentation comment it has or could have: where it stands, and what it is made of.

Asks the syntax tree for definitions, and the file for the style of its comments. Knows no model: what is to
be said is left open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.code.syntax import Syntax, walk
from engine.code.text import line_start
from engine.tasks.annotations.slots import returns_value
from engine.tasks.kept_words import kept_sections, kept_tags, kept_tail
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

Style = Literal["plain", "google", "numpy", "rest"]

_DEFINITIONS: dict[str, frozenset[str]] = {
    "python": frozenset({"function_definition", "class_definition"}),
    "javascript": frozenset(
        {"function_declaration", "generator_function_declaration", "class_declaration", "method_definition"}
    ),
    "go": frozenset({"function_declaration", "method_declaration", "type_declaration"}),
    "rust": frozenset({"function_item", "struct_item", "enum_item", "trait_item"}),
    "java": frozenset(
        {
            *("method_declaration", "constructor_declaration", "class_declaration"),
            *("interface_declaration", "enum_declaration", "record_declaration"),
        }
    ),
    "cpp": frozenset({"function_definition", "class_specifier", "struct_specifier"}),
}
_DEFINITIONS["typescript"] = _DEFINITIONS["typescriptreact"] = _DEFINITIONS["javascript"] | {
    "interface_declaration",
    "abstract_class_declaration",
}
_WRAPPERS = frozenset({"export_statement", "template_declaration", "decorated_definition"})
_ABOVE = frozenset({"attribute_item", "decorator"})
_PLAIN_STRING = re.compile(rb"[rRuU]?[\"']")


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition that can have a documentation comment.

    Attributes:
        name: of the function or type.
        span: all of it, without its comment.
        comment: what a new comment takes the place of: the one that is there, or nothing.
        has_comment: whether there is one.
        indent: white space in front of every line of the comment.
        parameters: names of what a function takes, the object itself left out.
        returns: whether a function gives a value.
        raises: names of what a function raises, in order.
    """

    name: str
    span: Span
    comment: Span
    has_comment: bool
    indent: str
    parameters: tuple[str, ...] = ()
    returns: bool = False
    raises: tuple[str, ...] = ()

    def said(self, text: str) -> str:
        """The comment that is there; empty where there is none."""
        return text[self.comment.start_char : self.comment.end_char] if self.has_comment else ""


def knows(language_id: str) -> bool:
    """Whether a language has documentation comments that are known here."""
    return language_id in _DEFINITIONS


def definitions_of(syntax: Syntax, text: str) -> list[Definition]:
    """Every definition that has room for a comment, in order of their starts."""
    kinds = _DEFINITIONS.get(syntax.language.id, frozenset())
    found: list[Definition] = []
    for node in walk(syntax.root):
        if node.type in kinds and node.child_by_field_name("body") is not None:
            reader = _Reader(syntax, text)
            made = reader.python(node) if syntax.language.id == "python" else reader.above(node)
            if made is not None:
                found.append(made)
    return found


def form_of(definition: Definition, language_id: str, text: str) -> list[str | None]:
    """The comment of a definition as pieces; each None is to be written, on one line.

    Lines end with a line feed; the pieces take the place of ``definition.comment``. What the comment that is
    there says besides, in sections and tags of its own, is among them.
    """
    if language_id == "python":
        return _python_form(definition, python_style(text), text)
    if language_id in ("go", "rust") or (language_id == "cpp" and not re.search(r"/\*\*", text)):
        return _line_form(definition, language_id, text)
    return _block_form(definition, language_id, text)


def _line_form(definition: Definition, language_id: str, text: str) -> list[str | None]:
    mark, indent = "//" if language_id == "go" else "///", definition.indent
    first = f"{mark} {definition.name}" if language_id == "go" else mark
    tail = kept_tail(definition.said(text), language_id)
    lines = [f"\n{indent}{mark} {line}".rstrip(" ") for line in ("", *tail)] if tail else []
    return [first, None, "".join(lines) + "\n" + indent]


def _block_form(definition: Definition, language_id: str, text: str) -> list[str | None]:
    indent, kept = definition.indent, kept_tags(definition.said(text))
    lines: list[str | None] = ["/**\n" + indent + " *", None]
    wants_types = language_id == "javascript" and "@param {" in text
    if definition.parameters or definition.returns or kept:
        lines.append(f"\n{indent} *")
    for name in definition.parameters:
        dash = " -" if language_id in ("javascript", "typescript", "typescriptreact") else ""
        if wants_types:
            lines += [f"\n{indent} * @param {{", None, f"}} {name}{dash}", None]
        else:
            lines += [f"\n{indent} * @param {name}{dash}", None]
    if definition.returns:
        word = "@returns" if language_id.startswith(("javascript", "typescript")) else "@return"
        if "@return " in text and "@returns" not in text:
            word = "@return"
        lines += [f"\n{indent} * {word}", None]
    lines += [f"\n{indent} * {line}".rstrip(" ") for line in kept]
    return [*lines, f"\n{indent} */\n{indent}"]


def is_docstring(statement: Node) -> bool:
    """Whether a statement of Python is a string that documents what it stands first in."""
    if statement.type != "expression_statement" or statement.named_child_count != 1:
        return False
    only = statement.named_children[0]
    parts = only.named_children if only.type == "concatenated_string" else [only]
    return all(part.type == "string" and _PLAIN_STRING.match(part.text or b"") for part in parts)


def is_doc(comment: str, language_id: str) -> bool:
    """Whether a comment above a definition documents it: in Go, any that is no directive (``//go:embed``)."""
    if language_id == "go":
        return re.match(r"//(?:\s|$)", comment) is not None
    return comment.startswith(("/**", "///"))


def python_style(text: str) -> Style:
    """The style of a Python file's docstrings; plain where none of the others is seen."""
    counts: dict[Style, int] = {
        "google": len(re.findall(r"^\s+(?:Args|Returns|Raises|Yields):\s*$", text, re.MULTILINE)),
        "numpy": len(re.findall(r"^\s+(?:Parameters|Returns|Raises)\s*\n\s+-{3,}", text, re.MULTILINE)),
        "rest": len(re.findall(r"^\s+:(?:param|returns?|raises)\b", text, re.MULTILINE)),
    }
    best = max(counts, key=lambda style: counts[style])
    return best if counts[best] else "plain"


def _python_form(definition: Definition, style: Style, text: str) -> list[str | None]:
    said = definition.said(text)
    kept = kept_sections(said)
    sections: list[str | None] = []
    if style == "google":
        keeps_raises = any(section.name == "Raises" for section in kept)
        sections = _google(definition, raises="Raises:" in text and not keeps_raises)
    elif style == "numpy":
        sections = _numpy(definition)
    elif style == "rest":
        sections = _rest(definition, text)
    for section in kept:
        is_next_field = section.text.lstrip().startswith(":") and bool(sections)
        sections.append(("\n" if is_next_field else "\n\n") + section.text)
    raw = said[:1] if kept and said[:1] in ("r", "R") else ""
    return [f'{raw}"""', None, *sections, f'\n{definition.indent}"""' if sections else '"""']


def _google(definition: Definition, *, raises: bool) -> list[str | None]:
    indent, pieces = definition.indent, list[str | None]()
    if definition.parameters:
        pieces.append(f"\n\n{indent}Args:")
    for name in definition.parameters:
        pieces += [f"\n{indent}    {name}:", None]
    if definition.returns:
        pieces += [f"\n\n{indent}Returns:\n{indent}   ", None]
    if definition.raises and raises:
        pieces.append(f"\n\n{indent}Raises:")
        for name in definition.raises:
            pieces += [f"\n{indent}    {name}:", None]
    return pieces


def _numpy(definition: Definition) -> list[str | None]:
    indent, pieces = definition.indent, list[str | None]()
    if definition.parameters:
        pieces.append(f"\n\n{indent}Parameters\n{indent}----------")
    for name in definition.parameters:
        pieces += [f"\n{indent}{name} :", None, f"\n{indent}   ", None]
    if definition.returns:
        pieces += [f"\n\n{indent}Returns\n{indent}-------\n{indent[:-1]}", None, f"\n{indent}   ", None]
    return pieces


def _rest(definition: Definition, text: str) -> list[str | None]:
    indent, pieces = definition.indent, list[str | None]()
    for at, name in enumerate(definition.parameters):
        pieces += [("\n\n" if at == 0 else "\n") + f"{indent}:param {name}:", None]
    if definition.returns:
        word = ":returns:" if ":returns:" in text else ":return:"
        pieces += [("\n" if definition.parameters else "\n\n") + f"{indent}{word}", None]
    return pieces


class _Reader:
    """Reads definitions of one text."""

    def __init__(self, syntax: Syntax, text: str) -> None:
        self._syntax, self._text = syntax, text
        self._to_char = syntax.utf8.byte_to_char

    def python(self, node: Node) -> Definition | None:
        """A function or class of Python; None for one on a line with its body."""
        body = node.child_by_field_name("body")
        if body is None or not body.named_child_count or node.has_error:
            return None
        first = body.named_children[0]
        start = self._to_char(first.start_byte)
        indent = self._indent(start)
        if indent is None or first.start_point.row == node.start_point.row:
            return None
        is_string = is_docstring(first)
        comment = self._span(first) if is_string else Span(start, start)
        return self._made(node, comment, is_string, indent)

    def above(self, node: Node) -> Definition | None:
        """A definition with its comment above it; None where it does not start its line."""
        anchor = node
        while anchor.parent is not None and anchor.parent.type in _WRAPPERS:
            anchor = anchor.parent
        while (before := anchor.prev_sibling) is not None and before.type in _ABOVE:
            anchor = before
        start = self._to_char(anchor.start_byte)
        indent = self._indent(start)
        if indent is None or node.has_error:
            return None
        if self._syntax.language.id == "go":
            anchor = self._above(anchor, docs=False)
            start = self._to_char(anchor.start_byte)
        first = self._above(anchor, docs=True)
        begin = self._to_char(first.start_byte)
        return self._made(node, Span(begin, start), first != anchor, indent)

    def _above(self, node: Node, *, docs: bool) -> Node:
        """The first of the comments right above a node that document it, or that do not; else the node."""
        while (before := node.prev_sibling) is not None and "comment" in before.type:
            start = self._to_char(before.start_byte)
            gap = self._text[self._to_char(before.end_byte) : self._to_char(node.start_byte)]
            says_so = is_doc(self._of(before), self._syntax.language.id) == docs
            if gap.strip() or gap.count("\n") > 1 or not says_so or self._indent(start) is None:
                break
            node = before
        return node

    def _made(self, node: Node, comment: Span, has_comment: bool, indent: str) -> Definition | None:
        name = self._name(node)
        if not name:
            return None
        is_function = "function" in node.type or "method" in node.type or "constructor" in node.type
        body = node.child_by_field_name("body")
        assert body is not None
        return Definition(
            name,
            self._span(node),
            comment,
            has_comment,
            indent,
            tuple(self._parameters(node)) if is_function else (),
            is_function and returns_value(body),
            tuple(dict.fromkeys(self._raised(body))) if is_function else (),
        )

    def _name(self, node: Node) -> str:
        name = node.child_by_field_name("name")
        if name is None and node.type == "type_declaration":
            spec = next((child for child in node.named_children if child.type == "type_spec"), None)
            name = spec.child_by_field_name("name") if spec is not None else None
        declarator = node.child_by_field_name("declarator")
        while name is None and declarator is not None:
            inner = declarator.child_by_field_name("declarator")
            if inner is None:
                name = declarator
            declarator = inner
        return "" if name is None else self._of(name)

    def _parameters(self, node: Node) -> Iterator[str]:
        """The names of a function's parameters, as they are documented."""
        parameters = node.child_by_field_name("parameters")
        declarator = node.child_by_field_name("declarator")
        if parameters is None and declarator is not None:
            parameters = declarator.child_by_field_name("parameters")
        for child in parameters.named_children if parameters is not None else ():
            named = [child]
            for field in ("name", "pattern", "declarator"):
                inner = child.children_by_field_name(field)
                if inner:
                    named = list(inner)
                    break
            else:
                if child.type == "typed_parameter" and child.named_child_count:
                    named = [child.named_children[0]]
            for name in named:
                said = (
                    self._of(name).lstrip("&*. ") if self._syntax.language.id != "python" else self._of(name)
                )
                if re.fullmatch(r"\*{0,2}[^\W\d]\w*", said) and said not in ("self", "cls", "this"):
                    yield said

    def _raised(self, body: Node) -> Iterator[str]:
        for node in walk(body):
            if node.type == "raise_statement":
                said = re.match(r"raise\s+([A-Z]\w*)", self._of(node))
                if said is not None:
                    yield said[1]

    def _indent(self, start_char: int) -> str | None:
        """The white space before an offset on its line; None where there is something else."""
        before = self._text[line_start(self._text, start_char) : start_char].removeprefix("\ufeff")
        return None if before.strip() else before

    def _span(self, node: Node) -> Span:
        return Span(self._to_char(node.start_byte), self._to_char(node.end_byte))

    def _of(self, node: Node) -> str:
        return self._text[self._to_char(node.start_byte) : self._to_char(node.end_byte)]
