"""Archives, honest and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SourceError
from export.corpus import archives
from export.corpus.archives import Member, read_members
from tests.corpora import make_deb, make_tar, make_zip

FILES = {"pkg/a.py": b"a = 1\n", "pkg/b.txt": b"no", "pkg/c.py": b"c = 3\n"}
WANTED = [Member("pkg/a.py", b"a = 1\n"), Member("pkg/c.py", b"c = 3\n")]


def read(archive: bytes, called: str) -> list[Member]:
    return list(read_members(archive, called, lambda path: path.endswith(".py")))


@pytest.mark.parametrize(
    ("called", "make"),
    [
        ("a-1-py3-none-any.whl", make_zip),
        ("a.zip", make_zip),
        ("a.tar", make_tar),
        ("a.tgz", lambda files: gzip.compress(make_tar(files))),
        ("a.orig.tar.xz", lambda files: lzma.compress(make_tar(files))),
        ("a.tar.bz2", lambda files: bz2.compress(make_tar(files))),
        ("pool/main/a_1_all.deb", make_deb),
    ],
)
def test_every_kind(called: str, make: Callable[[dict[str, bytes]], bytes]) -> None:
    archive = make(FILES)
    assert read(archive, called) == WANTED
    with pytest.raises(SourceError, match="cannot be unpacked"):
        read(archive[: 515 if called == "a.tar" else len(archive) // 2], called)
    with pytest.raises(SourceError, match="cannot be unpacked"):
        read(b"nonsense" * 100, called)


def test_an_unknown_kind() -> None:
    with pytest.raises(SourceError, match="no kind of archive"):
        read(b"", "a.rar")


HOSTILE = ["/etc/a.py", "../a.py", "a/../../b.py", "C:/a.py", "a\\b.py", "a//b.py"]


def test_hostile_names_are_passed_over() -> None:
    files = dict.fromkeys(HOSTILE, b"x") | FILES
    assert read(make_zip(files), "a.zip") == WANTED
    assert read(make_tar(files), "a.tar") == WANTED


def test_links_and_devices_are_passed_over() -> None:
    odd = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        info = tarfile.TarInfo("pkg/odd.py")
        info.type, info.linkname = kind, "/etc/passwd"
        odd.append(info)
    assert read(make_tar(FILES, *odd), "a.tar") == WANTED

    link = zipfile.ZipInfo("pkg/link.py")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO(make_zip(FILES))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert read(buffer.getvalue(), "a.zip") == WANTED


def test_a_large_member_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    files = FILES | {"pkg/large.py": b"a" * 1001}
    assert read(make_zip(files), "a.zip") == WANTED
    assert read(make_tar(files), "a.tar") == WANTED


@pytest.mark.parametrize(
    ("called", "make"), [("a.zip", make_zip), ("a.tgz", lambda f: gzip.compress(make_tar(f)))]
)
def test_a_bomb_ends_in_an_error(
    called: str, make: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = make({f"{number}.py": bytes(200_000) for number in range(6)})
    assert len(bomb) < 20_000
    with pytest.raises(SourceError, match="unpacks to too much"):
        read(bomb, called)


@pytest.mark.parametrize(("called", "make"), [("a.zip", make_zip), ("a.tar", make_tar)])
def test_too_many_members(
    called: str, make: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(SourceError, match="it holds"):
        read(make(FILES), called)


@pytest.mark.parametrize(
    ("called", "archive"),
    [("a.zip", make_zip(FILES)), ("a.deb", make_deb(FILES)), ("a.tar", make_tar(FILES))],
)
@given(data=st.data())
def test_damage_gives_members_or_a_named_error(called: str, archive: bytes, data: st.DataObject) -> None:
    damaged = bytearray(archive)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(damaged), called)
    except SourceError as error:
        assert called in str(error)
