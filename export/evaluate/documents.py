"""The documents that sets are made of: the held-out part of a corpus, or a folder of anybody's packages."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from engine.code import languages, regions
from engine.code.languages import PLAINTEXT
from engine.errors import UsageError
from export.corpus.packages import Split
from export.corpus.shards import Document, read_shard, shuffled

MAX_FILE_CHARS = 60_000
MAX_DOCUMENTS = 5_000
"""No more documents are read: shards are shuffled, so the first ones are a fair sample."""

SEED = 2026


def read_documents(directory: Path, split: Split = "heldout") -> Iterator[Document]:
    """The documents of a corpus's split that are neither huge nor empty, in their order.

    Raises:
        UsageError: there are no shards of it.
    """
    shards = _shards(directory, split)
    if not shards:
        raise UsageError(f"{directory} has no {split}-*.jsonl.gz", "Name the directory of a corpus.")
    yield from _usable(itertools.chain.from_iterable(map(read_shard, shards)))


def read_documents_or_packages(directory: Path) -> Iterator[Document]:
    """The held-out documents of a corpus, or the code of the packages that lie in a folder, shuffled.

    Every folder in ``directory`` is a package; hidden files and files of secrets are left out.

    Raises:
        UsageError: there are neither.
    """
    if _shards(directory):
        yield from read_documents(directory)
        return
    found = list(_of_packages(directory)) if directory.is_dir() else []
    if not found:
        raise UsageError(
            f"{directory} has neither heldout-*.jsonl.gz nor folders of code",
            "Name the directory of a corpus, or one that holds a folder for each package.",
        )
    yield from _usable(iter(shuffled(found, SEED)))


def _shards(directory: Path, split: Split = "heldout") -> list[Path]:
    return sorted(directory.glob(f"{split}-*.jsonl.gz"))


def _usable(documents: Iterator[Document]) -> Iterator[Document]:
    usable = (doc for doc in documents if doc.text.strip() and len(doc.text) <= MAX_FILE_CHARS)
    yield from itertools.islice(usable, MAX_DOCUMENTS)


def _of_packages(directory: Path) -> Iterator[Document]:
    for package in sorted(path for path in directory.iterdir() if path.is_dir() and path.name[0] != "."):
        for folder, folders, names in os.walk(package):
            folders[:] = sorted(name for name in folders if name[0] != ".")
            for path in (Path(folder) / name for name in sorted(names)):
                document = None if path.name[0] == "." else _document(package, path)
                if document is not None:
                    yield document


def _document(package: Path, path: Path) -> Document | None:
    """A file as a document; None where it is no code, too large, secret or not text."""
    language = languages.by_path(path)
    if language is PLAINTEXT or regions.is_secret_path(path) or path.stat().st_size > 4 * MAX_FILE_CHARS:
        return None
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return Document("folder", package.name, "", "", str(path.relative_to(package)), language.id, text)
