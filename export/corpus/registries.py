"""A package's name to the file a registry has of it: those that pip and npm are set up for.

Nothing is installed or run, and nothing is known of what is in a file. `debian` is the third of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from packaging.version import InvalidVersion, Version

from engine.errors import SourceError
from engine.weights.package_index import index_url, list_files
from engine.weights.web import Web, credentials
from export.corpus.packages import Package, RemoteFile

NPM_VARIABLES = ("UNMASK_NPM_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY")


@dataclass(frozen=True, slots=True)
class Listing:
    """A file as a registry lists it: what a list calls it, and where it is now."""

    file: str
    url: str


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a package; see ``Package`` for what the files are."""

    version: str
    archive: Listing
    notice: Listing | None = None


class Registry(Protocol):
    """Where the packages of an ecosystem are."""

    def newest(self, name: str) -> Release:
        """The newest release of a package that can be read.

        Raises:
            SourceError: the registry does not answer or has none.
        """
        ...

    def address(self, package: Package, file: RemoteFile) -> str:
        """The URL of a file of a package.

        Raises:
            SourceError: the registry does not answer or has it no more.
        """
        ...

    def headers(self, url: str) -> Mapping[str, str]:
        """What is to be sent along to a URL of this registry."""
        ...


class PyPI:
    """Wheels of the package index pip is set up for."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def newest(self, name: str) -> Release:
        """The newest wheel; one for every platform where there is one."""
        found: list[tuple[Version, bool, str, str, str]] = []
        for link in list_files(self._web, self._index, name):
            parts = link.file_name.removesuffix(".whl").split("-")
            if not link.file_name.endswith(".whl") or len(parts) < 5:
                continue
            with suppress(InvalidVersion):
                version = Version(parts[1])
                if not version.is_prerelease:
                    found.append((version, parts[-1] == "any", link.file_name, parts[1], link.url))
        if not found:
            raise SourceError(f"the package index has no wheel of {name}")
        _, _, file, version_text, url = max(found)
        return Release(version_text, Listing(file, url))

    def address(self, package: Package, file: RemoteFile) -> str:
        """Where the wheel is now."""
        for link in list_files(self._web, self._index, package.name):
            if link.file_name == file.file:
                return link.url
        raise SourceError(f"the package index has no file {file.file}")

    def headers(self, url: str) -> Mapping[str, str]:
        """The index's own credentials."""
        return credentials(self._index, url)

    @cached_property
    def _index(self) -> str:
        return index_url()


class Npm:
    """Tarballs of the registry npm is set up for."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def newest(self, name: str) -> Release:
        """The release tagged ``latest``."""
        version, url = self._look_up(name, "latest")
        return Release(version, Listing(f"{name.rpartition('/')[2]}-{version}.tgz", url))

    def address(self, package: Package, file: RemoteFile) -> str:
        """Where the tarball of the package's version is now."""
        del file  # a version has one tarball
        return self._look_up(package.name, package.version)[1]

    def headers(self, url: str) -> Mapping[str, str]:
        """The registry's own credentials."""
        return credentials(self._root, url)

    def _look_up(self, name: str, version: str) -> tuple[str, str]:
        url = f"{self._root}/{name.replace('/', '%2F')}/{version}"
        answer = self._web.page(url, {"Accept": "application/json", **self.headers(url)})
        try:
            fields = answer.json()
            return str(fields["version"]), str(fields["dist"]["tarball"])
        except (ValueError, LookupError, TypeError) as error:
            raise SourceError(f"the npm registry makes no sense of {name} {version}") from error

    @cached_property
    def _root(self) -> str:
        return npm_registry().rstrip("/")


def npm_registry() -> str:
    """The npm registry: environment, else what npm says. May hold credentials.

    Raises:
        SourceError: none is named and there is no npm to ask.
    """
    for variable in NPM_VARIABLES:
        if named := os.environ.get(variable, "").strip():
            return named
    return ask(["npm", "config", "get", "registry"], r"^https?://\S+$", NPM_VARIABLES[0])


def ask(command: list[str], answer: str, variable: str) -> str:
    """The first line a program of this machine prints that is an ``answer``, a regular expression.

    Raises:
        SourceError: there is no such program or line; the remedy is to set ``variable``.
    """
    program = shutil.which(command[0])
    if program is not None:
        with suppress(OSError, subprocess.SubprocessError, UnicodeDecodeError):
            said = subprocess.run(
                [program, *command[1:]],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=30,
                check=True,
            )
            if found := re.search(answer, said.stdout, re.MULTILINE):
                return found.group()
    raise SourceError(f"{command[0]} names no place to fetch from", f"Name one with {variable}.")
