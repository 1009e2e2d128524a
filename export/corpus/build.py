"""A list of packages to the shards of a corpus: every step in order, with counts of what was left out.

The held-out packages come first, so that what is held out does not depend on what is trained on, and a copy
of a held-out file is never trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from engine.code.languages import by_path
from export.corpus import filters
from export.corpus.archives import read_members
from export.corpus.decontaminate import Problems
from export.corpus.dedupe import Copies
from export.corpus.licences import require_permissive
from export.corpus.packages import Package, RemoteFile, Split, format_list
from export.corpus.shards import Document, Shard, shuffle_key, shuffled, write_shards

LANGUAGES = frozenset({"python", "javascript", "typescript", "typescriptreact", "go", "rust", "java", "cpp"})
MAX_PACKAGE_CHARS = 1_000_000
"""A package's share: of a larger one, a random choice of files that is always the same."""
SEED = 1
SUMMARY_FILE = "corpus.json"

Fetch = Callable[[Package, RemoteFile], bytes]


def build(
    packages: Sequence[Package],
    fetch: Fetch,
    directory: Path,
    *,
    problems: Problems,
    heldout_only: bool = False,
    report: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Any]:
    """Write the shards and ``corpus.json`` and return what that holds.

    Args:
        packages: the list.
        fetch: gives the verified bytes of a file of a package.
        directory: where to; made where it is missing.
        problems: what no text may share a window with.
        heldout_only: make the held-out split alone.
        report: told how many packages of how many are read.

    Raises:
        SourceError: a file cannot be had or unpacked.
        IntegrityError: a file is not the one in the list.
        LicenceError: a licence in the list is not permissive.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _clear(directory)
    splits: tuple[Split, ...] = ("heldout",) if heldout_only else ("heldout", "train")
    ordered = [package for split in splits for package in packages if package.split == split]
    dropped: Counter[str] = Counter()
    copies = Copies()
    kept: dict[Split, list[Document]] = {split: [] for split in splits}
    for done, package in enumerate(ordered, start=1):
        for document in read_package(package, fetch, dropped):
            reason = problems.reason(document.text) or copies.reason(document.text)
            if reason is None:
                kept[package.split].append(document)
            else:
                dropped[reason] += 1
        report(done, len(ordered))
    shards = {split: write_shards(shuffled(kept[split], SEED), directory, split) for split in splits}
    summary = {
        "list_sha256": hashlib.sha256(format_list(packages).encode()).hexdigest(),
        "problems_sha256": problems.sha256,
        "splits": {split: _summary(ordered, split, kept[split], shards[split]) for split in splits},
        "dropped": dict(sorted(dropped.items())),
    }
    (directory / SUMMARY_FILE).write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    return summary


def read_package(package: Package, fetch: Fetch, dropped: Counter[str]) -> Iterator[Document]:
    """The files of a package that pass every rule that looks at one file alone, in a fixed random order."""
    require_permissive(package.licence)
    archive = fetch(package, package.archive)
    members = list(read_members(archive, package.archive.file, lambda path: by_path(path).id in LANGUAGES))
    paths = [member.path for member in members]
    built = filters.compiler_output(paths) if package.ecosystem == "npm" else set[str]()
    left = MAX_PACKAGE_CHARS
    for member in sorted(members, key=lambda member: shuffle_key(member.path, SEED)):
        language = by_path(member.path)
        reason = "built" if member.path in built else filters.drop_by_path(member.path)
        reason = reason or filters.drop_by_bytes(member.data)
        if reason is None:
            text = filters.tidy(member.data.decode("utf-8"))
            reason = "over its package's share" if len(text) > left else filters.drop_by_text(text, language)
        if reason is not None:
            dropped[reason] += 1
            continue
        left -= len(text)
        yield Document(
            package.ecosystem,
            package.name,
            package.version,
            package.licence,
            member.path,
            language.id,
            text,
        )


def _clear(directory: Path) -> None:
    """Delete what an earlier run wrote: first the summary, which stands for a complete corpus."""
    (directory / SUMMARY_FILE).unlink(missing_ok=True)
    for split in get_args(Split):
        for shard in directory.glob(f"{split}-*.jsonl.gz"):
            shard.unlink()


def _summary(
    packages: Sequence[Package], split: Split, documents: Sequence[Document], shards: Sequence[Shard]
) -> dict[str, Any]:
    return {
        "packages": sum(package.split == split for package in packages),
        "by_language": _counts(documents, "language"),
        "by_ecosystem": _counts(documents, "ecosystem"),
        "shards": [asdict(shard) for shard in shards],
    }


def _counts(documents: Sequence[Document], attribute: str) -> dict[str, dict[str, int]]:
    files: Counter[str] = Counter()
    chars: Counter[str] = Counter()
    for document in documents:
        key = getattr(document, attribute)
        files[key] += 1
        chars[key] += len(document.text)
    return {key: {"files": files[key], "characters": chars[key]} for key in sorted(files)}
