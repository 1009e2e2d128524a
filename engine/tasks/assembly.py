"""Parts of a file that were translated one by one to one file: imports at the top, nothing defined twice.

What a part cannot stand without in its language (Go's package clause, Java's class around methods) is made
here. Reads items with tree-sitter; a part that does not parse is taken as it is. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Node

_HEAD = frozenset(
    {
        *("import_statement", "import_from_statement", "future_import_statement"),  # Python, JavaScript
        *("import_declaration", "package_declaration", "package_clause"),  # Go, Java
        *("use_declaration", "extern_crate_declaration"),  # Rust
        *("preproc_include", "using_declaration"),  # C++
    }
)
_JAVA_TYPES = frozenset(
    {"class_declaration", "interface_declaration", "enum_declaration", "record_declaration"}
)
_CLASS = "Main"
_GO_IMPORT = re.compile(r"import\s+(?:([\w.]+)\s+)?\"([^\"]+)\"")


@dataclass
class _File:
    """A file as it grows."""

    head: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)


def assemble(parts: Sequence[str], language: Language, *, without: frozenset[str] = frozenset()) -> str:
    r"""One file of some parts, lines ended by ``\n``.

    Args:
        parts: texts in the same language, in order.
        language: theirs.
        without: names of functions at the top that are left out.
    """
    if len(parts) == 1 and not without:
        return parts[0].strip("\n") + "\n"
    if language.id == "java":
        parts = _merged([_in_class(part, language) for part in parts], language)
    file = _File(defined=set(without))
    for part in parts:
        _add(file, part, language)
    head = list(dict.fromkeys(line for text in file.head for line in _single(text, language)))
    if language.id == "go":
        packages = [line for line in head if line.startswith("package ")] or ["package main"]
        body = "\n".join(file.body)
        imports = [line for line in head if not line.startswith("package ") and _is_used(line, body)]
        head = [packages[0], *([""] if imports else []), *imports]
    gap = "\n\n\n" if language.id == "python" else "\n\n"
    return gap.join(text for text in ("\n".join(head), *file.body) if text.strip()) + "\n"


def _add(file: _File, part: str, language: Language) -> None:
    """Add the items of a part: what belongs at the top there, what is defined already not again."""
    syntax = parse(part, language)
    if syntax is None or syntax.root.has_error:
        file.body.append(part.strip("\n"))
        return
    data, at_byte, kept = part.encode("utf-8", "surrogatepass"), 0, ""
    fresh: set[str] = set()
    for node in syntax.root.named_children:
        name = _defined(node)
        if node.type not in _HEAD and (name is None or name not in file.defined):
            fresh |= {name} if name else set()
            continue
        kept += data[at_byte : node.start_byte].decode("utf-8", "surrogatepass")
        at_byte = node.end_byte
        if node.type in _HEAD:
            file.head.append(data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass").strip())
        while data[at_byte : at_byte + 1] in (b"\n", b";"):  # the line goes with what stood on it
            at_byte += 1
    kept += data[at_byte:].decode("utf-8", "surrogatepass")
    file.defined |= fresh
    if kept.strip():
        file.body.append(kept.strip("\n"))


def _single(text: str, language: Language) -> list[str]:
    """An import as lines that can be compared with those of other parts."""
    if language.id == "go" and text.startswith("import") and "(" in text:
        inner = text[text.index("(") + 1 : text.rindex(")")]
        return [f"import {line.strip()}" for line in inner.splitlines() if line.strip()]
    return [text]


def _is_used(line: str, body: str) -> bool:
    """Whether an import of Go is used: one too many does not compile."""
    match = _GO_IMPORT.search(line)
    if match is None or match[1] in ("_", "."):
        return True
    name = match[1] or re.sub(r"/v\d+$", "", match[2]).rpartition("/")[2]
    return re.search(rf"\b{re.escape(name)}\.", body) is not None


def _defined(node: Node) -> str | None:
    """What an item at the top of a file defines; None where that cannot be said."""
    node = node.child_by_field_name("definition") or node.child_by_field_name("declaration") or node
    if node.type == "method_declaration" and node.text is not None:  # Go: a method of some type
        return " ".join(node.text.decode("utf-8", "replace").partition("{")[0].split())
    if node.type == "type_declaration" and node.named_child_count == 1:
        node = node.named_children[0]
        name = node.child_by_field_name("name")
        return None if name is None or name.text is None else name.text.decode("utf-8", "replace")
    if not any(kind in node.type for kind in ("function", "class", "struct", "enum", "interface", "trait")):
        return None
    inner = node
    for _ in range(4):
        named = inner.child_by_field_name("name") or inner.child_by_field_name("declarator")
        if named is None:
            break
        inner = named
    if inner is node or inner.text is None or "template" in node.type:
        return None
    return inner.text.decode("utf-8", "replace")


def _in_class(part: str, language: Language) -> str:
    """A part of Java whose bare methods and fields stand in a class."""
    syntax = parse(part, language)
    if syntax is None or syntax.root.has_error:
        return part
    bare = [
        node
        for node in syntax.root.named_children
        if node.type not in _HEAD and node.type not in _JAVA_TYPES and "comment" not in node.type
    ]
    if not bare:
        return part
    first, last = bare[0].start_byte, bare[-1].end_byte
    data = part.encode("utf-8", "surrogatepass")
    before, inner, after = (
        piece.decode("utf-8", "surrogatepass") for piece in (data[:first], data[first:last], data[last:])
    )
    indented = "\n".join(f"    {line}" if line.strip() else "" for line in inner.splitlines())
    return f"{before}class {_CLASS} {{\n{indented}\n}}{after}"


def _merged(parts: Sequence[str], language: Language) -> list[str]:
    """Parts of Java in which a class that several of them have stands once, with the members of all."""
    merged: list[str] = []
    for part in parts:
        left = part
        for name, body in _classes(part, language).items():
            at = next((i for i, known in enumerate(merged) if name in _classes(known, language)), None)
            if at is None:
                continue
            _, end = _classes(merged[at], language)[name]
            members = part[body[0] : body[1]].strip("\n").rstrip()
            known = merged[at]
            merged[at] = f"{known[:end].rstrip()}\n\n{members}\n{known[end:]}"
            left = _without_class(left, name, language)
        merged.append(left)
    return [part for part in merged if part.strip()]


def _classes(part: str, language: Language) -> dict[str, tuple[int, int]]:
    """Where the bodies of classes at the top stand, without their braces, in characters, by name."""
    syntax = parse(part, language)
    if syntax is None or syntax.root.has_error:
        return {}
    found = {}
    for node in syntax.root.named_children:
        body, name = node.child_by_field_name("body"), _defined(node)
        if node.type == "class_declaration" and body is not None and name is not None:
            start, end = (syntax.utf8.byte_to_char(at) for at in (body.start_byte + 1, body.end_byte - 1))
            found[name] = (start, end)
    return found


def _without_class(part: str, name: str, language: Language) -> str:
    syntax = parse(part, language)
    for node in [] if syntax is None else syntax.root.named_children:
        if syntax is not None and _defined(node) == name:
            start, end = (syntax.utf8.byte_to_char(at) for at in (node.start_byte, node.end_byte))
            return part[:start].rstrip() + part[end:]
    return part
