"""Reading and comparing finished text on the tiny model: each score against one causal pass over it all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch

from engine.denoising.cache import ContextCache
from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import TOP, Prediction
from engine.denoising.draft import ROOT, Draft
from engine.denoising.rows import Rows
from engine.errors import Cancelled
from engine.models.canvas_denoiser import CHUNK, CanvasDenoiser
from engine.models.runtime import OnnxModel
from engine.types import CancelToken
from export.base import load_model
from export.reference import TorchModel
from tests.conftest import TinyModel

pytestmark = [pytest.mark.export, pytest.mark.parametrize("tiny_adapted", ["f32"], indirect=True)]

CLOSE = 1e-4
"""Nats between two float32 readings of the same text."""

LENGTHS = [1, 2, 40, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 30]
"""Of contexts: within one chunk, at its border, over several."""


def drawn(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(0, 256, n)]


def fresh(model: TinyModel, context: Sequence[int]) -> CanvasDenoiser:
    denoiser = CanvasDenoiser(OnnxModel(model.manifest, "cpu", 1), 1 << 20)
    denoiser.encode(context, CancelToken())
    return denoiser


def read(denoiser: CanvasDenoiser, canvas: Sequence[int]) -> npt.NDArray[np.float32]:
    return denoiser.read(canvas, CancelToken()).log_probs


def causal(model: TinyModel, context: Sequence[int], canvas: Sequence[int]) -> npt.NDArray[np.float32]:
    """Log-probabilities of every token in each slot, by the torch base in a single pass ``[n, n_vocab]``."""
    ids = [*context, *canvas][:-1]
    manifest = model.manifest
    base = TorchModel(load_model(model.gguf), manifest)
    nothing = ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)
    logits, _ = base.forward(nothing, Rows.causal(ids), range(len(context) - 1, len(ids)))
    scores: npt.NDArray[np.float32] = torch.from_numpy(logits).log_softmax(-1).numpy()
    return scores


@pytest.mark.parametrize("n_context", LENGTHS)
def test_a_reading_is_what_the_base_says_of_each_token(tiny_adapted: TinyModel, n_context: int) -> None:
    context, canvas = drawn(1, n_context), drawn(2, 30)
    scores = causal(tiny_adapted, context, canvas)
    reading = fresh(tiny_adapted, context).read(canvas, CancelToken())
    assert np.abs(reading.log_probs - scores[np.arange(30), canvas]).max() < CLOSE
    assert reading.top_tokens.shape == reading.top_log_probs.shape == (30, TOP)
    best = np.sort(scores, axis=-1)[:, ::-1][:, :TOP]
    assert np.abs(reading.top_log_probs - best).max() < CLOSE
    said = np.take_along_axis(scores, reading.top_tokens, axis=-1)
    assert np.abs(reading.top_log_probs - said).max() < CLOSE
    assert reading.rows == 30


@pytest.mark.parametrize("n_canvas", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_long_canvas_is_read_in_pieces(tiny_adapted: TinyModel, n_canvas: int) -> None:
    context, canvas = drawn(3, 50), drawn(4, n_canvas)
    reading = fresh(tiny_adapted, context).read(canvas, CancelToken())
    scores = causal(tiny_adapted, context, canvas)
    assert np.abs(reading.log_probs - scores[np.arange(n_canvas), canvas]).max() < CLOSE
    assert reading.forwards == -(-(len(context) + n_canvas - 1) // CHUNK)


@pytest.mark.parametrize("n_before", [0, 1, 20, CHUNK + 5])
@pytest.mark.parametrize("n_context", [1, CHUNK, 2 * CHUNK + 30])
def test_branches_side_by_side_are_what_each_is_alone(
    tiny_adapted: TinyModel, n_context: int, n_before: int
) -> None:
    context, before = drawn(5, n_context), drawn(6, n_before)
    branches = [drawn(7 + i, n) for i, n in enumerate((9, 1, 9, 4))]
    denoiser = fresh(tiny_adapted, context)
    for _ in range(2):  # cold, then with the text before them cached
        compared = denoiser.compare(before, branches, CancelToken())
        for scores, branch in zip(compared, branches, strict=True):
            alone = read(fresh(tiny_adapted, context), [*before, *branch])[n_before:]
            assert scores.shape == (len(branch),)
            assert np.abs(scores - alone).max() < CLOSE


def forked(run: list[int], other: list[int]) -> Draft:
    """A run, and another way to go on from its first token."""
    parents = [*range(-1, len(run) - 1), 0, *range(len(run), len(run) + len(other) - 1)]
    return Draft((*run, *other), tuple(parents), (0.5,) * len(parents))


def test_every_branch_is_read_as_if_it_stood_alone(tiny_adapted: TinyModel) -> None:
    context, run, other = drawn(22, 40), drawn(23, 4), drawn(24, 3)
    draft = forked(run, other)
    n_masks = [1, 0, 2, 0, 3, 0, 1, 2]
    both = fresh(tiny_adapted, context).predict(Canvas.masked(8).propose(draft), n_masks, CancelToken())
    for branch, nodes in ([run, [0, 1, 2, 3]], [[run[0], *other], [0, 4, 5, 6]]):
        alone = fresh(tiny_adapted, context)
        masks = [n_masks[0], *(n_masks[node + 1] for node in nodes)]
        run_only = Canvas.masked(8).propose(Draft.run(branch, [0.5] * len(branch)))
        said = alone.predict(run_only, masks, CancelToken())
        assert np.abs(both.logits[[0, *(node + 1 for node in nodes)]] - said.logits).max() < CLOSE
        for place, node in enumerate([ROOT, *nodes]):
            ours, theirs = both.drafts[node + 1], said.drafts[place]
            assert ours.shape == theirs.shape
            assert not ours.size or np.abs(ours - theirs).max() < CLOSE


def test_only_what_differs_from_the_text_read_last_is_read_again(tiny_adapted: TinyModel) -> None:
    context, text, other = drawn(25, 30), drawn(26, 40), drawn(27, 10)
    used = fresh(tiny_adapted, context)
    whole = used.read(text, CancelToken())
    assert (whole.rows, whole.forwards) == (40, 1)
    same = used.read(text, CancelToken())
    assert (same.rows, same.forwards) == (0, 0)
    assert (same.log_probs == whole.log_probs).all() and (same.top_tokens == whole.top_tokens).all()
    changed = [*text[:30], *other]
    again = used.read(changed, CancelToken())
    alone = fresh(tiny_adapted, context).read(changed, CancelToken())
    assert (again.rows, again.forwards) == (10, 1)
    assert (again.log_probs == alone.log_probs).all() and (again.top_tokens == alone.top_tokens).all()
    used.encode([*context, *text[:5]], CancelToken())  # the same text, of which more is context now
    assert used.read(text[5:], CancelToken()).rows == 35


def test_the_run_is_kept_and_branches_are_read_again_in_their_own_place(tiny_adapted: TinyModel) -> None:
    context, run, other = drawn(22, 40), drawn(23, 4), drawn(24, 3)
    used = fresh(tiny_adapted, context)
    used.predict(Canvas.masked(8).propose(forked(run, other)), [0] * 8, CancelToken())
    text = [*context, run[0], *other, 9]
    assert used.encode(text, CancelToken()).cached_tokens == len(context) + 1
    again = used.predict(Canvas.masked(8), [0], CancelToken())
    alone = fresh(tiny_adapted, text).predict(Canvas.masked(8), [0], CancelToken())
    assert (again.logits == alone.logits).all()


@pytest.mark.parametrize("n_context", [1, 40, CHUNK, 2 * CHUNK + 30])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_asked_before_leaves_no_trace(tiny_adapted: TinyModel, n_context: int, seed: int) -> None:
    """Whatever is asked in whatever order, each answer against a denoiser that was asked nothing else."""
    rng = np.random.default_rng(seed)
    context, text = drawn(20, n_context), drawn(21, 2 * CHUNK)
    used = fresh(tiny_adapted, context)

    def predict(denoiser: CanvasDenoiser, settled: list[int], draft: Draft) -> Prediction:
        canvas = Canvas.masked(len(settled) + len(draft) + 8)
        for token in settled:
            canvas = canvas.settle(token, 1.0)
        canvas = canvas.propose(draft)
        return denoiser.predict(canvas, [2] * (len(draft) + 1), CancelToken())

    for _ in range(8):
        n = int(rng.integers(0, 60))
        other = drawn(int(rng.integers(1 << 30)), 12)
        alone = fresh(tiny_adapted, context)
        match rng.integers(4):
            case 0:
                ours, theirs = (
                    predict(denoiser, text[:n], forked(text[n : n + 3], other[:3]))
                    for denoiser in (used, alone)
                )
                assert np.abs(ours.logits - theirs.logits).max() < CLOSE
                for our_draft, their_draft in zip(ours.drafts, theirs.drafts, strict=True):
                    assert np.abs(our_draft - their_draft).max() < CLOSE
            case 1:
                canvas = [*text[:n], *other]
                assert np.abs(read(used, canvas) - read(alone, canvas)).max() < CLOSE
            case 2:
                branches = [other[:5], other[5:], other[:1]]
                both = [denoiser.compare(text[:n], branches, CancelToken()) for denoiser in (used, alone)]
                assert all(np.abs(a - b).max() < CLOSE for a, b in zip(*both, strict=True))
            case _:
                used.encode(other, CancelToken())  # another request, and back again
                read(used, text[:n] or [0])
                used.encode(context, CancelToken())


def test_it_can_be_cancelled(tiny_adapted: TinyModel) -> None:
    denoiser, asked = fresh(tiny_adapted, drawn(1, 9)), CancelToken()
    asked.cancel()
    with pytest.raises(Cancelled):
        denoiser.read([1, 2], asked)
    with pytest.raises(Cancelled):
        denoiser.compare([1], [[2]], asked)
