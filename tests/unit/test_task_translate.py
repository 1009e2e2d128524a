"""The task `translate` around a model that says what it is told to, and the pieces it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.code import languages
from engine.code.syntax import error_count
from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Prediction
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import Decoding
from engine.engine import Engine
from engine.errors import UsageError
from engine.tasks import glossary, translate
from engine.tasks.answers import TOO_LONG
from engine.tasks.assembly import assemble
from engine.types import CancelToken, EditRequest, EditResult, Span
from tests.unit.test_task_rewrite import Sayings

PY = "def f(x):\n    return x\n"
TWO = "import os\n\n\ndef split_words(x):\n    return x\n\n\ndef all_words(x):\n    return split_words(x)\n"
TEXT = st.text("ab \t\r\n{}():=#`é😀\ufeff", max_size=80)


def run(fake: FakeDenoiser, text: str = PY, to: str | None = "javascript", **fields: object) -> EditResult:
    fields = {"language": "python", "to": to, **fields}
    return Engine(fake, fake.codec, 1024).edit(EditRequest("translate", text, **fields))  # type: ignore[arg-type]


def test_a_whole_text_becomes_another() -> None:
    fake = Sayings("function f(x) {\n  return x;\n}\n```\nThis is it.")
    result = run(fake)
    assert (result.status, result.text, result.reason) == ("ok", "function f(x) {\n  return x;\n}\n", None)
    assert "Translate this Python code to JavaScript." in fake.asked[0]
    assert fake.asked[0].endswith("assistant\n```javascript\n")


def test_newlines_of_the_file_are_kept() -> None:
    assert run(Sayings("function f(x) {\n}"), PY.replace("\n", "\r\n")).text == "function f(x) {\r\n}\r\n"


def test_a_selection_is_translated_in_place() -> None:
    text = f"# Notes\n\n    {PY}\nEnd.\n"
    start = text.index("def")
    result = run(Sayings("const f = (x) => x;"), text, selection=Span(start, start + len(PY) - 1))
    assert result.text == "# Notes\n\n    const f = (x) => x;\n\nEnd.\n"


@pytest.mark.parametrize(
    ("declaration", "answer", "kept"),
    [
        ("int f(int x) {\n", "  return x;\n}\nint main(){}", "  return x;\n}"),
        (
            "int f(int x) {\n",
            "  string s = \"}\"; // }\n  char c = '}';\n}\n",
            "  string s = \"}\"; // }\n  char c = '}';\n}",
        ),
        ("class S {\n  int f(int x) {\n", "    return x;\n  }\n};\nclass B {};", "    return x;\n  }\n};"),
    ],
)
def test_a_translation_begins_and_ends_with_the_declaration(declaration: str, answer: str, kept: str) -> None:
    fake = Sayings(answer)
    result = run(fake, to="cpp", opening=declaration)
    assert result.text == declaration + kept
    assert fake.asked[0].endswith(f"```cpp\n{declaration}")


def test_the_same_language_is_refused_and_unknown_ones_are_errors() -> None:
    result = run(Sayings("x"), to="py")
    assert (result.status, result.text, result.reason) == ("refused", PY, "the text is Python already")
    for to in ("cobol", "markdown", "", None):
        with pytest.raises(UsageError, match="python, javascript, typescript, go, rust, java, cpp"):
            run(Sayings("x"), to=to)
    with pytest.raises(UsageError, match="no language to translate from"):
        run(Sayings("x"), language="plaintext")
    assert run(Sayings("x"), " \n").reason == "there is nothing to translate"


def test_what_does_not_parse_is_asked_for_again_then_marked_and_said() -> None:
    fake = Sayings("function f(x) {", "function f(x) { return x; }")
    assert run(fake).text == "function f(x) { return x; }\n"
    assert "complete, valid JavaScript" in fake.asked[1] and "This is not valid" not in fake.asked[1]
    fake = Sayings("function f(x) {\n  return a if x else b;\n}", "function f(x) { return x; }")
    assert run(fake).text == "function f(x) { return x; }\n"
    assert "This is not valid JavaScript: `return a if x else b;`." in fake.asked[1]
    result = run(Sayings("function f(x) {"))
    assert result.status == "ok" and result.reason == "not translated well: does not parse as JavaScript"
    assert result.text == "// Unmask: does not parse as JavaScript\nfunction f(x) {\n"


def test_what_is_left_out_is_said() -> None:
    result = run(Sayings("function splitWords(x) { return x; }"), TWO)
    assert result.reason is not None and "all_words left out" in result.reason


def test_long_texts_go_item_by_item_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "PART_CHARS", 60)
    fake = Sayings(
        'const os = require("os");',
        "function split_words(x) {\n  return x;\n}",
        "function splitWords(x) {}\n\nfunction allWords(x) {\n  return splitWords(x);\n}",
    )
    result = run(fake, TWO)
    assert result.text == (
        'const os = require("os");\n\nfunction splitWords(x) {\n  return x;\n}\n\n'
        "function allWords(x) {\n  return splitWords(x);\n}\n"
    )
    assert "`split_words` becomes `splitWords`" in fake.asked[1]
    assert "function splitWords(x)" in fake.asked[2] and "translated already" in fake.asked[2]


def test_parts_that_fail_keep_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "PART_CHARS", 60)
    result = run(Sayings('require("os");', "function splitWords(x) {}", ""), TWO)
    assert result.text == (
        'require("os");\n\nfunction splitWords(x) {}\n\n'
        "// Unmask: not translated: the answer is empty\n"
        "// def all_words(x):\n//     return split_words(x)\n"
    )
    assert result.reason == "not translated well: lines 8–9: the answer is empty"


def test_limits_are_kept() -> None:
    result = run(Sayings("let x;"), deadline_ms=0)
    assert (result.status, result.text, result.reason) == ("refused", PY, "stopped at the deadline")
    result = run(Sayings("let x = 1;\nlet f;"), max_tokens=5)
    assert result.work.tokens == 5 and result.reason == "not translated well: stopped at max_tokens"


def test_one_endless_line_is_not_asked_about() -> None:
    result = run(Sayings("y"), f"x = '{'a' * 20_000}'\n")
    assert result.status == "refused" and result.reason == TOO_LONG


def test_a_main_of_its_own_and_common_js_exports_are_left_out() -> None:
    go = 'package main\n\nimport "fmt"\n\nfunc f(x int) int {\n\treturn x\n}\n\nfunc main() { fmt.Print(1) }'
    assert run(Sayings(go), to="go").text == "package main\n\nfunc f(x int) int {\n\treturn x\n}\n"
    fake = Sayings("def f(x):\n    return x")
    js = "function f(x) { return x; }\nmodule.exports = { f };\n"
    assert run(fake, js, "python", language="js").text == PY
    assert "module" not in fake.asked[0]
    result = run(fake, "module.exports = f;\n", "python", language="js")
    assert (result.status, result.reason) == ("refused", translate.NOTHING)


@pytest.mark.parametrize(
    ("name", "python", "javascript", "go", "cpp"),
    [
        (
            "has_close_elements",
            "has_close_elements",
            "hasCloseElements",
            "hasCloseElements",
            "has_close_elements",
        ),
        ("parseURL", "parse_url", "parseUrl", "parseUrl", "parseURL"),
        ("_private_one", "_private_one", "_privateOne", "_privateOne", "_private_one"),
        ("__init__", "__init__", "__init__", "__init__", "__init__"),
        ("f2", "f2", "f2", "f2", "f2"),
    ],
)
def test_names_follow_the_target(name: str, python: str, javascript: str, go: str, cpp: str) -> None:
    wanted = {"python": python, "javascript": javascript, "go": go, "cpp": cpp}
    assert {to: glossary.renamed(name, languages.by_id(to)) for to in wanted} == wanted


def test_definitions_are_read_in_every_language() -> None:
    texts = {
        "python": "class A:\n    def do_it(self, x: int) -> int:\n        return x\n",
        "javascript": "class A {\n  doIt(x) {\n    return x;\n  }\n}\n",
        "typescript": "class A {\n  doIt(x: number): number {\n    return x;\n  }\n}\n",
        "go": "package a\n\nfunc (a A) DoIt(x int) int {\n\treturn x\n}\n",
        "rust": "impl A {\n    fn do_it(&self, x: i32) -> i32 {\n        x\n    }\n}\n",
        "java": "class A {\n    int doIt(int x) {\n        return x;\n    }\n}\n",
        "cpp": "class A {\n  int do_it(int x) {\n    return x;\n  }\n};\n",
    }
    for language, text in texts.items():
        found = glossary.signatures(text, languages.by_id(language))
        assert any("oIt(" in line or "do_it(" in line for line in found), (language, found)


def test_missing_names() -> None:
    python = languages.by_id("python")
    text = (
        "MAX_SIZE = 3\n\n\ndef do_it():\n    def inner(): pass\n\n\nclass Big:\n    def small(self): pass\n"
    )
    assert (
        glossary.missing(text, python, "const maxSize = 3; function doIt() {} class Big { small() {} }") == []
    )
    assert glossary.missing(text, python, "class Big {}") == ["do_it", "small", "MAX_SIZE"]


@pytest.mark.parametrize(
    ("language", "parts", "whole"),
    [
        (
            "python",
            ["import a\n\nx = 1", "import a\nimport b\n\ny = 2"],
            "import a\nimport b\n\n\nx = 1\n\n\ny = 2\n",
        ),
        (
            "go",
            [
                'package x\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc f() { fmt.Println() }',
                'import "fmt"\n\nfunc g() {}',
            ],
            'package x\n\nimport "fmt"\n\nfunc f() { fmt.Println() }\n\nfunc g() {}\n',
        ),
        (
            "cpp",
            ["#include <a>\n\nint f() {}", "#include <a>\n\nint f() {}\nint g() {}"],
            "#include <a>\n\nint f() {}\n\nint g() {}\n",
        ),
        (
            "rust",
            ["use a::b;\nfn f() {}", "use a::b;\nfn g( {}"],
            "use a::b;\n\nfn f() {}\n\nuse a::b;\nfn g( {}\n",
        ),
        (
            "java",
            ["import a.B;\n\nclass A {\n    int f() {}\n}", "class A {\n    int g() {}\n}", "int h() {}"],
            "import a.B;\n\nclass A {\n    int f() {}\n\n    int g() {}\n}\n\n"
            "class Main {\n    int h() {}\n}\n",
        ),
    ],
)
def test_parts_become_one_file(language: str, parts: list[str], whole: str) -> None:
    assert assemble(parts, languages.by_id(language)) == whole


@given(parts=st.lists(TEXT, min_size=1, max_size=3), language=st.sampled_from(translate.TARGETS))
def test_odd_parts_never_raise(parts: list[str], language: str) -> None:
    known = languages.by_id(language)
    assert assemble(parts, known).endswith("\n")
    for part in parts:
        glossary.signatures(part, known)
        glossary.names(part, known, languages.by_id("python"))


@given(text=TEXT, answer=TEXT, to=st.sampled_from(translate.TARGETS[1:]), data=st.data())
def test_nothing_outside_the_selection_changes(text: str, answer: str, to: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    result = run(FakeDenoiser(answer), text, to, selection=Span(start, end))
    assert result.text.startswith(text[:start]) and result.text.endswith(text[end:])
    if result.status == "ok" and result.reason is None:
        assert result.text != text


@given(text=TEXT, answer=TEXT, to=st.sampled_from(translate.TARGETS[1:]))
@example(text=":\r", answer="é\n", to="go")
def test_a_whole_translation_parses_or_says_so(text: str, answer: str, to: str) -> None:
    result = run(FakeDenoiser(answer), text, to)
    if result.status == "ok" and result.reason is None:
        assert not error_count(result.text, languages.by_id(to))


class Doubting(Sayings):
    """Where it says a closing parenthesis, it has a brace in mind, too."""

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, masks, cancel)
        said, other = (self.codec.encode(text)[0] for text in ")}")
        for logits in (prediction.logits, *prediction.drafts):
            logits[logits.argmax(-1) == said, other] = 11.0
        return prediction


SPOILT = "function f(x) {\n  return x + 1000;\n)"


def test_what_does_not_parse_is_masked_again_where_it_is_in_doubt() -> None:
    fake = Doubting(SPOILT)
    result = run(fake)
    assert (result.text, result.reason) == (SPOILT[:-1] + "}\n", None)
    assert len(fake.asked) == 1 and result.work.tokens == len(f"{SPOILT}\n```")


@pytest.mark.parametrize("decoding", ["left_to_right", "lossless"])
def test_the_bases_own_modes_mask_nothing_again(decoding: Decoding) -> None:
    fake = Doubting(SPOILT)
    request = EditRequest("translate", PY, language="python", to="javascript")
    result = Engine(fake, fake.codec, 1024, decoding).edit(request)
    assert result.reason == "not translated well: does not parse as JavaScript" and len(fake.asked) == 2


def test_doubts_far_from_what_is_wrong_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.workbench.NEAR", 0)
    fake = Doubting(SPOILT)
    assert "does not parse" in (run(fake).reason or "")
    assert len(fake.asked) == 2


def test_names_that_nothing_defines_are_masked_again_or_said() -> None:
    source = "def f(x):\n    return bin(helper(x))\n"
    result = run(Sayings("function f(x) {\n  return bin(helper(x));\n}"), source)
    assert (
        result.text == "function f(x) {\n  return bin(helper(x));\n}\n"
    )  # a helper is there, in another place
    assert result.reason == "not translated well: nothing defines bin"


class Renaming(Sayings):
    """Where it says q, it has x in mind, too."""

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, masks, cancel)
        said, other = (self.codec.encode(text)[0] for text in "qx")
        for logits in (prediction.logits, *prediction.drafts):
            logits[logits.argmax(-1) == said, other] = 11.0
        return prediction


def test_a_name_in_doubt_becomes_one_that_is_there() -> None:
    result = run(Renaming("function f(x) {\n  return q;\n}"))
    assert (result.text, result.reason) == ("function f(x) {\n  return x;\n}\n", None)


def test_what_is_assigned_again_may_be() -> None:
    fake = Sayings("function f(x) {\n  const y = x;\n  const z = 1;\n  y += z;\n  return y;\n}")
    assert run(fake).text == "function f(x) {\n  let y = x;\n  const z = 1;\n  y += z;\n  return y;\n}\n"
    opening = "const f = (x) => {\n  const y = x;\n"
    assert run(Sayings("  y += 1;\n}"), opening=opening).text == f"{opening}  y += 1;\n}}"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("def f(x):\n    return math.sqrt(x)", "import math\n\n\ndef f(x):\n    return math.sqrt(x)\n"),
        ("import re\nx = re.sub(os.name)", "import os\nimport re\n\n\nx = re.sub(os.name)\n"),
        ("import math\nx = math.pi", "import math\n\n\nx = math.pi\n"),
        ("def f(string):\n    return string.strip()", "def f(string):\n    return string.strip()\n"),
    ],
)
def test_modules_that_a_translation_uses_are_imported(answer: str, text: str) -> None:
    result = run(Sayings(answer), "const f = (x) => x;\n", to="python", language="javascript")
    assert (result.text, result.reason) == (text, None)
