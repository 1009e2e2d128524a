"""ONNX Runtime: an artifact to a function from token rows to logits. The only module that imports it.

Chooses the execution provider and says why; runs one pass over new rows against a context cache. Knows
nothing of canvases, schedules or text.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from engine.config import Device
from engine.denoising.cache import ContextCache, Entries
from engine.denoising.denoiser import Provider
from engine.denoising.rows import Rows
from engine.errors import BackendError
from engine.models.artifact import Manifest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # nothing leaves the machine: it reads this when it is imported
import onnxruntime as ort

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

IN_PLACE = frozenset({CPU})
"""Providers that read and write the cache where it lies."""

MIRRORED = {CUDA: "cuda"}
"""Providers that keep a copy of the cache in the memory of a device, with its name; it gets what is new in it
by computing it. Elsewhere, and where a graph cannot write in place, the cache is copied every pass."""

INVISIBLE = np.float32(-np.inf)
"""Added to an attention score that must not count."""

NOT_CAPTURED = -1
"""The number of a CUDA graph with which ONNX Runtime starts kernels one by one."""

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
        return Provider(CUDA, "an NVIDIA driver is present and the CUDA provider starts")
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
    return None if _cuda_starts() else "the CUDA provider does not start (CUDA's libraries are missing)"


@cache
def _cuda_starts() -> bool:
    """Whether a session runs on CUDA; tried, as ONNX Runtime goes on without it where libraries are missing.

    These are looked for in their wheels; without those the provider looks for the system's own.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find, where LSP is spoken
        ort.preload_dlls(directory="")
        started = _int8_kernel(1, (CUDA, CPU)).get_providers()
    return bool(started[0] == CUDA)


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
        options = _options(threads)
        providers = [self.provider.name] if self.provider.name == CPU else [self.provider.name, CPU]
        path = manifest.path(manifest.graphs["canvas"])
        try:
            self._session = _opened(path, options, providers)
        except Exception as error:  # the library raises many kinds
            raise BackendError(f"ONNX Runtime cannot load {path.name} ({error})", _REMEDY) from error
        self._inputs = {i.name for i in self._session.get_inputs()}
        self._past_names = [i.name for i in self._session.get_inputs() if i.name.startswith("past_")]
        if len(self._past_names) != 2 * manifest.n_layers:
            raise BackendError(
                f"{path.name} has {len(self._past_names)} cache inputs", "Pull the model again."
            )
        self._in_place = self.provider.name in IN_PLACE and "places" in self._inputs
        self._bound: tuple[list[FloatArray], ort.IOBinding] = ([], self._session.io_binding())
        self._device = MIRRORED.get(self.provider.name) if "places" in self._inputs else None
        self._mirrors: WeakKeyDictionary[ContextCache, _Mirror] = WeakKeyDictionary()

    def forward(
        self,
        cache: ContextCache,
        rows: Rows,
        wanted: Sequence[int],
        *,
        previous: FloatArray | None = None,
    ) -> tuple[FloatArray, Entries]:
        """One pass over rows that follow a cache.

        Args:
            cache: the context; its buffers may grow, its entries are read only, what lies behind them is
                written over.
            rows: the new rows, ``n_new`` of them; none may be gated where the model has no adapter.
            wanted: which rows' logits are wanted.
            previous: for models that look at them, the logits that the pass before gave for each row
                ``[n_new, n_vocab]``; None in the first pass.

        Returns:
            logits ``[len(wanted), n_vocab]``, and the new cache entries, one ``[n_heads, n_new, head_dim]``
            per cache array, good until the next pass over this cache.

        Raises:
            BackendError: the run failed (out of memory, a lost device).
        """
        n_past = len(cache.ids)
        cache.reserve(len(rows))
        inputs: dict[str, npt.NDArray[np.generic]] = {
            "ids": rows.ids,
            "positions": n_past + rows.offsets,
            "bias": visibility(n_past, cache.capacity, rows.sees),
            # Never none: ONNX Runtime (1.31) gives the maximum over an empty array the wrong shape.
            "logit_rows": np.asarray(wanted or [0], dtype=np.int64),
        }
        if "places" in self._inputs:
            inputs["places"] = places(self.manifest.n_kv_heads, n_past, len(rows))
        else:
            inputs["columns"] = n_past + np.arange(len(rows), dtype=np.int64)
        if "canvas_rows" in self._inputs:
            inputs["canvas_rows"] = np.flatnonzero(rows.gated)[:, None]
        if "gate" in self._inputs:
            inputs["gate"] = rows.gated.astype(np.float32)[:, None]
        if "near_bias" in self._inputs:
            assert self.manifest.window is not None
            near = self.manifest.window
            inputs["near_bias"] = visibility(n_past, cache.capacity, rows.sees, near, rows.gated)
        if "previous" in self._inputs:
            n_conditioned = 0 if previous is None else len(rows)
            inputs["conditioned"] = np.full((len(rows), 1), float(n_conditioned > 0), dtype=np.float32)
            blank = np.zeros((len(rows), self.manifest.n_vocab), dtype=np.float32)
            inputs["previous"] = blank if previous is None else previous
        try:
            if self._in_place:
                logits = self._run_in_place(cache, inputs)
                return logits[: len(wanted)], [
                    array[:, n_past : n_past + len(rows)] for array in cache.arrays
                ]
            new_names = [name.replace("past_", "new_") for name in self._past_names]
            if self._device is not None:
                logits, new = self._run_mirrored(cache, inputs, self._device)
                return logits[: len(wanted)], new
            inputs |= zip(self._past_names, cache.arrays, strict=True)
            logits, *new = self._session.run(["logits", *new_names], inputs)
        except Exception as error:  # the library raises many kinds
            raise BackendError(
                f"ONNX Runtime failed in a pass of {len(rows)} rows ({error})", _REMEDY
            ) from error
        return logits[: len(wanted)], new

    def forward_top(
        self, cache: ContextCache, rows: Rows, wanted: Sequence[int]
    ) -> tuple[FloatArray, Entries]:
        """The same: whole rows are at hand here."""
        return self.forward(cache, rows, wanted)

    def _run_in_place(self, cache: ContextCache, inputs: dict[str, npt.NDArray[np.generic]]) -> FloatArray:
        """A pass that writes its new entries behind the cache's own; no buffer is copied."""
        binding = self._binding(cache)
        inputs = _bound_to(binding, inputs)
        logits = np.empty((len(inputs["logit_rows"]), self.manifest.n_vocab), dtype=np.float32)
        binding.bind_output("logits", "cpu", 0, logits.dtype, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(binding)
        return logits

    def _run_mirrored(
        self, cache: ContextCache, inputs: dict[str, npt.NDArray[np.generic]], device: str
    ) -> tuple[FloatArray, Entries]:
        """A pass over the cache's copy on a device, which keeps its new entries; they come back as well."""
        mirror = self._mirrors.get(cache)
        if mirror is None or cache.n_mirrored < len(cache.ids) or not mirror.is_of(cache):
            mirror = self._mirrors[cache] = _Mirror(cache, device)
        binding = self._session.io_binding()
        for name, value in zip(self._past_names, mirror.values, strict=True):
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(name.replace("past_", "all_"), value)
        inputs = _bound_to(binding, inputs)
        n_new = len(inputs["ids"])
        logits = np.empty((len(inputs["logit_rows"]), self.manifest.n_vocab), dtype=np.float32)
        new = [np.empty((len(array), n_new, array.shape[2]), dtype=np.float32) for array in cache.arrays]
        names = [name.replace("past_", "new_") for name in self._past_names]
        for name, array in zip(["logits", *names], [logits, *new], strict=True):
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        cache.mirror(new)
        return logits, new

    def _binding(self, cache: ContextCache) -> ort.IOBinding:
        """What binds a cache's buffers as inputs and, in the same memory, as outputs."""
        arrays, binding = self._bound
        if [id(array) for array in arrays] != [id(array) for array in cache.arrays]:
            binding = self._session.io_binding()
            for name, array in zip(self._past_names, cache.arrays, strict=True):
                where = ("cpu", 0, array.dtype, array.shape, array.ctypes.data)
                binding.bind_input(name, *where)
                binding.bind_output(name.replace("past_", "all_"), *where)
            self._bound = (list(cache.arrays), binding)
        return binding


class FixedSession:
    """A graph for GPUs over buffers that stay where they are (``engine.models.replayed.Session``).

    Args:
        manifest, device, threads: see ``OnnxModel``.
        captures: whether passes are captured and replayed where the device can.

    Raises:
        BackendError: ONNX Runtime refuses the graph or the provider, or to capture what it computes.
    """

    def __init__(self, manifest: Manifest, device: Device, threads: int, *, captures: bool = True) -> None:
        self.manifest, self.provider = manifest, choose_provider(device)
        self.captures = captures and self.provider.on_gpu
        self._memory = "cuda" if self.provider.on_gpu else "cpu"
        path = manifest.path(manifest.graphs["canvas"])
        cuda = (CUDA, {"enable_cuda_graph": str(int(self.captures))})
        try:
            self._session = _opened(path, _options(threads), [cuda, CPU] if self.provider.on_gpu else [CPU])
        except Exception as error:  # the library raises many kinds
            raise BackendError(f"ONNX Runtime cannot load {path.name} ({error})", _REMEDY) from error
        self.is_adapted = "gate" in {i.name for i in self._session.get_inputs()}
        self._bindings: dict[int, ort.IOBinding] = {}

    def capture(self, wanted: bool) -> None:
        """Capture and replay passes from now on, or start their kernels one by one."""
        self.captures = wanted

    def buffer(self, shape: Sequence[int], dtype: npt.DTypeLike) -> ort.OrtValue:
        """A new array of zeros on the device."""
        # ONNX Runtime uses an array of the CPU as it is, as long as that lives: its value keeps it.
        return ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype=dtype), self._memory, 0)

    def read(self, buffer: ort.OrtValue) -> npt.NDArray[np.generic]:
        """A copy of what lies there."""
        values: npt.NDArray[np.generic] = buffer.numpy()
        return values.copy() if self._memory == "cpu" else values

    def run(
        self, number: int, inputs: Mapping[str, ort.OrtValue], outputs: Mapping[str, ort.OrtValue]
    ) -> None:
        """One pass over buffers."""
        if number not in self._bindings:
            binding = self._bindings[number] = self._session.io_binding()
            for name, value in inputs.items():
                binding.bind_ortvalue_input(name, value)
            for name, value in outputs.items():
                binding.bind_ortvalue_output(name, value)
        how = ort.RunOptions()
        how.add_run_config_entry("gpu_graph_id", str(number if self.captures else NOT_CAPTURED))
        try:
            self._session.run_with_iobinding(self._bindings[number], how)
        except Exception as error:  # the library raises many kinds
            raise BackendError(f"ONNX Runtime failed in a pass ({error})", _REMEDY) from error


class _Mirror:
    """The arrays of a cache in the memory of a device."""

    def __init__(self, cache: ContextCache, device: str) -> None:
        self._arrays = list(cache.arrays)
        # ONNX Runtime uses an array of the CPU as it is: a device's memory is another.
        own = [array.copy() if device == "cpu" else array for array in cache.arrays]
        self.values = [ort.OrtValue.ortvalue_from_numpy(array, device, 0) for array in own]

    def is_of(self, cache: ContextCache) -> bool:
        """Whether the cache still has the arrays that these were copied from."""
        return all(ours is theirs for ours, theirs in zip(self._arrays, cache.arrays, strict=True))


def _opened(
    path: Path, options: ort.SessionOptions, providers: Sequence[str | tuple[str, dict[str, str]]]
) -> ort.InferenceSession:
    """A session with these providers or none; by itself the library would print that it takes others."""
    return ort.InferenceSession(str(path), options, providers=list(providers), enable_fallback=0)


def _options(threads: int) -> ort.SessionOptions:
    """Settings of a model's session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return options


def _bound_to(
    binding: ort.IOBinding, inputs: dict[str, npt.NDArray[np.generic]]
) -> dict[str, npt.NDArray[np.generic]]:
    """Inputs as they were bound, by address: they must live as long as the pass."""
    inputs = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    for name, array in inputs.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    return inputs


def places(n_heads: int, n_past: int, n_new: int) -> IntArray:
    """Where new entries go in a buffer ``[n_heads, capacity, head_dim]``: head and column of each.

    Returns:
        ``[n_heads, n_new, 2]``.
    """
    where = np.empty((n_heads, n_new, 2), dtype=np.int64)
    where[..., 0] = np.arange(n_heads)[:, None]
    where[..., 1] = n_past + np.arange(n_new)
    return where


def visibility(
    n_past: int,
    capacity: int,
    sees: npt.NDArray[np.bool_],
    near: int | None = None,
    gated: npt.NDArray[np.bool_] | None = None,
) -> FloatArray:
    """What is added to the attention scores: 0 where row s sees column t, minus infinity elsewhere.

    Args:
        n_past: tokens in the cache; every row sees all of them. The new rows' columns follow.
        capacity: columns of the cache's buffer.
        sees: what the new rows see of one another ``[n_new, n_new]``.
        near: how many tokens back a row sees, itself counted; None for all. A gated row sees its canvas and,
            as its canvas starts where the cache ends, ``near - 1`` tokens of the cache.
        gated: which rows are of a canvas ``[n_new]``.

    Returns:
        ``[n_new, capacity]``.
    """
    n_new = len(sees)
    bias = np.full((n_new, capacity), INVISIBLE, dtype=np.float32)
    bias[:, :n_past] = 0.0
    bias[:, n_past : n_past + n_new][sees] = 0.0
    if near is not None:
        own = (
            n_past + np.arange(n_new) if gated is None else np.where(gated, n_past, n_past + np.arange(n_new))
        )
        bias[np.arange(capacity)[None, :] <= (own - near)[:, None]] = INVISIBLE
    return bias


KERNEL_WIDTH, KERNEL_ROWS, KERNEL_CODE = 1024, 256, 127
"""Of ``engine/kernels/int8_product.onnx``: width of the square matrix, rows it is timed with, its values."""


@cache
def int8_products_are_exact() -> bool:
    """Whether products of bytes are added up without overflow here, whatever their values are."""
    rows = np.full((2, KERNEL_WIDTH), 255, dtype=np.uint8)
    (products,) = _int8_kernel(threads=1).run(None, {"rows": rows})
    return bool((products == 255 * KERNEL_CODE * KERNEL_WIDTH).all())


def int8_products_per_s(threads: int) -> float:
    """Multiplications with addition a second of the fastest int8 product here, the best of a few runs.

    Args:
        threads: intra-op threads.
    """
    session = _int8_kernel(threads)
    rows = np.ones((KERNEL_ROWS, KERNEL_WIDTH), dtype=np.uint8)
    best = math.inf
    for _ in range(50):
        start = time.perf_counter()
        session.run(None, {"rows": rows})
        best = min(best, time.perf_counter() - start)
    return KERNEL_ROWS * KERNEL_WIDTH**2 / best


def _int8_kernel(threads: int, providers: Sequence[str] = (CPU,)) -> ort.InferenceSession:
    kernel = (resources.files("engine") / "kernels" / "int8_product.onnx").read_bytes()
    return ort.InferenceSession(kernel, _options(threads), providers=list(providers))
