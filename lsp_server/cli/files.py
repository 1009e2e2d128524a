"""Files in and out, byte for byte: a path or stdin to a document, and new text back to its place.

Every failure of the file system becomes a named error that names the file. Knows nothing of holes.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from engine.code import regions
from engine.code.text import Document, decode, encode
from engine.errors import TextError, UsageError

STDIN = "-"
MAX_BYTES = 16 * 2**20


def read(name: str) -> Document:
    """Read a file, or stdin for ``-``.

    Raises:
        TextError: it cannot be read, is too large, or is not text.
    """
    shown = "stdin" if name == STDIN else name
    data = _read_stdin() if name == STDIN else _read_path(Path(name))
    if len(data) > MAX_BYTES:
        raise TextError(f"{shown} is larger than {MAX_BYTES // 2**20} MiB", "Cut out the part to be filled.")
    return decode(data, shown)


def check_no_secret(name: str) -> None:
    """See that a file may be read, by whatever name or link it is reached.

    Raises:
        UsageError: it looks like one of secrets.
    """
    path = Path(name)
    if any(regions.is_secret_path(one) for one in (path, path.absolute(), Path(os.path.realpath(path)))):
        raise UsageError(
            f"{name} looks like a file of secrets, which Unmask never reads",
            "Pipe it through stdin if you mean it.",
        )


def stdin() -> BinaryIO:
    """The bytes of stdin.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed", "Pipe something into it, or name a file.")
    return sys.stdin.buffer


def write(name: str, document: Document, text: str) -> None:
    """Put a new text in the place of a file at once: a reader sees the old one or the new one.

    Owner, mode, encoding and byte order mark stay; a symbolic link stays one. A file of several names is
    written where it lies, so that it keeps them.

    Args:
        name: the path.
        document: what was read from it; the file must still be that.
        text: the new text.

    Raises:
        TextError: it cannot be written, or was changed in the meantime.
    """
    path = Path(name).resolve()
    data = encode(document, text)
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise TextError(f"{name} is not a regular file", "Leave --write out to print the result.")
        if path.read_bytes() != encode(document):
            raise TextError(f"{name} was changed while it was being filled", "Run it again.")
        if not os.access(path, os.W_OK):
            raise TextError(f"{name} is read-only", "Leave --write out to print the result.")
        _replace(path, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TextError(f"{name} cannot be written ({reason})", "It was left as it was.") from error


def create(name: str, text: str) -> None:
    """Write a new file, in UTF-8; what is there already is left as it is.

    Raises:
        TextError: there is something of this name, or it cannot be written.
    """
    path = Path(name)
    try:
        with path.open("xb") as file:
            try:
                file.write(text.encode("utf-8"))
                file.flush()
            except BaseException:  # half a file would be in the way of the next run
                path.unlink()
                raise
    except FileExistsError:
        raise TextError(f"{name} is there already", "Leave --write out to print the result.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise TextError(f"{name} cannot be written ({reason})", "Check the directory.") from error


def check_place(path: Path) -> None:
    """See, before long work, that its result can be written; nothing is touched.

    Raises:
        UsageError: it is a directory, or in one that is not there.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a directory", "Name a file.")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written (no directory {path.parent})", "Name another place.")


def _read_stdin() -> bytes:
    try:
        return stdin().read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TextError(f"stdin cannot be read ({reason})", "Pipe a text into it.") from error


def _read_path(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise TextError(f"{path} is a directory", "Name a file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TextError(f"there is no file {path}", "Check the name.") from None
    except (OSError, ValueError) as error:  # a name with a zero character is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"{path} cannot be read ({reason})", "Check the name and its permissions.") from error


def _replace(path: Path, data: bytes) -> None:
    info = path.stat()
    if info.st_nlink > 1:
        old = path.read_bytes()
        try:
            _overwrite(path, data)
        except BaseException:
            with contextlib.suppress(OSError):
                _overwrite(path, old)
            raise
        return
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unmask", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _dress(fresh, path, info)
        Path(fresh).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(fresh).unlink()
        raise


def _overwrite(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _dress(fresh: str, old: Path, info: os.stat_result) -> None:
    """Give a new file what an old one wears: owner, mode, access list, attributes of the user's.

    Without the owner it gets no rights that the owner lends.
    """
    mode = stat.S_IMODE(info.st_mode)
    if sys.platform != "win32":
        try:
            os.chown(fresh, info.st_uid, info.st_gid)
        except OSError:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
            with contextlib.suppress(OSError):
                os.chown(fresh, -1, info.st_gid)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a file system without them
            for name in os.listxattr(old):
                if name.startswith(("user.", "system.posix_acl_access")):
                    os.setxattr(fresh, name, os.getxattr(old, name))
    Path(fresh).chmod(mode)
