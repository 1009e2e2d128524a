"""What other files offer: outlines, imports and where they lie, what is never read, and freshness."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code.context_index import related_files
from engine.code.imported import Import, imports_of, places_of
from engine.code.languages import by_id, by_path
from engine.code.outline import Entry, outline
from engine.denoising.fake import FakeDenoiser
from engine.filling.layout import lay_out
from engine.types import Related
from lsp_server import analysis
from lsp_server.ignored import Ignored
from lsp_server.related import Around, RelatedFiles

PYTHON = '''import os
LIMIT = 3
NAMES: list[str] = []


@decorated
async def fetch(
    url: str,
    *,
    tries: int = LIMIT,
) -> bytes:  # slow
    """Doc."""
    def inner(): ...
    return b""


class Client(Base):
    """Doc."""

    host: str

    def __init__(self, host: str):
        self.host = host

    @property
    def name(self) -> str: ...

    def _own(self): ...
'''
SCRIPT = """const other = require('./other');
export const LIMIT = 3, b = 4;
export async function load(url: string, tries = 3): Promise<void> {
  return;
}
export const add = (a: number, b: number) => { return a + b; };
export interface Shape { area(): number; }
export default class Circle implements Shape {
  #hidden = 1;
  radius: number;
  area() { return 3; }
}
"""


def test_an_outline_of_python() -> None:
    assert {one.name: one.text for one in outline(PYTHON, by_id("python"))} == {
        "LIMIT": "LIMIT = 3",
        "NAMES": "NAMES: list[str] = []",
        "fetch": "async def fetch(url: str, *, tries: int = LIMIT) -> bytes:",
        "Client": "class Client(Base):\n    host: str\n    def __init__(self, host: str):\n"
        "    def name(self) -> str:",
    }


def test_an_outline_of_typescript() -> None:
    found = {one.name: one.text for one in outline(SCRIPT, by_id("typescript"))}
    assert "other" not in found
    assert found["load"] == "async function load(url: string, tries = 3): Promise<void>"
    assert found["add"] == "export const add = (a: number, b: number)"
    assert found["LIMIT"] == "export const LIMIT = 3, b = 4;"
    assert found["Shape"].startswith("interface Shape")
    assert found["Circle"] == "class Circle implements Shape\n    radius: number\n    area()"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "python",
            "from ..a.b import c as d, e\nimport p.q as r\ntry:\n    from . import x\nexcept E:\n    pass\n",
            [Import("..a.b", ("c", "e")), Import("p.q"), Import(".", ("x",))],
        ),
        (
            "typescript",
            "import d, { a as b } from './m.js';\nimport 'react';\nimport * as n from '../k';\n",
            [Import("./m.js", ("a",)), Import("../k")],
        ),
        ("javascript", "const { q } = require('./z');\n", [Import("./z", ("q",))]),
        ("c", '#include <stdio.h>\n# include "a/b.h"\n', [Import("a/b.h")]),
        ("go", 'package m\nimport "fmt"\n', []),
    ],
)
def test_imports(language: str, text: str, expected: list[Import]) -> None:
    assert list(imports_of(text, by_id(language))) == expected


@pytest.mark.parametrize(
    ("path", "imported", "expected"),
    [
        ("p/q/m.py", Import(".a", ("f",)), ["p/q/a.py", "p/q/a/f.py", "p/q/a/__init__.py"]),
        ("p/q/m.py", Import("..", ("a",)), ["p/a.py", "p/__init__.py"]),
        ("p/m.py", Import("p.a"), ["p/p/a.py", "p/p/a/__init__.py", "p/a.py", "p/a/__init__.py"]),
        ("m.py", Import("...a"), []),
        ("s/m.ts", Import("./n.js"), ["s/n.ts", "s/n.tsx", "s/n.js"]),
        ("m.js", Import("../out"), []),
        ("s/m.c", Import("../a.h"), ["a.h"]),
    ],
)
def test_places_never_lie_outside_of_the_root(path: str, imported: Import, expected: list[str]) -> None:
    found = [str(place) for place, _ in places_of(imported, PurePosixPath(path), by_path(path))]
    assert found[: len(expected)] == expected
    assert bool(found) is bool(expected)
    assert not any(".." in PurePosixPath(place).parts for place in found)


def test_names_come_before_modules_and_those_before_recent_files() -> None:
    files = {"a.py": "def f(x): ...\ndef g(): ...\n", "b.py": "def h(): ...\n", "c.py": "def k(): ...\n"}
    outlines = {PurePosixPath(name): outline(text, by_id("python")) for name, text in files.items()}
    found = related_files(
        "import b\nfrom a import f\n",
        PurePosixPath("m.py"),
        by_id("python"),
        outlines.get,
        [PurePosixPath("c.py"), PurePosixPath("m.py")],
    )
    assert found == (
        Related("a.py", ("def f(x):",)),
        Related("b.py", ("def h():",)),
        Related("c.py", ("def k():",)),
    )


@settings(max_examples=60)
@given(st.integers(0, 400), st.lists(st.text("ab(\n é", max_size=60), max_size=6))
def test_the_budget_holds_and_typing_only_appends(budget: int, signatures: list[str]) -> None:
    fake = FakeDenoiser()
    related = (Related("a.py", tuple(signatures)), Related("b.py", ("def b():",)))

    def context(prefix: str, related: tuple[Related, ...]) -> list[int]:
        return lay_out(
            prefix,
            "suffix",
            fake.codec,
            fake.special,
            budget_tokens=500,
            heal=False,
            landmarks=tuple,
            related=related,
            related_tokens=budget,
        ).context

    with_others, without = context("x = ", related), context("x = ", ())
    n_related = len(with_others) - len(without)
    assert 0 <= n_related <= min(budget, 250)
    assert with_others[n_related:] == without
    assert context("x = f", related)[: len(with_others)] == with_others
    said = fake.codec.decode(with_others[:n_related])
    assert set(said.splitlines()) <= {"a.py", "b.py", "def b():", "", *"\n".join(signatures).splitlines()}


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(found: tuple[Related, ...]) -> list[str]:
    return [file.path for file in found]


MAIN = "import a\nimport b\nimport secrets_of\nimport out\nimport sub.c\nimport gone\n"


def test_what_is_never_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a_py="def f(): ...\n", b_py="def g(): ...\n", secrets_of_py="KEY = 1\n", sub__c_py="C = 1\n")
    (tmp_path / "outside.py").write_text("SECRET = 1\n")
    (root / "out.py").symlink_to(tmp_path / "outside.py")
    (root / ".git").mkdir()
    files = RelatedFiles()

    def of(**options: object) -> list[str]:
        around = Around(root, **{"excludes": lambda _: False, **options})  # type: ignore[arg-type]
        return paths(files.of(PurePosixPath("m.py"), MAIN, "python", around))

    assert of() == ["a.py", "b.py", "sub/c.py"]
    assert of(excludes=lambda path: path.name == "a.py") == ["b.py", "sub/c.py"]
    (root / ".gitignore").write_text("b.py\n/sub/\n")
    assert of() == ["a.py", "b.py", "sub/c.py"]  # known already
    files.forget(frozenset({".gitignore", "b.py", "c.py"}))
    assert of() == ["a.py"]
    opened = {
        PurePosixPath("gone.py"): ("def h(): ...\n", "python"),
        PurePosixPath("b.py"): ("B = 1\n", "python"),
    }
    assert of(opened=opened) == ["a.py", "gone.py"]
    (root / "a.py").write_bytes(b"\xff\xfe\x00")
    files.forget(frozenset({"a.py"}))
    assert of() == []
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("a.py")
    files.forget(frozenset({"a.py"}))
    assert of() == []


def test_files_that_change_are_read_again_and_open_ones_are_the_editors(tmp_path: Path) -> None:
    write(tmp_path, a_py="def f(): ...\n")
    watched: list[frozenset[Path]] = []
    files = RelatedFiles(watched.append)
    around = Around(tmp_path, lambda _: False)

    def said(around: Around = around) -> tuple[Related, ...]:
        return files.of(PurePosixPath("m.py"), "from a import f, g\n", "python", around)

    assert said() == (Related("a.py", ("def f():",)),)
    assert tmp_path / "a.py" in watched[-1]
    assert tmp_path / ".gitignore" in watched[-1]
    write(tmp_path, a_py="def g(): ...\n")
    assert said() == (Related("a.py", ("def f():",)),)
    files.forget(frozenset({"a.py"}))
    assert said() == (Related("a.py", ("def g():",)),)
    opened = {PurePosixPath("a.py"): ("def f(x): ...\n", "python")}
    assert said(Around(tmp_path, lambda _: False, opened)) == (Related("a.py", ("def f(x):",)),)
    assert len(watched) == 1


def test_what_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a_py="def f(): ...\n")
    files = RelatedFiles()
    outline_of = analysis.outline

    def changed_meanwhile(text: str, language: str) -> tuple[Entry, ...]:
        if "def f" in text:
            write(tmp_path, a_py="def g(): ...\n")
            files.forget(frozenset({"a.py"}))
        return outline_of(text, language)

    monkeypatch.setattr(analysis, "outline", changed_meanwhile)
    around = Around(tmp_path, lambda _: False)
    told = [files.of(PurePosixPath("m.py"), "from a import f, g\n", "python", around) for _ in range(2)]
    assert told[1] == (Related("a.py", ("def g():",)),)


IGNORES = {
    ".gitignore": "*.log\n!keep.log\n/build/\ndocs/**/x.py\n\\#odd\nfoo/\n",
    "sub/.gitignore": "!a.log\n*.tmp\n/only\n",
    ".git/info/exclude": "private.py\n",
}
NAMES = [
    *("a.log", "keep.log", "sub/a.log", "sub/b.log", "build/x.py", "sub/build/x.py", "docs/x.py"),
    *("docs/p/q/x.py", "#odd", "foo/keep.log", "sub/foo/x", "foo", "sub/x.tmp", "x.tmp", "sub/only"),
    *("sub/deep/only", "private.py", "sub/private.py", "sub/deep/keep.log", "a.py"),
]


def test_ignored_as_git_itself_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    root = tmp_path / "root"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for name, text in IGNORES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(NAMES),
        capture_output=True,
        text=True,
        cwd=root,
        check=True,
    )
    ignored = Ignored(root)
    assert [name for name in NAMES if ignored(PurePosixPath(name))] == asked.stdout.splitlines()
    inside = Ignored(root / "sub")
    assert inside(PurePosixPath("b.log"))
    assert not inside(PurePosixPath("a.log"))
