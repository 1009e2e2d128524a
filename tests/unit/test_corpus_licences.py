"""What packages say of their licences."""

from __future__ import annotations

import json

import pytest

from export.corpus.licences import LicenceError, of_debian, of_npm, of_wheel, require_permissive


@pytest.mark.parametrize(
    ("expression", "spelled"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("Apache-2.0 OR GPL-3.0-only", "Apache-2.0 OR GPL-3.0-only"),
        ("(MIT or apache-2.0) and BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("MIT AND (GPL-2.0-only OR ISC)", "MIT AND (GPL-2.0-only OR ISC)"),
    ],
)
def test_permissive(expression: str, spelled: str) -> None:
    assert require_permissive(expression) == spelled


@pytest.mark.parametrize(
    "expression",
    [
        "GPL-3.0-only",
        "MIT AND LGPL-2.1-only",
        "MPL-2.0",
        "LicenseRef-Own",
        "MIT OR",
        "(MIT",
        "MIT)",
        "MIT Apache-2.0",
        "",
        "SEE LICENSE IN file.txt",
        "MIT / Apache-2.0",
        "Apache-2.0 WITH Commons-Clause",
        "CC-BY-NC-4.0",
        "(" * 100_000 + "MIT" + ")" * 100_000,
    ],
)
def test_not_permissive(expression: str) -> None:
    with pytest.raises(LicenceError):
        require_permissive(expression)


APPROVED = "License :: OSI Approved"


def metadata(*headers: str) -> str:
    return "\n".join(["Metadata-Version: 2.4", "Name: a", *headers, "", "License: GPL in the description"])


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        (["License-Expression: MIT", f"Classifier: {APPROVED} :: GNU General Public License (GPL)"], "MIT"),
        ([f"Classifier: {APPROVED} :: MIT License"], "MIT"),
        ([f"Classifier: {APPROVED}", f"Classifier: {APPROVED} :: ISC License (ISCL)"], "ISC"),
        (
            [f"Classifier: {APPROVED} :: BSD License", f"Classifier: {APPROVED} :: MIT License"],
            "(BSD-3-Clause OR BSD-2-Clause) AND MIT",
        ),
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: BSD-3-Clause"], "BSD-3-Clause"),
        (["License: anything", f"Classifier: {APPROVED} :: MIT License"], "MIT"),
    ],
)
def test_wheels(headers: list[str], licence: str) -> None:
    assert of_wheel(metadata(*headers)) == licence


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["License: UNKNOWN"],
        ["License: MIT and some more"],
        ["License-Expression: GPL-3.0-only", f"Classifier: {APPROVED} :: MIT License"],
        [f"Classifier: {APPROVED} :: MIT License", "Classifier: License :: Other/Proprietary License"],
        [f"Classifier: {APPROVED} :: MIT License", "License: LGPLv3"],
        [f"Classifier: {APPROVED} :: Mozilla Public License 2.0 (MPL 2.0)"],
    ],
)
def test_wheels_that_are_left_out(headers: list[str]) -> None:
    with pytest.raises(LicenceError):
        of_wheel(metadata(*headers))


def test_npm() -> None:
    assert of_npm(json.dumps({"license": "(MIT OR GPL-3.0)"})) == "(MIT OR GPL-3.0)"
    assert of_npm(json.dumps({"license": {"type": "ISC", "url": "x"}})) == "ISC"
    for wrong in ("{", "[]", "{}", '{"license": "UNLICENSED"}', '{"license": ["MIT"]}', '{"license": ""}'):
        with pytest.raises(LicenceError):
            of_npm(wrong)


FORMAT = "Format: copyright-format/1.0/\nUpstream-Name: a\n"


def stanza(files: str, licence: str) -> str:
    return f"\nFiles: {files}\nCopyright: 2020 a\nLicense: {licence}\n The text.\n .\n Of GPL fame.\n"


def test_debian() -> None:
    mixed = FORMAT + stanza("*", "Expat or Apache-2") + stanza("a/*\n b/*", "BSD-3-clause")
    assert of_debian(mixed + stanza("debian/*", "GPL-2+")) == "BSD-3-Clause AND (MIT OR Apache-2.0)"
    assert of_debian(FORMAT + stanza("*", "Expat") + "\nLicense: Expat\n Text\n") == "MIT"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "This package was debianized by hand. License: MIT",
        FORMAT,
        FORMAT + stanza("*", "Expat") + stanza("a/*", "GPL-2+"),
        FORMAT + stanza("*", "Expat") + stanza("debian/* src/*", "GPL-2+"),
        FORMAT + stanza("*", "Expat") + stanza("src/*", ""),
        FORMAT + stanza("*", "public-domain"),
        FORMAT + stanza("*", "Expat, and GPL-3+"),
    ],
)
def test_debian_packages_that_are_left_out(text: str) -> None:
    with pytest.raises(LicenceError):
        of_debian(text)
