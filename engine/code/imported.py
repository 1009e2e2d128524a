"""A text to what it imports, and each import to the paths where that may lie.

Python, JavaScript and TypeScript by the syntax tree, C and C++ by their quoted includes. Knows nothing of
what is on the disk: paths are names, relative to a root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_IMPORTS = 100

_SCRIPTS = frozenset({"javascript", "typescript", "typescriptreact"})
_SCRIPT_ENDINGS = (".ts", ".tsx", ".mts", ".d.ts", ".js", ".jsx", ".mjs", ".cjs")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_REQUIRE = re.compile(
    r"^(?:const|let|var)[ \t]+(\w+|\{[^}]*\})[ \t]*=[ \t]*require\([ \t]*[\"'](\.[^\"'\n]+)[\"']",
    re.MULTILINE,
)
_OTHER_ENDING = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".jsx": (".tsx",)}
"""What a TypeScript file may be that is imported by the name of what it becomes."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import.

    Attributes:
        module: as it is written; in Python with the dots in front.
        names: what is taken of it; nothing for all.
    """

    module: str
    names: tuple[str, ...] = ()


def imports_of(text: str, language: Language) -> tuple[Import, ...]:
    """What a text imports, in order; nothing in other languages, and where it cannot be parsed."""
    if language.id in ("c", "cpp"):
        found = [Import(match[1]) for match in _INCLUDE.finditer(text)]
    elif language.id in ("python", *_SCRIPTS):
        syntax = parse(text, language)
        find = _python if language.id == "python" else _scripts
        found = [] if syntax is None else list(find(syntax))
        if language.id in _SCRIPTS:
            found += [
                Import(match[2], tuple(re.findall(r"\w+", match[1])) if match[1][0] == "{" else ())
                for match in _REQUIRE.finditer(text)
            ]
    else:
        found = []
    return tuple(dict.fromkeys(found[:MAX_IMPORTS]))


def places_of(
    imported: Import, path: PurePosixPath, language: Language
) -> Iterator[tuple[PurePosixPath, bool]]:
    """Where an import may lie, likeliest first, with whether only the names it takes are wanted of it.

    Args:
        imported: the import.
        path: of the file that imports, relative to the root; no place is outside of that.
        language: of that file.
    """
    if language.id == "python":
        yield from _python_places(imported, path)
    elif language.id in _SCRIPTS:
        target = _joined(path.parent, imported.module) if imported.module.startswith(".") else None
        if target is not None:
            bare = target.with_suffix("")
            others = _OTHER_ENDING.get(target.suffix, ())
            yield from ((bare.with_suffix(ending), True) for ending in others)
            yield target, True
            yield from ((target.with_name(target.name + ending), True) for ending in _SCRIPT_ENDINGS)
            yield from ((target / f"index{ending}", True) for ending in _SCRIPT_ENDINGS)
    else:
        target = _joined(path.parent, imported.module)
        if target is not None:
            yield target, True


def _python(syntax: Syntax) -> Iterator[Import]:
    for node in _statements(syntax.root):
        if node.type == "import_statement":
            for name in node.children_by_field_name("name"):
                yield Import(text_of(name.child_by_field_name("name") or name))
        elif node.type == "import_from_statement":
            module = node.child_by_field_name("module_name")
            names = node.children_by_field_name("name")
            taken = tuple(text_of(name.child_by_field_name("name") or name) for name in names)
            if module is not None:
                yield Import(text_of(module), taken)


def _statements(root: Node) -> Iterator[Node]:
    """The statements at the top, and those in a ``try`` or an ``if`` there."""
    for child in root.named_children:
        yield child
        if child.type in ("try_statement", "if_statement"):
            for block in child.named_children:
                yield from block.named_children


def _scripts(syntax: Syntax) -> Iterator[Import]:
    for node in syntax.root.named_children:
        source = node.child_by_field_name("source") if node.type == "import_statement" else None
        if source is None:
            continue
        names = [leaf for leaf in _specifiers(node) if leaf is not None]
        module = text_of(source).strip("\"'`")
        if module.startswith("."):
            yield Import(module, tuple(text_of(name) for name in names))


def _specifiers(statement: Node) -> Iterator[Node | None]:
    stack = [statement]
    while stack:
        node = stack.pop()
        if node.type == "import_specifier":
            yield node.child_by_field_name("name")
        stack += reversed(node.named_children)


def _python_places(imported: Import, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, bool]]:
    dots = len(imported.module) - len(imported.module.lstrip("."))
    parts = [part for part in imported.module.lstrip(".").split(".") if part]
    folders = [path.parent, *path.parent.parents]
    if dots:
        folders = folders[dots - 1 : dots]
    for folder in folders:
        module = folder.joinpath(*parts)
        if parts:
            yield module.with_name(module.name + ".py"), True
        for name in imported.names:  # a module of the package, and not a name in it
            yield module / f"{name}.py", False
        yield module / "__init__.py", True


def _joined(folder: PurePosixPath, relative: str) -> PurePosixPath | None:
    """A path relative to a folder, without dots; None where it leads out of the root."""
    parts = list(folder.parts)
    for part in PurePosixPath(relative).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts) if parts else None
