"""Gradients use no operator that CUDA lacks, where the network itself uses none.

`cuda_kernels.json` says with which element types ONNX Runtime 1.31 runs an operator on CUDA, in all
of the opsets 18 to 21 that have it. It was measured by creating sessions of a single node each with
the CUDA provider, and reading from the log which provider took the node: that depends on the
provider's registry of kernels alone, not on a device. An operator that is missing, or a type, was
either not taken or never measured. These tests need no CUDA.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from all_rule_cases import CASES, Case, Const, Fed
from onnx import TensorProto, defs, helper
from onnxscope.graph.traits import Trait, operators_with

HERE = Path(__file__).parent
ON_CUDA: dict[str, list[str]] = json.loads((HERE / "cuda_kernels.json").read_text())
OPERATORS = sorted({case.op for case in CASES})

# Each is the other's derivative, and neither has a kernel: with either nothing is whole on CUDA.
COUNTERPARTS = {"Sinh": "Cosh", "Cosh": "Sinh"}

# The operators whose type is that of what they give; of others it is their first input's.
TYPED_BY_OUTPUT = {"ConstantOfShape", "OneHot", "Where"}

# Operators that take a shape, amounts or bounds from memory of the CPU, and which inputs those are.
# Where these are computed, CUDA graphs are refused.
FROM_THE_CPU = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Pad": (1, 3),
    "Reshape": (1,),
    "Resize": (2, 3),
    "Slice": (1, 2, 3, 4),
    "Tile": (1,),
}


def converted(case: Case, dtype: type[np.floating]) -> Case:
    """The case with its data in another precision; scales and the like stay in float32."""
    formal = defs.get_schema(case.op, max(case.opset, 21), "").inputs

    def of(array, position):
        if isinstance(array, Const):
            return Const(of(array.array, position))
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            return array
        kind = formal[min(position, len(formal) - 1)].type_str
        with np.errstate(over="ignore"):
            return array.astype(np.float32 if kind == "tensor(float)" else dtype)

    return replace(case, inputs=tuple(of(array, i) for i, array in enumerate(case.inputs)))


def has_half(case: Case) -> bool:
    """Whether the operator takes half precision; what follows it in a case may not."""
    schema = defs.get_schema(case.op, max(case.opset, 21), "")
    taken = {kind for c in schema.type_constraints for kind in c.allowed_type_strs}
    return "tensor(float16)" in taken and not case.tail


# Whose cases, or gradients, are others from opset 19 on.
GROWN = {case.op for case in CASES if case.opset > 18} | operators_with(Trait.POOLING)


@cache
def graphs(op_type: str, opset: int, dtype: type) -> list[tuple[Case, onnx.ModelProto]]:
    """The gradients of the cases of an operator."""
    found: dict[str, tuple[Case, onnx.ModelProto]] = {}
    for case in CASES:
        name = str(case).removesuffix("_float32")
        fits = case.op == op_type and case.opset <= opset and name not in found
        if not fits or (dtype == np.float16 and not has_half(case)):
            continue
        case = replace(converted(case, dtype), opset=opset)
        wrt = [f"x{position}" for position in case.positions]
        found[name] = (case, osc.differentiate(case.model(), of="y", wrt=wrt))
    return list(found.values())


def element_types(proto: onnx.ModelProto) -> dict[str, str]:
    """The element types of all values of a graph, as NumPy names them."""
    graph = proto.graph
    codes = {t.name: t.data_type for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        codes[value.name] = value.type.tensor_type.elem_type
    return {name: str(helper.tensor_dtype_to_np_dtype(code)) for name, code in codes.items()}


def kinds(proto: onnx.ModelProto) -> Iterator[tuple[str, str, onnx.NodeProto]]:
    """Operator, the type that it is for, and the node itself."""
    types = element_types(proto)
    for node in proto.graph.node:
        by_output = node.op_type in TYPED_BY_OUTPUT or not node.input
        yield node.op_type, types[(node.output if by_output else node.input)[0]], node


def missing(case: Case, gradient: onnx.ModelProto) -> set[str]:
    """What a gradient has no kernel for on CUDA, but for what the network has none for either."""
    own = {(operator, dtype) for operator, dtype, _ in kinds(case.model())}
    own |= {(COUNTERPARTS.get(operator, operator), dtype) for operator, dtype in own}
    found: set[str] = set()
    for operator, dtype, node in kinds(gradient):
        if (operator, dtype) in own:
            continue
        if dtype not in ON_CUDA.get(operator, ()):
            found.add(f"{operator} of {dtype}")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        pads = list(attributes.get("pads", []))
        if operator == "ConvTranspose" and pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
            found.add("ConvTranspose with other padding before than behind")
        if attributes.get("select_last_index"):
            found.add(f"{operator} that takes the last")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 21])
def test_gradients_of_the_first_cases_have_kernels(opset):
    """Of each operator one; those of all cases are gone through below."""
    found = {}
    for case in {case.op: case for case in reversed(CASES)}.values():
        case = replace(converted(case, np.float32), opset=max(case.opset, opset))
        wrt = [f"x{position}" for position in case.positions]
        lacking = missing(case, osc.differentiate(case.model(), of="y", wrt=wrt))
        if lacking:
            found[str(case)] = lacking
    assert not found


@pytest.mark.slow  # thousands of gradients
@pytest.mark.parametrize(
    ("opset", "dtype"),
    [
        pytest.param(18, np.float32, id="opset 18"),
        pytest.param(18, np.float16, id="half precision"),
    ],
)
@pytest.mark.parametrize("op_type", OPERATORS)
def test_gradients_have_kernels(op_type, opset, dtype):
    for case, gradient in graphs(op_type, opset, dtype):
        assert not missing(case, gradient), case


@pytest.mark.slow  # as above
@pytest.mark.parametrize("op_type", sorted(GROWN & set(OPERATORS)))
def test_gradients_of_later_opsets_have_kernels(op_type):
    for case, gradient in graphs(op_type, 21, np.float32):
        assert not missing(case, gradient), case


@pytest.mark.slow  # as above, of which it looks at the same
@pytest.mark.parametrize("op_type", OPERATORS)
def test_gradients_of_known_shapes_can_be_captured(op_type):
    """Nothing is measured, and no shape, amount or bound is computed, where all sizes are known."""
    for case, gradient in graphs(op_type, 18, np.float32):
        graph = gradient.graph
        values = (*graph.input, *graph.value_info, *graph.output)
        closed = all(
            dim.HasField("dim_value") for v in values for dim in v.type.tensor_type.shape.dim
        )
        own = {node.op_type for node in case.model().graph.node}
        if not closed or any(isinstance(array, Fed) for array in case.inputs):
            continue
        constant = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type in own:
                continue
            assert node.op_type not in {"Shape", "Size", "NonZero"}, case
            taken = [
                node.input[i] for i in FROM_THE_CPU.get(node.op_type, ()) if i < len(node.input)
            ]
            assert constant.issuperset(filter(None, taken)), (case, node)


# Sizes of parts that only the run knows; an operator that has no kernel itself.
MEASURE = {"Split", "Col2Im"}


@pytest.mark.slow  # as above
@pytest.mark.parametrize("op_type", sorted(set(OPERATORS) - MEASURE))
def test_gradients_of_computed_arguments_measure_nothing(op_type):
    """What is computed with Shape or Size, ONNX Runtime computes on the CPU."""
    for case, gradient in graphs(op_type, 18, np.float32):
        if any(isinstance(array, Fed) for array in case.inputs):
            operators = {node.op_type for node in gradient.graph.node}
            assert not operators & {"Shape", "Size"}, case


def test_an_operator_without_a_kernel_is_found():
    case = next(case for case in CASES if case.op == "Atan")
    atan = osc.differentiate(case.model(), of="y", wrt=["x0"])
    relu = converted(next(case for case in CASES if case.op == "Relu"), np.float32)
    assert missing(relu, atan) == {"Atan of float64"}
    whole = converted(next(c for c in CASES if str(c) == "Pad-reflect_computed_all"), np.float32)
    nodes = [helper.make_node("Pad", ["i", "p"], ["y"])]
    declared = [helper.make_tensor_value_info(n, TensorProto.INT64, [2]) for n in "ipy"]
    proto = helper.make_model(helper.make_graph(nodes, "g", declared[:2], declared[2:]))
    assert missing(whole, proto) == {"Pad of int64"}
