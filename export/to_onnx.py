"""A torch model to an ONNX graph whose weights lie outside it.

Exports with dummy (meta) weights: the graph names its parameters, their bytes come later. Knows nothing
of quantization or files other than the graph.
"""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import Tensor, nn

from export.config import ModelConfig
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


def _blank_model(config: ModelConfig) -> DenoiserModel:
    """A model whose weights are never read, all different: equal initializers would be merged into one."""
    with torch.device("meta"):
        model = DenoiserModel(config)
    model.to_empty(device="cpu")
    for index, parameter in enumerate(model.parameters()):
        if parameter.dim() == 1:
            nn.init.constant_(parameter, float(index + 2))
    model.inv_freq.copy_(model.inverse_frequencies(config))
    return model.eval()


def cache_names(n_layers: int, kind: str) -> list[str]:
    """Names of the cache tensors, ``kind`` being ``past`` or ``new``: keys and values, layer by layer."""
    return [f"{kind}_{part}_{layer}" for layer in range(n_layers) for part in ("k", "v")]


def export_graph(config: ModelConfig) -> ir.Model:
    """Export the architecture.

    Inputs: ``ids [S]``, ``positions [S]``, with an adapter ``gate [S, 1]``, ``bias [S, C]``,
    ``columns [S]``, ``logit_rows [R]``, ``past_k_i`` and ``past_v_i [n_kv_heads, C, D]``. Outputs:
    ``logits [R, n_vocab]``, ``new_k_i`` and ``new_v_i [n_kv_heads, S, D]``. All of S, C and R are free.
    Parameters are initializers named as in ``export.base.weight_sources``.
    """
    model = _blank_model(config)
    rows, columns, wanted = 4, 8, 2  # 0 and 1 would be taken for constants
    past = [torch.zeros(config.n_kv_heads, columns, config.head_dim) for _ in range(2 * config.n_layers)]
    s, c, r = (torch.export.Dim(name) for name in ("S", "C", "R"))
    adapted = config.adapter_rank > 0
    names = ["ids", "positions", *(["gate"] if adapted else []), "bias", "columns", "logit_rows"]
    program = torch.onnx.export(
        _Flat(model).eval(),
        (
            torch.zeros(rows, dtype=torch.int64),
            torch.arange(rows),
            torch.zeros(rows, 1) if adapted else None,
            torch.zeros(rows, columns),
            torch.arange(rows),
            torch.arange(wanted),
            past,
        ),
        dynamo=True,
        opset_version=OPSET,
        input_names=[*names, *cache_names(config.n_layers, "past")],
        output_names=["logits", *cache_names(config.n_layers, "new")],
        dynamic_shapes=(
            {0: s},
            {0: s},
            {0: s} if adapted else None,
            {0: s, 1: c},
            {0: s},
            {0: r},
            [{1: c}] * len(past),
        ),
        optimize=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model
    for name in list(graph.graph.initializers):
        if name.startswith("model."):
            graph.graph.initializers[name].name = name.removeprefix("model.")
    return graph
