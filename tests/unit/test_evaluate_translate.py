"""Translation: the question, where an answer ends, and what becomes of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.fake import FakeDenoiser
from engine.tokens import TokenCodec
from export.evaluate import translate
from export.evaluate.answers import Reply
from export.evaluate.translate import Case, Writer, context_of, evaluation, read_cases, stop_rule
from export.sandbox import Verdict

CODEC = TokenCodec.of_bytes(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def case(language: str, declaration: str) -> Case:
    return Case("X/1", language, "def f():\n    return 1", declaration, "", "test();")


CPP = case("cpp", "#include<string>\nint f(){\n")
JAVA = case("java", "class Solution {\n    public int f() {\n")


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
        task_id="Rust/0",
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


def test_the_question_ends_with_the_declaration() -> None:
    text = CODEC.decode(context_of(CODEC, CPP))
    assert "```python\ndef f():\n    return 1\n```" in text and "to C++" in text
    assert text.endswith(f"assistant\n```cpp\n{CPP.declaration}")


@pytest.mark.parametrize(
    ("asked", "text", "kept"),
    [
        (CPP, "  return 1;\n}\nint main(){}", "  return 1;\n}"),
        (CPP, "  if (a) { b(); }\n  return 1;\n", None),
        (CPP, "  string s = \"}\"; // }\n  char c = '}';\n}", "  string s = \"}\"; // }\n  char c = '}';\n}"),
        (CPP, "  return 1;\n```\nThis", "  return 1;"),
        (JAVA, "        return 1;\n    }\n    int g() { return 2; }\n", None),
        (JAVA, "        return 1;\n    }\n}\nclass B {}", "        return 1;\n    }\n}"),
    ],
)
def test_an_answer_ends_where_the_declaration_closes(asked: Case, text: str, kept: str | None) -> None:
    end = stop_rule(asked)(text)
    assert (None if end is None else text[:end]) == kept


def test_the_writer_goes_on_after_any_context() -> None:
    fake = FakeDenoiser("  return 1;\n}\nmore")
    context = [fake.special.fim_middle, *fake.codec.encode("int f(){\n")]
    given = Writer(fake, fake.codec, "left_to_right").complete(context, max_tokens=64, stop=stop_rule(CPP))
    assert (given.texts, given.status) == (("  return 1;\n}",), "rule")
    assert given.context_forwards == 1 and given.forwards > 1 and given.tokens >= len("  return 1;\n}")


def test_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[str] = []

    def run_program(language: str, program: str, *, seconds: float) -> Verdict:
        programs.append(program)
        return Verdict(False, "does not compile: error") if "bad" in program else Verdict(True, "")

    monkeypatch.setattr(translate, "run_program", run_program)
    good = translate.judge(CPP, Reply(("return 1;}",), "rule", 3, 3, 1, 0, 1.0))
    assert programs == [f"{CPP.declaration}return 1;}}\ntest();"]
    assert good.right and good.shares["compiles"].hits and good.shares["ended"].hits
    bad = translate.judge(CPP, Reply(("bad",), "length", 3, 3, 1, 0, 1.0))
    assert not (bad.right or bad.shares["compiles"].hits or bad.shares["ended"].hits)
