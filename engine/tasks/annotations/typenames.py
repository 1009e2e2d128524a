"""A type that a model wrote to one that a Python file can use: its names resolve, in the file's own style.

Knows which names a file has, the builtins, and where the standard library's well-known types come from;
what does not resolve is no type. Nothing is imported or run.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, text_of
from engine.tasks.annotations.class_names import Scope, bound_at, scopes_of

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_CHARS = 200
"""A longer type is taken for rubbish."""

BUILTINS = frozenset(
    (
        *("int", "float", "str", "bytes", "bool", "complex", "object", "list", "dict", "set", "frozenset"),
        *("tuple", "type", "bytearray", "memoryview", "range", "slice", "property", "BaseException"),
        *("Exception", "ValueError", "TypeError", "KeyError", "OSError", "IOError", "RuntimeError"),
        *("AttributeError", "ImportError", "IndexError", "StopIteration", "SystemExit", "Warning"),
        *("LookupError", "KeyboardInterrupt", "BaseExceptionGroup", "ExceptionGroup"),
    )
)
_WELL_KNOWN = frozenset(
    (
        *(
            "np.ndarray",
            "numpy.ndarray",
            "np.dtype",
            "torch.Tensor",
            "torch.device",
            "torch.dtype",
            "nn.Module",
        ),
        *(
            "torch.nn.Module",
            "pd.DataFrame",
            "pd.Series",
            "pandas.DataFrame",
            "t.Any",
            "t.Callable",
            "t.Iterable",
        ),
    )
)
"""Types of modules that files import under a name everybody knows."""

_PLAIN = frozenset({"int", "float", "str", "bytes", "bool", "complex", "object", "bytearray", "range", "Any"})
"""Types that take no arguments."""

_N_ARGUMENTS = {
    "dict": 2,
    "list": 1,
    "set": 1,
    "frozenset": 1,
    "type": 1,
    "Iterable": 1,
    "Iterator": 1,
    "Sequence": 1,
}

_OF_TYPING = frozenset(
    (
        *("Any", "Union", "Optional", "Literal", "ClassVar", "Final", "TypedDict", "Protocol", "NoReturn"),
        *("IO", "TextIO", "BinaryIO", "NamedTuple", "SupportsInt", "SupportsFloat", "Hashable", "AnyStr"),
    )
)
_OF_ABC = frozenset(
    (
        *("Callable", "Iterable", "Iterator", "Generator", "Sequence", "MutableSequence", "Mapping"),
        *("MutableMapping", "Collection", "Container", "Awaitable", "Coroutine", "AsyncIterator"),
        *("AsyncIterable", "AsyncGenerator", "KeysView", "ValuesView", "ItemsView"),
    )
)
_HOMES = {
    **dict.fromkeys(_OF_ABC, "collections.abc"),
    **dict.fromkeys(_OF_TYPING, "typing"),
    **dict.fromkeys(("Path", "PurePath"), "pathlib"),
    **dict.fromkeys(("datetime", "timedelta", "date", "tzinfo", "timezone"), "datetime"),
    **dict.fromkeys(("OrderedDict", "defaultdict", "deque", "Counter"), "collections"),
    **dict.fromkeys(("ModuleType", "TracebackType", "FrameType", "SimpleNamespace"), "types"),
    "Decimal": "decimal",
    "Fraction": "fractions",
    "UUID": "uuid",
    "Enum": "enum",
    "Namespace": "argparse",
    "ArgumentParser": "argparse",
    "Logger": "logging",
    "StringIO": "io",
    "BytesIO": "io",
}
"""Where a name that a file does not have is imported from."""

_OLDER = {
    **{name.title(): name for name in ("list", "dict", "set", "tuple", "type")},
    "FrozenSet": "frozenset",
    "DefaultDict": "defaultdict",
    "Deque": "deque",
}
"""Generics of ``typing`` that a file which does not import them writes in the newer way."""

_DEFINITIONS = frozenset({"function_definition", "class_definition", "decorated_definition"})
_SLIPS = {"any": "Any", "callable": "Callable", "string": "str", "boolean": "bool", "function": "Callable"}


@dataclass(frozen=True, slots=True)
class FileNames:
    """The names of a file that annotations can be made of.

    Attributes:
        known: names bound at its top level, each to where it is bound, in bytes; to 0 by
            imports before the first definition.
        modules: those that are modules: ``import x``.
        dotted: names with a dot that the file says somewhere.
        checked_only: names imported for type checkers alone.
        deferred: whether annotations are not evaluated when a function is defined.
        optional: whether the file says ``Optional[X]`` for ``X | None``.
        double_quotes: whether strings are mostly in double quotes.
        scopes: the bodies of its classes and functions.
    """

    known: dict[str, int]
    modules: frozenset[str]
    dotted: frozenset[str]
    checked_only: frozenset[str]
    deferred: bool
    optional: bool
    double_quotes: bool
    scopes: tuple[Scope, ...]

    def local(self, name: str) -> bool:
        """Whether the file has a name."""
        return name in self.known


@dataclass(slots=True)
class Resolved:
    """A type as it is to be written, and the imports it needs: pairs of a module and a name."""

    text: str
    imports: set[tuple[str, str]] = field(default_factory=set)


def file_names(syntax: Syntax, text: str) -> FileNames:
    """The names of a Python file."""
    data = syntax.utf8.data
    known: dict[str, int] = {}
    modules: set[str] = set()
    checked_only: set[str] = set()
    deferred = False
    definitions = [child for child in syntax.root.named_children if child.type in _DEFINITIONS]
    first_byte = definitions[0].start_byte if definitions else len(data)
    for node, checked in _bindings(syntax.root, data):
        if node.type == "future_import_statement":
            deferred = deferred or b"annotations" in data[node.start_byte : node.end_byte]
        elif node.type in ("import_statement", "import_from_statement"):
            for name, module in _imported(node):
                known.setdefault(name, node.end_byte if node.start_byte > first_byte else 0)
                if checked:
                    checked_only.add(name)
                if module:
                    modules.add(name)
        else:
            name_node = node.child_by_field_name("name") or node.child_by_field_name("left")
            if name_node is not None and name_node.type == "type":
                name_node = next(iter(name_node.named_children), name_node)
            if name_node is not None and name_node.type == "identifier":
                known.setdefault(text_of(name_node), node.end_byte)
    newer = len(re.findall(r"\| None\b", text)) > len(re.findall(r"\bOptional\[", text))
    return FileNames(
        known,
        frozenset(modules),
        frozenset(re.findall(r"\b[^\W\d]\w*(?:\.[^\W\d]\w*)+", text)),
        frozenset(checked_only),
        deferred,
        ("Optional" in known and not newer),
        text.count('"') >= text.count("'"),
        scopes_of(syntax),
    )


def resolve(
    annotation: str, names: FileNames, at_byte: int, extra: frozenset[str] = frozenset()
) -> Resolved | None:
    """A type as the file can use it; None where it is no type, or a name of it is not known.

    Args:
        annotation: what a model wrote.
        names: what the file has.
        at_byte: where the annotation will stand.
        extra: names known there besides, such as type parameters.
    """
    tree = _parsed(annotation)
    if tree is None:
        return None
    writer = _Writer(names, at_byte, extra)
    try:
        tree = writer.type_of(tree)
    except _NoTypeError:
        return None
    text = ast.unparse(tree)
    if names.double_quotes and "'" in text and '"' not in text:
        text = text.replace("'", '"')
    if writer.quoted and not names.deferred:
        quote, other = ('"', "'") if names.double_quotes else ("'", '"')
        text = f"{quote}{text.replace(quote, other)}{quote}"
    return Resolved(text, writer.imports)


def with_none(annotation: str) -> str:
    """A type that may also be None, as a Python expression to be resolved; what may be so already stays."""
    tree = _parsed(annotation)
    if tree is None or admits_none(annotation):
        return annotation
    return f"{annotation} | None"


def admits_none(annotation: str) -> bool:
    """Whether None is of a type, as far as its spelling shows."""
    tree = _parsed(annotation)
    if tree is None:
        return False
    for part in _parts(tree):
        name = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
        if name in ("Any", "object", "any") or (isinstance(part, ast.Constant) and part.value is None):
            return True
    return False


def parts_of(annotation: str) -> list[str]:
    """The members of a union by their outermost names; one for what is no union."""
    tree = _parsed(annotation)
    return [] if tree is None else [_head(part) for part in _parts(tree)]


class _NoTypeError(Exception):
    """An expression that is no type."""


class _Writer:
    """Turns an expression into a type of the file's style, and notes what it needs."""

    def __init__(self, names: FileNames, at_byte: int, extra: frozenset[str]) -> None:
        self._names, self._at_byte, self._extra = names, at_byte, extra
        self._hidden = bound_at(names.scopes, at_byte)
        self.imports: set[tuple[str, str]] = set()
        self.quoted = False

    def type_of(self, node: ast.expr) -> ast.expr:
        """A type.

        Raises:
            _NoTypeError: it is none.
        """
        members = list(_parts(node))
        if len(members) > 1:
            return self._union(members)
        node = members[0] if members else node
        if isinstance(node, ast.Constant) and node.value is None:
            return node
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Subscript):
            return self._generic(node)
        raise _NoTypeError

    def _union(self, members: list[ast.expr]) -> ast.expr:
        nothing = [part for part in members if isinstance(part, ast.Constant) and part.value is None]
        others: dict[str, ast.expr] = {}
        for part in members:
            if part not in nothing:
                made = self.type_of(part)
                others.setdefault(ast.unparse(made), made)
        if not others:
            return ast.Constant(None)
        if len(others) > 1 and not {"Any", "object"}.isdisjoint(others):
            return next(others[name] for name in ("Any", "object") if name in others)
        parts = list(others.values())
        if self._names.optional and nothing:
            inner = parts[0] if len(parts) == 1 else self._joined(parts)
            return ast.Subscript(ast.Name("Optional"), inner)
        return self._joined([*parts, *([ast.Constant(None)] if nothing else [])])

    def _joined(self, parts: list[ast.expr]) -> ast.expr:
        if self._names.local("Union") and len(parts) > 1 and not self._names.deferred:
            return ast.Subscript(ast.Name("Union"), ast.Tuple(parts))
        whole = parts[0]
        for part in parts[1:]:
            whole = ast.BinOp(whole, ast.BitOr(), part)
        return whole

    def _name(self, name: str) -> ast.expr:
        names = self._names
        if name in self._extra:
            return ast.Name(name)
        if name in self._hidden:
            raise _NoTypeError  # the class around has something else of that name
        if names.local(name):
            if name in names.modules and name not in BUILTINS:
                raise _NoTypeError  # a module is no type
            self._note(name)
            return ast.Name(name)
        name = _SLIPS.get(name, name)
        name = _OLDER.get(name, name)
        if name in BUILTINS and name not in self._hidden:
            return ast.Name(name)
        if name not in _HOMES or name in self._hidden:
            raise _NoTypeError
        if not names.local(name):
            self.imports.add((_HOMES[name], name))
        return ast.Name(name)

    def _note(self, name: str) -> None:
        """A name of the file that is not bound yet, or not at all when the file is run, has to be quoted."""
        later = self._names.known[name] > self._at_byte
        self.quoted = self.quoted or later or name in self._names.checked_only

    def _attribute(self, node: ast.Attribute) -> ast.expr:
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self._hidden:
            raise _NoTypeError
        if self._names.local(root.id):
            if root.id == node.attr and root.id not in self._names.modules:
                return self._name(root.id)  # datetime.datetime where datetime is the class
            if not self._can_be(root.id, ast.unparse(node)):
                raise _NoTypeError
            self._note(root.id)
            return node
        module = ast.unparse(node.value)
        if (
            module in ("typing", "t", "collections.abc", "typing_extensions")
            or _HOMES.get(node.attr) == module
        ):
            return self._name(node.attr)
        raise _NoTypeError

    def _can_be(self, root: str, dotted: str) -> bool:
        """Whether a module is likely to have what is said to be of it: nobody looks into modules."""
        if dotted in self._names.dotted or dotted in _WELL_KNOWN:
            return True
        return root in self._names.modules and root in sys.stdlib_module_names

    def _generic(self, node: ast.Subscript) -> ast.expr:
        head = self.type_of(node.value)
        name = _head(head)
        items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in _PLAIN or not items:
            raise _NoTypeError
        if name == "Literal":
            if not all(isinstance(item, ast.Constant) for item in items):
                raise _NoTypeError
            return ast.Subscript(head, node.slice)
        wanted = _N_ARGUMENTS.get(name.lower() if name.lower() in ("dict", "list", "set", "type") else name)
        if wanted is not None and len(items) != wanted:
            return head
        made = [self._argument(item) for item in items]
        if name in ("Optional", "Union"):
            raise _NoTypeError  # those that can be read are unions already
        return ast.Subscript(head, ast.Tuple(made) if len(made) > 1 else made[0])

    def _argument(self, item: ast.expr) -> ast.expr:
        if isinstance(item, ast.Constant) and item.value is Ellipsis:
            return item
        if isinstance(item, ast.List):
            return ast.List([self._argument(part) for part in item.elts])
        return self.type_of(item)


def _parsed(annotation: str) -> ast.expr | None:
    """The expression of a type; the text of quoted names taken for what it says."""
    if not annotation.strip() or len(annotation) > MAX_CHARS:
        return None
    try:
        tree = ast.parse(annotation.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        return _parsed(tree.value)
    return tree


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    """The members of a union however it is spelt; the type itself where it is none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _parts(node.left)
        yield from _parts(node.right)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = _parsed(node.value)
        if inner is None:
            raise _NoTypeError
        yield from _parts(inner)
        return
    name = _head(node) if isinstance(node, ast.Subscript) else ""
    if isinstance(node, ast.Subscript) and name in ("Optional", "Union"):
        items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        for item in items:
            yield from _parts(item)
        if name == "Optional":
            yield ast.Constant(None)
        return
    yield node


def _head(node: ast.expr) -> str:
    """The last name of what a type begins with."""
    if isinstance(node, ast.Subscript):
        return _head(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return "None" if isinstance(node, ast.Constant) and node.value is None else ""


def _bindings(root: Node, data: bytes) -> Iterator[tuple[Node, bool]]:
    """What binds names at the top of a file, and whether only a type checker sees it."""
    stack = [(child, False) for child in reversed(root.named_children)]
    while stack:
        node, checked = stack.pop()
        if node.type in (
            "if_statement",
            "try_statement",
            "else_clause",
            "except_clause",
            "block",
            "elif_clause",
        ):
            condition = node.child_by_field_name("condition")
            checked = checked or (
                condition is not None and b"TYPE_CHECKING" in data[condition.start_byte : condition.end_byte]
            )
            stack += [(child, checked) for child in reversed(node.named_children)]
        elif node.type == "decorated_definition":
            stack += [(child, checked) for child in node.named_children if child.type == "class_definition"]
        elif node.type == "expression_statement":
            stack += [(child, checked) for child in node.named_children if child.type == "assignment"]
        elif node.type == "assignment":
            right = node.child_by_field_name("right")
            if right is not None and right.type in (
                "call",
                "subscript",
                "binary_operator",
                "identifier",
                "attribute",
            ):
                yield node, checked
        elif node.type in ("class_definition", "type_alias_statement") or "import" in node.type:
            yield node, checked


def _imported(node: Node) -> Iterator[tuple[str, bool]]:
    """The names an import binds, and whether each is a module."""
    whole = node.type == "import_statement"
    for child in node.children_by_field_name("name"):
        alias = child.child_by_field_name("alias")
        if alias is not None:
            yield text_of(alias), whole
        elif whole:
            yield text_of(child).partition(".")[0], True
        else:
            yield text_of(child), False
