"""How equations of Einsum are read, and what its rule refuses."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, operators
from onnx import helper
from onnxscope.errors import OperatorError
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.rules.einsum import parse
from onnxscope.rules.standard import standard_rules


def gradient(equation, *shapes):
    inputs = {f"x{i}": (np.float32, shape) for i, shape in enumerate(shapes)}
    node = helper.make_node("Einsum", list(inputs), ["y"], equation=equation)
    return osc.differentiate(model([node], inputs, ["y"]), of="y", wrt=list(inputs))


@pytest.mark.parametrize(
    ("equation", "ranks", "terms", "result"),
    [
        ("ij,jk->ik", [2, 2], ("ij", "jk"), "ik"),
        ("ij , jk", [2, 2], ("ij", "jk"), "ik"),
        ("ba", [2], ("ba",), "ab"),
        ("ii", [2], ("ii",), ""),
        ("Zaz,z", [3, 1], ("Zaz", "z"), "Za"),
        ("...i->...", [3], ("abi",), "ab"),
        ("...i,...i", [2, 3], ("bi", "abi"), "ab"),
        ("...a,ab->b...", [2, 2], ("ca", "ab"), "bc"),
        ("...", [0], ("",), ""),
    ],
)
def test_equations_are_written_out(equation, ranks, terms, result):
    parsed = parse(equation, ranks)
    assert (parsed.terms, parsed.result) == (terms, result)


def test_more_axes_than_letters():
    with pytest.raises(OperatorError, match="more axes than there are letters"):
        parse("...a->a...", [60])


def test_operands_that_differ_along_a_letter():
    # In a file they are brought together before (see `importer.einsum`).
    builder = Builder()
    x, w = (
        builder.input(name, shape, np.float64)
        for name, shape in zip("xw", ((2, 1), (2, 3)), strict=True)
    )
    y = builder.op.Einsum(x, w, equation="ij,ij->ij")
    with pytest.raises(OperatorError, match=r"operands of 1 and 3 along the same letter"):
        backpropagate(builder, {y: y}, [x], standard_rules())


def test_products_are_matrix_products():
    assert operators(gradient("bhid,bhjd->bhij", (1, 2, 3, 4), (1, 2, 5, 4))) == [
        "Einsum", "MatMul", "Transpose", "MatMul"
    ]  # fmt: skip
    # A sum that only one operand has is no product.
    assert operators(gradient("ij,jk->i", (2, 3), (3, 4))).count("Einsum") == 3
