"""The decoder of ``export.model`` as a graph of int8 products, for processors.

Nearly all of a pass is products with the base's weights, and a product of bytes is the quickest there is.
What large channels would lose by it is kept by rotations (``engine.weights.rotation``): the residual stream
is rotated as a whole, which its norms do not notice and the matrices around it undo, and so are the rows that
the down projection reads, by a small product of their own. Behind a norm values then lie so close together
that one scale does for all rows; elsewhere each row has its own. Either way a row's result depends on no
other row, to the bit.

Inputs and outputs are those of ``export.to_onnx`` once ``export.in_place`` has seen it. The two are held
together by `tests/parity`. For the base alone, with an adapter or without.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from engine.weights.encodings import BLOCK, MIDDLE, Encoding
from engine.weights.rotation import Turn, block_size, walsh_hadamard
from export.base import weight_sources
from export.config import ModelConfig
from export.graph_writer import CONTRIB, INDEX, WHOLE, GraphWriter, graph_input
from export.model import DenoiserModel
from export.quantize import ACCURACY_INT8, StoredTensor
from export.to_onnx import cache_names

OPSET = 23
"""The first with ``RotaryEmbedding``."""

MOST_HIDDEN, MOST_INNER = 128, 64
"""The largest blocks in which the residual stream and the rows of the down projection are rotated; the latter
while a pass runs."""

REACH = 4.5
"""Where values behind a norm are cut off, in units of their root mean square. Chosen by divergence from the
float32 model (results log)."""

_OF_BLOCK = re.compile(r"blocks\.(\d+)\.(attn|ffn)\.(\w+)\.(\w+)")


def int8_sources(n_layers: int) -> dict[str, tuple[str, ...]]:
    """``weight_sources`` with gains as part of the matrices behind them, and gate and up projection apart."""
    sources: dict[str, tuple[str, ...]] = {}
    for name, parts in weight_sources(n_layers).items():
        if name.endswith("ffn.gate_up.weight"):
            for part, source in zip(("gate", "up"), parts, strict=True):
                sources[name.replace("gate_up", part)] = (source,)
        elif not name.endswith("norm.weight"):
            sources[name] = parts
    return sources


def turned(name: str, config: ModelConfig) -> Turn:
    """What is done to a parameter before it is stored."""
    hidden, inner = block_size(config.n_hidden, MOST_HIDDEN), block_size(config.n_ffn, MOST_INNER)
    if name in ("embedding.weight", "mask_embedding"):
        return Turn(columns=hidden)
    if name == "head.weight":
        return Turn("output_norm.weight", columns=hidden)
    found = _OF_BLOCK.fullmatch(name)
    assert found, name
    block, part, layer, kind = found.groups()
    reads, writes = kind in ("weight", "lora_a"), kind in ("weight", "lora_b")
    if layer in ("output", "down"):
        turned_in = reads and layer == "down"
        return Turn(columns=inner if turned_in else 1, rows=hidden if writes else 1)
    return Turn(f"blk.{block}.{part}_norm.weight", columns=hidden) if reads else Turn()


def int8_plan(plan: dict[str, StoredTensor], config: ModelConfig) -> dict[str, StoredTensor]:
    """Where parameters lie, and what is done to them before."""
    return {name: replace(stored, turn=turned(name, config)) for name, stored in plan.items()}


def int8_graph(config: ModelConfig, plan: dict[str, StoredTensor], weights_file: str) -> ir.Model:
    """The graph, bound to its weights.

    Inputs: ``ids [S]``, ``positions [S]``, with an adapter ``canvas_rows [G, 1]``, ``bias [S, C]``,
    ``places [n_kv_heads, S, 2]``, ``logit_rows [R]``, ``past_k_i`` and ``past_v_i [n_kv_heads, C, D]``.
    Outputs: ``logits [R, n_vocab]``, ``new_k_i`` and ``new_v_i [n_kv_heads, S, D]``, and ``all_k_i`` and
    ``all_v_i``, which may have the memory of the buffers that came in.

    Args:
        config: the sizes.
        plan: where each parameter lies (``int8_plan``).
        weights_file: the file's name.
    """
    return _Writer(config, plan, weights_file).write()


class _Writer(GraphWriter):
    def __init__(self, config: ModelConfig, plan: dict[str, StoredTensor], weights_file: str) -> None:
        super().__init__(plan, weights_file)
        self._config = config
        self._canvas: ir.Value | None = None
        self._one = self.constant("one", np.float32(1))
        self._middle = self.constant("middle", np.uint8(MIDDLE))
        self._step = self.constant("reach", np.float32(REACH / 127))

    def write(self) -> ir.Model:
        c = self._config
        ids, positions = graph_input("ids", ["S"], INDEX), graph_input("positions", ["S"], INDEX)
        canvas = graph_input("canvas_rows", ["G", 1], INDEX)
        bias, wanted = graph_input("bias", ["S", "C"], WHOLE), graph_input("logit_rows", ["R"], INDEX)
        places = graph_input("places", [c.n_kv_heads, "S", 2], INDEX)
        buffers = [
            graph_input(name, [c.n_kv_heads, "C", c.head_dim], WHOLE)
            for name in cache_names(c.n_layers, "past")
        ]
        self._canvas = canvas if c.adapter_rank else None
        angles = self.rotary(positions, DenoiserModel.inverse_frequencies(c).numpy())
        x, delta = self._embedded(ids), None
        new: list[ir.Value] = []
        whole: list[ir.Value] = []
        for layer in range(c.n_layers):
            at = f"blocks.{layer}"
            normed, x = self._normed(x, delta)
            heads = self._linear(normed, f"{at}.attn.qkv")
            own = buffers[2 * layer : 2 * layer + 2]
            mixed, entries, written = self._attended(heads, angles, bias, places, own)
            new += entries
            whole += written
            normed, x = self._normed(x, self._scaled(mixed, f"{at}.attn.output"))
            delta = self._scaled(self._activated(normed, f"{at}.ffn"), f"{at}.ffn.down")
        assert delta is not None
        rows = self.op("Gather", [self.op("Add", [x, delta]), wanted], axis=0)
        normed, _ = self._normed(rows, None)
        logits = self._product(self._fixed(normed), "head", self._step)
        for kind, values, length in (("new", new, "S"), ("all", whole, "C")):
            for value, name in zip(values, cache_names(c.n_layers, kind), strict=True):
                self.named(name, value, [c.n_kv_heads, length, c.head_dim], WHOLE)
        outputs = [self.named("logits", logits, ["R", c.n_vocab], WHOLE), *new, *whole]
        inputs = [ids, positions, *([canvas] if c.adapter_rank else []), bias, places, wanted, *buffers]
        return self.model(inputs, outputs, OPSET)

    def _embedded(self, ids: ir.Value) -> ir.Value:
        """Embeddings of ids ``[S]``, the mask's where an id is below zero ``[S, n_hidden]``."""
        known, masked = self.known(ids) if self._canvas is not None else (ids, None)
        rows, columns = self.plan["embedding.weight"].shape
        codes = self.stored("embedding.weight", "codes", (rows, columns))
        scales = self.stored("embedding.weight", "scales")
        embedded = self.op(
            "GatherBlockQuantized",
            [codes, known, scales],
            CONTRIB,
            bits=8,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=1,
        )
        if masked is None:
            return embedded
        return self.op("Where", [masked, self.stored("mask_embedding", "data"), embedded])

    def _normed(self, x: ir.Value, delta: ir.Value | None) -> tuple[ir.Value, ir.Value]:
        """The sum of both, normalised, and the sum itself."""
        c = self._config
        ones = self.constant("ones", np.ones(c.n_hidden, dtype=np.float32))
        if delta is None:
            normed = self.op(
                "SimplifiedLayerNormalization", [x, ones], axis=-1, epsilon=c.norm_eps, stash_type=1
            )
            return normed, x
        normed, _, _, total = self.ops(
            "SkipSimplifiedLayerNormalization", [x, delta, ones], 4, CONTRIB, epsilon=c.norm_eps
        )
        return normed, total

    def _attended(
        self,
        heads: ir.Value,
        angles: Sequence[ir.Value],
        bias: ir.Value,
        places: ir.Value,
        buffers: Sequence[ir.Value],
    ) -> tuple[ir.Value, list[ir.Value], list[ir.Value]]:
        """Attention's result ``[S, n_heads * D]``, new keys and values, and the buffers with them."""
        c = self._config
        n_turned = c.n_heads + c.n_kv_heads
        by_head = self.op(
            "Transpose", [self.reshaped(heads, -1, n_turned + c.n_kv_heads, c.head_dim)], perm=[1, 0, 2]
        )
        mixed, values = self.split(by_head, [n_turned, c.n_kv_heads], axis=0)
        batch = self.op("Unsqueeze", [mixed, self.sizes(0)])
        rotated = self.op("Squeeze", [self.op("RotaryEmbedding", [batch, *angles]), self.sizes(0)])
        query, keys = self.split(rotated, [c.n_heads, c.n_kv_heads], axis=0)
        all_keys, all_values = (
            self.op("ScatterND", [buffer, places, entries])
            for buffer, entries in zip(buffers, (keys, values), strict=True)
        )
        # Query heads that share a key head stand together: one product per key head, nothing repeated.
        grouped = self.reshaped(query, c.n_kv_heads, -1, c.head_dim)
        scores = self.op("FusedMatMul", [grouped, all_keys], CONTRIB, transB=1, alpha=c.head_dim**-0.5)
        seen = self.op("Add", [self.reshaped(scores, c.n_heads, -1, 0), bias])
        weights = self.reshaped(self.op("Softmax", [seen], axis=-1), c.n_kv_heads, -1, 0)
        mixed = self.reshaped(self.op("MatMul", [weights, all_values]), c.n_heads, -1, c.head_dim)
        rows = self.reshaped(self.op("Transpose", [mixed], perm=[1, 0, 2]), -1, c.n_heads * c.head_dim)
        return rows, [keys, values], [all_keys, all_values]

    def _activated(self, normed: ir.Value, name: str) -> ir.Value:
        """What the down projection reads, rotated ``[S, n_ffn]``."""
        c = self._config
        codes, delta = self._fixed(normed), self._delta(normed, f"{name}.gate_up")
        deltas = [None, None] if delta is None else self.split(delta, [c.n_ffn, c.n_ffn])
        opened, up = (
            self._added(self._product(codes, f"{name}.{part}", self._step), own)
            for part, own in zip(("gate", "up"), deltas, strict=True)
        )
        inner = self.op("Mul", [self.op("QuickGelu", [opened], CONTRIB, alpha=1.0), up])
        size = block_size(c.n_ffn, MOST_INNER)
        rotation = self.constant("rotation", walsh_hadamard(size))
        return self.reshaped(self.op("MatMul", [self.reshaped(inner, -1, size), rotation]), -1, c.n_ffn)

    def _fixed(self, normed: ir.Value) -> ir.Value:
        """Rows behind a norm as codes, all with the same scale."""
        return self.op("QuantizeLinear", [normed, self._step, self._middle])

    def _linear(self, normed: ir.Value, name: str) -> ir.Value:
        """A layer behind a norm."""
        product = self._product(self._fixed(normed), name, self._step)
        return self._added(product, self._delta(normed, name))

    def _scaled(self, rows: ir.Value, name: str) -> ir.Value:
        """A layer whose rows have scales of their own: the largest value of each is 127 from the middle."""
        largest = self.op("ReduceMax", [self.op("Abs", [rows]), self.sizes(-1)])
        least, step = self.constant("least", np.float32(1e-9)), self.constant("step", np.float32(1 / 127))
        scale = self.op("Mul", [self.op("Max", [largest, least]), step])
        codes = self.op("QuantizeLinear", [self.op("Div", [rows, scale]), self._one, self._middle])
        y = self.op("Mul", [self._product(codes, name, self._one), scale])
        return self._added(y, self._delta(rows, name))

    def _product(self, codes: ir.Value, name: str, scale: ir.Value) -> ir.Value:
        """Rows of codes times a stored matrix, with its bias if it has one."""
        weight = f"{name}.weight"
        unsigned = self.plan[weight].encoding == "u8"
        bias = self.stored(f"{name}.bias", "data") if f"{name}.bias" in self.plan else None
        inputs = [codes, self.stored(weight, "codes"), scale, self.stored(weight, "scales"), self._middle]
        inputs += [self._middle if unsigned else None, bias]
        while inputs[-1] is None:
            inputs.pop()
        return self.op("MatMulIntegerToFloat", inputs, CONTRIB)

    def _delta(self, rows: ir.Value, name: str) -> ir.Value | None:
        """What the adapter adds to a layer on the rows of the canvas ``[G, n_outputs]``; None without one."""
        if self._canvas is None:
            return None
        own = self.op("GatherND", [rows, self._canvas])
        return self._low(self._low(own, f"{name}.lora_a"), f"{name}.lora_b")

    def _low(self, rows: ir.Value, name: str) -> ir.Value:
        """A product with a matrix of the adapter."""
        stored = self.plan[name]
        encoding: Encoding = stored.encoding
        if encoding == "f32":
            return self.op("Gemm", [rows, self.stored(name, "data")], transB=1)
        n_outputs, n_columns = stored.shape
        scales = self.stored(name, "scales", (n_outputs, n_columns // BLOCK))
        return self.op(
            "MatMulNBits",
            [rows, self.stored(name, "codes"), scales],
            CONTRIB,
            K=n_columns,
            N=n_outputs,
            bits=8,
            block_size=BLOCK,
            accuracy_level=ACCURACY_INT8,
        )

    def _added(self, y: ir.Value, delta: ir.Value | None) -> ir.Value:
        """A layer's rows, and on those of the canvas what the adapter adds."""
        if delta is None:
            return y
        return self.op("ScatterND", [y, self._canvas, delta], reduction="add")
