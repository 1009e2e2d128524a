"""A directory of a published checkpoint to its config and its tensors, or a named refusal.

Reads JSON and safetensors and nothing else: no code of the repository is run, and nothing that could hold
code (pickles) is opened. What the files claim is checked against one another before a tensor is read.
Knows nothing of model families.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from engine.errors import ArtifactError, IntegrityError, ModelNotFoundError, SourceError
from engine.models.artifact import sha256_of
from engine.weights.home import expanded

CONFIG_FILE = "config.json"
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5")
MAX_JSON_BYTES = 64 << 20
FLOATS = ("F32", "F16", "BF16", "F64")

FETCHED = ("*.json", "*.safetensors", "merges.txt", "README.md")
"""What is fetched of a repository: no code, no pickles."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of a checkpoint.

    Attributes:
        file: that holds it.
        shape: of it.
        dtype: safetensors' name of its type.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: str


class Checkpoint:
    """An opened checkpoint; tensors are read one by one.

    Args:
        directory: of its files.

    Raises:
        ModelNotFoundError: there is no such directory, or no config in it.
        IntegrityError: the files do not hold together, or hold what could be code.
    """

    def __init__(self, directory: Path) -> None:
        if not (directory / CONFIG_FILE).is_file():
            raise ModelNotFoundError(
                f"{directory} holds no {CONFIG_FILE}",
                "Name the directory of a checkpoint, or a hub repository.",
            )
        self.directory = directory
        self.config = self.json(CONFIG_FILE)
        self.generation_config = self.json("generation_config.json", needed=False)
        self.tensors = self._tensors()

    def json(self, name: str, *, needed: bool = True) -> dict[str, Any]:
        """A JSON file of the checkpoint; empty where it is not there and not needed.

        Raises:
            IntegrityError: it is no JSON object, or too large to be one.
        """
        path = self.directory / name
        if not needed and not path.is_file():
            return {}
        if self._inside(path).stat().st_size > MAX_JSON_BYTES:
            raise IntegrityError(f"{path} has more than {MAX_JSON_BYTES:,} bytes")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise IntegrityError(f"{path} cannot be read ({error})", "Fetch the checkpoint again.") from error
        if not isinstance(data, dict):
            raise IntegrityError(f"{path} holds a {type(data).__name__} and no object")
        return data

    def text(self, name: str) -> str:
        """A file of the checkpoint as text.

        Raises:
            IntegrityError: it is missing or no text.
        """
        try:
            return self._inside(self.directory / name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise IntegrityError(f"{name} cannot be read ({error})", "Fetch the checkpoint again.") from error

    def sha256(self) -> str:
        """What identifies the weights: of their only file, or of the list of all files' digests."""
        files = sorted({info.file for info in self.tensors.values()})
        digests = [sha256_of(path) for path in files]
        if len(digests) == 1:
            return digests[0]
        listed = "".join(f"{digest}  {path.name}\n" for digest, path in zip(digests, files, strict=True))
        return hashlib.sha256(listed.encode()).hexdigest()

    def tensor(self, source: str) -> np.ndarray:
        """A tensor as float32.

        Args:
            source: its name; ``name[i]`` for the i-th entry along its first axis, ``name^T`` transposed.

        Raises:
            IntegrityError: it cannot be read, or holds what is no number.
        """
        name, entry, transposed = split_source(source)
        info = self.tensors[name]
        try:
            with safe_open(str(info.file), framework="pt") as file:
                stored = file.get_tensor(name) if entry is None else file.get_slice(name)[entry]
                values = stored.to(torch.float32).numpy()
        except (SafetensorError, OSError) as error:
            raise IntegrityError(f"tensor {name} of {info.file.name} cannot be read ({error})") from error
        if not np.isfinite(values).all():
            raise IntegrityError(f"tensor {name} of {info.file.name} holds values that are no numbers")
        return np.ascontiguousarray(values.T) if transposed else np.asarray(values)

    def licence(self) -> str:
        """What the model card's header says of the licence, ``unknown`` where it says nothing."""
        card = self.directory / "README.md"
        if not card.is_file():
            return "unknown"
        with self._inside(card).open(encoding="utf-8", errors="replace") as file:
            head = file.read(4000)
        found = re.search(r"^license(?:_name)?:\s*([A-Za-z0-9][\w.-]*)\s*$", head, re.MULTILINE)
        return found[1] if found else "unknown"

    def _tensors(self) -> dict[str, TensorInfo]:
        """Every tensor there is, each in the one file that the index names for it."""
        single = self.directory / SINGLE_FILE
        if (self.directory / INDEX_FILE).is_file():
            placed = self._placed(self.json(INDEX_FILE))
        elif single.is_file():
            placed = None
        else:
            raise self._without_weights()
        files = sorted(set(placed.values())) if placed else [single]
        found: dict[str, TensorInfo] = {}
        for path in files:
            for name, info in self._header(self._inside(path)).items():
                if name in found:
                    raise IntegrityError(
                        f"tensor {name} stands in both {found[name].file.name} and {path.name}: "
                        "files of different checkpoints are mixed",
                        "Fetch the checkpoint again, into an empty directory.",
                    )
                found[name] = info
        for name, path in (placed or {}).items():
            if name not in found or found[name].file != path:
                raise IntegrityError(
                    f"{INDEX_FILE} says that {path.name} holds {name}, which it does not: "
                    "files of different checkpoints are mixed",
                    "Fetch the checkpoint again, into an empty directory.",
                )
        unlisted = sorted(set(found) - set(placed)) if placed else []
        if unlisted:
            raise IntegrityError(
                f"{INDEX_FILE} does not list {unlisted[0]}, which {found[unlisted[0]].file.name} holds"
            )
        return found

    def _placed(self, index: Mapping[str, Any]) -> dict[str, Path]:
        """Tensor name to file, from the index."""
        places = index.get("weight_map")
        if not isinstance(places, dict) or not places:
            raise IntegrityError(f"{INDEX_FILE} has no weight_map")
        placed = {}
        for name, file in places.items():
            if not isinstance(file, str) or not re.fullmatch(
                r"[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors", file
            ):
                raise IntegrityError(
                    f"{INDEX_FILE} places {name!r} in {file!r}: only *.safetensors files beside it are read"
                )
            placed[name] = self.directory / file
        return placed

    def _inside(self, path: Path) -> Path:
        """A file of this directory, or of the hub's cache that it links to."""
        if not path.is_file():
            raise IntegrityError(f"{path.name} is missing", "Fetch the checkpoint again.")
        resolved, home = path.resolve(), self.directory.resolve()
        blobs = home.parent.parent / "blobs"  # of the hub's cache: snapshots/REVISION beside blobs
        if home not in resolved.parents and blobs not in resolved.parents:
            raise IntegrityError(f"{path.name} is a link that leads outside the checkpoint")
        return path

    def _header(self, path: Path) -> dict[str, TensorInfo]:
        try:
            with safe_open(str(path), framework="pt") as file:
                found = {}
                for name in file.keys():  # noqa: SIM118  (not a mapping)
                    view = file.get_slice(name)
                    found[name] = TensorInfo(path, tuple(view.get_shape()), str(view.get_dtype()))
                return found
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                f"{path.name} is no whole safetensors file ({error})", "Fetch the checkpoint again."
            ) from error

    def _without_weights(self) -> IntegrityError:
        pickles = [path.name for path in sorted(self.directory.iterdir()) if path.suffix in PICKLES]
        if pickles:
            return IntegrityError(
                f"{self.directory} has its weights in {pickles[0]}, a kind of file that can hold code",
                "Use a revision of the checkpoint with safetensors.",
            )
        return IntegrityError(f"{self.directory} holds neither {SINGLE_FILE} nor {INDEX_FILE}")


def split_source(source: str) -> tuple[str, int | None, bool]:
    """A tensor's name, which entry of it is meant, whether it is transposed; see ``Checkpoint.tensor``."""
    if source.endswith("^T"):
        return source[:-2], None, True
    found = re.fullmatch(r"(.*)\[(\d+)\]", source)
    return (found[1], int(found[2]), False) if found else (source, None, False)


def check_tensors(
    checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]], ignored: Iterable[str] = ()
) -> None:
    """Hold a checkpoint's tensors to what its config promises.

    Args:
        checkpoint: whose.
        expected: shape of every tensor by name.
        ignored: patterns of names that are of no use and may be there.

    Raises:
        IntegrityError: one is missing, of another shape or type, or too many.
    """
    there = checkpoint.tensors
    for name, shape in expected.items():
        if name not in there:
            raise IntegrityError(f"the checkpoint has no tensor {name}, which its config asks for")
        if there[name].shape != shape:
            raise IntegrityError(
                f"tensor {name} has shape {list(there[name].shape)}, and the config asks for {list(shape)}"
            )
        if there[name].dtype not in FLOATS:
            raise IntegrityError(
                f"tensor {name} is of type {there[name].dtype}: already quantized checkpoints are not read",
                f"Use one in {', '.join(FLOATS)}.",
            )
    patterns = [re.compile(pattern) for pattern in ignored]
    for name in sorted(set(there) - set(expected)):
        if not any(pattern.fullmatch(name) for pattern in patterns):
            raise IntegrityError(
                f"the checkpoint has a tensor {name} that its config does not ask for: "
                "it is of another model, or files are mixed"
            )


def locate(source: str, *, offline: bool = False) -> Path:
    """The directory of a checkpoint: a path as it is, a hub repository once it is fetched.

    Args:
        source: a directory, or ``owner/name``, perhaps with ``@revision``.
        offline: whether to look into the hub's cache alone.

    Raises:
        ConfigError: it begins with a home directory that is not known.
        ModelNotFoundError: it is neither.
        SourceError: the hub did not deliver.
    """
    path = expanded(Path(source))
    if path.is_dir():
        return path
    repository, _, revision = source.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repository):
        raise ModelNotFoundError(f"{source!r} is no directory and no hub repository", "Write OWNER/NAME.")
    from huggingface_hub import snapshot_download  # noqa: PLC0415  (only where something is fetched)
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        fetched = snapshot_download(
            repository, revision=revision or None, allow_patterns=list(FETCHED), local_files_only=offline
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SourceError(
            f"the hub did not deliver {repository} ({said[:200]})",
            "Check the name, or fetch it and name its directory.",
        ) from error
    return Path(fetched)


def refuse(what: str, remedy: str = "") -> ArtifactError:
    """The error for a checkpoint that is sound and that this version cannot run."""
    return ArtifactError(what, remedy)
