"""A URL to a page or to a complete file on the disk, over connections that fail.

Every wait is bounded, every error has a name, every download goes on where it stopped. Knows nothing of
models, indexes or hubs.
"""

from __future__ import annotations

import base64
import os
import queue
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from engine.errors import IntegrityError, SourceError
from engine.types import CancelToken
from engine.weights.store import ModelStore

T = TypeVar("T")

FIRST_ANSWER_S = 8.0
"""Seconds to wait for a host not heard from yet."""
FILE_ANSWER_S = 60.0
"""Seconds to wait for a file of an index that has answered and may have to fetch or scan it first."""

_TIMEOUTS = httpx.Timeout(connect=4.0, read=30.0, write=10.0, pool=10.0)
_FRUITLESS_TRIES = 3
_MOST_TRIES = 50
_POLL_S = 0.1
_PAUSE_S = 1.0
_BUSY = (429, 500, 502, 503, 504)
_MOST_PAGE_BYTES = 16 << 20


class _TransientError(Exception):
    """An answer that another try may better."""


@contextmanager
def connections(store: ModelStore, cancel: CancelToken) -> Iterator[Web]:
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
        yield Web(client, store, cancel)


class Web:
    """Pages and files over HTTP: every wait is bounded, every error named, every download resumed."""

    def __init__(self, client: httpx.Client, store: ModelStore, cancel: CancelToken) -> None:
        self._client = client
        self._store = store
        self._cancel = cancel

    def page(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """A small page, read whole.

        Raises:
            SourceError: it cannot be had.
        """
        try:
            with self._answer(url, headers, FIRST_ANSWER_S) as answer:
                content = b""
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > _MOST_PAGE_BYTES:
                        raise SourceError(f"{host_of(url)} sends too large a page")
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
            resumed = size_of(part) > 0
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
            before = size_of(file.part)
            if before == file.size_bytes:
                return
            try:
                self._go_on(file, before)
            except (httpx.HTTPError, _TransientError) as error:
                fruitless = 0 if size_of(file.part) > before else fruitless + 1
                nobody = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
                if fruitless and (nobody or fruitless == _FRUITLESS_TRIES):
                    raise SourceError(_unanswered(file.url, error)) from error
                self._pause(fruitless)
            else:
                return
        raise SourceError(f"{host_of(file.url)} loses the connection again and again")

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
                    f"{host_of(file.url)} has {total} bytes where {file.size_bytes} are expected"
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
                    raise IntegrityError(f"{host_of(file.url)} sends more than the {most} bytes expected")
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
                raise SourceError(f"{host_of(url)} answers {answer.status_code} for {httpx.URL(url).path}")
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
    """A file to download; see ``Web.download``."""

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
    return f"{host_of(url)} does not answer as it should ({str(error) or type(error).__name__})"


def host_of(url: str) -> str:
    """The host of a URL, for messages: the rest may hold credentials."""
    return httpx.URL(url).host


def size_of(path: Path) -> int:
    """Size of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def credentials(index: str, url: str) -> dict[str, str]:
    """The index's own user name and password, for addresses on its own host only."""
    home, target = httpx.URL(index), httpx.URL(url)
    if not home.userinfo or (home.scheme, home.host, home.port) != (target.scheme, target.host, target.port):
        return {}
    token = base64.b64encode(f"{home.username}:{home.password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}
