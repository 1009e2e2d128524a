"""`unmask train corpus` from the outside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.corpus import shelf
from export.corpus.packages import format_list
from lsp_server.cli.main import main
from tests.corpora import Registry, source


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()
    made.add("alpha", {"alpha/core.py": source("alpha")})
    made.add("beta", {"beta/core.py": source("beta")})

    class OpenShelf:
        read = staticmethod(made.fetch)

    @contextlib.contextmanager
    def open_shelf(_directory: Path | None) -> Iterator[OpenShelf]:
        yield OpenShelf()

    monkeypatch.setattr(shelf, "open_shelf", open_shelf)
    return made


def test_a_list_becomes_a_corpus(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list.jsonl"
    listed.write_text(format_list(registry.packages), "utf-8")
    out = tmp_path / "corpus"
    assert main(["train", "corpus", "--list", str(listed), "--out", str(out), "--limit", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(out)
    assert "evaluation problems may be in the corpus" in said.err
    assert json.loads((out / "corpus.json").read_text("utf-8"))["splits"]["train"]["packages"] == 1


def test_a_place_that_cannot_be_written_to(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, taken = tmp_path / "list.jsonl", tmp_path / "taken"
    listed.write_text(format_list(registry.packages), "utf-8")
    taken.write_text("a file", "utf-8")
    assert main(["train", "corpus", "--list", str(listed), "--out", str(taken)]) == 2
    assert "taken cannot be written" in capsys.readouterr().err
    assert taken.read_text("utf-8") == "a file"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "nowhere to write to"),
        (["--resolve", "names"], "--resolve and --list-out go together"),
        (["--resolve", "a", "--list-out", "b", "--list", "c"], "--resolve makes a list"),
        (["--out", "x", "--list", "none.jsonl"], "none.jsonl cannot be read"),
        (["--resolve", "none", "--list-out", "b"], "none cannot be read"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_mistakes(
    options: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "corpus", *options]) == 2
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "export.corpus.shelf", None)
    assert main(["train", "corpus", "--out", "x"]) == 2
    assert "pip install 'unmask[export]'" in capsys.readouterr().err
