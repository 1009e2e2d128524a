"""A published diffusion checkpoint to an artifact: recognised, checked, measured, then written by the tensor.

What it will take is known before anything is written; only one tensor is held in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from engine.denoising.diffusion import Placing
from engine.denoising.tokens import TokenCodec
from engine.errors import ArtifactError, IntegrityError, StoreError
from engine.models.artifact import MANIFEST_FILE, SCHEMA, sha256_of, verify
from engine.models.assemble import GRAPH_FILE
from engine.types import Progress, ProgressListener
from engine.weights.encodings import FOR_GPUS, WHOLE_COLUMNS, Quantization, encode
from engine.weights.store import human_bytes
from export.checkpoint import Checkpoint, check_tensors, split_source
from export.config import AnyConfig, GemmaConfig
from export.families import recognise
from export.family import Family, Wishes
from export.package import TOKENIZER_FILE, WEIGHTS_FILE, file_entry, write_graph
from export.quantize import StoredTensor, plan_weights
from export.tokenizer_files import TokenNames, check_ids, special_ids, tokenizer_json

FIM_MARKERS = {"fim_prefix": "<|fim_prefix|>", "fim_suffix": "<|fim_suffix|>", "fim_middle": "<|fim_middle|>"}


PROBE = "def f(x):\n\treturn  x['é']  # 🎉\r\n\n    pass"
"""A text that a tokenizer has to give back to the byte."""

LIBRARIES_BYTES = 700 << 20
"""What torch and the exporter take by themselves."""

TENSOR_COPIES = 4
"""Times that the largest tensor is held in float32 while it is encoded; the graph is made without weights."""

RUNTIME_BYTES = 400 << 20
"""What the running server takes beside the weights."""

SPARE_BYTES = 64 << 20
"""Left free on the disk."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an export will take.

    Attributes:
        n_parameters: of the model, tied ones counted once.
        disk_bytes: it writes.
        memory_bytes: it needs while it runs, at most.
        serving_bytes: the artifact needs when it is served.
    """

    n_parameters: int
    disk_bytes: int
    memory_bytes: int
    serving_bytes: int

    def __str__(self) -> str:
        """For people."""
        return (
            f"{self.n_parameters / 1e6:,.1f} million parameters; writes {human_bytes(self.disk_bytes)}, "
            f"needs about {human_bytes(self.memory_bytes)} of memory, "
            f"and about {human_bytes(self.serving_bytes)} when served"
        )


class Conversion:
    """An export that is ready to be made.

    Args:
        directory: of the checkpoint.
        name: of the artifact.
        encoding: how matrices are stored.
        wishes: what the config does not say.
        refresh: passes after which approximate caches are made anew; 1 for none.

    Raises:
        ArtifactError: the checkpoint is of no family this version runs.
        IntegrityError: it does not hold together.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        encoding: Quantization,
        wishes: Wishes | None = None,
        *,
        refresh: int = 1,
    ) -> None:
        if encoding == FOR_GPUS or encoding in WHOLE_COLUMNS:
            raise ArtifactError(f"{encoding} is for the base alone", "Choose f32, f16, q8 or q4.")
        self._checkpoint = Checkpoint(directory)
        self._name, self._encoding, self._refresh = name, encoding, refresh
        self.family = recognise(self._checkpoint, wishes or Wishes())
        self._shapes = parameter_shapes(self.family)
        check_tensors(self._checkpoint, expected_tensors(self.family), self.family.ignored)
        self._tokenizer = tokenizer_json(self._checkpoint)
        self._codec = _codec(self._tokenizer, directory)
        n_tokens = len(self._codec.token_bytes)
        if n_tokens > self.family.config.n_vocab:
            raise IntegrityError(
                f"the tokenizer has {n_tokens} tokens, the embedding {self.family.config.n_vocab} "
                "rows: files of different checkpoints are mixed"
            )
        check_ids(self._tokenizer, self._codec)
        self._plan, self._n_bytes = plan_weights(self._shapes, encoding)
        self._diffusion, self._special = self._values()

    @property
    def estimate(self) -> Estimate:
        """What it will take, from the shapes alone."""
        sizes = [prod(shape) for shape in self._shapes.values()]
        n_parameters = sum(sizes)
        stored = self._n_bytes * (2 if self._encoding == "f16" else 1)
        return Estimate(
            n_parameters,
            self._n_bytes + len(self._tokenizer),
            LIBRARIES_BYTES + TENSOR_COPIES * 4 * max(sizes),
            RUNTIME_BYTES + stored,
        )

    def check_room(self, out: Path) -> None:
        """Refuse before anything is written what cannot be finished.

        Raises:
            StoreError: the disk or the memory does not suffice.
        """
        estimate = self.estimate
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        if estimate.disk_bytes + SPARE_BYTES > free:
            raise StoreError(
                f"the artifact takes {human_bytes(estimate.disk_bytes)}, and {human_bytes(free)} are free",
                "Free some space, or choose `--quantization q4`.",
            )
        available = psutil.virtual_memory().available
        if estimate.memory_bytes > available:
            raise StoreError(
                f"exporting needs {human_bytes(estimate.memory_bytes)} of memory, of which "
                f"{human_bytes(available)} are free",
                "Export on a larger machine; the artifact can be copied.",
            )

    def write(self, out: Path, progress: ProgressListener | None = None) -> None:
        """Write the artifact, its manifest last; what is half done is removed.

        Args:
            out: a directory that is empty or does not exist.
            progress: told bytes of weights written.

        Raises:
            IntegrityError: a tensor cannot be stored.
        """
        self.check_room(out)
        with _whole_or_nothing(out):
            self._write_weights(out / WEIGHTS_FILE, progress)
            (out / TOKENIZER_FILE).write_bytes(self._tokenizer)
            write_graph(self.family.config, self._plan, self.family.tied, out / GRAPH_FILE)
            text = json.dumps(self._manifest(out), indent=1) + "\n"
            (out / MANIFEST_FILE).write_text(text, encoding="utf-8", newline="\n")
            verify(out, full=False)

    def _write_weights(self, path: Path, progress: ProgressListener | None) -> None:
        with path.open("wb") as file:
            file.truncate(self._n_bytes)
            for stored in self._plan.values():
                matrix = self._matrix(stored)
                if stored.encoding == "f16" and np.abs(matrix).max() > np.finfo(np.float16).max:
                    raise IntegrityError(f"{stored.name} has values too large for f16", "Choose another.")
                for part, array in encode(matrix, stored.encoding).items():
                    file.seek(stored.parts[part].offset)
                    file.write(np.ascontiguousarray(array).data)
                if progress is not None:
                    progress(Progress("weights", file.tell(), self._n_bytes))

    def _matrix(self, stored: StoredTensor) -> np.ndarray:
        parts = [self._checkpoint.tensor(name) for name in self.family.sources[stored.name]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _values(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The manifest's ``diffusion`` and ``special``."""
        family = self.family
        names = TokenNames(self._checkpoint, self._codec)
        mask = None
        if family.noise == "mask":
            mask = names.find("mask", *family.mask_spellings)
            mask = family.mask_default if mask is None else mask
            mask = names.need("mask", *family.mask_spellings) if mask is None else mask
        markers = {key: self._codec.id_of(token) for key, token in FIM_MARKERS.items()}
        marked = family.attention != "full" and None not in markers.values()
        placing: Placing = (
            "in_place" if family.attention == "full" else "suffix_prefix" if marked else "prefix"
        )
        unused = {mask, family.expand, *((family.delete,) if placing == "in_place" else ())}
        end = (special_ids(self._tokenizer) | names.ids("eos")) - unused
        if not end:
            raise IntegrityError("neither the configs nor the tokenizer name a token that ends a text")
        for token in sorted({*end, mask, family.expand, family.delete} - {None}, key=str):
            if not 0 <= int(str(token)) < family.config.n_vocab:
                raise IntegrityError(f"the id {token} of a special token is outside the vocabulary")
        bos = names.find("bos", "<|beginoftext|>", "<bos>") if family.bos else None
        eos = names.find("eos", "<|endoftext|>") if family.eos else None
        diffusion = {
            "attention": family.attention,
            "logit_shift": family.shift,
            "noise": family.noise,
            "placing": placing,
            "mask": mask,
            "expand": family.expand,
            "delete": family.delete,
            "opening": [] if bos is None else [bos],
            "closing": [] if eos is None else [eos],
            "block": family.block,
            "window": family.window,
        }
        return diffusion, {**(markers if marked else {}), "end": sorted(end)}

    def _manifest(self, out: Path) -> dict[str, Any]:
        graph = file_entry(out / GRAPH_FILE)
        return {
            "schema": SCHEMA,
            "name": self._name,
            "family": self.family.name,
            "quantization": self._encoding,
            "base": {
                "name": self._name,
                "sha256": self._checkpoint.sha256(),
                "licence": self._checkpoint.licence(),
            },
            "adapter": None,
            "transitions": None,
            "diffusion": self._diffusion,
            "canvas_slots": self.family.window,
            "decode": {**asdict(self.family.rule), "refresh": self._refresh},
            "special": self._special,
            "shape": shape_entry(self.family.config),
            "tokenizer": {
                "file": TOKENIZER_FILE,
                "sha256": hashlib.sha256(self._tokenizer).hexdigest(),
                "bytes": len(self._tokenizer),
            },
            "graphs": {"context": graph, "canvas": graph},
            "weights": {
                "file": WEIGHTS_FILE,
                "sha256": sha256_of(out / WEIGHTS_FILE),
                "bytes": self._n_bytes,
                "tensors": [self._tensor_entry(stored) for stored in self._plan.values()],
            },
        }

    def _tensor_entry(self, stored: StoredTensor) -> dict[str, Any]:
        return {
            "name": stored.name,
            "shape": list(stored.shape),
            "encoding": stored.encoding,
            "sources": list(self.family.sources[stored.name]),
            "parts": {part: [place.offset, place.n_bytes] for part, place in stored.parts.items()},
        }


def parameter_shapes(family: Family) -> dict[str, tuple[int, ...]]:
    """Shape of every stored parameter, from the config."""
    from export.to_onnx import shapes_of  # noqa: PLC0415  (torch's exporter is slow to import)

    shapes = shapes_of(family.config)
    return {name: shapes[name] for name in family.sources}


def expected_tensors(family: Family) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a checkpoint: what is stacked taken apart, entries put together."""
    expected: dict[str, tuple[int, ...]] = {}
    for name, shape in parameter_shapes(family).items():
        parts = family.sources[name]
        for source, n_rows in zip(parts, part_rows(family, name, shape), strict=True):
            tensor, entry, transposed = split_source(source)
            own = (n_rows, *shape[1:])
            if entry is not None:
                known = expected.get(tensor, (0, *own))
                own = (max(known[0], entry + 1), *own)
            expected[tensor] = own[::-1] if transposed else own
    return expected


def part_rows(family: Family, name: str, shape: tuple[int, ...]) -> list[int]:
    """Rows that each source of a parameter contributes."""
    config = family.config
    if len(family.sources[name]) == 1 or isinstance(config, GemmaConfig):
        return [shape[0]]
    if ".qkv." in name:
        return [config.n_heads * config.head_dim, *[config.n_kv_heads * config.head_dim] * 2]
    return [shape[0] // 2] * 2  # gate and up


def shape_entry(config: AnyConfig) -> dict[str, Any]:
    """The manifest's ``shape``."""
    entry: dict[str, Any] = {
        "n_layers": config.n_layers,
        "n_vocab": config.n_vocab,
        "max_positions": config.max_positions,
    }
    if isinstance(config, GemmaConfig):
        layers = [{"n_kv_heads": layer.n_kv_heads, "head_dim": layer.head_dim} for layer in config.layers]
        return {**entry, **layers[0], "layers": layers, "window": config.window}
    return {**entry, "n_kv_heads": config.n_kv_heads, "head_dim": config.head_dim}


def _codec(tokenizer: bytes, directory: Path) -> TokenCodec:
    try:
        codec = TokenCodec.from_bytes(tokenizer)
    except ArtifactError as error:
        raise IntegrityError(f"the tokenizer of {directory.name} cannot be used ({error.cause})") from error
    if codec.decode(codec.encode(PROBE)) != PROBE:
        raise ArtifactError(f"the tokenizer of {directory.name} does not give text back as it was")
    return codec


@contextmanager
def _whole_or_nothing(out: Path) -> Iterator[None]:
    """A directory that is there only once all of it is."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
