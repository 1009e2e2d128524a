"""ONNX Runtime as Unmask starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_collects_nothing(tmp_path: Path) -> None:
    code = "import os, engine.models.runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    hidden = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ |= {"HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, list(tmp_path.rglob("*"))) == ("1\n", "", [])
