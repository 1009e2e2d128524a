"""An artifact that was tampered with is refused by name, before anything is loaded."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.denoising.commit import CommitRule
from engine.denoising.diffusion import Diffusion
from engine.denoising.schedule import LEFT_TO_RIGHT, DecodeRule
from engine.engine import open_engine
from engine.errors import ArtifactError, IntegrityError, ModelError, ModelNotFoundError
from engine.models.artifact import AdapterEntry, FileEntry, load_manifest, verify
from engine.models.assemble import assemble, build_artifact
from engine.types import FillRequest
from engine.weights.catalog import BASES
from engine.weights.store import ModelStore
from tests.conftest import TinyModel

TABLE = {"file": "b", "sha256": "0" * 64, "bytes": 1}
ADAPTER = {"name": "canvas-1", "file": "a", "sha256": "0" * 64, "bytes": 1}


@pytest.fixture
def copy(tiny_f32: TinyModel, tmp_path: Path) -> Path:
    """A copy of a good artifact, to spoil."""
    return Path(shutil.copytree(tiny_f32.artifact, tmp_path / "artifact"))


def edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_good_artifact_runs(copy: Path) -> None:
    engine = open_engine(EngineConfig(model=str(copy), device="cpu", threads=1))
    result = engine.fill(FillRequest(("x = ", None, "\n"), max_tokens=4))
    assert result.status in ("ok", "refused") and result.forwards >= 1
    assert engine.info.provider == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=99), "schema 99"),
        (lambda d: d.update(family="unheard-of"), "family 'unheard-of'"),
        (lambda d: d.pop("special"), "special is missing"),
        (lambda d: d["special"].update(fim_prefix=10**9), "outside the vocabulary"),
        (lambda d: d["special"].update(end=[-1]), "outside the vocabulary"),
        (lambda d: d["special"].update(end=["x"]), "special.end is a str"),
        (lambda d: d["graphs"]["canvas"].update(file="../../etc/passwd"), "leads outside"),
        (lambda d: d["weights"].update(file="/etc/passwd"), "leads outside"),
        (lambda d: d["weights"].update(file="..\\weights.bin"), "leads outside"),
        (lambda d: d["weights"].update(file=".."), "leads outside"),
        (lambda d: d["weights"]["tensors"][0].update(encoding="q99"), "unknown encoding 'q99'"),
        (lambda d: d["weights"]["tensors"][0]["parts"].update(data=[0, 10**15]), "reaches outside"),
        (lambda d: d["weights"]["tensors"][0].update(turn={"columns": 48}), "blocks of 48 cannot be turned"),
        (lambda d: d["weights"]["tensors"][0].update(turn={"rows": 1 << 40}), "cannot be turned in a width"),
        (lambda d: d["weights"]["tensors"][0].update(turn=[]), "turn is a list"),
        (lambda d: d["weights"].update(sha256="short"), "not a sha256"),
        (lambda d: d.update(canvas_slots=0), "canvas_slots is 0"),
        (lambda d: d.update(name="../x"), "is not a name"),
        (lambda d: d.update(schema=1), "schema 1; this version reads 3"),
        (lambda d: d.pop("decode"), "decode is missing"),
        (lambda d: d["decode"].update(agreement=[0.5, 1.5]), "decode.agreement holds 1.5"),
        (lambda d: d["decode"].update(agreement=["x"]), "decode.agreement is a str"),
        (lambda d: d["decode"].update(row_worth=0), "decode.row_worth is 0"),
        (lambda d: d["decode"].update(plausible=-0.5), "decode.plausible is -0.5"),
        (lambda d: d["decode"].update(sure=float("nan")), "decode.sure is nan"),
        (lambda d: d["decode"].pop("sure"), "sure is missing"),
        (lambda d: d.update(adapter=ADAPTER | {"file": "../a"}), "leads outside"),
        (lambda d: d.update(adapter=ADAPTER | {"name": "a/b"}), "not a name"),
        (lambda d: d.update(transitions=TABLE | {"file": "../b"}), "leads outside"),
        (lambda d: d.update(transitions="b"), "transitions is a str"),
        (lambda d: d["decode"].update(drafts=1), "drafts is missing or neither true nor false"),
        (lambda d: d.update(adapter="canvas-1"), "adapter is a str"),
        (lambda d: d["shape"].update(n_layers=True), "n_layers is a bool"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(copy, change)
    with pytest.raises(ArtifactError, match=message) as caught:
        load_manifest(copy)
    assert "\n" not in str(caught.value)


def test_a_manifest_says_how_it_is_decoded_and_with_which_adapter(copy: Path) -> None:
    rule = {"agreement": [0.5, 1], "row_worth": 0.01, "plausible": 1, "sure": 0.9, "drafts": True}
    entry: dict[str, object] = {
        "name": "canvas-1",
        "file": "adapter.safetensors",
        "sha256": "ab" * 32,
        "bytes": 7,
    }
    table = {"file": "transitions.safetensors", "sha256": "cd" * 32, "bytes": 9}
    assert load_manifest(copy).adapter is load_manifest(copy).transitions is None
    assert load_manifest(copy).decode == LEFT_TO_RIGHT
    edit(copy, lambda d: d.update(decode=rule, adapter=entry, transitions=table))
    manifest = load_manifest(copy)
    assert manifest.decode == DecodeRule((0.5, 1.0), 0.01, 1.0, 0.9)
    assert manifest.adapter == AdapterEntry("canvas-1", FileEntry("adapter.safetensors", "ab" * 32, 7))
    assert manifest.transitions == FileEntry("transitions.safetensors", "cd" * 32, 9)


def test_broken_json_is_refused(copy: Path) -> None:
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_manifest(copy)


def test_a_link_out_of_the_directory_is_refused(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.bin"
    shutil.move(copy / "weights.bin", outside)
    (copy / "weights.bin").symlink_to(outside)
    with pytest.raises(ArtifactError, match="link that leads outside"):
        load_manifest(copy)


@pytest.mark.parametrize("name", ["weights.bin", "denoiser.onnx", "tokenizer.json"])
def test_an_altered_file_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=f"{name} was altered"):
        open_engine(EngineConfig(model=str(copy)))


def test_a_truncated_file_is_refused(copy: Path) -> None:
    path = copy / "weights.bin"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(IntegrityError, match="truncated"):
        verify(copy, full=False)


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"tokenizer\.json is missing"):
        verify(copy)


@pytest.mark.parametrize("damage", ["truncate", "junk", "empty"])
def test_a_broken_gguf_leaves_no_artifact(tiny_f32: TinyModel, tmp_path: Path, damage: str) -> None:
    data = tiny_f32.gguf.read_bytes()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes({"truncate": data[: len(data) // 3], "junk": b"junk" * 1000, "empty": b""}[damage])
    target = tmp_path / "made"
    target.mkdir()
    with pytest.raises(ModelError) as caught:
        assemble(load_manifest(tiny_f32.shipped), broken, target)
    assert "\n" not in str(caught.value)
    assert not (target / "manifest.json").exists()


def test_other_weights_than_promised_are_refused(tiny_f32: TinyModel, tmp_path: Path) -> None:
    data = bytearray(tiny_f32.gguf.read_bytes())
    data[-5] ^= 1  # inside the last tensor
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(data)
    target = tmp_path / "made"
    target.mkdir()
    with pytest.raises(IntegrityError, match=r"weights\.bin was altered"):
        assemble(load_manifest(tiny_f32.shipped), changed, target)


@pytest.fixture
def built(tiny_f32: TinyModel, tmp_path: Path) -> Callable[[], Path]:
    """Make the tiny model's artifact in a store, as `unmask models pull` does."""
    manifest = load_manifest(tiny_f32.shipped)
    base = replace(BASES[0], sha256=manifest.base_sha256)
    return lambda: build_artifact(manifest, base, tiny_f32.gguf, ModelStore(tmp_path / "cache"))


@pytest.mark.parametrize("damage", ["cut", "altered", "no manifest", "bad manifest", "a file"])
def test_a_damaged_artifact_is_made_again(built: Callable[[], Path], damage: str) -> None:
    target = built()
    weights = target / "weights.bin"
    data = weights.read_bytes()
    match damage:
        case "cut":
            weights.write_bytes(data[:100])
        case "altered":
            weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "no manifest":
            (target / "manifest.json").unlink()
        case "bad manifest":
            (target / "manifest.json").write_text("{")
        case _:
            shutil.rmtree(target)
            target.write_text("in the way")
    assert built() == target
    verify(target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_whole_artifact_is_not_made_again(built: Callable[[], Path]) -> None:
    made_at = built().stat().st_mtime_ns
    assert built().stat().st_mtime_ns == made_at


def test_what_interrupted_builds_left_goes_after_a_day(built: Callable[[], Path], tmp_path: Path) -> None:
    artifacts = tmp_path / "cache" / "artifacts"
    for name, age_s in (("old", 90_000), ("new", 60)):
        (artifacts / f".building-{name}" / "artifact").mkdir(parents=True)
        os.utime(artifacts / f".building-{name}", (time.time() - age_s,) * 2)
    target = built()
    assert {path.name for path in artifacts.iterdir()} == {".building-new", target.name}


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ModelNotFoundError, match=r"qwen2\.5-coder-0\.5b"):
        open_engine(EngineConfig(model="no-such-model"))


DIFFUSION = {
    "attention": "full",
    "logit_shift": 1,
    "noise": "mask",
    "placing": "in_place",
    "mask": 3,
    "expand": None,
    "delete": 4,
    "opening": [5],
    "closing": [],
    "block": 0,
    "window": 32,
}


def make_diffusion(data: dict[str, Any]) -> None:
    """Turn a manifest into one of a diffusion checkpoint."""
    data.update(family="dream", diffusion=dict(DIFFUSION), decode=asdict(CommitRule(order="entropy")))
    data["special"] = {"end": [1]}


def test_a_manifest_says_what_kind_of_diffusion_model_it_is(copy: Path) -> None:
    assert load_manifest(copy).diffusion is None
    edit(copy, make_diffusion)
    manifest = load_manifest(copy)
    assert manifest.diffusion == Diffusion(
        "full", 1, "mask", "in_place", 3, None, 4, (5,), (), 0, 32, CommitRule(order="entropy")
    )
    assert manifest.cache_shapes == ((manifest.n_kv_heads, manifest.head_dim),) * (2 * manifest.n_layers)
    assert (manifest.special, manifest.window) == ({}, None)
    edit(
        copy,
        lambda d: d["shape"].update(layers=[{"n_kv_heads": 1, "head_dim": n} for n in (8, 16)], window=9),
    )
    assert load_manifest(copy).cache_shapes == ((1, 8), (1, 8), (1, 16), (1, 16))
    assert load_manifest(copy).window == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("diffusion"), "diffusion is missing"),
        (
            lambda d: d["diffusion"].update(attention="some"),
            "attention is 'some' and none of full, block_causal",
        ),
        (lambda d: d["diffusion"].update(noise="snow"), "noise is 'snow' and none of mask, uniform"),
        (lambda d: d["diffusion"].update(logit_shift=2), "logit_shift is 2"),
        (lambda d: d["diffusion"].update(mask=10**9), "outside the vocabulary"),
        (lambda d: d["diffusion"].update(mask=None), "mask is None with noise 'mask'"),
        (lambda d: d["diffusion"].update(noise="uniform"), "mask is 3 with noise 'uniform'"),
        (lambda d: d["diffusion"].update(expand=-1), "outside the vocabulary"),
        (lambda d: d["diffusion"].update(opening=[10**9]), "outside the vocabulary"),
        (lambda d: d["diffusion"].update(closing="x"), "closing is a str"),
        (lambda d: d["diffusion"].update(block=4), "block is 4 with attention 'full'"),
        (
            lambda d: d["diffusion"].update(attention="block_causal"),
            "block is 0 with attention 'block_causal'",
        ),
        (lambda d: d["diffusion"].update(attention="causal_context"), "cannot stand in its place"),
        (lambda d: d["diffusion"].update(window=0), "window is 0"),
        (lambda d: d["diffusion"].update(placing="suffix_prefix"), "fim_prefix is missing"),
        (lambda d: d["decode"].update(order="best"), "order is 'best' and none of"),
        (lambda d: d["decode"].update(temperature=-1), "decode.temperature is -1"),
        (lambda d: d["decode"].update(top_p=float("nan")), "decode.top_p is nan"),
        (lambda d: d["decode"].update(remask=1), "decode.remask is missing or neither"),
        (lambda d: d["decode"].update(per_pass=0), "per_pass is 0"),
        (lambda d: d["decode"].pop("passes"), "passes is missing"),
        (lambda d: d["shape"].update(layers=[]), "shape.layers has 0 entries"),
        (lambda d: d["shape"].update(layers=[{"n_kv_heads": 0, "head_dim": 8}] * 2), "n_kv_heads is 0"),
    ],
)
def test_a_diffusion_manifest_that_lies_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(copy, make_diffusion)
    edit(copy, change)
    with pytest.raises(ArtifactError, match=message):
        load_manifest(copy)
