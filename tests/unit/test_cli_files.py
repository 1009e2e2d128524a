"""Bytes in and out: nothing but what was asked for changes."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from engine.errors import TextError
from lsp_server.cli import files

BYTES = {
    "crlf": b"a = 1\r\nb = 2\r\n",
    "cr": b"a = 1\rb = 2\r",
    "mixed, no last newline": b"a = 1\r\nb = 2\nc = 3",
    "utf-8 with a mark": b"\xef\xbb\xbfa = 1\n",
    "emoji": "a = '😀'\n".encode(),
    "latin-1": "# -*- coding: latin-1 -*-\na = 'é'\n".encode("latin-1"),
    "utf-16": "a = 'é'\r\n".encode("utf-16"),
    "line separators": "a\u2028b\x0cc\x85d\n".encode(),
    "empty": b"",
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
def test_what_is_read_is_written_back_byte_for_byte(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(data)
    document = files.read(str(path))
    files.write(str(path), document, document.text + "x")
    written = path.read_bytes()
    assert written.startswith(data) and len(written) > len(data)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.py"]


def test_the_mode_stays(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_bytes(b"echo\n")
    path.chmod(0o755)
    before = stat.S_IMODE(path.stat().st_mode)
    files.write(str(path), files.read(str(path)), "echo hello\n")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"echo hello\n", before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are none, or others")
def test_attributes_stay(tmp_path: Path) -> None:
    path = tmp_path / "notes.py"
    path.write_bytes(b"a\n")
    try:
        os.setxattr(path, "user.origin", b"x")
    except OSError:
        pytest.skip("this file system has no attributes")
    files.write(str(path), files.read(str(path)), "b\n")
    assert (path.read_bytes(), os.getxattr(path, "user.origin")) == (b"b\n", b"x")


def test_a_file_of_two_names_keeps_them(tmp_path: Path) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_bytes(b"a = 1\n")
    other.hardlink_to(path)
    files.write(str(path), files.read(str(path)), "b\n")
    assert (path.read_bytes(), other.read_bytes(), path.stat().st_nlink) == (b"b\n", b"b\n", 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such owners")
@pytest.mark.parametrize("allowed", [True, False])
def test_the_owner_stays_where_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    path = tmp_path / "tool.sh"
    path.write_bytes(b"a\n")
    path.chmod(0o4755)
    owner, given = path.stat(), []

    def chown(name: str, uid: int, gid: int) -> None:
        given.append((uid, gid))
        if not allowed:
            raise PermissionError

    monkeypatch.setattr(os, "chown", chown)
    files.write(str(path), files.read(str(path)), "b\n")
    assert given[0] == (owner.st_uid, owner.st_gid)
    assert stat.S_IMODE(path.stat().st_mode) == (0o4755 if allowed else 0o755)


def test_a_file_changed_in_the_meantime_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(b"a\n")
    document = files.read(str(path))
    path.write_bytes(b"somebody else's\n")
    with pytest.raises(TextError, match="changed while"):
        files.write(str(path), document, "b\n")
    assert path.read_bytes() == b"somebody else's\n"


def test_a_character_the_encoding_lacks_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(BYTES["latin-1"])
    document = files.read(str(path))
    with pytest.raises(TextError, match="cannot be written as"):
        files.write(str(path), document, document.text + "😀")
    assert path.read_bytes() == BYTES["latin-1"]


def test_a_failed_write_leaves_the_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(b"a\n")
    document = files.read(str(path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TextError, match="No space left"):
        files.write(str(path), document, "b\n")
    assert (path.read_bytes(), [entry.name for entry in tmp_path.iterdir()]) == (b"a\n", ["file.py"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.py", "there is no file"),
        ("folder", "is a directory"),
        ("binary.bin", "binary"),
        ("bad.py", "UTF-8"),
        ("nul\0name", "cannot be read"),
    ],
)
def test_what_is_no_text_file_is_named(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary.bin").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "bad.py").write_bytes(b"a = '\xe9'\n")
    with pytest.raises(TextError, match=said) as caught:
        files.read(str(tmp_path / name))
    assert name.partition("\0")[0] in str(caught.value)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.py"
    with path.open("wb") as file:
        file.truncate(50 * 2**20)
    with pytest.raises(TextError, match="larger than 16 MiB"):
        files.read(str(path))


def test_a_new_file_that_cannot_be_written_whole_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        files.create(str(tmp_path / "new.py"), "\ud800")
    assert not (tmp_path / "new.py").exists()
