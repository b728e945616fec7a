"""`check_rule` finds wrong rules of every kind, tells where, and says what it did without."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from all_rule_cases import CASES, Case, Const, Fed
from checked_rules import check_all, telling
from onnxscope.errors import InputError, OperatorError
from onnxscope.verification import operator_values


def table(op_type, *rules, **options):
    made = osc.RuleTable()
    made.define(op_type, *rules, **options)
    return osc.standard_rules() | made


AXIS = np.array([1])

WRONG = {
    "sign": ("Tanh", (lambda op, dy, x, *, y: -dy * (1 - y * y),), [(2, 3)]),
    # At 1, where the root is a number of single precision too.
    "a factor": ("Sqrt", (lambda op, dy, x, *, y: dy / (y * 2) * 1.00001,), [np.ones((2, 3))]),
    "no gradient": ("Neg", (lambda op, dy, x: None,), [(2, 3)]),
    "a sum for a mean": (
        "ReduceMean",
        (lambda op, dy, x, axes, *, keepdims, noop_with_empty_axes: dy + x * 0, None),
        [(2, 3), AXIS],
    ),
    "not broadcast": (
        "ReduceSum",
        (lambda op, dy, x, axes, *, keepdims, noop_with_empty_axes: dy, None),
        [(2, 3), AXIS],
    ),
    "transposed": (
        "MatMul",
        (lambda op, dy, a, b: dy @ b.transpose(1, 0), lambda op, dy, a, b: dy.transpose(1, 0) @ a),
        [(2, 3), (3, 4)],
    ),
    "square and transposed": (
        "MatMul",
        (lambda op, dy, a, b: dy @ b, lambda op, dy, a, b: a.transpose(1, 0) @ dy),
        [(3, 3), (3, 3)],
    ),
    "not linear": ("Neg", (lambda op, dy, x: dy * dy,), [(2, 3)]),
    "not linear in a number": (
        "ReduceSum",
        (lambda op, dy, x, axes, *, keepdims, noop_with_empty_axes: x * 0 + dy * dy, None),
        [(2, 3)],
    ),
    "no number": ("Neg", (lambda op, dy, x: dy * (x - x) / (x - x),), [(2, 3)]),
    "in single precision only": (
        "Neg",
        (lambda op, dy, x: -dy * (1 if x.dtype == np.float64 else 2),),
        [(2, 3)],
    ),
    "for single precision only": (
        "Neg",
        (lambda op, dy, x: op.Mul(dy, op.constant(-1, np.float32)),),
        [(2, 3)],
    ),
    "of open sizes": (
        "Neg",
        (lambda op, dy, x: -dy * (1 if isinstance(x.dims[0], int) else 2),),
        [(2, 3)],
    ),
}


@pytest.mark.parametrize("planted", WRONG)
def test_a_wrong_rule_is_found(planted):
    op_type, rules, inputs = WRONG[planted]
    attributes = {"keepdims": 0} if planted == "not linear in a number" else {}
    found = osc.check_rule(op_type, table(op_type, *rules), inputs, attributes=attributes)
    assert not found.right
    assert found.wrong
    assert str(found).startswith(f"the rule of {op_type} is wrong for x")
    assert osc.check_rule(op_type, None, inputs, attributes=attributes).right


@pytest.mark.parametrize("inputs", [[(2, 3), (2, 3)], [(2, 3), (3,)], [(), (2, 3)]])
def test_a_rule_that_is_wrong_in_one_input_only(inputs):
    rules = table("Sub", lambda op, dy, a, b: dy, lambda op, dy, a, b: dy)
    found = osc.check_rule("Sub", rules, inputs)
    assert found.wrong == ("x1",)
    assert str(found).startswith("the rule of Sub is wrong for x1 (B): at ")


def test_an_input_without_a_rule_has_to_have_no_slope():
    rules = table("Mul", lambda op, dy, a, b: dy * b)
    assert osc.check_rule("Mul", rules, [(2, 3), (2, 3)]).wrong == ("x1",)
    assert osc.check_rule("Mul", rules, [(2, 3), (2, 3)], constant=[1]).right


def test_the_wrong_element_is_named():
    rules = table("Abs", lambda op, dy, x: dy)
    assert osc.check_rule("Abs", rules, [[1.0, 2.0]]).right
    found = osc.check_rule("Abs", rules, [[1.0, 2.0, -3.0, 4.0]])
    assert "at element (2,), which is -3, its gradient in float32 is " in str(found)


def test_one_value_of_an_attribute_that_matters_little():
    """The two forms of Gelu are a thousandth apart: single precision would not tell them."""

    def exact(op, dy, x):
        density = op.Exp(x * x * -0.5) * 0.3989422804014327
        return dy * ((op.Erf(x * 0.7071067811865476) + 1.0) * 0.5 + x * density)

    rules = table("Gelu", exact, ignores=("approximate",))
    assert osc.check_rule("Gelu", rules, [(3, 4)], opset=20).right
    tanh = {"approximate": "tanh"}
    assert not osc.check_rule("Gelu", rules, [(3, 4)], attributes=tanh, opset=20).right
    assert osc.check_rule("Gelu", None, [(3, 4)], attributes=tanh, opset=20).right


def test_one_of_several_outputs_left_out():
    def first_alone(op, dy, x, split, *, axis, num_outputs, dys):
        part = dys[0] if dys[0] is not None else dys[1] * 0
        return op.Concat(part, part * 0, axis=0)

    options = {"attributes": {"num_outputs": 2}, "outputs": 2}
    assert not osc.check_rule("Split", table("Split", first_alone), [(4, 3)], **options).right
    assert osc.check_rule("Split", None, [(4, 3)], **options).right
    assert osc.check_rule("TopK", None, [(4, 3), np.array([2])]).right


def test_a_rule_that_needs_sizes_is_right_and_says_so():
    rules = table("Neg", lambda op, dy, x: dy * (x.shape[0] / -2))
    found = osc.check_rule("Neg", rules, [(2, 3)])
    assert found.right
    assert "sizes have to be numbers (the shape of 'input 0' is needed" in str(found)


def test_an_attribute_that_the_rule_does_not_name():
    rules = table("LeakyRelu", lambda op, dy, x: dy * op.Where(x.greater(0), x / x, x / x * 0.01))
    found = osc.check_rule("LeakyRelu", rules, [(3, 4)])
    assert found.right
    assert found.unnamed == ("alpha",)
    assert "nodes that set alpha are refused" in str(found)
    with pytest.raises(OperatorError, match="does not handle attribute 'alpha'"):
        osc.check_rule("LeakyRelu", rules, [(3, 4)], attributes={"alpha": 0.2})


# Kinks -------------------------------------------------------------------------------------------


def test_one_of_many_elements_on_a_kink():
    many = np.r_[0.0, np.random.default_rng(0).normal(size=10_000)]
    found = osc.check_rule("Relu", None, [many])
    assert found.wrong == ()
    assert found.kinks == ("x0",)


def test_beside_a_kink_there_is_a_slope():
    x = np.array([1e-4, -1e-4, 1.0, -1.0])
    assert osc.check_rule("Relu", None, [x]).right
    assert osc.check_rule("Max", None, [x, x + 1e-4]).right
    wrong = table("Relu", lambda op, dy, x: dy)
    assert osc.check_rule("Relu", wrong, [x]).wrong == ("x0",)


def test_steps_stay_in_the_domain():
    assert osc.check_rule("Log", None, [[1e-3, 1.0, 2.0]]).right
    assert osc.check_rule("Acosh", None, [[1.001, 2.0]]).right
    with pytest.raises(InputError, match="not finite just beside input 0"):
        osc.check_rule("Log", None, [[1e-8, 1.0, 2.0]])


# What computes the operator ----------------------------------------------------------------------


def test_a_function_that_computes_something_else_is_said_to():
    found = osc.check_rule("Elu", None, [(3, 4)], forward=lambda x: x)
    assert not found.right
    assert "forward gives another output 0 of Elu than ONNX Runtime, up to " in str(found)
    found = osc.check_rule("Elu", None, [(3, 4)], forward=lambda x: x.sum())
    assert "forward gives output 0 of Elu in shape (), ONNX Runtime in (3, 4)" in str(found)
    right = osc.check_rule("Elu", None, [(3, 4)], forward=lambda x: np.where(x > 0, x, np.expm1(x)))
    assert right.right
    assert right.by == "forward"


def test_single_precision_sees_less_and_says_so(monkeypatch):
    monkeypatch.setattr(operator_values.Values, "_serves", lambda *_: False)
    found = osc.check_rule("Tanh", None, [(3, 4)])
    assert found.right
    assert not found.double
    assert str(found).endswith("in single precision")
    rough = table("Tanh", lambda op, dy, x, *, y: dy * (1 - y * y) * 1.05)
    assert not osc.check_rule("Tanh", rough, [(3, 4)]).right


def test_kernels_that_compute_in_single_precision_are_no_double_precision():
    # ONNX Runtime takes Shrink of float64, and computes it in float32.
    found = osc.check_rule("Shrink", None, [[1.1, 2.2, -1.3, -2.4, 0.25]])
    assert found.by == "ONNX's reference evaluator"
    # All values are numbers of single precision here, and yet it computes in double.
    assert osc.check_rule("Mul", None, [np.full((2, 3), 2.0), np.full(3, 0.5)]).double


def test_what_nothing_runs_takes_a_function(monkeypatch):
    def refuse(by, model):
        def run(feeds):
            raise RuntimeError("not implemented")

        return run

    monkeypatch.setattr(operator_values, "runner", refuse)
    with pytest.raises(OperatorError, match=r"nothing here runs Tanh .* give forward"):
        osc.check_rule("Tanh", None, [(3, 4)])
    assert osc.check_rule("Tanh", None, [(3, 4)], forward=np.tanh).right


def test_indices_are_constants_or_fed():
    for fed in ([], [1]):
        assert osc.check_rule("Gather", None, [(3, 4), np.array([0, 2])], fed=fed).right


def is_fed(given):
    return isinstance(given, Fed) or (isinstance(given, np.ndarray) and given.dtype.kind == "b")


def check_node(case: Case) -> osc.RuleCheck:
    """Check a rule with all outputs of the node, of which some inputs are fed, some constant."""
    return osc.check_rule(
        case.op,
        None,
        case.arrays,
        attributes=case.attributes,
        constant=[number for number, given in enumerate(case.inputs) if isinstance(given, Const)],
        fed=[number for number, given in enumerate(case.inputs) if is_fed(given)],
        outputs=len(case.outputs),
        opset=case.opset,
    )


@pytest.mark.slow
def test_standard_rules_of_several_outputs_or_fed_inputs():
    """The cases that are no single output of known constants."""
    every = [
        case
        for case in CASES
        if case.finite and (case.outputs != ("y",) or any(map(is_fed, case.inputs)))
    ]
    assert len(every) > 100
    cases = telling(every)
    assert {case.op for case in cases} == {case.op for case in every}
    assert len({case.op for case in cases}) > 10
    wrong, empty = check_all(cases, check_node)
    assert not wrong
    assert len(empty) < len(cases) / 20, empty


def test_the_same_seed_gives_the_same_numbers():
    first, again, other = (osc.check_rule("Tanh", None, [(3, 4)], seed=seed) for seed in (0, 0, 1))
    assert first == again != other


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op_type", "inputs", "options", "error", "message"),
    [
        ("com.example::Twice", [(2,)], {}, OperatorError, "no standard operator, and has no rule"),
        ("Floor", [(2,)], {}, OperatorError, "has no rule, since it passes no gradient"),
        ("Tanh", [(2,), (2,)], {}, OperatorError, "nothing here runs Tanh on these inputs"),
        ("Resize", [(1, 1, 4, 4), None, [1.0, 1, 2, 2]], {}, OperatorError, "not to roi or scales"),
        ("Tanh", [["a"]], {}, InputError, "input 0 holds"),
        ("Tanh", [[np.nan]], {}, InputError, "input 0 is not finite"),
        ("Tanh", [(2,)], {"opset": 17}, InputError, "opset"),
        ("Tanh", [(2,)], {"seed": -1}, InputError, "seed"),
        ("Tanh", [(2,)], {"outputs": 0}, InputError, "outputs"),
        ("Tanh", [(2,)], {"constant": [1]}, InputError, "each position in constant"),
        ("Tanh", [(2,), None], {"fed": [1]}, InputError, "fed names input 1, which is left out"),
    ],
)
def test_what_cannot_be_checked(op_type, inputs, options, error, message):
    with pytest.raises(error, match=message):
        osc.check_rule(op_type, None, inputs, **options)
