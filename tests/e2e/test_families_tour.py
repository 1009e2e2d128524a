"""The tour of export/FAMILIES.md, line by line as it stands there, on a tiny checkpoint; and a server."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.engine import open_engine
from engine.types import FillRequest
from tests import checkpoints
from tests.e2e.conftest import ROOT, Start, environment
from tests.e2e.rpc import inline

pytestmark = pytest.mark.export

PAGE = (ROOT / "export" / "FAMILIES.md").read_text(encoding="utf-8")


def tour() -> list[str]:
    _, _, after = PAGE.partition("## The tour\n")
    found = re.search(r"^```sh\n(.*?)^```", after, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].splitlines()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tour was walked; what each line printed lies beside the model."""
    place = tmp_path_factory.mktemp("tour")
    checkpoints.write(place / "my-checkpoint", "a2d-qwen2", shards=2)
    command = place / "bin" / "unmask"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lsp_server.cli.main "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    env = environment(UNMASK_CACHE_DIR=str(place / "cache"), UNMASK_DEVICE="cpu")
    env["PATH"] = f"{command.parent}{os.pathsep}{env['PATH']}"
    for number, line in enumerate(tour()):
        done = subprocess.run(
            ["bash", "-c", line], cwd=place, env=env, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        (place / f"out-{number}").write_text(done.stdout)
        (place / f"err-{number}").write_text(done.stderr)
    return place


def test_the_tour(place: Path) -> None:
    exporting, *_ = tour()
    assert exporting.startswith("unmask export --from my-checkpoint")
    said = (place / "err-0").read_text()
    assert "my-checkpoint is of family a2d: 0.1 million parameters; writes" in said
    assert (place / "out-0").read_text().strip() == "my-model"
    facts = (place / "out-1").read_text()
    assert re.search(r"^family +a2d$", facts, re.MULTILINE) and re.search(
        r"^attention +full$", facts, re.MULTILINE
    )
    assert "artifact" in (place / "out-2").read_text()
    filled = (place / "out-3").read_text()
    assert filled.startswith("def add(a, b): return ") and "<hole>" not in filled
    answer = json.loads((place / "out-4").read_text())
    assert answer["id"] == 1 and answer["status"] in ("ok", "refused") and answer["forwards"] > 1


def test_the_server_gives_what_the_engine_gives(place: Path, start: Start) -> None:
    model = str(place / "my-model")
    client = start("--model", model, UNMASK_DEVICE="cpu")
    client.initialize(options={"multiLine": "never", "maxTokens": 8})
    text = "def add(a, b):\n    return \n"
    client.open("file:///w/a.py", text)
    answer = client.call("textDocument/inlineCompletion", inline("file:///w/a.py", 1, 11, automatic=False))
    engine = open_engine(EngineConfig(model=model, device="cpu"))
    filled = engine.fill(FillRequest((text[:-1], None, "\n"), "python", single_line=True, max_tokens=8))
    items = [item["insertText"] for item in answer["items"]]
    assert items == ([filled.fills[0]] if filled.status == "ok" else [])
    assert client.leave() == 0


def test_every_family_is_on_the_page() -> None:
    from engine.denoising.diffusion import FAMILIES
    from export.families import READERS

    assert all(f"`{kind}`" in PAGE for kind in READERS if kind != "qwen2")
    assert "qwen2" in PAGE and len(FAMILIES) == 9
