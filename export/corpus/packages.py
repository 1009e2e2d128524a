"""The list of packages a corpus is made of: JSON Lines to records and back, and which split each is in.

Knows nothing of registries, archives or what is in a package.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import UsageError

Ecosystem = Literal["pypi", "npm", "debian"]
Split = Literal["train", "heldout"]

HELDOUT_SHARE = 0.05
LIST_FILE = "packages.jsonl"

_REMAKE = "Make the list with `unmask train corpus --resolve`."
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a registry; ``sha256`` says which bytes it has.

    Attributes:
        file: its name, or where the registry lays files in directories, its path from the root.
    """

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the list.

    Attributes:
        name: as the registry has it; ``src:NAME`` is a Debian source package.
        archive: what the sources are in.
        licence: an SPDX expression; of Debian, the licences of all its files.
        notice: the archive the licence is written in where ``archive`` has none.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    archive: RemoteFile
    licence: str
    notice: RemoteFile | None = None

    @property
    def split(self) -> Split:
        """Held out or not: a matter of the name alone, so no version of a package is ever in both."""
        return split_of(self.ecosystem, self.name)

    def __str__(self) -> str:
        return f"{self.ecosystem} {self.name} {self.version}"


def split_of(ecosystem: str, name: str) -> Split:
    """The split of a package, from a hash of its ecosystem and name: one in twenty is held out."""
    position = int.from_bytes(_digest(ecosystem, name)[:4], "big") / 2**32
    return "heldout" if position < HELDOUT_SHARE else "train"


def read_recorded_list() -> list[Package]:
    """The list that ships with Unmask."""
    text = (resources.files("export.corpus") / LIST_FILE).read_text("utf-8")
    return parse_list(text, LIST_FILE)


def read_list(path: Path) -> list[Package]:
    """The list in a file.

    Raises:
        UsageError: it cannot be read, or a line is not a package.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read ({error})", "Name a list of packages with --list."
        ) from error
    return parse_list(text, path.name)


def sample(packages: Sequence[Package], count: int) -> list[Package]:
    """That many packages of a list, in its order: a random choice, always the same."""
    order = sorted(packages, key=lambda package: _digest("sample", package.ecosystem, package.name))
    chosen = set(order[:count])
    return [package for package in packages if package in chosen]


def parse_list(text: str, called: str) -> list[Package]:
    """The packages of JSON Lines ``text``.

    Raises:
        UsageError: a line is not a package, names another split than its name gives it, or comes twice.
    """
    packages: dict[tuple[str, str], Package] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            package = _package(json.loads(line))
        except (ValueError, LookupError, TypeError) as error:
            raise UsageError(f"{called}: line {number} is no package ({error})", _REMAKE) from error
        if (package.ecosystem, package.name) in packages:
            raise UsageError(f"{called}: line {number} names {package.name} again", _REMAKE)
        packages[package.ecosystem, package.name] = package
    return list(packages.values())


def format_list(packages: Iterable[Package]) -> str:
    """JSON Lines of packages, sorted by ecosystem and name."""
    ordered = sorted(packages, key=lambda package: (package.ecosystem, package.name))
    return "".join(
        json.dumps(_fields(package), ensure_ascii=False, separators=(",", ":")) + "\n" for package in ordered
    )


def _digest(*names: str) -> bytes:
    return hashlib.sha256("/".join(names).encode()).digest()


def _package(fields: Mapping[str, Any]) -> Package:
    texts = {key: fields[key] for key in ("ecosystem", "name", "version", "file", "sha256", "licence")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str) or not value]:
        raise ValueError(f"{wrong[0]} must be a string")
    if texts["ecosystem"] not in get_args(Ecosystem):
        raise ValueError(f"there is no ecosystem {texts['ecosystem']!r}")
    notice = fields.get("notice")
    if fields["split"] != split_of(texts["ecosystem"], texts["name"]):
        raise ValueError(f"its name does not put it in the split {fields['split']!r}")
    return Package(
        texts["ecosystem"],
        texts["name"],
        texts["version"],
        _file(texts["file"], texts["sha256"]),
        texts["licence"],
        None if notice is None else _file(notice["file"], notice["sha256"]),
    )


def _file(path: str, sha256: str) -> RemoteFile:
    if not _SHA256.fullmatch(sha256):
        raise ValueError("sha256 must be 64 hexadecimal digits")
    return RemoteFile(path, sha256)


def _fields(package: Package) -> dict[str, object]:
    fields: dict[str, object] = {
        "ecosystem": package.ecosystem,
        "name": package.name,
        "version": package.version,
        "file": package.archive.file,
        "sha256": package.archive.sha256,
        "licence": package.licence,
        "split": package.split,
    }
    if package.notice is not None:
        fields["notice"] = {"file": package.notice.file, "sha256": package.notice.sha256}
    return fields
