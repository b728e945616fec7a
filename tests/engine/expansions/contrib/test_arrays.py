"""ONNX Runtime's own operators on arrays: slopes at edges, and what has to be known."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import node_model
from graphs import run
from onnxscope.errors import OperatorError

ROWS = np.array([[1, 2, 3], [0, 0, 1]], np.float32)
APART = np.array([[1, 2, 2], [-1, -2, -2]], np.float32)


@pytest.mark.parametrize(("metric", "of_a"), [("euclidean", APART / 3), ("sqeuclidean", APART * 2)])
def test_a_row_does_not_move_from_its_like(metric, of_a):
    proto = node_model("CDist", [ROWS, ROWS], domain="com.microsoft", metric=metric)
    graph = osc.differentiate(proto, of="o0", wrt=["i0", "i1"])
    feeds = {"i0": ROWS, "i1": ROWS, "grad_o0": np.ones((2, 2), np.float32)}
    found = run(graph, feeds)
    # The rows are (1, 2, 2) apart; each is once an a and once a b.
    np.testing.assert_allclose(found["grad_i0"], of_a, rtol=1e-6)
    np.testing.assert_allclose(found["grad_i1"], of_a, rtol=1e-6)


def test_an_unknown_metric_is_refused():
    proto = node_model("CDist", [ROWS, ROWS], domain="com.microsoft", metric="cosine")
    with pytest.raises(OperatorError, match="metric 'cosine', which is not known"):
        osc.differentiate(proto, of="o0", wrt=["i0"], compare=False)


def test_margins_of_a_deconvolution_have_to_be_known():
    x, w = np.ones((1, 2, 3, 3), np.float32), np.ones((2, 2, 2, 2), np.float32)
    pads = np.zeros(4, np.int64)
    proto = node_model("ConvTransposeWithDynamicPads", [x, w, pads], domain="com.microsoft")
    with pytest.raises(OperatorError, match="where its pads are known; give the value of the in"):
        osc.differentiate(proto, of="o0", wrt=["i0"], compare=False)
