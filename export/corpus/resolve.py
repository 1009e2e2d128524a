"""Bare names of packages to a list: the newest release of each, its bytes and its licence.

Names are ``pypi:NAME``, ``npm:NAME``, ``debian:NAME`` and, for a source package, ``debian:src:NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast, get_args

from engine.errors import IntegrityError, SourceError, UsageError
from export.corpus import licences
from export.corpus.archives import read_members
from export.corpus.licences import LicenceError
from export.corpus.packages import Ecosystem, Package
from export.corpus.shelf import Shelf


def parse_names(text: str) -> list[tuple[Ecosystem, str]]:
    """Names, one a line; what follows ``#`` is a remark.

    Raises:
        UsageError: a line names no ecosystem.
    """
    names: dict[tuple[Ecosystem, str], None] = {}
    for line in text.splitlines():
        if not (bare := line.partition("#")[0].strip()):
            continue
        ecosystem, _, name = bare.partition(":")
        if ecosystem not in get_args(Ecosystem) or not name:
            raise UsageError(f"{bare!r} names no package", "Write lines such as pypi:attrs or npm:semver.")
        names[cast(Ecosystem, ecosystem), name] = None
    return list(names)


def resolve(
    names: Iterable[tuple[Ecosystem, str]], shelf: Shelf, report: Callable[[str], None]
) -> list[Package]:
    """The newest release of each, of those whose licence allows it.

    Args:
        names: ecosystem and name.
        shelf: where files come from.
        report: told of each package that is left out, and why.
    """
    packages: list[Package] = []
    for ecosystem, name in names:
        try:
            packages.append(_resolve(ecosystem, name, shelf))
        except (LicenceError, SourceError, IntegrityError) as error:
            report(f"{ecosystem} {name} is left out: {error.cause}")
    return packages


def _resolve(ecosystem: Ecosystem, name: str, shelf: Shelf) -> Package:
    release = shelf.newest(ecosystem, name)
    data, archive = shelf.take(ecosystem, release.archive)
    notice = None
    written_in, called = data, archive.file
    if release.notice is not None:
        written_in, notice = shelf.take(ecosystem, release.notice)
        called = notice.file
    licence = _licence(ecosystem, written_in, called)
    return Package(ecosystem, name, release.version, archive, licence, notice)


def _licence(ecosystem: Ecosystem, archive: bytes, called: str) -> str:
    """What the one file of an archive that speaks of licences says."""
    where, read = _NOTICES[ecosystem]
    found = list(read_members(archive, called, lambda path: where.fullmatch(path) is not None))
    if not found:
        raise LicenceError("it says nothing of its licence")
    return read(found[0].data.decode("utf-8", "replace"))


_NOTICES: Mapping[Ecosystem, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "pypi": (re.compile(r"[^/]+\.dist-info/METADATA"), licences.of_wheel),
    "npm": (re.compile(r"[^/]+/package\.json"), licences.of_npm),
    "debian": (re.compile(r"usr/share/doc/[^/]+/copyright|debian/copyright"), licences.of_debian),
}
