"""Tiny checkpoints of every published family: exported and run in the engine, against reference models.

The models are transformers' classes (for LLaDA, Dream and the block families: theirs under the visibility
that the published code gives them); the loops are written down from the published samplers, with everything
computed anew in every step.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from engine.config import EngineConfig
from engine.denoising.canvas import MASKED
from engine.denoising.commit import CommitRule
from engine.denoising.denoise import Denoised, Task
from engine.denoising.denoise_slots import denoise_slots
from engine.denoising.tokens import TokenCodec
from engine.engine import open_engine
from engine.errors import ArtifactError
from engine.models.artifact import Manifest, load_manifest
from engine.models.runtime import OnnxModel
from engine.models.slot_denoiser import DiffusionDenoiser
from engine.types import CancelToken, Deadline, EditRequest, FillRequest
from export.base import GgufBase, weight_sources
from export.convert import Conversion
from export.family import Wishes, decoder_sources
from tests import checkpoints
from tests.checkpoints import BOS, EOS, EXPAND, MASK, full_logits
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

EXACT = 1e-4
"""Of float32, relative to the norm of the reference's logits."""

TOLERANCE = {"f16": 2e-3, "q8": 0.06, "q4": 0.5}
"""Of the other encodings, on random weights, which have no structure that rounding could spare."""

STORED = {"f16": 2e-3, "q8": 0.04, "q4": 0.04}
"""The same against a reference whose weights are rounded as they were: what is left is the kernels' doing."""

NOISE = (1.0, 0.6, 0.1)

N_TOKENS = checkpoints.token_id("<|fim_suffix|>") + 1
"""Of the tokenizer; the rest of the embedding is padding."""

RNG = np.random.default_rng


@dataclass(frozen=True, slots=True)
class Exported:
    """A kind of checkpoint, its reference, and what export made of it."""

    kind: str
    model: PreTrainedModel
    artifact: Path

    @property
    def manifest(self) -> Manifest:
        return load_manifest(self.artifact)

    def denoiser(self) -> DiffusionDenoiser:
        return DiffusionDenoiser(OnnxModel(self.manifest, "cpu", 1), 1 << 22)

    @property
    def codec(self) -> TokenCodec:
        codec = TokenCodec.from_file(self.manifest.path(self.manifest.tokenizer))
        codec.widen(self.manifest.n_vocab)
        return codec


def export(directory: Path, kind: str, encoding: Any = "f32", **write: Any) -> Exported:
    model = checkpoints.write(directory / kind, kind, **write)
    Conversion(directory / kind, "tiny", encoding).write(directory / "artifact")
    return Exported(kind, model, directory / "artifact")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with checkpoints.quick():
        yield


@pytest.fixture(scope="module", params=sorted(checkpoints.CONFIGS))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(tmp_path_factory.mktemp("family"), request.param)


def drawn(seed: int, n: int) -> list[int]:
    return [int(token) for token in RNG(seed).integers(0, 256, n)]


def noisy(tokens: list[int], share: float, seed: int) -> np.ndarray:
    """A window in which a share of the slots is open, at least one."""
    window = np.array(tokens, dtype=np.int64)
    window[RNG(seed).permutation(len(tokens))[: max(round(share * len(tokens)), 1)]] = MASKED
    return window


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def block_of(exported: Exported) -> int:
    kind = exported.manifest.diffusion
    assert kind is not None
    return kind.block


def reference_scores(exported: Exported, left: list[int], window: np.ndarray, right: list[int]) -> np.ndarray:
    """What the reference says of every slot of a window, from one pass over the whole text."""
    kind = exported.manifest.diffusion
    assert kind is not None
    ids = [*left, *np.where(window == MASKED, MASK, window).tolist(), *right]
    numbers = np.arange(len(ids)) // kind.block if kind.block else np.zeros(len(ids))
    logits = full_logits(exported.model, ids, numbers[:, None] >= numbers[None, :])
    first = len(left) - kind.shift
    return logits[first : first + len(window)]


def test_logits_at_every_noise_level(exported: Exported) -> None:
    block = block_of(exported)
    for n_left, n_right in ((1, 1), (21, 9), (150, 40)):
        left, right = drawn(1, n_left), ([] if block else drawn(2, n_right))
        context = left if block else [*left, MASKED, *right]
        denoiser = exported.denoiser()
        denoiser.encode(context, CancelToken())
        for n_settled in (0, 3, 2 * block):
            settled = drawn(3, n_settled)
            n_slots = block - (n_left + n_settled) % block if block else 12
            for share in NOISE:
                window = noisy(drawn(4, n_slots), share, n_left)
                ours = denoiser.score(settled, window, CancelToken()).logits
                theirs = reference_scores(exported, [*left, *settled], window, right)
                assert relative(ours, theirs) <= EXACT, (n_left, n_settled, share)


def test_a_context_that_grows_is_scored_like_a_new_one(exported: Exported) -> None:
    """Whatever is cached of earlier contexts, blocks and canvases."""
    block, used = block_of(exported), exported.denoiser()
    text = drawn(5, 90)
    for n in (60, 61, 64, 70, 33, 90, 64):
        context = text[:n] if block else [*text[:n], MASKED, 7]
        for n_settled in (0, 9, 2):
            n_slots = block - (n + n_settled) % block if block else 6
            window = noisy(drawn(7, n_slots), 0.5, n)
            used.encode(context, CancelToken())
            fresh = exported.denoiser()
            fresh.encode(context, CancelToken())
            settled = drawn(8, n_settled)
            ours = used.score(settled, window, CancelToken()).logits
            theirs = fresh.score(settled, window, CancelToken()).logits
            assert relative(ours, theirs) <= EXACT


def test_a_reading_is_what_the_model_says_of_each_token_unseen(exported: Exported) -> None:
    block, canvas = block_of(exported), drawn(9, 11)
    left, right = drawn(1, 22), ([] if block else drawn(2, 5))
    denoiser = exported.denoiser()
    denoiser.encode(left if block else [*left, MASKED, *right], CancelToken())
    reading = denoiser.read(canvas, CancelToken())
    for slot, token in enumerate(canvas):
        # its window, every fourth of its tokens masked with it
        at = (22 + slot) // block * block - 22 if block else 0
        start, end = max(at, 0), (at + block if block else len(canvas))
        window = np.full(end - start, MASKED, dtype=np.int64)
        known = np.array(canvas[start:end], dtype=np.int64)
        window[: len(known)] = known
        window[: len(known)][(slot - start) % 4 :: 4] = MASKED
        theirs = reference_scores(exported, [*left, *canvas[:start]], window, right)[slot - start]
        expected = torch.from_numpy(theirs).log_softmax(-1)[token].item()
        assert abs(reading.log_probs[slot] - expected) < 1e-3
    (compared,) = denoiser.compare(canvas[:0], [canvas], CancelToken())
    assert np.allclose(compared, reading.log_probs, atol=1e-4)


# The published loops, each computing everything anew in every step.


def greedy(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shares = torch.from_numpy(scores).softmax(-1)
    best = shares.max(-1)
    return best.indices.numpy(), best.values.numpy()


def entropy_order(scores: np.ndarray) -> np.ndarray:
    shares = torch.from_numpy(scores).softmax(-1)
    order: np.ndarray = (shares * torch.log(shares + 1e-10)).sum(-1).numpy()
    return order


Score = Callable[[list[int], np.ndarray], np.ndarray]


def low_confidence(score: Score, n_slots: int) -> list[int]:
    """LLaDA, Tiny-A2D: the surest slot of all, one a step."""
    window = np.full(n_slots, MASKED, dtype=np.int64)
    while (window == MASKED).any():
        tokens, sure = greedy(score([], window))
        slot = int(np.where(window == MASKED, sure, -np.inf).argmax())
        window[slot] = tokens[slot]
    return window.tolist()


def least_entropy(score: Score, n_slots: int) -> list[int]:
    """Dream, DiffuCoder: the slot with the least entropy, one a step."""
    window = np.full(n_slots, MASKED, dtype=np.int64)
    while (window == MASKED).any():
        scores = score([], window)
        slot = int(np.where(window == MASKED, entropy_order(scores), -np.inf).argmax())
        window[slot] = greedy(scores)[0][slot]
    return window.tolist()


def path_planning(score: Score, n_slots: int) -> list[int]:
    """Open-dCoder's P2: everything is filled, and ever fewer of the least certain masked again."""
    window = np.full(n_slots, MASKED, dtype=np.int64)
    for step in range(n_slots):
        tokens, sure = greedy(score([], window))
        again = np.argsort(sure, kind="stable")[: int(np.floor(n_slots * (1 - (step + 1) / n_slots)))]
        was_open = window == MASKED
        window[again] = MASKED
        kept = was_open & ~np.isin(np.arange(n_slots), again)
        window[kept] = tokens[kept]
    return window.tolist()


def expand_and_delete(score: Score, n_slots: int, most: int) -> list[int]:
    """DreamOn: least entropy first; a slot may become two masks, or go with all masks behind it."""
    window = [MASKED] * n_slots
    while MASKED in window:
        scores = score([], np.array(window, dtype=np.int64))
        if len(window) >= most:
            scores[:, EXPAND] = -1e9
        sure = np.where(np.array(window) == MASKED, entropy_order(scores), -np.inf)
        slot = int(sure.argmax())
        token = int(scores[slot].argmax())
        if token == EXPAND:
            window[slot : slot + 1] = [MASKED, MASKED]
        elif token == EOS:
            window = window[:slot] + [kept for kept in window[slot + 1 :] if kept != MASKED]
        else:
            window[slot] = token
    return window


def by_blocks(
    score: Score, n_left: int, block: int, n_tokens: int, threshold: float, *, shift: int, sub_block: int
) -> list[int]:
    """SDAR, Fast-dLLM v2, BD3-LM: block by block, all sure slots or the surest; behind a whole block
    Fast-dLLM takes the next token first."""
    settled: list[int] = []
    while len(settled) < n_tokens:
        n_slots = block - (n_left + len(settled)) % block
        window = np.full(n_slots, MASKED, dtype=np.int64)
        if shift and n_slots == block:
            window[0] = int(score(settled, window)[0].argmax())
        while (window == MASKED).any():
            tokens, sure = greedy(score(settled, window))
            sure = np.where(window == MASKED, sure, -np.inf)
            if sub_block:
                at = block - n_slots + np.arange(n_slots)
                sure[at // sub_block > at[window == MASKED][0] // sub_block] = -np.inf
            taken = sure > threshold
            taken[sure.argmax()] = True
            window[taken] = tokens[taken]
        settled += window.tolist()
    return settled[:n_tokens]


def plain(scores: np.ndarray, *ruled_out: int) -> np.ndarray:
    """Scores without what never stands for text, so that the loops run to their full length."""
    scores = scores.copy()
    scores[:, list({MASK, *ruled_out})] = -np.inf
    scores[:, N_TOKENS:] = -np.inf
    return scores


def ours(
    exported: Exported, context: list[int], n_tokens: int, rule: CommitRule, length: int | None
) -> Denoised:
    denoiser = exported.denoiser()
    denoiser.encode(context, CancelToken())
    denoiser.length = length
    denoiser.special = replace(denoiser.special, end=frozenset())  # to the full length
    task = Task(heal=b"", max_tokens=n_tokens, stop=lambda text: None)
    return denoise_slots(denoiser, exported.codec, task, rule, cancel=CancelToken(), deadline=Deadline())


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_same_tokens_from_the_published_schedule(exported: Exported, seed: int) -> None:
    rule = exported.denoiser().rule
    greedy_rule = replace(rule, temperature=0.0)
    block = block_of(exported)
    left, right = drawn(seed, 20 + seed), ([] if block else drawn(seed + 50, 8))
    context = left if block else [*left, MASKED, *right]
    n_tokens = 19 if block else 9

    def score(settled: list[int], window: np.ndarray) -> np.ndarray:
        return plain(reference_scores(exported, [*left, *settled], window, right))

    length: int | None = n_tokens
    match exported.kind:
        case "dream":
            theirs = least_entropy(score, n_tokens)
        case "dreamon":
            n_tokens, length = 24, None
            theirs = expand_and_delete(score, 4, n_tokens)
        case "open-dcoder":
            theirs = path_planning(score, n_tokens)
        case "a2d-bd3lm" | "sdar" | "fast-dllm":
            shift = int(exported.kind == "fast-dllm")
            theirs = by_blocks(
                score, len(left), block, n_tokens, rule.threshold, shift=shift, sub_block=rule.sub_block
            )
        case _:
            theirs = low_confidence(score, n_tokens)
    assert list(ours(exported, context, n_tokens, greedy_rule, length).tokens) == theirs


def test_it_fills_holes_in_the_engine(exported: Exported) -> None:
    engine = open_engine(EngineConfig(model=str(exported.artifact), device="cpu", threads=1))
    text = ("def f(x):\n    retu", "\n\nprint(f(1))\n")
    request = FillRequest((text[0], None, text[1]), "python", max_tokens=12)
    one, again = engine.fill(request), engine.fill(request)
    assert one.fills == again.fills and one.forwards >= 1
    assert one.status == "ok" or one.reason
    for decoding in ("left_to_right", "lossless"):
        config = EngineConfig(model=str(exported.artifact), device="cpu", threads=1, decoding=decoding)  # type: ignore[arg-type]
        assert open_engine(config).fill(request).status in ("ok", "refused")
    joint = FillRequest(("a = ", None, "\nb = ", None, "\n"), "python", max_tokens=6, single_line=True)
    assert len(engine.fill(joint).fills) == 2


def test_edits_and_corrections_run_on_every_family(exported: Exported) -> None:
    """What a random model makes of them is worth nothing; it must stay within its spans."""
    engine = open_engine(EngineConfig(model=str(exported.artifact), device="cpu", threads=1))
    broken = "def f(a, b:\n    return a + b\n"
    mended = engine.edit(EditRequest("repair", broken, "python", max_tokens=24))
    assert mended.status in ("ok", "refused") and mended.text.endswith("return a + b\n")
    typed = engine.edit(EditRequest("types", "def f(a):\n    return a + 1\n", "python", max_tokens=24))
    assert re.fullmatch(r"def f\(a.*\).*:\n    return a \+ 1\n", typed.text, re.DOTALL)
    tokens = exported.codec.encode("x = y + 1")
    assert len(engine.correct("a = 1\n", tokens, "\nb = 2\n", "python")) == len(tokens)
    with pytest.raises(ArtifactError, match="this model cannot follow instructions"):
        engine.edit(EditRequest("rewrite", "a = 1\n", "python", instruction="Add a comment."))


@pytest.mark.parametrize("encoding", sorted(TOLERANCE))
def test_other_encodings_stay_close(tmp_path: Path, encoding: str) -> None:
    made = export(tmp_path, "a2d-qwen2", encoding)
    denoiser = made.denoiser()
    left, right, window = drawn(1, 30), drawn(2, 9), noisy(drawn(4, 12), 0.5, 1)
    denoiser.encode([*left, MASKED, *right], CancelToken())
    scores = denoiser.score([], window, CancelToken()).logits
    off = relative(scores, reference_scores(made, left, window, right))
    assert EXACT / 10 < off <= TOLERANCE[encoding]
    checkpoints.store(made.model, encoding)  # type: ignore[arg-type]
    assert relative(scores, reference_scores(made, left, window, right)) <= STORED[encoding]


def test_shards_in_bfloat16_give_the_rounded_model(tmp_path: Path) -> None:
    made = export(tmp_path, "dream", shards=3, dtype=torch.bfloat16)
    denoiser = made.denoiser()
    left, right, window = [BOS, *drawn(1, 30)], [*drawn(2, 9), EOS], noisy(drawn(4, 12), 0.5, 1)
    denoiser.encode([*left, MASKED, *right], CancelToken())
    scores = denoiser.score([], window, CancelToken()).logits
    assert relative(scores, reference_scores(made, left, window, right)) <= EXACT


@pytest.mark.parametrize("exported", ["dream", "a2d-qwen3"], indirect=True)
def test_between_two_fresh_passes_only_the_window_is_computed(exported: Exported) -> None:
    denoiser = exported.denoiser()
    left, right, window = drawn(1, 60), drawn(2, 30), noisy(drawn(4, 10), 1.0, 1)
    denoiser.encode([*left, MASKED, *right], CancelToken())
    whole = denoiser.score([], window, CancelToken())
    same = denoiser.score([], window, CancelToken(), fresh=False)
    assert same.rows <= 11 < whole.rows
    assert relative(same.logits, whole.logits) <= EXACT  # nothing around it has changed yet
    filled = noisy(drawn(4, 10), 0.5, 1)
    stale = denoiser.score([], filled, CancelToken(), fresh=False)
    exact = denoiser.score([], filled, CancelToken())
    assert EXACT < relative(stale.logits, exact.logits) < 1.0
    settled = denoiser.score(
        drawn(5, 2), window, CancelToken(), fresh=False
    )  # other surroundings: fresh at once
    assert settled.rows > 90


def test_blocks_of_one_token_are_the_base_itself(tiny_f32: TinyModel, tmp_path: Path) -> None:
    """The same weights as GGUF and as a checkpoint: two ways through export and engine to the same text."""
    base = GgufBase(tiny_f32.gguf)
    directory = tmp_path / "checkpoint"
    directory.mkdir()
    sources = decoder_sources(base.config)
    state = {}
    for name, parts in weight_sources(base.config.n_layers).items():
        if name != "head.weight":
            arrays = [base.tensor(part) for part in parts]
            whole = np.concatenate(arrays)
            theirs = sources[name]
            if len(theirs) != len(parts):
                arrays = np.split(whole, len(theirs))
            state |= {key: torch.from_numpy(array.copy()) for key, array in zip(theirs, arrays, strict=True)}
    checkpoints.write_tensors(directory, state)
    sizes = {**checkpoints.SIZES, "vocab_size": base.config.n_vocab, "rope_theta": base.config.rope_base}
    config = {"model_type": "Fast_dLLM_Qwen", **sizes, "tie_word_embeddings": True, "mask_token_id": 0}
    (directory / "config.json").write_text(json.dumps(config))
    manifest = tiny_f32.manifest
    shutil.copy(manifest.path(manifest.tokenizer), directory / "tokenizer.json")
    Conversion(directory, "tiny", "f32", Wishes(block=1)).write(tmp_path / "artifact")
    options: dict[str, Any] = {"device": "cpu", "threads": 1, "decoding": "left_to_right"}
    blocks = open_engine(EngineConfig(model=str(tmp_path / "artifact"), **options))
    causal = open_engine(EngineConfig(model=str(tiny_f32.artifact), **options))
    for seed in range(6):
        prefix, suffix = (bytes(drawn(seed + at, 40)).decode("latin-1") for at in (0, 100))
        request = FillRequest((prefix, None, suffix), "plaintext", max_tokens=20, single_line=seed % 2 == 0)
        ours, theirs = blocks.fill(request), causal.fill(request)
        assert (ours.fills, ours.status) == (theirs.fills, theirs.status)
        assert ours.confidence == pytest.approx(theirs.confidence, abs=1e-3)
