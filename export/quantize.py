"""An exported graph to one whose weights are read, quantized or not, from ``weights.bin``.

Matrix products with a stored matrix become `com.microsoft.MatMulNBits`, with ``d8`` and ``u8``
`MatMulIntegerToFloat` behind operations that quantize its rows; the embedding look-up becomes
`com.microsoft.GatherBlockQuantized`, which reads the head's bytes where the two are tied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from engine.weights.encodings import (
    BLOCK,
    MIDDLE,
    WHOLE_COLUMNS,
    Encoding,
    Quantization,
    n_groups,
    part_shapes,
)

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
    """

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    parts: dict[str, Part]


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
        if chosen in WHOLE_COLUMNS and (name == EMBEDDING or ".qkv." in name):
            chosen = "q8"  # looked up by row, not column; or small, and scores depend on it most
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
        self._n_inserted = 0
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
        elif node.op_type == "Gemm" and stored.encoding in WHOLE_COLUMNS:
            self._to_int8_product(node, value.name, stored)
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

    def _to_int8_product(self, node: ir.Node, name: str, stored: StoredTensor) -> None:
        """An int8 product whose rows each have scales of their own, so that none depends on another.

        The rows are uint8 around 128: ONNX Runtime has its quick kernels for those. Each group of columns is
        a product by itself; the sum of all is taken behind the scales.
        """
        rows = node.inputs[0]
        assert rows is not None
        count = n_groups(stored.shape[1])
        if count == 1:
            codes, scale = self._quantized(node, rows)
            scaled = self._insert(node, "Mul", [self._product(node, codes, name, stored, 0), scale])
        else:
            n_outputs, width = stored.shape[0], stored.shape[1] // count
            grouped = self._reshaped(node, rows, (-1, count, width))
            codes, scale = self._quantized(node, grouped)
            flat = self._reshaped(node, codes, (-1, stored.shape[1]))
            parts = self._split(node, flat, count, axis=1)
            products = [self._product(node, part, name, stored, at) for at, part in enumerate(parts)]
            side_by_side = self._insert(node, "Concat", products, axis=-1)
            stacked = self._reshaped(node, side_by_side, (-1, count, n_outputs))
            weighed = self._insert(node, "Mul", [stacked, scale])
            # ReduceSum adds one row up in another order than several.
            terms = self._split(node, weighed, count, axis=1)
            scaled = self._reshaped(node, self._insert(node, "Sum", terms), (-1, n_outputs))
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is None:
            self._replace(node, "Identity", [scaled], {}, domain="")
        else:
            self._replace(node, "Add", [scaled, bias], {}, domain="")

    def _quantized(self, node: ir.Node, rows: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Rows as codes, the largest value of each being 127 from the middle, and their scales."""
        largest = self._insert(
            node,
            "ReduceMax",
            [self._insert(node, "Abs", [rows]), self._constant("last_axis", np.array([-1]))],
        )
        least, step = self._constant("least", np.float32(1e-9)), self._constant("step", np.float32(1 / 127))
        scale = self._insert(node, "Mul", [self._insert(node, "Max", [largest, least]), step])
        one, middle = self._constant("one", np.float32(1)), self._constant("middle", np.uint8(MIDDLE))
        scaled = self._insert(node, "Div", [rows, scale])
        return self._insert(node, "QuantizeLinear", [scaled, one, middle]), scale

    def _product(
        self, node: ir.Node, codes: ir.Value, name: str, stored: StoredTensor, group: int
    ) -> ir.Value:
        """Rows of codes times one group of a stored matrix's columns; the rows' scales are left out."""
        one, middle = self._constant("one", np.float32(1)), self._constant("middle", np.uint8(MIDDLE))
        matrix, scales = (self._group(name, stored, part, group) for part in ("codes", "scales"))
        inputs = [codes, matrix, one, scales, middle, *([middle] if stored.encoding == "u8" else [])]
        return self._insert(node, "MatMulIntegerToFloat", inputs, domain="com.microsoft")

    def _reshaped(self, node: ir.Node, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        target = self._constant("x".join(map(str, shape)), np.array(shape))
        return self._insert(node, "Reshape", [value, target])

    def _split(self, node: ir.Node, value: ir.Value, count: int, *, axis: int) -> list[ir.Value]:
        """Equal parts of a value along an axis."""
        self._n_inserted += 1
        name = f"{node.name}_Split_{self._n_inserted}"
        new = ir.node("Split", [value], {"axis": axis, "num_outputs": count}, num_outputs=count, name=name)
        for at, output in enumerate(new.outputs):
            output.name = f"{name}_out_{at}"
        self._graph.insert_before(node, new)
        return list(new.outputs)

    def _insert(
        self, before: ir.Node, op: str, inputs: list[ir.Value], domain: str = "", **attributes: int
    ) -> ir.Value:
        """The output of a new node."""
        self._n_inserted += 1
        name = f"{before.name}_{op}_{self._n_inserted}"
        new = ir.node(op, inputs, attributes, domain=domain, name=name)
        new.outputs[0].name = f"{name}_out"
        self._graph.insert_before(before, new)
        return new.outputs[0]

    def _constant(self, name: str, value: np.ndarray | np.generic) -> ir.Value:
        """A small initializer, made once."""
        name = f"int8.{name}"
        if name not in self._graph.initializers:
            tensor = ir.tensor(np.asarray(value), name=name)
            self._graph.register_initializer(
                ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
            )
        return self._graph.initializers[name]

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

    def _group(self, name: str, stored: StoredTensor, part: str, group: int) -> ir.Value:
        """What a part of a stored matrix holds of one of its groups of columns."""
        (count, *rest), dtype = part_shapes(stored.shape, stored.encoding)[part]
        count //= n_groups(stored.shape[1])
        place, size = stored.parts[part], math.prod((count, *rest)) * np.dtype(dtype).itemsize
        shape = (count, *rest) if part == "codes" else tuple(rest)
        return self._external(f"{name}.{part}.{group}", Part(place.offset + group * size, size), dtype, shape)

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
