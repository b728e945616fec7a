"""Functions that exporters spell out in several nodes, and their gradients in one piece.

x · σ(x), x · (1 + erf(x/√2)) / 2 and their like are single functions whose gradient takes half as
many passes over memory as the rules of their nodes one after the other. ONNX Runtime computes some
of them in one kernel as long as nothing else reads a value in between, which such a gradient does
not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import onnx_ir as ir

from ..graph.builder import Builder, Composite
from ..graph.tensor import Tensor
from ..rules.activations import bell_slope, hard_swish_slope, swish_slope, tanh_gelu_slope
from ..rules.standard import standard_rules
from ..rules.table import RuleTable

# Coefficients by the powers of x and of f(x).
_Polynomial = Mapping[tuple[int, int], float]

_X: _Polynomial = {(1, 0): 1.0}
_F: _Polynomial = {(0, 1): 1.0}

# Whose polynomials are multiplied out, and the functions that such idioms are known of.
_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Neg", "Pow")
_FUNCTIONS = ("Sigmoid", "Erf", "Tanh", "HardSigmoid")

# The longest of them, x/2 · (1 + tanh(k · (x + a · x³))), has four nodes before tanh.
_DEPTH = 8


def find_idioms(
    builder: Builder, rules: RuleTable, apart: Set[ir.Value]
) -> dict[ir.Value, Composite]:
    """Return the values of a graph that are such functions.

    Args:
        builder: The graph.
        rules: The rules to differentiate with: an idiom passes by standard ones only.
        apart: Values that are looked at, and must not be passed by.
    """
    standard = standard_rules()
    if not all(rules.agrees(standard, op_type) for op_type in _ARITHMETIC):
        return {}
    functions = {op_type for op_type in _FUNCTIONS if rules.agrees(standard, op_type)}
    found: dict[ir.Value, Composite] = {}
    for node in builder.graph:
        if node.op_type in functions and node.domain == "":
            match = _match(builder, node, apart)
            if match is not None:
                found[match[0]] = match[1]
    return found


def _match(
    builder: Builder, node: ir.Node, apart: Set[ir.Value]
) -> tuple[ir.Value, Composite] | None:
    """The largest idiom around a function: its result, and how it is differentiated."""
    source, f = node.inputs[0], node.outputs[0]
    x = None if source is None else _leaf(source, apart)
    if source is None or x is None:
        return None
    inner = _polynomial(source, {x: _X}, apart)
    if inner is None or not all(j == 0 for _, j in inner):
        return None
    match, value = None, f
    for _ in range(_DEPTH):
        users = list(value.uses())
        if len(users) != 1 or value in apart or value.is_graph_output():
            break
        (user, _), value = users[0], users[0][0].outputs[0]
        outer = None
        if user.op_type in _ARITHMETIC and user.domain == "":
            outer = _polynomial(value, {x: _X, f: _F}, apart - {value})
        if outer is None:
            break
        slope = _slope(node, Tensor(builder, x), Tensor(builder, f), value, inner, outer)
        if slope is not None:
            match = value, Composite(Tensor(builder, x), slope, by_element=True)
    return match


def _slope(
    node: ir.Node, x: Tensor, f: Tensor, value: ir.Value, inner: _Polynomial, outer: _Polynomial
) -> Callable[[Tensor], Tensor] | None:
    """The gradient of outer(x, f(inner(x))), `None` where that is no idiom."""
    op, y = x.op, Tensor(x.builder, value)
    a, b = inner.get((1, 0), 0.0), inner.get((3, 0), 0.0)
    plain, product = outer.get((1, 0), 0.0), outer.get((1, 1), 0.0)
    if set(outer) - {(1, 0), (1, 1)} or not product or not a:
        return None
    linear, cubic = set(inner) == {(1, 0)}, set(inner) == {(1, 0), (3, 0)}
    if node.op_type == "Sigmoid" and linear and not plain:
        return lambda dy: dy * swish_slope(op, y, f, a, product)
    if node.op_type == "Erf" and linear and plain == product:
        return lambda dy: dy * bell_slope(op, x, a, product)
    if node.op_type == "Tanh" and cubic and plain == product:
        return lambda dy: dy * tanh_gelu_slope(op, x, y, a, b, product)
    attributes = node.attributes
    sixth = abs(attributes.get_float("alpha", 0.2) * a - 1 / 6) < 1e-6
    half = attributes.get_float("beta", 0.5) == 0.5
    if node.op_type == "HardSigmoid" and linear and sixth and half and (plain, product) == (0, 1):
        return lambda dy: dy * hard_swish_slope(op, x, f)
    return None


def _leaf(value: ir.Value, apart: Set[ir.Value]) -> ir.Value | None:
    """What an expression of one unknown with numbers is computed from."""
    for _ in range(_DEPTH):
        node = value.producer()
        if value in apart or node is None or node.op_type not in _ARITHMETIC or node.domain != "":
            return value
        unknown = {v for v in node.inputs if v is not None and (v in apart or _number(v) is None)}
        # Of x + a · x³, the one that the other is computed from.
        sources = [v for v in unknown if _polynomial(value, {v: _X}, apart) is not None]
        if len(sources) != 1:
            return value
        value = sources[0]
    return None


def _polynomial(
    value: ir.Value,
    known: Mapping[ir.Value, _Polynomial],
    apart: Set[ir.Value],
    depth: int = _DEPTH,
) -> _Polynomial | None:
    """A value as a polynomial in what is known; `None` where it is something else."""
    if value in known:
        return known[value]
    if value in apart:
        return None
    number = _number(value)
    if number is not None:
        return {(0, 0): number}
    node = value.producer()
    if node is None or node.op_type not in _ARITHMETIC or node.domain != "" or not depth:
        return None
    parts = []
    for operand in node.inputs:
        part = None if operand is None else _polynomial(operand, known, apart, depth - 1)
        if part is None:
            return None
        parts.append(part)
    first, second = parts[0], parts[-1]
    constant = second.get((0, 0)) if set(second) == {(0, 0)} else None
    if node.op_type == "Neg":
        return _times(first, {(0, 0): -1.0})
    if node.op_type == "Add":
        return _plus(first, second)
    if node.op_type == "Sub":
        return _plus(first, _times(second, {(0, 0): -1.0}))
    if node.op_type == "Mul":
        return _times(first, second)
    if constant is None:
        return None
    if node.op_type == "Div":
        return _times(first, {(0, 0): 1 / constant}) if constant else None
    return _power(first, constant)


def _power(base: _Polynomial, exponent: float) -> _Polynomial | None:
    if exponent not in (1, 2, 3):
        return None
    result = base
    for _ in range(int(exponent) - 1):
        result = _times(result, base)
    return result


def _plus(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    total = {key: a.get(key, 0.0) + b.get(key, 0.0) for key in (*a, *b)}
    return {key: number for key, number in total.items() if number}


def _times(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    product: _Polynomial = {}
    for (i, j), m in a.items():
        for (k, n), factor in b.items():
            product = _plus(product, {(i + k, j + n): m * factor})
    return product


def _number(value: ir.Value) -> float | None:
    """A constant of one number that adds no axes to what it meets."""
    constant = value.const_value
    if constant is None or constant.size != 1 or len(constant.shape) > 1:
        return None
    return float(constant.numpy().reshape(()))
