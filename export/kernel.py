"""The small graph that the benchmark measures int8 products with; it ships in ``engine/kernels``."""

from __future__ import annotations

from onnx import TensorProto, helper

from engine.models.runtime import KERNEL_CODE, KERNEL_WIDTH

OPSET = 21


def int8_product() -> bytes:
    """A product of uint8 rows with a square int8 matrix of one value, which is packed as a weight at load."""
    width = KERNEL_WIDTH
    code = helper.make_tensor("code", TensorProto.INT8, [1], [KERNEL_CODE])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["matrix"], value=code),
        helper.make_node("MatMulInteger", ["rows", "matrix"], ["products"]),
    ]
    graph = helper.make_graph(
        nodes,
        "int8_product",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, ["R", width])],
        [helper.make_tensor_value_info("products", TensorProto.INT32, ["R", width])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [width, width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
