"""The decoder of ``export.model`` as a graph of few nodes in float16, for a GPU that replays it.

What the exported graph spells out (rotation, attention, norms) is one node of ONNX each here, and the adapter
runs on all rows with a gate: a GPU is bound by how many kernels it starts, not by rows. No node needs the
host, so that a pass of fixed sizes can be captured once and replayed (``engine.models.replayed``). The two
graphs are held together by `tests/parity/test_replayed.py`. Knows no files but the one that weights lie in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.config import ModelConfig
from export.model import DenoiserModel
from export.quantize import StoredTensor
from export.to_onnx import cache_names

OPSET = 24
"""The first whose ``TensorScatter`` writes new entries into a buffer."""

HALF, WHOLE, INDEX = ir.DataType.FLOAT16, ir.DataType.FLOAT, ir.DataType.INT64


def gpu_graph(
    config: ModelConfig, plan: dict[str, StoredTensor], tied: dict[str, str], weights_file: str
) -> ir.Model:
    """The graph, bound to its weights.

    Inputs: ``ids [S]``, ``positions [S]``, ``first [1]`` (the buffer's column of the first row; the others
    follow), ``bias [S, C]`` float16, with an adapter ``gate [S, 1]`` float16, ``logit_rows [R]``,
    ``past_k_i`` and ``past_v_i [1, C, n_kv_heads * D]`` float16. Outputs: ``logits [R, n_vocab]`` float32,
    ``new [2 * n_layers, S, n_kv_heads * D]`` float16, keys and values layer by layer, and ``all_k_i`` and
    ``all_v_i``, which are to be given the memory of the buffers that came in.

    Args:
        config: the sizes.
        plan: where each parameter lies, all of them in float16.
        tied: parameter name to the name whose bytes it shares.
        weights_file: the file's name.
    """
    return _Writer(config, plan, tied, weights_file).write()


class _Writer:
    def __init__(
        self, config: ModelConfig, plan: dict[str, StoredTensor], tied: dict[str, str], weights_file: str
    ) -> None:
        self._config, self._plan, self._tied, self._file = config, plan, tied, weights_file
        self._tape = ir.tape.Tape()
        self._gate: ir.Value | None = None

    def write(self) -> ir.Model:
        c = self._config
        ids, positions = _input("ids", ["S"], INDEX), _input("positions", ["S"], INDEX)
        first, wanted = _input("first", [1], INDEX), _input("logit_rows", ["R"], INDEX)
        bias, gate = _input("bias", ["S", "C"], HALF), _input("gate", ["S", 1], HALF)
        past = [
            _input(name, [1, "C", c.n_kv_heads * c.head_dim], HALF)
            for name in cache_names(c.n_layers, "past")
        ]
        self._gate = gate if c.adapter_rank else None
        x = self._embedded(ids)
        turn = self._turn(positions)
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
            opened, up = self._split(self._linear(normed, f"{at}.ffn.gate_up"), [c.n_ffn, c.n_ffn])
            silu = self._op("Mul", [opened, self._op("Sigmoid", [opened])])
            x = self._linear(self._op("Mul", [silu, up]), f"{at}.ffn.down", plus=x)
        rows = self._op("Gather", [x, wanted], axis=0)
        scores = self._op("Gemm", [self._normed(rows, "norm"), self._weight("head.weight")], transB=1)
        logits = self._named("logits", self._op("Cast", [scores], to=int(WHOLE)), ["R", c.n_vocab], WHOLE)
        width = c.n_kv_heads * c.head_dim
        stacked = self._named("new", self._op("Concat", new, axis=0), [2 * c.n_layers, "S", width], HALF)
        for value, name in zip(whole, cache_names(c.n_layers, "all"), strict=True):
            self._named(name, value, [1, "C", width], HALF)
        graph = ir.Graph(
            [ids, positions, *([gate] if c.adapter_rank else []), bias, first, wanted, *past],
            [logits, stacked, *whole],
            nodes=self._tape.nodes,
            initializers=self._tape.initializers,
            opset_imports={"": OPSET},
            name="denoiser",
        )
        return ir.Model(graph, ir_version=11)

    def _embedded(self, ids: ir.Value) -> ir.Value:
        """Embeddings of ids ``[S]``, the mask's where an id is below zero ``[S, n_hidden]``."""
        table, zero = self._weight("embedding.weight"), self._constant("zero", np.int64(0))
        if not self._config.adapter_rank:
            return self._op("Gather", [table, ids], axis=0)
        known = self._op("Gather", [table, self._op("Max", [ids, zero])], axis=0)
        masked = self._op("Unsqueeze", [self._op("Less", [ids, zero]), self._axis(1)])
        return self._op("Where", [masked, self._weight("mask_embedding"), known])

    def _turn(self, positions: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Cosines and sines of the rotary angles ``[1, S, head_dim / 2]``."""
        frequencies = DenoiserModel.inverse_frequencies(self._config).numpy()[None]
        column = self._op("Unsqueeze", [self._op("Cast", [positions], to=int(WHOLE)), self._axis(1)])
        angles = self._op("Mul", [column, self._constant("inv_freq", frequencies)])
        angles = self._op("Unsqueeze", [angles, self._axis(0)])
        cos, sin = (
            self._op("Cast", [self._op(function, [angles])], to=int(HALF)) for function in ("Cos", "Sin")
        )
        return cos, sin

    def _attended(
        self,
        x: ir.Value,
        name: str,
        turn: tuple[ir.Value, ir.Value],
        first: ir.Value,
        bias: ir.Value,
        buffers: Sequence[ir.Value],
    ) -> tuple[ir.Value, list[ir.Value], list[ir.Value]]:
        """Attention's result ``[S, n_heads * D]``, new keys and values, and the buffers with them."""
        c = self._config
        width, kv_width = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
        heads = self._op(
            "Unsqueeze", [self._linear(self._normed(x, f"{name}_norm"), f"{name}.qkv"), self._axis(0)]
        )
        query, key, value = self._split(heads, [width, kv_width, kv_width])
        query = self._op("RotaryEmbedding", [query, *turn], num_heads=c.n_heads)
        key = self._op("RotaryEmbedding", [key, *turn], num_heads=c.n_kv_heads)
        written = [
            self._op("TensorScatter", [buffer, entries, first], axis=-2)
            for buffer, entries in zip(buffers, (key, value), strict=True)
        ]
        mixed = self._op(
            "Attention",
            [query, *written, bias],
            q_num_heads=c.n_heads,
            kv_num_heads=c.n_kv_heads,
            scale=c.head_dim**-0.5,
        )
        return self._op("Squeeze", [mixed, self._axis(0)]), [key, value], written

    def _linear(self, x: ir.Value, name: str, plus: ir.Value | None = None) -> ir.Value:
        """A layer with its gated delta, its bias or ``plus`` added in the same products."""
        bias = plus
        if f"{name}.bias" in self._plan:
            assert plus is None, name
            bias = self._weight(f"{name}.bias")
        added = [] if bias is None else [bias]
        y = self._op("Gemm", [x, self._weight(f"{name}.weight"), *added], transB=1)
        if self._gate is None:
            return y
        low = self._op("Gemm", [x, self._weight(f"{name}.lora_a")], transB=1)
        gated = self._op("Mul", [low, self._gate])
        return self._op("Gemm", [gated, self._weight(f"{name}.lora_b"), y], transB=1)

    def _normed(self, x: ir.Value, name: str) -> ir.Value:
        gain = self._weight(f"{name}.weight")
        return self._op("RMSNormalization", [x, gain], axis=-1, epsilon=self._config.norm_eps)

    def _split(self, x: ir.Value, widths: Sequence[int]) -> Sequence[ir.Value]:
        """Parts of the last axis."""
        name = "x".join(map(str, widths))
        sizes = self._constant(f"widths.{name}", np.array(widths, dtype=np.int64))
        return self._tape.op_multi_out("Split", [x, sizes], {"axis": -1}, num_outputs=len(widths))

    def _op(self, op: str, inputs: Sequence[ir.Value], **attributes: float) -> ir.Value:
        return self._tape.op(op, inputs, attributes)

    def _axis(self, axis: int) -> ir.Value:
        return self._constant(f"axis.{axis}", np.array([axis], dtype=np.int64))

    def _constant(self, name: str, value: np.ndarray | np.generic) -> ir.Value:
        return self._initializer(name, ir.tensor(np.asarray(value), name=name))

    def _weight(self, name: str) -> ir.Value:
        stored = self._plan[self._tied.get(name, name)]
        place = stored.parts["data"]
        shape = ir.Shape(stored.shape)
        tensor = ir.ExternalTensor(
            self._file, place.offset, place.n_bytes, HALF, shape=shape, name=stored.name
        )
        return self._initializer(stored.name, tensor)

    def _initializer(self, name: str, tensor: ir.TensorProtocol) -> ir.Value:
        """A constant or a parameter, made once."""
        known = next((value for value in self._tape.initializers if value.name == name), None)
        return known or self._tape.initializer(tensor, name=name)

    @staticmethod
    def _named(name: str, value: ir.Value, shape: Sequence[int | str], kind: ir.DataType) -> ir.Value:
        """An output of the graph."""
        value.name, value.shape, value.type = name, ir.Shape(shape), ir.TensorType(kind)
        return value


def _input(name: str, shape: Sequence[int | str], kind: ir.DataType) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(kind))
