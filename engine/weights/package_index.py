"""A distribution's name and version to the wheel a package index has of it.

Speaks the simple API as JSON (PEP 691) or HTML (PEP 503). Downloads no wheel and installs nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser

import httpx

from engine.errors import SourceError
from engine.weights.web import Web, credentials, host_of

INDEX_VARIABLES = ("UNMASK_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_CONFIGURED = ("-m", "pip", "config", "get", "global.index-url")
_DEFAULT = ("-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)")
"""What pip itself goes to where nothing is configured."""
_INDEX_ACCEPTS = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


@dataclass(frozen=True, slots=True)
class WheelLink:
    """A wheel as an index lists it; ``sha256`` and ``size_bytes`` where the index gives them."""

    file_name: str
    url: str
    sha256: str | None = None
    size_bytes: int | None = None


def index_url() -> str:
    """The package index: environment, else pip's configuration, else pip's default. May hold credentials.

    Raises:
        SourceError: none is named and there is no pip to ask.
    """
    for variable in INDEX_VARIABLES:
        if named := os.environ.get(variable, "").strip():
            return re.sub(r"^[\w.-]+=(?=https?:)", "", named)  # uv allows NAME=URL
    for question in (_CONFIGURED, _DEFAULT):
        # -I: what lies in the working directory is not pip.
        command = [sys.executable, "-I", *question]
        with suppress(OSError, subprocess.SubprocessError, UnicodeDecodeError):
            said = subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=10, check=True
            )
            if re.match(r"https?://\S+$", said.stdout.strip()):
                return said.stdout.strip()
    raise SourceError("no package index is known", f"Name one with {INDEX_VARIABLES[0]}.")


def find_wheel(web: Web, index: str, distribution: str, version: str) -> WheelLink:
    """Look a wheel up.

    Raises:
        SourceError: the index does not answer, makes no sense or has no such wheel.
    """
    for link in list_files(web, index, distribution):
        name, *rest = link.file_name.split("-")
        if (
            link.file_name.endswith(".whl")
            and _normal(name) == _normal(distribution)
            and rest[:1] == [version]
        ):
            return link
    raise SourceError(f"{host_of(index)} has no wheel of {distribution} {version}")


def list_files(web: Web, index: str, distribution: str) -> list[WheelLink]:
    """Every file an index has of a distribution, of any version and kind.

    Raises:
        SourceError: the index does not answer or makes no sense.
    """
    url = f"{index.rstrip('/')}/{_normal(distribution)}/"
    answer = web.page(url, {"Accept": _INDEX_ACCEPTS, **credentials(index, url)})
    try:
        return _links(answer)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(f"{host_of(url)} gives no list of files for {distribution}") from error


def _links(answer: httpx.Response) -> list[WheelLink]:
    where = str(answer.url)
    if "json" not in answer.headers.get("Content-Type", ""):
        page = _LinkPage(where)
        page.feed(answer.text)
        return page.links
    return [
        WheelLink(
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
        self.links: list[WheelLink] = []

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
                WheelLink(name, str(url.copy_with(fragment=None)), digest.group(1) if digest else None)
            )


def _normal(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
