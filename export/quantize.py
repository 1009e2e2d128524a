"""An exported graph to one whose weights are read, quantized or not, from ``weights.bin``.

Matrix products with a stored matrix become `com.microsoft.MatMulNBits`; the embedding look-up becomes
`com.microsoft.GatherBlockQuantized`, which reads the head's bytes where the two are tied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from engine.weights.encodings import (
    BLOCK,
    WHOLE_COLUMNS,
    Encoding,
    Quantization,
    part_shapes,
)
from engine.weights.rotation import UNTURNED, Turn

ALIGNMENT = 4096
"""Every part starts at a page, so that it can be mapped."""

EMBEDDING = "embedding.weight"

ACCURACY_INT8 = 4
"""MatMulNBits: activations are quantized to int8 in blocks, which the integer kernels need."""


@dataclass(frozen=True, slots=True)
class Part:
    """Where one stored part of a tensor lies."""

    offset: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of ``weights.bin``.

    Attributes:
        name: parameter name.
        shape: of the float matrix.
        encoding: how it is stored.
        parts: where, by part name.
        turn: what is done to it before.
    """

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    parts: dict[str, Part]
    turn: Turn = UNTURNED


def plan_weights(
    shapes: dict[str, tuple[int, ...]], quantization: Quantization
) -> tuple[dict[str, StoredTensor], int]:
    """Lay the tensors out one after another; vectors stay float32, but for ``g16``.

    Returns:
        the tensors by name, and the size of the file in bytes.
    """
    end = 0
    plan: dict[str, StoredTensor] = {}
    for name, shape in shapes.items():
        chosen: Encoding = "f16"
        if quantization != "g16":
            chosen = quantization if len(shape) == 2 else "f32"
        if chosen in ("q8", "q4") and (shape[1] % BLOCK or ".router." in name):
            chosen = "f32"  # no whole number of blocks; or small, and what it decides is discrete
        if chosen in WHOLE_COLUMNS and name == EMBEDDING:
            chosen = "q8"  # looked up by row, not column
        if ".lora_" in name and chosen not in ("f32", "f16"):  # small, and read once a row
            chosen = "q8" if shape[1] % BLOCK == 0 else "f32"
        parts: dict[str, Part] = {}
        for part, (part_shape, dtype) in part_shapes(shape, chosen).items():
            n_bytes = math.prod(part_shape) * np.dtype(dtype).itemsize
            parts[part] = Part(end, n_bytes)
            end += -(-n_bytes // ALIGNMENT) * ALIGNMENT
        plan[name] = StoredTensor(name, shape, chosen, parts)
    return plan, end


class WeightBinder:
    """Replaces a graph's parameters by references into ``weights.bin``.

    Args:
        model: the exported graph; changed in place.
        plan: where each tensor lies.
        weights_file: file name the graph refers to.
        tied: parameter name to the name whose bytes it shares.
    """

    def __init__(
        self, model: ir.Model, plan: dict[str, StoredTensor], weights_file: str, tied: dict[str, str]
    ) -> None:
        self._graph = model.graph
        self._plan = plan
        self._file = weights_file
        self._tied = tied
        model.opset_imports["com.microsoft"] = 1

    def bind(self) -> None:
        """Rewrite every use of a stored parameter."""
        names = {*self._plan, *self._tied}
        for name in names:
            self._graph.initializers.pop(name)
        for node in list(self._graph):
            for index, value in enumerate(node.inputs):
                if value is not None and value.name in names:
                    self._bind_use(node, index, value)

    def _bind_use(self, node: ir.Node, index: int, value: ir.Value) -> None:
        assert value.name is not None
        stored = self._plan[self._tied.get(value.name, value.name)]
        if stored.encoding == "f32":
            node.replace_input_with(index, self._initializer(value.name, stored, "data", stored.shape))
        elif stored.encoding == "f16":
            node.replace_input_with(index, self._widened(node, value.name, stored))
        elif node.op_type == "Gemm":
            self._to_matmul_nbits(node, value.name, stored)
        else:
            assert node.op_type == "Gather" and index == 0, f"{value.name} is used by {node.op_type}"
            self._to_gather_block_quantized(node, value.name, stored)

    def _widened(self, node: ir.Node, name: str, stored: StoredTensor) -> ir.Value:
        """A float16 tensor as float32, widened once where it is used."""
        narrow = self._initializer(f"{name}.f16", stored, "data", stored.shape)
        to = ir.DataType.FLOAT
        cast = ir.node("Cast", [narrow], {"to": int(to)}, name=f"{node.name}_{name}_widened")
        wide = cast.outputs[0]
        wide.name, wide.shape, wide.type = (
            f"{node.name}_{name}_f32",
            ir.Shape(stored.shape),
            ir.TensorType(to),
        )
        self._graph.insert_before(node, cast)
        return wide

    def _to_matmul_nbits(self, node: ir.Node, name: str, stored: StoredTensor) -> None:
        rows, columns = stored.shape
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        inputs = [
            node.inputs[0],
            self._initializer(f"{name}.codes", stored, "codes"),
            self._initializer(f"{name}.scales", stored, "scales", (rows, columns // BLOCK)),
        ]
        attributes = {
            "K": columns,
            "N": rows,
            "bits": _bits(stored.encoding),
            "block_size": BLOCK,
            "accuracy_level": ACCURACY_INT8,
        }
        self._replace(
            node, "MatMulNBits", inputs if bias is None else [*inputs, None, None, bias], attributes
        )

    def _to_gather_block_quantized(self, node: ir.Node, name: str, stored: StoredTensor) -> None:
        rows, columns = stored.shape
        bits = _bits(stored.encoding)
        inputs = [
            self._initializer(f"{name}.codes", stored, "codes", (rows, columns * bits // 8)),
            node.inputs[1],
            self._initializer(f"{name}.scales", stored, "scales"),
        ]
        attributes = {"bits": bits, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
        self._replace(node, "GatherBlockQuantized", inputs, attributes)

    def _replace(
        self,
        node: ir.Node,
        op: str,
        inputs: list[ir.Value | None],
        attributes: dict[str, int],
        domain: str = "com.microsoft",
    ) -> None:
        new = ir.node(op, inputs, attributes, domain=domain, name=node.name)
        output, replaced = new.outputs[0], node.outputs[0]
        output.name, output.shape, output.type = replaced.name, replaced.shape, replaced.type
        ir.convenience.replace_nodes_and_values(self._graph, node, [node], [new], [replaced], [output])

    def _initializer(
        self, name: str, stored: StoredTensor, part: str, shape: tuple[int, ...] | None = None
    ) -> ir.Value:
        default_shape, dtype = part_shapes(stored.shape, stored.encoding)[part]
        return self._external(name, stored.parts[part], dtype, shape or default_shape)

    def _external(self, name: str, place: Part, dtype: str, shape: tuple[int, ...]) -> ir.Value:
        """An initializer that lies in the weights file, made once."""
        if name in self._graph.initializers:
            return self._graph.initializers[name]
        tensor = ir.ExternalTensor(
            self._file,
            place.offset,
            place.n_bytes,
            ir.DataType.from_numpy(np.dtype(dtype)),
            shape=ir.Shape(shape),
            name=name,
        )
        value = ir.Value(
            name=name, shape=ir.Shape(shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        self._graph.register_initializer(value)
        return value


def _bits(encoding: Encoding) -> int:
    return {"q8": 8, "q4": 4}[encoding]
