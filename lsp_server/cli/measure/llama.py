"""llama.cpp behind its Python binding: a GGUF, re-quantized where asked for, to next-token logits.

Optional: measured where `llama-cpp-python` is installed, best built from its source package for this very
processor. Talks to the library's C interface only; its prompt cache is what stays in its memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt

from engine.errors import BackendError

BATCH = 512
"""Tokens computed in one call, the library's own default."""

_REMEDY = "Build `llama-cpp-python` for this processor, or leave llama out of --peers."

_quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)


class LlamaModel:
    """A GGUF in memory.

    Args:
        path: of the GGUF.
        threads: for prompts and for tokens.
        context_tokens: the most tokens of one text.

    Raises:
        BackendError: it cannot be loaded.
    """

    def __init__(self, path: Path, threads: int, context_tokens: int) -> None:
        llama_cpp.llama_log_set(_quiet, ctypes.c_void_p())
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not self._model:
            raise BackendError(f"llama.cpp cannot load {path.name}", _REMEDY)
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = context_tokens
        options.n_batch = options.n_ubatch = BATCH
        options.n_threads = options.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, options)
        if not self._context:
            raise BackendError(f"llama.cpp has no room for {context_tokens} tokens", _REMEDY)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)

    def logits(self, ids: Sequence[int], n_known: int, n_wanted: int) -> npt.NDArray[np.float32]:
        """See ``NextToken``.

        Raises:
            BackendError: the pass failed.
        """
        llama_cpp.llama_memory_seq_rm(self._memory, 0, n_known, -1)
        first_wanted = len(ids) - n_wanted
        found: list[npt.NDArray[np.float32]] = []
        for start in range(n_known, len(ids), BATCH):
            piece = range(start, min(start + BATCH, len(ids)))
            self._compute([ids[at] for at in piece], start, first_wanted)
            found += [self._row(at - start) for at in piece if at >= first_wanted]
        return np.stack(found)

    def close(self) -> None:
        """Release everything."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def _compute(self, ids: Sequence[int], start: int, first_wanted: int) -> None:
        batch = self._batch
        batch.n_tokens = len(ids)
        for row, token in enumerate(ids):
            batch.token[row] = token
            batch.pos[row] = start + row
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = 0
            batch.logits[row] = start + row >= first_wanted
        if code := llama_cpp.llama_decode(self._context, batch):
            raise BackendError(f"llama.cpp failed in a pass of {len(ids)} rows (code {code})", _REMEDY)

    def _row(self, row: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, shape=(self._n_vocab,)).copy()


def requantized(source: Path, kind: str, directory: Path, threads: int) -> Path:
    """A GGUF quantized anew by llama.cpp's own function.

    Args:
        source: the GGUF.
        kind: such as ``Q4_0``.
        directory: where the result goes.
        threads: to use.

    Raises:
        BackendError: it cannot be made.
    """
    target = directory / f"{kind}.gguf"
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    options.allow_requantize = True
    options.nthread = threads
    llama_cpp.llama_log_set(_quiet, ctypes.c_void_p())
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(options)):
        raise BackendError(f"llama.cpp cannot quantize {source.name} to {kind}", _REMEDY)
    return target


def features() -> str:
    """What of the processor this build of llama.cpp uses, as it says itself."""
    said = llama_cpp.llama_print_system_info().decode()
    return " ".join(
        part.split("=")[0].strip() for part in said.replace("CPU :", "").split("|") if "= 1" in part
    )
