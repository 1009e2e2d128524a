"""What a text defines to what a translation of it calls the same: names and signatures.

Reads definitions with tree-sitter. Knows no model and no task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_SIGNATURE_CHARS = 160

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")
_CONSTANT = re.compile(
    r"^(?:(?:export|pub|public|private|static|final|const|let|var)\s+)*(?:\w+\s+)?([A-Z][A-Z0-9_]{2,})\s*(?::[^=\n]+)?=[^=]",
    re.MULTILINE,
)
_FUNCTIONS = ("function", "method", "constructor")
_TYPES = ("class", "struct", "interface", "enum", "trait", "impl", "type", "namespace", "module")


def _snake(words: list[str]) -> str:
    return "_".join(word.lower() for word in words)


def _pascal(words: list[str]) -> str:
    return "".join(word[:1].upper() + word[1:].lower() for word in words)


def _camel(words: list[str]) -> str:
    return words[0].lower() + _pascal(words[1:])


_CONVENTIONS: dict[str, Callable[[list[str]], str]] = {
    "python": _snake,
    "rust": _snake,
    "javascript": _camel,
    "typescript": _camel,
    "java": _camel,
    "go": _camel,
}
"""How functions are named; a target that is not here, such as C++, keeps the names as they are."""


def renamed(name: str, target: Language) -> str:
    """What a function is called in another language; names with a special form stay as they are."""
    convention = _CONVENTIONS.get(target.id)
    words = _WORDS.findall(name)
    if convention is None or not words or not name.isascii() or name.startswith("__") or name == name.upper():
        return name
    return "_" * (len(name) - len(name.lstrip("_"))) + convention(words)


def names(text: str, source: Language, target: Language) -> dict[str, str]:
    """The functions that a text defines and what a translation calls them, where that is another name."""
    found: dict[str, str] = {}
    for node in _definitions(text, source):
        name = _name(node)
        if name and any(kind in node.type for kind in _FUNCTIONS) and renamed(name, target) != name:
            found[name] = renamed(name, target)
    return found


def missing(source_text: str, source: Language, translation: str) -> list[str]:
    """The functions, types and constants that a text defines and a translation of it does not speak of."""
    said = bare(translation)
    outer = dict.fromkeys(_outer_names(source_text, source))
    constants = dict.fromkeys(_CONSTANT.findall(source_text))
    return [
        *(name for name in outer if bare(name) not in said),
        *(name for name in constants if not re.search(rf"\b{bare(name)}\b[^=\n;]*=(?!=)", said)),
    ]


def _outer_names(text: str, language: Language) -> list[str]:
    """What a text defines outside of functions."""
    found, end_byte = [], -1
    for node in _definitions(text, language):
        if node.start_byte < end_byte:
            continue
        if not any(kind in node.type for kind in _TYPES):
            end_byte = node.end_byte
        found.append(_name(node))
    return [name for name in found if name and not name.startswith("__")]


def bare(text: str) -> str:
    """A text without what conventions of naming change."""
    return text.replace("_", "").lower()


def signatures(text: str, language: Language) -> list[str]:
    """The headers of what a text defines, in its order, on one line each."""
    found = []
    for node in _definitions(text, language):
        body = node.child_by_field_name("body")
        if body is None or node.text is None or not _name(node):
            continue
        header = node.text[: body.start_byte - node.start_byte].decode("utf-8", errors="replace")
        line = " ".join(header.split()).rstrip(":{= >")
        if line and len(line) <= MAX_SIGNATURE_CHARS:
            found.append(line)
    return list(dict.fromkeys(found))


def _definitions(text: str, language: Language) -> Iterator[Node]:
    syntax = parse(text, language)
    if syntax is None:
        return
    nodes = [node for captures in syntax.matches(0, len(text)) for node in captures.get("definition", ())]
    seen: set[tuple[int, int, str]] = set()
    for node in sorted(nodes, key=lambda node: (node.start_byte, -node.end_byte)):
        inner = node.child_by_field_name("definition") or node
        key = (inner.start_byte, inner.end_byte, inner.type)
        if key not in seen and any(kind in inner.type for kind in (*_FUNCTIONS, *_TYPES)):
            seen.add(key)
            yield inner


def _name(node: Node) -> str:
    """The name of a definition; empty where it has none."""
    inner: Node | None = node
    while inner is not None:
        named = inner.child_by_field_name("name")
        if named is not None:
            inner = named
        elif (declarator := inner.child_by_field_name("declarator")) is not None:
            inner = declarator
        else:
            break
    if inner is None or inner is node or inner.text is None:
        return ""
    return inner.text.decode("utf-8", errors="replace")
