"""A gradient rule against central differences and against a second, independent oracle."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ad
import onnxscope as osc
import pytest
from graphs import session
from onnx.reference import ReferenceEvaluator
from onnxscope.errors import OnnxscopeError
from onnxscope.rules.table import RuleTable
from rule_cases import Case


def sum_to(gradient, like):
    """Undo broadcasting of an analytic gradient."""
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - like.ndim)))
    axes = tuple(a for a, n in enumerate(like.shape) if n == 1 and gradient.shape[a] != 1)
    return gradient.sum(axis=axes, keepdims=True).reshape(like.shape)


class Evaluator:
    """A model opened once, run many times."""

    def __init__(self, proto, runtime):
        if runtime == "reference":
            evaluator = ReferenceEvaluator(proto)
            self.names = [output.name for output in proto.graph.output]
        else:
            evaluator = session(proto)
            self.names = [output.name for output in evaluator.get_outputs()]
        self._evaluator = evaluator

    def __call__(self, feeds):
        arrays = {name: np.asarray(array) for name, array in feeds.items()}
        return dict(zip(self.names, self._evaluator.run(None, arrays), strict=True))


Gradients = dict[str, np.ndarray]

# Cases and operators whose gradient needs a shape as numbers; all others work on open shapes.
NEEDS_SHAPES: set[str] = {
    # Which axes are there to squeeze, only the sizes tell.
    "Squeeze-all",
}


def check_case(case: Case, rules: RuleTable | None = None) -> tuple[np.ndarray, Gradients]:
    """Assert that the gradients of a case are right.

    Returns:
        The cotangent that they were taken for, and the gradients by the inputs' names.
    """
    forward = case.model()
    wrt = [f"x{position}" for position in case.positions]
    graph = osc.differentiate(forward, of="y", wrt=wrt, rules=rules)
    onnx.checker.check_model(graph, full_check=True)
    rng = np.random.default_rng(5)
    evaluate = Evaluator(forward, case.runtime)
    y = evaluate(case.feeds)["y"]
    cotangent = np.asarray(rng.normal(size=y.shape), y.dtype) if y.ndim else np.ones((), y.dtype)
    seed = {"grad_y": cotangent} if y.ndim else {}
    results = Evaluator(graph, case.runtime)(case.feeds | seed)
    double = all(case.feeds[name].dtype == np.float64 for name in wrt) and y.dtype == np.float64
    close(results["y"], y, 1e-12 if double else 1e-6)
    gradients = [results[f"grad_{name}"] for name in wrt]
    for name, gradient in zip(wrt, gradients, strict=True):
        assert gradient.shape == case.feeds[name].shape
        assert gradient.dtype == case.feeds[name].dtype
        assert np.isfinite(gradient).all()
    if case.finite:
        for name, gradient in zip(wrt, gradients, strict=True):
            compare_with_differences(evaluate, case.feeds, name, gradient, cotangent, double, rng)
    if case.exact is not None:
        expected = case.exact(case.arrays, cotangent, **case.attributes)
        expected = [sum_to(e, case.feeds[n]) for e, n in zip(expected, wrt, strict=True)]
    else:
        other = onnx_ad.reverse(forward, inputs=wrt, outputs=["y"], prefix="ad_", layout="onnx")
        answers = Evaluator(other, case.runtime)(case.feeds | {"ad_y": cotangent[..., None]})
        expected = [answers[f"ad_{name}"][..., 0] for name in wrt]
    for e, gradient in zip(expected, gradients, strict=True):
        close(gradient, e, 1e-12 if double else 3e-6)
    return cotangent, dict(zip(wrt, gradients, strict=True))


def check_open_sizes(case: Case, cotangent: np.ndarray, gradients: Gradients) -> None:
    """Assert that the gradients are the same where no input has a known size.

    Args:
        case: The case.
        cotangent: That the gradients were taken for.
        gradients: With known sizes, by the inputs' names.
    """
    opened = case.model(open_shapes=True)
    if {case.op, str(case)} & NEEDS_SHAPES:
        with pytest.raises(OnnxscopeError, match="shape"):
            osc.differentiate(opened, of="y", wrt=list(gradients))
        return
    graph = osc.differentiate(opened, of="y", wrt=list(gradients))
    known = {value.name for value in graph.graph.input}
    seed = {"grad_y": cotangent} if "grad_y" in known else {}
    results = Evaluator(graph, case.runtime)(case.feeds | seed)
    for name, expected in gradients.items():
        gradient = results[f"grad_{name}"]
        assert gradient.shape == expected.shape
        close(gradient, expected, 1e-12 if gradient.dtype == np.float64 else 3e-6)


def close(gradient, expected, tolerance):
    """Equal up to `tolerance` of the largest element."""
    scale = max(1e-30, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(gradient / scale, expected / scale, rtol=0, atol=tolerance)


def compare_with_differences(evaluate, feeds, name, gradient, cotangent, double, rng):
    """Differences of fourth order along random directions."""
    step = 1e-3 if double else 0.02
    x = feeds[name].astype(np.float64)
    scale = max(1, float(np.abs(x).max(initial=0)) * 0.01)
    for _ in range(3):
        u = np.asarray(rng.uniform(-1, 1, x.shape))

        def along(t, u=u):
            moved = (x + t * u).astype(feeds[name].dtype)
            return (evaluate(feeds | {name: moved})["y"].astype(np.float64) * cotangent).sum()

        near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
        difference = (8 * near - far) / (12 * step)
        terms = gradient.astype(np.float64) * u
        size = np.linalg.norm(terms) + (1e-3 * scale * np.linalg.norm(cotangent))
        assert abs(terms.sum() - difference) <= (1e-7 if double else 2e-3) * size
