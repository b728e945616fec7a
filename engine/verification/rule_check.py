"""`check_rule`: is a gradient rule right? One node by itself, against central differences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from onnx import defs, helper

from ..errors import InputError, OperatorError, nearest, nearest_or_listed
from ..expansions.registry import expansion_of
from ..graph.builder import AttributeValue
from ..graph.versions import OPSET
from ..plain import a_function, by_name, listed, of_kind, shown, text, whole
from ..rules.standard import standard_rules
from ..rules.table import RuleTable
from .forward import is_real
from .operator_values import Function, Values
from .rule_comparison import Comparison
from .rule_findings import RuleCheck
from .single_operator import Operator

_LAST_OPSET = 26


def check_rule(
    op_type: str,
    rules: RuleTable | None,
    inputs: Sequence[npt.ArrayLike | None],
    *,
    attributes: Mapping[str, AttributeValue] | None = None,
    constant: Collection[int] = (),
    fed: Collection[int] = (),
    outputs: int | None = None,
    forward: Function | None = None,
    opset: int = OPSET,
    seed: int = 0,
) -> RuleCheck:
    """Check a gradient rule on one node: against central differences, and in its cotangent.

    For random cotangents and along random directions, in which all elements of an input move, the
    slope by the rule is compared with that of the operator by differences, extrapolated to a step
    of 0 (Richardson). A gradient is linear in its cotangent, which is checked as well, and that the
    graph for open sizes gives the same. The node is differentiated as networks have it, in single
    precision and in double. The operator is computed in double precision where ONNX Runtime, the
    onnx package's reference or `forward` does that; where only single precision serves, and less is
    seen, that is said.

    What a rule makes of other shapes, attributes and values, of negative numbers or when inputs are
    broadcast, is another check: call it for each of them.

    Args:
        op_type: A standard operator, such as `"Softsign"`. Those of other domains have no rules:
            they are written as standard ones, by their function body or an expansion.
        rules: The table with the rule; `None` for the standard one.
        inputs: Of the node: arrays of real numbers, with respect to which it is differentiated,
            those without a rule among them; of other types, which become constants; a tuple of
            whole numbers, a shape, for normal random numbers; `None` for one that is left out. Real
            numbers are rounded to single precision. Keep off kinks, such as 0 for a Relu.
        attributes: Of the node, by name.
        constant: Which inputs of real numbers are constants as well, counted from 0.
        fed: Which inputs of other types are no constants, but known only when the graph runs.
        outputs: How many outputs the node has; by default as many as it must. Where the rule takes
            `dys`, all of them have cotangents together, and each alone.
        forward: Computes the operator's output, or a tuple of its outputs, from all inputs, as
            float64 arrays; by default the operator itself is run.
        opset: Version of the standard operators, 18 to 26.
        seed: Of everything random.

    Returns:
        What was found; `right` and `str()` say it in short.

    Raises:
        OperatorError: there is no such operator or rule, the rule refuses the node, such as for an
            attribute that it does not handle, or nothing here runs the node.
        InputError: the inputs do not fit, or give what is not finite.
    """
    op_type = text("op_type", op_type, "the name of an operator", OperatorError)
    table = standard_rules() if rules is None else rules
    of_kind("rules", table, RuleTable, "standard_rules()")
    given = listed("inputs", inputs, "arrays, shapes or None, one for each input of the node")
    attributes = by_name("attributes", attributes, "{'axis': 1}")
    if forward is not None:
        a_function("forward", forward, "all inputs, as arrays", takes=len(given))
    rng = np.random.default_rng(whole("seed", seed, least=0))
    opset = whole("opset", opset, least=OPSET, most=_LAST_OPSET)
    schema = _require_rule(op_type, table, opset)
    arrays = tuple(_array(number, one, rng) for number, one in enumerate(given))
    held = _positions("constant", constant, arrays)
    operator = Operator(
        op_type=op_type,
        arrays=arrays,
        attributes={name: _attribute(schema, name, value) for name, value in attributes.items()},
        outputs=schema.min_output if outputs is None else whole("outputs", outputs, least=1),
        opset=opset,
        wrt=_moved(op_type, arrays, held),
        fed=frozenset(_positions("fed", fed, arrays)).difference(held),
        rules=table,
    )
    return Comparison(operator, Values(operator, forward, seed), rng).found()


def _require_rule(op_type: str, table: RuleTable, opset: int) -> defs.OpSchema:
    """The operator's schema, where it has a rule."""
    if "::" in op_type:
        raise OperatorError(
            f"{op_type} is no standard operator, and has no rule: it is written as standard ones, "
            "by a function body in the model or by an expansion"
        )
    if not defs.has(op_type, opset, ""):
        known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
        raise OperatorError(
            f"ONNX has no operator {op_type!r} at opset {opset}{nearest(op_type, known)}"
        )
    if op_type in table.without_derivative:
        kind = f"has no rule, since it passes no gradient: {table.without_derivative[op_type]}"
    elif op_type in table:
        return defs.get_schema(op_type, opset)
    elif expansion_of("", op_type) is not None:
        kind = (
            "is written as others before anything is differentiated, so that no rule is asked for"
        )
    else:
        kind = "has no gradient rule in this table"
    raise OperatorError(f"operator {op_type} {kind}")


def _array(number: int, given: object, rng: np.random.Generator) -> np.ndarray | None:
    """An input as an array, real numbers rounded to single precision."""
    if given is None:
        return None
    if isinstance(given, tuple) and all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 0
        for size in given
    ):
        return _rounded(np.asarray(rng.standard_normal([int(size) for size in given])))
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InputError(f"input {number} is no array: {shown(given)}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"input {number} holds {array.dtype}: an input is an array of real or whole numbers or "
            "flags, or a shape as a tuple"
        )
    if array.dtype.kind == "f":
        return _rounded(array)
    return array


def _attribute(schema: defs.OpSchema, name: str, value: AttributeValue) -> AttributeValue:
    """An attribute of the operator, of a type that attributes have."""
    known = schema.attributes
    if name not in known:
        raise OperatorError(
            f"operator {schema.name} has no attribute {name!r}"
            f"{nearest_or_listed(name, known, 'attribute', sorted(known))}"
        )
    try:
        helper.make_attribute(name, value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"attribute {name!r} must be a number, text, an array, or a list of these, "
            f"not {shown(value)}"
        ) from error
    return value


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)


def _moved(
    op_type: str, arrays: Sequence[np.ndarray | None], held: Collection[int]
) -> tuple[int, ...]:
    """Which inputs the operator is differentiated with respect to."""
    found = []
    for number, array in enumerate(arrays):
        if array is None or number in held or not is_real(array):
            continue
        if not np.isfinite(array).all():
            raise InputError(f"input {number} is not finite: give numbers, or make it a constant")
        found.append(number)
    if not found:
        raise InputError(
            f"inputs hold no real numbers that {op_type} could be differentiated with respect to"
        )
    if not any(array.size for number in found if (array := arrays[number]) is not None):
        shapes = ", ".join(str(array.shape) for array in arrays if array is not None)
        raise InputError(
            f"inputs have the shapes {shapes}, with no element to differentiate {op_type} with "
            "respect to, so that nothing could be checked: give inputs that have some"
        )
    return tuple(found)


def _positions(
    name: str, given: Collection[int], arrays: Sequence[np.ndarray | None]
) -> tuple[int, ...]:
    positions = tuple(
        whole(f"each position in {name}", position, least=0, most=len(arrays) - 1)
        for position in listed(name, given, "positions of inputs, counted from 0")
    )
    for number in positions:
        if arrays[number] is None:
            raise InputError(f"{name} names input {number}, which is left out")
    return tuple(dict.fromkeys(positions))
