"""What a package says of its licence to an SPDX expression, where all of it is permissive.

Knows nothing of archives: metadata comes as text. Unknown is as good as forbidden.
"""

from __future__ import annotations

import json
import re
from email.parser import HeaderParser

from engine.errors import UsageError

_PERMISSIVE = """\
0BSD AFL-3.0 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-3-Clause BSL-1.0
CC0-1.0 HPND ISC MIT MIT-0 MIT-CMU NCSA PSF-2.0 Python-2.0 Unicode-3.0 Unicode-DFS-2016 Unlicense
UPL-1.0 WTFPL X11 Zlib ZPL-2.1"""
PERMISSIVE = frozenset(_PERMISSIVE.split())
"""SPDX identifiers of licences that let a work be used for anything if at most its notice is kept."""

_CASEFOLDED = {name.lower(): name for name in PERMISSIVE}
_EXCEPTIONS = frozenset({"llvm-exception"})  # one that permits more

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause OR BSD-2-Clause",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
"""Classifiers of PyPI, without ``License :: OSI Approved ::``; all others are unknown."""

_ALIASES = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause OR BSD-2-Clause",
    "bsd license": "BSD-3-Clause OR BSD-2-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "psf": "PSF-2.0",
}

_DEBIAN_NAMES = {
    "expat": "MIT",
    "apache-2": "Apache-2.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd-3-clause~google": "BSD-3-Clause",
    "bsd-3-google": "BSD-3-Clause",
    "bsd-c3": "BSD-3-Clause",
    "bsl-1": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "python-2": "Python-2.0",
    "zlib/libpng": "Zlib",
}
"""Short names of Debian that SPDX spells otherwise."""

_COPYLEFT = re.compile(
    r"\b[AL]?GPL|GNU (?:\w+ )*General Public|copyleft|Mozilla Public|\bMPL\b|\bEUPL\b", re.I
)
_MOST_CHARS = 500
_TOKEN = re.compile(r"\(|\)|[A-Za-z0-9.+:-]+")


class LicenceError(UsageError):
    """A package whose licence is unknown or asks for more than a notice; it is left out."""


def require_permissive(expression: str) -> str:
    """An SPDX expression, spelled as SPDX does, if it can be met with permissive licences alone.

    Raises:
        LicenceError: it cannot, or is no expression.
    """
    tokens = _TOKEN.findall(expression[:_MOST_CHARS])
    if not tokens or "".join(tokens) != "".join(expression.split()):
        raise LicenceError(f"{_short(expression)!r} is no SPDX expression")
    reader = _Expression(tokens)
    if not reader.permissive():
        raise LicenceError(f"{_short(expression)} is not permissive")
    return reader.text


class _Expression:
    """Recursive descent over ``A OR B AND (C WITH exception)``."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._spelled: list[str] = []

    @property
    def text(self) -> str:
        return re.sub(r"(?<=\() | (?=\))", "", " ".join(self._spelled))

    def permissive(self) -> bool:
        answer = self._any()
        if self._at != len(self._tokens):
            raise LicenceError(f"{_short(' '.join(self._tokens))!r} is no SPDX expression")
        return answer

    def _any(self) -> bool:
        answer = self._all()
        while self._take("OR"):
            answer |= self._all()
        return answer

    def _all(self) -> bool:
        answer = self._one()
        while self._take("AND"):
            answer &= self._one()
        return answer

    def _one(self) -> bool:
        if self._take("("):
            answer = self._any()
            if not self._take(")"):
                raise LicenceError("a bracket of the licence is open")
            return answer
        token = self._next()
        self._spelled.append(_CASEFOLDED.get(token.lower(), token))
        answer = token.lower() in _CASEFOLDED
        if self._take("WITH"):
            exception = self._next()
            self._spelled.append(exception)
            answer &= exception.lower() in _EXCEPTIONS
        return answer

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].upper() == token:
            self._spelled.append(token)
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise LicenceError("the licence is cut short")
        self._at += 1
        return self._tokens[self._at - 1]


def of_wheel(metadata: str) -> str:
    """The licence in a wheel's ``METADATA``: expression, else classifiers, else the free field.

    Source: the core metadata specification of Python packages.

    Raises:
        LicenceError: none, an unknown one or one that is not permissive.
    """
    headers = HeaderParser().parsestr(metadata)
    expression = (headers.get("License-Expression") or "").strip()
    if expression:
        return require_permissive(expression)
    field = " ".join((headers.get("License") or "").split())
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in headers.get_all("Classifier", [])
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    if said := [text for text in (field, *classifiers) if _COPYLEFT.search(text)]:
        raise LicenceError(f"{_short(said[0])} is not permissive")
    if classifiers:
        if unknown := [name for name in classifiers if name not in _CLASSIFIERS]:
            raise LicenceError(f"{unknown[0]} is not a licence known to be permissive")
        found = sorted({_CLASSIFIERS[name] for name in classifiers})
        return found[0] if len(found) == 1 else " AND ".join(_bracketed(name) for name in found)
    if not field:
        raise LicenceError("it names no licence")
    return require_permissive(_ALIASES.get(field.lower(), field))


def of_npm(package_json: str) -> str:
    """The licence in an npm ``package.json``.

    Raises:
        LicenceError: none, an unknown one or one that is not permissive.
    """
    try:
        licence = json.loads(package_json).get("license")
    except (ValueError, AttributeError) as error:
        raise LicenceError("its package.json cannot be read") from error
    if isinstance(licence, dict):  # an old way to write it
        licence = licence.get("type")
    if not isinstance(licence, str) or not licence.strip():
        raise LicenceError("it names no licence")
    return require_permissive(_ALIASES.get(licence.strip().lower(), licence))


def of_debian(copyright_file: str) -> str:
    """The licences of all stanzas of a machine-readable ``debian/copyright`` but the packaging's own.

    Source: the Debian copyright format 1.0 (DEP-5).

    Raises:
        LicenceError: it is not machine-readable, or a licence is unknown or not permissive.
    """
    stanzas = [HeaderParser().parsestr(text) for text in re.split(r"\n(?:[ \t]*\n)+", copyright_file.strip())]
    if "copyright-format/1" not in (stanzas[0].get("Format") or ""):
        raise LicenceError("its copyright file is not machine-readable")
    found: set[str] = set()
    for stanza in stanzas:
        globs = (stanza.get("Files") or "").split()
        if not globs or all(glob.startswith("debian/") for glob in globs):
            continue
        names = (stanza.get("License") or "").strip().splitlines()
        if not names:
            raise LicenceError(f"it names no licence for {globs[0]}")
        words = [_DEBIAN_NAMES.get(word.lower(), word) for word in names[0].replace(",", " , ").split()]
        found.add(require_permissive(" ".join(words)))
    if not found:
        raise LicenceError("it names no licence")
    if len(found) == 1:
        return found.pop()
    return " AND ".join(_bracketed(name) for name in sorted(found))


def _bracketed(expression: str) -> str:
    return f"({expression})" if " OR " in expression else expression


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
