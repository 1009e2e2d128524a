"""The cache directory: what is trusted, what is refused, and what a bad disk is called."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import (
    Cancelled,
    ConfigError,
    IntegrityError,
    ModelNotFoundError,
    SourceError,
    StoreError,
)
from engine.types import CancelToken, Progress
from engine.weights import store as store_module
from engine.weights.catalog import BASES, BaseModel, WheelSet
from engine.weights.store import Meter, ModelStore, hash_file, human_bytes, write_atomically

CONTENT = bytes(range(256)) * 2000


def base_of(content: bytes) -> BaseModel:
    return BaseModel(
        name="tiny",
        title="Tiny",
        parameters=1,
        licence="Apache-2.0",
        file_name="tiny.gguf",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        hub_repo="someone/tiny",
        wheels=WheelSet(("tiny-part1",), "1.0"),
    )


BASE = base_of(CONTENT)


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "cache")


@pytest.fixture
def given_file(tmp_path):
    path = tmp_path / "given.gguf"
    path.write_bytes(CONTENT)
    return path


def names_below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


# Where things lie.


def test_the_root_is_the_argument_then_the_environment_then_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_CACHE_DIR", str(tmp_path / "named"))
    assert ModelStore(tmp_path / "said").root == tmp_path / "said"
    assert ModelStore().root == tmp_path / "named"
    monkeypatch.delenv("UNMASK_CACHE_DIR")
    assert ModelStore().root.is_absolute()
    assert "unmask" in ModelStore().root.parts or "unmask" in ModelStore().root.name


def test_a_tilde_means_the_home_directory(monkeypatch):
    monkeypatch.setenv("UNMASK_CACHE_DIR", "~/models")
    assert ModelStore().root == Path.home() / "models"


def test_an_unknown_home_is_a_usage_error_where_it_is_said_and_nothing_in_the_environment(monkeypatch):
    with pytest.raises(ConfigError, match="~nosuchuser/x begins with a home"):
        ModelStore(Path("~nosuchuser/x"))
    monkeypatch.setenv("UNMASK_CACHE_DIR", "~nosuchuser/x")
    assert "nosuchuser" not in str(ModelStore().root)


@pytest.mark.skipif(os.name == "nt", reason="HOME names the home of POSIX systems")
@pytest.mark.parametrize("home", ["", "not/absolute"])
def test_without_a_home_the_variable_is_named(monkeypatch, home):
    for variable in ("UNMASK_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", home)
    with pytest.raises(StoreError, match="UNMASK_CACHE_DIR"):
        ModelStore()


def test_making_a_store_touches_nothing(store):
    assert not store.has_base(BASE)
    assert store.list_bases() == store.list_artifacts() == ()
    assert not store.root.exists()


def test_the_same_file_name_with_other_bytes_lies_elsewhere(store):
    other = replace(BASE, sha256="f" * 64)
    assert store.base_path(other) != store.base_path(BASE)
    assert store.partial_dir(other) != store.partial_dir(BASE)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "/abs", "-x", "C:x", "a\n"])
def test_a_name_that_could_leave_the_store_is_refused(store, name):
    with pytest.raises(ConfigError):
        store.artifact_dir(name)


def test_only_directories_with_a_manifest_are_artifacts(store):
    for name in ("b", "a", "half"):
        store.artifact_dir(name).mkdir(parents=True)
    for name in ("b", "a"):
        (store.artifact_dir(name) / "manifest.json").write_text("{}")
    assert store.list_artifacts() == ("a", "b")


# What is trusted.


def test_a_taken_file_is_there_whole_and_nothing_is_left_over(store, given_file):
    path = store.take(BASE, given_file)
    assert path == store.base_path(BASE)
    assert path.read_bytes() == CONTENT
    assert store.has_base(BASE)
    assert names_below(store.root / "bases") == {path.name, f"{path.name}.verified"}


def test_where_links_work_no_second_copy_is_made(store, given_file):
    assert store.take(BASE, given_file).samefile(given_file)


def test_where_links_do_not_work_the_file_is_copied(store, given_file, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    told: list[Progress] = []
    path = store.take(BASE, given_file, progress=told.append)
    assert not path.samefile(given_file)
    assert path.read_bytes() == CONTENT
    assert [p for p in told if p.stage == "copying"][-1].done == len(CONTENT)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (CONTENT[:-1], "truncated"),
        (CONTENT + b"x", "too long"),
        (b"x" + CONTENT[1:], "sha256"),
        (b"", "truncated"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_left_alone(store, tmp_path, content, word):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(content)
    with pytest.raises(IntegrityError, match=word) as caught:
        store.take(BASE, wrong)
    assert str(wrong) in str(caught.value)
    assert wrong.read_bytes() == content
    assert names_below(tmp_path) == {"wrong.gguf"}


def test_a_file_that_cannot_be_read_is_no_source(store, tmp_path):
    with pytest.raises(SourceError, match=r"No such file"):
        store.take(BASE, tmp_path / "missing.gguf")
    with pytest.raises(SourceError, match="not a file"):
        store.take(BASE, tmp_path)


def test_a_changed_file_no_longer_counts_until_verified_again(store, given_file):
    path = store.take(BASE, given_file)
    os.utime(path, ns=(1, 1))
    assert not store.has_base(BASE)
    assert store.verify_base(BASE) == path
    assert store.has_base(BASE)


def test_verify_finds_one_flipped_bit_that_the_stamp_cannot_see(store, given_file):
    path = store.take(BASE, given_file)
    times = path.stat()
    content = bytearray(CONTENT)
    content[1234] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.has_base(BASE)
    with pytest.raises(IntegrityError, match="sha256"):
        store.verify_base(BASE)
    assert not store.has_base(BASE)


def test_verify_says_how_to_get_what_is_missing(store):
    with pytest.raises(ModelNotFoundError, match="unmask models pull tiny"):
        store.verify_base(BASE)


@pytest.mark.parametrize("stamp", ["", "{}", "[]", "null", '{"sha256": "0"}', "\udcff"])
def test_a_broken_stamp_is_no_stamp(store, given_file, stamp):
    path = store.take(BASE, given_file)
    Path(f"{path}.verified").write_bytes(stamp.encode("utf-8", "surrogateescape"))
    assert not store.has_base(BASE)


def test_the_listing_names_verified_bases_only(store, given_file, monkeypatch):
    monkeypatch.setattr(store_module, "BASES", (*BASES, BASE))
    store.take(BASE, given_file)
    assert store.list_bases() == (BASE,)


def test_cancelling_leaves_the_candidate_and_nothing_under_the_final_name(store, given_file):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        store.take(BASE, given_file, cancel=cancel)
    assert not store.base_path(BASE).exists()


# Links in place of directories and files.


def test_a_linked_cache_directory_is_used_where_it_points(tmp_path, given_file):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "big disk", target_is_directory=True)
    store = ModelStore(tmp_path / "link")
    store.check_writable()
    store.check_space(1)
    store.take(BASE, given_file)
    assert store.has_base(BASE)
    assert ModelStore(tmp_path / "big disk").has_base(BASE)


def test_a_link_to_nowhere_is_replaced(store, given_file):
    final = store.base_path(BASE)
    final.parent.mkdir(parents=True)
    final.symlink_to(store.root / "gone")
    assert not store.has_base(BASE)
    assert store.take(BASE, given_file).read_bytes() == CONTENT


# Bad disks.


def test_a_cache_below_a_file_is_a_store_error(given_file):
    store = ModelStore(given_file / "cache")
    for act in (store.check_writable, lambda: store.take(BASE, given_file)):
        with pytest.raises(StoreError, match="UNMASK_CACHE_DIR"):
            act()


@pytest.mark.parametrize(
    ("code", "word"),
    [(errno.EROFS, "cannot be used"), (errno.EACCES, "cannot be used"), (errno.ENOSPC, "is full")],
)
def test_the_systems_refusals_are_named(store, monkeypatch, code, word):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(store_module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(StoreError, match=word) as caught:
        store.check_writable()
    assert str(store.root) in caught.value.cause


def test_too_little_space_is_said_with_both_figures(store, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 2_000_000))
    store.check_space(2_000_000)
    with pytest.raises(StoreError, match=r"needs 491\.4 MB more and has 2\.0 MB free"):
        store.check_space(491_400_064)


def test_a_read_only_cache_that_is_complete_can_be_verified(store, given_file, monkeypatch):
    path = store.take(BASE, given_file)
    Path(f"{path}.verified").unlink()

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(store_module, "write_atomically", refuse)
    assert store.verify_base(BASE) == path


def test_what_cannot_be_moved_to_its_name_is_not_there(store, given_file, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "the file is open elsewhere")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match="open elsewhere"):
        store.take(BASE, given_file)
    assert not store.base_path(BASE).exists()
    assert not store.has_base(BASE)


# The lock.


def test_a_second_one_waits_and_can_stop_waiting(store):
    store.check_writable()
    cancel, told = CancelToken(), []

    def listen(progress: Progress) -> None:
        told.append(progress.stage)
        cancel.cancel()

    with store.alone(BASE), pytest.raises(Cancelled), store.alone(BASE, progress=listen, cancel=cancel):
        pytest.fail("two at once")
    assert told == ["waiting for another pull"]
    with store.alone(BASE):
        pass  # free again


# Small parts.


@given(st.integers(0, 5000), st.lists(st.integers(-10, 10_000)))
def test_a_meter_only_rises_and_stays_below_its_total(total, said):
    told: list[Progress] = []
    meter = Meter(told.append, "stage", total)
    for done in said:
        meter.at(done)
    meter.at(total)
    counts = [progress.done for progress in told]
    assert counts == sorted(set(counts))
    assert counts[-1] == total
    assert all(0 <= count <= total for count in counts)


def test_a_meter_does_not_flood_its_listener():
    told: list[Progress] = []
    meter = Meter(told.append, "stage", 10**9)
    for done in range(0, 10**9 + 1, 10**5):
        meter.at(done)
    assert len(told) <= 1100


@given(st.binary(max_size=5000))
def test_a_file_is_hashed_as_its_bytes_are(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("hash") / "f"
    path.write_bytes(content)
    assert hash_file(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (491_400_064, "491.4 MB"), (10**16, "10000.0 TB")],
)
def test_bytes_for_people(count, text):
    assert human_bytes(count) == text


def test_a_write_that_fails_leaves_the_old_file_and_no_scrap(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomically(path, "old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names_below(tmp_path) == {"f"}
