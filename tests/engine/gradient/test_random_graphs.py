"""Random graphs of every operator that has a rule: their gradients are right in every respect.

ONNXSCOPE_RANDOM_GRAPHS=40 tries so many for each operator, not always the same, and says in the end
what became of them.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import onnx
import onnxscope as osc
import pytest
import random_checks
from hypothesis import HealthCheck, Phase, given, settings
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.verification.double.rewrite import in_double
from random_checks import TALLY, check, check_gradient
from random_draft import RECIPES
from random_graphs import RandomGraph, graphs
from random_truth import Evaluator

pytestmark = pytest.mark.slow

WISHED = int(os.environ.get("ONNXSCOPE_RANDOM_GRAPHS", "0"))

STANDARD = standard_rules()

_COMMON = settings(
    deadline=None,
    database=None,
    derandomize=not WISHED,
    print_blob=False,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
TRIED = settings(_COMMON, max_examples=WISHED or 2)


@pytest.fixture(scope="module", autouse=True)
def tally():
    yield
    if WISHED:
        for what, count in TALLY.most_common():
            sys.stderr.write(f"{count:7} {what}\n")


def test_every_operator_with_a_rule_occurs():
    assert set(STANDARD) <= set(RECIPES)


@pytest.mark.parametrize("op_type", sorted(RECIPES))
def test_gradients_of_random_graphs(op_type):
    tried = 0

    @TRIED
    @given(graphs(op_type))
    def property_of_graphs(graph):
        nonlocal tried
        tried += 1
        assert op_type in graph.operators
        check(graph)

    property_of_graphs()
    assert tried


def test_most_graphs_were_told():
    """Of what goes before, in the same run: differences that tell nothing prove nothing."""
    told, untold = TALLY["graphs told"], TALLY["graphs not told"]
    if told + untold < len(RECIPES):
        pytest.skip("few graphs were tried")
    assert told > 20 * untold
    assert TALLY["directions right"] > 4 * TALLY["directions too uncertain"]
    assert TALLY["directions right"] > 50 * TALLY["directions on a kink"]


# Gradients of gradients --------------------------------------------------------------------------

SMOOTH = (
    "Add", "Sub", "Mul", "Div", "Tanh", "Sigmoid", "Exp", "Sin", "Cos", "Softplus", "Softmax",
    "LogSoftmax", "Sqrt", "Log", "Reciprocal", "Erf", "Mish", "Atan", "MatMul", "Gemm", "Einsum",
    "Conv", "ConvTranspose", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum",
    "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd", "ReduceL2", "LayerNormalization",
    "InstanceNormalization", "BatchNormalization", "LRN", "Reshape", "Transpose", "Slice", "Concat",
    "Pad", "Gather", "GatherElements", "ScatterElements", "Tile", "Expand", "Split", "CumSum",
    "Pow", "Gelu", "Resize", "Where", "Unsqueeze", "Squeeze", "DepthToSpace", "Sum",
)  # fmt: skip


@pytest.mark.parametrize("op_type", SMOOTH)
def test_gradients_of_gradients(op_type):
    @settings(_COMMON, max_examples=max(1, WISHED // 4))
    @given(graphs(op_type, others=SMOOTH, most=1))
    def property_of_graphs(graph):
        try:
            check_second_order(graph)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{graph}") from error

    property_of_graphs()


def check_second_order(graph: RandomGraph) -> None:
    """The product of Hessian and vector is the difference of gradients along the vector."""
    first = osc.differentiate(graph.model(), of=graph.of, wrt=graph.wrt)
    name = graph.wrt[0]
    second = osc.differentiate(first, of=f"grad_{name}", wrt=[name])
    onnx.checker.check_model(second, full_check=True)
    rng = np.random.default_rng(5)
    y = Evaluator(graph.model())(graph.feeds())[graph.of]
    feeds = graph.feeds() | {f"grad_{graph.of}": np.asarray(rng.normal(size=y.shape), y.dtype)}
    x = graph.inputs[name]
    v, u = (np.asarray(rng.normal(size=x.shape)) for _ in range(2))
    try:
        gradient = Evaluator(in_double(first))
    except osc.OnnxscopeError:
        gradient = Evaluator(first)
        step, tolerance = 1e-2, 3e-2
    else:
        step, tolerance = 1e-4, 2e-4
    if x.ndim:
        feeds |= {f"grad_grad_{name}": v.astype(np.float32)}
    products = Evaluator(second)(feeds)
    # The gradient of the gradient carries the name behind that of the gradient.
    product = products[second.graph.output[-1].name]
    weights = v if x.ndim else np.ones(())

    def along(t: float) -> np.ndarray:
        moved = gradient(feeds | {name: x + t * u})[f"grad_{name}"]
        return np.asarray(moved, np.float64)

    near = along(step) - along(-step)
    far = along(2 * step) - along(-2 * step)
    difference = float((weights * (8 * near - far)).sum() / (12 * step))
    found = float((product.astype(np.float64) * u).sum())
    size = np.linalg.norm(product * u) + np.linalg.norm(weights) * 1e-2 + abs(difference)
    assert abs(found - difference) <= tolerance * size, f"{found:.6g}, not {difference:.6g}"


# Wrong rules -------------------------------------------------------------------------------------


def _pad_on_the_wrong_side(op, dy, x, pads, value, axes, *, mode):
    """Cuts off as many elements as were added, all at the end."""
    return dy[tuple(slice(0, size) for size in x.shape)]


def _right_but_for_a_thousandth(op_type):
    rule = STANDARD[op_type].inputs[0].function

    def wrong(op, dy, x, *, y):
        return rule(op, dy, x, y=y) * 1.001

    return wrong


WRONG = {
    "a thousandth too much": ("Tanh", (_right_but_for_a_thousandth("Tanh"),)),
    "a term forgotten": (
        "Softmax",
        (lambda op, dy, x, *, y, axis: dy * y,),
    ),
    "wrong side": ("Pad", (_pad_on_the_wrong_side,)),
    "wrong operand": ("Div", (lambda op, dy, a, b: dy / b, lambda op, dy, a, b: -dy * a / b)),
    "nothing held back": ("Clip", (lambda op, dy, x, low, high: dy,)),
}


def found_wrong(op_type, rules=None, others=None) -> str:
    """What the property says of a wrong rule, on the smallest graph that shows it."""

    @settings(_COMMON, derandomize=True, max_examples=60, phases=[Phase.generate, Phase.shrink])
    @given(graphs(op_type, others=others, most=1))
    def property_of_graphs(graph):
        check_gradient(graph, rules)

    with pytest.raises(AssertionError) as caught:
        property_of_graphs()
    return str(caught.value)


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_rule_is_found_and_named(fault):
    op_type, wrong_rules = WRONG[fault]
    wrong = RuleTable()
    wrong.define(op_type, *wrong_rules)
    message = found_wrong(op_type, STANDARD | wrong, others=("Add", "Mul", "Relu"))
    first = message.splitlines()[1]
    assert op_type in first
    # Shrunk: nothing that does not belong to the fault.
    assert first.count("→") <= 1, message


def test_a_missing_sum_over_repeated_elements_is_found(monkeypatch):
    def first_only(dy, x):
        while dy.rank > x.rank:
            dy = dy[0]
        for axis, (given_size, size) in enumerate(zip(dy.shape, x.shape, strict=True)):
            if given_size != size:
                dy = dy[(*[slice(None)] * axis, slice(0, 1))]
        return dy

    monkeypatch.setattr("onnxscope.gradient.walk.sum_to_shape", first_only)
    message = found_wrong("Add", others=("Tanh", "Mul"))
    assert "Add" in message.splitlines()[1]


def test_a_forgotten_contribution_is_found(monkeypatch):
    monkeypatch.setattr("onnxscope.gradient.walk.add_up", lambda builder, parts: parts[0])
    message = found_wrong("Mul", others=("Add", "Tanh"))
    assert "Mul" in message.splitlines()[1]


def test_a_frozen_size_is_found():
    """A rule that takes for granted what it does not know of open sizes."""
    rule = STANDARD["Tanh"].inputs[0].function

    def frozen(op, dy, x, *, y):
        known = all(isinstance(size, int) for size in x.dims)
        return rule(op, dy, x, y=y) * (1 if known else 1.5)

    wrong = RuleTable()
    wrong.define("Tanh", frozen)

    @settings(_COMMON, derandomize=True, max_examples=40)
    @given(graphs("Tanh", others=("Add",), most=0))
    def property_of_graphs(graph):
        random_checks.check(graph, STANDARD | wrong)

    with pytest.raises(AssertionError, match=r"another of open sizes(?s:.*)Tanh"):
        property_of_graphs()
