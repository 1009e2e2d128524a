"""A corpus to an adapter to an artifact that answers, on the tiny model."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.denoising.tokens import TokenCodec
from engine.engine import open_engine
from engine.models.artifact import sha256_of
from engine.types import FillRequest
from export.adapter import read_adapter
from export.data import Shape
from export.package import package
from export.recipe import Recipe
from export.train import train_adapter
from export.transitions import TRANSITIONS_FILE
from lsp_server.cli.main import main
from tests.conftest import DRAFTING, TinyModel

pytestmark = pytest.mark.export

RECIPE = Recipe(
    rank=8,
    shape=Shape(context_tokens=96, span_tokens=24, n_canvases=4, n_slots=4),
    steps=4,
    warmup=1,
    cooldown=1,
    vocabulary=120,
)


def write_corpus(directory: Path) -> None:
    for split, name in (("train", "area"), ("heldout", "volume")):
        text = f"def {name}(width, height):\n    if width > 0:\n        return width * height\n    return 0\n"
        row = {"package": name, "path": f"{name}.py", "language": "python", "text": text * 3}
        with gzip.open(directory / f"{split}-00000.jsonl.gz", "wt", encoding="utf-8") as shard:
            shard.write(json.dumps(row) + "\n")


def test_a_corpus_becomes_an_adapter_and_an_artifact_that_answers(
    tiny_f32: TinyModel, tmp_path: Path
) -> None:
    manifest = tiny_f32.manifest
    codec = TokenCodec.from_file(manifest.path(manifest.tokenizer))
    write_corpus(tmp_path)
    told: list[str] = []
    run = tmp_path / "run"
    adapter = train_adapter(
        tiny_f32.gguf,
        manifest.markers,
        codec,
        tmp_path,
        RECIPE,
        run,
        name="canvas-9",
        every=2,
        say=told.append,
    )
    info, _ = read_adapter(adapter)
    assert (info.name, info.base_sha256, info.rank) == ("canvas-9", sha256_of(tiny_f32.gguf), 8)
    assert info.recipe["steps_done"] == 4
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(len(row["files"]["by_slot"]) == 4 for row in rows)
    assert told[:2] == [
        "1 files and 0 answers of the base to train on",
        "1 files and 0 answers held out",
    ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about names of dimensions
        package(
            tiny_f32.gguf,
            "tiny",
            "q8",
            run / "shipped",
            run / "artifact",
            adapter=adapter,
            transitions=adapter.with_name(TRANSITIONS_FILE),
            rule=DRAFTING,
        )
    engine = open_engine(EngineConfig(model=str(run / "artifact"), device="cpu", threads=1))
    assert engine.info.adapter == "canvas-9"
    result = engine.fill(FillRequest(("def area(", None, "\n"), max_tokens=8))
    assert result.rows > result.forwards - result.context_forwards  # it drafts


def test_a_table_of_transitions_is_counted_anew_for_the_same_tokens(
    tiny_f32: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path)
    model = ("--model", str(tiny_f32.artifact), "--corpus", str(tmp_path))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(["train", "transitions", *model, "--out", str(first)]) == 0
    assert main(["train", "transitions", *model, "--out", str(second), "--vocabulary", str(first)]) == 0
    assert capsys.readouterr().out == f"{first}\n{second}\n"
    assert first.read_bytes() == second.read_bytes()
    assert main(["train", "transitions", *model, "--out", str(tmp_path)]) == 2
    assert "Name a file" in capsys.readouterr().err
    assert main(["train", "transitions", *model, "--out", "x", "--vocabulary", str(tmp_path / "no")]) == 3
    assert "no is not a table of transitions" in capsys.readouterr().err
