"""Translation: the cases, what is asked of the engine, and what becomes of an answer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.errors import UsageError
from export.evaluate import translate
from export.evaluate.answers import Reply
from export.evaluate.go_tests import go_program
from export.evaluate.translate import Case, evaluation, read_cases
from export.sandbox import TOOLCHAINS, Verdict, missing_tools


def case(language: str, declaration: str) -> Case:
    return Case("X/1", language, "def f():\n    return 1", declaration, "", "test();")


CPP = case("cpp", "#include<string>\nint f(){\n")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    def write(target: str, rows: list[dict[str, str]]) -> None:
        with gzip.open(tmp_path / f"humaneval_x_{target}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"test": "check()", **row}) + "\n" for row in rows)

    source = {"declaration": "def f():\n", "canonical_solution": "    return 1\n"}
    write("python", [{"task_id": "Python/0", **source}, {"task_id": "Python/38", **source}])
    declaration = "\nuse rand::Rng;\nuse std::mem;\n\nfn f() -> i32 {\n"
    write(
        "rust",
        [
            {"task_id": f"Rust/{number}", "declaration": declaration, "canonical_solution": "1 }"}
            for number in (0, 38)
        ],
    )
    return tmp_path


def test_cases_pair_a_source_with_a_declaration(directory: Path) -> None:
    (found,) = read_cases(directory, ["rust"])  # the other one needs a package
    assert found == Case(
        name="Rust/0",
        language="rust",
        source="def f():\n    return 1",
        declaration="use std::mem;\n\nfn f() -> i32 {\n",
        solution="1 }",
        tests="check()",
    )


def test_a_missing_file_and_an_unknown_target_are_named(directory: Path) -> None:
    with pytest.raises(UsageError, match=r"humaneval_x_cpp\.jsonl\.gz"):
        read_cases(directory, ["cpp"])
    with pytest.raises(UsageError, match="cobol is no target"):
        evaluation(directory, targets=["cobol"], limit=None, max_tokens=9)


def test_the_task_is_asked_with_the_declaration(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "check_toolchain", lambda _: None)
    asked = evaluation(directory, targets=["rust"], limit=None, max_tokens=64)
    fake = FakeDenoiser("    1\n}\n\nfn main() {}")
    reply = asked.ask(Engine(fake, fake.codec, 1024, "left_to_right"), asked.cases[0])
    assert reply.texts == ("    1\n}",) and reply.status == "ok"
    assert reply.context_forwards == 1 and reply.forwards > reply.tokens >= len("    1\n}")


def test_go_tests_need_nothing_but_go() -> None:
    code = """import (
	"fmt"
)
func F(x float64) float64 { return math.Abs(x) }
func TestF(t *testing.T) {
	assert := assert.New(t)
	assert.Equal(1.0, F(-1))
}
"""
    program = go_program(code)
    assert program.startswith('package main\n\nimport (\n\t"math"\n\t"reflect"\n\t"testing"\n)\n')
    assert program.count("import") == 1 and '"fmt"' not in program


@pytest.mark.skipif(bool(missing_tools("go")), reason="no Go on this machine")
@pytest.mark.parametrize(("given", "passed"), [(1, True), (2, False)])
def test_go_is_judged_by_its_tests(given: int, passed: bool) -> None:
    tests = "func TestF(t *testing.T) {\n\tassert := assert.New(t)\n\tassert.Equal(1, F())\n}\n"
    case = Case("Go/0", "go", "", "func F() int {\n", "", tests)
    answer = translate.judge(case, Reply((f"\treturn {given}\n}}",), "ok", 3, 3, 1, 0, 1.0))
    assert (answer.right, bool(answer.shares["compiles"].hits)) == (passed, True)


def test_every_target_can_be_run() -> None:
    assert set(translate.TARGETS.values()) <= set(TOOLCHAINS)


def test_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[str] = []

    def run_program(language: str, program: str, *, seconds: float) -> Verdict:
        programs.append(program)
        return Verdict(False, "does not compile: error") if "bad" in program else Verdict(True, "")

    monkeypatch.setattr(translate, "run_program", run_program)
    good = translate.judge(CPP, Reply(("return 1;}",), "ok", 3, 3, 1, 0, 1.0))
    assert programs == [f"{CPP.declaration}return 1;}}\ntest();"]
    assert good.right and good.shares["compiles"].hits and good.shares["parses"].hits
    bad = translate.judge(CPP, Reply(("bad",), "ok", 3, 3, 1, 0, 1.0))
    assert not (bad.right or bad.shares["compiles"].hits or bad.shares["parses"].hits)
