"""A base model to the files the package ships for it: a graph and a manifest, no weights.

The manifest promises the sha256 of what `engine.models.assemble` will make on a user's machine, so the
artifact is assembled once here, by the same code, to learn it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.errors import ArtifactError
from engine.models import artifact
from engine.models.artifact import ADAPTER_SOURCE, SCHEMA, Manifest, load_manifest
from engine.models.assemble import (
    assemble,
    shipped_file,
    shipped_graph_file,
    shipped_manifest_file,
    tokenizer_json,
    write_weights,
)
from engine.types import CancelToken
from engine.weights.encodings import FOR_GPUS, WHOLE_COLUMNS, Quantization
from engine.weights.rotation import UNTURNED
from export.adapter import ADAPTER_FILE, read_adapter, save_narrow
from export.base import GgufBase, weight_sources
from export.config import AnyConfig
from export.gpu_graph import gpu_graph
from export.in_place import adapt_canvas_rows_alone, write_caches_in_place
from export.int8_graph import int8_graph, int8_plan, int8_sources
from export.quantize import StoredTensor, WeightBinder, plan_weights
from export.to_onnx import export_graph
from export.transitions import TRANSITIONS_FILE

WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"
CANVAS_SLOTS = 16

AGREEMENT = (0.83, 0.69, 0.57, 0.48, 0.4, 0.34, 0.28, 0.23)
"""``DecodeRule.agreement`` of a model with an adapter: about the held-out shares of canvas-2 (results log),
which are without transitions, and a twenty-fifth more, which is what those add in the first slot."""

AGREEMENTS = {"canvas-1.5b": (0.76, 0.54, 0.4, 0.31, 0.21, 0.17, 0.12, 0.09)}
"""The same of adapters that foresee less."""

ROW_WORTH = 0.35
"""``DecodeRule.row_worth`` on a CPU, where a row costs from an eighth (VNNI) to a sixth (AVX2) of what a pass
costs by itself, and a mask pays only if what it predicts is verified, too; see the results log."""

GPU_ROW_WORTH = 0.04
"""The same on a GPU that replays its passes. Not measured: a row costs the GPU next to nothing and the host,
which drafts it, some 0.07 ms."""

_UNKNOWN = "0" * 64


def drafting_rule(adapter: Path | None, quantization: Quantization) -> DecodeRule:
    """How a model that drafts is decoded; without an adapter it predicts no slots."""
    worth = GPU_ROW_WORTH if quantization == FOR_GPUS else ROW_WORTH
    if adapter is None:
        return DecodeRule((), worth)
    return DecodeRule(AGREEMENTS.get(read_adapter(adapter)[0].name, AGREEMENT), worth)


def package(
    gguf_path: Path,
    base_name: str,
    quantization: Quantization,
    directory: Path,
    artifact_dir: Path,
    *,
    adapter: Path | None = None,
    narrow: bool = False,
    transitions: Path | None = None,
    rule: DecodeRule = LEFT_TO_RIGHT,
) -> None:
    """Write the shipped files of a model, and its whole artifact.

    Args:
        gguf_path: the verified base weights.
        base_name: its name in the catalogue.
        quantization: how it is stored.
        directory: where the graph, the manifest, the adapter and the table go; a table that lies above it
            already, for several models, is left there.
        artifact_dir: an empty directory for the artifact, weights and tokenizer included.
        adapter: the canvas adapter; None for the base alone.
        narrow: put the adapter there with its matrices in 8 bits.
        transitions: the table of which tokens follow which; None for none.
        rule: how the model is decoded by default.

    Raises:
        ArtifactError: the adapter belongs to another base, or to context that ran through it.
    """
    base = GgufBase(gguf_path)
    base_sha256 = artifact.sha256_of(gguf_path)
    tied = {"embedding.weight": "head.weight"} if quantization in ("q8", "q4", FOR_GPUS) else {}
    n_layers, in_int8 = base.config.n_layers, quantization in WHOLE_COLUMNS
    sources = int8_sources(n_layers) if in_int8 else weight_sources(n_layers)
    shapes = parameter_shapes(base, sources)
    config, adapter_entry = base.config, None
    directory.mkdir(parents=True, exist_ok=True)
    if adapter is not None:
        info, tensors = read_adapter(adapter)
        if info.base_sha256 != base_sha256:
            raise ArtifactError(f"{adapter.name} was trained on another base", "Name that base's adapter.")
        if info.recipe.get("gated") is False:
            raise ArtifactError(f"{adapter.name} was trained without a gate", "Train one with it.")
        config = replace(config, adapter_rank=info.rank)
        shapes |= {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        shipped = directory / ADAPTER_FILE
        if narrow:
            save_narrow(adapter, shipped)
        else:
            _put(adapter, shipped)
        adapter_entry = {"name": info.name, **file_entry(shipped)}
    plan, n_bytes = plan_weights(
        {name: shape for name, shape in shapes.items() if name not in tied}, quantization
    )

    artifact_dir.mkdir(parents=True, exist_ok=True)
    graph_file = shipped_graph_file(quantization)
    if quantization == FOR_GPUS:
        ir.save(gpu_graph(config, plan, tied, WEIGHTS_FILE), str(directory / graph_file))
    elif in_int8:
        plan = int8_plan(plan, config)
        ir.save(int8_graph(config, plan, WEIGHTS_FILE), str(directory / graph_file))
    else:
        write_graph(config, plan, tied, directory / graph_file)
    tokenizer = tokenizer_json(base.reader)
    data = manifest_data(base, base_name, base_sha256, quantization, sources, plan, n_bytes)
    data["adapter"] = adapter_entry
    if transitions is not None:
        shared = shipped_file(directory / TRANSITIONS_FILE)
        theirs = shared if _is_copy(transitions, shared) else directory / TRANSITIONS_FILE
        data["transitions"] = file_entry(_put(transitions, theirs))
    data["decode"] = asdict(rule)
    data["tokenizer"] = {
        "file": TOKENIZER_FILE,
        "sha256": hashlib.sha256(tokenizer).hexdigest(),
        "bytes": len(tokenizer),
    }
    graph = file_entry(directory / graph_file)
    data["graphs"] = {"context": graph, "canvas": graph}
    # The weights are assembled once to learn their hash.
    weights = artifact_dir / WEIGHTS_FILE
    write_weights(base.reader, _written(data, directory), weights, None, CancelToken())
    data["weights"]["sha256"] = artifact.sha256_of(weights)
    assemble(_written(data, directory), gguf_path, artifact_dir)


def _put(source: Path, target: Path) -> Path:
    """A file in its place; put there unless it is."""
    return target if _is_copy(source, target) else Path(shutil.copyfile(source, target))


def _is_copy(source: Path, target: Path) -> bool:
    return target.exists() and artifact.sha256_of(target) == artifact.sha256_of(source)


def parameter_shapes(base: GgufBase, sources: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter that is made of these tensors of a base model."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, parts in sources.items():
        part_shapes = [base.shape(part) for part in parts]
        shapes[name] = (sum(shape[0] for shape in part_shapes), *part_shapes[0][1:])
    return shapes


def write_graph(config: AnyConfig, plan: dict[str, StoredTensor], tied: dict[str, str], path: Path) -> None:
    """Export the architecture and bind it to a plan of ``weights.bin``."""
    model = export_graph(config)
    WeightBinder(model, plan, WEIGHTS_FILE, tied).bind()
    write_caches_in_place(model)
    adapt_canvas_rows_alone(model)
    strip_provenance(model)
    ir.save(model, str(path))


def strip_provenance(model: ir.Model) -> None:
    """Remove what the exporter wrote about the machine it ran on: source paths and stack traces."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.graph.doc_string = None
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()


def manifest_data(
    base: GgufBase,
    name: str,
    base_sha256: str,
    quantization: Quantization,
    sources: Mapping[str, Sequence[str]],
    plan: dict[str, StoredTensor],
    n_bytes: int,
) -> dict[str, Any]:
    """The manifest, all but what is known only once the files exist."""
    config = base.config
    ids = base.token_ids()
    return {
        "schema": SCHEMA,
        "name": name,
        "family": artifact.FAMILY,
        "quantization": quantization,
        "base": {"name": name, "sha256": base_sha256, "licence": "Apache-2.0"},
        "adapter": None,
        "transitions": None,
        "layout": "suffix-prefix-canvas",
        "logit_shift": 1,
        "canvas_slots": CANVAS_SLOTS,
        "decode": None,
        "special": {
            "fim_prefix": ids["<|fim_prefix|>"],
            "fim_suffix": ids["<|fim_suffix|>"],
            "fim_middle": ids["<|fim_middle|>"],
            "end": sorted(base.control_ids()),
        },
        "shape": {
            "n_layers": config.n_layers,
            "n_kv_heads": config.n_kv_heads,
            "head_dim": config.head_dim,
            "n_vocab": config.n_vocab,
            "max_positions": config.max_positions,
        },
        "weights": {
            "file": WEIGHTS_FILE,
            "sha256": _UNKNOWN,
            "bytes": n_bytes,
            "tensors": [
                {
                    "name": tensor.name,
                    "shape": list(tensor.shape),
                    "encoding": tensor.encoding,
                    "sources": list(sources.get(tensor.name, (ADAPTER_SOURCE + tensor.name,))),
                    "parts": {part: [place.offset, place.n_bytes] for part, place in tensor.parts.items()},
                    **({} if tensor.turn == UNTURNED else {"turn": asdict(tensor.turn)}),
                }
                for tensor in plan.values()
            ],
        },
    }


def file_entry(path: Path) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"file": path.name, "sha256": artifact.sha256_of(path), "bytes": path.stat().st_size}


def _written(data: dict[str, Any], directory: Path) -> Manifest:
    """The manifest, once it is on the disk."""
    text = json.dumps(data, indent=1, sort_keys=False) + "\n"
    file = shipped_manifest_file(data["quantization"])
    (directory / file).write_text(text, encoding="utf-8", newline="\n")
    return load_manifest(directory, file)
