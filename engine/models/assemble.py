"""A verified GGUF to a ready artifact: weights encoded, tokenizer rebuilt, graphs copied beside them.

Follows the manifest shipped with the package, with numpy alone, and checks the result against the
manifest's hashes before it becomes visible under its name. Knows nothing of where the GGUF came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.errors import ArtifactError, IntegrityError, ModelError, ModelNotFoundError, StoreError
from engine.models.artifact import ADAPTER_SOURCE, MANIFEST_FILE, Manifest, load_manifest, sha256_of, verify
from engine.types import CancelToken, Progress, ProgressListener
from engine.weights.encodings import FOR_GPUS, WHOLE_COLUMNS, encode, joined

if TYPE_CHECKING:
    import gguf

    from engine.weights.catalog import BaseModel
    from engine.weights.store import ModelStore

_PRETOKENIZE = {
    # Source: the pre-tokenizer that llama.cpp and transformers use for this name.
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
}
_CONTROL, _USER_DEFINED = 3, 4  # token types of the GGUF specification

_BUILDING = ".building-"
_ABANDONED_S = 24 * 3600.0
"""After which what a build has left behind is nobody's any more."""


GRAPH_FILE = "denoiser.onnx"

BESIDE = frozenset({*WHOLE_COLUMNS, FOR_GPUS})
"""Quantizations that lie in the package beside another one of the same model."""


def shipped_manifest_file(quantization: str) -> str:
    """Name of a manifest in the package."""
    return f"manifest-{quantization}.json" if quantization in BESIDE else MANIFEST_FILE


def shipped_graph_file(quantization: str) -> str:
    """Name of a graph in the package."""
    return f"denoiser-{quantization}.onnx" if quantization in BESIDE else GRAPH_FILE


def shipped_file(path: Path) -> Path:
    """Where a file of the package lies: in its model's folder, or above it where models share it."""
    above = path.parent.parent / path.name
    return above if not path.exists() and above.exists() else path


def packaged_manifest(name: str, quantization: str = "q8") -> Manifest:
    """The manifest shipped with the package for a model.

    Raises:
        ModelNotFoundError: none is shipped under this name in this quantization.
    """
    directory = Path(str(resources.files("engine"))) / "artifacts" / name
    file = shipped_manifest_file(quantization)
    if not (directory / file).is_file():
        raise ModelNotFoundError(f"no graphs are shipped for {name!r}", "See `unmask models list`.")
    return load_manifest(directory, file)


def artifact_path(manifest: Manifest, store: ModelStore) -> Path:
    """Where the artifact of this very manifest belongs; another manifest, another place."""
    digest = hashlib.sha256(manifest.source.read_bytes()).hexdigest()
    return store.artifact_dir(f"{manifest.name}-{manifest.quantization}-{digest[:12]}")


def superseded_artifacts(store: ModelStore) -> list[Path]:
    """Artifacts of our models that another version of Unmask made and this one has no use for."""
    from engine.weights.catalog import BASES  # noqa: PLC0415 - it imports nothing of ours, and is needed here alone

    wanted = set()
    for base in BASES:
        for quantization in ("q8", *BESIDE):
            with contextlib.suppress(ModelNotFoundError):
                wanted.add(artifact_path(packaged_manifest(base.name, quantization), store).name)
    names = "|".join(re.escape(base.name) for base in BASES)
    ours = re.compile(rf"(?:{names})-[a-z0-9]+-[0-9a-f]{{12}}")
    found = (name for name in store.list_artifacts() if ours.fullmatch(name) and name not in wanted)
    return [store.artifact_dir(name) for name in found]


def build_artifact(
    manifest: Manifest,
    base: BaseModel,
    gguf_path: Path,
    store: ModelStore,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Make the artifact of a base model, unless it is there already, whole; a damaged one makes way for it.

    Args:
        manifest: the packaged one.
        base: the model.
        gguf_path: its verified GGUF.
        store: where artifacts are kept.
        progress: told bytes of weights written.
        cancel: polled at every tensor.

    Returns:
        the artifact's directory.

    Raises:
        ArtifactError: the manifest is of other weights.
        IntegrityError: the result is not what the manifest promises.
        StoreError: it cannot be written.
        Cancelled: asked to stop; nothing is left behind.
    """
    target = artifact_path(manifest, store)
    if _is_whole(target, progress):
        return target
    if manifest.base_sha256 != base.sha256:
        raise ArtifactError(
            f"the graphs shipped for {base.name} belong to other base weights", "Reinstall Unmask."
        )
    store.check_writable()
    store.check_space(manifest.weights.n_bytes + (64 << 20))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=target.parent) as scratch:
            made = Path(scratch) / "artifact"
            made.mkdir()
            assemble(manifest, gguf_path, made, progress=progress, cancel=cancel)
            _publish(made, target)
    except OSError as error:
        raise StoreError(
            f"{target.parent} cannot be written ({error})", "Free some space or set UNMASK_CACHE_DIR."
        ) from error
    return target


def assemble(
    manifest: Manifest,
    gguf_path: Path,
    directory: Path,
    *,
    progress: ProgressListener | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Write every file of an artifact into an empty directory, the manifest last.

    Raises:
        IntegrityError: a file is not what the manifest promises.
    """
    import gguf  # noqa: PLC0415  (slow to import, used once in an artifact's life)

    try:
        reader = gguf.GGUFReader(str(gguf_path))
    except Exception as error:  # the library raises many kinds for a broken file
        raise IntegrityError(f"{gguf_path} is not a readable GGUF ({error})", "Pull it again.") from error
    for entry in manifest.shipped_files:
        shipped = shipped_file(manifest.path(entry))
        if not shipped.is_file():
            raise IntegrityError(f"{entry.file} of {manifest.name} is missing", "Reinstall Unmask.")
        shutil.copyfile(shipped, directory / entry.file)
    write_weights(reader, manifest, directory / manifest.weights.file, progress, cancel or CancelToken())
    (directory / manifest.tokenizer.file).write_bytes(tokenizer_json(reader))
    shutil.copyfile(manifest.source, directory / MANIFEST_FILE)
    verify(directory)


def write_weights(
    reader: gguf.GGUFReader,
    manifest: Manifest,
    path: Path,
    progress: ProgressListener | None,
    cancel: CancelToken,
) -> None:
    """Encode every tensor of the manifest, the adapter's among them, into one file."""
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    tensors.setdefault("output.weight", tensors.get("token_embd.weight"))
    adapter = adapter_tensors(manifest)

    def source(name: str) -> npt.NDArray[np.float32]:
        if name.startswith(ADAPTER_SOURCE):
            return adapter[name.removeprefix(ADAPTER_SOURCE)]
        return dequantize(tensors[name])

    with path.open("wb") as file:
        file.truncate(manifest.weights.n_bytes)
        for entry in manifest.tensors:
            cancel.check()
            parts = [source(name) for name in entry.sources]
            matrix = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if matrix.shape != entry.shape:
                raise IntegrityError(f"tensor {entry.name} has shape {matrix.shape} and not {entry.shape}")
            gain = None if entry.turn.gain is None else source(entry.turn.gain)
            for part, array in encode(entry.turn.of(matrix, gain), entry.encoding).items():
                file.seek(entry.parts[part][0])
                file.write(np.ascontiguousarray(array).tobytes())
            if progress is not None:
                progress(Progress("assemble", file.tell(), manifest.weights.n_bytes))


def adapter_tensors(manifest: Manifest) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of the adapter shipped beside a manifest, by name; none where there is none.

    Raises:
        IntegrityError: the file is missing or not the one the manifest names.
    """
    if manifest.adapter is None:
        return {}
    from safetensors.numpy import load_file  # noqa: PLC0415  (see assemble)

    path = manifest.path(manifest.adapter.entry)
    if not path.is_file() or sha256_of(path) != manifest.adapter.entry.sha256:
        raise IntegrityError(f"{path.name} of {manifest.name} is missing or altered", "Reinstall Unmask.")
    return joined(load_file(path))


def dequantize(tensor: Any) -> npt.NDArray[np.float32]:
    """A GGUF tensor as float32, in row-major order."""
    import gguf  # noqa: PLC0415  (see assemble)

    shape = tuple(int(n) for n in reversed(tensor.shape))
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return np.asarray(values, dtype=np.float32).reshape(shape)


def tokenizer_json(reader: gguf.GGUFReader) -> bytes:
    """The GGUF's vocabulary in the format of the `tokenizers` library; the same bytes everywhere.

    Raises:
        IntegrityError: the file holds a kind of tokenizer this version does not know.
    """
    kind = reader.fields["tokenizer.ggml.pre"].contents()
    if reader.fields["tokenizer.ggml.model"].contents() != "gpt2" or kind not in _PRETOKENIZE:
        raise IntegrityError(f"the GGUF's tokenizer {kind!r} is not one this version knows")
    tokens = list(_strings(reader.fields["tokenizer.ggml.tokens"]))
    types = [int(part[0]) for part in _parts(reader.fields["tokenizer.ggml.token_type"])]
    merges = [merge.split(" ") for merge in _strings(reader.fields["tokenizer.ggml.merges"])]
    added = {i: tokens[i] for i, token_type in enumerate(types) if token_type in (_CONTROL, _USER_DEFINED)}
    return bpe_tokenizer(kind, {token: i for i, token in enumerate(tokens) if i not in added}, merges, added)


def bpe_tokenizer(
    kind: str, vocab: Mapping[str, int], merges: Sequence[Sequence[str]], special: Mapping[int, str]
) -> bytes:
    """A byte-level BPE tokenizer in the format of the `tokenizers` library.

    Args:
        kind: how text is cut before it is merged, a key of ``_PRETOKENIZE``.
        vocab: token to id, the special ones left out.
        merges: pairs of tokens, the first to be merged first.
        special: id to text of the tokens that stand for no text.
    """
    ids = {**vocab, **{token: i for i, token in special.items()}}
    data = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": i,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i, content in special.items()
        ],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": _PRETOKENIZE[kind]},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            ],
        },
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": False,
        },
        # The library numbers special tokens anew unless the vocabulary has them as well.
        "model": {"type": "BPE", "vocab": ids, "merges": [list(pair) for pair in merges]},
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _parts(field: Any) -> Iterator[Any]:
    return (field.parts[index] for index in field.data)


def _strings(field: Any) -> Iterator[str]:
    return (bytes(part).decode("utf-8") for part in _parts(field))


def _publish(made: Path, target: Path) -> None:
    """Move a finished directory to its name; what is damaged goes, what another process made first stands."""
    if os.path.lexists(target) and not _is_whole(target):
        target.replace(made.with_name("damaged"))
    try:
        made.replace(target)
    except OSError:
        if not _is_whole(target):
            raise


def _is_whole(directory: Path, progress: ProgressListener | None = None) -> bool:
    """Whether an artifact is there, every byte as its manifest says."""
    try:
        verify(directory, progress=progress)
    except (ModelError, OSError):
        return False
    return True


def _sweep(directory: Path) -> None:
    """Remove what interrupted builds have left in a directory."""
    for path in directory.glob(f"{_BUILDING}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
