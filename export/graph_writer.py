"""What writes a graph of ONNX node by node: nodes, constants, and weights that lie in ``weights.bin``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from engine.weights.encodings import part_shapes
from export.quantize import StoredTensor

WHOLE, INDEX = ir.DataType.FLOAT, ir.DataType.INT64

CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


class GraphWriter:
    """A graph that is being written.

    Args:
        plan: where each parameter lies.
        weights_file: the file's name.
    """

    def __init__(self, plan: dict[str, StoredTensor], weights_file: str) -> None:
        self.plan, self._file = plan, weights_file
        self._tape = ir.tape.Tape()
        self._initializers: dict[str, ir.Value] = {}

    def op(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        domain: str = "",
        **attributes: float | Sequence[int],
    ) -> ir.Value:
        """The output of a new node."""
        return self._tape.op(op, inputs, attributes, domain=domain)

    def ops(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        n_outputs: int,
        domain: str = "",
        **attributes: float | Sequence[int],
    ) -> Sequence[ir.Value]:
        """The outputs of a new node."""
        return self._tape.op_multi_out(op, inputs, attributes, domain=domain, num_outputs=n_outputs)

    def known(self, ids: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Ids ``[S]`` with masks, which are below zero, as another token, and where they are ``[S, 1]``."""
        zero = self.constant("zero", np.int64(0))
        masked = self.op("Unsqueeze", [self.op("Less", [ids, zero]), self.sizes(1)])
        return self.op("Max", [ids, zero]), masked

    def rotary(self, positions: ir.Value, frequencies: np.ndarray) -> tuple[ir.Value, ir.Value]:
        """Cosines and sines of the angles of positions ``[S]``, each ``[1, S, head_dim / 2]``."""
        column = self.op("Unsqueeze", [self.op("Cast", [positions], to=int(WHOLE)), self.sizes(0, 2)])
        angles = self.op("Mul", [column, self.constant("inv_freq", frequencies)])
        return self.op("Cos", [angles]), self.op("Sin", [angles])

    def split(self, x: ir.Value, widths: Sequence[int], axis: int = -1) -> Sequence[ir.Value]:
        """Parts of an axis."""
        return self.ops("Split", [x, self.sizes(*widths)], len(widths), axis=axis)

    def reshaped(self, x: ir.Value, *shape: int) -> ir.Value:
        """Values in another shape; -1 for what is left, 0 for what that axis had."""
        return self.op("Reshape", [x, self.sizes(*shape)])

    def sizes(self, *sizes: int) -> ir.Value:
        """Whole numbers as an input."""
        return self.constant(f"sizes.{'x'.join(map(str, sizes))}", np.array(sizes, dtype=np.int64))

    def constant(self, name: str, value: np.ndarray | np.generic) -> ir.Value:
        """A value that lies in the graph, made once."""
        if name not in self._initializers:
            self._initializers[name] = self._tape.initializer(ir.tensor(np.asarray(value), name=name))
        return self._initializers[name]

    def stored(self, name: str, part: str, shape: Sequence[int] | None = None) -> ir.Value:
        """A part of a parameter as it lies in the weights file.

        Args:
            name, part: of the parameter, and of what is stored of it.
            shape: where the graph wants another one.
        """
        stored = self.plan[name]
        key = name if part == "data" else f"{name}.{part}"
        if key not in self._initializers:
            (own, dtype), place = part_shapes(stored.shape, stored.encoding)[part], stored.parts[part]
            shape = own if shape is None else shape
            kind = ir.DataType.from_numpy(np.dtype(dtype))
            assert math.prod(shape) * np.dtype(dtype).itemsize == place.n_bytes, key
            tensor = ir.ExternalTensor(
                self._file, place.offset, place.n_bytes, kind, shape=ir.Shape(shape), name=key
            )
            self._initializers[key] = self._tape.initializer(tensor)
        return self._initializers[key]

    @staticmethod
    def named(name: str, value: ir.Value, shape: Sequence[int | str], kind: ir.DataType) -> ir.Value:
        """A value as an output of the graph."""
        value.name, value.shape, value.type = name, ir.Shape(shape), ir.TensorType(kind)
        return value

    def model(self, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], opset: int) -> ir.Model:
        """What was written."""
        graph = ir.Graph(
            inputs,
            outputs,
            nodes=self._tape.nodes,
            initializers=self._tape.initializers,
            opset_imports={"": opset, CONTRIB: 1},
            name="denoiser",
        )
        return ir.Model(graph, ir_version=11)


def graph_input(name: str, shape: Sequence[int | str], kind: ir.DataType) -> ir.Value:
    """An input of a graph."""
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(kind))
