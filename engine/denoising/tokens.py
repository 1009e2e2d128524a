"""Text to token ids and back, byte for byte, and which tokens may continue a half-typed one.

Works on byte-level BPE vocabularies, and on those that write spaces as ``▁`` (`tokenizers`). Knows nothing of
prompts, caches or models.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from engine.errors import ArtifactError

MAX_HEAL_CHARS = 48
"""A longer last piece (a ruler of dashes, deep indentation) is left as it stands."""


def byte_alphabet() -> dict[str, int]:
    """The printable stand-in of each byte in byte-level BPE vocabularies (GPT-2's), to that byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


class TokenCodec:
    """A tokenizer that treats all text as text: special tokens in it are never special.

    Args:
        tokenizer: a byte-level tokenizer; its added tokens are the special ones.
        heals: whether tokens can be longer than a byte, so that a cursor can stand inside one.
    """

    def __init__(self, tokenizer: Tokenizer, *, heals: bool = True) -> None:
        self._is_byte_level = (
            tokenizer.decoder is None or b"ByteFallback" not in tokenizer.decoder.__getstate__()
        )
        self._heals = heals and self._is_byte_level
        tokenizer.encode_special_tokens = True
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        added = [int(i) + 1 for i in tokenizer.get_added_tokens_decoder()]  # there may be a gap before them
        self.n_vocab: int = max(tokenizer.get_vocab_size(with_added_tokens=True), *added, 0)
        self._n_ids = self.n_vocab

    @classmethod
    def from_file(cls, path: Path) -> TokenCodec:
        """Read a ``tokenizer.json``.

        Raises:
            ArtifactError: the file is not a tokenizer.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{path.name} cannot be read ({error})", "Run `unmask models pull` again."
            ) from error
        return cls.from_bytes(data, path.name)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "tokenizer.json") -> TokenCodec:
        """Take the bytes of a ``tokenizer.json``.

        Raises:
            ArtifactError: they are not a tokenizer.
        """
        try:
            return cls(Tokenizer.from_str(data.decode("utf-8")))
        except Exception as error:  # the library raises bare Exception
            raise ArtifactError(
                f"{name} is not a tokenizer ({error})", "Run `unmask models pull` again."
            ) from error

    @classmethod
    def of_bytes(cls, special_tokens: Sequence[str]) -> TokenCodec:
        """A vocabulary of the 256 bytes and then the special tokens, for fakes."""
        vocab = {char: index for index, char in enumerate(byte_alphabet())}
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special_tokens])
        return cls(tokenizer, heals=False)

    def widen(self, n_ids: int) -> None:
        """Take ids beyond the vocabulary, up to a model's padded embedding; they stand for no text."""
        self._n_ids = max(n_ids, self.n_vocab)

    def prepare(self) -> None:
        """Build the tables that healing and stopping look things up in (some 0.5 s for 150,000 tokens).

        They are built when first needed otherwise, and then the first request waits for them.
        """
        _ = (self._sorted_tokens, self.line_ends)

    def id_of(self, token: str) -> int | None:
        """Id of a token by its vocabulary entry, None if there is none."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; nothing is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def start_chars(self, text: str) -> list[int]:
        """Where each token of a text starts, in characters."""
        return [start for start, _ in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The exact bytes the tokens stand for; special tokens stand for none."""
        return b"".join(self.token_bytes[i] for i in ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; an unfinished character at the end is left out."""
        data = self.decode_bytes(ids)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end >= len(data):  # cut inside the last character
                return data[: error.start].decode("utf-8")
            return data.decode("utf-8", errors="replace")

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """Bytes of every token by id; empty for special and unused ids."""
        alphabet = byte_alphabet()
        special = {int(i) for i in self._tokenizer.get_added_tokens_decoder()}
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        table = [b""] * max(self._n_ids, max(vocabulary.values(), default=0) + 1)
        for token, index in vocabulary.items():
            if index in special:
                continue
            if not self._is_byte_level:
                table[index] = _spelt_out(token)
            elif all(char in alphabet for char in token):
                table[index] = bytes(alphabet[char] for char in token)
        return table

    @cached_property
    def line_ends(self) -> npt.NDArray[np.int64]:
        """Ids of the tokens that are white space with a line end in it. Shape ``[n]``."""
        return np.array(
            [i for i, data in enumerate(self.token_bytes) if b"\n" in data and not data.strip()],
            dtype=np.int64,
        )

    def beginning_with(self, text: str) -> npt.NDArray[np.int64]:
        """Ids of the tokens that, leading white space aside, begin with a text. Shape ``[n]``."""
        wanted = text.encode("utf-8")
        found = [i for i, data in enumerate(self.token_bytes) if data.lstrip().startswith(wanted)]
        return np.array(found, dtype=np.int64)

    @cached_property
    def _sorted_tokens(self) -> tuple[list[bytes], npt.NDArray[np.int64]]:
        order = sorted((data, index) for index, data in enumerate(self.token_bytes) if data)
        return [data for data, _ in order], np.array([index for _, index in order], dtype=np.int64)

    def continuing(self, wanted: bytes) -> npt.NDArray[np.int64]:
        """Ids of the tokens that agree with ``wanted``: they begin with it, or it begins with them.

        ``wanted`` must not be empty. Shape ``[n]``, in no particular order.
        """
        assert wanted
        texts, ids = self._sorted_tokens
        low = bisect_left(texts, wanted)
        high = bisect_left(texts, wanted + b"\xff" * 8, lo=low)
        shorter = [self._exact(wanted[:n]) for n in range(1, len(wanted))]
        return np.concatenate(
            [ids[low:high], np.array([i for i in shorter if i is not None], dtype=np.int64)]
        )

    def _exact(self, data: bytes) -> int | None:
        texts, ids = self._sorted_tokens
        at = bisect_left(texts, data)
        return int(ids[at]) if at < len(texts) and texts[at] == data else None

    def split_for_healing(self, prefix: str) -> tuple[str, str]:
        """Cut the last unfinished piece off a prefix: ``(kept, piece)`` with ``kept + piece == prefix``.

        A cursor often stands inside what would be one token (``self.resp|onse``, four spaces of
        eight). The model never saw that cut; generating the piece anew, held to its text, gives the
        token it knows. After a line end nothing is cut: line ends finish a piece.
        """
        if not self._heals or not prefix or prefix[-1] in "\r\n":
            return prefix, ""
        tail_start = max(prefix.rfind("\n") + 1, len(prefix) - 4 * MAX_HEAL_CHARS)
        tail = prefix[tail_start:]
        pieces = self._tokenizer.pre_tokenizer.pre_tokenize_str(tail)
        start = int(pieces[-1][1][0]) if pieces else 0
        if not 0 < len(tail) - start <= MAX_HEAL_CHARS:
            return prefix, ""
        return prefix[: tail_start + start], tail[start:]

    def first_behind(self, piece: str, text: str) -> int:
        """The token that begins a text behind a piece of one: the first that says more than the piece.

        Args:
            piece: taken back to be healed; may be empty.
            text: not empty.
        """
        tokens, n_bytes, n_piece = self.encode(piece + text), 0, len(piece.encode("utf-8", "replace"))
        for token in tokens:
            n_bytes += len(self.token_bytes[token])
            if n_bytes > n_piece:
                return token
        return tokens[-1]  # a tokenizer that writes the piece in fewer bytes


def _spelt_out(token: str) -> bytes:
    """The bytes of a token of a vocabulary that writes spaces as ``▁`` and single bytes as ``<0x0A>``."""
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode("utf-8")
