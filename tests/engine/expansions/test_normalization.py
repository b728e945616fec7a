"""GroupNormalization and MeanVarianceNormalization, which are written as others."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import check, node_model, values
from graphs import run
from onnxscope.errors import OperatorError


@pytest.mark.parametrize("opset", [18, 20, 21, 23])
@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 6, 4, 3), 3), ((1, 4, 5), 4), ((2, 4, 3, 2, 2), 1)]
)
def test_group_normalization(opset, shape, groups):
    parameters = groups if opset < 21 else shape[1]
    arrays = [values(*shape) + 0.5, values(parameters), values(parameters)]
    check("GroupNormalization", arrays, opset=opset, num_groups=groups)
    check("GroupNormalization", arrays, opset=opset, num_groups=groups, epsilon=0.3)
    check("GroupNormalization", arrays, opset=opset, num_groups=groups, constants=("i1", "i2"))


def test_group_normalization_in_half_precision():
    arrays = [values(1, 4, 3, 3) * 100, values(4), values(4)]
    proto = node_model(
        "GroupNormalization",
        [array.astype(np.float16) for array in arrays],
        opset=21,
        num_groups=2,
        stash_type=1,
    )
    graph = osc.differentiate(proto, of="o0", wrt=["i0"])
    feeds = {f"i{i}": array.astype(np.float16) for i, array in enumerate(arrays)}
    results = run(graph, feeds | {"grad_o0": np.ones((1, 4, 3, 3), np.float16)})
    rows = arrays[0].reshape(2, -1)
    centered = rows - rows.mean(1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5)
    expected = expected.reshape(1, 4, 3, 3) * arrays[1].reshape(-1, 1, 1)
    np.testing.assert_allclose(results["o0"], expected + arrays[2].reshape(-1, 1, 1), atol=1e-2)
    assert results["grad_i0"].dtype == np.float16
    assert np.isfinite(results["grad_i0"]).all()


def test_channels_that_do_not_come_in_so_many_groups():
    proto = node_model(
        "GroupNormalization", [values(2, 4, 3), values(4), values(4)], opset=21, num_groups=3
    )
    with pytest.raises(
        OperatorError, match=r"GroupNormalization.* has num_groups=3 for 4 channels"
    ):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("axes", [None, [1], [0, 1], [-1, 0], [0, 1, 2, 3]])
def test_mean_variance_normalization(axes):
    options = {} if axes is None else {"axes": axes}
    check("MeanVarianceNormalization", [values(2, 3, 4, 2) * 2 + 1], **options)


def test_mean_variance_normalization_of_a_constant():
    proto = node_model("MeanVarianceNormalization", [np.ones((2, 3), np.float32)], axes=[1])
    graph = osc.differentiate(proto, of="o0", wrt=["i0"])
    cotangent = values(2, 3)
    results = run(graph, {"i0": np.ones((2, 3), np.float32), "grad_o0": cotangent})
    np.testing.assert_array_equal(results["o0"], np.zeros((2, 3)))
    assert np.isfinite(results["grad_i0"]).all()
