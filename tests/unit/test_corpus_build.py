"""A whole corpus, from a registry that is a dictionary."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from engine.errors import SourceError
from export.corpus import shards
from export.corpus.build import SUMMARY_FILE, build
from export.corpus.decontaminate import Problems
from export.corpus.licences import LicenceError
from export.corpus.packages import split_of
from export.corpus.shards import Document, read_shard, write_shards
from tests.corpora import PROBLEM, Registry, source

NONE = Problems([])
HELDOUT = next(f"p{number}" for number in range(1000) if split_of("pypi", f"p{number}") == "heldout")


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    for name in ("alpha", "beta", "gamma", HELDOUT):
        files = {f"{name}/{part}.py": source(f"{name}_{part}") for part in ("core", "text", "tree")}
        made.add(name, {**files, f"{name}/tests/test_core.py": source("test"), f"{name}/README.md": "text"})
    return made


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def documents(directory: Path) -> list[Document]:
    return [document for path in sorted(directory.glob("*.gz")) for document in read_shard(path)]


def test_the_same_list_gives_the_same_bytes(registry: Registry, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    build(registry.packages, registry.fetch, one, problems=NONE)
    (other / "old").mkdir(parents=True)
    (other / "train-007.jsonl.gz").write_bytes(b"of an earlier run")
    build(registry.packages, registry.fetch, other, problems=NONE)
    (other / "old").rmdir()
    assert set(contents(one)) == {"train-000.jsonl.gz", "heldout-000.jsonl.gz", SUMMARY_FILE}
    assert contents(one) == contents(other)


def test_lines_and_counts(registry: Registry, tmp_path: Path) -> None:
    summary = build(registry.packages, registry.fetch, tmp_path, problems=NONE)
    lines = gzip.decompress((tmp_path / "heldout-000.jsonl.gz").read_bytes()).decode().splitlines()
    first = json.loads(lines[0])
    assert list(first) == ["ecosystem", "package", "version", "licence", "path", "language", "text"]
    assert (first["package"], first["licence"], first["language"]) == (HELDOUT, "MIT", "python")
    assert {document.package for document in documents(tmp_path)} == {"alpha", "beta", "gamma", HELDOUT}
    assert summary == json.loads((tmp_path / SUMMARY_FILE).read_text("utf-8"))
    assert summary["dropped"] == {"test": 4}
    train = summary["splits"]["train"]
    assert train["packages"] == 3
    texts = [document.text for document in documents(tmp_path) if document.package != HELDOUT]
    assert train["by_language"] == {"python": {"files": 9, "characters": sum(map(len, texts))}}
    packed = gzip.decompress((tmp_path / "train-000.jsonl.gz").read_bytes())
    assert train["shards"][0]["sha256"] == hashlib.sha256(packed).hexdigest()


def test_the_held_out_split_does_not_depend_on_the_rest(registry: Registry, tmp_path: Path) -> None:
    build(registry.packages, registry.fetch, tmp_path / "all", problems=NONE)
    build(registry.packages, registry.fetch, tmp_path / "heldout", problems=NONE, heldout_only=True)
    assert set(contents(tmp_path / "heldout")) == {"heldout-000.jsonl.gz", SUMMARY_FILE}
    name = "heldout-000.jsonl.gz"
    assert contents(tmp_path / "heldout")[name] == contents(tmp_path / "all")[name]


def test_a_copy_of_a_held_out_file_is_not_trained_on(registry: Registry, tmp_path: Path) -> None:
    registry.add("aardvark", {"aardvark/copied.py": source(f"{HELDOUT}_core")})
    summary = build(registry.packages, registry.fetch, tmp_path, problems=NONE)
    assert summary["dropped"]["exact copy"] == 1
    assert "aardvark" not in {document.package for document in documents(tmp_path)}


def test_evaluation_problems_are_left_out(registry: Registry, tmp_path: Path) -> None:
    registry.add("solutions", {"solutions/close.py": source("solutions") + PROBLEM})
    summary = build(registry.packages, registry.fetch, tmp_path, problems=Problems([PROBLEM]))
    assert summary["dropped"]["evaluation problem"] == 1
    assert not [document for document in documents(tmp_path) if "has_close_elements" in document.text]


def test_a_package_has_a_share(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.corpus.build.MAX_PACKAGE_CHARS", 2 * len(source("alpha_core")) + 10)
    summary = build(registry.packages, registry.fetch, tmp_path, problems=NONE)
    assert summary["dropped"]["over its package's share"] == 4
    assert summary["splits"]["train"]["by_language"]["python"]["files"] == 6


def test_a_licence_in_the_list_is_held_to_the_rules(registry: Registry, tmp_path: Path) -> None:
    registry.add("free", {"free/a.py": source("free")}, "GPL-3.0-only")
    with pytest.raises(LicenceError, match=r"GPL-3\.0-only"):
        build(registry.packages, registry.fetch, tmp_path, problems=NONE)
    assert not (tmp_path / SUMMARY_FILE).exists()


def test_an_archive_that_cannot_be_read_ends_the_run(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"-1\.whl cannot be unpacked"):
        build(registry.packages, lambda _package, _file: b"broken", tmp_path, problems=NONE)


def test_shards_are_bounded_and_in_an_order_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 200_000)
    monkeypatch.setattr(shards, "_ROOM_BYTES", 100_000)
    texts = [hashlib.shake_256(bytes([number])).hexdigest(10_000) for number in range(60)]
    made = [
        Document("pypi", "a", "1", "MIT", f"a/{number:02}.py", "python", text)
        for number, text in enumerate(texts)
    ]
    written = write_shards(shards.shuffled(made, 1), tmp_path, "train")
    assert [shard.file for shard in written] == [
        f"train-{number:03}.jsonl.gz" for number in range(len(written))
    ]
    assert len(written) > 2
    assert all((tmp_path / shard.file).stat().st_size <= 200_000 for shard in written)
    read = documents(tmp_path)
    assert sum(shard.documents for shard in written) == len(read) == 60
    assert read == shards.shuffled(made[::-1], 1) != shards.shuffled(made, 2)
    assert read != made
