"""`verify`: right gradients agree, wrong ones are named, and what cannot be told is not told."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import onnx
import onnxscope as osc
import pytest
from all_rule_cases import CASES
from graphs import model, run, text_model
from onnx import defs, helper
from onnxscope.errors import InputError, LayerError, OperatorError
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.runtime import session
from onnxscope.runtime.session import Provider
from onnxscope.verification import faults, verifier
from onnxscope.verification.differences import derivative, rounding_noise
from onnxscope.verification.double.rewrite import in_double

STANDARD = standard_rules()
SIZE = 96


# Every operator ----------------------------------------------------------------------------------


# How much they give is in their data: no cotangent can be drawn beforehand.
_SIZED_BY_DATA = {"Range", "Unique"}


def _usable(case):
    return case.finite and case.runtime == "onnxruntime"


def _first_cases():
    """Of each operator the first case away from kinks that slopes, in either precision."""
    flat = ("one element", "constant 0", "integer 0", "1 to -1", "1e-09 to 1", "far away")
    found = {}
    for case in CASES:
        steep = not any(words in case.label for words in flat)
        if case.op not in _SIZED_BY_DATA and steep and _usable(case):
            dtype = case.feeds[f"x{case.positions[0]}"].dtype
            found.setdefault((case.op, dtype.name), case)
    return list(found.values())


@pytest.mark.parametrize("case", _first_cases(), ids=str)
def test_every_operator_agrees(case):
    result = osc.verify(case.model(), at=case.feeds)
    assert result.verdict == "agrees", result
    assert result.resolution < 1e-3


def test_every_operator_has_such_a_case():
    usable = {case.op for case in CASES if _usable(case)}
    assert {case.op for case in _first_cases()} == usable - _SIZED_BY_DATA


@pytest.mark.parametrize(
    ("op_type", "rule"),
    [
        ("Tanh", lambda op, dy, x, *, y: dy * (1 - y)),
        ("Exp", lambda op, dy, x, *, y: dy * y * 1.01),
        ("Sqrt", lambda op, dy, x, *, y: dy * (0.5 * y)),
        ("Sigmoid", lambda op, dy, x, *, y: None),
    ],
)
def test_a_wrong_rule_is_named(op_type, rule):
    wrong = RuleTable()
    wrong.define(op_type, rule)
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"], name="squared"),
        helper.make_node(op_type, ["square"], ["inner"], name="the_culprit"),
        helper.make_node("Softmax", ["inner"], ["y"], name="last"),
    ]
    network = model(nodes, {"x": (np.float32, (2, 5))}, ["y"])
    assert osc.verify(network).agrees
    result = osc.verify(network, rules=STANDARD | wrong)
    assert result.verdict == "disagrees"
    (fault,) = result.faults
    assert (fault.op_type, fault.node, fault.kind) == (op_type, "the_culprit", "gradient")
    assert fault.inputs == (("square", (2, 5)),)
    assert fault.outputs == (("inner", (2, 5)),)
    assert "those that were given do not" in result.cause


def test_what_a_mask_makes_infinite_is_no_fault():
    """As a mask of an attention does: the values do not move, and are the same everywhere."""
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    nodes = [
        helper.make_node("Tanh", ["x"], ["scores"]),
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["y"]),
    ]
    mask = np.where(np.tri(4, dtype=bool), 0, -np.inf).astype(np.float32)
    network = model(nodes, {"x": (np.float32, (3, 4, 4))}, ["y"], {"mask": mask})
    assert osc.verify(network).agrees
    result = osc.verify(network, rules=STANDARD | wrong)
    assert result.operators == ("Tanh",)


# A real network ----------------------------------------------------------------------------------


def _everything(op_type):
    return tuple(defs.get_schema(op_type).attributes)


_RIGHT = STANDARD["Conv"].inputs[0].function


@functools.wraps(_RIGHT)
def _conv(*given, **attributes):
    return _RIGHT(*given, **attributes) * 1.05


def _concat(op, dy, *xs, axis, index):
    return STANDARD["Concat"].each.function(op, dy, *xs, axis=axis, index=0)


def _max_pool(op, dy, x):
    sizes = op.constant(x.shape, np.int64)
    return op.Resize(dy, None, None, sizes, mode="nearest") * 0.25


WRONG = {
    "Relu": lambda table: table.define("Relu", lambda op, dy, x: dy),
    "Conv": lambda table: table.define("Conv", _conv, None, None, ignores=_everything("Conv")),
    "Concat": lambda table: table.define("Concat", each=_concat),
    "MaxPool": lambda table: table.define("MaxPool", _max_pool, ignores=_everything("MaxPool")),
    "GlobalAveragePool": lambda table: table.define(
        "GlobalAveragePool", lambda op, dy, x: op.Expand(dy, op.constant(x.shape, np.int64))
    ),
    "Softmax": lambda table: table.define(
        "Softmax", lambda op, dy, x, *, y: dy * y, ignores=("axis",)
    ),
}


@pytest.mark.parametrize("op_type", WRONG)
def test_a_wrong_rule_in_squeezenet_is_named(squeezenet, op_type):
    table = RuleTable()
    WRONG[op_type](table)
    target = "softmax" if op_type == "Softmax" else None
    result = osc.verify(squeezenet, target, size=SIZE, rules=STANDARD | table)
    assert result.verdict == "disagrees"
    assert result.operators == (op_type,)
    assert all(fault.kind == "gradient" for fault in result.faults)


def test_the_node_at_fault_has_attributes_and_shapes(squeezenet):
    table = RuleTable()
    WRONG["MaxPool"](table)
    result = osc.verify(squeezenet, "fire4", size=SIZE, rules=STANDARD | table)
    first = result.faults[0]
    assert first.attributes == {"kernel_shape": [3, 3], "strides": [2, 2]}
    assert [name for name, _ in first.inputs] == ["conv1"]
    assert [name for name, _ in first.outputs] == ["pool1"]
    height = first.inputs[0][1][2]
    assert first.outputs[0][1] == (1, 64, (height - 3) // 2 + 1, (height - 3) // 2 + 1)


@pytest.mark.parametrize("target", [None, "fire8:5", "softmax", "golden retriever"])
def test_squeezenet_agrees(squeezenet, target):
    result = osc.verify(squeezenet, target, size=SIZE, directions=2)
    assert result.agrees
    assert result.double
    assert result.relative_difference < 1e-4
    assert result.provider_difference < 1e-4
    assert result.faults == ()


def test_inception_v3_agrees(inception_v3):
    result = osc.verify(inception_v3, "mixed_4:300", size=160, directions=2)
    assert result.agrees
    assert result.double


def test_the_same_seed_gives_the_same_numbers(squeezenet):
    first, again = (osc.verify(squeezenet, "fire4:3", size=SIZE, directions=1) for _ in range(2))
    other = osc.verify(squeezenet, "fire4:3", size=SIZE, directions=1, seed=1)
    assert first == again
    assert first.checks != other.checks


def test_what_makes_the_network_smaller_is_checked_too(squeezenet, monkeypatch):
    # Half of the picture is never looked at.
    def wrong_crop(builder):
        for node in builder.graph:
            if node.op_type == "Relu":
                x = node.inputs[0]
                half = builder.op.Mul(osc.Tensor(builder, x), builder.constant(0.5, np.float32))
                node.replace_input_with(0, half.value)
                builder.graph.sort()
                return

    monkeypatch.setattr("onnxscope.gradient.objective.crop", wrong_crop)
    result = osc.verify(squeezenet, "fire4:3", size=SIZE, directions=2)
    assert result.verdict == "disagrees"
    assert result.faults == ()
    assert "smaller and faster" in result.cause


# Kinks -------------------------------------------------------------------------------------------

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


def test_ties_between_zeros_are_no_kinks_of_the_nodes():
    # Of windows full of zeros the pool has many winners, and the second ReLU stands on its kink;
    # the rule at fault is another.
    network = text_model(
        """g (float[1, 2, 6, 6] x) => (float[1, 2, 5, 5] y) {
            shift = Constant<value_float = -1.5>()
            low = Add(x, shift)  off = Relu(low)  again = Relu(off)
            pooled = MaxPool<kernel_shape = [2, 2]>(again)  y = Exp(pooled) }"""
    )
    wrong = RuleTable()
    wrong.define("Exp", lambda op, dy, x, *, y: dy)
    assert osc.verify(network).agrees
    result = osc.verify(network, rules=STANDARD | wrong)
    assert result.operators == ("Exp",)


def test_nothing_slopes():
    result = osc.verify(RELU, at={"x": np.full((3, 4), -1, np.float32)})
    assert result.verdict == "cannot tell"
    assert "slope" in result.cause


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


# Differences -------------------------------------------------------------------------------------

STEPS = (1e-6, 1e-7, 1e-8, 1e-9)


def test_a_smooth_function():
    found = derivative(math.exp, STEPS, 1e-16, 1.0)
    assert found.slope == pytest.approx(1, abs=1e-6)
    assert abs(found.slope - 1) <= found.uncertainty < 1e-5
    assert not found.kink


@pytest.mark.parametrize("at", [0, 1e-12])
def test_a_kink(at):
    found = derivative(lambda t: abs(t - at), STEPS, 1e-16, 1.0)
    assert found.kink
    assert found.left == pytest.approx(-1, abs=0.01)
    assert found.right == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("at", [3e-7, 3e-8, -2e-9])
def test_a_kink_nearby_is_stepped_under(at):
    found = derivative(lambda t: abs(t - at), STEPS, 1e-18, 1.0)
    assert not found.kink
    assert abs(found.slope + math.copysign(1, at)) <= max(found.uncertainty, 1e-6)


def test_the_uncertainty_covers_noise():
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(200):
        noisy = lambda t: math.sin(t + 0.5) + 1e-7 * rng.standard_normal()  # noqa: E731
        noise = rounding_noise(noisy, 1e-6, 1e-9)
        found = derivative(noisy, [2.0**-power for power in range(3, 10)], noise, 1.0)
        misses += abs(found.slope - math.cos(0.5)) > 6 * found.uncertainty
        assert found.uncertainty < 1e-4
    assert misses == 0


def test_noise_is_told_from_slope():
    rng = np.random.default_rng(0)
    found = [
        rounding_noise(lambda t: 1e3 * t + 1e-7 * rng.standard_normal(), 1e-6, 1e-12)
        for _ in range(100)
    ]
    assert np.mean(found) == pytest.approx(1e-7, rel=0.2)


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


# Other models ------------------------------------------------------------------------------------


def test_several_inputs_are_moved_one_by_one():
    network = text_model(
        "g (float[N, 3] a, float[3, M] b, int64[N] i) => (float[N, M] y) "
        "{ p = MatMul(a, b)  q = Gather<axis = 1>(b, i)  s = ReduceSum<keepdims = 0>(q) "
        "y = Mul(p, s) }"
    )
    result = osc.verify(network, shapes={"b": (3, 4)}, directions=2)
    assert result.agrees
    assert [check.input for check in result.checks] == ["a", "b", "a", "b"]


def test_tokens_alone_are_checked_by_their_table():
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Unsqueeze", ["tokens", "axes"], ["column"]),
        helper.make_node("Gather", ["table", "column"], ["words"]),
        helper.make_node("Softmax", ["words"], ["y"]),
    ]
    network = model(
        nodes,
        {"tokens": (np.int64, ("batch", "length"))},
        ["y"],
        {"table": rng.standard_normal((20, 6)).astype(np.float32), "axes": np.array([2])},
    )
    result = osc.verify(network, shapes={"tokens": (1, 7)})
    assert result.agrees
    assert {check.input for check in result.checks} == {"table"}
    with pytest.raises(InputError, match=r"'tokens' holds 20, and the table 'table'.*0 to 19"):
        osc.verify(network, at={"tokens": [[3, 20, -1]]})
    with pytest.raises(LayerError, match="no input 'ids'; its input is tokens"):
        osc.verify(network, shapes={"ids": (1, 7)})


def test_a_unit_of_a_value():
    network = text_model("g (float[2, 4] x) => (float[2, 4] y) { e = Exp(x)  y = Softmax(e) }")
    inner = osc.verify(network, "e:2")
    assert inner.agrees
    assert inner.target == "e:2"
    with pytest.raises(LayerError, match="no unit 4"):
        osc.verify(network, "e:4")
    with pytest.raises(LayerError, match="no value 'f'"):
        osc.verify(network, "f")


def test_open_shapes_are_asked_for():
    network = text_model("g (float[N, 3, L] x) => (float[N, 3, L] y) { y = Tanh(x) }")
    with pytest.raises(InputError, match=r"--shape x=1,3,8"):
        osc.verify(network)
    with pytest.raises(InputError, match=r"has shape \(N, 3, L\), not \(1, 4, 5\)"):
        osc.verify(network, shapes={"x": (1, 4, 5)})
    with pytest.raises(LayerError, match="no input 'z'"):
        osc.verify(network, shapes={"z": (1, 3, 5)})
    assert osc.verify(network, shapes={"x": (1, 3, 5)}).agrees


def test_a_network_for_pictures_takes_shapes_as_well():
    network = text_model("g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Tanh(x) }")
    assert osc.verify(network, size=16).checks[0].input == "image"
    assert osc.verify(network, shapes={"x": (2, 3, 4, 5)}).checks[0].input == "x"
    with pytest.raises(InputError, match="loaded to take pictures"):
        osc.verify(osc.load(network), shapes={"x": (2, 3, 4, 5)})


def test_an_input_that_nothing_reads_is_not_verified():
    network = text_model(
        "g (float[1, 3, 8, 8] x, float[1, 3, 1, 1] folded) => (float[1, 3, 8, 8] y) { y = Sin(x) }"
    )
    assert {check.input for check in osc.verify(network, "y:1").checks} == {"image"}


def test_preprocessing_need_not_be_known(squeezenet):
    network = text_model("g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Sin(x) }")
    picture = np.random.default_rng(0).uniform(size=(8, 8, 3))
    assert osc.verify(osc.load(network), at=picture).agrees
    assert osc.load(network).preprocessing is None
    with pytest.raises(InputError, match="one picture, not on 2"):
        osc.verify(network, at=np.stack([picture] * 2))


def test_an_operator_without_a_rule():
    network = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    with pytest.raises(OperatorError, match="no gradient rule for operator Tanh"):
        osc.verify(network, rules=RuleTable())


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


def test_an_empty_input_is_refused():
    proto = text_model("g (float[N, 4] x) => (float[N, 4] y) { y = Tanh(x) }")
    with pytest.raises(InputError, match=r"'x' of shape .0, 4. is empty"):
        osc.verify(proto, shapes={"x": (0, 4)})


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


def test_without_double_precision_single_serves(monkeypatch):
    network = text_model("g (float[4, 4] x) => (float[4, 4] y) { e = Tanh(x)  y = MatMul(e, e) }")

    def refuse(model):
        raise OperatorError("there is no such form")

    monkeypatch.setattr("onnxscope.verification.forward.in_double", refuse)
    result = osc.verify(network)
    assert result.agrees
    assert not result.double
    assert result.why_single == "there is no such form"
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    assert osc.verify(network, rules=STANDARD | wrong).operators == ("Tanh",)


def test_a_double_form_that_is_another_function_is_not_used(monkeypatch):
    def other(model):
        changed = onnx.ModelProto()
        changed.CopyFrom(in_double(model))
        for node in changed.graph.node:
            if node.op_type == "Tanh":
                node.op_type = "Sin"
        return changed

    monkeypatch.setattr("onnxscope.verification.forward.in_double", other)
    result = osc.verify(text_model("g (float[4] x) => (float[4] y) { y = Tanh(x) }"))
    assert result.agrees
    assert "another value" in result.why_single


# Providers ---------------------------------------------------------------------------------------


def test_a_provider_that_computes_wrongly_is_caught(squeezenet, monkeypatch):
    # Stands in for a provider of whose operators one is wrong: its sessions run another graph.
    def spoilt(graph):
        for node in graph.graph.node:
            if node.op_type == "Relu":
                node.op_type = "Abs"
        return graph

    def open_broken(build, provider):
        if provider == "cpu":
            return session.open_for(build, "cpu")
        broken = session.open_for(lambda name: spoilt(build(name)), "cpu")
        broken.provider = Provider("npu")
        return broken

    monkeypatch.setattr(verifier, "open_for", open_broken)
    monkeypatch.setattr(
        faults, "open_session", lambda graph, provider: session.open_session(spoilt(graph), "cpu")
    )
    result = osc.verify(squeezenet, "fire4", size=SIZE, provider="npu", directions=2)
    assert result.verdict == "disagrees"
    assert result.provider_difference > result.provider_limit
    assert result.cause == "the same graph is right on the CPU: the provider npu computes wrongly"
    assert {(fault.op_type, fault.kind) for fault in result.faults} == {("Relu", "value")}


def test_rules_for_operators_that_the_standard_does_not_know(monkeypatch):
    monkeypatch.setattr(verifier, "standard_rules", RuleTable)
    network = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    own = RuleTable()
    own.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    result = osc.verify(network, rules=own)
    assert result.verdict == "disagrees"
    assert result.provider_difference is None
    assert result.operators == ("Tanh",)


# Results -----------------------------------------------------------------------------------------


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


# Double precision --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "nearest"},
        {"mode": "linear"},
        {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    ],
    ids=lambda attributes: " ".join(attributes.values()),
)
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_double_resize(attributes, by):
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 6)).astype(np.float32)
    how = np.array([1, 1, 2, 1.5], np.float32) if by == "scales" else np.array([1, 2, 10, 4])
    names = ["x", "", "how"] if by == "scales" else ["x", "", "", "how"]
    network = model([helper.make_node("Resize", names, ["y"], **attributes)], {"x": x}, ["y"],
                    {"how": how})  # fmt: skip
    found = run(in_double(network), {"x": x.astype(np.float64)})["y"]
    np.testing.assert_allclose(found, run(network, {"x": x})["y"], rtol=1e-5, atol=1e-5)


def test_the_error_function_is_exact():
    x = np.concatenate([np.linspace(-8, 8, 41), [1e-9]])
    network = model([helper.make_node("Erf", ["x"], ["y"])], {"x": (np.float32, x.shape)}, ["y"])
    found = run(in_double(network), {"x": x})["y"]
    np.testing.assert_allclose(found, [math.erf(t) for t in x], rtol=1e-13, atol=1e-15)
