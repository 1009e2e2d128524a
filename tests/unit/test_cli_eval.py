"""`unmask eval`: every mode over the same cases, the base first."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.denoising.schedule import DECODINGS, Decoding
from export.corpus.shards import Document, write_shards
from lsp_server import options
from lsp_server.cli.eval import _in_order
from lsp_server.cli.main import build_parser
from lsp_server.cli.options import load_settings
from lsp_server.options import Options
from lsp_server.settings import resolve
from tests.unit.conftest import Unmask

MODES = ["left_to_right", "lossless", "parallel"]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    path = tmp_path / "set.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number in range(3):
            problem = {
                "task_id": f"SingleLineInfilling/HumanEval/{number}/L0",
                "entry_point": "f",
                "prompt": "def f():\n",
                "canonical_solution": "    return 1\n",
                "suffix": "",
                "test": f"def check(f):\n    assert f() + {number} <= 2\n",
            }
            file.write(json.dumps(problem) + "\n")
    return str(path)


FAKE = ("--model", "fake:answer=    return 1\n")


def test_one_object_for_all_modes(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--single-line", "--json", *FAKE)
    report = json.loads(outcome.out)
    assert outcome.code == 0, outcome.err
    assert (report["set"], report["model"], report["provider"]) == ("set.jsonl.gz", "fake", "fake")
    assert list(report["modes"]) == MODES
    for figures in report["modes"].values():
        assert (figures["problems"], figures["pass_at_1"], figures["agreement"]) == (3, 0.6667, 1.0)


def test_the_base_is_always_there_and_answers_are_kept(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    arguments = ("--modes", "lossless", "--limit", "2", "--answers", str(kept), "--json")
    outcome = unmask("eval", "infilling", problems, *arguments, *FAKE)
    assert list(json.loads(outcome.out)["modes"]) == MODES[:2]
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert [line["mode"] for line in lines] == ["left_to_right"] * 2 + ["lossless"] * 2
    assert lines[0]["case"] == lines[2]["case"] == "SingleLineInfilling/HumanEval/0/L0"
    assert lines[0]["reply"]["texts"] == ["    return 1\n"]


def test_a_run_that_was_stopped_goes_on(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    command = ("eval", "infilling", problems, "--answers", str(kept), "--json", *FAKE)
    whole = json.loads(unmask(*command).out)
    lines = kept.read_text(encoding="utf-8").splitlines(keepends=True)
    kept.write_text("".join(lines[:1] + lines[3:5]), encoding="utf-8")  # as if two modes had begun
    outcome = unmask(*command, "--resume")
    resumed = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert len(resumed) == len(lines) == 9
    assert [line["mode"] for line in resumed[3:]] == ["left_to_right"] * 2 + ["lossless"] + ["parallel"] * 3
    for mode, figures in json.loads(outcome.out)["modes"].items():
        assert figures["pass_at_1"] == whole["modes"][mode]["pass_at_1"]


def test_a_run_may_be_told_to_go_on_before_it_has_begun(
    unmask: Unmask, problems: str, tmp_path: Path
) -> None:
    kept = tmp_path / "answers.jsonl"
    command = ("eval", "infilling", problems, "--resume", *FAKE)
    outcome = unmask(*command, "--answers", str(kept))
    assert outcome.code == 0 and "answers.jsonl is not there yet" in outcome.err
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 9
    assert "Name it with --answers" in unmask(*command).err


def test_a_set_is_shared_among_processes_and_added_up(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    command = ("eval", "infilling", problems, "--json", *FAKE)
    whole = tmp_path / "whole.jsonl"
    report = json.loads(unmask(*command, "--answers", str(whole)).out)
    parts = [tmp_path / name for name in ("second.jsonl", "first.jsonl")]
    for part, kept in zip(("2/2", "1/2"), parts, strict=True):
        assert unmask(*command, "--part", part, "--answers", str(kept)).code == 0
    assert [len(kept.read_text(encoding="utf-8").splitlines()) for kept in parts] == [3, 6]
    joined = tmp_path / "joined.jsonl"
    joined.write_text("".join(kept.read_text(encoding="utf-8") for kept in parts), encoding="utf-8")
    outcome = unmask(*command, "--answers", str(joined), "--resume")
    assert outcome.code == 0, outcome.err
    assert len(joined.read_text(encoding="utf-8").splitlines()) == 9  # nothing was left to ask
    added_up = json.loads(outcome.out)
    for mode, figures in added_up["modes"].items():
        for name in ("problems", "pass_at_1", "agreement"):
            assert figures[name] == report["modes"][mode][name]


def test_answers_to_other_cases_are_not_resumed(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    command = ("eval", "infilling", problems, "--answers", str(kept), *FAKE)
    assert unmask(*command, "--part", "1/2").code == 0
    outcome = unmask(*command, "--part", "2/2", "--resume")
    assert (outcome.code, "is of another run" in outcome.err) == (2, True)


@pytest.mark.parametrize("line", ["{}", "no JSON", '{"mode": "parallel", "reply": 1}', "[]"])
def test_what_is_no_file_of_answers_is_not_resumed(
    unmask: Unmask, problems: str, tmp_path: Path, line: str
) -> None:
    kept = tmp_path / "answers.jsonl"
    text = f"{line}\n"
    kept.write_text(text, encoding="utf-8")
    outcome = unmask("eval", "infilling", problems, "--answers", str(kept), "--resume", *FAKE)
    assert (outcome.code, "cannot be resumed: line 1 is no answer" in outcome.err) == (2, True)
    assert kept.read_text(encoding="utf-8") == text


def test_what_a_killed_process_left_is_resumed(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    odd = "fake:answer=    return 1  # %E2%80%A8 %C2%85%0A"  # line ends of Unicode within an answer
    command = ("eval", "infilling", problems, "--answers", str(kept), "--model", odd)
    assert unmask(*command).code == 0
    lines = kept.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 10
    for rest in (lines[8], lines[8][:40]):  # without a line end, and cut short
        kept.write_text("\n".join([*lines[:8], rest]), encoding="utf-8")
        outcome = unmask(*command, "--resume")
        assert (outcome.code, len(kept.read_text(encoding="utf-8").split("\n"))) == (0, 10), outcome.err


def test_answers_of_another_model_are_not_added_up(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    command = ("eval", "infilling", problems, "--answers", str(kept), *FAKE)
    assert unmask(*command).code == 0
    outcome = unmask(*command, "--max-tokens", "7", "--resume")
    assert (outcome.code, "is of another run (max_tokens None)" in outcome.err) == (2, True)


def test_a_case_that_is_there_twice_is_refused(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    twice = tmp_path / "twice.jsonl.gz"
    twice.write_bytes(Path(problems).read_bytes() * 2)  # gzip members follow one another
    outcome = unmask("eval", "infilling", str(twice), *FAKE)
    assert (
        outcome.code,
        "has the case SingleLineInfilling/HumanEval/0/L0 more than once" in outcome.err,
    ) == (
        2,
        True,
    )


def test_data_of_another_set_is_named(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "instructions", problems, *FAKE)
    assert (outcome.code, "is no data for instructions: a case has no 'instruction'" in outcome.err) == (
        2,
        True,
    )


def test_a_model_that_cannot_draft_has_one_mode() -> None:
    assert _in_order(None, can_draft=False) == ["left_to_right"]
    assert _in_order(None, can_draft=True) == MODES
    assert _in_order(["parallel"], can_draft=False) == ["left_to_right", "parallel"]


def test_for_people_it_is_a_table(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--modes", "left_to_right", *FAKE)
    text = outcome.out.decode()
    assert "pass at 1" in text and "left_to_right" in text and "lossless" not in text
    assert "left_to_right: 3 of 3" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("infilling",), "no data for infilling"),
        (("joint",), "no data for joint"),
        (("translate",), "no data for translate"),
        (("infilling", "gone.gz"), "gone.gz cannot be read"),
        (("heldout",), "corpus has no heldout-*.jsonl.gz"),
        (("repair",), "corpus has no heldout-*.jsonl.gz"),
        (("types",), "corpus has no heldout-*.jsonl.gz"),
        (("joint", "gone.gz"), "gone.gz cannot be read"),
        (("joint", "gone.gz", "--holes", "4"), "4 is not between 2 and 3"),
        (("translate", ".", "--to", "cobol"), "cobol is no target"),
        (("infilling", "x.gz", "--part", "3/2"), "'3/2' is no part such as 1/2"),
        (("infilling", "x.gz", "--modes", "fast"), "'fast' must be some of left_to_right, lossless"),
    ],
)
def test_what_cannot_be_measured(unmask: Unmask, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = unmask("eval", *arguments, "--model", "fake")
    assert outcome.code == 2
    assert complaint in outcome.err


def test_the_reference_has_one_mode(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--reference", "--modes", "parallel")
    assert (outcome.code, "left to right only" in outcome.err) == (2, True)


@pytest.fixture
def function(tmp_path: Path) -> str:
    """A function with lines enough for several holes; `value + 1` is right in place of every expression."""
    problem = {
        "task_id": "SingleLineInfilling/HumanEval/0/L0",
        "entry_point": "f",
        "prompt": "def f(value):\n",
        "canonical_solution": "    a=value + 1\n    b=a + 0\n    c=b + 0\n    return (c)\n",
        "suffix": "",
        "test": "def check(f):\n    assert f(1) == 2\n",
    }
    path = tmp_path / "function.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(problem).encode()))
    return str(path)


@pytest.mark.parametrize("only", [(), ("--holes", "2")])
def test_joint_holes(unmask: Unmask, function: str, tmp_path: Path, only: tuple[str, ...]) -> None:
    kept = tmp_path / "answers.jsonl"
    arguments = ("--modes", "left_to_right", "--answers", str(kept), "--json")
    outcome = unmask("eval", "joint", function, *only, *arguments, "--model", "fake:answer=value %2b 1")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["set"] == "joint function.jsonl.gz"
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert {line["group"] for line in lines} == {
        f"{n} {kind}" for n in ((2,) if only else (2, 3)) for kind in ("lines", "expressions")
    }
    for line in lines:
        assert line["reply"]["texts"] == ["value + 1"] * int(line["group"][0])
        assert line["right"] == (line["group"][2:] == "expressions")


def test_a_set_without_cases(unmask: Unmask, problems: str) -> None:
    """The functions of the other set have one line each, so nothing has two holes."""
    outcome = unmask("eval", "joint", problems, "--model", "fake")
    assert (outcome.code, "set.jsonl.gz gives no cases" in outcome.err) == (2, True)


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    directory = tmp_path / "held"
    directory.mkdir()
    documents = [
        Document("pypi", f"package{n}", "1", "MIT", "m.py", "python", f"value_{n} = table[{n}] + 1\n" * 9)
        for n in range(4)
    ]
    write_shards(documents, directory, "heldout")
    return str(directory)


def test_repair_has_one_mode_and_counts_tokens(unmask: Unmask, corpus: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    arguments = ("--limit", "2", "--answers", str(kept), "--json", "--model", "fake:answer=none%20of%20it")
    outcome = unmask("eval", "repair", corpus, *arguments)
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert (report["set"], list(report["modes"])) == ("self-correction", MODES[:1])
    figures = report["modes"]["left_to_right"]
    assert (figures["problems"], figures["exact"]) == (2, 0.0)
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert [line["case"].partition("@")[0] for line in lines] == ["pypi/package0/m.py", "pypi/package2/m.py"]
    for line in lines:  # what the fake wants is put into every slot
        assert line["reply"]["texts"][0].startswith("none of it")


def test_answers_that_cannot_be_written(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--answers", "no/such/place.jsonl", *FAKE)
    assert outcome.code == 2
    assert "place.jsonl cannot be written" in outcome.err


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.usefixtures("unmask")  # nobody's settings
def test_the_decoding_reaches_the_engine(decoding: Decoding, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(*said: str) -> EngineConfig:
        return load_settings(build_parser().parse_args(["fill", "-", *said])).engine

    assert config().decoding == "parallel"
    assert config("--decoding", decoding).decoding == decoding
    monkeypatch.setenv("UNMASK_DECODING", decoding.upper())
    assert config().decoding == decoding
    assert config("--decoding", "lossless").decoding == "lossless"  # the command line wins


def test_a_decoding_there_is_not(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = unmask("fill", "-", "--decoding", "fast")
    assert outcome.code == 2
    assert "fast" in outcome.err and "left_to_right" in outcome.err
    reports: list[str] = []
    said = options.from_json({"decoding": "fast", "threads": 2}, reports.append)
    assert said == Options(threads=2)
    assert resolve(said).engine.decoding == "parallel"
    (report,) = reports
    assert "'decoding' must be one of left_to_right, lossless, parallel, not 'fast'" in report
    monkeypatch.setenv("UNMASK_DECODING", "fast")
    outcome = unmask("fill", "-", "--model", "fake:answer=1", stdin=b"x = <hole>\n")
    assert (outcome.code, "UNMASK_DECODING must be one of" in outcome.err) == (0, True)


def test_types_of_a_corpus(unmask: Unmask, tmp_path: Path) -> None:
    text = "def f(a: int, b: str = 'x') -> None:\n    print(a, b)\n\n\ndef g(c: int) -> int:\n    return c\n"
    document = Document("pypi", "typed", "1", "MIT", "m.py", "python", text)
    write_shards([document], tmp_path, "heldout")
    arguments = (
        "eval",
        "types",
        str(tmp_path),
        "--modes",
        "parallel",
        "--json",
        "--model",
        "fake:answer=int",
    )
    outcome = unmask(*arguments)
    assert outcome.code == 0, outcome.err
    for figures in json.loads(outcome.out)["modes"].values():
        assert (figures["problems"], figures["files_exact"], figures["exact"]) == (1, 1.0, 1.0)
        assert (figures["exact_parameters"], figures["exact_returns"]) == (1.0, 1.0)
        assert figures["still_type_checks"] == 1.0


@pytest.mark.parametrize(
    "wrong", [("--model", "no-such-model"), ("--row-worth", "nan"), ("--row-worth", "-1")]
)
def test_answers_stay_where_a_run_does_not_begin(
    unmask: Unmask, problems: str, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    kept = tmp_path / "answers.jsonl"
    kept.write_text("of hours\n")
    assert unmask("eval", "infilling", problems, "--answers", str(kept), *wrong).code in (2, 3)
    assert kept.read_text() == "of hours\n"
