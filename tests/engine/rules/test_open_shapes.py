"""Every gradient rule where no input has a known size."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from all_rule_cases import CASES
from onnxscope.errors import OnnxscopeError
from rule_checks import Evaluator, close

# Operators whose gradient needs a shape as numbers; everything else works on open shapes.
NEEDS_SHAPES: set[str] = {
    # Which axes are there to squeeze, only the sizes tell.
    "Squeeze-all",
}


def first_of_each_operator():
    """All cases, of which those beside the first of an operator are slow by their number."""
    seen = set()
    for case in CASES:
        yield pytest.param(case, marks=[pytest.mark.slow] if case.op in seen else [], id=str(case))
        seen.add(case.op)


@pytest.mark.parametrize("case", list(first_of_each_operator()))
def test_gradient_of_open_shapes(case):
    """No input has a known size, and the gradient is that of the known sizes."""
    closed, opened = case.model(), case.model(open_shapes=True)
    wrt = [f"x{position}" for position in case.positions]
    if {case.op, str(case)} & NEEDS_SHAPES:
        with pytest.raises(OnnxscopeError, match="shape"):
            osc.differentiate(opened, of="y", wrt=wrt)
        return
    y = Evaluator(closed, case.runtime)(case.feeds)["y"]
    cotangent = np.asarray(np.random.default_rng(6).normal(size=y.shape), y.dtype)
    results = []
    for forward in (closed, opened):
        graph = osc.differentiate(forward, of="y", wrt=wrt)
        known = {value.name for value in graph.graph.input}
        feeds = case.feeds | ({"grad_y": cotangent} if "grad_y" in known else {})
        results.append(Evaluator(graph, case.runtime)(feeds))
    for name in wrt:
        expected, gradient = (result[f"grad_{name}"] for result in results)
        assert gradient.shape == expected.shape
        close(gradient, expected, 1e-12 if gradient.dtype == np.float64 else 3e-6)
