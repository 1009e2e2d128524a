"""The whole path on a tiny model: GGUF, torch, ONNX, artifact, engine, each against another reading."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from engine.config import EngineConfig
from engine.denoising.cache import BUCKET, ContextCache
from engine.denoising.canvas import Canvas
from engine.denoising.denoise import Avoided, Denoised, Task, denoise
from engine.denoising.denoiser import Prediction, Provider
from engine.denoising.rows import Rows
from engine.denoising.schedule import DECODINGS, LEFT_TO_RIGHT, DecodeRule
from engine.denoising.tokens import TokenCodec
from engine.denoising.transitions import Transitions
from engine.engine import Engine, open_engine
from engine.errors import ArtifactError, IntegrityError
from engine.models import runtime
from engine.models.artifact import load_manifest
from engine.models.assemble import assemble
from engine.models.canvas_denoiser import CUDA_ROW_WORTH, CanvasDenoiser
from engine.models.runtime import OnnxModel
from engine.types import CancelToken, Deadline, FillRequest
from export import int8_graph
from export.adapter import load_adapter
from export.base import load_model
from export.package import package
from export.reference import TorchModel
from tests import tiny
from tests.conftest import TinyModel, export_tiny

pytestmark = pytest.mark.export

IDS = [3, 77, 140, 9, 201, 55, 260, 18, 30, 12, 99, 240, 7]

# Largest relative error of the logits that each encoding may add on random weights.
TOLERANCE = {"f32": 1e-5, "q8": 0.05, "d8": 0.12, "u8": 0.12, "q4": 0.35}

# For rows behind a random adapter, whose deltas are as large as the weights.
ADAPTED_TOLERANCE = {"f32": 1e-5, "q8": 0.1, "d8": 0.15, "u8": 0.15, "q4": 0.55}


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


def never(text: str) -> None:
    """A text that does not end by itself."""


def line_end(text: str) -> int | None:
    return text.find("\n") if "\n" in text else None


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def new_cache(model: TinyModel) -> ContextCache:
    manifest = model.manifest
    return ContextCache(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim)


def test_torch_model_agrees_with_transformers(tiny_f32: TinyModel) -> None:
    with torch.inference_mode():
        theirs = transformers_model()(torch.tensor([IDS])).logits[0].numpy()
    ours, _ = TorchModel(load_model(tiny_f32.gguf), tiny_f32.manifest).forward(
        new_cache(tiny_f32), Rows.causal(IDS), range(len(IDS))
    )
    assert relative(ours, theirs) < 1e-5


def test_passes_in_pieces_equal_one_pass(tiny_f32: TinyModel) -> None:
    model, cache = OnnxModel(load_manifest(tiny_f32.artifact), "cpu", 1), new_cache(tiny_f32)
    whole, _ = model.forward(cache, Rows.causal(IDS), range(len(IDS)))
    rows = []
    for start in (0, 5, 6):
        piece = IDS[start : {0: 5, 5: 6, 6: None}[start]]
        logits, new = model.forward(cache, Rows.causal(piece), range(len(piece)))
        cache.append(piece, new)
        rows.append(logits)
    assert relative(np.concatenate(rows), whole) < 1e-5


def test_onnx_agrees_with_torch(tiny_model: TinyModel) -> None:
    manifest = tiny_model.manifest
    onnx = OnnxModel(manifest, "cpu", 1)
    reference = TorchModel(load_model(tiny_model.gguf), manifest)
    cache = new_cache(tiny_model)
    _, context = reference.forward(cache, Rows.causal(IDS[:6]), [5])
    cache.append(IDS[:6], context)
    ours, our_entries = onnx.forward(cache, Rows.causal(IDS[6:]), [0, 2, 6])
    theirs, their_entries = reference.forward(cache, Rows.causal(IDS[6:]), [0, 2, 6])
    tolerance = TOLERANCE[manifest.quantization]
    assert relative(ours, theirs) < tolerance
    for our_entry, their_entry in zip(our_entries, their_entries, strict=True):
        assert relative(our_entry, their_entry) < tolerance


def test_on_cuda_tokens_are_drafted_without_masks(tiny_f32: TinyModel) -> None:
    onnx_model = OnnxModel(tiny_f32.manifest, "cpu", 1)
    drafted = replace(tiny_f32.manifest, decode=DecodeRule((0.8, 0.6), 0.35))
    onnx_model.manifest, onnx_model.provider = drafted, Provider(runtime.CUDA, "as told")
    rule = CanvasDenoiser(onnx_model, 1 << 20).rule
    assert (rule.agreement, rule.row_worth, rule.drafts) == ((), CUDA_ROW_WORTH, True)


def test_canvas_left_to_right_equals_greedy_decoding_token_by_token(tiny_f32: TinyModel) -> None:
    reference = transformers_model()
    manifest = tiny_f32.manifest
    denoiser = CanvasDenoiser(OnnxModel(manifest, "cpu", 1), 1 << 20)
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    rng = np.random.default_rng(3)
    lengths = []
    for _ in range(20):
        context = [int(i) for i in rng.integers(0, 256, rng.integers(2, 300))]
        denoiser.encode(context, CancelToken())
        done = denoise(
            denoiser,
            codec,
            Task(heal=b"", max_tokens=40, stop=lambda _: None),
            LEFT_TO_RIGHT,
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
        return Engine(CanvasDenoiser(OnnxModel(manifest, "cpu", 1), 1 << 20), codec, 512)

    text = "def f(x):\n    return x + 1\n\n\ndef g(x):\n    "
    typed = [FillRequest((text + "return"[:n], None, "\n"), max_tokens=12) for n in range(7)]
    one = engine()
    warm = [one.fill(request) for request in typed]
    cold = [engine().fill(request) for request in typed]
    assert [result.fills for result in warm] == [result.fills for result in cold]
    assert all(result.cached_tokens == 0 for result in cold)
    assert all(result.context_tokens - result.cached_tokens <= 2 for result in warm[1:])


def adapted_reference(model: TinyModel) -> TorchModel:
    assert model.adapter is not None
    adapted, _ = load_adapter(load_model(model.gguf), model.adapter)
    return TorchModel(adapted, model.manifest)


def test_onnx_agrees_with_torch_in_a_pass_that_verifies_and_drafts(tiny_adapted: TinyModel) -> None:
    manifest = tiny_adapted.manifest
    onnx, reference = OnnxModel(manifest, "cpu", 1), adapted_reference(tiny_adapted)
    cache = new_cache(tiny_adapted)
    _, context = reference.forward(cache, Rows.causal(IDS[:6]), [])
    cache.append(IDS[:6], context)
    rows = Rows.drafting(IDS[6:], [(1, 4), (3, 2), (7, 5)])
    ours, our_entries = onnx.forward(cache, rows, range(len(rows)))
    theirs, their_entries = reference.forward(cache, rows, range(len(rows)))
    tolerance, adapted = TOLERANCE[manifest.quantization], ADAPTED_TOLERANCE[manifest.quantization]
    assert relative(ours[:7], theirs[:7]) < tolerance
    assert relative(ours[7:], theirs[7:]) < adapted
    for our_entry, their_entry in zip(our_entries, their_entries, strict=True):
        assert relative(our_entry, their_entry) < adapted


def test_rows_behind_an_open_gate_are_not_the_bases(tiny_adapted: TinyModel) -> None:
    """Else the test above could not tell an adapter from none."""
    reference, cache = adapted_reference(tiny_adapted), new_cache(tiny_adapted)
    rows = Rows.causal(IDS)
    base, _ = reference.forward(cache, rows, range(len(IDS)))
    gated, _ = reference.forward(
        cache, replace(rows, gated=np.ones(len(IDS), dtype=np.bool_)), range(len(IDS))
    )
    assert relative(gated, base) > 0.5


def test_rows_of_the_base_are_the_same_to_the_bit_whatever_is_in_the_pass(tiny_adapted: TinyModel) -> None:
    manifest = tiny_adapted.manifest
    if manifest.quantization == "q4" and not runtime.int8_products_are_exact():
        pytest.skip("ONNX Runtime's products of four bits without VNNI add one row up in another order")
    onnx, n = OnnxModel(manifest, "cpu", 1), len(IDS)
    alone, entries = onnx.forward(new_cache(tiny_adapted), Rows.causal(IDS), range(n))

    def logits(cached: int, piece: int, groups: list[tuple[int, int]], room: int = 0) -> np.ndarray:
        """Of the rows behind ``cached`` tokens that were encoded in pieces."""
        cache = new_cache(tiny_adapted)
        cache.reserve(room)
        for start in range(0, cached, piece):
            ids = IDS[start : min(start + piece, cached)]
            cache.append(ids, onnx.forward(cache, Rows.causal(ids), [])[1])
        rows = Rows.drafting(IDS[cached:], groups)
        scores, new = onnx.forward(cache, rows, range(n - cached))
        for ours, theirs in zip(new, entries, strict=True):
            assert (ours[:, : n - cached] == theirs[:, cached:]).all()
        return scores

    for cached in (0, 1, 6, n - 1):
        left = n - cached
        for groups in ([], [(left, 5)], [(0, 1), (left - 1, 4), (left, 3)]):
            for piece in (1, 3, n):
                assert (logits(cached, piece, groups) == alone[cached:]).all(), (cached, groups, piece)
    assert (logits(6, 6, [], room=1000) == alone[6:]).all()


def test_what_is_large_in_a_few_channels_is_rotated_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in real models: one scale a row would leave all other channels a few codes."""
    tensors = tiny.tensors()
    tensors["token_embd.weight"][:, [5, 40]] *= 12
    tensors["blk.0.ffn_up.weight"][[3, 90]] *= 30
    monkeypatch.setattr(tiny, "tensors", lambda: tensors)
    errors = []
    for largest in (1, 64):
        monkeypatch.setattr(int8_graph, "MOST_HIDDEN", largest)
        monkeypatch.setattr(int8_graph, "MOST_INNER", largest)
        directory = tmp_path / str(largest)
        directory.mkdir()
        model = export_tiny(directory, "u8")
        ours, theirs = (
            ran.forward(new_cache(model), Rows.causal(IDS), range(len(IDS)))[0]
            for ran in (
                OnnxModel(model.manifest, "cpu", 1),
                TorchModel(load_model(model.gguf), model.manifest),
            )
        )
        errors.append(relative(ours, theirs))
    assert errors[1] < errors[0] / 3


def test_a_pass_writes_its_entries_behind_the_cache_and_copies_no_buffer(tiny_adapted: TinyModel) -> None:
    onnx, cache = OnnxModel(tiny_adapted.manifest, "cpu", 1), new_cache(tiny_adapted)
    cache.append(IDS[:6], onnx.forward(cache, Rows.causal(IDS[:6]), [])[1])
    before = [array.copy() for array in cache.arrays]
    _, new = onnx.forward(cache, Rows.drafting(IDS[6:9], [(3, 2)]), [2])
    for array, old, entries in zip(cache.arrays, before, new, strict=True):
        assert np.shares_memory(array, entries) and entries.shape[1] == 5
        assert (array[:, :6] == old[:, :6]).all() and (array[:, 11:] == old[:, 11:]).all()
        assert entries.any()


@pytest.mark.parametrize("mirrored", [{}, {runtime.CPU: "cpu"}], ids=["copied", "mirrored"])
def test_where_a_device_has_its_own_memory_the_result_is_the_same(
    mirrored: dict[str, str], tiny_adapted: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: the cache goes there every pass or stays there; also once it was cut, forked and grew."""

    def told(onnx: OnnxModel) -> list[np.ndarray]:
        cache, said = new_cache(tiny_adapted), []
        for n_kept, ids, groups in (
            (0, IDS[:6], []),
            (6, IDS[6:8], [(1, 2), (2, 3)]),
            (8, IDS[8:], []),
            (5, IDS[7:], []),  # other tokens than those that were there
            (7, IDS * (1 + BUCKET // len(IDS)), []),  # more than there is room for
            (9, IDS[:2], [(2, 4)]),
        ):
            if n_kept == 5:
                cache = cache.fork(n_kept)
            cache.truncate(n_kept)
            logits, new = onnx.forward(cache, Rows.drafting(ids, groups), range(len(ids)))
            cache.append(ids, [entries[:, : len(ids)] for entries in new])
            said += [logits, *(array[:, : len(cache.ids)].copy() for array in cache.arrays)]
        elsewhere = [array[:, 2:4].copy() for array in cache.arrays]
        cache.append(IDS[:2], elsewhere)  # of no pass over this cache
        said.append(onnx.forward(cache, Rows.causal(IDS[:3]), range(3))[0])
        return said

    in_place = told(OnnxModel(tiny_adapted.manifest, "cpu", 1))
    monkeypatch.setattr(runtime, "IN_PLACE", frozenset[str]())
    monkeypatch.setattr(runtime, "MIRRORED", mirrored)
    for ours, theirs in zip(in_place, told(OnnxModel(tiny_adapted.manifest, "cpu", 1)), strict=True):
        assert (ours == theirs).all()


def test_a_mirror_is_filled_once_and_then_by_passes(
    tiny_adapted: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "IN_PLACE", frozenset[str]())
    monkeypatch.setattr(runtime, "MIRRORED", {runtime.CPU: "cpu"})
    filled: list[ContextCache] = []

    class Counted(runtime._Mirror):
        def __init__(self, cache: ContextCache, device: str) -> None:
            filled.append(cache)
            super().__init__(cache, device)

    monkeypatch.setattr(runtime, "_Mirror", Counted)
    onnx, cache = OnnxModel(tiny_adapted.manifest, "cpu", 1), new_cache(tiny_adapted)
    for at in (0, 2, 4, 6):
        _, new = onnx.forward(cache, Rows.drafting(IDS[at : at + 2], [(2, 3)]), [1])
        cache.append(IDS[at : at + 2], [entries[:, :2] for entries in new])
    cache.truncate(3)
    onnx.forward(cache, Rows.causal(IDS[:2]), [1])
    assert filled == [cache]
    del cache, filled[:]
    gc.collect()
    assert not onnx._mirrors  # it goes with its cache


class Prompted(CanvasDenoiser):
    """A denoiser whose drafts are, for the greater part, what it would say: an adapter that has learned.

    Args:
        model: whose rows verify.
        answer: tokens it would say after the current context.
        rng: of the wrong ones.
    """

    def __init__(self, model: OnnxModel, answer: Sequence[int], rng: np.random.Generator) -> None:
        super().__init__(model, 1 << 20)
        self._answer, self._rng = answer, rng

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        prediction = super().predict(canvas, masks, cancel)
        for i, draft in enumerate(prediction.drafts):
            answer = self._answer[canvas.n_settled + i + 1 :]
            for row, token in zip(draft, answer, strict=False):
                wrong = self._rng.random() < 0.2
                row[int(self._rng.integers(len(row))) if wrong else token] = row.max() + 4.0
        return prediction


@pytest.mark.parametrize("prompted", [False, True])
def test_lossless_equals_left_to_right_token_for_token(tiny_adapted: TinyModel, prompted: bool) -> None:
    """With drafts that are nearly always overruled, and with such as mostly stand."""
    manifest = tiny_adapted.manifest
    onnx = OnnxModel(manifest, "cpu", 1)
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    assert manifest.transitions is not None
    table = Transitions.from_file(manifest.path(manifest.transitions))
    rng = np.random.default_rng(5)
    blank = Avoided(np.array([*codec.line_ends, *sorted(manifest.end_ids)]), 0.001)
    passes = {"left_to_right": 0, "lossless": 0}
    for n in range(24):
        context = [int(i) for i in rng.integers(0, 256, rng.integers(2, 300))]
        heal = [b"", b"ret", b"    x"][n % 3]
        avoid = [blank, Avoided(rng.integers(0, 260, 130), 0.0)] if n % 2 else []
        task = Task(
            heal=heal, max_tokens=int(rng.integers(1, 40)), stop=line_end if n % 4 else never, avoid=avoid
        )

        def decode(
            denoiser: CanvasDenoiser, rule: DecodeRule, context: list[int] = context, task: Task = task
        ) -> Denoised:
            denoiser.encode(context, CancelToken())
            return denoise(denoiser, codec, task, rule, cancel=CancelToken(), deadline=Deadline())

        plain = decode(CanvasDenoiser(onnx, 1 << 20), LEFT_TO_RIGHT)
        drafting = Prompted(onnx, plain.tokens, rng) if prompted else CanvasDenoiser(onnx, 1 << 20, table)
        lossless = decode(drafting, drafting.rule.decoded("lossless"))
        assert (lossless.tokens, lossless.text, lossless.stopped) == (plain.tokens, plain.text, plain.stopped)
        # A row of a branch adds up in another order than in its own place.
        assert lossless.confidence == pytest.approx(plain.confidence, abs=1e-3)
        assert lossless.forwards <= plain.forwards
        assert lossless.rows > plain.rows or plain.forwards == 1
        passes["left_to_right"] += plain.forwards
        passes["lossless"] += lossless.forwards
    if prompted:
        assert passes["lossless"] < 0.7 * passes["left_to_right"]


def test_an_adapted_model_answers_in_every_mode(tiny_adapted: TinyModel) -> None:
    request = FillRequest(("def f(x):\n    ", None, "\n"), max_tokens=12)
    answers = {}
    for decoding in DECODINGS:
        config = EngineConfig(model=str(tiny_adapted.artifact), device="cpu", threads=1, decoding=decoding)
        engine = open_engine(config)
        answers[decoding] = engine.fill(request)
        assert engine.info.adapter == "tiny-canvas"
        engine.close()
    assert answers["lossless"].fills == answers["left_to_right"].fills
    assert answers["lossless"].tokens == answers["left_to_right"].tokens
    assert answers["left_to_right"].rows == answers["left_to_right"].forwards
    assert answers["parallel"].forwards <= answers["left_to_right"].forwards


def test_an_adapter_for_another_base_is_refused(tiny_f32: TinyModel, tmp_path: Path) -> None:
    adapter = tmp_path / "stranger.safetensors"
    tiny.write_adapter(tiny_f32.gguf, adapter, base_sha256="0" * 64)
    with pytest.raises(ArtifactError, match=r"stranger\.safetensors was trained on another base"):
        package(tiny_f32.gguf, "tiny", "f32", tmp_path / "shipped", tmp_path / "artifact", adapter=adapter)
    assert not (tmp_path / "shipped" / "manifest.json").exists()


def test_an_adapter_that_was_trained_without_a_gate_is_refused(tiny_f32: TinyModel, tmp_path: Path) -> None:
    adapter = tmp_path / "open.safetensors"
    tiny.write_adapter(tiny_f32.gguf, adapter, recipe={"gated": False})
    with pytest.raises(ArtifactError, match=r"open\.safetensors was trained without a gate"):
        package(tiny_f32.gguf, "tiny", "f32", tmp_path / "shipped", tmp_path / "artifact", adapter=adapter)


@pytest.mark.parametrize("damage", ["flip", "missing"])
@pytest.mark.parametrize("tiny_adapted", ["f32"], indirect=True)
def test_an_altered_adapter_is_refused(tiny_adapted: TinyModel, tmp_path: Path, damage: str) -> None:
    shipped = Path(shutil.copytree(tiny_adapted.shipped, tmp_path / "shipped"))
    path = shipped / "adapter.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink() if damage == "missing" else path.write_bytes(data)
    (tmp_path / "made").mkdir()
    with pytest.raises(IntegrityError, match=r"adapter\.safetensors of tiny is missing or altered"):
        assemble(load_manifest(shipped), tiny_adapted.gguf, tmp_path / "made")
    assert not (tmp_path / "made" / "manifest.json").exists()


@pytest.mark.parametrize("tiny_adapted", ["f32"], indirect=True)
def test_a_table_may_lie_above_the_models_that_share_it(tiny_adapted: TinyModel, tmp_path: Path) -> None:
    shipped = Path(shutil.copytree(tiny_adapted.shipped, tmp_path / "shipped"))
    (shipped / "transitions.safetensors").rename(tmp_path / "transitions.safetensors")
    for made in ("made", "lacking"):
        (tmp_path / made).mkdir()
    assemble(load_manifest(shipped), tiny_adapted.gguf, tmp_path / "made")
    assert (tmp_path / "made" / "transitions.safetensors").is_file()
    (tmp_path / "transitions.safetensors").unlink()
    with pytest.raises(IntegrityError, match=r"transitions\.safetensors of tiny is missing"):
        assemble(load_manifest(shipped), tiny_adapted.gguf, tmp_path / "lacking")


@pytest.mark.parametrize("tiny_adapted", ["f32"], indirect=True)
def test_an_altered_table_of_transitions_is_refused(tiny_adapted: TinyModel, tmp_path: Path) -> None:
    artifact = Path(shutil.copytree(tiny_adapted.artifact, tmp_path / "artifact"))
    path = artifact / "transitions.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"transitions\.safetensors was altered"):
        open_engine(EngineConfig(model=str(artifact), device="cpu"))
