"""A checkpoint's tokenizer files to one ``tokenizer.json``, and the ids of the tokens with a meaning.

Reads the files as data; tokenizers that come as code are rebuilt from their vocabulary and merges.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.denoising.tokens import TokenCodec
from engine.errors import ArtifactError, IntegrityError
from engine.models.assemble import bpe_tokenizer
from export.checkpoint import Checkpoint

TOKENIZER_FILE = "tokenizer.json"


def tokenizer_json(checkpoint: Checkpoint) -> bytes:
    """The tokenizer in the format of the `tokenizers` library.

    Raises:
        IntegrityError: its files are missing or do not hold together.
    """
    path = checkpoint.directory / TOKENIZER_FILE
    if path.is_file():
        checkpoint.json(TOKENIZER_FILE)
        return checkpoint.text(TOKENIZER_FILE).encode("utf-8")
    merges = checkpoint.directory / "merges.txt"
    if not (checkpoint.directory / "vocab.json").is_file() or not merges.is_file():
        raise IntegrityError(
            f"{checkpoint.directory} holds neither {TOKENIZER_FILE} nor vocab.json and merges.txt",
            "Fetch the checkpoint again.",
        )
    vocab = checkpoint.json("vocab.json")
    added = _added(checkpoint)
    lines = checkpoint.text(merges.name).splitlines()
    pairs = [line.split(" ") for line in lines if line.strip() and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs) or not all(isinstance(i, int) for i in vocab.values()):
        raise IntegrityError("vocab.json and merges.txt are not those of a BPE tokenizer")
    # Special tokens stand in the vocabulary too: the library would number them anew behind a gap.
    return bpe_tokenizer("qwen2", vocab | {content: i for i, content in added.items()}, pairs, added)


def check_ids(tokenizer: bytes, codec: TokenCodec) -> None:
    """Hold a tokenizer's special tokens to the ids that its file gives them.

    Raises:
        IntegrityError: the library numbers one otherwise, which it does where the vocabulary has a gap.
    """
    for entry in json.loads(tokenizer).get("added_tokens", []):
        content, index = str(entry.get("content")), entry.get("id")
        if codec.id_of(content) != index:
            raise IntegrityError(
                f"the tokenizer's file gives {content} the id {index}, its vocabulary {codec.id_of(content)}",
                "Add the special tokens to the vocabulary under their ids.",
            )


def special_ids(tokenizer: bytes) -> frozenset[int]:
    """Ids of the tokens that stand for no text."""
    entries = json.loads(tokenizer).get("added_tokens", [])
    return frozenset(int(entry["id"]) for entry in entries if entry.get("special"))


class TokenNames:
    """What a checkpoint's files call tokens, looked up in its vocabulary."""

    def __init__(self, checkpoint: Checkpoint, codec: TokenCodec) -> None:
        self._checkpoint, self._codec = checkpoint, codec
        self._named = checkpoint.json("tokenizer_config.json", needed=False)

    def find(self, role: str, *spellings: str) -> int | None:
        """The id of a token by its role (``mask``), else by how families spell it; None if there is none."""
        for settings in (self._checkpoint.config, self._checkpoint.generation_config):
            value = settings.get(f"{role}_token_id")
            if isinstance(value, list) and value:
                value = value[0]
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        named = self._named.get(f"{role}_token")
        if isinstance(named, Mapping):
            named = named.get("content")
        for spelling in (named, *spellings):
            if isinstance(spelling, str) and (found := self._codec.id_of(spelling)) is not None:
                return found
        return None

    def need(self, role: str, *spellings: str) -> int:
        """The same where there has to be one.

        Raises:
            ArtifactError: there is none.
        """
        found = self.find(role, *spellings)
        if found is None:
            raise ArtifactError(
                f"neither config nor tokenizer of {self._checkpoint.directory.name} names a {role} token",
                f"Set {role}_token_id in its config.json.",
            )
        return found

    def ids(self, role: str) -> frozenset[int]:
        """All ids that the configs give a role."""
        found: set[int] = set()
        for settings in (self._checkpoint.config, self._checkpoint.generation_config):
            value = settings.get(f"{role}_token_id")
            values = value if isinstance(value, list) else [value]
            found |= {item for item in values if isinstance(item, int) and not isinstance(item, bool)}
        return frozenset(found)


def _added(checkpoint: Checkpoint) -> dict[int, str]:
    """Id to text of the tokens that stand beside the vocabulary."""
    entries: dict[int, str] = {}
    decoder: Any = checkpoint.json("tokenizer_config.json", needed=False).get("added_tokens_decoder", {})
    if isinstance(decoder, Mapping):
        entries = {
            int(index): str(entry.get("content", ""))
            for index, entry in decoder.items()
            if str(index).isdigit() and isinstance(entry, Mapping)
        }
    for content, index in checkpoint.json("added_tokens.json", needed=False).items():
        if isinstance(index, int):
            entries[index] = content
    return entries
