"""The peers of the benchmark compute the base: each against transformers in float32; its kernel too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from engine.models import runtime
from export.base import load_model
from export.kernel import int8_product
from export.peer import TransformersModel, as_transformers
from tests import tiny

if TYPE_CHECKING:
    from lsp_server.cli.measure.greedy import NextToken

pytestmark = pytest.mark.export

IDS = [3, 77, 140, 9, 201, 55, 260, 18, 30, 12, 99, 240, 7]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "tiny.gguf"
    tiny.write_gguf(path)
    return path


def said(base: Path, ids: Sequence[int], n_wanted: int) -> np.ndarray:
    """The reference: float32, everything at once."""
    with torch.inference_mode():
        logits: np.ndarray = as_transformers(load_model(base))(torch.tensor([list(ids)])).logits[0].numpy()
    return logits[-n_wanted:]


def check(model: NextToken, base: Path, tolerance: float) -> None:
    """A text, then another end of it, then a longer one: what is known of each is not computed again."""
    for ids, n_known, n_wanted in ((IDS[:9], 0, 2), ([*IDS[:6], 4, 5], 6, 1), ([*IDS[:6], 4, 5, *IDS], 8, 3)):
        ours, theirs = model.logits(ids, n_known, n_wanted), said(base, ids, n_wanted)
        assert ours.shape == theirs.shape
        assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < tolerance
    model.close()


def test_transformers_in_bfloat16(base: Path) -> None:
    check(TransformersModel(base, 1), base, 0.05)


@pytest.mark.parametrize(("kind", "tolerance"), [(None, 0.002), ("Q8_0", 0.06), ("Q4_0", 0.4)])
def test_llama_cpp(base: Path, tmp_path: Path, kind: str | None, tolerance: float) -> None:
    pytest.importorskip("llama_cpp", reason="the extra `bench` is not installed")
    from lsp_server.cli.measure import llama

    path = base if kind is None else llama.requantized(base, kind, tmp_path, 1)
    check(llama.LlamaModel(path, 1, 512), base, tolerance)


def test_the_kernel_that_ships_multiplies_and_is_what_export_makes() -> None:
    data = (resources.files("engine") / "kernels" / "int8_product.onnx").read_bytes()
    assert data == int8_product()
    largest = 255 if runtime.int8_products_are_exact() else 127  # two larger ones overflow
    rows = np.random.default_rng(1).integers(0, largest, (3, runtime.KERNEL_WIDTH), dtype=np.uint8)
    session = runtime.ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    (products,) = session.run(None, {"rows": rows})
    assert (products == runtime.KERNEL_CODE * rows.sum(axis=1, dtype=np.int64)[:, None]).all()
