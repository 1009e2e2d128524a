"""Documents to compressed JSON Lines files of a bounded size: the same documents always give the same bytes.

Knows nothing of where documents come from.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MAX_SHARD_BYTES = 32 << 20
_ROOM_BYTES = 1 << 20  # for what the compressor holds back and one more document
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Document:
    """A file of a package as the corpus has it; ``language`` is an LSP identifier."""

    ecosystem: str
    package: str
    version: str
    licence: str
    path: str
    language: str
    text: str

    @property
    def key(self) -> str:
        """What the document is called in the whole corpus."""
        return f"{self.ecosystem}/{self.package}/{self.path}"


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that was written; ``sha256`` is of the lines before they are compressed."""

    file: str
    documents: int
    sha256: str


def shuffled(documents: Iterable[Document], seed: int) -> list[Document]:
    """The documents in an order that depends on their names and the seed alone."""
    return sorted(documents, key=lambda document: shuffle_key(document.key, seed))


def shuffle_key(name: str, seed: int) -> bytes:
    """Where a name comes in the shuffled order."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def write_shards(documents: Iterable[Document], directory: Path, stem: str) -> list[Shard]:
    """Write ``stem-000.jsonl.gz`` and so on, none over ``MAX_SHARD_BYTES``; at least one."""
    shards: list[Shard] = []
    lines = (_line(document) for document in documents)
    pending = next(lines, None)
    while pending is not None or not shards:
        name = f"{stem}-{len(shards):03}.jsonl.gz"
        digest, count = hashlib.sha256(), 0
        with (directory / name).open("wb") as raw, _compressor(raw) as packed:
            while pending is not None and raw.tell() < MAX_SHARD_BYTES - _ROOM_BYTES:
                packed.write(pending)
                digest.update(pending)
                count += 1
                pending = next(lines, None)
        shards.append(Shard(name, count, digest.hexdigest()))
    return shards


def read_shard(path: Path) -> Iterator[Document]:
    """The documents of a shard."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield Document(**json.loads(line))


def _compressor(raw: IO[bytes]) -> gzip.GzipFile:
    """Without name and time, which would make bytes differ."""
    return gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0)


def _line(document: Document) -> bytes:
    fields = {name: getattr(document, name) for name in Document.__dataclass_fields__}
    return (json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
