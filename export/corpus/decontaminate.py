"""Evaluation problems to a test of whether a text shares a window of tokens or of lines with one of them.

A window is a run of 50 tokens or of 10 lines that are not blank, white space aside. A window says nothing
where it holds few different words: tables of numbers and closing brackets are everywhere. Of a problem, all
string fields count, each alone and the pieces of its code joined.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError

WINDOW_TOKENS = 50
WINDOW_LINES = 10
MIN_WORDS = 8
"""Different words of more than a letter from which a window counts."""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"[^\W\d]\w+")
_JOINED = (
    ("prompt", "canonical_solution", "suffix"),
    ("declaration", "canonical_solution"),
    ("context", "input"),
)


class Problems:
    """The windows of evaluation problems.

    Attributes:
        sha256: says which problems they are.

    Args:
        texts: everything that may not be trained on.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._token_windows: set[tuple[str, ...]] = set()
        self._line_windows: set[tuple[str, ...]] = set()
        ordered = sorted(set(texts))
        self.sha256 = hashlib.sha256("\0".join(ordered).encode()).hexdigest()
        for text in ordered:
            self._token_windows.update(_telling(_windows(_TOKEN.findall(text), WINDOW_TOKENS)))
            self._line_windows.update(_telling(_windows(_lines(text), WINDOW_LINES)))
        self._tokens = {token for window in self._token_windows for token in window}
        self._lines = {line for window in self._line_windows for line in window}

    def reason(self, text: str) -> str | None:
        """``evaluation problem`` where a text shares a window with one; else None."""
        if _shares(_TOKEN.findall(text), self._tokens, self._token_windows, WINDOW_TOKENS):
            return "evaluation problem"
        if _shares(_lines(text), self._lines, self._line_windows, WINDOW_LINES):
            return "evaluation problem"
        return None


def read_problems(directory: Path) -> list[str]:
    """The texts of all problems in a directory of gzip JSON Lines.

    Raises:
        UsageError: there is none, or one cannot be read.
    """
    texts: list[str] = []
    for path in sorted(directory.glob("*.jsonl.gz")):
        try:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    texts += _texts(json.loads(line))
        except (OSError, EOFError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{path} cannot be read ({error})", "Name gzip JSON Lines with --exclude."
            ) from error
    if not texts:
        raise UsageError(f"{directory} holds no problems", "Name a directory of *.jsonl.gz with --exclude.")
    return texts


def _texts(problem: dict[str, Any]) -> Iterator[str]:
    yield from (value for value in problem.values() if isinstance(value, str))
    for keys in _JOINED:
        if all(isinstance(problem.get(key, ""), str) for key in keys):
            yield "".join(problem.get(key, "") for key in keys)


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _windows(items: Sequence[str], width: int) -> Iterator[tuple[str, ...]]:
    return (tuple(items[start : start + width]) for start in range(len(items) - width + 1))


def _telling(windows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    return (window for window in windows if len(set(_WORD.findall(" ".join(window)))) >= MIN_WORDS)


def _shares(items: Sequence[str], known: set[str], windows: set[tuple[str, ...]], width: int) -> bool:
    """Whether a run of ``items`` is a window; only runs of known items, which are rare, are looked up."""
    start = 0
    for end, item in enumerate([*items, ""]):
        if item in known:
            continue
        if end - start >= width and any(window in windows for window in _windows(items[start:end], width)):
            return True
        start = end + 1
    return False
