"""Missing annotations: where they are, what may stand there, and what the task makes of a text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code.edits import apply
from engine.code.languages import by_id
from engine.code.syntax import parse
from engine.tasks.annotate import python_type_end
from engine.tasks.annotations import slots, typenames, typescript
from engine.tasks.imports import import_edits
from engine.types import Span
from tests.unit.edits import assert_only_spans_changed, edit, edited, odd_texts

PYTHON = by_id("python")


def found(text: str, language: str = "python") -> list[tuple[str, str, str | None]]:
    syntax = parse(text, by_id(language))
    assert syntax is not None
    return [
        (slot.kind[0], slot.name, slot.known)
        for group in slots.groups_of(syntax, text)
        for slot in group.slots
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(a, b: int, c='x'): g()\n", [("p", "a", None), ("p", "c", "str"), ("r", "f", "None")]),
        ("def f(*a, **b) -> int: ...\n", [("p", "*a", None), ("p", "**b", None)]),
        ("class A:\n    def f(self): return self\n", [("r", "f", "Self")]),
        ("class A:\n    @staticmethod\n    def f(a): return a\n", [("p", "a", None), ("r", "f", None)]),
        ("class A:\n    def __init__(self): g()\n", [("r", "__init__", "None")]),
        (
            "class A:\n    def __eq__(self, other): return 1\n",
            [("p", "other", "object"), ("r", "__eq__", "bool")],
        ),
        ("class A:\n    x = 1\n    y = []\n    __z__ = 2\n", [("a", "x", "int"), ("a", "y", None)]),
        ("class A(Enum):\n    x = 1\n", []),
        ("@dataclass\nclass A:\n    x = 1\n", []),
        ("def f():\n    yield 1\n", [("r", "f", None)]),
        ("def f():\n    raise E\n", [("r", "f", None)]),
        ("def f():\n    ...\n", [("r", "f", None)]),
        ("def f():\n    def g():\n        return 1\n    g()\n", [("r", "f", "None"), ("r", "g", "int")]),
        (
            "def f(a):\n    if a:\n        return\n    return 'x'\n",
            [("p", "a", None), ("r", "f", "str | None")],
        ),
        (
            "def f(x=b'a', y=-1.5, z=None): return x is y\n",
            [("p", "x", "bytes"), ("p", "y", "float"), ("p", "z", None), ("r", "f", "bool")],
        ),
        ("x = lambda a: a\n", []),
    ],
)
def test_where_annotations_are_missing_in_python(
    text: str, expected: list[tuple[str, str, str | None]]
) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("body", "only", "nullable"),
    [
        ("if a:\n return True", "bool | None", True),
        ("if a:\n return True\nelse:\n return False", "bool", False),
        ("if a:\n return 1\nelif b:\n return 2", "int | None", True),
        ("if a:\n return 1\nelif b:\n raise E\nelse:\n return 2", "int", False),
        ("if a:\n return 1\nraise E", "int", False),
        ("if a:\n return 1\nassert False, a", "int", False),
        ("if a:\n return 1\nsys.exit(2)", "int", False),
        ("if a:\n return b", None, True),
        ("if a:\n return b\ng(a)", None, False),
        ("if a:\n return b\nelse:\n g(a)", None, False),
        ("try:\n return b\nexcept E:\n g(a)", None, False),
        ("for x in a:\n return x", None, True),
        ("for x in a:\n return 1", "int | None", True),
        ("for x in a:\n return 1\nelse:\n return 2", "int", False),
        ("for x in a:\n if x:\n  break\n return 1\nelse:\n return 2", "int | None", True),
        ("while True:\n if a:\n  return 1", "int", False),
        ("while True:\n for x in a:\n  break\n if a:\n  return 1", "int", False),
        ("while True:\n for x in a:\n  pass\n else:\n  break\n return 1", "int | None", True),
        ("while a:\n return 1", "int | None", True),
        ("try:\n return 'x'\nexcept E:\n log()", "str | None", True),
        ("try:\n return 'x'\nexcept E:\n raise", "str", False),
        ("try:\n g()\nexcept E:\n raise\nelse:\n return 'x'", "str", False),
        ("try:\n g()\nfinally:\n return 'x'", "str", False),
        ("with a as b:\n return 1", "int", False),
        ("with suppress(E):\n return 1", "int | None", True),
        ("match a:\n case 1:\n  return 1", "int | None", True),
        ("match a:\n case 1:\n  return 1\n case _:\n  return 2", "int", False),
        ("match a:\n case 1:\n  return 1\n case other:\n  raise E", "int", False),
        ("match a:\n case 1:\n  return 1\n case _ if a:\n  return 2", "int | None", True),
        ("match a:\n case 1:\n  return 1\n case E.x:\n  return 2", "int | None", True),
        ("return a > b", "bool", False),
        ("import numpy as np\nreturn a > b", None, False),
        ("from pandas import c\nreturn a < b in c", None, False),
        ("import numpy\nreturn a is b", "bool", False),
        ("return a in b", "bool", False),
        ("return a not  in b is not c", "bool", False),
        ("return not a", "bool", False),
        ("return 1j", "complex", False),
        ("return -2.5J", "complex", False),
        ("if a:\n return", "None", False),
    ],
)
def test_what_a_python_body_proves_of_what_it_returns(body: str, only: str | None, nullable: bool) -> None:
    text = "def f(a, b):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    syntax = parse(text, PYTHON)
    assert syntax is not None
    slot = slots.groups_of(syntax, text)[0].slots[-1]
    assert (slot.known, slot.nullable) == (only, nullable)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "function f(a, b?, ...c) { g(); }",
            [("p", "a", None), ("p", "b", None), ("p", "...c", None), ("r", "f", "void")],
        ),
        ("const f = (a, b: string) => a;", [("p", "a", None), ("r", "f", None)]),
        ("xs.map((x) => x + 1);", []),
        ("const f: Handler = (a) => a;", []),
        ("class A { constructor(a) {} set x(v) {} }", [("p", "a", None), ("p", "v", None)]),
        ("class A { n = 1; readonly m = 2; }", [("a", "n", "number")]),
        ("async function f(a: number) { await a; }", [("r", "f", "Promise<void>")]),
        ("function f() { throw new Error(); }", [("r", "f", None)]),
    ],
)
def test_where_annotations_are_missing_in_typescript(
    text: str, expected: list[tuple[str, str, str | None]]
) -> None:
    assert found(text, "typescript") == expected


NAMES = (
    "from __future__ import annotations\nimport os\nimport numpy as np\nfrom datetime import datetime\n"
    "class A: ...\n"
)


@pytest.mark.parametrize(
    ("annotation", "head", "expected", "imports"),
    [
        ("int", "", "int", set()),
        ("list[ str ]", "", "list[str]", set()),
        ("List[int]", "", "list[int]", set()),
        ("List[int]", "from typing import List\n", "List[int]", set()),
        ("Optional[int]", "", "int | None", set()),
        ("int | None", "from typing import Optional\n", "Optional[int]", set()),
        ("Union[int, str, int]", "", "int | str", set()),
        ("None | int", "", "int | None", set()),
        ("Any", "", "Any", {("typing", "Any")}),
        ("typing.Any", "", "Any", {("typing", "Any")}),
        ("any", "", "Any", {("typing", "Any")}),
        ("Callable[[int], str]", "", "Callable[[int], str]", {("collections.abc", "Callable")}),
        ("Path", "", "Path", {("pathlib", "Path")}),
        ("np.ndarray", NAMES, "np.ndarray", set()),
        ("np.ndarray", "", None, set()),
        ("np.array_type", NAMES, None, set()),
        ("os.PathLike", NAMES, "os.PathLike", set()),
        ("datetime.datetime", NAMES, "datetime", set()),
        ("A", NAMES, "A", set()),
        ("A | None", "class A: ...\n", '"A | None"', set()),
        ("'A'", NAMES, "A", set()),
        ("os", NAMES, None, set()),
        ("Unknown", "", None, set()),
        ("dict[str, Unknown]", "", None, set()),
        ("dict[str]", "", "dict", set()),
        ("int[str]", "", None, set()),
        ("Literal['a', 'b']", "", "Literal['a', 'b']", {("typing", "Literal")}),
        ("f(x)", "", None, set()),
        ("1", "", None, set()),
        ("int = 3", "", None, set()),
        ("int) -> str", "", None, set()),
        ("print", "", None, set()),
        ("", "", None, set()),
    ],
)
def test_a_type_is_what_the_file_can_use(
    annotation: str, head: str, expected: str | None, imports: set[tuple[str, str]]
) -> None:
    syntax = parse(head, PYTHON)
    assert syntax is not None
    made = typenames.resolve(annotation, typenames.file_names(syntax, head), at_byte=0)
    assert (
        None if made is None else made.text.replace('"', "'") if "Literal" in annotation else made.text
    ) == expected
    assert made is None or made.imports == imports


CLIENT = (
    "from datetime import date\nimport os\nclass Client:\n    def list(self): ...\n    date = None\n"
    "    x: int\n    if a:\n        def os(self): ...\n    def f(self): ...\n"
    "    class Inner:\n        def g(self): ...\ndef h(): ...\n"
)


@pytest.mark.parametrize(
    ("annotation", "function", "expected"),
    [
        ("list[int]", "f", None),
        ("List[int]", "f", None),
        ("dict[str, list[int]]", "f", None),
        ("set[int]", "f", "set[int]"),
        ("date", "f", None),
        ("os.PathLike", "f", None),
        ("list[int]", "g", "list[int]"),
        ("list[date]", "h", "list[date]"),
    ],
)
def test_a_name_that_the_class_around_binds_is_no_type(
    annotation: str, function: str, expected: str | None
) -> None:
    syntax = parse(CLIENT, PYTHON)
    assert syntax is not None
    at = CLIENT.index(f"def {function}(") + len("def f(")
    made = typenames.resolve(annotation, typenames.file_names(syntax, CLIENT), at)
    assert (None if made is None else made.text) == expected


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_no_text_is_too_odd_for_a_type(text: str) -> None:
    syntax = parse("", PYTHON)
    assert syntax is not None
    typenames.resolve(text, typenames.file_names(syntax, ""), 0)
    end = python_type_end(text)
    assert end is None or 0 <= end < len(text)
    end = typescript.type_end(text)
    assert end is None or 0 <= end < len(text)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("number", "number"),
        ("T[]", "T[]"),
        ("Promise<Item | null>", "Promise<Item | null>"),
        ("(a: string) => void", "(a: string) => void"),
        ("{ a: number }", "{ a: number }"),
        ("Missing", None),
        ("number = 1", None),
        ("number; let y", None),
        ("}", None),
    ],
)
def test_a_type_of_typescript(annotation: str, expected: str | None) -> None:
    text = "import { Item } from './item';\nfunction f<T>(a) {}\n"
    syntax = parse(text, by_id("typescript"))
    assert syntax is not None
    types = typescript.file_types(syntax)
    assert typescript.resolve(annotation, types, syntax, text.index("(a)")) == expected


def test_a_type_parameter_is_known_in_its_function_alone() -> None:
    text = "function f<T>(a) {}\nfunction g(b) {}\n"
    syntax = parse(text, by_id("typescript"))
    assert syntax is not None
    assert typescript.resolve("T", typescript.file_types(syntax), syntax, text.index("b)")) is None


@pytest.mark.parametrize(
    ("written", "language", "expected"),
    [
        (" int, b: str", "python", " int"),
        (" dict[str, int]) -> x", "python", " dict[str, int]"),
        (" Literal[','] = 1", "python", " Literal[','] "),
        (r' Literal["a\"]"] = 1', "python", r' Literal["a\"]"] '),
        (r' "a\"," | "b\\", c', "typescript", r' "a\"," | "b\\"'),
        (" str:\n", "python", " str"),
        (" int", "python", None),
        (" string {", "typescript", " string "),
        (" { a: string } {", "typescript", " { a: string } "),
        (" (a: T) => void = x", "typescript", " (a: T) => void "),
        (" Map<string, number>, b", "typescript", " Map<string, number>"),
        (" number => x", "typescript", " number "),
    ],
)
def test_where_a_type_ends(written: str, language: str, expected: str | None) -> None:
    end = (python_type_end if language == "python" else typescript.type_end)(written)
    assert (None if end is None else written[:end]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""Doc."""\n\nimport os\n', '"""Doc."""\n\nfrom typing import Any\nimport os\n'),
        ('"""Doc."""\nx = 1\n', '"""Doc."""\n\nfrom typing import Any\nx = 1\n'),
        (
            "from __future__ import annotations\n\nx = 1\n",
            "from __future__ import annotations\n\nfrom typing import Any\n\nx = 1\n",
        ),
        ("from typing import IO, Union\n", "from typing import Any, IO, Union\n"),
        ("from typing import (\n    Union,\n)\n", "from typing import (\n    Any, Union,\n)\n"),
        ("def f(): ...\nimport os\n", "from typing import Any\n\ndef f(): ...\nimport os\n"),
        ("# hi\r\nx = 1\r\n", "# hi\r\nfrom typing import Any\r\n\r\nx = 1\r\n"),
    ],
)
def test_where_imports_go(text: str, expected: str) -> None:
    syntax = parse(text, PYTHON)
    assert syntax is not None
    assert apply(text, import_edits(syntax, text, {("typing", "Any")})) == expected


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("def f(a, b=1):\n    return a\n", "str", "def f(a: str, b: int = 1) -> str:\n    return a\n"),
        ("def f(a=None): g(a)\n", "int", "def f(a: int | None = None) -> None: g(a)\n"),
        (
            "from typing import Optional\ndef f(a=None): g(a)\n",
            "int",
            "from typing import Optional\ndef f(a: Optional[int] = None) -> None: g(a)\n",
        ),
        ("def f(a): g(a)\n", "Any", "from typing import Any\n\ndef f(a: Any) -> None: g(a)\n"),
        (
            "def f(a): g(a)\nimport os\n",
            "Any",
            "from typing import Any\n\ndef f(a: Any) -> None: g(a)\nimport os\n",
        ),
        (
            "def f(a): g(a)\nfrom typing import List\n",
            "Any",
            "from typing import Any\n\ndef f(a: Any) -> None: g(a)\nfrom typing import List\n",
        ),
        (
            "def f(a): g(a)\nfrom typing import List\nimport os\n",
            "dict[os.PathLike, List[int]]",
            'def f(a: "dict[os.PathLike, List[int]]") -> None: g(a)\nfrom typing import List\nimport os\n',
        ),
        (
            "import os\ndef f(a): g(a)\nfrom typing import List\n",
            "Any",
            "from typing import Any\nimport os\ndef f(a: Any) -> None: g(a)\nfrom typing import List\n",
        ),
        (
            "class A:\n    def list(self) -> int: return 1\n    def f(self): return g()\n",
            "list[int]",
            None,
        ),
        ("def f(a): g(a)\n", "Nonsense", "def f(a) -> None: g(a)\n"),
        ("def f(a,\r\n      b): g(a)\r\n", "int", "def f(a: int,\r\n      b: int) -> None: g(a)\r\n"),
        ("def f():\n    yield 1\n", "int", None),
        ("def f(): return g()\n", "Generator[int, None, None]", None),
        ("def f(a: int) -> None: ...\n", "int", None),
    ],
)
def test_python_is_annotated(text: str, answer: str, expected: str | None) -> None:
    result = edit("types", text, "python", answer)
    assert (result.status, result.text) == (("ok", expected) if expected else ("refused", text))


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("function f(a) { return a; }", "number", "function f(a: number): number { return a; }"),
        ("const f = (a) => a;", "string", "const f = (a: string): string => a;"),
        (
            "function f(a, b = 1) {\n  g(a);\n}\n",
            "Nope",
            "function f(a, b: number = 1): void {\n  g(a);\n}\n",
        ),
    ],
)
def test_typescript_is_annotated(text: str, answer: str, expected: str) -> None:
    assert edit("types", text, "typescript", answer).text == expected


def test_a_function_in_the_header_of_another_is_left() -> None:
    text = "function f(a = { m(b) { return b; } }, c) { g(); }"
    expected = "function f(a: T = { m(b) { return b; } }, c: T): void { g(); }".replace("T", "number")
    assert edit("types", text, "typescript", "number").text == expected


def test_only_what_is_selected_is_annotated() -> None:
    text = "def f(a): g(a)\n\ndef h(b):\n    §g(b)\n"
    assert edit("types", text, "python", "int").text == "def f(a): g(a)\n\ndef h(b: int) -> None:\n    g(b)\n"
    text = "def §f(a)§: g(a)\n\ndef h(b):\n    g(b)\n"
    assert edit("types", text, "python", "int").text == "def f(a: int) -> None: g(a)\n\ndef h(b):\n    g(b)\n"


def test_what_has_no_types_is_told_so() -> None:
    assert "name the file .ts" in str(edit("types", "let x = 1", "javascript", "x").reason)
    assert "Python and TypeScript, not to Go" in str(edit("types", "package m", "go", "x").reason)
    assert edit("types", "x = 1\n", "python", "int").reason == "no annotation is missing here"


@settings(max_examples=80)
@given(odd_texts(), st.sampled_from(["int", "str | None", "Any", "x)\n", "", '"""', "Foo["]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("types", text, language, selection, answer))
