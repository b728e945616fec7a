"""Wrong rules are named, with the node at fault, and no others."""

from __future__ import annotations

import functools

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, text_model
from onnx import defs, helper
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable

STANDARD = standard_rules()


SIZE = 64


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


@pytest.mark.slow
@pytest.mark.parametrize("op_type", WRONG)
def test_a_wrong_rule_in_squeezenet_is_named(squeezenet, op_type):
    table = RuleTable()
    WRONG[op_type](table)
    target = "softmax" if op_type == "Softmax" else None
    result = osc.verify(squeezenet, target, size=SIZE, rules=STANDARD | table)
    assert result.verdict == "disagrees"
    assert result.operators == (op_type,)
    assert all(fault.kind == "gradient" for fault in result.faults)


@pytest.mark.slow
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
