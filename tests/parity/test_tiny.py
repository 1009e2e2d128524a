"""The whole path on a tiny model: GGUF, torch, ONNX, artifact, engine, each against another reading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from engine.artifact import load_manifest
from engine.cache import ContextCache
from engine.causal import CausalDenoiser
from engine.denoise import denoise
from engine.engine import Engine
from engine.runtime import OnnxModel
from engine.tokens import TokenCodec
from engine.types import CancelToken, Deadline, FillRequest
from export.base import load_model
from export.reference import TorchModel
from tests import tiny
from tests.conftest import TinyModel

pytestmark = pytest.mark.export

IDS = [3, 77, 140, 9, 201, 55, 260, 18, 30, 12, 99, 240, 7]

# Largest relative error of the logits that each encoding may add on random weights.
TOLERANCE = {"f32": 1e-5, "q8": 0.05, "d8": 0.12, "q4": 0.35}


def transformers_model() -> Qwen2ForCausalLM:
    """Another project's reading of the same tensors."""
    config = Qwen2Config(
        vocab_size=len(tiny.vocabulary()),
        hidden_size=tiny.N_HIDDEN,
        intermediate_size=tiny.N_FFN,
        num_hidden_layers=tiny.N_LAYERS,
        num_attention_heads=tiny.N_HEADS,
        num_key_value_heads=tiny.N_KV_HEADS,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    for i in range(tiny.N_LAYERS):
        ours, theirs = f"blk.{i}.", f"model.layers.{i}."
        for part in "qkv":
            for kind in ("weight", "bias"):
                names[f"{ours}attn_{part}.{kind}"] = f"{theirs}self_attn.{part}_proj.{kind}"
        names |= {
            f"{ours}attn_output.weight": f"{theirs}self_attn.o_proj.weight",
            f"{ours}attn_norm.weight": f"{theirs}input_layernorm.weight",
            f"{ours}ffn_norm.weight": f"{theirs}post_attention_layernorm.weight",
        }
        for part in ("gate", "up", "down"):
            names[f"{ours}ffn_{part}.weight"] = f"{theirs}mlp.{part}_proj.weight"
    model = Qwen2ForCausalLM(config).float().eval()
    state = {names[name]: torch.from_numpy(values) for name, values in tiny.tensors().items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected
    model.tie_weights()
    return model


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def new_cache(model: TinyModel) -> ContextCache:
    manifest = model.manifest
    return ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)


def test_torch_model_agrees_with_transformers(tiny_f32: TinyModel) -> None:
    with torch.inference_mode():
        theirs = transformers_model()(torch.tensor([IDS])).logits[0].numpy()
    ours, _ = TorchModel(load_model(tiny_f32.gguf), tiny_f32.manifest).forward(
        new_cache(tiny_f32), IDS, rows=range(len(IDS))
    )
    assert relative(ours, theirs) < 1e-5


def test_passes_in_pieces_equal_one_pass(tiny_f32: TinyModel) -> None:
    model, cache = OnnxModel(load_manifest(tiny_f32.artifact), "cpu", 1), new_cache(tiny_f32)
    whole, _ = model.forward(cache, IDS, rows=range(len(IDS)))
    rows = []
    for start in (0, 5, 6):
        piece = IDS[start : {0: 5, 5: 6, 6: None}[start]]
        logits, new = model.forward(cache, piece, rows=range(len(piece)))
        cache.append(piece, new)
        rows.append(logits)
    assert relative(np.concatenate(rows), whole) < 1e-5


@pytest.mark.parametrize("causal", [True, False])
def test_onnx_agrees_with_torch_whatever_rows_see(tiny_model: TinyModel, causal: bool) -> None:
    manifest = tiny_model.manifest
    onnx = OnnxModel(manifest, "cpu", 1)
    reference = TorchModel(load_model(tiny_model.gguf), manifest)
    cache = new_cache(tiny_model)
    _, context = reference.forward(cache, IDS[:6], rows=[5])
    cache.append(IDS[:6], context)
    ours, our_entries = onnx.forward(cache, IDS[6:], rows=[0, 2, 6], causal=causal)
    theirs, their_entries = reference.forward(cache, IDS[6:], rows=[0, 2, 6], causal=causal)
    tolerance = TOLERANCE[manifest.quantization]
    assert relative(ours, theirs) < tolerance
    for our_entry, their_entry in zip(our_entries, their_entries, strict=True):
        assert relative(our_entry, their_entry) < tolerance


def test_rows_that_see_each_other_differ_from_causal_ones(tiny_f32: TinyModel) -> None:
    model, cache = OnnxModel(load_manifest(tiny_f32.artifact), "cpu", 1), new_cache(tiny_f32)
    causal, _ = model.forward(cache, IDS, rows=[0])
    seeing, _ = model.forward(cache, IDS, rows=[0], causal=False)
    assert relative(seeing, causal) > 0.01


def test_canvas_left_to_right_equals_greedy_decoding_token_by_token(tiny_f32: TinyModel) -> None:
    reference = transformers_model()
    manifest = tiny_f32.manifest
    denoiser = CausalDenoiser(OnnxModel(manifest, "cpu", 1), 1 << 20)
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    rng = np.random.default_rng(3)
    lengths = []
    for _ in range(20):
        context = [int(i) for i in rng.integers(0, 256, rng.integers(2, 300))]
        denoiser.encode(context, CancelToken())
        done = denoise(
            denoiser,
            codec,
            heal=b"",
            max_tokens=40,
            stop=lambda _: None,
            cancel=CancelToken(),
            deadline=Deadline(),
        )
        with torch.inference_mode():
            generated = reference.generate(
                torch.tensor([context]),
                attention_mask=torch.ones(1, len(context), dtype=torch.int64),
                max_new_tokens=40,
                do_sample=False,
                eos_token_id=sorted(manifest.end_ids),
                pad_token_id=0,
            )[0, len(context) :].tolist()
        if generated[-1] in manifest.end_ids:
            generated.pop()
        assert list(done.tokens) == generated
        lengths.append(len(generated))
    assert max(lengths) > 16  # more than one canvas


def test_reused_context_gives_the_same_answer(tiny_f32: TinyModel) -> None:
    manifest = tiny_f32.manifest
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))

    def engine() -> Engine:
        return Engine(CausalDenoiser(OnnxModel(manifest, "cpu", 1), 1 << 20), codec, 512)

    text = "def f(x):\n    return x + 1\n\n\ndef g(x):\n    "
    typed = [FillRequest((text + "return"[:n], None, "\n"), max_tokens=12) for n in range(7)]
    one = engine()
    warm = [one.fill(request) for request in typed]
    cold = [engine().fill(request) for request in typed]
    assert [result.fills for result in warm] == [result.fills for result in cold]
    assert all(result.cached_tokens == 0 for result in cold)
    assert all(result.context_tokens - result.cached_tokens <= 2 for result in warm[1:])
