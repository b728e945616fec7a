"""Operators in double precision, where ONNX Runtime's kernels are in single."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.verification.double.rewrite import in_double


@pytest.mark.parametrize(
    ("op_type", "shapes", "attributes"),
    [
        (
            "Conv",
            [(2, 4, 7, 6), (6, 2, 3, 3), (6,)],
            {"group": 2, "strides": [2, 1], "pads": [0, 1, 2, 1]},
        ),
        ("Conv", [(1, 3, 9), (3, 1, 2)], {"group": 3, "dilations": [3]}),
        ("Conv", [(1, 2, 8, 8), (2, 2, 3, 3)], {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
        (
            "ConvTranspose",
            [(2, 4, 5, 6), (4, 3, 3, 2), (6,)],
            {"group": 2, "strides": [2, 3], "pads": [1, 0, 2, 1], "output_padding": [1, 2]},
        ),
        (
            "ConvTranspose",
            [(1, 2, 5, 5), (2, 3, 3, 3)],
            {"dilations": [2, 1], "pads": [3, 2, 1, 0]},
        ),
        (
            "ConvTranspose",
            [(1, 2, 5, 5), (2, 3, 3, 3)],
            {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        ),
        (
            "AveragePool",
            [(1, 2, 7, 8)],
            {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]},
        ),
        (
            "AveragePool",
            [(1, 2, 7, 8)],
            {"kernel_shape": [3, 2], "pads": [1, 1, 0, 1], "count_include_pad": 1},
        ),
        ("LpPool", [(1, 2, 7, 8)], {"kernel_shape": [2, 2], "p": 3}),
        ("GlobalAveragePool", [(2, 3, 4, 5)], {}),
        ("GlobalMaxPool", [(2, 3, 4, 5)], {}),
        ("GlobalLpPool", [(2, 3, 4, 5)], {"p": 2}),
        ("InstanceNormalization", [(2, 3, 4, 5), (3,), (3,)], {"epsilon": 0.1}),
        ("LRN", [(1, 7, 3, 3)], {"size": 5, "alpha": 0.7, "beta": 0.6, "bias": 1.3}),
        ("Mean", [(2, 3), (3,), (2, 1)], {}),
        ("GridSample", [(2, 3, 4, 5), (2, 3, 3, 2)], {"mode": "bilinear"}),
        ("GridSample", [(2, 3, 4, 5), (2, 3, 3, 2)], {"mode": "bicubic", "align_corners": 1}),
        (
            "GridSample",
            [(2, 3, 4, 5), (2, 3, 3, 2)],
            {"mode": "nearest", "padding_mode": "border"},
        ),
        ("Erf", [(50,)], {}),
        ("Tan", [(5,)], {}),
        ("Sinh", [(5,)], {}),
        ("Cosh", [(5,)], {}),
    ],
)
def test_double_forms(op_type, shapes, attributes):
    rng = np.random.default_rng(3)
    feeds = {
        n: rng.standard_normal(s).astype(np.float32) for n, s in zip("abc", shapes, strict=False)
    }
    network = model([helper.make_node(op_type, list(feeds), ["y"], **attributes)], feeds, ["y"])
    expected = run(network, feeds)["y"]
    exact = {name: array.astype(np.float64) for name, array in feeds.items()}
    found = run(in_double(network), exact)["y"]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # Single precision would not see so small a step.
    nudged = run(in_double(network), exact | {"a": exact["a"] * (1 + 1e-10)})["y"]
    assert 0 < abs(nudged - found).max() < 1e-7
