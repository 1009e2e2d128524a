"""A canvas adapter: fresh it changes nothing, on disk it stays what it is, nothing else passes for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.denoising.cache import ContextCache
from engine.denoising.rows import Rows
from engine.errors import ArtifactError
from export.adapter import (
    AdapterInfo,
    adapter_parameters,
    load_adapter,
    read_adapter,
    save_adapter,
    save_narrow,
    with_adapter,
)
from export.base import load_model
from export.model import DenoiserModel
from export.reference import TorchModel
from tests import tiny

pytestmark = pytest.mark.export

IDS = [3, 77, 140, 9, 201, 55, 260, 18]
INFO = AdapterInfo("canvas-1", "ab" * 32, 4, 6, {"steps": 12, "seed": 1})


@pytest.fixture(scope="module")
def gguf_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    tiny.write_gguf(path)
    return path


@pytest.fixture
def base(gguf_path: Path) -> DenoiserModel:
    return load_model(gguf_path)


def logits(model: DenoiserModel, rows: Rows) -> np.ndarray:
    config = model.config
    cache = ContextCache(2 * config.n_layers, config.n_kv_heads, config.head_dim)
    scores, _ = TorchModel(model, None).forward(cache, rows, range(len(rows)))  # type: ignore[arg-type]
    return scores


def trained(base: DenoiserModel, rank: int = 4) -> DenoiserModel:
    model = with_adapter(base, rank, seed=2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in adapter_parameters(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def test_a_fresh_adapter_changes_nothing_to_the_bit(base: DenoiserModel) -> None:
    rows = Rows.causal(IDS)
    gated = replace(rows, gated=np.ones(len(IDS), dtype=np.bool_))
    assert (logits(with_adapter(base, 4, seed=1), gated) == logits(base, rows)).all()


def test_a_trained_adapter_changes_the_rows_that_ask_for_it_alone(base: DenoiserModel) -> None:
    plain = logits(base, Rows.causal(IDS))
    drafting = Rows.drafting(IDS, [(3, 2), (8, 3)])
    scores = logits(trained(base), drafting)
    np.testing.assert_allclose(scores[:8], plain, rtol=1e-4, atol=1e-4)
    fresh = logits(with_adapter(base, 4, seed=2), drafting)
    assert np.abs(scores[8:] - fresh[8:]).max() > 1.0


def test_the_parameters_are_two_matrices_a_layer_and_the_mask(base: DenoiserModel) -> None:
    parameters = adapter_parameters(with_adapter(base, 4, seed=1))
    assert len(parameters) == 2 * 4 * tiny.N_LAYERS + 1
    assert parameters["blocks.0.ffn.down.lora_a"].shape == (4, tiny.N_FFN)
    assert parameters["blocks.0.ffn.down.lora_b"].shape == (tiny.N_HIDDEN, 4)
    np.testing.assert_allclose(
        parameters["mask_embedding"].detach(), base.embedding.weight.detach().mean(0), rtol=1e-5, atol=1e-6
    )


def test_the_same_seed_makes_the_same_adapter(base: DenoiserModel) -> None:
    one, same, other = (
        adapter_parameters(with_adapter(base, 4, seed))["blocks.1.attn.qkv.lora_a"] for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_what_is_saved_is_what_is_loaded(base: DenoiserModel, tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    model = trained(base)
    save_adapter(model, INFO, path)
    loaded, info = load_adapter(base, path)
    assert info == INFO
    restored = adapter_parameters(loaded)
    for name, parameter in adapter_parameters(model).items():
        assert torch.equal(restored[name], parameter.half().float()), name


def test_a_narrow_file_is_half_as_large_and_says_nearly_the_same(base: DenoiserModel, tmp_path: Path) -> None:
    wide, narrow, again = (tmp_path / f"{name}.safetensors" for name in ("wide", "narrow", "again"))
    model = trained(base, rank=32)
    save_adapter(model, replace(INFO, rank=32), wide)
    save_narrow(wide, narrow)
    assert narrow.stat().st_size < 0.7 * wide.stat().st_size
    (info, before), (same, after) = read_adapter(wide), read_adapter(narrow)
    assert info == same and before.keys() == after.keys()
    for name, tensor in before.items():
        assert (after[name] - tensor).abs().max() <= tensor.abs().max() / 200, name
    save_narrow(narrow, again)
    for name, tensor in read_adapter(again)[1].items():
        assert torch.equal(tensor, after[name]), name


@pytest.mark.parametrize("content", ["nothing", "junk", "other"])
def test_what_is_no_adapter_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "thing.safetensors"
    if content == "junk":
        path.write_bytes(b"junk" * 100)
    elif content == "other":
        save_file({"x": torch.zeros(2)}, path, {"name": "x"})
    with pytest.raises(ArtifactError, match=r"thing\.safetensors is not a canvas adapter") as caught:
        read_adapter(path)
    assert "\n" not in str(caught.value)


def test_an_adapter_of_another_shape_is_refused(base: DenoiserModel, tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    save_adapter(trained(base, rank=8), INFO, path)  # it says 4
    with pytest.raises(ArtifactError, match=r"adapter\.safetensors fits another model"):
        load_adapter(base, path)
