"""A text to the names it reads that nothing in it defines: what a fill must not use, and may have to define.

Python, JavaScript and TypeScript, by the syntax tree; other languages are taken on trust. Errs on the side of
knowing a name: whatever is bound anywhere in the text, in whatever scope, or comes with the language. Knows
nothing of fills and models.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import has_error, parse, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_WORD = re.compile(r"[^\W\d]\w*|\$\w*")

_PYTHON_OWN = frozenset(
    {
        *dir(builtins),
        "__name__",
        "__file__",
        "__doc__",
        "__package__",
        "__path__",
        "__class__",
        "__spec__",
        "__builtins__",
        "__module__",
        "__qualname__",
        "__annotations__",
        "reveal_type",
        "_",
    }
)
_SCRIPT_NAMES = (
    "AbortController AbortSignal AggregateError Array ArrayBuffer Atomics BigInt BigInt64Array "
    "BigUint64Array Blob Boolean Buffer DataView Date Error EvalError Event EventTarget File "
    "FinalizationRegistry Float32Array Float64Array FormData Function Headers Infinity Int16Array "
    "Int32Array Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError "
    "ReferenceError Reflect RegExp Request Response Set SharedArrayBuffer String Symbol SyntaxError "
    "TextDecoder TextEncoder TypeError URIError URL URLSearchParams Uint16Array Uint32Array Uint8Array "
    "Uint8ClampedArray WeakMap WeakRef WeakSet WebSocket Worker XMLHttpRequest __dirname __filename alert "
    "arguments atob btoa cancelAnimationFrame clearImmediate clearInterval clearTimeout confirm console "
    "crypto decodeURI decodeURIComponent document encodeURI encodeURIComponent escape eval exports fetch "
    "global globalThis isFinite isNaN localStorage location module navigator parseFloat parseInt "
    "performance process prompt queueMicrotask require requestAnimationFrame self sessionStorage "
    "setImmediate setInterval setTimeout structuredClone super this undefined unescape window "
)
_BROWSER_NAMES = (
    "AnimationEvent Audio AudioContext BroadcastChannel CSS CSSStyleSheet CanvasRenderingContext2D "
    "CharacterData ClipboardEvent CloseEvent Comment CompressionStream CustomEvent DOMException DOMParser "
    "DOMRect Document DocumentFragment DragEvent Element ErrorEvent EventSource FileList FileReader "
    "FocusEvent HashChangeEvent HTMLCollection IDBKeyRange Image ImageData InputEvent "
    "IntersectionObserver KeyboardEvent MediaRecorder MediaStream MessageChannel MessageEvent MouseEvent "
    "MutationObserver Node NodeFilter NodeList Notification Option OffscreenCanvas Path2D "
    "PerformanceObserver PointerEvent PopStateEvent ProgressEvent Range ReadableStream ResizeObserver "
    "ServiceWorker ShadowRoot StorageEvent SubmitEvent Text TextDecoderStream TextEncoderStream "
    "TouchEvent TransformStream TransitionEvent TreeWalker UIEvent WheelEvent Window WorkerGlobalScope "
    "WritableStream XMLSerializer addEventListener customElements dispatchEvent getComputedStyle "
    "getSelection importScripts indexedDB innerHeight innerWidth matchMedia postMessage "
    "removeEventListener reportError requestIdleCallback cancelIdleCallback scrollTo scrollX scrollY "
    "visualViewport WebAssembly "
)
_HOST_NAMES = "Bun Deno afterAll afterEach beforeAll beforeEach chai cy describe expect jest it test vi "
_SCRIPT_OWN = frozenset(f"{_SCRIPT_NAMES}{_BROWSER_NAMES}{_HOST_NAMES}".split())
_ELEMENT = re.compile(r"(?:HTML|SVG)\w*Element")

_OWN = {
    "python": _PYTHON_OWN,
    "javascript": _SCRIPT_OWN,
    "typescript": _SCRIPT_OWN,
    "typescriptreact": _SCRIPT_OWN,
}
# Parents under which a name is bound, or is no name of a scope at all: any field, or the ones named.
_BOUND: dict[str, frozenset[str] | None] = {
    # Python
    "function_definition": frozenset({"name"}),
    "class_definition": frozenset({"name"}),
    "parameters": None,
    "lambda_parameters": None,
    "default_parameter": frozenset({"name"}),
    "typed_default_parameter": frozenset({"name"}),
    "typed_parameter": None,
    "list_splat_pattern": None,
    "dictionary_splat_pattern": None,
    "assignment": frozenset({"left"}),
    "for_statement": frozenset({"left"}),
    "for_in_clause": frozenset({"left"}),
    "as_pattern_target": None,
    "named_expression": frozenset({"name"}),
    "dotted_name": None,
    "aliased_import": None,
    "global_statement": None,
    "nonlocal_statement": None,
    "keyword_argument": frozenset({"name"}),
    "attribute": frozenset({"attribute"}),
    "case_pattern": None,
    "splat_pattern": None,
    "keyword_pattern": None,
    # JavaScript and TypeScript
    "variable_declarator": frozenset({"name"}),
    "function_declaration": frozenset({"name"}),
    "generator_function_declaration": frozenset({"name"}),
    "function_expression": frozenset({"name"}),
    "generator_function": frozenset({"name"}),
    "function_signature": frozenset({"name"}),
    "class_declaration": frozenset({"name"}),
    "class": frozenset({"name"}),
    "enum_declaration": frozenset({"name"}),
    "formal_parameters": None,
    "required_parameter": frozenset({"pattern", "name"}),
    "optional_parameter": frozenset({"pattern", "name"}),
    "rest_pattern": None,
    "array_pattern": None,
    "object_assignment_pattern": frozenset({"left"}),
    "assignment_pattern": frozenset({"left"}),
    "pair_pattern": frozenset({"value"}),
    "arrow_function": frozenset({"parameter"}),
    "import_clause": None,
    "import_specifier": None,
    "namespace_import": None,
    "namespace_export": None,
    "import_require_clause": None,
    "export_specifier": None,
    "catch_clause": frozenset({"parameter"}),
    "assignment_expression": frozenset({"left"}),
    "for_in_statement": frozenset({"left"}),
    "labeled_statement": None,
    "internal_module": frozenset({"name"}),
    "module": frozenset({"name"}),
    "import_alias": None,
    "nested_type_identifier": None,
    "index_signature": frozenset({"name"}),
    "jsx_namespace_name": None,
}
# What a target may be made of.
_NESTED = frozenset(
    {
        "pattern_list",
        "tuple_pattern",
        "list_pattern",
        "tuple",
        "list",
        "list_splat",
        "parenthesized_expression",
    }
)
# What TypeScript gives a value a name by, other than an identifier.
_OTHER_NAMES = {
    "type_identifier": frozenset({"class_declaration", "abstract_class_declaration", "class"}),
    "property_identifier": frozenset({"enum_body", "enum_assignment"}),
    "shorthand_property_identifier_pattern": None,
}
_MODULES = frozenset({"internal_module", "module"})
_JSX_TAGS = frozenset({"jsx_opening_element", "jsx_closing_element", "jsx_self_closing_element"})
# What the name of a Python type may be wrapped in.
_TYPES = frozenset({"type", "splat_type", "constrained_type", "generic_type", "type_parameter"})
_TAKES_ALL = re.compile(r"^\s*from\s+\S+\s+import\s+\*|\bexec\(", re.MULTILINE)


def unresolved(text: str, language: Language) -> frozenset[str]:
    """The names that a text reads and that nothing in it defines.

    Returns:
        none where names of the language are not looked up, and where the text imports everything of a module
        or executes code that is made as it runs: either may define any name.
    """
    own = _OWN.get(language.id)
    syntax = parse(text, language) if own is not None else None
    if own is None or syntax is None or _TAKES_ALL.search(text):
        return frozenset()
    read: set[str] = set()
    bound: set[str] = set()
    for node in _identifiers(syntax.root):
        (bound if _is_bound(node) else read).add(text_of(node))
    return frozenset(name for name in read - bound - own if not _ELEMENT.fullmatch(name))


def introduced(old: str, new: str, language: Language) -> list[str]:
    """The names that a new text reads though nothing in it defines them, and the old one does not.

    Returns:
        in alphabetical order; none where the new text does not parse. Where the old text does not parse
        or is not parsed, or imports everything of a module, every word of it is taken for a known name.
    """
    unknown = unresolved(new, language)
    if not unknown or has_error(new, language):
        return []
    unsure = parse(old, language) is None or has_error(old, language) or _TAKES_ALL.search(old)
    return sorted(unknown - ({*_WORD.findall(old)} if unsure else unresolved(old, language)))


def carried(text: str, language: Language) -> frozenset[str]:
    """The words of a text that it may have from elsewhere: what a translation of it may read undefined, too.

    Returns:
        every word, but for those that the text binds and those that come with the language; every word where
        names of the language are not looked up, or may be defined by what cannot be seen.
    """
    words = frozenset(_WORD.findall(text))
    own = _OWN.get(language.id)
    syntax = parse(text, language) if own is not None else None
    if own is None or syntax is None or syntax.root.has_error or _TAKES_ALL.search(text):
        return words
    bound = {
        text_of(node) for node in _identifiers(syntax.root) if node.type == "identifier" and _is_bound(node)
    }
    return words - bound - own


def _identifiers(root: Node) -> Iterator[Node]:
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        above = _OTHER_NAMES.get(node.type, frozenset())
        if (
            node.type == "identifier"
            or above is None
            or (node.parent is not None and node.parent.type in above)
        ):
            yield node
        open_nodes += node.named_children


def _is_bound(node: Node) -> bool:
    """Whether a name is bound where it stands, or is no name that a scope has to know."""
    parent = node.parent
    if node.type != "identifier" or parent is None or parent.type == "ERROR" or _is_asked_for(parent):
        return True
    while parent.type in _NESTED and parent.parent is not None:
        node, parent = parent, parent.parent
    if parent.type in _TYPES:
        return _is_new_type(node, parent)
    if parent.type in _JSX_TAGS and (node.text or b"")[:1].islower():  # a tag of HTML
        return True
    if parent.type == "as_pattern":  # the name that a pattern of `case` is given
        return parent.named_children[-1] == node
    if parent.type not in _BOUND:
        return False
    fields = _BOUND[parent.type]
    return fields is None or any(parent.child_by_field_name(field) == node for field in fields)


def _is_asked_for(parent: Node) -> bool:
    """Whether a node asks if there is a name (``typeof``), or is a part of what names a module."""
    if parent.type == "unary_expression":
        return (parent.text or b"").startswith(b"typeof")
    is_part = parent.type == "nested_identifier" and parent.parent is not None
    return is_part and parent.parent is not None and parent.parent.type in _MODULES


def _is_new_type(node: Node, parent: Node) -> bool:
    """Whether a Python type is a type parameter where it is declared, or the new name of an alias."""
    above: Node | None = parent
    while above is not None and above.type in _TYPES:
        if above.type == "constrained_type" and above.named_children[0] != node:
            return False
        node, above = above, above.parent
    if above is None:
        return False
    if above.type == "type_alias_statement":
        return above.child_by_field_name("left") == node
    return node.type == "type_parameter"
