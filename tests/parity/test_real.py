"""The real base: torch against transformers, the shipped graph against torch, canvas against greedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import EngineConfig
from engine.denoising.cache import ContextCache
from engine.denoising.denoise import Task, denoise
from engine.denoising.rows import Rows
from engine.denoising.schedule import LEFT_TO_RIGHT
from engine.denoising.tokens import TokenCodec
from engine.models.artifact import verify
from engine.models.canvas_denoiser import CanvasDenoiser
from engine.models.loading import find_artifact
from engine.models.runtime import OnnxModel
from engine.types import CancelToken, Deadline
from engine.weights import catalog, sources
from engine.weights.store import ModelStore
from export.base import load_model
from export.model import DenoiserModel
from export.peer import as_transformers
from export.reference import TorchModel

pytestmark = [pytest.mark.model, pytest.mark.export, pytest.mark.timeout(900)]

TEXT = '''\
import math


def haversine(lat1, lon1, lat2, lon2, radius=6371.0):
    """Great-circle distance in km between two points given in degrees."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    dphi = phi2 - phi1
    dlambda = math.radians(lon2 - lon1)
    a = math.sin(dphi / 2) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(dlambda / 2) ** 2
    return 2 * radius * math.asin(math.sqrt(a))
'''

TOLERANCE = {"q8": 0.03, "d8": 0.08, "u8": 0.08}
"""Relative error of the logits; measured 0.014 and 0.039. That of the first token, whose state is one huge
value, is left out: nothing is filled there."""


@pytest.fixture(scope="module")
def artifact() -> Path:
    return find_artifact(EngineConfig())


@pytest.fixture(scope="module")
def torch_model() -> Iterator[DenoiserModel]:
    base = catalog.lookup(EngineConfig().model)
    yield load_model(sources.pull(base, ModelStore(None), order=EngineConfig().sources))


@pytest.fixture(scope="module")
def onnx_model(artifact: Path) -> OnnxModel:
    return OnnxModel(verify(artifact, full=False), "cpu", 0)


def test_special_tokens_have_the_ids_the_model_was_trained_with(artifact: Path) -> None:
    manifest = verify(artifact, full=False)
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    names = ("fim_prefix", "fim_suffix", "fim_middle")
    assert [codec.id_of(f"<|{name}|>") for name in names] == [manifest.special[name] for name in names]
    ends = [codec.id_of(name) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    assert ends == [151643, 151644, 151645]  # of Qwen2.5's own tokenizer
    assert set(ends) <= manifest.end_ids


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_torch_agrees_with_transformers_and_onnx_with_torch(
    artifact: Path, torch_model: DenoiserModel, onnx_model: OnnxModel
) -> None:
    manifest = onnx_model.manifest
    ids = TokenCodec.from_file(manifest.path(manifest.tokenizer)).encode(TEXT)
    cache = ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)
    ours, _ = TorchModel(torch_model, manifest).forward(cache, Rows.causal(ids), range(len(ids)))
    with torch.inference_mode():
        theirs = as_transformers(torch_model)(torch.tensor([ids])).logits[0].numpy()
    assert relative(ours, theirs) < 1e-4

    shipped, _ = onnx_model.forward(cache, Rows.causal(ids), range(len(ids)))
    assert relative(shipped[1:], ours[1:]) < TOLERANCE[manifest.quantization]
    assert (shipped.argmax(-1) == ours.argmax(-1)).mean() >= 0.92


def test_a_row_is_the_same_to_the_bit_alone_and_among_others(artifact: Path, onnx_model: OnnxModel) -> None:
    """At the sizes of the real model, where ONNX Runtime takes other ways than with the tiny one."""
    manifest = onnx_model.manifest
    ids = TokenCodec.from_file(manifest.path(manifest.tokenizer)).encode(TEXT)
    cache = ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)
    cache.append(ids[:70], onnx_model.forward(cache, Rows.causal(ids[:70]), [])[1])
    together, _ = onnx_model.forward(cache, Rows.drafting(ids[70:90], [(1, 2), (3, 4)]), range(20))
    for at, token in enumerate(ids[70:90]):
        alone, new = onnx_model.forward(cache, Rows.causal([token]), [0])
        assert (alone[0] == together[at]).all(), at
        cache.append([token], new)


@pytest.mark.parametrize("cut", ["    a = ", "    phi1, phi2 = ", "    return ", '    """Great', "    dphi"])
def test_canvas_equals_plain_greedy_decoding(onnx_model: OnnxModel, cut: str) -> None:
    """The engine's passes, cached and one row each, against a full pass over everything for every token."""
    manifest = onnx_model.manifest
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    at = TEXT.index(cut) + len(cut)
    special = manifest.special
    context = [
        special["fim_prefix"],
        special["fim_suffix"],
        *codec.encode(TEXT[TEXT.index("\n", at) :]),
        special["fim_middle"],
        *codec.encode(TEXT[:at]),
    ]
    denoiser = CanvasDenoiser(onnx_model, 64 << 20)
    denoiser.encode(context, CancelToken())
    done = denoise(
        denoiser,
        codec,
        Task(heal=b"", max_tokens=12, stop=lambda text: text.find("\n") if "\n" in text else None),
        LEFT_TO_RIGHT,
        cancel=CancelToken(),
        deadline=Deadline(),
    )
    empty = ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)
    plain = list(context)
    for token in done.tokens:
        logits, _ = onnx_model.forward(empty, Rows.causal(plain), [len(plain) - 1])
        assert int(logits[0].argmax()) == token
        plain.append(token)
    assert done.tokens
