"""`check_rule` confirms every standard rule, and finds wrong ones of every kind."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from all_rule_cases import CASES, Case, Const, Fed
from checked_rules import check_all, telling
from onnxscope.errors import InputError, OperatorError

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 2))

# One node from its inputs to y, at a point that is on no kink.
PLAIN = [case for case in CASES if not case.tail and case.outputs == ("y",) and case.finite]


def check(case: Case, rules: osc.RuleTable | None = None) -> osc.RuleCheck:
    held = [i for i, given in enumerate(case.inputs) if isinstance(given, Const | Fed)]
    inputs = [given.array if isinstance(given, Const | Fed) else given for given in case.inputs]
    return osc.check_rule(
        case.op, rules, inputs, attributes=case.attributes, constant=held, opset=case.opset
    )


def replaced(op_type: str, *rules) -> osc.RuleTable:
    """The standard table with other rules for one operator."""
    table = osc.RuleTable()
    table.define(op_type, *rules)
    return osc.standard_rules() | table


def spread() -> dict[str, list[Case]]:
    """Cases by operator: with each attribute, and inputs of each kind.

    That the rules are right in every case is the matter of `tests/engine/rules`.
    """
    found: dict[str, list[Case]] = {}
    for case in telling(PLAIN):
        found.setdefault(case.op, []).append(case)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("op", "cases"), spread().items(), ids=spread())
def test_every_standard_rule_is_right(op: str, cases: list[Case]) -> None:
    wrong, empty = check_all(cases, check)
    assert not wrong
    assert len(empty) < len(cases), empty


def wrong_sign(op, dy, x):
    return -dy * op.Cos(x)


def wrong_factor(op, dy, x):
    return 1.001 * dy * op.Cos(x)


def wrong_below_zero(op, dy, x):
    return dy * op.Cos(op.Abs(x)) * x.greater(0).astype(x.dtype)


def nonlinear(op, dy, x):
    return dy * op.Cos(x) + 0.01 * dy * dy


@pytest.mark.parametrize("rule", [wrong_sign, wrong_factor, wrong_below_zero, nonlinear])
def test_a_wrong_rule_is_found(rule) -> None:
    rules = replaced("Sin", rule)
    found = osc.check_rule("Sin", rules, [X])
    assert not found.right
    assert str(found).startswith("the rule of Sin is wrong")
    right = osc.check_rule("Sin", None, [X])
    assert right.right
    assert "is right" in str(right)


def test_only_the_wrong_input_is_named() -> None:
    rules = replaced(
        "MatMul",
        lambda op, dy, a, b: dy @ op.Transpose(b, perm=[1, 0]),
        lambda op, dy, a, b: 2 * (op.Transpose(a, perm=[1, 0]) @ dy),
    )
    found = osc.check_rule("MatMul", rules, [X, W])
    assert found.wrong == ("x1",)
    assert "x1" in str(found)


def test_one_value_of_an_attribute_may_be_wrong() -> None:
    def leaky(op, dy, x, *, alpha):
        return dy * op.Where(x.greater(0), op.constant(1, x.dtype), op.constant(0.01, x.dtype))

    rules = replaced("LeakyRelu", leaky)
    x = np.array([-2.0, -0.5, 0.5, 2.0])
    assert osc.check_rule("LeakyRelu", rules, [x], attributes={"alpha": 0.01}).right
    assert not osc.check_rule("LeakyRelu", rules, [x], attributes={"alpha": 0.3}).right


def test_a_kink_is_no_wrong_rule() -> None:
    found = osc.check_rule("Relu", None, [np.array([-1.0, 0.0, 1.0])])
    assert found.kinks == ("x0",)
    assert not found.right
    assert "on a kink" in str(found)


def test_a_function_of_ones_own_may_be_differed() -> None:
    found = osc.check_rule("Softsign", None, [X], forward=lambda x: x / (1 + np.abs(x)))
    assert found.right
    assert not osc.check_rule("Softsign", None, [X], forward=lambda x: x / (2 + np.abs(x))).right


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("Softsgin", None, [X]), OperatorError, "did you mean 'Softsign'"),
        (("Swish", None, [X]), OperatorError, "no operator 'Swish' at opset 18"),
        (("RMSNormalization", None, [X]), OperatorError, "no operator"),
        (("Sin", osc.RuleTable(), [X]), OperatorError, "no gradient rule in this table"),
        (("LSTM", None, [X]), OperatorError, "written as others"),
        (("Log", None, [-np.abs(X)]), InputError, "not finite"),
        (("Relu", None, [np.array([1, 2])]), InputError, "no real numbers"),
        (("Relu", None, [np.empty((0, 3))]), InputError, "nothing could be checked"),
        (("Compress", None, [np.ones(3), np.zeros(3, bool)]), InputError, "gives nothing at these"),
        (("MatMul", None, [X, X]), OperatorError, "nothing here runs MatMul"),
    ],
)
def test_what_cannot_be_checked_is_said(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        osc.check_rule(*arguments)


def test_a_size_that_depends_on_the_numbers_just_beside_is_said():
    with pytest.raises(OperatorError, match="size of the output depends on the values of input 0"):
        osc.check_rule("Unique", osc.standard_rules(), [np.array([1.0, 3.0, 1.0])])
