"""ONNX Runtime as Unmask starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import BackendError
from engine.models import runtime


def test_onnx_runtime_collects_nothing(tmp_path: Path) -> None:
    code = "import os, engine.models.runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    hidden = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ |= {"HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, list(tmp_path.rglob("*"))) == ("1\n", "", [])


@pytest.mark.parametrize(
    ("build", "driver", "starts", "reason"),
    [
        ((runtime.CPU,), True, True, "this build of ONNX Runtime has no CUDA provider"),
        ((runtime.CUDA, runtime.CPU), False, True, "no NVIDIA driver was found"),
        ((runtime.CUDA, runtime.CPU), True, False, "the CUDA provider does not start"),
        ((runtime.CUDA, runtime.CPU), True, True, None),
    ],
)
def test_cuda_is_taken_where_it_starts(
    build: tuple[str, ...], driver: bool, starts: bool, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> None:
        if not driver:
            raise OSError(name)

    monkeypatch.setattr(runtime, "available_providers", lambda: build)
    monkeypatch.setattr(runtime.ctypes, "CDLL", load)
    monkeypatch.setattr(runtime, "_cuda_starts", lambda: starts)
    chosen = runtime.choose_provider("auto")
    assert (chosen.name == runtime.CUDA) == (reason is None)
    if reason is None:
        assert runtime.choose_provider("cuda").name == runtime.CUDA
    else:
        assert chosen.reason.startswith(reason)
        with pytest.raises(BackendError, match=f"device=cuda cannot be used: {reason}"):
            runtime.choose_provider("cuda")
    assert runtime.choose_provider("cpu").name == runtime.CPU


def test_cuda_does_not_start_where_there_is_none() -> None:
    """Run on a machine without a GPU or its driver; ONNX Runtime says nothing on the way."""
    if "no NVIDIA driver" in runtime.choose_provider("auto").reason:
        assert not runtime._cuda_starts()
