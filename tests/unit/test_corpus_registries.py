"""Names to verified bytes, from registries that are dictionaries."""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from pathlib import Path

import httpx
import pytest

from engine.errors import IntegrityError, SourceError, UsageError
from engine.types import CancelToken
from engine.weights.store import ModelStore
from engine.weights.web import Web
from export.corpus.debian import MIRROR_VARIABLE, Debian
from export.corpus.packages import Package, RemoteFile
from export.corpus.registries import NPM_VARIABLES, Npm, PyPI, ask
from export.corpus.resolve import parse_names, resolve
from export.corpus.shelf import Shelf
from tests.corpora import make_deb, make_tar, make_zip

METADATA = b"Metadata-Version: 2.4\nName: a\nLicense-Expression: MIT\n"
COPYRIGHT = b"Format: copyright-format/1.0\n\nFiles: *\nCopyright: a\nLicense: Expat\n"

WHEEL = make_zip({"a/core.py": b"a = 1\n", "a-1.10.dist-info/METADATA": METADATA})
GPL_WHEEL = make_zip({"g-1.dist-info/METADATA": METADATA.replace(b"MIT", b"GPL-3.0-only")})
TARBALL = make_tar({"package/package.json": json.dumps({"license": "ISC"}).encode()})
DEB = make_deb(
    {"usr/share/doc/golang-a-dev/copyright": COPYRIGHT, "usr/share/gocode/src/a/a.go": b"package a\n"}
)
UPSTREAM = lzma.compress(make_tar({"a-1/A.java": b"class A {}\n"}))
PACKAGING = lzma.compress(make_tar({"debian/copyright": COPYRIGHT}))

PACKAGES = """\
Package: golang-ab-dev
Version: 9
Filename: pool/wrong.deb

Package: golang-a-dev
Version: 1-2
Filename: pool/golang-a-dev_1-2_all.deb

"""
SOURCES = f"""\
Package: a-java
Binary: libcommons-a-java
Version: 1-3
Checksums-Sha256:
 {"0" * 64} 10 a-java_1-3.dsc
 {"0" * 64} 10 a-java_1.orig.tar.xz
 {"0" * 64} 10 a-java_1-3.debian.tar.xz
Directory: pool/a

Package: native
Version: 2
Checksums-Sha256:
 {"0" * 64} 10 native_2.tar.xz
Directory: pool/n
"""


def index(*names: str) -> bytes:
    return json.dumps({"files": [{"filename": name, "url": f"/files/{name}"} for name in names]}).encode()


PAGES = {
    "/simple/a/": index(
        "a-1.9-py3-none-any.whl",
        "a-1.10-cp311-cp311-win32.whl",
        "a-1.10-py3-none-any.whl",
        "a-1.11.tar.gz",
        "a-2.0rc1-py3-none-any.whl",
        "odd.whl",
    ),
    "/simple/g/": index("g-1-py3-none-any.whl"),
    "/simple/sdist/": index("sdist-1.tar.gz"),
    "/files/a-1.10-py3-none-any.whl": WHEEL,
    "/files/g-1-py3-none-any.whl": GPL_WHEEL,
    "/npm/@s/n/latest": b'{"version": "3.1.0", "dist": {"tarball": "https://index.test/t/n.tgz"}}',
    "/npm/@s/n/3.1.0": b'{"version": "3.1.0", "dist": {"tarball": "https://index.test/t/n.tgz"}}',
    "/npm/odd/latest": b"[]",
    "/t/n.tgz": TARBALL,
    "/debian/dists/stable/main/binary-amd64/Packages.xz": lzma.compress(PACKAGES.encode()),
    "/debian/dists/stable/main/source/Sources.xz": lzma.compress(SOURCES.encode()),
    "/debian/pool/golang-a-dev_1-2_all.deb": DEB,
    "/debian/pool/a/a-java_1.orig.tar.xz": UPSTREAM,
    "/debian/pool/a/a-java_1-3.debian.tar.xz": PACKAGING,
}


class World:
    """Three registries on one host, and what was asked of it."""

    def __init__(self) -> None:
        self.pages = dict(PAGES)
        self.asked: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path not in self.pages:
            return httpx.Response(404)
        kind = "application/json" if path.startswith(("/simple", "/npm")) else "application/octet-stream"
        return httpx.Response(200, stream=httpx.ByteStream(self.pages[path]), headers={"Content-Type": kind})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def shelf(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("UNMASK_INDEX_URL", "https://index.test/simple/")
    monkeypatch.setenv(NPM_VARIABLES[0], "https://index.test/npm/")
    monkeypatch.setenv(MIRROR_VARIABLE, "https://index.test/debian/")
    store = ModelStore(tmp_path / "shelf")
    web = Web(httpx.Client(transport=httpx.MockTransport(world.answer)), store, CancelToken())
    return Shelf(store, web, {"pypi": PyPI(web), "npm": Npm(web), "debian": Debian(web)})


def remote(file: str, data: bytes) -> RemoteFile:
    return RemoteFile(file, hashlib.sha256(data).hexdigest())


LIST = [
    Package("pypi", "a", "1.10", remote("a-1.10-py3-none-any.whl", WHEEL), "MIT"),
    Package("npm", "@s/n", "3.1.0", remote("n-3.1.0.tgz", TARBALL), "ISC"),
    Package("debian", "golang-a-dev", "1-2", remote("pool/golang-a-dev_1-2_all.deb", DEB), "MIT"),
    Package(
        "debian",
        "src:a-java",
        "1-3",
        remote("pool/a/a-java_1.orig.tar.xz", UPSTREAM),
        "MIT",
        remote("pool/a/a-java_1-3.debian.tar.xz", PACKAGING),
    ),
]
NAMES = "# a remark\npypi:a\nnpm:@s/n  # another\n\ndebian:golang-a-dev\ndebian:src:a-java\npypi:a\n"


def test_names_become_the_newest_releases(shelf: Shelf) -> None:
    said: list[str] = []
    assert resolve(parse_names(NAMES), shelf, said.append) == LIST
    assert said == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pypi:g", "GPL-3.0-only is not permissive"),
        ("pypi:sdist", "no wheel of sdist"),
        ("pypi:none", "404"),
        ("npm:odd", "makes no sense of odd"),
        ("debian:golang-none-dev", "no package golang-none-dev"),
        ("debian:src:native", "not one tarball and its packaging"),
    ],
)
def test_what_cannot_be_taken_is_left_out_with_the_reason(shelf: Shelf, name: str, why: str) -> None:
    said: list[str] = []
    assert resolve(parse_names(name + "\npypi:a"), shelf, said.append) == LIST[:1]
    assert len(said) == 1
    assert why in said[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no xz", "cannot be unpacked"),
        (lzma.compress(PACKAGES.encode())[:-20], "is cut short"),
        (lzma.compress(bytes(2_000_000)), "too large"),
    ],
)
def test_a_broken_debian_index(
    shelf: Shelf, world: World, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    monkeypatch.setattr("export.corpus.debian._MOST_INDEX_BYTES", 1_000_000)
    world.pages["/debian/dists/stable/main/binary-amd64/Packages.xz"] = content
    with pytest.raises(SourceError, match=why):
        shelf.newest("debian", "golang-a-dev")


def test_a_name_without_an_ecosystem() -> None:
    with pytest.raises(UsageError, match="'attrs' names no package"):
        parse_names("pypi:a\nattrs\n")


def test_files_are_fetched_once(shelf: Shelf, world: World) -> None:
    for _ in range(2):
        assert [shelf.read(package, package.archive) for package in LIST] == [WHEEL, TARBALL, DEB, UPSTREAM]
    assert [path for path in world.asked if path.startswith("/files")] == ["/files/a-1.10-py3-none-any.whl"]


def test_a_kept_file_that_was_tampered_with_is_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    package = LIST[0]
    shelf.read(package, package.archive)
    (tmp_path / "shelf" / package.archive.sha256).write_bytes(b"other")
    assert shelf.read(package, package.archive) == WHEEL


def test_other_bytes_under_the_name_are_refused(shelf: Shelf, world: World, tmp_path: Path) -> None:
    world.pages["/files/a-1.10-py3-none-any.whl"] = GPL_WHEEL
    with pytest.raises(IntegrityError, match=r"a-1\.10-py3-none-any\.whl of pypi a 1\.10"):
        shelf.read(LIST[0], LIST[0].archive)
    assert list((tmp_path / "shelf").iterdir()) == []


def test_a_file_the_registry_has_no_more(shelf: Shelf, world: World) -> None:
    world.pages["/simple/a/"] = index("a-1.9-py3-none-any.whl")
    with pytest.raises(SourceError, match="has no file"):
        shelf.read(LIST[0], LIST[0].archive)


def test_programs_of_the_machine_are_asked(tmp_path: Path) -> None:
    script = tmp_path / "say.py"
    script.write_text("print('warning: odd'); print('https://registry.test/x')", "utf-8")
    assert ask([sys.executable, str(script)], r"^https?://\S+$", "V") == "https://registry.test/x"
    with pytest.raises(SourceError, match="Name one with V"):
        ask(["no-such-program-anywhere"], "x", "V")
    with pytest.raises(SourceError, match="names no place"):
        ask([sys.executable, str(script)], "^ftp", "V")
