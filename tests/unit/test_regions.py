from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code import syntax
from engine.code.languages import LANGUAGES, PLAINTEXT, by_id, by_path
from engine.code.regions import (
    Shape,
    cut,
    end_of_statement,
    hole_spans,
    is_secret_path,
    join,
    landmarks,
    placeholder_spans,
    shape_at,
)
from engine.code.syntax import error_count, has_error
from engine.types import Span

SAMPLES = sorted((Path(__file__).parents[1] / "cases" / "code").iterdir())
BROKEN = st.text(
    alphabet=st.sampled_from(list("abdef_ \t\r\n(){}[]<>:;,.'\"`#/*\\=+-é漢😀\ud83d\ufeff\0")), max_size=120
)


def at_cursor(marked: str) -> tuple[str, int]:
    """A text and the offset of the ``|`` in it, which is taken out."""
    before, behind = marked.split("|")
    return before + behind, len(before)


def shape(language: str, marked: str) -> Shape:
    return shape_at(*at_cursor(marked), by_id(language))


def kept(language: str, marked: str) -> list[str]:
    text, char_offset = at_cursor(marked)
    return [text[span.start_char : span.end_char] for span in landmarks(text, char_offset, by_id(language))]


@given(BROKEN, st.data())
def test_cut_and_join_are_inverse(text: str, data: st.DataObject) -> None:
    bounds = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    spans = [Span(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=False)]
    segments = cut(text, spans)
    assert segments[1::2] == (None,) * len(spans)
    assert join(segments, [text[span.start_char : span.end_char] for span in spans]) == text


def test_holes_are_found_and_cut() -> None:
    text = "a = <hole>\nb = <hole>"
    assert cut(text, hole_spans(text)) == ("a = ", None, "\nb = ", None, "")
    assert join(cut(text, hole_spans(text)), ["1", "2"]) == "a = 1\nb = 2"


@pytest.mark.parametrize("language_id", ["c", "cpp"])
def test_a_directive_that_ends_the_file_is_no_error(language_id: str) -> None:
    assert not has_error("#a:", by_id(language_id))
    assert has_error("int f( {", by_id(language_id))


@settings(max_examples=60)
@given(BROKEN, st.sampled_from([*LANGUAGES, PLAINTEXT]), st.data())
def test_broken_code_is_data(text: str, language: object, data: st.DataObject) -> None:
    char_offset = data.draw(st.integers(-1, len(text) + 1))
    shape_at(text, char_offset, language)
    for span in placeholder_spans(text, language):
        assert text[span.start_char : span.end_char]
    start = 0
    for span in landmarks(text, char_offset, language):
        assert start <= span.start_char < span.end_char <= max(char_offset, 0)
        assert span.start_char == 0 or text[span.start_char - 1] in "\r\n"
        assert text[span.end_char - 1] in "\r\n"
        start = span.end_char
    fill_at = min(max(char_offset, 0), len(text))
    assert text[fill_at:].startswith(end_of_statement(text[:fill_at], text[fill_at:], language))
    assert has_error(text, language) == (error_count(text, language) > 0)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("python", "def f():\n    |\n\ndef g():\n    pass\n"),
        ("python", "def f():|\n"),
        ("python", "def f():  # why\n    |"),
        ("python", "if (a and\n        b):\n    |\nx = 1\n"),
        ("python", "é = '漢😀'\nclass A:\n    |"),
        ("javascript", "function f() {\n  |\n}\n"),
        ("javascript", "const f = () => {|\n};\n"),
        ("typescript", "switch (x) {\n  case 1:\n    |\n  case 2:\n}\n"),
        ("c", "int f(void)\n{\n    |\n}\n"),
        ("cpp", "class A {\npublic:\n    |\n};\n"),
        ("go", "func f() {\r\n\t|\r\n}\r\n"),
        ("ruby", "xs.each do |\u0001".replace("|\u0001", "\u0001") + "\n  |\nend\n"),
        ("ruby", "def f(x)\n  |\n"),
        ("shellscript", "if a; then\n  |\nfi\n"),
    ],
)
def test_an_empty_block_calls_for_several_lines(language: str, marked: str) -> None:
    marked = marked.replace("\u0001", "")
    assert shape(language, marked) == Shape(multi_line=True, empty_block=True)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("python", "def f():\n    x = 1\n    |\n\nz = 2\n"),
        ("javascript", "function f() {\n  a();\n  |\n}\n"),
        ("rust", "fn f() {\n    a();\n\n    |\n}\n"),
        ("python", "x = 1\n|\n"),
        ("plaintext", "some words\n|"),
    ],
)
def test_the_last_blank_line_of_a_block_calls_for_several_lines(language: str, marked: str) -> None:
    assert shape(language, marked) == Shape(multi_line=True)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("python", "def f():\n    |\n    return 1\n"),
        ("python", "def f():\n    x = 1\n    |\n    y = 2\n"),
        ("python", "def f():\n    x = |\n"),
        ("python", "def f(|):\n    pass\n"),
        ("python", "x = {\n  'a':\n  |\n}"),
        ("python", "f(\n    |\n)"),
        ("javascript", "function f() {|}\n"),
        ("javascript", "function f() {\n  |\n  a();\n}\n"),
        ("shellscript", "for x in y; do\n  |\n  foo\ndone\n"),
        ("plaintext", "hello\n|\nworld"),
    ],
)
def test_one_line_elsewhere(language: str, marked: str) -> None:
    assert shape(language, marked) == Shape()


@pytest.mark.parametrize(
    ("language", "marked", "in_comment", "in_string"),
    [
        ("python", "# a|", True, False),
        ("python", "# a|\nx", True, False),
        ("python", "# a\n|x", False, False),
        ("python", "x = 'a|b'", False, True),
        ("python", "x = 'ab'|", False, False),
        ("python", "x = 'a|", False, True),
        ("python", "x = f'a{b|}c'", False, False),
        ("python", 'def f():\n    """A text\n    |', False, True),
        ("python", '"""A text.\n|\n"""\n', False, True),
        ("javascript", "/* a | b */", True, False),
        ("javascript", "/* a */|", False, False),
        ("javascript", "`a |${b}`", False, True),
        ("javascript", "`a ${b|}`", False, False),
        ("rust", 'let s = "a|b";', False, True),
        ("go", "x := `a|\n`", False, True),
        ("shellscript", 'echo "a|"', False, True),
        ("csharp", 'var s = $"a{b|}";', False, False),
    ],
)
def test_comments_and_strings(language: str, marked: str, in_comment: bool, in_string: bool) -> None:
    found = shape(language, marked)
    assert (found.in_comment, found.in_string, found.multi_line) == (in_comment, in_string, False)


NESTED = """\
import os
try:
    import tomllib
except ImportError:
    pass

@dec
class A(B):
    x = 1

    def other(self):
        import sys

    @staticmethod
    def f(
        a,
    ):
        if a:
            y = 2
        |

    def g(self): pass
"""


@pytest.mark.parametrize("at", ["        |\n", "|\n", "        z = g(|\n", "|            z = 3\n"])
def test_landmarks_of_nested_python(at: str) -> None:
    assert kept("python", NESTED.replace("        |\n", at)) == [
        "import os\n",
        "    import tomllib\n",
        "@dec\nclass A(B):\n",
        "    @staticmethod\n    def f(\n        a,\n    ):\n",
    ]


def test_landmarks_go_by_indentation_where_the_code_is_broken() -> None:
    broken = NESTED.partition("|")[0].replace("y = 2", "y = ((") + "|"
    assert kept("python", broken)[-2:] == ["class A(B):\n", "    def f(\n"]
    assert kept("plaintext", "a:\n  b:\n    - 1\n    - |\n  c: 2\n") == ["a:\n  b:\n"]


@pytest.mark.parametrize(
    ("name", "needle", "expected"),
    [
        ("sample.js", "clearTimeout", ["export async function getJson(url, options = {}) {\n"]),
        ("sample.rs", "assert_eq!(tokens[0]", ["    #[test]\n    fn numbers_and_names() {\n"]),
        (
            "sample.cpp",
            "visit(x, y",
            ["    template <typename Visit>\n    void each(Visit&& visit) const {\n"],
        ),
        ("Sample.java", 'text.append(" (low', ["        items.forEach((name, item) -> {\n"]),
        (
            "sample.c",
            "buffer[length++]",
            ["static int read_word(FILE *file, char *buffer, size_t size)\n{\n"],
        ),
        ("sample.rb", "yield entry", ["    def each_severe\n", "      @entries.each do |entry|\n"]),
        ("sample.sh", "rm -f", ["prune() {\n"]),
        ("sample.go", "c.remove(c", ["func (c *Cache) Put(key string, value []byte) {\n"]),
        (
            "Sample.cs",
            "yield return",
            [
                "    public class Calendar\n    {\n",
                "        public IEnumerable<Appointment> On(DateTime day)\n        {\n",
            ],
        ),
        (
            "sample.php",
            "unset(",
            ["class Outbox\n{\n", "    public function flush(DateTimeImmutable $now): int\n    {\n"],
        ),
        (
            "sample.tsx",
            "{row.name}",
            ["export function TodoList({ title, rows, onToggle }: Props): JSX.Element {\n"],
        ),
        (
            "sample.ts",
            "toFixed",
            ["namespace Units {\n", "  export function human(bytes: number): string {\n"],
        ),
    ],
)
def test_landmarks_enclose_the_offset(name: str, needle: str, expected: list[str]) -> None:
    path = next(path for path in SAMPLES if path.name == name)
    text = path.read_text(encoding="utf-8")
    spans = landmarks(text, text.index(needle), by_path(path))
    found = [text[span.start_char : span.end_char] for span in spans]
    assert found[-len(expected) :] == expected
    if name != "sample.sh":
        assert any(
            word in found[0] for word in ("import", "include", "use ", "using", "require", "package", "<?php")
        )


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "python",
            "def f():\n    ...\n\nx = a[...]\ndef g():\n    'd'\n    ...\ndef h():\n    pass  # TODO: é\n"
            "def i():\n    pass\n    # TODO\ndef j():\n    raise NotImplementedError('x')\n# ...\n'<hole>'\n",
            ["...", "...", "pass  # TODO: é", "raise NotImplementedError('x')", "<hole>"],
        ),
        (
            "javascript",
            "f(() => { throw new Error('not implemented'); }); throw new Error('bad'); // throw Error",
            ["throw new Error('not implemented');"],
        ),
        ("typescript", "function f() { throw new Error('Method not implemented.'); }", None),
        (
            "go",
            'package a\nfunc f() {\n\tpanic("bad")\n\tpanic("not implemented")\n}',
            ['panic("not implemented")'],
        ),
        (
            "rust",
            'fn f() { todo!() }\nfn g() { unimplemented!("a"); let x = todo!(); let s = "todo!()"; }',
            ["todo!()", 'unimplemented!("a");', "todo!()"],
        ),
        (
            "java",
            'class A { void f() { throw new UnsupportedOperationException("Not implemented"); }\n'
            'void g() { throw new RuntimeException("bad"); } }',
            ['throw new UnsupportedOperationException("Not implemented");'],
        ),
        ("c", "void f(void) { abort(); // TODO\n}", ["abort(); // TODO"]),
        (
            "cpp",
            'int f() { throw std::logic_error("not implemented"); }',
            ['throw std::logic_error("not implemented");'],
        ),
        (
            "csharp",
            "class A { int F() => throw new NotImplementedException(); }",
            ["throw new NotImplementedException()"],
        ),
        ("ruby", 'def f\n  raise NotImplementedError, "x"\nend', ['raise NotImplementedError, "x"']),
        (
            "php",
            '<?php function f() { throw new \\LogicException("Not implemented"); }',
            ['throw new \\LogicException("Not implemented");'],
        ),
        ("shellscript", "f() {\n  : # TODO: write\n}\n", [": # TODO: write"]),
        ("plaintext", "a <hole> b ...", ["<hole>"]),
    ],
)
def test_placeholders(language: str, text: str, expected: list[str] | None) -> None:
    spans = placeholder_spans(text, by_id(language))
    found = [text[span.start_char : span.end_char] for span in spans]
    assert found == (expected or ["throw new Error('Method not implemented.');"])


@pytest.mark.parametrize(
    ("language", "text", "is_open"),
    [
        ("python", "def f(): ...\n", True),
        ("python", "def f(a: int) -> int: ...\n", True),
        ("python", "class A:\n    def f(self): ...\n", True),
        ("python", "if a:\n    ...\n", True),
        ("python", "class E(Exception): ...\n", False),
        ("python", "class A:\n    'doc'\n    ...\n", False),
        ("python", "class P(Protocol):\n    def f(self): ...\n", False),
        ("python", "class P(Protocol[T]):\n    def f(self):\n        'doc'\n        ...\n", False),
        ("python", "class P(A, metaclass=ABCMeta):\n    @property\n    def f(self): ...\n", False),
        ("python", "@overload\ndef f(a: int) -> int: ...\n", False),
        ("python", "class A:\n    @t.overload\n    @staticmethod\n    def f(): ...\n", False),
        ("python", "class A:\n    @abc.abstractmethod\n    def f(self): ...\n", False),
        ("python", "def f(a: int = ...) -> int: ...\n", False),
        ("python", "if TYPE_CHECKING:\n    def f() -> int: ...\n", False),
        ("python", "x: int\ndef f() -> int: ...\ndef g() -> int: ...\n", False),
        ("python", "x: int = 1\ndef f() -> int: ...\n", True),
        ("python", "try:\n    f()\nexcept E: ...\n", False),
        ("python", "def f():\n    'doc'\n    # to do\n    raise NotImplementedError\n", True),
        ("python", "def f(a):\n    if a:\n        raise NotImplementedError('x')\n    return a\n", False),
        ("python", "def f(a):\n    g()\n    raise NotImplementedError\n", False),
        ("python", "raise NotImplementedError\n", False),
        ("python", "class A:\n    @abstractmethod\n    def f(self): raise NotImplementedError\n", False),
        ("python", "class A(ABC):\n    def f(self): raise NotImplementedError\n", False),
        ("python", "class A(B):\n    def f(self): raise NotImplementedError\n", True),
        ("javascript", "class A { f() { /* a */ throw new Error('not implemented'); } }", True),
        ("javascript", "function f(a) { if (a) throw new Error('a: not implemented'); return 1; }", False),
        ("javascript", "function f(a) { if (a) { throw new Error('not implemented'); } g(); }", False),
        ("java", "class A { void f() { throw new UnsupportedOperationException(); } }", True),
        ("java", 'class A { void f() { throw new UnsupportedOperationException("read only"); } }', False),
        ("java", "class A { @Override void f() { throw new UnsupportedOperationException(); } }", False),
        ("java", "interface A { default void f() { throw new UnsupportedOperationException(); } }", False),
        ("java", "class A { private A() { throw new UnsupportedOperationException(); } }", False),
        (
            "java",
            "class A { B b = new B() { void f() { throw new UnsupportedOperationException(); } }; }",
            False,
        ),
        (
            "java",
            'class A { @Override int f() { throw new UnsupportedOperationException("not supported yet"); }}',
            True,
        ),
        (
            "java",
            "class A { @Override int f() { // TODO\n throw new UnsupportedOperationException(); } }",
            True,
        ),
        ("java", "class A { int f() { g(); throw new NotImplementedException(); } }", False),
        ("csharp", "class A { int F { get { throw new NotImplementedException(); } } }", True),
        ("csharp", "class A { int F(B b) { return b ?? throw new NotImplementedException(); } }", False),
        ("ruby", "def f(a)\n  raise NotImplementedError unless a\n  a\nend\n", False),
        ("cpp", 'int f(int a) { if (a) throw A("not implemented"); return 1; }', False),
        ("php", "<?php function f() { if ($a) { throw new A('Not implemented'); } return 1; }", False),
    ],
)
def test_what_is_finished_is_no_placeholder(language: str, text: str, is_open: bool) -> None:
    assert bool(placeholder_spans(text, by_id(language))) == is_open


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "expected"),
    [
        ("python", "def f():\n    ", "x = 1\n    return x\n\n\nf()\n", "x = 1\n    return x"),
        ("python", "def f():\n", "    x = 1\n    return x\n\nf()\n", "    x = 1\n    return x\n\n"),
        ("python", "def f():", "\n    return 1\n\ndef g():\n", "\n    return 1\n"),
        ("python", "    x = ", "g(\n  1,\n)\n    y = 2\nz", "g(\n  1,\n)\n    y = 2"),
        ("python", "    ", "s = '''\na\n'''\n    y = 2\nz", "s = '''\na\n'''\n    y = 2"),
        ("python", "x = ", "1", "1"),
        ("javascript", "function f() {\n", "  return 1;\n}\n\ng();\n", "  return 1;\n}\n"),
        ("javascript", "if (a) {\n  ", "b();\n} else {\n  c();\n}\nd();", "b();\n} else {\n  c();\n}"),
        ("javascript", "on(() => {\n  ", "f('}');\n});\ng();", "f('}');\n});"),
        ("javascript", "", "if (a) {\n  b();\n}\nc();", "if (a) {\n  b();\n}\nc();"),
        ("ruby", "def f\n  ", "if a\n    b\n  end\nend\n\nf\n", "if a\n    b\n  end\nend"),
        ("shellscript", "if a; then\n  ", "b\nelse\n  c\nfi\nd\n", "b\nelse\n  c\nfi"),
        ("plaintext", "  ", "a\nb\n", "a\nb\n"),
    ],
)
def test_a_fill_ends_with_its_block(language: str, prefix: str, fill: str, expected: str) -> None:
    kept_fill = end_of_statement(prefix, fill, by_id(language))
    assert kept_fill.rstrip("\n") == expected.rstrip("\n")
    assert fill.startswith(kept_fill)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True),
        ("/a/.env.local", True),
        (r"C:\keys\server.PEM", True),
        ("a/id_rsa", True),
        ("config/secrets.yml", True),
        ("/home/u/.ssh/config", True),
        ("environment.py", False),
        ("monkey.py", False),
        ("src/keys.rs", False),
        ("secretary/main.py", False),
    ],
)
def test_secret_paths(path: str, secret: bool) -> None:
    assert is_secret_path(path) is secret


def test_a_text_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    real = syntax._parse
    monkeypatch.setattr(syntax, "_parse", lambda text, language: parsed.append(text) or real(text, language))
    text = "def once():\n    return 'only'\n"
    for char_offset in range(len(text)):
        shape_at(text, char_offset, by_id("python"))
        landmarks(text, char_offset, by_id("python"))
    assert parsed == [text]


def test_what_is_too_large_or_odd_is_not_parsed_and_still_answered() -> None:
    python = by_id("python")
    large = "def f():\n    x = (\n" * (syntax.MAX_CHARS // 15)
    assert syntax.parse(large, python) is None
    assert shape_at(large + "    ", len(large) + 4, python).multi_line
    assert landmarks(large + "    ", len(large) + 4, python)
    java = by_id("java")
    start = time.perf_counter()
    assert error_count("a=>" * 4000, java) == 0  # takes the grammar half a minute
    assert time.perf_counter() - start < 5


def test_threads_share_the_parses() -> None:
    python = by_id("python")
    texts = [f"def f{i}(:\n" for i in range(12)]
    seen: list[int] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        seen.extend(error_count(rng.choice(texts), python) for _ in range(100))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400
    assert set(seen) == {error_count(texts[0], python)}
