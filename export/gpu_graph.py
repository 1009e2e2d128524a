"""The decoder of ``export.model`` as a graph of few nodes in float16, for a GPU that replays it.

What the exported graph spells out (rotation, attention, norms) is one node of ONNX each here, and the adapter
runs on all rows with a gate: a GPU is bound by how many kernels it starts, not by rows. No node needs the
host, so that a pass of fixed sizes can be captured once and replayed (``engine.models.replayed``). The two
graphs are held together by `tests/parity/test_replayed.py`. Knows no files but the one that weights lie in.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from engine.denoising.top import KEPT
from export.config import ModelConfig
from export.graph_writer import INDEX, WHOLE, GraphWriter, graph_input
from export.model import DenoiserModel
from export.quantize import StoredTensor
from export.to_onnx import cache_names

OPSET = 24
"""The first whose ``TensorScatter`` writes new entries into a buffer."""

HALF = ir.DataType.FLOAT16


def gpu_graph(
    config: ModelConfig, plan: dict[str, StoredTensor], tied: dict[str, str], weights_file: str
) -> ir.Model:
    """The graph, bound to its weights.

    Inputs: ``ids [S]``, ``positions [S]``, ``first [1]`` (the buffer's column of the first row; the others
    follow), ``bias [S, C]`` float16, with an adapter ``gate [S, 1]`` float16, ``logit_rows [R]``,
    ``past_k_i`` and ``past_v_i [1, C, n_kv_heads * D]`` float16. Outputs: ``logits [R, n_vocab]`` float32,
    ``top_tokens [R, K]``, ``top_logits [R, K]`` float32 and ``norms [R]`` float32, the likeliest tokens of
    each row as in ``engine.denoising.top``, ``new [2 * n_layers, S, n_kv_heads * D]`` float16, keys and
    values layer by layer, and ``all_k_i`` and ``all_v_i``, which are to be given the memory of the buffers
    that came in.

    Args:
        config: the sizes.
        plan: where each parameter lies, all of them in float16.
        tied: parameter name to the name whose bytes it shares.
        weights_file: the file's name.
    """
    return _Writer(config, plan, tied, weights_file).write()


class _Writer(GraphWriter):
    def __init__(
        self, config: ModelConfig, plan: dict[str, StoredTensor], tied: dict[str, str], weights_file: str
    ) -> None:
        super().__init__(plan, weights_file)
        self._config, self._tied = config, tied
        self._gate: ir.Value | None = None

    def write(self) -> ir.Model:
        c = self._config
        ids, positions = graph_input("ids", ["S"], INDEX), graph_input("positions", ["S"], INDEX)
        first, wanted = graph_input("first", [1], INDEX), graph_input("logit_rows", ["R"], INDEX)
        bias, gate = graph_input("bias", ["S", "C"], HALF), graph_input("gate", ["S", 1], HALF)
        past = [
            graph_input(name, [1, "C", c.n_kv_heads * c.head_dim], HALF)
            for name in cache_names(c.n_layers, "past")
        ]
        self._gate = gate if c.adapter_rank else None
        x = self._embedded(ids)
        frequencies = DenoiserModel.inverse_frequencies(c).numpy()
        turn = [self.op("Cast", [part], to=int(HALF)) for part in self.rotary(positions, frequencies)]
        new: list[ir.Value] = []
        whole: list[ir.Value] = []
        for layer in range(c.n_layers):
            at = f"blocks.{layer}"
            buffers = past[2 * layer : 2 * layer + 2]
            mixed, entries, written = self._attended(x, f"{at}.attn", turn, first, bias, buffers)
            new += entries
            whole += written
            x = self._linear(mixed, f"{at}.attn.output", plus=x)
            normed = self._normed(x, f"{at}.ffn_norm")
            opened, up = self.split(self._linear(normed, f"{at}.ffn.gate_up"), [c.n_ffn, c.n_ffn])
            silu = self.op("Mul", [opened, self.op("Sigmoid", [opened])])
            x = self._linear(self.op("Mul", [silu, up]), f"{at}.ffn.down", plus=x)
        rows = self.op("Gather", [x, wanted], axis=0)
        scores = self.op("Gemm", [self._normed(rows, "norm"), self._weight("head.weight")], transB=1)
        logits = self.named("logits", self.op("Cast", [scores], to=int(WHOLE)), ["R", c.n_vocab], WHOLE)
        n_kept = min(KEPT, c.n_vocab)
        best, tokens = self.ops("TopK", [logits, self.sizes(n_kept)], 2, axis=-1)
        norms = self.op("ReduceLogSumExp", [logits, self.sizes(-1)], keepdims=0)
        said = [
            logits,
            self.named("top_tokens", tokens, ["R", n_kept], INDEX),
            self.named("top_logits", best, ["R", n_kept], WHOLE),
            self.named("norms", norms, ["R"], WHOLE),
        ]
        width = c.n_kv_heads * c.head_dim
        stacked = self.named("new", self.op("Concat", new, axis=0), [2 * c.n_layers, "S", width], HALF)
        for value, name in zip(whole, cache_names(c.n_layers, "all"), strict=True):
            self.named(name, value, [1, "C", width], HALF)
        inputs = [ids, positions, *([gate] if c.adapter_rank else []), bias, first, wanted, *past]
        return self.model(inputs, [*said, stacked, *whole], OPSET)

    def _embedded(self, ids: ir.Value) -> ir.Value:
        """Embeddings of ids ``[S]``, the mask's where an id is below zero ``[S, n_hidden]``."""
        table = self._weight("embedding.weight")
        if not self._config.adapter_rank:
            return self.op("Gather", [table, ids], axis=0)
        known, masked = self.known(ids)
        return self.op(
            "Where", [masked, self._weight("mask_embedding"), self.op("Gather", [table, known], axis=0)]
        )

    def _attended(
        self,
        x: ir.Value,
        name: str,
        turn: Sequence[ir.Value],
        first: ir.Value,
        bias: ir.Value,
        buffers: Sequence[ir.Value],
    ) -> tuple[ir.Value, list[ir.Value], list[ir.Value]]:
        """Attention's result ``[S, n_heads * D]``, new keys and values, and the buffers with them."""
        c = self._config
        width, kv_width = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
        heads = self.op(
            "Unsqueeze", [self._linear(self._normed(x, f"{name}_norm"), f"{name}.qkv"), self.sizes(0)]
        )
        query, key, value = self.split(heads, [width, kv_width, kv_width])
        query = self.op("RotaryEmbedding", [query, *turn], num_heads=c.n_heads)
        key = self.op("RotaryEmbedding", [key, *turn], num_heads=c.n_kv_heads)
        written = [
            self.op("TensorScatter", [buffer, entries, first], axis=-2)
            for buffer, entries in zip(buffers, (key, value), strict=True)
        ]
        mixed = self.op(
            "Attention",
            [query, *written, bias],
            q_num_heads=c.n_heads,
            kv_num_heads=c.n_kv_heads,
            scale=c.head_dim**-0.5,
        )
        return self.op("Squeeze", [mixed, self.sizes(0)]), [key, value], written

    def _linear(self, x: ir.Value, name: str, plus: ir.Value | None = None) -> ir.Value:
        """A layer with its gated delta, its bias or ``plus`` added in the same products."""
        bias = plus
        if f"{name}.bias" in self.plan:
            assert plus is None, name
            bias = self._weight(f"{name}.bias")
        added = [] if bias is None else [bias]
        y = self.op("Gemm", [x, self._weight(f"{name}.weight"), *added], transB=1)
        if self._gate is None:
            return y
        low = self.op("Gemm", [x, self._weight(f"{name}.lora_a")], transB=1)
        gated = self.op("Mul", [low, self._gate])
        return self.op("Gemm", [gated, self._weight(f"{name}.lora_b"), y], transB=1)

    def _normed(self, x: ir.Value, name: str) -> ir.Value:
        gain = self._weight(f"{name}.weight")
        return self.op("RMSNormalization", [x, gain], axis=-1, epsilon=self._config.norm_eps)

    def _weight(self, name: str) -> ir.Value:
        return self.stored(self._tied.get(name, name), "data")
