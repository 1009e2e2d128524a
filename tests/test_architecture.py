"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "lsp_server", "export")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 500


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """First components of everything a module imports, wherever in it."""
    tops: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            tops.add((node.module or "").partition(".")[0])
    return tops


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_layers(path: Path) -> None:
    tops = imported(path)
    package = name(path).partition("/")[0]
    if package == "engine":
        assert not tops & {"lsp_server", "export", "pygls", "lsprotocol", "torch", "onnx"}
    if package == "export":
        assert not tops & {"lsp_server", "pygls", "lsprotocol"}
    if package == "lsp_server" and not name(path).startswith("lsp_server/cli/"):
        assert not tops & {"export", "torch", "onnxruntime"}
    if "onnxruntime" in tops:
        assert name(path) == "engine/models/runtime.py"
    if "torch" in tops:
        assert package == "export"


ENGINE = {
    "errors": (),
    "types": ("errors",),
    "code": ("errors", "types"),
    "scopes": ("types", "code"),
    "denoising": ("errors", "types"),
    "config": ("types", "denoising"),
    "weights": ("errors", "types", "config"),
    "models": ("errors", "types", "config", "denoising", "weights"),
    "filling": ("types", "code", "denoising"),
    "workbench": ("types", "code", "denoising", "filling"),
    "tasks": ("errors", "types", "code", "scopes", "denoising", "workbench"),
    "edit_gate": ("code", "filling"),
    "editing": ("errors", "types", "code", "tasks", "edit_gate", "workbench"),
    "offers": ("types", "code", "tasks", "editing"),
    "engine": ("errors", "types", "config", "code", "denoising", "models", "filling", "editing", "workbench"),
}
"""The engine's parts, and all that each may import of the others: only what stands above it."""


def test_the_engine_is_made_of_layers() -> None:
    order = list(ENGINE)
    assert all(order.index(used) < order.index(part) for part, parts in ENGINE.items() for used in parts)
    for path in MODULES:
        if not name(path).startswith("engine/") or (path.parent.name == "engine" and path.stem == "__init__"):
            continue
        part = path.relative_to(ROOT / "engine").with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            paths = [f"engine.{one.name}" for one in node.names] if module == "engine" else [module]
            used = {one.split(".")[1] for one in paths if one.startswith("engine.")}
            assert used <= {part, *ENGINE[part]}, f"{name(path)} imports {used}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no header"
    assert text.count("\n") <= MAX_LINES, f"{name(path)} has more than {MAX_LINES} lines: split it"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


def test_the_server_and_the_command_start_without_heavy_libraries() -> None:
    heavy = "{'torch', 'onnxruntime', 'numpy', 'tree_sitter', 'tokenizers', 'huggingface_hub', 'gguf'}"
    for module in ("lsp_server", "lsp_server.server", "lsp_server.cli.main"):
        code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
        assert run(code).strip() == "[]", module


def test_the_engine_is_free_of_torch_even_when_running() -> None:
    code = (
        "import sys, engine.engine as e; from engine.config import EngineConfig; from engine.types import *;"
        "e.open_engine(EngineConfig(model='fake')).fill(FillRequest(('a = ', None)));"
        "print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    assert run(code).split() == ["False", "False"]


def test_the_wheel_holds_what_a_user_needs_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "engine/artifacts/qwen2.5-coder-0.5b/manifest.json",
        "engine/artifacts/qwen2.5-coder-0.5b/denoiser.onnx",
        "engine/artifacts/qwen2.5-coder-0.5b/denoiser-u8.onnx",
        "engine/artifacts/qwen2.5-coder-1.5b/manifest-d8.json",
        "engine/kernels/int8_product.onnx",
        "engine/queries/python.scm",
        "lsp_server/cli/main.py",
        "export/model.py",
    ):
        assert needed in names
    assert any(re.search(r"dist-info/licenses/LICENSE$", entry) for entry in names)
    assert any(re.search(r"dist-info/licenses/NOTICE$", entry) for entry in names)
    assert not [
        entry for entry in names if entry.startswith(("tests/", "editor-clients/")) or entry.endswith(".bin")
    ]
    assert wheel.stat().st_size < 75_000_000  # the adapters are 31 and 37 MB of it


def test_torch_and_export_tools_are_only_in_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = " ".join(project["dependencies"])
    assert "torch" not in required and "onnxscript" not in required
    assert any("torch" in line for line in project["optional-dependencies"]["export"])
