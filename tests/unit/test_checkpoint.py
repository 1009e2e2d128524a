"""Wrong, truncated, mixed and malicious checkpoints are refused by name, before anything is written."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from engine.errors import (
    ArtifactError,
    IntegrityError,
    ModelError,
    ModelNotFoundError,
    SourceError,
    StoreError,
)
from export import convert
from export.checkpoint import Checkpoint, locate, split_source
from export.convert import Conversion
from export.families import name_of, recognise
from export.family import Wishes
from tests import checkpoints
from tests.checkpoints import CONFIGS, EOS, EXPAND, MASK

pytestmark = pytest.mark.export


@pytest.fixture
def dream(tmp_path: Path) -> Path:
    """A good checkpoint in three shards, to spoil."""
    checkpoints.write(tmp_path / "dream", "dream", shards=3)
    return tmp_path / "dream"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def index(directory: Path) -> Path:
    return directory / "model.safetensors.index.json"


def shard(directory: Path, number: int = 1) -> Path:
    return directory / f"model-0000{number}-of-00003.safetensors"


def reshape(directory: Path, name: str, tensor: torch.Tensor | None) -> None:
    """Put another tensor in the place of one, or none."""
    path = directory / json.loads(index(directory).read_text())["weight_map"][name]
    state = load_file(path)
    del state[name]
    save_file(state | ({} if tensor is None else {name: tensor}), path)


def refused(directory: Path, error: type[ModelError], message: str, wishes: Wishes | None = None) -> None:
    before = sorted(directory.rglob("*"))
    with pytest.raises(error, match=message) as caught:
        Conversion(directory, "x", "f32", wishes)
    assert "\n" not in str(caught.value)
    assert sorted(directory.rglob("*")) == before


def test_a_good_one_is_taken(dream: Path) -> None:
    made = Conversion(dream, "x", "q8")
    assert made.family.name == "dream" and made.estimate.n_parameters == 102_976
    assert "million parameters" in str(made.estimate)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_pickles_are_never_opened(dream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (index(dream), *(shard(dream, n) for n in (1, 2, 3))):
        path.unlink()
    (dream / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    refused(dream, IntegrityError, r"weights in pytorch_model\.bin, a kind of file that can hold code")
    (dream / "pytorch_model.bin").rename(dream / "model.safetensors")  # under a name that is read
    refused(dream, IntegrityError, r"model\.safetensors is no whole safetensors file")
    assert not (tmp_path / "exploded").exists()


def test_code_of_the_repository_is_not_run(dream: Path, tmp_path: Path) -> None:
    (dream / "modeling_dream.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    edit(dream / "config.json", lambda d: d.update(auto_map={"AutoModel": "modeling_dream.DreamModel"}))
    Conversion(dream, "x", "f32")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["weight_map"].update({"lm_head.weight": "../evil.safetensors"}),
            r"only \*\.safetensors files",
        ),
        (lambda d: d["weight_map"].update({"lm_head.weight": "/etc/passwd"}), r"only \*\.safetensors files"),
        (lambda d: d["weight_map"].update({"lm_head.weight": "pytorch_model.bin"}), r"only \*\.safetensors"),
        (lambda d: d["weight_map"].update({"lm_head.weight": 7}), r"only \*\.safetensors files"),
        (
            lambda d: d["weight_map"].update({"lm_head.weight": "gone.safetensors"}),
            "gone.safetensors is missing",
        ),
        (lambda d: d["weight_map"].pop("lm_head.weight"), "does not list lm_head.weight"),
        (
            lambda d: d["weight_map"].update(ghost=next(iter(d["weight_map"].values()))),
            "holds ghost, which it",
        ),
        (lambda d: d.update(weight_map=[]), "has no weight_map"),
        (lambda d: d.pop("weight_map"), "has no weight_map"),
    ],
)
def test_an_index_that_lies(dream: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit(index(dream), change)
    refused(dream, IntegrityError, message)


def test_a_shard_that_was_cut_off(dream: Path) -> None:
    data = shard(dream).read_bytes()
    shard(dream).write_bytes(data[: len(data) - 100])
    refused(dream, IntegrityError, "is no whole safetensors file")
    shard(dream).write_bytes(data[:5])
    refused(dream, IntegrityError, "is no whole safetensors file")


def test_a_header_that_lies_about_its_shapes(dream: Path) -> None:
    data = bytearray(shard(dream).read_bytes())
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    name = next(key for key in header if key != "__metadata__")
    header[name]["shape"] = [1 << 40, 1 << 20]
    changed = json.dumps(header).encode()
    shard(dream).write_bytes(len(changed).to_bytes(8, "little") + changed + data[8 + n :])
    refused(dream, IntegrityError, "is no whole safetensors file")


def test_shards_of_two_checkpoints(dream: Path) -> None:
    shutil.copy(shard(dream, 1), shard(dream, 2))
    refused(dream, IntegrityError, "stands in both .* files of different checkpoints are mixed")


@pytest.mark.parametrize("outside", ["config.json", "model-00001-of-00003.safetensors", "tokenizer.json"])
def test_a_link_out_of_the_checkpoint(dream: Path, tmp_path: Path, outside: str) -> None:
    elsewhere = tmp_path / f"elsewhere-{outside}"
    shutil.move(dream / outside, elsewhere)
    (dream / outside).symlink_to(elsewhere)
    refused(dream, IntegrityError, f"{outside} is a link that leads outside")


def test_the_hubs_cache_links_to_its_blobs(dream: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "0123", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in dream.iterdir():
        shutil.move(path, blobs / path.name)
        (snapshot / path.name).symlink_to(blobs / path.name)
    assert Conversion(snapshot, "x", "f32").family.name == "dream"


NORM, QUERY = "model.norm.weight", "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            QUERY,
            torch.zeros(64, 32),
            r"q_proj.weight has shape \[64, 32\], and the config asks for \[64, 64\]",
        ),
        (NORM, torch.ones(64, dtype=torch.int64), "is of type I64: already quantized"),
        (NORM, torch.ones(64, dtype=torch.uint8), "is of type U8: already quantized"),
    ],
)
def test_a_tensor_that_is_not_what_the_config_says(
    dream: Path, name: str, tensor: torch.Tensor, message: str
) -> None:
    reshape(dream, name, tensor)
    refused(dream, IntegrityError, message)


def test_a_tensor_too_few_and_one_too_many(dream: Path) -> None:
    edit(dream / "config.json", lambda d: d.update(num_hidden_layers=3))
    refused(dream, IntegrityError, r"has no tensor model\.layers\.2\.")
    edit(dream / "config.json", lambda d: d.update(num_hidden_layers=1))
    refused(dream, IntegrityError, r"has a tensor model\.layers\.1\..* that its config does not ask for")


def test_values_that_are_no_numbers_leave_nothing_behind(dream: Path, tmp_path: Path) -> None:
    reshape(dream, NORM, torch.full((64,), float("nan")))
    with checkpoints.quick(), pytest.raises(IntegrityError, match=f"{NORM} of .* holds values that are no"):
        Conversion(dream, "x", "f32").write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_values_too_large_for_f16(dream: Path, tmp_path: Path) -> None:
    reshape(dream, QUERY, torch.full((64, 64), 1e6))
    with checkpoints.quick(), pytest.raises(IntegrityError, match="values too large for f16"):
        Conversion(dream, "x", "f16").write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("model_type"), "names no model_type"),
        (lambda d: d.update(model_type="gpt2"), "is a 'gpt2' model: not a diffusion family"),
        (lambda d: d.update(model_type="sdar_moe"), "is a mixture of experts"),
        (lambda d: d.update(model_type="bd3lm"), "is the original BD3-LM"),
        (lambda d: d.update(num_hidden_layers=0), "num_hidden_layers is 0"),
        (lambda d: d.update(num_hidden_layers=10**12), "num_hidden_layers is 1000000000000"),
        (lambda d: d.update(hidden_size="64"), "hidden_size is '64'"),
        (lambda d: d.update(hidden_size=True), "hidden_size is True"),
        (lambda d: d.update(num_key_value_heads=3), "heads that do not divide"),
        (lambda d: d.update(hidden_act="gelu"), "hidden_act is 'gelu', which this version cannot run"),
        (lambda d: d.update(use_sliding_window=True), "use_sliding_window is True"),
        (
            lambda d: d.update(rope_scaling={"rope_type": "yarn", "factor": 4.0}),
            "stretches positions by 'yarn'",
        ),
        (lambda d: d.update(rms_norm_eps=-1), "rms_norm_eps is -1"),
        (lambda d: d.update(tie_word_embeddings="yes"), "tie_word_embeddings is 'yes'"),
    ],
)
def test_a_config_this_version_cannot_run(
    dream: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(dream / "config.json", change)
    refused(dream, ArtifactError, message)


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000])
def test_broken_json(dream: Path, text: str) -> None:
    (dream / "config.json").write_text(text, encoding="latin-1")
    refused(dream, IntegrityError, r"config\.json (cannot be read|holds a list)")


def test_a_tokenizer_of_another_checkpoint(dream: Path) -> None:
    many = {f"token{i}": i for i in range(400)}
    data = json.loads((dream / "tokenizer.json").read_text())
    data["model"]["vocab"] |= {name: 300 + i for name, i in many.items()}
    (dream / "tokenizer.json").write_text(json.dumps(data))
    refused(dream, IntegrityError, "the tokenizer has .* tokens, the embedding 320 rows")
    (dream / "tokenizer.json").write_text("{}")
    refused(dream, IntegrityError, "the tokenizer of dream cannot be used")
    (dream / "tokenizer.json").unlink()
    refused(dream, IntegrityError, "neither tokenizer.json nor vocab.json and merges.txt")


def test_special_tokens_behind_a_gap_are_not_numbered_anew(dream: Path) -> None:
    data = json.loads((dream / "tokenizer.json").read_text())
    for entry in data["added_tokens"]:
        entry["id"] += 10
    (dream / "tokenizer.json").write_text(json.dumps(data))
    refused(dream, IntegrityError, r"gives <\|endoftext\|> the id 275, its vocabulary 265")


def test_ids_outside_the_vocabulary(dream: Path) -> None:
    edit(dream / "config.json", lambda d: d.update(mask_token_id=320))
    refused(dream, IntegrityError, "id 320 of a special token is outside the vocabulary")


def test_a_model_without_a_mask(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "plain", "open-dcoder")
    (tmp_path / "plain" / "tokenizer_config.json").write_text("{}")
    refused(tmp_path / "plain", ArtifactError, "is an ordinary Qwen2, which fills from left to right")
    taken = Conversion(tmp_path / "plain", "x", "f32", Wishes(family="open-dcoder"))
    assert taken.family.name == "open-dcoder"


def test_a_tokenizer_of_vocabulary_and_merges_is_rebuilt(dream: Path) -> None:
    whole = Conversion(dream, "x", "f32")
    data = json.loads((dream / "tokenizer.json").read_text())
    (dream / "tokenizer.json").unlink()
    (dream / "vocab.json").write_text(json.dumps(data["model"]["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in data["model"]["merges"])
    (dream / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    added = {str(entry["id"]): {"content": entry["content"]} for entry in data["added_tokens"]}
    (dream / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    rebuilt = Conversion(dream, "x", "f32")
    for text in ("def f(x):\n    return x\n", "é 🎉\t()"):
        assert rebuilt._codec.encode(text) == whole._codec.encode(text)
    assert rebuilt._codec.token_bytes == whole._codec.token_bytes
    assert rebuilt._special == whole._special


def test_no_room(dream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Conversion(dream, "x", "f32")
    monkeypatch.setattr(convert, "LIBRARIES_BYTES", 1 << 60)
    with pytest.raises(StoreError, match=r"exporting needs .* of memory"):
        made.write(tmp_path / "out")
    monkeypatch.setattr(convert, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match=r"the artifact takes .* free"):
        made.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("llada", ("llada", "full", 0, MASK, None, None, 0)),
        ("dream", ("dream", "full", 1, MASK, None, None, 0)),
        ("dreamon", ("dreamon", "full", 1, MASK, EXPAND, EOS, 0)),
        ("open-dcoder", ("open-dcoder", "full", 1, MASK, None, None, 0)),
        ("a2d-qwen2", ("a2d", "full", 0, MASK, None, None, 0)),
        ("a2d-qwen3", ("a2d", "full", 0, MASK, None, None, 0)),
        ("a2d-llama", ("a2d", "full", 0, MASK, None, None, 0)),
        ("a2d-bd3lm", ("a2d-block", "block_causal", 0, MASK, None, None, 32)),
        ("fast-dllm", ("fast-dllm", "block_causal", 1, MASK, None, None, 8)),
        ("sdar", ("sdar", "block_causal", 0, MASK, None, None, 4)),
    ],
)
def test_each_family_is_recognised(tmp_path: Path, kind: str, values: tuple[object, ...]) -> None:
    checkpoints.write(tmp_path / kind, kind)
    made = Conversion(tmp_path / kind, "x", "f32")
    said = made._diffusion
    keys = ("attention", "logit_shift", "mask", "expand", "delete", "block")
    assert (made.family.name, *(said[key] for key in keys)) == values
    assert set(CONFIGS) == {
        "llada",
        "dream",
        "dreamon",
        "open-dcoder",
        "a2d-qwen2",
        "a2d-qwen3",
        "a2d-llama",
    } | {
        "a2d-bd3lm",
        "fast-dllm",
        "sdar",
    }


def test_blocks_can_be_asked_for(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "a2d", "a2d-qwen3")
    family = recognise(Checkpoint(tmp_path / "a2d"), Wishes(block=16))
    assert (family.name, family.block) == ("a2d-block", 16)


def test_entries_and_transposes_are_read(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "a2d", "a2d-qwen3")
    state = load_file(tmp_path / "a2d" / "model.safetensors")
    stacked = torch.randn(3, 4, 5).to(torch.bfloat16)
    save_file(state | {"stack": stacked}, tmp_path / "a2d" / "model.safetensors")
    read = Checkpoint(tmp_path / "a2d")
    assert (read.tensor("stack[2]") == stacked[2].float().numpy()).all()
    assert (read.tensor("stack^T") == np.transpose(stacked.float().numpy())).all()
    assert split_source("a.b[12]") == ("a.b", 12, False)


def test_names_and_places() -> None:
    assert name_of("Dream-org/DreamOn-v0-7B@main", Path("x")) == "dreamon-v0-7b"
    assert name_of("/tmp/ünd so/", Path("x")) == "nd-so"
    with pytest.raises(ModelNotFoundError, match="is no directory and no hub repository"):
        locate("no/such/place")
    with pytest.raises(ModelNotFoundError, match=r"holds no config\.json"):
        Checkpoint(Path(__file__).parent)


def test_the_hub_is_asked_for_data_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def deliver(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        if options["local_files_only"]:
            raise LocalEntryNotFoundError("nothing here")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", deliver)
    assert locate("Dream-org/DreamOn-v0-7B@abc") == tmp_path
    assert (asked["repository"], asked["revision"]) == ("Dream-org/DreamOn-v0-7B", "abc")
    files = [
        "config.json",
        "model-1.safetensors",
        "merges.txt",
        "modeling_dream.py",
        "pytorch_model.bin",
        "x.pt",
    ]
    fetched = [file for file in files if any(fnmatch(file, pattern) for pattern in asked["allow_patterns"])]
    assert fetched == files[:3]
    with pytest.raises(SourceError, match="the hub did not deliver a/b"):
        locate("a/b", offline=True)
