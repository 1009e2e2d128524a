"""What the tests of edit tasks share: an engine that answers one thing, and texts as odd as files can be."""

from __future__ import annotations

import importlib

from hypothesis import strategies as st

from engine import editing
from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.tasks import Edited
from engine.types import CancelToken, EditKind, EditRequest, EditResult, Span
from engine.workbench import Workbench

CURSOR = "§"

_CODE = {
    "python": [
        "def f(a, b=None, *c, **d):\n    return a + b\n",
        "class A:\n    x = 1\n\n    def m(self, q):\n        '''Old.'''\n        return q > 1\n",
        "if a:\n    pass\n",
        "def g(): ...\n",
        "def h(n):\n\t# 🎉 é\n\tpass\n",
        "import os\n",
        "match v:\n    case 1:\n        pass\n",
        "x = {'é': [1, 2]}\n",
    ],
    "typescript": [
        "function f(a, b = 1) {\n  return a + b;\n}\n",
        "class A {\n\tx = [];\n\tm(q?) { return q; }\n}\n",
        "if (a) {\n  b();\n}\n",
        "/** Old. */\nexport function g() {}\n",
        "const h = (n) => n; // 🎉\n",
    ],
    "go": [
        "package m\n\nfunc f(a, b int) int {\n\treturn a\n}\n",
        "// 🎉\nfunc g() {\n\tx := 1\n\tuse(x)\n}\n",
    ],
    "rust": [
        "fn f(a: i32) -> i32 {\n    let b = a;\n    b\n}\n",
        "/// é\nfn g() {}\n",
        "match v { A => 1 }\n",
    ],
    "java": [
        "class A {\n    int f(int a) {\n        return a;\n    }\n}\n",
        "/** 🎉 */\nclass B { void g() {} }\n",
    ],
    "cpp": ["int f(int a) {\n    return a;\n}\n", "/// é\nvoid g() {}\n"],
}
_JUNK = st.text(alphabet=st.sampled_from(list("ab_ \t\r\n(){}[]:;,.='\"`#/*\\é😀")), max_size=12)


@st.composite
def odd_texts(draw: st.DrawFn) -> tuple[str, str, Span | None]:
    """A language, a text of it with odd line ends and broken places, and a selection."""
    language = draw(st.sampled_from(sorted(_CODE)))
    parts = draw(st.lists(st.sampled_from(_CODE[language]), max_size=4))
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), draw(_JUNK))
    text = "".join(parts).replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"])))
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    if draw(st.booleans()):
        return language, text, None
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return language, text, Span(start, end)


def fake_engine(answer: str) -> Engine:
    """An engine that answers the same to everything."""
    fake = FakeDenoiser(answer)
    return Engine(fake, fake.codec, 1024)


def edit(kind: EditKind, marked: str, language: str, answer: str, **options: object) -> EditResult:
    """The result of a task on a text whose selection is a cursor, or stands between two."""
    before, *rest = marked.split(CURSOR)
    text = before + "".join(rest)
    selection = Span(len(before), len(before) + (len(rest[0]) if len(rest) == 2 else 0)) if rest else None
    request = EditRequest(kind, text, language, selection=selection, **options)  # type: ignore[arg-type]
    return fake_engine(answer).edit(request)


def edited(
    kind: EditKind, text: str, language: str, selection: Span | None, answer: str, before: str | None = None
) -> Edited:
    """What a task itself gives, before it is held to its spans."""
    seen: list[Edited] = []
    engine = fake_engine(answer)
    module = importlib.import_module(editing._MODULES[kind])
    run = module.run

    def spy(bench: Workbench, request: EditRequest) -> Edited:
        seen.append(run(bench, request))
        return seen[-1]

    module.run = spy  # type: ignore[attr-defined]
    try:
        engine.edit(
            EditRequest(kind, text, language, selection=selection, before=before, max_tokens=200),
            cancel=CancelToken(),
        )
    finally:
        module.run = run  # type: ignore[attr-defined]
    return seen[0]


def assert_only_spans_changed(text: str, made: Edited) -> None:
    """Whether everything outside the spans a task names stands as it was."""
    assert made.changed is not None
    for new in () if made.text is None else (made.text, *made.alternatives):
        assert editing.only_within(text, new, made.changed)
        if not made.changed:
            assert new == text
