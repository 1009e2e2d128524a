"""Texts, one after another, to whether one like it has come before.

Exact copies are found by a digest that white space and case do not change. Near copies are found with
MinHash (Broder 1997) over shingles of tokens: bands of the signature pick the candidates, and the whole
signatures estimate how alike they are. Plain numpy: libraries for this bring SciPy along.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import defaultdict

import numpy as np
import numpy.typing as npt

SHINGLE_TOKENS = 5
HASHES = 128
BANDS = 16
NEAR = 0.7
"""Estimated Jaccard similarity from which a text is a near copy."""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Signature = npt.NDArray[np.uint32]


class Copies:
    """What has been seen so far."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._signatures: list[Signature] = []
        self._bands: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._factors = _random_words("factor") | np.uint64(1)
        self._terms = _random_words("term")

    def reason(self, text: str) -> str | None:
        """``exact copy`` or ``near copy`` of a text that was kept; None where it is new, and is now kept."""
        digest = hashlib.sha256("".join(text.split()).lower().encode()).digest()
        if digest in self._digests:
            return "exact copy"
        signature = self.signature(text)
        keys = [(band, part.tobytes()) for band, part in enumerate(np.split(signature, BANDS))]
        candidates = {index for key in keys for index in self._bands.get(key, ())}
        if any(likeness(signature, self._signatures[index]) >= NEAR for index in sorted(candidates)):
            return "near copy"
        self._digests.add(digest)
        for key in keys:
            self._bands[key].append(len(self._signatures))
        self._signatures.append(signature)
        return None

    def signature(self, text: str) -> Signature:
        """The smallest value of each hash over the shingles of a text, ``[HASHES]``."""
        shingles = _shingles(text)
        smallest = np.empty(HASHES, np.uint32)
        for row, (factor, term) in enumerate(zip(self._factors, self._terms, strict=True)):
            smallest[row] = ((shingles * factor + term) >> np.uint64(32)).min()
        return smallest


def likeness(one: Signature, other: Signature) -> float:
    """Estimated Jaccard similarity of the shingles of two texts, from their signatures."""
    return float(np.mean(one == other))


def _random_words(name: str) -> npt.NDArray[np.uint64]:
    """As many as there are hashes; of a digest, as numpy's generators may change with its version."""
    digests = (hashlib.sha256(f"{name} {row}".encode()).digest()[:8] for row in range(HASHES))
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _shingles(text: str) -> npt.NDArray[np.uint64]:
    """A hash of each run of tokens, without repeats; of a short text, of all of it. Never empty."""
    tokens = np.array([zlib.crc32(token.encode()) for token in _TOKEN.findall(text)] or [0], np.uint64)
    width = min(SHINGLE_TOKENS, len(tokens))
    hashes = np.zeros(len(tokens) - width + 1, np.uint64)
    for offset in range(width):
        hashes = hashes * _MULTIPLIER + tokens[offset : offset + len(hashes)]
    hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes * _MULTIPLIER)
