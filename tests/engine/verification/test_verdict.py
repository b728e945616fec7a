"""What cannot be told is not told: kinks, flat places, no numbers, half precision."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, text_model
from onnx import helper
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.verification import verifier

STANDARD = standard_rules()


RELU = text_model("g (float[3, 4] x) => (float[3, 4] y) { y = Relu(x) }")


def test_a_point_on_a_kink_is_moved_off_it():
    result = osc.verify(RELU, at={"x": np.zeros((3, 4), np.float32)})
    assert result.moved
    assert result.agrees


def test_a_kink_everywhere_is_no_verdict():
    # The absolute value of what is always zero: differences know no derivative.
    network = text_model(
        "g (float[4] x) => (float[4] y) { zero = Sub(x, x)  a = Abs(zero)  y = Add(a, x) }"
    )
    assert osc.verify(network).agrees
    steep = text_model(
        """g (float[4] x) => (float[4] y) {
            big = Constant<value_float = 1e6>()
            f = Mul(x, big)  r = Sin(f)  s = Mul(r, big)  t = Sin(s)  u = Mul(t, big)  v = Sin(u)
            w = Mul(v, big)  y = Sin(w) }"""
    )
    result = osc.verify(steep)
    assert result.verdict == "cannot tell"
    assert result.cause


def test_nothing_slopes():
    result = osc.verify(RELU, at={"x": np.full((3, 4), -1, np.float32)})
    assert result.verdict == "cannot tell"
    assert "slope" in result.cause


def test_slopes_of_what_is_saturated_tell_nothing():
    """They agree to the last digits, and no picture shows anything of either."""
    network = text_model("g (float[3] x) => (float[3] y) { y = Exp(x) }")
    assert osc.verify(network, at={"x": np.array([-20, -21, -22], np.float32)}).agrees
    result = osc.verify(network, at={"x": np.array([-32, -33, -34], np.float32)})
    assert result.verdict == "cannot tell"
    assert "saturated" in result.cause
    wrong = RuleTable()
    wrong.define("Exp", lambda op, dy, x: dy * op.Exp(x) * 1.1)
    result = osc.verify(
        network, at={"x": np.array([-32, -33, -34], np.float32)}, rules=STANDARD | wrong
    )
    assert result.verdict == "disagrees"


def test_not_a_number_is_no_agreement():
    network = text_model("g (float[3] x) => (float[3] y) { y = Log(x) }")
    result = osc.verify(network, at={"x": np.array([-1, 1, 2], np.float32)})
    assert result.verdict == "cannot tell"
    wrong = RuleTable()
    wrong.define("Log", lambda op, dy, x: dy / (x - x))
    result = osc.verify(network, at={"x": np.array([3, 1, 2], np.float32)}, rules=STANDARD | wrong)
    assert result.verdict == "disagrees"
    assert result.operators == ("Log",)


def test_a_gradient_that_is_no_number_is_wrong(monkeypatch):
    # No standard rule to compare with: the differences alone tell.
    monkeypatch.setattr(verifier, "standard_rules", RuleTable)
    own = RuleTable()
    own.define("Tanh", lambda op, dy, x: dy / (x - x))
    network = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    result = osc.verify(network, rules=own)
    assert result.verdict == "disagrees"
    assert result.operators == ("Tanh",)


@pytest.mark.parametrize("seed", range(4))
def test_sums_that_round_alike_nearby_are_not_trusted_too_far(seed):
    # The slope is small against what the mean of so many squares is rounded to.
    network = text_model(
        "g (float[1, 3, 96, 96] image) => (float[1, 3, 96, 96] y) "
        "{ one = Constant<value_floats = [1.0, 1.0, 1.0]>() "
        "zero = Constant<value_floats = [0.0, 0.0, 0.0]>() "
        "n = InstanceNormalization(image, one, zero)  y = Sigmoid(n) }"
    )
    assert osc.verify(network, seed=seed).verdict == "agrees"


def test_half_precision_may_be_too_coarse():
    nodes = [
        helper.make_node("Mul", ["x", "k"], ["fast"]),
        helper.make_node("Sin", ["fast"], ["y"]),
    ]
    steep = {"k": np.array(60, np.float16)}
    proto = model(nodes, {"x": np.zeros((4, 4), np.float16)}, ["y"], steep)
    found = osc.verify(proto)
    assert found.verdict == "cannot tell"
    assert "half precision is too coarse" in found.cause


def test_half_precision():
    network = text_model(
        "g (float16[4, 4] x) => (float16[4, 4] y) { e = Tanh(x)  y = MatMul(e, e) }"
    )
    result = osc.verify(network)
    assert result.agrees
    assert result.resolution >= 0.01  # and no more is claimed
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    assert osc.verify(network, rules=STANDARD | wrong).operators == ("Tanh",)


def test_results_are_plain_data():
    wrong = RuleTable()
    wrong.define("Softmax", lambda op, dy, x, *, y: dy * y, ignores=("axis",))
    network = text_model("g (float[2, 4] x) => (float[2, 4] y) { y = Softmax<axis = -1>(x) }")
    data = json.loads(json.dumps(osc.verify(network, rules=STANDARD | wrong).to_json()))
    assert data["verdict"] == "disagrees"
    assert data["provider"] == "cpu"
    assert data["operators"] == ["Softmax"]
    assert data["faults"][0]["attributes"] == {"axis": -1}
    assert data["checks"][0]["verdict"] == "disagrees"


BEYOND_SINGLE = {
    "inside of a node": (1e20, "{ y = ReduceL2<keepdims = 1>(x) }"),
    "of the network": (1e20, "{ a = Mul(x, x)  b = ReduceSum<keepdims = 1>(a)  y = Sqrt(b) }"),
    "of the rule": (1e22, "{ y = Reciprocal(x) }"),
    "in a divisor": (1e20, "{ b = ReduceL2<keepdims = 1>(x)  y = Div(x, b) }"),
}


@pytest.mark.parametrize(("size", "nodes"), BEYOND_SINGLE.values(), ids=BEYOND_SINGLE)
def test_numbers_whose_squares_overflow_are_no_error_of_a_rule(size, nodes):
    x = np.random.default_rng(0).standard_normal((2, 4)) * size
    network = text_model(f"g (float[2, 4] x) => (float[2, N] y) {nodes}")
    found = osc.verify(network, at={"x": x.astype(np.float32)})
    assert found.verdict == "cannot tell"
    assert found.faults == ()
    # A wrong rule is wrong where the numbers fit.
    assert osc.verify(network).agrees


def test_a_wrong_rule_is_wrong_beside_what_overflows_too():
    wrong = RuleTable()
    wrong.define("Sqrt", lambda op, dy, x, *, y: dy / y)
    network = text_model(
        "g (float[2, 4] x) => (float[2, 1] y) "
        "{ a = Mul(x, x)  b = ReduceSum<keepdims = 1>(a)  y = Sqrt(b) }"
    )
    x = np.full((2, 4), 1e20, np.float32)
    assert osc.verify(network, at={"x": x}, rules=STANDARD | wrong).verdict == "disagrees"


@pytest.mark.parametrize(
    ("nodes", "x"),
    [
        ("{ y = Tanh(x) }", [16, -16, 16.5, 17]),
        ("{ y = Softmax(x) }", [0, -32, -33, -34]),
        ("{ y = Softmax(x) }", [0, -12, -13, -14]),
        (
            "{ k = Constant<value_float = 1e8>()  a = Add(x, k)  b = Sub(a, k)  y = Sub(b, x) }",
            [1, 2, 3, 4],
        ),
    ],
)
def test_what_rounding_leaves_of_a_slope_is_no_error(nodes, x):
    network = text_model(f"g (float[1, 4] x) => (float[1, 4] y) {nodes}")
    found = osc.verify(network, at={"x": np.array([x], np.float32)})
    assert found.verdict == "cannot tell", found


@pytest.mark.parametrize(
    ("apart", "verdict"), [(2e-5, "agrees"), (2.1e-4, "cannot tell"), (7e-4, "disagrees")]
)
def test_between_agreeing_and_disagreeing_is_a_margin(apart, verdict):
    wrong = RuleTable()
    wrong.define("Exp", lambda op, dy, x, *, y: dy * y * (1 + apart))
    network = text_model("g (float[4] x) => (float[4] y) { y = Exp(x) }")
    x = np.ones(4, np.float32)
    found = osc.verify(network, at={"x": x}, rules=STANDARD | wrong)
    assert found.verdict == verdict
    if verdict == "cannot tell":
        assert "a little more than rounding explains" in found.cause
