"""A directory on disk to a manifest that can be trusted, or a named error.

Everything a manifest claims is checked here before anything else reads it: schema, types, ranges, paths
that stay inside the directory, sizes and hashes. Knows nothing of ONNX Runtime or of where artifacts
come from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, get_args

from engine.denoising.cache import CacheShape
from engine.denoising.commit import CommitRule, Order
from engine.denoising.denoiser import SpecialTokens
from engine.denoising.diffusion import FAMILIES, Attention, Diffusion, Noise, Placing
from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.errors import ArtifactError, IntegrityError
from engine.types import Progress, ProgressListener
from engine.weights.encodings import Encoding, part_shapes
from engine.weights.rotation import UNTURNED, Turn

SCHEMA = 3
MANIFEST_FILE = "manifest.json"
ADAPTER_SOURCE = "adapter/"
"""Prefix of the sources that are tensors of the adapter."""

FAMILY = "context-canvas"
_REMEDY = "Make it again: `unmask models pull NAME`, or `unmask export`."
_CHUNK = 1 << 22

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the artifact.

    Attributes:
        file: its name, relative to the manifest, inside the directory.
        sha256: of its bytes, lower-case hexadecimal.
        n_bytes: its size.
    """

    file: str
    sha256: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor of the weights file and how it is made from the base.

    Attributes:
        name: parameter name.
        shape: of the float tensor.
        encoding: how it is stored.
        sources: base tensors stacked along their first axis; behind ``ADAPTER_SOURCE`` the adapter's.
        parts: part name to (offset, size) in bytes.
        turn: what is done to it before it is encoded.
    """

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    sources: tuple[str, ...]
    parts: dict[str, tuple[int, int]]
    turn: Turn = UNTURNED


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """The canvas adapter of an artifact.

    Attributes:
        name: its name.
        entry: its file; it ships beside the graph, and its tensors end up among the weights.
    """

    name: str
    entry: FileEntry


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact says of itself.

    Attributes:
        source: the file that says it.
        name: model name.
        family: kind of model: ``context-canvas``, or one of ``engine.denoising.diffusion.FAMILIES``.
        quantization: encoding of its matrices.
        base_name, base_sha256: the base weights it is assembled from.
        adapter: the canvas adapter, None where there is none.
        transitions: the table of which tokens follow which, see ``engine.denoising.transitions``; or None.
        tokenizer, weights: its files.
        graphs: file of each role, ``context`` and ``canvas`` (they may be one file).
        tensors: what lies where in the weights file.
        special: ids of ``fim_prefix``, ``fim_suffix``, ``fim_middle``, where the model has these markers.
        end_ids: ids that end a fill.
        n_layers, n_kv_heads, head_dim, n_vocab, max_positions: sizes.
        canvas_slots: slots of a new canvas.
        decode: how it is decoded by default; of a diffusion checkpoint ``diffusion.rule`` says so.
        diffusion: what kind of diffusion model it is; None for ``context-canvas``.
        cache_shapes: heads and width of each array of keys and values.
        window: how many tokens back the layers with a sliding window see; None where no layer has one.
    """

    source: Path
    name: str
    family: str
    quantization: str
    base_name: str
    base_sha256: str
    adapter: AdapterEntry | None
    transitions: FileEntry | None
    tokenizer: FileEntry
    weights: FileEntry
    graphs: dict[str, FileEntry]
    tensors: tuple[TensorEntry, ...]
    special: dict[str, int]
    end_ids: frozenset[int]
    n_layers: int
    n_kv_heads: int
    head_dim: int
    n_vocab: int
    max_positions: int
    canvas_slots: int
    decode: DecodeRule
    diffusion: Diffusion | None
    cache_shapes: tuple[CacheShape, ...]
    window: int | None

    @property
    def markers(self) -> SpecialTokens:
        """What the layout and the loop need of a model that has infilling markers."""
        special = self.special
        return SpecialTokens(
            special["fim_prefix"], special["fim_suffix"], special["fim_middle"], self.end_ids
        )

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        return self.source.parent

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file of an assembled artifact once."""
        return (*self.shipped_files, self.tokenizer, self.weights)

    @property
    def shipped_files(self) -> tuple[FileEntry, ...]:
        """The files an artifact takes over from the package as they are, once each."""
        entries = [*self.graphs.values(), *([self.transitions] if self.transitions else [])]
        return tuple({entry.file: entry for entry in entries}.values())

    def path(self, entry: FileEntry) -> Path:
        """Where a file lies."""
        return self.directory / entry.file


def is_artifact(directory: Path) -> bool:
    """Whether a directory holds a manifest, whatever is in it.

    Raises:
        ArtifactError: it may not be looked at.
    """
    try:
        return (directory / MANIFEST_FILE).is_file()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArtifactError(
            f"{directory} cannot be looked at ({reason})", "Check the name and its permissions."
        ) from error


def load_manifest(directory: Path, file: str = MANIFEST_FILE) -> Manifest:
    """Read and check the manifest of an artifact; the files it names are not opened.

    Args:
        directory: where it lies.
        file: its name; in an assembled artifact it is the default.

    Raises:
        ArtifactError: it is missing, malformed, of another schema or family, or names a path outside.
    """
    path = directory / file
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{directory} holds no {file}", _REMEDY) from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error})", _REMEDY) from error
    return _Reader(path).manifest(data)


def verify(directory: Path, *, full: bool = True, progress: ProgressListener | None = None) -> Manifest:
    """Check the files of an artifact against its manifest.

    Args:
        directory: the artifact.
        full: hash every byte; otherwise the weights are checked by size alone.
        progress: told bytes hashed.

    Raises:
        ArtifactError: see ``load_manifest``, or a file is missing.
        IntegrityError: a file's size or sha256 is not the manifest's.
    """
    manifest = load_manifest(directory)
    total = sum(entry.n_bytes for entry in manifest.files)
    done = 0
    for entry in manifest.files:
        path = manifest.path(entry)
        if not path.is_file():
            raise ArtifactError(f"{path} is missing", _REMEDY)
        if path.stat().st_size != entry.n_bytes:
            raise IntegrityError(
                f"{path} has {path.stat().st_size:,} bytes and not {entry.n_bytes:,}: truncated or replaced",
                _REMEDY,
            )
        if full or entry is not manifest.weights:
            actual = sha256_of(path, _Counting(progress, done, total))
            if actual != entry.sha256:
                raise IntegrityError(f"{path} was altered: its sha256 is not the manifest's", _REMEDY)
        done += entry.n_bytes
    return manifest


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Lower-case hexadecimal sha256 of a file's bytes; ``progress`` is told the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Counting:
    """Tells a listener of bytes hashed, those of earlier files included."""

    listener: ProgressListener | None
    before: int
    total: int

    def __call__(self, done: int) -> None:
        if self.listener is not None:
            self.listener(Progress("verify", self.before + done, self.total))


class _Reader:
    """Typed access to untrusted JSON; every complaint names the file and the key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, data: object) -> Manifest:
        root = self._typed(data, dict, "the whole")
        schema = self._get(root, "schema", int)
        if schema != SCHEMA:
            raise ArtifactError(
                f"{self._path} has schema {schema}; this version reads {SCHEMA}",
                "Export it again, or update Unmask.",
            )
        family = self._get(root, "family", str)
        if family not in (FAMILY, *FAMILIES):
            known = ", ".join((FAMILY, *FAMILIES))
            raise ArtifactError(f"{self._path} is of family {family!r}; this version reads {known}")
        base = self._get(root, "base", dict)
        shape = self._get(root, "shape", dict)
        n_vocab = self._count(shape, "n_vocab")
        special = self._get(root, "special", dict)
        weights = self._get(root, "weights", dict)
        graphs = self._get(root, "graphs", dict)
        entry = self._file(weights)
        diffusion = None if family == FAMILY else self._diffusion(root, n_vocab)
        marked = diffusion is None or diffusion.placing == "suffix_prefix"
        return Manifest(
            source=self._path,
            name=self._name(root, "name"),
            family=family,
            quantization=self._name(root, "quantization"),
            base_name=self._name(base, "name"),
            base_sha256=self._sha256(base, "sha256"),
            adapter=None if root.get("adapter") is None else self._adapter(self._get(root, "adapter", dict)),
            transitions=None
            if root.get("transitions") is None
            else self._file(self._get(root, "transitions", dict)),
            tokenizer=self._file(self._get(root, "tokenizer", dict)),
            weights=entry,
            graphs={role: self._file(self._get(graphs, role, dict)) for role in ("context", "canvas")},
            tensors=tuple(self._tensor(item, entry.n_bytes) for item in self._get(weights, "tensors", list)),
            special={
                key: self._id(self._get(special, key, int), key, n_vocab)
                for key in (("fim_prefix", "fim_suffix", "fim_middle") if marked else ())
            },
            end_ids=frozenset(
                self._id(self._typed(item, int, "special.end"), "end", n_vocab)
                for item in self._get(special, "end", list)
            ),
            n_layers=self._count(shape, "n_layers"),
            n_kv_heads=self._count(shape, "n_kv_heads"),
            head_dim=self._count(shape, "head_dim"),
            n_vocab=n_vocab,
            max_positions=self._count(shape, "max_positions"),
            canvas_slots=self._count(root, "canvas_slots"),
            decode=self._rule(self._get(root, "decode", dict)) if diffusion is None else LEFT_TO_RIGHT,
            diffusion=diffusion,
            cache_shapes=self._cache_shapes(shape),
            window=None if shape.get("window") is None else self._count(shape, "window"),
        )

    def _cache_shapes(self, shape: Mapping[str, Any]) -> tuple[CacheShape, ...]:
        """Keys and values, layer by layer; layers may differ in what they keep."""
        n_layers = self._count(shape, "n_layers")
        if "layers" not in shape:
            return ((self._count(shape, "n_kv_heads"), self._count(shape, "head_dim")),) * (2 * n_layers)
        layers = [self._typed(item, dict, "shape.layers") for item in self._get(shape, "layers", list)]
        if len(layers) != n_layers:
            raise self._bad(f"shape.layers has {len(layers)} entries for {n_layers} layers")
        sizes = [(self._count(layer, "n_kv_heads"), self._count(layer, "head_dim")) for layer in layers]
        return tuple(size for size in sizes for _ in range(2))

    def _diffusion(self, root: Mapping[str, Any], n_vocab: int) -> Diffusion:
        data = self._get(root, "diffusion", dict)

        def token(key: str) -> int | None:
            return None if data.get(key) is None else self._id(self._get(data, key, int), key, n_vocab)

        def tokens(key: str) -> tuple[int, ...]:
            items = self._get(data, key, list)
            return tuple(self._id(self._typed(item, int, f"diffusion.{key}"), key, n_vocab) for item in items)

        kind = Diffusion(
            attention=self._one_of(data, "attention", Attention),
            shift=self._whole(data, "logit_shift", 0, 1),
            noise=self._one_of(data, "noise", Noise),
            placing=self._one_of(data, "placing", Placing),
            mask=token("mask"),
            expand=token("expand"),
            delete=token("delete"),
            opening=tokens("opening"),
            closing=tokens("closing"),
            block=self._whole(data, "block", 0, 4096),
            window=self._whole(data, "window", 1, 4096),
            rule=self._commit_rule(self._get(root, "decode", dict)),
        )
        if (kind.noise == "mask") != (kind.mask is not None):
            raise self._bad(f"diffusion.mask is {kind.mask} with noise {kind.noise!r}")
        if (kind.attention == "block_causal") != (kind.block > 0):
            raise self._bad(f"diffusion.block is {kind.block} with attention {kind.attention!r}")
        if kind.placing == "in_place" and kind.attention != "full":
            raise self._bad(f"a canvas cannot stand in its place with attention {kind.attention!r}")
        return kind

    def _commit_rule(self, data: Mapping[str, Any]) -> CommitRule:
        def number(key: str, most: float) -> float:
            value = float(self._get(data, key, (int, float)))
            if not 0 <= value <= most:
                raise self._bad(f"decode.{key} is {value}")
            return value

        return CommitRule(
            order=self._one_of(data, "order", Order),
            per_pass=self._whole(data, "per_pass", 1, 4096),
            threshold=number("threshold", 2.0),
            entropy_bound=number("entropy_bound", 100.0),
            temperature=number("temperature", 100.0),
            last_temperature=number("last_temperature", 100.0),
            top_p=number("top_p", 1.0),
            remask=self._flag(data, "remask"),
            sub_block=self._whole(data, "sub_block", 0, 4096),
            passes=self._whole(data, "passes", 1, 4096),
            settled_entropy=number("settled_entropy", 100.0),
            refresh=self._whole(data, "refresh", 1, 4096),
        )

    def _one_of(self, data: Mapping[str, Any], key: str, kind: Any) -> Any:
        value = self._get(data, key, str)
        if value not in get_args(kind):
            raise self._bad(f"{key} is {value!r} and none of {', '.join(get_args(kind))}")
        return value

    def _whole(self, data: Mapping[str, Any], key: str, least: int, most: int) -> int:
        value: int = self._get(data, key, int)
        if not least <= value <= most:
            raise self._bad(f"{key} is {value}")
        return value

    def _adapter(self, data: Mapping[str, Any]) -> AdapterEntry:
        return AdapterEntry(self._name(data, "name"), self._file(data))

    def _rule(self, data: Mapping[str, Any]) -> DecodeRule:
        agreement = tuple(self._share(item, "agreement") for item in self._get(data, "agreement", list))
        numbers = {key: self._get(data, key, (int, float)) for key in ("row_worth", "plausible", "sure")}
        for key, value in numbers.items():
            if not 0 < value <= 2:
                raise self._bad(f"decode.{key} is {value}")
        numbers = {key: float(value) for key, value in numbers.items()}
        return DecodeRule(agreement, **numbers, drafts=self._flag(data, "drafts"))

    def _flag(self, data: Mapping[str, Any], key: str) -> bool:
        flag = data.get(key)
        if not isinstance(flag, bool):
            raise self._bad(f"decode.{key} is missing or neither true nor false")
        return flag

    def _share(self, item: object, key: str) -> float:
        share = float(self._typed(item, (int, float), f"decode.{key}"))
        if not 0 <= share <= 1:
            raise self._bad(f"decode.{key} holds {share}")
        return share

    def _tensor(self, item: object, n_bytes: int) -> TensorEntry:
        data = self._typed(item, dict, "weights.tensors")
        name = self._get(data, "name", str)
        encoding = self._get(data, "encoding", str)
        if encoding not in get_args(Encoding):
            raise self._bad(f"tensor {name!r} has the unknown encoding {encoding!r}")
        shape = tuple(self._typed(n, int, f"shape of {name}") for n in self._get(data, "shape", list))
        parts: dict[str, tuple[int, int]] = {}
        for part in part_shapes(shape, encoding):
            place = self._get(self._get(data, "parts", dict), part, list)
            offset, length = (self._typed(n, int, f"parts of {name}") for n in place)
            if offset < 0 or length < 0 or offset + length > n_bytes:
                raise self._bad(f"tensor {name!r} reaches outside the weights file")
            parts[part] = (offset, length)
        sources = tuple(self._typed(s, str, f"sources of {name}") for s in self._get(data, "sources", list))
        return TensorEntry(name, shape, encoding, sources, parts, self._turn(data.get("turn", {}), shape))

    def _turn(self, item: object, shape: tuple[int, ...]) -> Turn:
        data = self._typed(item, dict, "turn")
        gain = None if data.get("gain") is None else self._get(data, "gain", str)
        sizes = {axis: self._get(data, axis, int) for axis in ("columns", "rows") if axis in data}
        turn = Turn(gain, **sizes)
        for size, width in ((turn.columns, shape[-1]), (turn.rows, shape[0])):
            if size < 1 or size & (size - 1) or width % size:
                raise self._bad(f"blocks of {size} cannot be turned in a width of {width}")
        return turn

    def _file(self, data: Mapping[str, Any]) -> FileEntry:
        file = self._get(data, "file", str)
        pure = PurePosixPath(file)
        if not re.fullmatch(r"[A-Za-z0-9._-]+", file) or file in (".", "..") or pure.name != file:
            raise self._bad(f"the path {file!r} leads outside the artifact")
        resolved = (self._path.parent / file).resolve()
        if resolved.parent != self._path.parent.resolve():
            raise self._bad(f"{file!r} is a link that leads outside the artifact")
        return FileEntry(file, self._sha256(data, "sha256"), self._count(data, "bytes"))

    def _name(self, data: Mapping[str, Any], key: str) -> str:
        name: str = self._get(data, key, str)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
            raise self._bad(f"{key} {name!r} is not a name")
        return name

    def _sha256(self, data: Mapping[str, Any], key: str) -> str:
        value: str = self._get(data, key, str)
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            raise self._bad(f"{key} is not a sha256")
        return value

    def _count(self, data: Mapping[str, Any], key: str) -> int:
        value: int = self._get(data, key, int)
        if value < 1:
            raise self._bad(f"{key} is {value}")
        return value

    def _id(self, value: int, key: str, n_vocab: int) -> int:
        if not 0 <= value < n_vocab:
            raise self._bad(f"the id of {key} ({value}) is outside the vocabulary of {n_vocab}")
        return value

    def _get(self, data: Mapping[str, Any], key: str, kind: type[T] | tuple[type[T], ...]) -> Any:
        if key not in data:
            raise self._bad(f"{key} is missing")
        return self._typed(data[key], kind, key)

    def _typed(self, value: object, kind: type[T] | tuple[type[T], ...], key: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._bad(f"{key} is a {type(value).__name__}")
        return value

    def _bad(self, why: str) -> ArtifactError:
        return ArtifactError(f"{self._path} does not hold together: {why}", _REMEDY)
