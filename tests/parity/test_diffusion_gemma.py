"""A tiny DiffusionGemma of transformers' own class, exported and run in the engine, against that class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DynamicCache
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
    StableAndConfidentStoppingCriteria,
)

from engine.config import EngineConfig
from engine.denoising.commit import CommitRule, choose, temperature_at
from engine.denoising.denoise import Task
from engine.denoising.denoise_slots import SEED, denoise_slots
from engine.denoising.tokens import TokenCodec
from engine.engine import open_engine
from engine.models.artifact import load_manifest
from engine.models.runtime import OnnxModel
from engine.models.slot_denoiser import DiffusionDenoiser
from engine.types import CancelToken, Deadline, FillRequest
from export.convert import Conversion
from tests import checkpoints
from tests.checkpoints import BOS, EOS, N_VOCAB

pytestmark = pytest.mark.export

CANVAS, WINDOW = 12, 16
EXACT = 1e-4
STORED = {"f16": 5e-3, "q8": 0.2, "q4": 0.2}
"""Against a reference whose weights are rounded as they were: a rounded row may go to another expert."""

TEXT = {
    "vocab_size": N_VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "global_head_dim": 32,
    "num_global_key_value_heads": 1,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"],
    "num_experts": 3,
    "top_k_experts": 2,
    "moe_intermediate_size": 32,
    "max_position_embeddings": 2048,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "model_type": "gemma4_vision",
}


def write(directory: Path) -> DiffusionGemmaForBlockDiffusion:
    torch.manual_seed(5)
    config = DiffusionGemmaConfig(text_config=TEXT, vision_config=VISION, canvas_length=CANVAS)
    config.text_config._attn_implementation = "eager"
    model = DiffusionGemmaForBlockDiffusion(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("scale", "norm.weight")):
                parameter.uniform_(0.5, 1.5)
            elif "self_conditioning.down_proj" in name:
                parameter.normal_(
                    0.0, 0.002
                )  # passes feed on one another: else every rounding error would grow
            elif "embed_tokens" not in name:
                parameter.normal_(0.0, 1.5 * parameter.shape[-1] ** -0.5)
            else:
                parameter.normal_(0.0, 0.3)
        for name, buffer in model.named_buffers():
            if name.endswith("layer_scalar"):
                buffer.uniform_(0.5, 1.5)
    model.save_pretrained(directory)
    checkpoints.write_tokenizer(directory)
    return model


class Made:
    def __init__(self, directory: Path, encoding: Any = "f32") -> None:
        self.directory = directory
        self.model = write(directory / "checkpoint")
        Conversion(directory / "checkpoint", "tiny", encoding).write(directory / "artifact")
        self.manifest = load_manifest(directory / "artifact")
        self.codec = TokenCodec.from_file(self.manifest.path(self.manifest.tokenizer))
        self.codec.widen(self.manifest.n_vocab)

    def denoiser(self) -> DiffusionDenoiser:
        return DiffusionDenoiser(OnnxModel(self.manifest, "cpu", 1), 1 << 22)

    def encoded(self, context: list[int]) -> DynamicCache:
        cache = DynamicCache(config=self.model.config.get_text_config())
        with torch.inference_mode():
            self.model.model.encoder(input_ids=torch.tensor([context]), past_key_values=cache)
        return cache

    def logits(
        self, cache: DynamicCache, n: int, window: np.ndarray, previous: np.ndarray | None
    ) -> np.ndarray:
        conditions = None if previous is None else torch.from_numpy(previous)[None]
        positions = torch.arange(n, n + len(window))[None]
        with torch.inference_mode():
            out = self.model(
                decoder_input_ids=torch.from_numpy(window)[None],
                past_key_values=cache,
                self_conditioning_logits=conditions,
                decoder_position_ids=positions,
            )
        return np.asarray(out.logits[0].numpy())


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with checkpoints.quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("gemma"))


def drawn(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(0, 256, n)]


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_logits_with_and_without_what_the_pass_before_said(made: Made) -> None:
    for n in (1, WINDOW - 1, WINDOW, 40, 300):
        context = [BOS, *drawn(1, n - 1)]
        denoiser = made.denoiser()
        denoiser.encode(context, CancelToken())
        for n_settled in (0, 5):
            settled = drawn(2, n_settled)
            cache = made.encoded([*context, *settled])
            window, previous = np.array(drawn(3, CANVAS)), None
            for _ in range(3):
                ours = denoiser.score(settled, window, CancelToken(), previous=previous).logits
                theirs = made.logits(cache, n + n_settled, window, previous)
                assert relative(ours, theirs) <= EXACT, (n, n_settled)
                previous = theirs


def test_the_context_reads_the_text_as_its_own_head_does(made: Made) -> None:
    context, canvas = [BOS, *drawn(1, 30)], drawn(4, 9)
    denoiser = made.denoiser()
    denoiser.encode(context, CancelToken())
    with torch.inference_mode():
        hidden = made.model.model.encoder(input_ids=torch.tensor([[*context, *canvas]])).last_hidden_state
        logits = made.model.lm_head(hidden)[0]
        cap = made.model.final_logit_softcapping
        scores = (torch.tanh(logits / cap) * cap).log_softmax(-1)
    expected = [scores[len(context) - 1 + i, token].item() for i, token in enumerate(canvas)]
    reading = denoiser.read(canvas, CancelToken())
    assert np.allclose(reading.log_probs, expected, atol=1e-3)
    (half,) = denoiser.compare(canvas[:4], [canvas[4:]], CancelToken())
    assert np.allclose(half, expected[4:], atol=1e-3)


def published(made: Made, context: list[int], rule: CommitRule, n_tokens: int) -> list[int]:
    """Transformers' sampler and stopping rule around its model; what is drawn comes from our generator."""
    rng = np.random.default_rng(SEED)
    settled: list[int] = []
    while len(settled) < n_tokens:
        cache = made.encoded([*context, *settled])
        sampler = EntropyBoundSampler(
            EntropyBoundSamplerConfig(rule.entropy_bound), CANVAS, N_VOCAB, rule.passes
        )
        stopping = StableAndConfidentStoppingCriteria(1, rule.settled_entropy)
        canvas, previous = rng.integers(0, N_VOCAB, CANVAS), None
        for step in range(rule.passes):
            scores = made.logits(cache, len(context) + len(settled), canvas, previous)
            scores[:, made.codec.n_vocab :] = -np.inf
            previous = scores / np.float32(temperature_at(step, rule))
            logits = torch.from_numpy(np.maximum(previous, -1e30))[None]
            draws, _ = choose(previous, 1.0, 1.0, rng)
            noise = rng.integers(0, N_VOCAB, CANVAS)
            sampler.accept_canvas(torch.from_numpy(canvas)[None], torch.from_numpy(draws)[None], logits, step)
            canvas = np.where(sampler.accepted_token_mask[0].numpy(), draws, noise)
            best = logits.argmax(-1)
            if stopping(best, logits)[0]:
                break
        settled += best[0].tolist()
    return settled[:n_tokens]


@pytest.mark.parametrize(("seed", "bound", "entropy"), [(1, 0.1, 0.005), (2, 2.0, 0.5), (3, 5.0, 2.0)])
def test_the_same_tokens_from_the_published_schedule(
    made: Made, seed: int, bound: float, entropy: float
) -> None:
    denoiser = made.denoiser()
    rule = replace(denoiser.rule, entropy_bound=bound, settled_entropy=entropy, passes=12)
    assert (denoiser.rule.entropy_bound, denoiser.rule.passes) == (0.1, 48)
    assert (denoiser.rule.temperature, denoiser.rule.last_temperature) == (0.8, 0.4)
    context = [BOS, *drawn(seed, 25)]
    denoiser.encode(context, CancelToken())
    denoiser.special = replace(denoiser.special, end=frozenset())  # to the full length
    task = Task(heal=b"", max_tokens=20, stop=lambda text: None)
    done = denoise_slots(denoiser, made.codec, task, rule, cancel=CancelToken(), deadline=Deadline())
    assert list(done.tokens) == published(made, context, rule, 20)


def test_it_fills_holes_in_the_engine(made: Made) -> None:
    engine = open_engine(EngineConfig(model=str(made.directory / "artifact"), device="cpu", threads=1))
    request = FillRequest(("def f(x):\n    retu", None, "\n"), "python", max_tokens=8)
    one, again = engine.fill(request), engine.fill(request)
    assert one.fills == again.fills and one.status in ("ok", "refused")
    assert again.cached_tokens >= again.context_tokens - 1 or again.context_tokens < 32


@pytest.mark.parametrize("encoding", sorted(STORED))
def test_other_encodings_stay_close(tmp_path: Path, encoding: str) -> None:
    made = Made(tmp_path, encoding)
    context, window = [BOS, *drawn(1, 30)], np.array(drawn(3, CANVAS))
    denoiser = made.denoiser()
    denoiser.encode(context, CancelToken())
    ours = denoiser.score((), window, CancelToken()).logits
    previous = np.roll(ours, 1)
    conditioned = denoiser.score((), window, CancelToken(), previous=previous).logits
    assert relative(ours, made.logits(made.encoded(context), len(context), window, None)) > EXACT / 10
    checkpoints.store(made.model, encoding)  # type: ignore[arg-type]
    cache = made.encoded(context)
    assert relative(ours, made.logits(cache, len(context), window, None)) <= STORED[encoding]
    assert relative(conditioned, made.logits(cache, len(context), window, previous)) <= STORED[encoding]
