"""Every gradient rule against central differences and against a second, independent oracle."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import onnxscope as osc
import pytest
from all_rule_cases import CASES
from graphs import model, run, session
from onnx import helper
from onnxscope.errors import OperatorError
from onnxscope.rules.redirected import redirected_relu
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from rule_checks import check_case, check_open_sizes

STANDARD = standard_rules()


@pytest.mark.sample(of_each=lambda case: case.op)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient(case):
    """It is right, and the same where no input has a known size."""
    check_open_sizes(case, *check_case(case))


def test_every_rule_has_a_case():
    covered: dict[str, set[int]] = {}
    for case in CASES:
        covered.setdefault(case.op, set()).update(case.positions)
    without = sorted(set(STANDARD) - set(covered))
    assert not without, f"no case in tests/engine/helpers/rule_cases*.py is of {without}"
    assert not set(covered) - set(STANDARD), "cases of operators that have no rule"
    for op_type in STANDARD:
        rules = STANDARD[op_type]
        if rules.each is not None:
            expected = set(range(rules.each.arity or 2))
        else:
            expected = {i for i, rule in enumerate(rules.inputs) if rule is not None}
        missing = expected - covered[op_type] - REFUSED.get(op_type, set())
        assert not missing, f"no case differentiates {op_type} with respect to {missing}"


# Inputs whose rule says that there is none; see test_refused.
REFUSED = {"Resize": {1, 2}}


WRONG = {
    "Mul": (lambda op, dy, a, b: dy * b, lambda op, dy, a, b: dy * b),
    "Tanh": (lambda op, dy, x, *, y: dy * (1 - y),),
    "Relu": (lambda op, dy, x: dy,),
    "Conv": (lambda op, dy, x, w, b: x * 0.5, None, None),
    "Neg": (lambda op, dy, x: None,),
    "Sqrt": (lambda op, dy, x, *, y: dy / (y * 2) * 1.00001,),
}


@pytest.mark.slow
@pytest.mark.parametrize("op_type", WRONG)
def test_a_wrong_rule_is_caught(op_type):
    wrong = RuleTable()
    attributes = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    wrong.define(op_type, *WRONG[op_type], ignores=attributes if op_type == "Conv" else ())
    caught = 0
    for case in CASES:
        if case.op == op_type and case.finite:
            check_case(case, STANDARD)
            with pytest.raises(AssertionError):
                check_case(case, STANDARD | wrong)
            caught += 1
    assert caught


def test_differences_alone_catch_a_wrong_rule(monkeypatch):
    # The second oracle is not what the other tests lean on.
    monkeypatch.setattr("rule_checks.close", lambda *_: None)
    wrong = RuleTable()
    wrong.define("Sqrt", lambda op, dy, x, *, y: dy / (y * 2) * 1.00001)
    case = next(case for case in CASES if case.op == "Sqrt")
    check_case(case)
    with pytest.raises(AssertionError):
        check_case(case, STANDARD | wrong)


# What rules refuse -------------------------------------------------------------------------------


def differentiate_node(op_type, *shapes, constants=(), rules=None, of="y", outputs=("y",), **attrs):
    """Differentiate one node of float32 inputs a, b, … and constants behind them."""
    inputs = {name: (np.float32, shape) for name, shape in zip("abc", shapes, strict=False)}
    extra = {f"k{i}": array for i, array in enumerate(constants)}
    node = helper.make_node(op_type, [*inputs, *extra], list(outputs), name="the_node", **attrs)
    proto = model([node], inputs, outputs, extra)
    return osc.differentiate(proto, of=of, wrt=list(inputs), rules=rules)


@pytest.mark.parametrize(
    ("reason", "op_type", "shapes", "options"),
    [
        ("not to roi or scales", "Resize", [(1, 1, 4, 4), (8,), (4,)], {}),
        ("in training mode drops .*; export the model for inference, or make", "Dropout", [(2, 3)],
         {"constants": [np.array(0.5, np.float32), np.array(True)]}),
    ],
)  # fmt: skip
def test_refused(reason, op_type, shapes, options):
    with pytest.raises(OperatorError, match=reason):
        differentiate_node(op_type, *shapes, **options)


def test_a_training_mode_of_the_run_is_refused():
    node = helper.make_node("Dropout", ["x", "ratio", "training"], ["y"])
    proto = model(
        [node],
        {"x": (np.float32, (2, 3)), "training": (np.bool_, ())},
        ["y"],
        {"ratio": np.float32(0.5)},
    )
    with pytest.raises(OperatorError, match=r"known at run time only; .* constant false"):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT16", "BFLOAT16", "DOUBLE"])
def test_gradients_through_other_types_keep_their_digits(kind):
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=getattr(onnx.TensorProto, kind)),
        helper.make_node("Cast", ["h"], ["y"], to=onnx.TensorProto.FLOAT),
    ]
    x = np.array([1.0, 2, 3, 4], np.float32)
    proto = model(nodes, {"x": x}, ["y"], opset=19)
    dy = np.array([1.23e-4, 1.23, -7, 0], np.float32)
    gradient = run(osc.differentiate(proto, of="y", wrt=["x"]), {"x": x, "grad_y": dy})["grad_x"]
    digits = {"FLOAT16": 1e-3, "BFLOAT16": 1e-2}.get(kind, 0)
    np.testing.assert_allclose(gradient, dy, rtol=digits)


# The table ---------------------------------------------------------------------------------------


def test_registering_twice_raises():
    table = standard_rules()
    with pytest.raises(OperatorError, match="Relu has a gradient rule in this table already"):
        table.define("Relu", lambda op, dy, x: dy)
    with pytest.raises(OperatorError, match="Shape has a gradient rule in this table already"):
        table.define("Shape", lambda op, dy, x: dy)
    with pytest.raises(OperatorError, match="Relu has a gradient rule in this table already"):
        table.declare_constant("piecewise constant", "Relu")


def test_a_rule_that_names_an_unknown_attribute_raises():
    table = RuleTable()
    with pytest.raises(OperatorError, match=r"asks for 'slope', .* its attribute is alpha"):
        table.define("LeakyRelu", lambda op, dy, x, *, slope: dy * slope)
    with pytest.raises(OperatorError, match=r"asks for 'slope', .* its attribute is alpha"):
        table.define("LeakyRelu", each=lambda op, dy, *xs, slope: dy * slope)
    with pytest.raises(OperatorError, match=r"ignores names 'slope', .* its attribute is alpha"):
        table.define("LeakyRelu", lambda op, dy, x: dy, ignores=["slope"])
    assert "LeakyRelu" not in table


def test_a_table_cannot_be_pickled():
    with pytest.raises(OperatorError, match="make it anew in each process"):
        pickle.dumps(RuleTable())


def test_an_attribute_that_nobody_handled_raises():
    table = RuleTable()
    table.define("LeakyRelu", lambda op, dy, x: dy)
    table.define("Elu", lambda op, dy, x: dy, ignores=("alpha",))
    with pytest.raises(
        OperatorError, match=r"LeakyRelu does not handle attribute 'alpha' \(node 'the_n"
    ):
        differentiate_node("LeakyRelu", (2,), rules=table, alpha=0.3)
    differentiate_node("LeakyRelu", (2,), rules=table)
    differentiate_node("Elu", (2,), rules=table, alpha=0.3)


def test_a_rule_sees_the_attribute_or_the_default():
    seen = []

    def rule(op, dy, x, *, y, index, alpha):
        seen.append((alpha, index, y.name))
        return dy

    table = RuleTable()
    table.define("LeakyRelu", rule)
    differentiate_node("LeakyRelu", (2,), rules=table, alpha=0.25)
    differentiate_node("LeakyRelu", (2,), rules=table)
    assert seen == [(0.25, 0, "y"), (pytest.approx(0.01), 0, "y")]


def test_a_missing_rule_says_what_to_do():
    with pytest.raises(OperatorError) as error:
        differentiate_node("Relu", (2, 3), rules=RuleTable())
    message = str(error.value)
    assert "operator Relu (node 'the_node')" in message
    assert "choose a layer before it, or define its rule" in message
    assert "pass rules" in message


def test_a_missing_rule_of_another_domain():
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.example", name="the_node")
    value = [helper.make_tensor_value_info(name, 1, [2]) for name in "xy"]
    graph = helper.make_graph([node], "g", value[:1], value[1:])
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.example", 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=9)
    with pytest.raises(OperatorError, match=r"com\.example"):
        osc.differentiate(proto, of="y", wrt=["x"])


def test_another_output_raises():
    table = RuleTable()
    table.define("Split", lambda op, dy, x: dy, ignores=("axis", "num_outputs"))
    with pytest.raises(OperatorError, match=r"Split handles its first output only.*the_node"):
        differentiate_node("Split", (4, 3), rules=table, of="q", outputs=("p", "q"), num_outputs=2)


def test_operators_without_derivative():
    assert {"Sign", "Greater", "ArgMax", "Shape"} <= set(STANDARD.without_derivative)
    assert not set(STANDARD) & set(STANDARD.without_derivative)
    assert all(STANDARD.without_derivative.values())
    graph = differentiate_node("Floor", (2, 3))
    results = run(graph, {"a": np.ones((2, 3), np.float32), "grad_y": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(results["grad_a"], np.zeros((2, 3)))


def test_a_table_is_data():
    overrides = RuleTable()
    overrides.define("Relu", lambda op, dy, x: dy * 7)
    merged = STANDARD | overrides
    assert len(merged) == len(STANDARD)
    assert list(merged) == list(STANDARD)
    feeds = {"a": np.array([-1.0, 1], np.float32), "grad_y": np.ones(2, np.float32)}
    for table, expected in ((merged, [7, 7]), (STANDARD, [0, 1]), (None, [0, 1])):
        results = run(differentiate_node("Relu", (2,), rules=table), feeds)
        np.testing.assert_array_equal(results["grad_a"], expected)


def test_rules_for_what_the_table_does_not_know():
    table = RuleTable()
    table.define(
        "Elu", lambda op, dy, x, *, y, alpha: dy * op.Where(x.greater(0), y / y, y + alpha)
    )
    feeds = {"a": np.array([-1.0, 1], np.float32), "grad_y": np.ones(2, np.float32)}
    results = run(differentiate_node("Elu", (2,), rules=STANDARD | table, alpha=2.0), feeds)
    np.testing.assert_allclose(results["grad_a"], [2 * np.exp(-1), 1], rtol=1e-6)


# Redirected ReLU ---------------------------------------------------------------------------------

DY = np.array([1.0, -2, 3, -4], np.float32)


def redirected(node, x, *bounds, dy):
    """The gradient of Relu or Clip by the redirected rules, on a batch."""
    x, dy = np.asarray(x, np.float32), np.asarray(dy, np.float32)
    names = ["x", *("" if bound is None else f"b{i}" for i, bound in enumerate(bounds))]
    constants = {
        name: np.array(bound, np.float32)
        for name, bound in zip(names[1:], bounds, strict=True)
        if bound is not None
    }
    proto = model([helper.make_node(node, names, ["y"])], {"x": x}, ["y"], constants)
    graph = osc.differentiate(proto, of="y", wrt=["x"], rules=STANDARD | redirected_relu())
    return run(graph, {"x": x, "grad_y": dy})["grad_x"]


def test_redirected_relu_leaves_alive_pictures_alone():
    x = [[-1.0, 2, -3, -4]]
    np.testing.assert_array_equal(redirected("Relu", x, dy=[DY]), [[0, -2, 0, 0]])


def test_redirected_relu_wakes_dead_pictures_without_pushing_them_further_down():
    x = [[-1.0, -2, -3, -4]]
    np.testing.assert_array_equal(redirected("Relu", x, dy=[DY]), [[1, 0, 3, 0]])
    # At zero, nothing is pushed further below it.
    np.testing.assert_array_equal(redirected("Relu", [[0.0, 0, 0, 0]], dy=[DY]), [DY])


def test_redirected_relu_decides_for_each_picture():
    x = np.stack([[-1.0, 2, -3, -4], [-1, -2, -3, -4], [1, 1, 1, 1]])
    expected = [[0, -2, 0, 0], [1, 0, 3, 0], DY]
    np.testing.assert_array_equal(redirected("Relu", x, dy=[DY] * 3), expected)
    # Whatever the rank.
    shape = (3, 1, 2, 2)
    gradient = redirected("Relu", x.reshape(shape), dy=np.stack([DY] * 3).reshape(shape))
    np.testing.assert_array_equal(gradient.reshape(3, 4), expected)
    np.testing.assert_array_equal(redirected("Relu", [-1.0, 1], dy=[3, -5]), [3, -5])


def test_redirected_relu_is_alive_where_the_only_gradient_is_negative():
    np.testing.assert_array_equal(
        redirected("Relu", [[-1.0, 2, -3, -4]], dy=[[1, -1, 1, 1]]), [[0, -1, 0, 0]]
    )


@pytest.mark.parametrize(
    ("bounds", "x", "expected"),
    [
        ((0, 6), [-1.0, 3, 7, 7], [0, -2, 0, 0]),
        ((0, 6), [-1.0, -1, 7, 7], [1, 0, 0, -4]),
        ((-1, 1), [-2.0, -2, 2, 2], [1, 0, 0, -4]),
        ((-1, 1), [-0.5, -2, 2, 2], [1, 0, 0, 0]),
        ((2, 3), [1.0, 1, 4, 4], [1, 0, 0, -4]),
        ((None, 1), [2.0, 2, 2, 2], [0, -2, 0, -4]),
        ((0, None), [-1.0, -1, -1, -1], [1, 0, 3, 0]),
        ((None, None), [-1.0, 1, 7, 7], DY),
    ],
)
def test_redirected_clip(bounds, x, expected):
    np.testing.assert_array_equal(redirected("Clip", [x], *bounds, dy=[DY]), [expected])


@pytest.mark.parametrize("exponents", [[0.7], [0.7, 2.5, -0.5]])
def test_a_mask_hides_powers_that_are_no_numbers(exponents):
    """As in power transforms: negative numbers have another branch."""
    proto = onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["": 18]>
        g (float[3] x) => (float[3] y)
        <float[{len(exponents)}] p = {{{", ".join(map(str, exponents))}}}, float[1] zero = {{0}}>
        {{ power = Pow(x, p)
          negative = Less(x, zero)
          y = Where(negative, x, power) }}"""
    )
    x = np.array([-0.5, 2.0, -3.0], np.float32)
    graph = session(osc.differentiate(proto, "y", ["x"]))
    dx = graph.run(["grad_x"], {"x": x, "grad_y": np.ones(3, np.float32)})[0]
    p = exponents[-1 if len(exponents) == 1 else 1]
    np.testing.assert_allclose(dx, [1, p * 2 ** (p - 1), 1], rtol=1e-5)
