"""A file of a package to its verified bytes: from a directory of this machine, else from its registry.

Files are kept under their sha256. Knows nothing of what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.errors import IntegrityError
from engine.types import CancelToken
from engine.weights.store import ModelStore
from engine.weights.web import FILE_ANSWER_S, Web, connections
from export.corpus.debian import Debian
from export.corpus.packages import Ecosystem, Package, RemoteFile
from export.corpus.registries import Listing, Npm, PyPI, Registry, Release

MAX_ARCHIVE_BYTES = 100 << 20


class Shelf:
    """The files of packages.

    Args:
        store: its root is the directory they are kept in.
        web: the connections.
        registries: which to ask for each ecosystem.
    """

    def __init__(self, store: ModelStore, web: Web, registries: Mapping[Ecosystem, Registry]) -> None:
        self._store = store
        self._web = web
        self._registries = registries

    def read(self, package: Package, file: RemoteFile) -> bytes:
        """The bytes of a file of a package, verified.

        Raises:
            SourceError: it cannot be had.
            IntegrityError: the registry has other bytes under that name.
            StoreError: it cannot be kept.
        """
        kept = self._store.root / file.sha256
        if kept.is_file() and _sha256(data := kept.read_bytes()) == file.sha256:
            return data
        registry = self._registries[package.ecosystem]
        url = registry.address(package, file)
        data = self._download(url, registry.headers(url))
        if _sha256(data) != file.sha256:
            raise IntegrityError(
                f"{file.file} of {package} has not the sha256 of the list", "Make a new list with --resolve."
            )
        self._keep(data)
        return data

    def newest(self, ecosystem: Ecosystem, name: str) -> Release:
        """See ``Registry.newest``."""
        return self._registries[ecosystem].newest(name)

    def take(self, ecosystem: Ecosystem, listing: Listing) -> tuple[bytes, RemoteFile]:
        """The bytes of a file as a registry lists it, and what a list says of it; they are kept.

        Raises:
            SourceError: it cannot be had.
            StoreError: it cannot be kept.
        """
        data = self._download(listing.url, self._registries[ecosystem].headers(listing.url))
        return data, RemoteFile(listing.file, self._keep(data))

    def _download(self, url: str, headers: Mapping[str, str]) -> bytes:
        with self._store.writing():
            self._store.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="part-", dir=self._store.root) as scratch:
            part = Path(scratch) / "part"
            self._web.download(
                url,
                part,
                size_bytes=None,
                most_bytes=MAX_ARCHIVE_BYTES,
                on_bytes=lambda _: None,
                headers=headers,
                answer_s=FILE_ANSWER_S,
                check=lambda: None,
            )
            return part.read_bytes()

    def _keep(self, data: bytes) -> str:
        """Under its name at once or not at all: other processes may look."""
        sha256 = _sha256(data)
        with self._store.writing(), TemporaryDirectory(prefix="part-", dir=self._store.root) as scratch:
            part = Path(scratch) / "whole"
            part.write_bytes(data)
            part.replace(self._store.root / sha256)
        return sha256


@contextmanager
def open_shelf(directory: Path | None) -> Iterator[Shelf]:
    """A shelf in a directory, else in the user's cache, before the registries this machine is set up for.

    Raises:
        SourceError: the proxies or certificates of this machine cannot be used.
    """
    store = ModelStore(directory if directory is not None else ModelStore().root / "corpus")
    with connections(store, CancelToken()) as web:
        yield Shelf(store, web, {"pypi": PyPI(web), "npm": Npm(web), "debian": Debian(web)})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
