"""Bytes of an archive to the files in it, in memory: wheels, tarballs and Debian packages.

Archives are hostile until read: every size is bounded, links and odd names are passed over, and a name in
an archive is never used as a path on the disk. Knows nothing of what the files mean.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.errors import SourceError

MAX_MEMBERS = 60_000
MAX_MEMBER_BYTES = 1 << 20
"""A wanted member that is larger is passed over."""
MAX_UNPACKED_BYTES = 800 << 20

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # an unusual packing
    RuntimeError,  # an encrypted member
    ValueError,
    OverflowError,
    LookupError,  # what zipfile makes of a broken extra field
)
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name there, with ``/`` between parts, and what is in it."""

    path: str
    data: bytes


def read_members(archive: bytes, called: str, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The regular files of an archive whose name is ``wanted``, in the archive's order.

    Args:
        archive: the bytes of a ``.whl``, ``.zip``, ``.deb`` or ``.tar`` packed with gzip, bzip2 or xz.
        called: its file name; says what it is.
        wanted: told the name of each file that has a harmless one.

    Raises:
        SourceError: it is broken, of another kind, or unpacks to more than the bounds.
    """
    try:
        yield from _reader(archive, called)(archive, wanted)
    except _BROKEN as error:
        raise SourceError(f"{called} cannot be unpacked ({error or type(error).__name__})") from error


def _reader(archive: bytes, called: str) -> Callable[[bytes, Callable[[str], bool]], Iterator[Member]]:
    if called.endswith((".whl", ".zip")):
        return _read_zip
    if called.endswith(".deb"):
        return _read_deb
    if re.search(r"\.(tgz|tar(\.(gz|xz|bz2))?)$", called):
        return _read_tar
    raise SourceError(f"{called} is no kind of archive that can be read")


def _read_zip(archive: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        infos = opened.infolist()
        if len(infos) > MAX_MEMBERS:
            raise ValueError(f"it holds {len(infos)} files")
        total = 0
        for info in infos:
            linked = (info.external_attr >> 16) & 0o170000 == 0o120000
            if info.is_dir() or linked or not _harmless(info.filename) or not wanted(info.filename):
                continue
            with opened.open(info) as member:  # the size it claims need not be the size it has
                data = member.read(MAX_MEMBER_BYTES + 1)
            total += len(data)
            if total > MAX_UNPACKED_BYTES:
                raise ValueError("it unpacks to too much")
            if len(data) <= MAX_MEMBER_BYTES:
                yield Member(info.filename, data)


def _read_tar(archive: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    with _unpacked(archive) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r|") as opened:
        for count, info in enumerate(opened):
            if count >= MAX_MEMBERS:
                raise ValueError(f"it holds more than {MAX_MEMBERS} files")
            path = info.name.removeprefix("./")
            if not info.isreg() or info.size > MAX_MEMBER_BYTES or not _harmless(path) or not wanted(path):
                continue
            member = opened.extractfile(info)
            assert member is not None
            data = member.read()
            if len(data) != info.size:
                raise EOFError("it is cut short")
            yield Member(path, data)


def _read_deb(archive: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """An ``ar`` archive: a member ``data.tar.*`` holds the files. Source: deb(5)."""
    if not archive.startswith(_AR_MAGIC):
        raise ValueError("it is no Debian package")
    at = len(_AR_MAGIC)
    while at + _AR_HEADER_BYTES <= len(archive):
        header = archive[at : at + _AR_HEADER_BYTES]
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        start = at + _AR_HEADER_BYTES
        if size < 0 or start + size > len(archive):
            raise EOFError("it is cut short")
        if name.startswith("data.tar"):
            yield from _read_tar(archive[start : start + size], wanted)
            return
        at = start + size + size % 2
    raise EOFError("it holds no data")


def _unpacked(archive: bytes) -> io.BufferedIOBase:
    packed = io.BytesIO(archive)
    if archive.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=packed)
    if archive.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(packed)
    if archive.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    return packed


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where more than the bound has been read from it."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("it unpacks to too much")
        return data


def _harmless(path: str) -> bool:
    """Whether a name is one that a file inside a directory can have on every system."""
    parts = path.split("/")
    return not ({"..", ""} & set(parts) or {"\\", "\0", ":"} & set(path))
