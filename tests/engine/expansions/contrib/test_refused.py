"""ONNX Runtime's own operators that are refused say why."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import node_model, values
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from onnxscope.errors import OperatorError
from onnxscope.expansions.contrib.refused import REASONS
from onnxscope.expansions.registry import all_expansions


@pytest.mark.parametrize("op_type", list(REASONS))
def test_operators_are_refused_by_name(op_type):
    proto = node_model(op_type, [values(2, 3)], domain="com.microsoft")
    message = rf"{op_type} \(node 'o0'\) of com.microsoft is not supported: {REASONS[op_type]}"
    with pytest.raises(OperatorError, match=message):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("op_type", sorted(
    schema.name for schema in runtime.get_all_operator_schema() if schema.domain == "com.microsoft"
))  # fmt: skip
def test_every_operator_that_the_runtime_knows_is_expanded_or_refused_by_name(op_type):
    assert ("com.microsoft", op_type) in all_expansions()


def test_an_operator_that_nobody_knows_has_no_standard_form():
    proto = node_model("Frobnicate", [values(2, 3)], domain="com.microsoft")
    with pytest.raises(OperatorError, match=r"no standard form of com\.microsoft's Frobnicate"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("domain", ["com.microsoft.nchwc", "com.ms.internal.nhwc"])
def test_layouts_of_one_kind_of_processor_are_refused(domain):
    arrays = [np.zeros((1, 8, 6, 6), np.float32), np.zeros((8, 8, 3, 3), np.float32)]
    proto = node_model("Conv", arrays, domain=domain)
    with pytest.raises(OperatorError, match=f"{domain} .*ORT_ENABLE_EXTENDED"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
