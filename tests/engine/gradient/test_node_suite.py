"""The node tests of the onnx package, differentiated."""

from __future__ import annotations

import string
from typing import Any

import onnxscope as osc
import pytest
from node_suite import node_tests, outcome
from onnxscope.errors import OperatorError

pytestmark = pytest.mark.slow

# Tests whose gradient is refused, by a part of the reason.
REFUSED = {
    "affine_grid_2d_align_corners_expanded": "the rank of",
    "affine_grid_2d_expanded": "the rank of",
    "affine_grid_3d_align_corners_expanded": "only known at run time",
    "range_float16_type_positive_delta_expanded": "only known at run time",
    "range_float_type_positive_delta_expanded": "only known at run time",
    "training_dropout": "training mode",
    "training_dropout_default": "training mode",
    "training_dropout_default_mask": "training mode",
    "training_dropout_mask": "training mode",
    "training_dropout_zero_ratio": "training mode",
    "training_dropout_zero_ratio_mask": "training mode",
}


def distinct(letter: str) -> dict[str, Any]:
    """The node tests of a letter; of those that are expanded, one of each that has the same nodes.

    What these nodes do with other attributes is a node test each.
    """
    found: dict[str, Any] = {}
    bodies: set[tuple[object, ...]] = set()
    for name, case in node_tests().items():
        called = name.removeprefix("test_")
        if not called.startswith(letter):
            continue
        if "expanded" in called:
            body = tuple(
                sorted(
                    (node.op_type, *sorted(attribute.name for attribute in node.attribute))
                    for node in case.model.graph.node
                )
            )
            if body in bodies:
                continue
            bodies.add(body)
        found[called] = case
    return found


@pytest.mark.parametrize("letter", string.ascii_lowercase)
def test_no_node_test_has_a_wrong_gradient(letter):
    outcomes = {name: outcome(case) for name, case in distinct(letter).items()}
    assert {name: o.reason for name, o in outcomes.items() if o.kind == "wrong"} == {}
    refused = {name: o.reason for name, o in outcomes.items() if o.kind == "refused"}
    expected = {name: reason for name, reason in REFUSED.items() if name in outcomes}
    assert refused.keys() == expected.keys(), refused
    for name, reason in expected.items():
        assert reason in refused[name]


def test_definitions_may_use_operators_that_the_opset_lacks():
    cases = node_tests()
    found = osc.verify(cases["test_swiglu"].model, provider="cpu")
    assert found.verdict == "agrees"
    # Of these onnx asks for the types of inputs that are not there.
    left_out = cases["test_causal_conv_with_state_with_past_state"].model
    with pytest.raises(OperatorError, match="left out"):
        osc.differentiate(left_out, of="output", wrt=["input"])
