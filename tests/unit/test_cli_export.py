"""`unmask export`: what cannot be asked for is said in one line, before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lsp_server.cli.main import main
from tests import checkpoints

pytestmark = pytest.mark.export


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["export", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nowhere to write to"),
        (["--from", "x", "--ship", "s"], "a checkpoint becomes an artifact of its own"),
        (["--from", "x", "--out", "o", "--adapter", "a"], "a checkpoint becomes an artifact of its own"),
        (["--ship", __file__], "is not a directory"),
        (["--quantization", "f16", "--out", "o"], "f16 is for checkpoints with --from"),
        (["--from", "no such thing", "--out", "o"], "is no directory and no hub repository"),
        (["--from", "~nosuchuser/x", "--out", "o"], "begins with a home directory that is not known"),
        (["--from", ".", "--out", "o"], "holds no config.json"),
    ],
)
def test_usage(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(capsys, *arguments)
    assert code in (2, 3) and message in said and said.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_directory_that_holds_something_is_left_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("x")
    code, said = run(capsys, "--from", "x", "--out", str(tmp_path))
    assert code == 2 and "is not empty" in said
    code, said = run(capsys, "--from", "x", "--out", str(tmp_path / "kept"))
    assert code == 2 and "is not empty" in said


def test_an_approximate_cache_is_asked_for_at_export(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checkpoints.write(tmp_path / "plain", "a2d-qwen2")
    out = tmp_path / "out"
    with checkpoints.quick():
        code, said = run(capsys, "--from", str(tmp_path / "plain"), "--out", str(out), "--refresh", "4")
    assert code == 0 and "plain is of family a2d" in said
    assert json.loads((out / "manifest.json").read_text())["decode"]["refresh"] == 4
