"""Operators of the first versions, which ONNX Runtime runs in old files still."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import check, node_model, values
from onnxscope.errors import OperatorError
from onnxscope.expansions import experimental

PICTURE = (2, 3, 4, 5)

CASES = [
    ("Affine", [PICTURE], {"alpha": 2.0, "beta": 0.5}),
    ("Affine", [PICTURE], {"beta": -1.0}),
    ("Affine", [(4,)], {}),
    ("Scale", [PICTURE], {"scale": 3.0}),
    ("Scale", [(2, 2)], {}),
    ("ImageScaler", [PICTURE], {"scale": 2.0, "bias": [1.0, 2.0, 3.0]}),
    ("ImageScaler", [PICTURE], {"bias": [1.0, -2.0, 0.5]}),
    ("ParametricSoftplus", [PICTURE], {"alpha": 0.5, "beta": 2.0}),
    ("ScaledTanh", [PICTURE], {"alpha": 0.5, "beta": 0.2}),
    ("Crop", [PICTURE], {"border": [1, 0, 2, 1]}),
    ("Crop", [PICTURE], {"border": [0, 1, 0, 0]}),
    ("Crop", [PICTURE], {"border": [2, 1, 0, 0], "scale": [3, 2]}),
    ("DynamicSlice", [PICTURE, np.array([1, -2]), np.array([3, 2**31 - 1]), np.array([2, 3])], {}),
    ("DynamicSlice", [PICTURE, np.array([-2]), np.array([-1])], {}),
    ("MeanVarianceNormalization", [PICTURE], {}),
    ("MeanVarianceNormalization", [PICTURE], {"across_channels": 1}),
    ("MeanVarianceNormalization", [PICTURE], {"normalize_variance": 0}),
    ("MeanVarianceNormalization", [PICTURE], {"across_channels": 1, "normalize_variance": 0}),
    ("ThresholdedRelu", [PICTURE], {"alpha": 0.5}),
    ("ThresholdedRelu", [PICTURE], {}),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), CASES)
@pytest.mark.parametrize("opset", [1, 8])
def test_it_is_what_the_runtime_computes(op_type, inputs, attributes, opset):
    arrays = [values(*given) if isinstance(given, tuple) else given for given in inputs]
    fixed = [f"i{number}" for number in range(1, len(arrays))]
    # A step of ThresholdedRelu is no slope.
    tolerance = np.inf if op_type == "ThresholdedRelu" else 1e-2
    check(op_type, arrays, opset=opset, constants=fixed, tolerance=tolerance, **attributes)


def test_there_is_a_case_for_each_of_them():
    assert {op_type for _, op_type in experimental.EXPANSIONS} <= {case[0] for case in CASES}


@pytest.mark.parametrize(
    ("op_type", "attributes", "message"),
    [
        ("ImageScaler", {}, r"ImageScaler \(node 'o0'\) lacks its attribute 'bias'"),
        ("ImageScaler", {"bias": [1.0]}, "has 1 numbers in its attribute 'bias'"),
        ("ParametricSoftplus", {"alpha": 1.0}, "lacks its attribute 'beta'"),
        ("ScaledTanh", {"beta": 1.0}, "lacks its attribute 'alpha'"),
        ("Crop", {}, "lacks its attribute 'border'"),
        ("Crop", {"border": [1, 1]}, "by 4 numbers of pixels"),
        ("Crop", {"border": [1, 1, 1, 1], "scale": [2]}, "to 2 sizes in 'scale'"),
    ],
)
def test_attributes_that_are_missing_or_do_not_fit(op_type, attributes, message):
    proto = node_model(op_type, [values(*PICTURE)], opset=8, **attributes)
    with pytest.raises(OperatorError, match=message):
        osc.differentiate(proto, of="o0", wrt=["i0"])
