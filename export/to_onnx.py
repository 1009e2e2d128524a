"""A torch model to an ONNX graph whose weights lie outside it.

Exports with dummy (meta) weights: the graph names its parameters, their bytes come later. Knows nothing
of quantization or files other than the graph.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir
import torch
from torch import Tensor, nn

from export.config import AnyConfig, GemmaConfig
from export.gemma import GemmaModel
from export.model import DenoiserModel

OPSET = 21


class _Flat(nn.Module):
    """The model with its lists of past tensors flattened, as graph inputs are."""

    def __init__(self, model: DenoiserModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        gate: Tensor | None,
        bias: Tensor,
        columns: Tensor,
        logit_rows: Tensor,
        past: list[Tensor],
    ) -> tuple[Tensor, ...]:
        logits, new_k, new_v = self.model(
            ids, positions, gate, bias, columns, logit_rows, past[0::2], past[1::2]
        )
        flat = [tensor for pair in zip(new_k, new_v, strict=True) for tensor in pair]
        return (logits, *flat)


def _model(config: AnyConfig) -> nn.Module:
    return GemmaModel(config) if isinstance(config, GemmaConfig) else DenoiserModel(config)


SMALL = 1 << 16
"""Parameters with no more values than this are compared by the exporter."""


def _blank_model(config: AnyConfig) -> nn.Module:
    """A model whose weights are never read, all different: equal initializers would be merged into one."""
    with torch.device("meta"):
        model = _model(config)
    model.to_empty(device="cpu")
    for index, parameter in enumerate(model.parameters()):
        if parameter.dim() == 1 or parameter.numel() <= SMALL:
            nn.init.constant_(parameter, float(index + 2))
    if isinstance(model, GemmaModel):
        model.far_freq.copy_(model.inverse_frequencies(model.config, sliding=False))
        model.near_freq.copy_(model.inverse_frequencies(model.config, sliding=True))
    elif isinstance(model, DenoiserModel):
        model.inv_freq.copy_(model.inverse_frequencies(model.config))
    return model.eval()


def shapes_of(config: AnyConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by name, without memory for any."""
    with torch.device("meta"):
        model = _model(config)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def cache_names(n_layers: int, kind: str) -> list[str]:
    """Names of the cache tensors, ``kind`` being ``past`` or ``new``: keys and values, layer by layer."""
    return [f"{kind}_{part}_{layer}" for layer in range(n_layers) for part in ("k", "v")]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter has to say of itself: deprecations, names of dimensions, absent libraries."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export_graph(config: AnyConfig) -> ir.Model:
    """Export the architecture.

    Inputs: ``ids [S]``, ``positions [S]``, with an adapter ``gate [S, 1]``, ``bias [S, C]``,
    ``columns [S]``, ``logit_rows [R]``, ``past_k_i`` and ``past_v_i [n_kv_heads, C, D]``. Outputs:
    ``logits [R, n_vocab]``, ``new_k_i`` and ``new_v_i [n_kv_heads, S, D]``. All of S, C and R are free.
    DiffusionGemma has a gate always, and beside it ``near_bias [S, C]``, ``conditioned [S, 1]`` and
    ``previous [S, n_vocab]``. Parameters are initializers under their names in the model.
    """
    model = _blank_model(config)
    rows, columns, wanted = 4, 8, 2  # 0 and 1 would be taken for constants
    s, c, r = (torch.export.Dim(name) for name in ("S", "C", "R"))
    ids, positions = (torch.zeros(rows, dtype=torch.int64), {0: s}), (torch.arange(rows), {0: s})
    gate, bias = (torch.zeros(rows, 1), {0: s}), (torch.zeros(rows, columns), {0: s, 1: c})
    places, logit_rows = (torch.arange(rows), {0: s}), (torch.arange(wanted), {0: r})
    if isinstance(config, GemmaConfig):
        caches = [(layer.n_kv_heads, layer.head_dim) for layer in config.layers for _ in range(2)]
        inputs = {
            "ids": ids,
            "positions": positions,
            "gate": gate,
            "bias": bias,
            "near_bias": (torch.zeros(rows, columns), {0: s, 1: c}),
            "columns": places,
            "logit_rows": logit_rows,
            "conditioned": (torch.zeros(rows, 1), {0: s}),
            "previous": (torch.zeros(rows, config.n_vocab), {0: s}),
        }
        prefix = ""
    else:
        assert isinstance(model, DenoiserModel)
        caches = [(config.n_kv_heads, config.head_dim)] * (2 * config.n_layers)
        adapted = config.adapter_rank > 0
        inputs = {
            "ids": ids,
            "positions": positions,
            "gate": gate if adapted else (None, None),
            "bias": bias,
            "columns": places,
            "logit_rows": logit_rows,
        }
        model, prefix = _Flat(model).eval(), "model."
    past = [torch.zeros(n_heads, columns, width) for n_heads, width in caches]
    names = [name for name, (example, _) in inputs.items() if example is not None]
    with _quiet():
        program = torch.onnx.export(
            model,
            (*(example for example, _ in inputs.values()), past),
            dynamo=True,
            opset_version=OPSET,
            input_names=[*names, *cache_names(config.n_layers, "past")],
            output_names=["logits", *cache_names(config.n_layers, "new")],
            dynamic_shapes=(*(free for _, free in inputs.values()), [{1: c}] * len(past)),
            optimize=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model
    for name in list(graph.graph.initializers):
        if prefix and name.startswith(prefix):
            graph.graph.initializers[name].name = name.removeprefix(prefix)
    return graph
