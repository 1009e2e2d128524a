"""Debian packages as a registry: a name to files of the pool of the mirror apt is set up for.

``golang-…-dev`` and ``librust-…-dev`` hold sources in the binary package. A source package, ``src:NAME``,
is two files: the upstream tarball, and the packaging, which says what the licences are.
"""

from __future__ import annotations

import lzma
import os
import re
from collections.abc import Mapping
from functools import cached_property

from engine.errors import SourceError
from engine.weights.web import Web
from export.corpus.packages import Package, RemoteFile
from export.corpus.registries import Listing, Release, ask

MIRROR_VARIABLE = "UNMASK_DEBIAN_MIRROR"
SUITE = "stable"
"""The release newest versions are looked up in where apt is not asked."""

_ARCHITECTURE = "amd64"
_SOURCE = "src:"
_MOST_INDEX_BYTES = 256 << 20


class Debian:
    """The main component of the Debian archive."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def newest(self, name: str) -> Release:
        """The version in the release apt is set up for."""
        return self._source(name.removeprefix(_SOURCE)) if name.startswith(_SOURCE) else self._binary(name)

    def address(self, package: Package, file: RemoteFile) -> str:
        """Where the pool has the file."""
        del package  # the path says it all
        return self._url(file.file)

    def headers(self, url: str) -> Mapping[str, str]:
        """None: mirrors are open."""
        del url
        return {}

    def _binary(self, name: str) -> Release:
        fields = _fields(self._stanza(name, self._binaries))
        return Release(fields["Version"], self._listing(fields["Filename"]))

    def _source(self, name: str) -> Release:
        stanza = self._stanza(name, self._sources)
        fields = _fields(stanza)
        names = re.findall(r"^ [0-9a-f]{64} \d+ (\S+)$", stanza, re.MULTILINE)
        upstream = [file for file in names if re.search(r"\.orig\.tar\.(gz|xz|bz2)$", file)]
        packaging = [file for file in names if re.search(r"\.debian\.tar\.(gz|xz|bz2)$", file)]
        if len(upstream) != 1 or len(packaging) != 1:
            raise SourceError(f"the source package {name} is not one tarball and its packaging")
        archive, notice = (
            self._listing(f"{fields['Directory']}/{file}") for file in (upstream[0], packaging[0])
        )
        return Release(fields["Version"], archive, notice)

    def _listing(self, path: str) -> Listing:
        return Listing(path, self._url(path))

    def _stanza(self, name: str, index: str) -> str:
        found = re.search(rf"^Package: {re.escape(name)}\n(?:.+\n)*", index, re.MULTILINE)
        if found is None:
            raise SourceError(f"Debian has no package {name}")
        return found.group()

    @cached_property
    def _binaries(self) -> str:
        return self._index(f"binary-{_ARCHITECTURE}/Packages.xz")

    @cached_property
    def _sources(self) -> str:
        return self._index("source/Sources.xz")

    def _index(self, path: str) -> str:
        answer = self._web.page(self._url(f"dists/{self._root[1]}/main/{path}"), {})
        unpacker = lzma.LZMADecompressor()
        try:
            data = unpacker.decompress(answer.content, _MOST_INDEX_BYTES)
        except lzma.LZMAError as error:
            raise SourceError(f"Debian's index {path} cannot be unpacked ({error})") from error
        if not unpacker.eof:
            raise SourceError(f"Debian's index {path} is cut short or too large")
        return data.decode("utf-8", "replace") + "\n"

    def _url(self, path: str) -> str:
        return f"{self._root[0].rstrip('/')}/{path}"

    @cached_property
    def _root(self) -> tuple[str, str]:
        return archive_root()


def archive_root() -> tuple[str, str]:
    """The address and the release of the Debian archive: environment, else what apt says.

    Raises:
        SourceError: none is named and there is no apt to ask, or it has none.
    """
    if named := os.environ.get(MIRROR_VARIABLE, "").strip():
        return named, SUITE
    question = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    wanted = ["Identifier: Packages", "Origin: Debian", "Component: main"]
    root, _, suite = ask([*question, *wanted], r"^https?://\S+ [\w/-]+$", MIRROR_VARIABLE).partition(" ")
    return root, suite


def _fields(stanza: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
