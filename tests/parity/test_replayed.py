"""The graph for GPUs at its fixed sizes against the torch model and against the other graph's passes.

Run on the CPU, which computes the same nodes; that CUDA captures them is not tested here.
"""

from __future__ import annotations

import numpy as np
import pytest

from engine.config import EngineConfig
from engine.denoising.cache import ContextCache
from engine.denoising.rows import Rows
from engine.engine import open_engine
from engine.errors import BackendError
from engine.models import loading
from engine.models import replayed as module
from engine.models.replayed import FEWEST_COLUMNS, ROWS, ReplayedModel
from engine.models.replayed import _side_by_side as side_by_side
from engine.models.runtime import FixedSession
from engine.types import FillRequest
from export.adapter import load_adapter
from export.base import load_model
from export.reference import TorchModel
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

IDS = [3, 77, 140, 9, 201, 55, 260, 18, 30, 12, 99, 240, 7]
LONG = [(7 * i) % 250 for i in range(ROWS[-1] + 20)]


def reference(model: TinyModel) -> TorchModel:
    base = load_model(model.gguf)
    return TorchModel(base if model.adapter is None else load_adapter(base, model.adapter)[0], model.manifest)


def replayed(model: TinyModel) -> ReplayedModel:
    return ReplayedModel(FixedSession(model.manifest, "cpu", 1))


def new_cache(model: TinyModel) -> ContextCache:
    manifest = model.manifest
    return ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_passes_agree_with_torch_as_a_context_grows_is_cut_forked_and_left(tiny_gpu: TinyModel) -> None:
    masks = tiny_gpu.adapter is not None
    ours, theirs = replayed(tiny_gpu), reference(tiny_gpu)
    our_cache, their_cache = new_cache(tiny_gpu), new_cache(tiny_gpu)
    for n_kept, ids, groups in (
        (0, IDS[:6], []),
        (6, IDS[6:8], [(1, 2), (2, 3)]),
        (8, IDS[8:], []),
        (5, IDS[7:], []),  # other tokens than those that were there
        (7, LONG, []),  # more rows than the largest size, and more than the cache had room for
        (9, LONG * 4, []),  # another size of the context's buffers
        (9, IDS[:2], [(2, 4)]),  # and back to the one before
        (0, IDS[:3], [(3, 8)]),
    ):
        if n_kept == 5:
            our_cache, their_cache = our_cache.fork(n_kept), their_cache.fork(n_kept)
        our_cache.truncate(n_kept)
        their_cache.truncate(n_kept)
        rows = Rows.drafting(ids, groups if masks else [])
        our_logits, our_new = ours.forward(our_cache, rows, range(len(rows)))
        their_logits, their_new = theirs.forward(their_cache, rows, range(len(rows)))
        assert relative(our_logits, their_logits) < 0.01
        for mine, other in zip(our_new, their_new, strict=True):
            assert relative(mine, other) < 0.01
        our_cache.append(ids, [entries[:, : len(ids)] for entries in our_new])
        their_cache.append(ids, [entries[:, : len(ids)] for entries in their_new])


def test_branches_are_not_taken_for_context(tiny_gpu: TinyModel) -> None:
    ours, theirs = replayed(tiny_gpu), reference(tiny_gpu)
    cache, same = new_cache(tiny_gpu), new_cache(tiny_gpu)
    for at in (cache, same):
        at.append(IDS[:4], theirs.forward(at, Rows.causal(IDS[:4]), [])[1])
    branching = Rows.branching([IDS[4]], [[5, 6], [IDS[5], IDS[6]]])
    assert relative(*(model.forward(cache, branching, [3])[0] for model in (ours, theirs))) < 0.01
    _, entries = theirs.forward(same, Rows.causal(IDS[4:7]), [])
    same.append(IDS[4:7], entries)
    said = [model.forward(same, Rows.causal(IDS[7:]), [2])[0] for model in (ours, theirs)]
    assert relative(*said) < 0.01


def test_only_wanted_logits_come_back(tiny_gpu: TinyModel) -> None:
    model, cache = replayed(tiny_gpu), new_cache(tiny_gpu)
    rows = Rows.causal(IDS)
    whole, _ = model.forward(cache, rows, range(len(IDS)))
    for wanted in ([], [12], [0, 3, 12]):
        logits, _ = model.forward(cache, rows, wanted)
        assert logits.shape == (len(wanted), tiny_gpu.manifest.n_vocab)
        assert not wanted or relative(logits, whole[wanted]) < 0.01


def test_a_size_has_its_buffers_once_and_a_known_context_stays_there(
    tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, ...]] = []
    sent: list[int] = []
    session = FixedSession(tiny_gpu.manifest, "cpu", 1)
    monkeypatch.setattr(
        session,
        "buffer",
        lambda shape, dtype: (made.append(shape), FixedSession.buffer(session, shape, dtype))[1],
    )
    monkeypatch.setattr(module, "_side_by_side", lambda array, n: (sent.append(n), side_by_side(array, n))[1])
    model, cache = ReplayedModel(session), new_cache(tiny_gpu)
    cache.append(LONG, model.forward(cache, Rows.causal(LONG), [])[1])
    n_made = len(made)
    for at in range(5):  # every pass adds a token and is of another number of rows
        rows = Rows.causal(IDS[: at + 1])
        cache.append(IDS[:1], [entries[:, :1] for entries in model.forward(cache, rows, [at])[1]])
    assert len(made) - n_made == 7 + session.is_adapted
    assert not sent
    model.forward(cache.fork(100), Rows.causal(IDS), [0])
    assert not sent, "a cut of what lies there"
    other = new_cache(tiny_gpu)
    other.append(LONG[1:], [array[:, 1 : len(LONG)] for array in cache.arrays])
    model.forward(other, Rows.causal(IDS), [0])
    assert sent == [FEWEST_COLUMNS] * 2 * tiny_gpu.manifest.n_layers


def test_what_replays_wrongly_is_not_replayed(tiny_gpu: TinyModel) -> None:
    class Stale(FixedSession):
        """A device whose replays compute with the inputs of the capture."""

        def run(self, number, inputs, outputs):  # type: ignore[no-untyped-def]
            if not self.captures or number not in self._bindings or self.faithful:
                super().run(number, inputs, outputs)

    for faithful in (True, False):
        session = Stale(tiny_gpu.manifest, "cpu", 1)
        session.captures, session.faithful = True, faithful  # type: ignore[attr-defined]
        model = ReplayedModel(session)
        model.check()
        assert session.captures == faithful
        assert ("replayed" in model.provider.reason) == faithful


def test_what_cannot_be_captured_is_run_all_the_same(
    tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []

    class Refusing(FixedSession):
        """A device that fails as soon as it is to capture."""

        def __init__(self, *args, captures=True):  # type: ignore[no-untyped-def]
            super().__init__(*args, captures=captures)
            self.captures = captures
            opened.append(captures)

        def run(self, *args):  # type: ignore[no-untyped-def]
            if self.captures:
                raise BackendError("an operation is not permitted while a stream is captured")
            super().run(*args)

    monkeypatch.setattr(loading, "FixedSession", Refusing)
    denoiser, _ = loading.load_denoiser(
        EngineConfig(model=str(tiny_gpu.artifact), device="cpu"), progress=None, cancel=None
    )
    assert opened == [True, False]
    assert denoiser.info.quantization == "g16" and "replayed" not in denoiser.info.provider_reason


def test_an_engine_over_it_says_what_the_base_says(tiny_gpu: TinyModel, tiny_f32: TinyModel) -> None:
    requests = [
        FillRequest(("def f(x):\n    ret" + "urn"[:n], None, "\n" * n), max_tokens=12) for n in range(3)
    ]
    texts = []
    for model in (tiny_gpu, tiny_f32):
        engine = open_engine(EngineConfig(model=str(model.artifact), device="cpu"))
        texts.append([engine.fill(request).fills for request in requests])
        engine.close()
    assert texts[0] == texts[1]
