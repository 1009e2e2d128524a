"""A bound graph to one that does nothing in vain: caches written where they lie, the adapter on its rows.

Exported as written, the model copies every cache buffer to put new rows into it, and runs the adapter on all
rows to multiply most of the result by zero. Knows the patterns of `export.model` and no weights.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

PAST, WHOLE = "past_", "all_"
"""Prefixes of a buffer's name as it comes in and as it goes out; the runtime gives both the same memory."""


def write_caches_in_place(model: ir.Model) -> None:
    """Give every buffer out as a whole, with the new rows where ``places`` says.

    ``columns [S]`` becomes ``places [n_kv_heads, S, 2]``: head and column of every new entry, so that rows
    are copied as such. A model whose layers differ in their heads is left as it is.
    """
    graph = model.graph
    scatters = [node for node in graph if node.op_type == "ScatterElements"]
    n_heads = {shape[0] for node in scatters if (shape := _past(node).shape) is not None}
    if len(n_heads) != 1:
        return
    places = _input("places", [*n_heads, "S", 2])
    for node in scatters:
        past, new = _past(node), node.inputs[2]
        written = ir.node("ScatterND", [past, places, new], name=node.name)
        _put(graph, node, written)
        assert past.name is not None
        written.outputs[0].name = past.name.replace(PAST, WHOLE)
        graph.outputs.append(written.outputs[0])
    _exchange(model, "columns", places)


def adapt_canvas_rows_alone(model: ir.Model) -> None:
    """Run the adapter on the rows that ``canvas_rows [G, 1]`` names, in place of all rows and a gate."""
    graph = model.graph
    gate = next((value for value in graph.inputs if value.name == "gate"), None)
    closed = [] if gate is None else [node for node, _ in gate.uses()]
    deltas = [delta for node in closed if (delta := _delta(node)) is not None]
    if not deltas or len(deltas) < len(closed):  # no adapter, or a gate that does something else as well
        return
    rows = _input("canvas_rows", ["G", 1])
    for down, gated, up, total in deltas:
        own = ir.node("GatherND", [down.inputs[0], rows])
        graph.insert_before(down, own)
        down.replace_input_with(0, own.outputs[0])
        up.replace_input_with(0, down.outputs[0])
        for value in (own.outputs[0], down.outputs[0], up.outputs[0]):
            value.shape = None  # it has as many rows as the canvas now
        (base,) = (value for value in total.inputs if value is not up.outputs[0])
        _put(graph, total, ir.node("ScatterND", [base, rows, up.outputs[0]], {"reduction": "add"}))
        graph.remove(gated, safe=True)
    _exchange(model, "gate", rows)


def _delta(gated: ir.Node) -> tuple[ir.Node, ir.Node, ir.Node, ir.Node] | None:
    """The four nodes of a gated low-rank delta, by the one that multiplies with the gate."""
    down = next((node for value in gated.inputs if value and (node := value.producer())), None)
    ups = [node for node, _ in gated.outputs[0].uses()]
    if gated.op_type != "Mul" or down is None or len(ups) != 1:
        return None
    totals = [node for node, _ in ups[0].outputs[0].uses()]
    if len(totals) != 1 or totals[0].op_type != "Add":
        return None
    return down, gated, ups[0], totals[0]


def _past(scatter: ir.Node) -> ir.Value:
    value = scatter.inputs[0]
    assert value is not None
    return value


def _input(name: str, shape: list[int | str]) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.INT64))


def _put(graph: ir.Graph, old: ir.Node, new: ir.Node) -> None:
    """Put a node in the place of another with one output."""
    output, replaced = new.outputs[0], old.outputs[0]
    output.name, output.shape, output.type = replaced.name, replaced.shape, replaced.type
    ir.convenience.replace_nodes_and_values(graph, old, [old], [new], [replaced], [output])


def _exchange(model: ir.Model, old: str, new: ir.Value) -> None:
    """Put an input in the place of one that nothing needs any more."""
    RemoveUnusedNodesPass()(model)
    inputs = model.graph.inputs
    at = next(i for i, value in enumerate(inputs) if value.name == old)
    assert not inputs[at].uses(), f"{old} is still in use"
    inputs[at] = new
