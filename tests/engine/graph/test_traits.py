"""Traits of operators: they are true, and none is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from all_rule_cases import CASES, Case
from in_turn import in_turn
from onnx import defs
from onnxscope.expansions.registry import all_expansions
from onnxscope.graph import traits
from onnxscope.graph.traits import Trait, operators_with
from onnxscope.rules import activations
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from trait_examples import LARGE, NUMBERS, Example, example_of, whole_window

KNOWN = {schema.name for schema in defs.get_all_schemas_with_history() if not schema.domain}


def those_with(*wanted: Trait) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    return in_turn(sorted(operators_with(*wanted)))


# What can be found out about an operator by running it ------------------------------------------


def _changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays differ; what is not a number is the same as itself."""
    return ~((a == b) | ((a != a) & (b != b)))


def _some(array: np.ndarray, most: int) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Places of an array, and the array with another of its elements there."""
    indices = list(np.ndindex(array.shape))
    # The largest as well: what is scaled by it changes everywhere.
    largest = np.unravel_index(np.argmax(array), array.shape)
    for place in {largest: 0, **dict.fromkeys(indices[:: max(1, len(indices) // most)])}:
        others = array[_changed(array, array[place])]
        if others.size:
            other = array.copy()
            other[place] = others[place[-1] % others.size]
            yield place, other


def _reach(
    example: Example, index: int, most: int = 12
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Places of an input, and which elements of the output change with what stands there."""
    run = example.runner()
    before = run(example.inputs)
    array = example.inputs[index]
    assert array is not None
    for place, other in _some(array, most):
        inputs = [*example.inputs[:index], other, *example.inputs[index + 1 :]]
        yield place, _changed(run(inputs), before)


def _is_pointwise(example: Example) -> bool | None:
    """Whether an element depends on that in its place alone; `None` where nothing changes."""
    if example.run().shape != example.x.shape:
        return False
    seen = False
    for place, changed in _reach(example, 0):
        seen |= bool(changed[place])
        changed[place] = False
        if changed.any():
            return False
    return seen and _is_the_same_everywhere(example) if seen else None


def _is_the_same_everywhere(example: Example) -> bool:
    """Whether all places of a channel have the same function: they may change places."""
    run, x = example.runner(), example.x
    before = run(example.inputs)
    for axis in range(x.ndim):
        # Two of other pictures, rows or columns, not of other channels, which have parameters.
        order = np.roll(np.arange(x.shape[axis]), 1) if axis != 1 else slice(None)
        index = (slice(None),) * axis + (order,)
        if _changed(run([x[index], *example.inputs[1:]]), before[index]).any():
            return False
    return True


def _is_channelwise(example: Example) -> bool:
    """Whether each channel depends on that of the first input alone."""
    run, x = example.runner(), example.x
    before = run(example.inputs)
    if x.ndim < 2 or before.shape[:2] != x.shape[:2]:
        return False
    for channel in range(x.shape[1]):
        other = x.copy()
        other[:, channel] = np.roll(x[:, channel], 1, axis=-1) * x.dtype.type(2)
        changed = _changed(run([other, *example.inputs[1:]]), before)
        changed[:, channel] = False
        if changed.any():
            return False
    return True


def _is_broadcasting(example: Example) -> bool | None:
    """Whether an element depends on those in its place alone, after broadcasting."""
    shapes = [np.shape(array) for array in example.inputs]
    try:
        whole = np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    if example.run().shape != whole:
        return False
    seen = False
    for index, shape in enumerate(shapes):
        for place, changed in _reach(example, index):
            here = np.zeros(shape, bool)
            here[place] = True
            seen |= bool(changed.any())
            if (changed & ~np.broadcast_to(here, whole)).any():
                return False
    return seen or None


def _is_moving(example: Example) -> bool:
    """Whether the output's elements are elements of the input, from places that do not change."""
    run, x = example.runner(), example.x
    shuffled = np.random.default_rng(0).permutation(x.ravel()).reshape(x.shape)
    first, second = (run([array, *example.inputs[1:]]) for array in (x, shuffled))
    if first.shape != second.shape or first.dtype.kind != x.dtype.kind or not first.size:
        return False
    places = {float(number): place for place, number in enumerate(x.ravel())}
    assert len(places) == x.size, "the example's elements have to be distinct"
    moved = 0
    for a, b in zip(first.ravel(), second.ravel(), strict=True):
        place = places.get(float(a))
        if b != (a if place is None else shuffled.ravel()[place]):
            return False
        moved += place is not None
    return bool(moved)


# Traits are true ---------------------------------------------------------------------------------


def test_operators_are_those_of_onnx() -> None:
    assert set(traits.operators()) <= KNOWN


@those_with(Trait.POINTWISE)
def test_pointwise(op: str) -> None:
    assert _is_pointwise(example_of(op))


@those_with(Trait.CHANNELWISE)
def test_channelwise(op: str) -> None:
    assert _is_channelwise(example_of(op))


@those_with(Trait.BROADCASTING)
def test_broadcasting(op: str) -> None:
    assert _is_broadcasting(example_of(op))


@those_with(Trait.ACTIVATION)
def test_activations_are_curved_and_the_same_everywhere(op: str) -> None:
    example = example_of(op)
    run = example.runner()
    # Each row of a channel from −4 to 4: one function of real numbers, in each channel.
    line = np.broadcast_to(np.linspace(-4, 4, 20).reshape(4, 5), NUMBERS.shape).astype(np.float32)
    y = run([line, *example.inputs[1:]])
    steps = np.diff(y.reshape(2, 3, 20))
    assert (np.abs(np.diff(steps)).max(-1) > 1e-3 * np.ptp(y)).all()
    order = np.random.default_rng(1).permutation(4)
    np.testing.assert_array_equal(run([line[:, :, order], *example.inputs[1:]]), y[:, :, order])


@those_with(Trait.COPYING)
def test_copying(op: str) -> None:
    example = example_of(op)
    y = example.run()
    np.testing.assert_array_equal(y, example.x.astype(y.dtype))


@those_with(Trait.RESHAPING)
def test_reshaping(op: str) -> None:
    example = example_of(op)
    y = example.run()
    assert y.shape != example.x.shape
    np.testing.assert_array_equal(y.ravel(), example.x.ravel())


@those_with(Trait.MOVING)
def test_moving(op: str) -> None:
    assert _is_moving(example_of(op))


@those_with(Trait.SELECTING)
def test_selecting(op: str) -> None:
    example = example_of(op)
    given = [array.ravel() for array in example.inputs if array is not None]
    numbers = {float(number) for array in given for number in array} | {0.0, 1.0}
    y = example.run()
    assert {float(np.asarray(number, y.dtype)) for number in numbers} >= set(y.ravel().tolist())


@those_with(Trait.WEIGHTED)
def test_weighted(op: str) -> None:
    example = example_of(op)
    weights = example.inputs[example.weights]
    assert weights is not None
    reached = [changed for _, changed in _reach(example, 0, most=120)]
    assert np.sum(reached, axis=0).max() > 1, "an element is made of several"
    inputs = list(example.inputs)
    inputs[example.weights] = np.zeros_like(weights)
    run = example.runner()
    without = run(inputs)
    np.testing.assert_array_equal(run([example.x[..., ::-1].copy(), *inputs[1:]]), without)


@those_with(Trait.WINDOWED)
def test_windowed(op: str) -> None:
    example = example_of(op)
    axes = 2
    weights = example.inputs[3 if op == "QLinearConv" else 1] if len(example.inputs) > 1 else None
    default = None if weights is None else weights.shape[2:]
    kernel = example.attributes.get("kernel_shape", default)
    strides, dilations = (
        example.attributes.get(name, [1] * axes) for name in ("strides", "dilations")
    )
    pads = example.attributes.get("pads", [0] * 2 * axes)
    seen = 0
    for place, changed in _reach(example, 0):
        under = np.ones(changed.shape[2:], bool)
        for axis in range(axes):
            taps = range(0, kernel[axis] * dilations[axis], dilations[axis])
            first = np.arange(changed.shape[2 + axis]) * strides[axis] - pads[axis]
            hit = np.isin(place[2 + axis] - first, taps)
            under &= hit.reshape([-1 if other == axis else 1 for other in range(axes)])
        assert not changed[:, :, ~under].any()
        seen += changed.any()
    assert seen


@those_with(Trait.POOLING)
def test_pooling(op: str) -> None:
    example = whole_window(example_of(op))
    run, x = example.runner(), example.x
    y = run([x])
    assert y.shape == (*x.shape[:2], 1, 1)
    mixed = np.random.default_rng(2).permuted(x.reshape(*x.shape[:2], -1), axis=2)
    np.testing.assert_allclose(run([mixed.reshape(x.shape)]), y, rtol=1e-5, atol=1e-6)


@those_with(Trait.ENLARGING)
def test_enlarging(op: str) -> None:
    example = example_of(op)
    before = (3, 3) if op == "Col2Im" else example.x.shape[2:]
    assert all(a > b for a, b in zip(example.run().shape[2:], before, strict=True))


@those_with(Trait.SIZED_BY_VALUES)
def test_sized_by_values(op: str) -> None:
    example = LARGE[op]
    given = sum(array.size for array in example.inputs if array is not None)
    assert example.run().size > given**2


@those_with(Trait.RANDOM)
def test_random(op: str) -> None:
    example = example_of(op)
    run = example.runner()
    first, second = run(example.inputs), run(example.inputs)
    assert np.any(first != second)


# None is forgotten -------------------------------------------------------------------------------


def _runnable(schema: defs.OpSchema, inputs: Sequence[np.ndarray]) -> Example | None:
    """A node of an operator of these inputs and of default attributes, where such a one runs."""
    name = {"f": "float", "i": "int64", "b": "bool"}[inputs[0].dtype.kind]
    gives_tensors = any(kind.startswith("tensor") for kind in schema.outputs[0].types)
    if f"tensor({name})" not in schema.inputs[0].types or not gives_tensors:
        return None
    known = example_of(schema.name)
    attributes = known.attributes if len(known.inputs) == len(inputs) else {}
    example = Example(
        schema.name, tuple(inputs), attributes, min(max(schema.since_version, 20), 26)
    )
    try:
        example.run()
    except Exception:  # whatever a runtime or the reference has against it: nothing is decided
        return None
    return example


CURRENT = [
    schema
    for schema in defs.get_all_schemas()
    if not schema.domain
    and not schema.deprecated
    and schema.name not in operators_with(Trait.RANDOM)
]
OF_ONE = sorted((s for s in CURRENT if s.min_input <= 1 <= s.max_input), key=lambda s: s.name)
OF_TWO = sorted((s for s in CURRENT if s.min_input <= 2 <= s.max_input), key=lambda s: s.name)


@in_turn(OF_ONE, lambda schema: schema.name)
def test_no_trait_of_one_input_is_forgotten(schema: defs.OpSchema) -> None:
    several = schema.inputs[0].option == defs.OpSchema.FormalParameterOption.Variadic
    for x in (NUMBERS, (NUMBERS * 15).astype(np.int64), NUMBERS > 0):
        example = _runnable(schema, [x])
        if example is None:
            continue
        if schema.name in operators_with(Trait.MOVING):
            continue  # by default it moves nothing, or not what is looked at here
        if _is_pointwise(example):
            wanted = Trait.BROADCASTING if several else Trait.POINTWISE
            assert schema.name in operators_with(wanted), (
                f"graph/traits.py lacks its trait {wanted}"
            )
        elif x is NUMBERS and _is_channelwise(example):
            assert schema.name in operators_with(Trait.CHANNELWISE) | ALONG_THE_LAST
        elif x is NUMBERS and _is_moving(example):
            assert schema.name in operators_with(Trait.MOVING)


# Channelwise by default, and not along another axis.
ALONG_THE_LAST = {
    "DFT", "Hardmax", "LayerNormalization", "LogSoftmax", "LpNormalization", "Softmax",
    "MeanVarianceNormalization",
}  # fmt: skip


@in_turn(OF_TWO, lambda schema: schema.name)
def test_broadcasting_is_not_forgotten(schema: defs.OpSchema) -> None:
    for x in (np.abs(NUMBERS), np.abs(NUMBERS * 15).astype(np.int64), NUMBERS > 0):
        example = _runnable(schema, [x[:, :, :1], x[0, :1]])
        if example is not None and _is_broadcasting(example):
            known = operators_with(Trait.POINTWISE) | operators_with(Trait.BROADCASTING)
            assert schema.name in known


def _cases() -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in CASES:
        if isinstance(case.inputs[0], np.ndarray) and case.inputs[0].size > 1:
            found.setdefault(case.op, []).append(case)
    return found


@pytest.mark.slow
@in_turn(sorted(_cases()))
def test_what_has_a_rule_and_is_pointwise_is_known(op: str) -> None:
    known = (Trait.POINTWISE, Trait.BROADCASTING, Trait.MOVING)
    if any(op in operators_with(trait) for trait in known):
        return
    # One that is not decides: at some shapes what is along an axis looks pointwise.
    looks = [_looks_pointwise(case) for case in _cases()[op]]
    assert False in looks or True not in looks, f"{op} is pointwise, and has no trait that says so"


@those_with(Trait.ACTIVATION)
def test_activations_have_a_rule_or_are_expanded(op: str) -> None:
    assert ("", op) in all_expansions() or op in set(standard_rules())


def test_what_stands_among_the_rules_of_activations_is_known() -> None:
    table = RuleTable()
    activations.define(table)
    # Erf is a part of GELU as exporters spell it; the others go along an axis.
    others = {"Erf", "Hardmax", "LogSoftmax", "Softmax"}
    functions = set(table) - others
    expanded = {op for domain, op in all_expansions() if not domain}
    assert functions == operators_with(Trait.ACTIVATION) - expanded


def _looks_pointwise(case: Case) -> bool | None:
    """Whether a case does; `None` where that cannot be told."""
    example = Example(case.op, tuple(case.arrays), case.attributes, max(case.opset, 20))
    try:
        return _is_pointwise(example)
    except Exception:  # as above
        return None
