"""What becomes of the errors of selected statements: where a handler stands, and which is good enough."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.denoising.denoiser import Encoded
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.types import CancelToken, EditRequest, EditResult, Span
from tests.unit.edits import assert_only_spans_changed, edit, edited, odd_texts


class InTurn(FakeDenoiser):
    """Answers each context with the next of some answers, and with the last for good."""

    def __init__(self, *answers: str) -> None:
        super().__init__(answers[0])
        self._left = list(answers)

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        if list(context) != self._context and self._left:
            self._answer = self._left.pop(0)
        return super().encode(context, cancel)


def handled(marked: str, language: str, *answers: str) -> EditResult:
    """What comes of the statements between two ``§`` where the model answers in turn."""
    before, inside, behind = marked.split("§")
    fake = InTurn(*answers)
    request = EditRequest(
        "complete", before + inside + behind, language, Span(len(before), len(before) + len(inside))
    )
    return Engine(fake, fake.codec, 1024).edit(request)


@pytest.mark.parametrize(
    ("language", "marked", "answer", "expected"),
    [
        (
            "python",
            "def f(a):\n    §b = g(a)  # why\n    b.h()§\n    return a\n",
            "log(error)",
            "def f(a):\n    try:\n        b = g(a)  # why\n        b.h()\n"
            "    except Exception as error:\n        log(error)\n    return a\n",
        ),
        (
            "python",
            "async def f():\n§    # all of it\n    await g()\n    yield 1\n§",
            "log(error)",
            "async def f():\n    try:\n        # all of it\n        await g()\n        yield 1\n"
            "    except Exception as error:\n        log(error)\n",
        ),
        ("python", "§g()§\n", "h(error)", "try:\n    g()\nexcept Exception as error:\n    h(error)\n"),
        (
            "javascript",
            "function f() {\n  §const a = g();\n  h(a);§\n}\n",
            "log(error);",
            "function f() {\n  try {\n    const a = g();\n    h(a);\n  } catch (error) {\n"
            "    log(error);\n  }\n}\n",
        ),
        (
            "typescript",
            "async function f(): Promise<A> {\n\t§return await g();§\n}\n",
            "throw new B(error);",
            "async function f(): Promise<A> {\n\ttry {\n\t\treturn await g();\n\t} catch (error) {\n"
            "\t\tthrow new B(error);\n\t}\n}\n",
        ),
        (
            "typescriptreact",
            "const A = () => {\n  §g();§\n  return <b />;\n};\n",
            "log(error);",
            "const A = () => {\n  try {\n    g();\n  } catch (error) {\n    log(error);\n  }\n"
            "  return <b />;\n};\n",
        ),
        (
            "go",
            "package m\n\nfunc f() error {\n\t§a, err := g()§\n\th(a)\n\treturn nil\n}\n",
            "return err",
            "package m\n\nfunc f() error {\n\ta, err := g()\n\tif err != nil {\n\t\treturn err\n\t}\n"
            "\th(a)\n\treturn nil\n}\n",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() -> Result<u8, E> {\n    §let a = g();§\n    Ok(a)\n}\n",
            "return Err(error),",
            "fn g() -> Result<u8, E> {}\nfn f() -> Result<u8, E> {\n    let a = match g() {\n"
            "        Ok(value) => value,\n        Err(error) => return Err(error),\n    };\n    Ok(a)\n}\n",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() {\n    §let a = g().unwrap();§\n    h(a)\n}\n",
            'panic!("{}", error),',
            "fn g() -> Result<u8, E> {}\nfn f() {\n    let a = match g() {\n"
            '        Ok(value) => value,\n        Err(error) => panic!("{}", error),\n    };\n    h(a)\n}\n',
        ),
        (
            "rust",
            "fn f() {\n    §std::fs::remove_file(a);§\n}\n",
            'eprintln!("{}", error);',
            "fn f() {\n    if let Err(error) = std::fs::remove_file(a) {\n"
            '        eprintln!("{}", error);\n    }\n}\n',
        ),
        (
            "java",
            "class A {\n    int f() {\n        §return g();§\n    }\n}\n",
            "return 0;",
            "class A {\n    int f() {\n        try {\n            return g();\n"
            "        } catch (Exception e) {\n            return 0;\n        }\n    }\n}\n",
        ),
        (
            "cpp",
            "void f()\n{\n  §g();§\n}\n",
            "h(e);",
            "void f()\n{\n  try\n  {\n    g();\n  }\n  catch (const std::exception& e)\n  {\n    h(e);\n"
            "  }\n}\n",
        ),
    ],
)
def test_statements_get_a_handler(language: str, marked: str, answer: str, expected: str) -> None:
    result = edit("complete", marked, language, answer)
    assert (result.status, result.text) == ("ok", expected), result.reason


@pytest.mark.parametrize(
    ("language", "marked", "expected"),
    [
        (
            "python",
            "def f():\n    §'''Doc.'''\n    g()§\n",
            "def f():\n    '''Doc.'''\n    try:\n        g()\n",
        ),
        (
            "python",
            "if a:\n    §g('''x\n  y''',\n      1)§\n",
            "    try:\n        g('''x\n  y''',\n          1)\n",
        ),
        ("python", "if a:\r\n\t§g()\r\n\r\n\th()§\r\n", "\ttry:\r\n\t\tg()\r\n\r\n\t\th()\r\n"),
        ("python", "if a:\n  if b:\n    §c()§\n", "    try:\n      c()\n    except"),
        ("javascript", "{\n  §g(`a\n b`);§\n}\n", "  try {\n    g(`a\n b`);\n"),
        ("javascript", "{\n  §g(); // é\n  /* a\n     b */§\n}\n", "    g(); // é\n    /* a\n       b */\n"),
        ("java", 'class A { void f() {\n  §g("""\n    a\n  """);§\n} }\n', '    g("""\n    a\n  """);\n'),
        ("cpp", 'void f() {\n  §g(R"(a\n b)");\n#ifdef A\n  h();\n#endif\n  i();§\n}\n', None),
    ],
)
def test_what_the_statements_say_stays(language: str, marked: str, expected: str | None) -> None:
    result = edit("complete", marked, language, "log();")
    if expected is None:
        assert result.status == "refused"
    else:
        assert expected in result.text, result.reason


@pytest.mark.parametrize(
    ("language", "marked", "reason"),
    [
        ("python", "§a = 1§\n", "nothing is called"),
        ("python", "§def f():\n    g()§\n", "nothing is called"),
        ("python", "a = §g()§\n", "selected in part"),
        ("python", "a(); §b()§\n", "share a line"),
        ("python", "try:\n    §a()§\nexcept B:\n    c()\n", "in a `try` already"),
        ("python", "§try:\n    a()\nexcept B:\n    c()§\n", "handles its errors already"),
        ("python", "class A:\n    §b = c()§\n", "no whole statements"),
        ("javascript", "§const a = g();§\nh(a);\n", "`a` is declared in the selection and used behind it"),
        ("javascript", "§export const a = g();§\n", "cannot stand in a `try`"),
        ("java", "class A { void f() {\n§int a = g();§\nh(a);\n} }\n", "`a` is declared"),
        ("java", "class A { A() {\n§super(g());§\n} }\n", "cannot stand in a `try`"),
        ("cpp", "void f() {\n§auto a = g();§\nh(a);\n}\n", "`a` is declared"),
        ("cpp", "void f() {\n§std::lock_guard<M> l(m);\ng();§\nh();\n}\n", "`l` would end with the `try`"),
        ("go", "package m\nfunc f() {\n§\tg()§\n}\n", "nothing is assigned to an error"),
        ("go", "package m\nfunc f() {\n§\terr := g()§\n\tif err != nil {\n\t}\n}\n", "looked at already"),
        ("go", "package m\nfunc f() {\n§\terr := g(); h()§\n}\n", "share a line"),
        ("rust", "fn f() {\n§    let a = g();§\n}\n", "known to give a `Result`"),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() {\n§    let a = g();§\n    match a { Ok(b) => b }\n}\n",
            "`a` is used as a `Result`",
        ),
        ("csharp", "class A { void F() {\n§G();§\n} }\n", "no whole statements"),
    ],
)
def test_what_cannot_be_handled_is_told(language: str, marked: str, reason: str) -> None:
    result = edit("complete", marked, language, "log();")
    assert result.status == "refused"
    assert reason in str(result.reason)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("javascript", "{\n  §var a = g();§\n  h(a);\n}\n"),
        ("javascript", "{\n  §const a = g();§\n  h((a) => a);\n}\n"),
        ("java", "class A { void f() {\n  §int a = g();§\n  for (int a = 0;;) h(a);\n} }\n"),
    ],
)
def test_a_name_that_ends_with_the_block_is_no_matter_where_nothing_behind_means_it(
    language: str, marked: str
) -> None:
    assert edit("complete", marked, language, "throw b;").status == "ok"


@pytest.mark.parametrize(
    ("language", "marked", "name"),
    [
        ("python", "def f(error):\n    §g(error)§\n", "as err:"),
        ("python", "try:\n    a()\nexcept B as exc:\n    c()\n§g()§\n", "as exc:"),
        ("python", "§g(a.error)§\n", "as error:"),
        ("javascript", "§error(g());§\n", "catch (err)"),
        ("javascript", "§g(...error);§\n", "catch (err)"),
        ("java", "class A { void f(int e) {\n  §g();§\n} }\n", "catch (Exception error)"),
        ("go", "package m\nfunc f() {\n\t§a, errB := g()§\n}\n", "if errB != nil"),
    ],
)
def test_the_error_has_a_name_that_nothing_else_has(language: str, marked: str, name: str) -> None:
    assert name in edit("complete", marked, language, "log();").text


@pytest.mark.parametrize(
    ("imports", "said", "kind"),
    [
        ("", "KeyError as e:", "KeyError"),
        ("", "(KeyError, OSError) as e:", "(KeyError, OSError)"),
        ("", "KeyboardInterrupt as e:", "Exception"),
        ("", "requests.Timeout as e:", "Exception"),
        ("import requests\n", "requests.Timeout as e:", "requests.Timeout"),
        ("import json as js\n", "js.JSONDecodeError as e:", "js.JSONDecodeError"),
        ("from a import Oops\n", "Oops as e:", "Oops"),
        ("class Oops(Exception):\n    b = 1\n", "Oops as e:", "Oops"),
        ("", "Oops as e:", "Exception"),
        ("", ":", "Exception"),
    ],
)
def test_an_exception_is_one_that_the_file_knows(imports: str, said: str, kind: str) -> None:
    result = handled(f"{imports}§g()§\n", "python", f" {said}", "print(error)")
    assert f"\nexcept {kind} as error:\n    print(error)\n" in result.text


@pytest.mark.parametrize(
    ("language", "marked", "poor", "reason"),
    [
        ("javascript", "{\n  §g();§\n}\n", "// nothing", "does nothing"),
        ("javascript", "{\n  §g();§\n}\n", "error;", "does nothing"),
        ("javascript", "{\n  §g();§\n}\n", "throw error;", "only throws"),
        ("javascript", "{\n  §g();§\n}\n", "return 1;", "nothing around it that `return`"),
        ("java", "class A { void f() {\n  §g();§\n} }\n", "continue;", "nothing around it that `continue`"),
        ("javascript", "{\n  §var a = g();§\n  h(a);\n}\n", "log(error);", "`a` has no value"),
        ("javascript", "let a;\n§a = g();§\nh(a);\n", "log(error);", "`a` has no value"),
        ("typescript", "function f() {\n  §return g();§\n}\n", "log(error);", "given back"),
        ("javascript", "{\n  §g();§\n}\n", "if", "would not parse"),
        ("java", "class A { void f() {\n  §g();§\n} }\n", "throw new IOException(e);", "not declared"),
        ("cpp", "void f() {\n  §g();§\n}\n", 'throw E("a" + e.what());', "two C strings"),
        (
            "go",
            "package m\nfunc f() (A, error) {\n\t§err := g()§\n\treturn a, nil\n}\n",
            "return err",
            "1 val",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() -> u8 {\n    §let a = g();§\n    a + 1\n}\n",
            "return Err(error),",
            "it returns `Err`",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() -> Result<u8, D> {\n    §let a = g();§\n    Ok(a)\n}\n",
            "return Err(error),",
            "another type",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() {\n    §let a = g();§\n    h(a);\n}\n",
            "error,",
            "does nothing",
        ),
        (
            "rust",
            "fn g() -> Result<u8, E> {}\nfn f() {\n    §let a = g();§\n    h(a);\n}\n",
            'println!("{}", error),',
            "gives no value",
        ),
    ],
)
def test_a_poor_handler_is_asked_for_anew_and_refused(
    language: str, marked: str, poor: str, reason: str
) -> None:
    result = edit("complete", marked, language, poor)
    said = str(result.reason)
    assert result.status == "refused" and said.startswith("no handler is good enough"), result.text
    assert reason in said


@pytest.mark.parametrize(
    ("marked", "answers", "expected"),
    [
        ("def f():\n    §a = g()§\n    return a\n", ("", "print(error)", "A(1)"), "raise A(1) from error\n"),
        ("§g()§\n", ("", "pass", "A(error)"), "    raise A(error) from error\n"),
    ],
)
def test_the_next_beginning_leads_elsewhere(marked: str, answers: tuple[str, ...], expected: str) -> None:
    result = handled(f"A = Exception\n{marked}", "python", *answers)
    assert expected in result.text, result.reason


@pytest.mark.parametrize(
    ("language", "marked", "answer"),
    [
        ("python", "for a in b:\n    §g()§\n", "continue"),
        ("python", "while a:\n    §g()§\n", "break"),
        ("javascript", "while (a) {\n  §g();§\n}\n", "break;"),
        ("javascript", "b(() => {\n  §g();§\n});\n", "return;"),
        ("java", "class A { void f() { for (A a : b) {\n  §g();§\n} } }\n", "continue;"),
        ("java", "class A { A() {\n  §g();§\n} }\n", "return;"),
        ("cpp", "void f() { for (A a : b) {\n  §g();§\n} }\n", "continue;"),
        ("cpp", "void f() { a([] {\n  §g();§\n}); }\n", "return;"),
        ("go", "package m\n\nfunc f() {\n\tfor {\n\t\t§err := g()§\n\t}\n}\n", "continue"),
        ("go", "package m\n\nfunc (a A) f() {\n\t§err := g()§\n}\n", "return"),
        ("rust", "fn f() {\n    loop {\n        §std::fs::read(a);§\n    }\n}\n", "break;"),
    ],
)
def test_a_handler_may_leave_what_is_around_it(language: str, marked: str, answer: str) -> None:
    result = edit("complete", marked, language, answer)
    assert (result.status, result.reason) == ("ok", None)


def test_each_call_of_a_selection_is_handled() -> None:
    marked = "package m\n\nfunc f() {\n§\ta, err := g()\n\tb(a)\n\terr = h()\n§}\n"
    result = edit("complete", marked, "go", "panic(err)")
    check = "\tif err != nil {\n\t\tpanic(err)\n\t}\n"
    assert (
        result.text == f"package m\n\nfunc f() {{\n\ta, err := g()\n{check}\tb(a)\n\terr = h()\n{check}}}\n"
    )


def test_names_that_nothing_defines_are_told() -> None:
    result = edit("complete", "package m\n\nfunc f() {\n\t§err := g()§\n}\n", "go", "log.Print(err)")
    assert (result.status, result.reason) == ("ok", "nothing in the file defines log")
    result = edit("complete", "{\n  §g();§\n}\n", "javascript", "log();")
    assert (result.status, result.reason) == ("ok", "nothing in the file defines log")


def test_a_selection_of_a_body_that_is_missing_is_completed() -> None:
    result = edit("complete", "§def f():\n    raise NotImplementedError()§\n", "python", "h()")
    assert result.text == "def f():\n    h()\n"


@pytest.mark.parametrize("text", ["g()\n", "§g()\n"])
def test_nothing_is_wrapped_that_is_not_selected(text: str) -> None:
    assert edit("complete", text, "python", "log(error)").status == "refused"


@settings(max_examples=150)
@given(odd_texts(), st.sampled_from(["log(error)", "return 1;", "", "}", "é\n\nx", "throw new A(e);"]))
def test_nothing_else_changes(given_text: tuple[str, str, Span | None], answer: str) -> None:
    language, text, selection = given_text
    assert_only_spans_changed(text, edited("complete", text, language, selection, answer))


_BLOCKS = {
    "python": ("def f():\n", "{}g({})\n", "", "x = '''a\n b'''\n"),
    "javascript": ("function f() {\n", "{}g({});\n", "}\n", "x = `a\n b`;\n"),
    "java": ("class A { void f() {\n", "{}g({});\n", "} }\n", 'x = """\n a""";\n'),
    "cpp": ("void f() {\n", "{}g({});\n", "}\n", 'x = R"(a\n b)";\n'),
}


@settings(max_examples=80)
@given(
    st.sampled_from(sorted(_BLOCKS)),
    st.sampled_from(["  ", "    ", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.sampled_from(["call", "string", "blank", "comment"]), max_size=4),
)
def test_lines_are_moved_in_and_not_otherwise_changed(
    language: str, indent: str, newline: str, kinds: list[str]
) -> None:
    opens, call, closes, string = _BLOCKS[language]
    mark = "#" if language == "python" else "//"
    lines = {"call": call.format(indent, "1"), "string": indent + string, "blank": "\n"}
    lines["comment"] = f"{indent}{mark} é\n"
    body = call.format(indent, "") + "".join(lines[kind] for kind in kinds) + call.format(indent, "2")
    text = (opens + body + closes).replace("\n", newline)
    start = len(opens.replace("\n", newline))
    selection = Span(start, start + len(body.replace("\n", newline)))
    made = edited("complete", text, language, selection, "log();")
    assert made.text is not None, made.reason
    assert_only_spans_changed(text, made)
    assert newline == "\r\n" or "\r" not in made.text
    assert newline == "\n" or not re.search(r"(?<!\r)\n", made.text)
    moved = body.replace("\n", newline).replace(f"{newline}{indent}", f"{newline}{indent * 2}")
    assert indent + moved.rstrip() in made.text
