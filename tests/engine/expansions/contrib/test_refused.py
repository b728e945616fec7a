"""ONNX Runtime's own operators that are refused say why."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import node_model, values
from onnxscope.errors import OperatorError
from onnxscope.expansions.contrib.refused import REASONS


@pytest.mark.parametrize("op_type", list(REASONS))
def test_operators_are_refused_by_name(op_type):
    proto = node_model(op_type, [values(2, 3)], domain="com.microsoft")
    message = rf"{op_type} \(node 'o0'\) of com.microsoft is not supported: {REASONS[op_type]}"
    with pytest.raises(OperatorError, match=message):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("domain", ["com.microsoft.nchwc", "com.ms.internal.nhwc"])
def test_layouts_of_one_kind_of_processor_are_refused(domain):
    arrays = [np.zeros((1, 8, 6, 6), np.float32), np.zeros((8, 8, 3, 3), np.float32)]
    proto = node_model("Conv", arrays, domain=domain)
    with pytest.raises(OperatorError, match=f"{domain} .*ORT_ENABLE_EXTENDED"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
