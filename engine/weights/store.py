"""The cache directory: a base model or an artifact's name to where it lies, and whether it can be trusted.

Nothing stands under a final name that was not verified first. Layout::

    ROOT/bases/<sha256, first 12>-<file name>            verified weights
    ROOT/bases/<sha256, first 12>-<file name>.verified   stamp: the digest, size and time it was verified with
    ROOT/bases/<sha256, first 12>.partial/               what a running or interrupted pull has so far
    ROOT/bases/<sha256, first 12>.lock                   held by the process that pulls
    ROOT/artifacts/<name>/                               assembled artifacts

Knows nothing of networks, of what is inside a weights file, or of how an artifact is made.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from engine.errors import ConfigError, IntegrityError, ModelNotFoundError, SourceError, StoreError
from engine.types import CancelToken, Progress, ProgressListener
from engine.weights.catalog import BASES, BaseModel
from engine.weights.home import expanded, home

CACHE_DIR_VARIABLE = "UNMASK_CACHE_DIR"

_CHUNK_BYTES = 1 << 20
_TAG_CHARS = 12
_REPORT_EVERY_S = 0.2
_LOCK_WAIT_S = 0.2
_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_ELSEWHERE = f"Name another directory with {CACHE_DIR_VARIABLE} or --cache-dir."


def human_bytes(count: int) -> str:
    """A byte count for people, in decimal units: ``491.4 MB``."""
    value, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{count} bytes" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


class Meter:
    """Reports one stage's progress: never backwards, never past the total, not too often.

    Args:
        listener: who is told; None: nobody.
        stage: name of the stage.
        total: bytes or units of the whole stage.
    """

    def __init__(self, listener: ProgressListener | None, stage: str, total: int) -> None:
        self._listener = listener
        self._stage = stage
        self._total = total
        self._step = max(1, total // 1000)
        self._told = -1
        self._told_at = 0.0

    def at(self, done: int) -> None:
        """``done`` of the total is there."""
        done = min(done, self._total)
        if self._listener is None or done <= self._told:
            return
        now = time.monotonic()
        due = done >= self._told + self._step or now >= self._told_at + _REPORT_EVERY_S
        if self._told < 0 or due or done == self._total:
            self._told, self._told_at = done, now
            self._listener(Progress(self._stage, done, self._total))


class ModelStore:
    """One cache directory. Touches the disk only when asked something.

    Args:
        root: the directory; None for the environment's ``UNMASK_CACHE_DIR`` or else the user's cache
            directory. It may be a symbolic link and need not exist.

    Raises:
        ConfigError: the directory is named by a home that is not known.
        StoreError: none was named, and the user has no home.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = expanded(root if root is not None else _default_root()).absolute()

    def __repr__(self) -> str:
        return f"ModelStore({str(self.root)!r})"

    # Where things lie.

    def base_path(self, base: BaseModel) -> Path:
        """Where the verified weights lie, or will."""
        return self._bases / f"{base.sha256[:_TAG_CHARS]}-{base.file_name}"

    def partial_dir(self, base: BaseModel) -> Path:
        """Where a pull keeps what it has so far. To be touched with ``lock_path`` held only."""
        return self._bases / f"{base.sha256[:_TAG_CHARS]}.partial"

    def lock_path(self, base: BaseModel) -> Path:
        """The file whose lock means: one process pulls this base."""
        return self._bases / f"{base.sha256[:_TAG_CHARS]}.lock"

    def artifact_dir(self, name: str) -> Path:
        """Where the artifact called ``name`` lies, or will.

        Raises:
            ConfigError: ``name`` cannot be a directory's name.
        """
        if not _ARTIFACT_NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot name an artifact", "Use letters, digits, '.', '_', '+' and '-'."
            )
        return self.root / "artifacts" / name

    def list_bases(self) -> tuple[BaseModel, ...]:
        """The known bases whose verified weights are here."""
        return tuple(base for base in BASES if self.has_base(base))

    def list_artifacts(self) -> tuple[str, ...]:
        """Names of the artifacts here, sorted: the directories that hold a manifest."""
        return tuple(sorted(path.parent.name for path in (self.root / "artifacts").glob("*/manifest.json")))

    # What may be written.

    def check_writable(self) -> None:
        """Make the directory and try to write in it.

        Raises:
            StoreError: it cannot be made or written to.
        """
        with self.writing(), tempfile.TemporaryFile(dir=self._made(self._bases)) as probe:
            probe.write(b"unmask")

    def check_space(self, needed_bytes: int) -> None:
        """See that ``needed_bytes`` more fit on the disk.

        Raises:
            StoreError: they do not; the message gives both figures.
        """
        with self.writing():
            there = next(path for path in (self._bases, *self._bases.parents) if path.exists())
            free_bytes = shutil.disk_usage(there).free
        if free_bytes < needed_bytes:
            raise StoreError(
                f"{self.root} needs {human_bytes(needed_bytes)} more and has {human_bytes(free_bytes)} free",
                f"Free some space. {_ELSEWHERE}",
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn the operating system's refusals inside the block into ``StoreError``."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StoreError(
                    f"the disk of {self.root} is full", f"Free some space. {_ELSEWHERE}"
                ) from error
            reason = error.strerror or type(error).__name__
            raise StoreError(
                f"the cache directory {self.root} cannot be used ({reason})", _ELSEWHERE
            ) from error

    def make_partial_dir(self, base: BaseModel) -> Path:
        """The directory of ``partial_dir``, made where it is missing.

        Raises:
            StoreError: it cannot be made.
        """
        with self.writing():
            return self._made(self.partial_dir(base))

    def discard_partial(self, base: BaseModel) -> None:
        """Forget what an interrupted pull has left."""
        shutil.rmtree(self.partial_dir(base), ignore_errors=True)

    # What can be trusted.

    def has_base(self, base: BaseModel) -> bool:
        """Whether the weights are here, verified, and untouched since: by size, time and stamp, unread."""
        path = self.base_path(base)
        try:
            stamp = json.loads(_stamp_path(path).read_text("utf-8"))
            return bool(stamp == _stamp(path, base) and stamp["size_bytes"] == base.size_bytes)
        except (OSError, ValueError):
            return False

    def verify_base(
        self,
        base: BaseModel,
        *,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Read the weights and compare their sha256; returns where they lie.

        Raises:
            ModelNotFoundError: they are not here.
            IntegrityError: they are not what they should be; they no longer count as verified.
            StoreError: they may not be read.
            Cancelled: asked to stop.
        """
        path = self.base_path(base)
        with self.writing():
            is_here = path.is_file()
        if not is_here:
            raise ModelNotFoundError(
                f"the weights of {base.name} are not in {self.root}", f"Run `unmask models pull {base.name}`."
            )
        with self.writing():
            path.open("rb").close()
        try:
            check_file(path, base, progress=progress, cancel=cancel)
        except IntegrityError:
            with suppress(OSError):
                _stamp_path(path).unlink()
            raise
        if not self.has_base(base):
            with suppress(OSError):  # a read-only cache can still be read from
                self._write_stamp(base)
        return path

    def adopt(
        self,
        base: BaseModel,
        candidate: Path,
        *,
        called: str = "",
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Verify a file of ``partial_dir`` and move it to its final name in one step; returns that.

        ``called`` names the file in messages.

        Raises:
            IntegrityError: it is not the weights; it is deleted.
            StoreError: it cannot be moved.
            Cancelled: asked to stop; the file stays.
        """
        try:
            check_file(candidate, base, called=called, progress=progress, cancel=cancel)
        except IntegrityError:
            candidate.unlink(missing_ok=True)
            raise
        final = self.base_path(base)
        with self.writing():
            _flush_to_disk(candidate)
            candidate.replace(final)
            self._write_stamp(base)
        self.discard_partial(base)
        return final

    def take(
        self,
        base: BaseModel,
        path: Path,
        *,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Adopt a file from elsewhere: linked where the file system can, else copied; never changed.

        Raises:
            SourceError: the file cannot be read.
            IntegrityError: it is not the weights.
            StoreError: there is no room, or it cannot be written.
            Cancelled: asked to stop.
        """
        try:
            source = path.resolve(strict=True)
            if not source.is_file():
                raise SourceError(f"{path} is not a file")
            check_size(source, base, str(path))
            file = source.open("rb")
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SourceError(f"{path} cannot be read ({reason})") from error
        with file:
            part = self.make_partial_dir(base) / "file.part"
            with self.writing():
                part.unlink(missing_ok=True)
            try:
                part.hardlink_to(source)
            except (OSError, NotImplementedError):
                self.check_space(base.size_bytes)
                self._copy(file, part, Meter(progress, "copying", base.size_bytes), cancel)
        return self.adopt(base, part, called=str(path), progress=progress, cancel=cancel)

    @contextmanager
    def alone(
        self,
        base: BaseModel,
        *,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[None]:
        """Hold the lock of a base; wait, and say so, while another process or thread has it.

        Raises:
            StoreError: the lock cannot be made.
            Cancelled: asked to stop while waiting.
        """
        lock = FileLock(self.lock_path(base), timeout=_LOCK_WAIT_S)
        while not lock.is_locked:
            if cancel is not None:
                cancel.check()
            with self.writing():
                try:
                    lock.acquire()
                except Timeout:
                    if progress is not None:
                        progress(Progress("waiting for another pull", 0))
        try:
            yield
        finally:
            lock.release()

    # Inner matters.

    @property
    def _bases(self) -> Path:
        return self.root / "bases"

    @staticmethod
    def _made(directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _copy(self, source: BinaryIO, target: Path, meter: Meter, cancel: CancelToken | None) -> None:
        done = 0
        while chunk := source.read(_CHUNK_BYTES):
            if cancel is not None:
                cancel.check()
            with self.writing(), target.open("ab") as file:
                done += file.write(chunk)
            meter.at(done)

    def _write_stamp(self, base: BaseModel) -> None:
        path = self.base_path(base)
        write_atomically(_stamp_path(path), json.dumps(_stamp(path, base)))


def check_size(path: Path, base: BaseModel, called: str = "") -> None:
    """Compare a file's size with what ``base`` must have; ``called`` names the file in messages.

    Raises:
        IntegrityError: they differ.
        OSError: the file cannot be looked at.
    """
    size_bytes = path.stat().st_size
    if size_bytes != base.size_bytes:
        kind = "truncated" if size_bytes < base.size_bytes else "too long"
        raise IntegrityError(
            f"{called or path} is {kind}: {size_bytes} bytes where {base.name} has {base.size_bytes}",
            _again(base),
        )


def check_file(
    path: Path,
    base: BaseModel,
    *,
    called: str = "",
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Compare a file's size and sha256 with what ``base`` must have; ``called`` names it in messages.

    Raises:
        IntegrityError: they differ.
        OSError: the file cannot be read.
        Cancelled: asked to stop.
    """
    check_size(path, base, called)
    found = hash_file(path, Meter(progress, "verifying", base.size_bytes), cancel)
    if found != base.sha256:
        raise IntegrityError(
            f"{called or path} is not {base.name}: sha256 {found[:12]}…, not {base.sha256[:12]}…",
            _again(base),
        )


def hash_file(path: Path, meter: Meter | None = None, cancel: CancelToken | None = None) -> str:
    """The sha256 of a file, lower-case hexadecimal.

    Raises:
        OSError: it cannot be read.
        Cancelled: asked to stop.
    """
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if cancel is not None:
                cancel.check()
            digest.update(chunk)
            done += len(chunk)
            if meter is not None:
                meter.at(done)
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a small UTF-8 file so that a reader sees the old one or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


def _default_root() -> Path:
    if named := os.environ.get(CACHE_DIR_VARIABLE):
        with suppress(ConfigError):  # told where settings are read
            return expanded(Path(named))
    if home() is None and not os.environ.get("XDG_CACHE_HOME"):
        raise StoreError("there is no home directory to keep a cache in", _ELSEWHERE)
    import platformdirs  # noqa: PLC0415 -- only where nothing else was said

    return Path(platformdirs.user_cache_dir("unmask", appauthor=False))


def _again(base: BaseModel) -> str:
    return f"Fetch it again with `unmask models pull {base.name}`."


def _stamp_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _stamp(path: Path, base: BaseModel) -> dict[str, object]:
    found = path.stat()
    return {"sha256": base.sha256, "size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def _flush_to_disk(path: Path) -> None:
    """Make the bytes survive a power cut before the name says they are there."""
    with suppress(PermissionError), path.open("rb+") as file:  # read-only: a link to a file long on the disk
        os.fsync(file.fileno())
