"""The list of a corpus: read, written and split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import UsageError
from export.corpus.packages import (
    Package,
    RemoteFile,
    format_list,
    parse_list,
    read_list,
    read_recorded_list,
    sample,
    split_of,
)

SHA = "ab" * 32


def package(name: str) -> Package:
    return Package("pypi", name, "1.0", RemoteFile(f"{name}-1.0-py3-none-any.whl", SHA), "MIT")


def line(**changes: object) -> str:
    fields = json.loads(format_list([package("attrs")]))
    return json.dumps({**fields, **changes})


def test_a_list_survives_being_written() -> None:
    source = Package("debian", "src:fmtlib", "9", RemoteFile("pool/f", SHA), "MIT", RemoteFile("pool/n", SHA))
    assert parse_list(format_list([package("b"), source, package("a")]), "x") == [
        source,
        package("a"),
        package("b"),
    ]


def test_the_split_of_a_name_never_changes() -> None:
    # From the digests themselves: sha256("pypi/boltons") starts with less than a twentieth of 2^32.
    assert split_of("pypi", "boltons") == "heldout"
    assert split_of("npm", "boltons") == "train"
    shares = [split_of("pypi", f"package-{number}") for number in range(4000)]
    assert 150 < shares.count("heldout") < 250


def test_a_sample_is_always_the_same_and_in_order() -> None:
    packages = [package(f"p{number:03}") for number in range(100)]
    taken = sample(packages, 10)
    assert len(taken) == 10
    assert taken == [one for one in packages if one in taken]
    assert set(sample(packages[::-1], 10)) == set(taken)
    assert set(sample(packages, 11)) > set(taken)
    assert sample(packages, 1000) == packages
    assert sum(one.split == "heldout" for one in sample(packages, 20)) < 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ("\n" + line(sha256="12"), "line 2"),
        (line(ecosystem="cran"), "'cran'"),
        (line(version=3), "version must be a string"),
        (line(split="heldout"), "'heldout'"),
        (line(notice={"file": "x"}), "line 1"),
        (line() + "\n" + line(version="2"), "attrs again"),
    ],
)
def test_a_wrong_line_is_named(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_list(text, "list")


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl cannot be read"):
        read_list(tmp_path / "none.jsonl")


def test_the_list_that_ships() -> None:
    packages = read_recorded_list()
    assert {one.ecosystem for one in packages} == {"pypi", "npm", "debian"}
    assert 0.02 < sum(one.split == "heldout" for one in packages) / len(packages) < 0.09
    assert format_list(packages).count("\n") == len(packages)
    assert not [one for one in packages if "://" in one.archive.file]
