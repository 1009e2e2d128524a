"""The graph for GPUs at its fixed sizes against the torch model and against the other graph's passes.

Run on the CPU, which computes the same nodes; that CUDA captures them is not tested here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.config import EngineConfig
from engine.denoising.cache import ContextCache
from engine.denoising.rows import Rows
from engine.denoising.top import KEPT, TopTokens, top_of
from engine.engine import open_engine
from engine.errors import BackendError
from engine.models import loading
from engine.models import replayed as module
from engine.models.replayed import FEWEST_COLUMNS, ROWS, Pass, ReplayedModel
from engine.models.replayed import _Resident as Resident
from engine.models.runtime import FixedSession
from engine.types import FillRequest
from export.adapter import load_adapter
from export.base import load_model
from export.reference import TorchModel
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

lay_out = Resident.lay_out

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


def note_sending(sent: list[int], resident: Resident, caches: Sequence[ContextCache], n_free: int) -> None:
    """Lay caches out, and note the buffers that were sent for it."""
    before = resident.mirror
    lay_out(resident, caches, n_free)
    if resident.mirror is not before:
        sent.append(resident.n_columns)


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


def test_several_requests_run_in_one_pass_and_none_sees_the_others(
    tiny_gpu: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contexts of several lengths come, go on, are cut, forked and left out, until room runs out."""
    sent: list[int] = []
    monkeypatch.setattr(module._Resident, "lay_out", lambda *args: note_sending(sent, *args))
    monkeypatch.setattr(module, "ROOM", 1)  # so that it runs out soon
    ours, theirs = replayed(tiny_gpu), reference(tiny_gpu)
    contexts = [LONG[:90], IDS[:5], LONG[7:40], []]
    mine, other = [new_cache(tiny_gpu) for _ in contexts], [new_cache(tiny_gpu) for _ in contexts]
    groups = [(1, 2), (2, 3)] if tiny_gpu.adapter is not None else []

    def step(who: list[int], ids: list[int], n_kept: int) -> None:
        """A pass for some, who keep the first tokens of it."""
        rows = Rows.drafting(ids, groups)
        results = ours.forward_together([Pass(mine[at], rows, range(1, len(rows))) for at in who])
        for at, (logits, new) in zip(who, results, strict=True):
            expected, entries = theirs.forward(other[at], rows, range(1, len(rows)))
            assert relative(logits, expected) < 0.01
            assert all(relative(a, b) < 0.01 for a, b in zip(new, entries, strict=True))
            mine[at].append(ids[:n_kept], [array[:, :n_kept] for array in new])
            other[at].append(ids[:n_kept], [array[:, :n_kept] for array in entries])

    for at, ids in enumerate(contexts):
        for cache in (mine[at], other[at]):
            if ids:
                cache.append(ids, theirs.forward(cache, Rows.causal(ids), [])[1])
    everyone = list(range(len(contexts)))
    step(everyone, IDS[:4], 2)
    n_sent = len(sent)
    step([2, 0], IDS[3:7], 3)
    step([1], IDS[1:6], 1)
    for cache in (mine[0], other[0]):
        cache.truncate(50)
    mine[3], other[3] = mine[2].fork(20), other[2].fork(20)
    step([3, 0, 2], IDS[5:9], 2)
    assert len(sent) == n_sent, "what lies there stays there"
    for turn in range(30):
        step(everyone if turn % 3 else [2, 1], IDS[turn % 5 : turn % 5 + 4], 4 if turn % 2 else 1)
    assert len(sent) > len(set(sent)), "moved together when the columns ran out"


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


def test_a_context_that_became_another_is_sent_anew(tiny_gpu: TinyModel) -> None:
    ours, theirs = replayed(tiny_gpu), reference(tiny_gpu)
    cache, source = new_cache(tiny_gpu), new_cache(tiny_gpu)
    for ids in (IDS[:6], LONG[20:50], IDS[3:9]):
        source.truncate(0)
        cache.truncate(0)
        _, entries = theirs.forward(source, Rows.causal(ids), [])
        cache.append(ids, entries)  # of no pass of ours
        rows = Rows.causal(IDS[:2])
        assert relative(*(model.forward(cache, rows, [1])[0] for model in (ours, theirs))) < 0.01


def test_only_wanted_logits_come_back(tiny_gpu: TinyModel) -> None:
    model, cache = replayed(tiny_gpu), new_cache(tiny_gpu)
    rows = Rows.causal(IDS)
    whole, _ = model.forward(cache, rows, range(len(IDS)))
    for wanted in ([], [12], [0, 3, 12]):
        logits, _ = model.forward(cache, rows, wanted)
        assert logits.shape == (len(wanted), tiny_gpu.manifest.n_vocab)
        assert not wanted or relative(logits, whole[wanted]) < 0.01


def test_the_likeliest_tokens_are_those_of_the_whole_rows(tiny_gpu: TinyModel) -> None:
    model = replayed(tiny_gpu)
    rows = Rows.causal(IDS)
    whole, _ = model.forward(new_cache(tiny_gpu), rows, [0, 5, 12])
    tops, _ = model.forward_top(new_cache(tiny_gpu), rows, [0, 5, 12])
    for row, top in zip(whole, tops, strict=True):
        assert isinstance(top, TopTokens) and top.row is None
        same = TopTokens.of(row)
        n = min(len(same), len(top))
        assert len(top) == KEPT and top.tokens[:n].tolist() == same.tokens[:n].tolist()
        assert top.logits.tolist() == row[top.tokens].tolist()
        assert top.norm == pytest.approx(same.norm, abs=1e-4)


def test_requests_for_rows_and_for_their_likeliest_tokens_share_a_pass(tiny_gpu: TinyModel) -> None:
    model = replayed(tiny_gpu)
    (whole, _), (tops, _) = model.forward_together(
        [
            Pass(new_cache(tiny_gpu), Rows.causal(IDS[:4]), [1, 3]),
            Pass(new_cache(tiny_gpu), Rows.causal(IDS[:6]), [5, 3], whole=False),
        ]
    )
    assert np.asarray(whole).shape == (2, tiny_gpu.manifest.n_vocab)
    assert [top_of(whole[1]).tokens[0], len(tops)] == [top_of(tops[1]).tokens[0], 2]


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
    monkeypatch.setattr(module._Resident, "lay_out", lambda *args: note_sending(sent, *args))
    model, cache = ReplayedModel(session), new_cache(tiny_gpu)
    cache.append(LONG, model.forward(cache, Rows.causal(LONG), [])[1])
    n_made = len(made)
    for at in range(5):  # every pass adds a token and is of another number of rows
        rows = Rows.causal(IDS[: at + 1])
        cache.append(IDS[:1], [entries[:, :1] for entries in model.forward(cache, rows, [at])[1]])
    assert len(made) - n_made == 10 + session.is_adapted
    assert not sent
    model.forward(cache.fork(100), Rows.causal(IDS), [0])
    assert not sent, "a cut of what lies there"
    other = new_cache(tiny_gpu)
    other.append(LONG[1:], [array[:, 1 : len(LONG)] for array in cache.arrays])
    model.forward(other, Rows.causal(IDS), [0])
    assert sent == [FEWEST_COLUMNS]


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
    (denoiser,), _ = loading.load_denoisers(
        EngineConfig(model=str(tiny_gpu.artifact), device="cpu"), 1, progress=None, cancel=None
    )
    assert opened == [True, False]
    assert denoiser.info.quantization == "g16" and "replayed" not in denoiser.info.provider_reason


def test_an_engine_over_it_says_what_the_base_says(tiny_gpu: TinyModel, tiny_f32: TinyModel) -> None:
    requests = [
        FillRequest((f"def f(x):\n    {begun}", None, "\n" * (at % 2)), max_tokens=12)
        for at, begun in enumerate(("ret", "retu", "retur", "return x[", "xq", "zz", "0x", "wh", "=="))
    ]
    texts = []
    for model in (tiny_gpu, tiny_f32):
        engine = open_engine(EngineConfig(model=str(model.artifact), device="cpu"))
        texts.append([engine.fill(request).fills for request in requests])
        engine.close()
    assert texts[0] == texts[1]
