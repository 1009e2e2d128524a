"""TypeScript's types: where one ends, and whether a file can use it.

Knows the language's own types and the names a file declares or imports; everything else is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.code.brackets import outside_strings
from engine.code.syntax import Syntax, parse, text_of, walk

MAX_CHARS = 200

GLOBALS = frozenset(
    (
        *("Promise", "Array", "ReadonlyArray", "Record", "Map", "Set", "WeakMap", "WeakSet", "Partial"),
        *("Required", "Readonly", "Pick", "Omit", "Exclude", "Extract", "NonNullable", "ReturnType"),
        *("Parameters", "Awaited", "Iterable", "Iterator", "IterableIterator", "Generator", "AsyncGenerator"),
        *("AsyncIterable", "AsyncIterator", "PromiseLike", "ArrayLike", "ArrayBuffer", "Uint8Array"),
        *("Date", "RegExp", "Error", "TypeError", "RangeError", "Function", "Object", "String", "Number"),
        *("Boolean", "Symbol", "JSON", "URL", "URLSearchParams", "InstanceType", "ConstructorParameters"),
        *(
            "Event",
            "MouseEvent",
            "KeyboardEvent",
            "EventTarget",
            "Node",
            "Element",
            "HTMLElement",
            "Document",
        ),
        *("Window", "Request", "Response", "Headers", "FormData", "Blob", "File", "AbortSignal", "const"),
        *("AbortController", "ReadableStream", "WritableStream", "Location", "Storage", "Float32Array"),
    )
)
_DECLARATIONS = frozenset(
    (
        *("class_declaration", "abstract_class_declaration", "interface_declaration", "enum_declaration"),
        *(
            "type_alias_declaration",
            "type_parameter",
            "import_specifier",
            "namespace_import",
            "import_clause",
        ),
    )
)
_EMPTY = re.compile(r"^\s*$|(?:[|&(,<:?]|=>|\b(?:is|extends|keyof|typeof|readonly|infer))\s*$")
"""What stands before a type, or goes on one: a brace behind it opens a type and not a body."""


@dataclass(frozen=True, slots=True)
class FileTypes:
    """The names a file declares or imports, each with the bytes it is known in."""

    names: dict[str, list[tuple[int, int]]]

    def knows(self, name: str, at_byte: int) -> bool:
        """Whether a name is one of a type at a place."""
        return name in GLOBALS or any(start <= at_byte < end for start, end in self.names.get(name, ()))


def file_types(syntax: Syntax) -> FileTypes:
    """The names of types a file has."""
    found: dict[str, list[tuple[int, int]]] = {}
    whole = (0, len(syntax.utf8.data) + 1)
    for node in walk(syntax.root):
        if node.type not in _DECLARATIONS:
            continue
        name = node.child_by_field_name("alias") or node.child_by_field_name("name")
        if name is None:
            name = next(
                (child for child in node.named_children if child.type in ("identifier", "type_identifier")),
                None,
            )
        if name is None:
            continue
        reach = whole
        if node.type == "type_parameter":
            owner = node.parent.parent if node.parent is not None else None
            reach = (owner.start_byte, owner.end_byte) if owner is not None else whole
        found.setdefault(text_of(name), []).append(reach)
    return FileTypes(found)


def resolve(annotation: str, types: FileTypes, syntax: Syntax, at_byte: int) -> str | None:
    """A type as it is to be written; None where it is none, or a name of it is not known."""
    annotation = annotation.strip()
    if not annotation or len(annotation) > MAX_CHARS or "\n" in annotation:
        return None
    probe = f"let x: {annotation};\n"
    parsed = parse(probe, syntax.language)
    if parsed is None or parsed.root.has_error or parsed.root.named_child_count != 1:
        return None
    declared = parsed.root.named_children[0].named_children
    if len(declared) != 1 or declared[0].child_by_field_name("value") is not None:
        return None
    own = {text_of(node.named_children[0]) for node in walk(parsed.root) if node.type == "type_parameter"}
    for node in walk(parsed.root):
        if node.type in ("type_identifier", "nested_type_identifier", "type_query"):
            name = text_of(node)
            if node.type != "type_identifier" or (
                node.parent is not None and node.parent.type == "nested_type_identifier"
            ):
                root = name.removeprefix("typeof").strip().partition(".")[0]
                if node.type != "type_identifier" and root and root.encode() not in syntax.utf8.data:
                    return None
            elif name not in own and not types.knows(name, at_byte):
                return None
    return annotation


def type_end(text: str) -> int | None:
    """Where a type ends in what follows a colon; None while it has not."""
    depth = 0
    for at, char in outside_strings(text, "\"'`"):
        if char in "([<":
            depth += 1
        elif char == "{":
            if depth == 0 and not _EMPTY.search(text[:at]):
                return at
            depth += 1
        elif char in ")]}" or (char == ">" and text[at - 1 : at] != "="):
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and _ends(text, at):
            return at
    return None


def _ends(text: str, at: int) -> bool:
    """Whether a character outside all brackets is the first behind a type."""
    char, before = text[at], text[:at]
    if char == "=":
        if text[at + 1 : at + 2] != ">":
            return at + 1 < len(text)
        return not before.rstrip().endswith(")")
    return char in ",;\n" and bool(before.strip())
