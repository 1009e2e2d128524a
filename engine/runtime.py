"""ONNX Runtime: an artifact to a function from token rows to logits. The only module that imports it.

Chooses the execution provider and says why; runs one pass over new rows against a context cache. Knows
nothing of canvases, schedules or text.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engine.artifact import Manifest
from engine.cache import ContextCache
from engine.config import Device
from engine.denoiser import Provider
from engine.errors import BackendError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

INVISIBLE = np.float32(-np.inf)
"""Added to an attention score that must not count."""

_REMEDY = "Run `unmask doctor` for what this machine has."

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def available_providers() -> tuple[str, ...]:
    """The execution providers this build of ONNX Runtime has, whether or not they work here."""
    return tuple(ort.get_available_providers())


def choose_provider(device: Device) -> Provider:
    """The execution provider for a device setting.

    Raises:
        BackendError: CUDA was asked for and cannot work here.
    """
    if device == "cpu":
        return Provider(CPU, "asked for by the setting device=cpu")
    missing = _why_no_cuda()
    if missing is None:
        return Provider(CUDA, "an NVIDIA driver and the CUDA provider are present")
    if device == "cuda":
        raise BackendError(
            f"device=cuda cannot be used: {missing}", "Use device=auto, or install what is missing."
        )
    return Provider(CPU, missing)


def _why_no_cuda() -> str | None:
    if CUDA not in available_providers():
        return "this build of ONNX Runtime has no CUDA provider"
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return "no NVIDIA driver was found"
    return None


class OnnxModel:
    """A loaded graph.

    Args:
        manifest: of a verified artifact.
        device: where to run.
        threads: intra-op threads, 0 for one per physical core.

    Raises:
        BackendError: ONNX Runtime refuses the graph or the provider.
    """

    def __init__(self, manifest: Manifest, device: Device, threads: int) -> None:
        self.manifest = manifest
        self.provider = choose_provider(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        providers = [self.provider.name] if self.provider.name == CPU else [self.provider.name, CPU]
        path = manifest.path(manifest.graphs["canvas"])
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # the library raises many kinds
            raise BackendError(f"ONNX Runtime cannot load {path.name} ({error})", _REMEDY) from error
        used = self._session.get_providers()[0]
        if used != self.provider.name:
            if device == "cuda":
                raise BackendError("ONNX Runtime could not start CUDA", _REMEDY)
            self.provider = Provider(used, "the CUDA provider did not start (its libraries are missing)")
        self._past_names = [i.name for i in self._session.get_inputs() if i.name.startswith("past_")]
        if len(self._past_names) != 2 * manifest.n_layers:
            raise BackendError(
                f"{path.name} has {len(self._past_names)} cache inputs", "Pull the model again."
            )

    def forward(
        self, cache: ContextCache, ids: Sequence[int], *, rows: Sequence[int], causal: bool = True
    ) -> tuple[FloatArray, list[FloatArray]]:
        """One pass over rows that follow a cache.

        Args:
            cache: the context; read only.
            ids: token ids of the new rows, ``n_new`` of them.
            rows: which rows' logits are wanted.
            causal: whether a row sees only the rows before it, or all of them.

        Returns:
            logits ``[len(rows), n_vocab]``, and the new cache entries, one ``[n_heads, n_new, head_dim]``
            per cache array.

        Raises:
            BackendError: the run failed (out of memory, a lost device).
        """
        n_past, n_new = len(cache.ids), len(ids)
        feeds: dict[str, npt.NDArray[np.generic]] = {
            "ids": np.asarray(ids, dtype=np.int64),
            "positions": np.arange(n_past, n_past + n_new, dtype=np.int64),
            "bias": visibility(n_past, cache.capacity, n_new, causal=causal),
            "logit_rows": np.asarray(rows, dtype=np.int64),
        }
        feeds |= zip(self._past_names, cache.arrays, strict=True)
        try:
            logits, *new = self._session.run(None, feeds)
        except Exception as error:  # the library raises many kinds
            raise BackendError(f"ONNX Runtime failed in a pass of {n_new} rows ({error})", _REMEDY) from error
        return logits, new


def visibility(n_past: int, capacity: int, n_new: int, *, causal: bool) -> FloatArray:
    """What is added to the attention scores: 0 where row s sees column t, minus infinity elsewhere.

    Columns are the cache's buffer, of which the first ``n_past`` hold tokens, then the new rows.

    Returns:
        ``[n_new, capacity + n_new]``.
    """
    bias = np.zeros((n_new, capacity + n_new), dtype=np.float32)
    bias[:, n_past:capacity] = INVISIBLE
    if causal:
        bias[:, capacity:][np.triu_indices(n_new, 1)] = INVISIBLE
    return bias
