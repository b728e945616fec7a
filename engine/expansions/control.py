"""Control flow whose course is known before anything runs: branches taken, loops unrolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .table import Call, Expansion

# A loop of more rounds would make a graph that nobody wants to wait for.
_MOST_ROUNDS = 1024


def _take_branch(call: Call) -> Sequence[Tensor | None]:
    """`If` on a constant: the branch that it takes."""
    condition = call.required(0)
    taken, known = condition.array, call.builder.elements(condition)
    if taken is None and (known is None or known[0] is None or isinstance(known[0], str)):
        raise OperatorError(
            f"{call.where} chooses a branch by values that are only known at run time: such "
            f"control flow is not differentiated{call.remedy(condition)}"
        )
    chosen = bool(np.ravel(taken)[0]) if taken is not None else bool(known and known[0])
    branch = call.graph("then_branch" if chosen else "else_branch")
    return _run(call, branch, {})


def _unroll_loop(call: Call) -> Sequence[Tensor | None]:
    """`Loop` with a constant number of rounds, or a condition that is known in each of them."""
    trips, condition = call.input(0), call.input(1)
    rounds = _MOST_ROUNDS + 1
    if trips is not None:
        counted = _number(call, trips)
        if counted is None:
            raise OperatorError(
                f"{call.where} runs a number of times that is only known at run time: such loops "
                f"are not differentiated{call.remedy(trips)}"
            )
        rounds = counted
    body = call.graph("body")
    carried = list(call.inputs[2:])

    def run(number: int, carried: Sequence[Tensor | None]) -> list[Tensor | None]:
        given: list[Tensor | None] = [
            call.op.constant(number, np.int64),
            call.op.constant(True, np.bool_),
            *carried,
        ]
        return _run(call, body, dict(zip(body.inputs, given, strict=False)))

    first = list(carried)
    kept: list[list[Tensor]] = [[] for _ in body.outputs[1 + len(carried) :]]
    alive = True if condition is None else _truth(call, condition)
    if alive and rounds > _MOST_ROUNDS and _goes_on(body):
        raise _too_long(call)
    number = 0
    while alive and number < rounds:
        if number == _MOST_ROUNDS:
            raise _too_long(call)
        still, *rest = run(number, carried)
        alive = still is None or _truth(call, still)
        carried = rest[: len(carried)]
        for collected, tensor in zip(kept, rest[len(carried) :], strict=True):
            if tensor is not None:
                collected.append(tensor)
        number += 1
    if number == 0:
        empty = _empty(call, body.outputs[1 + len(carried) :], lambda: run(0, first), 0)
        return [*carried, *empty][: len(call.node.outputs)]
    return [*carried, *(_stacked(call, tensors, 0) for tensors in kept)][: len(call.node.outputs)]


def _too_long(call: Call) -> OperatorError:
    return OperatorError(
        f"{call.where} runs more than {_MOST_ROUNDS:,} times: such loops are not differentiated"
    )


def _goes_on(body: ir.Graph) -> bool:
    """Whether the condition of a loop stays what it is, as its body alone tells."""
    value: ir.Value | None = body.outputs[0]
    while value is not None and value is not body.inputs[1]:
        node, held = value.producer(), value.const_value
        if held is not None:
            return bool(held.numpy().all())
        if node is None or node.op_type not in ("Identity", "Constant"):
            return False
        if node.op_type == "Constant":
            attribute = node.attributes.get("value")
            return attribute is not None and bool(attribute.as_tensor().numpy().all())
        value = node.inputs[0]
    return value is not None


def _unroll_scan(call: Call) -> Sequence[Tensor | None]:
    """`Scan` over a known length."""
    attributes = call.node.attributes
    body = call.graph("body")
    scanned = call.integer("num_scan_inputs")
    split = len(call.inputs) - scanned
    state, sequences = list(call.inputs[:split]), [call.required(split + i) for i in range(scanned)]
    axes = attributes.get_ints("scan_input_axes", None) or [0] * scanned
    backwards = attributes.get_ints("scan_input_directions", None) or [0] * scanned
    rounds = sequences[0].dims[axes[0]] if sequences else 0
    if not isinstance(rounds, int) or rounds > _MOST_ROUNDS:
        raise OperatorError(
            f"{call.where} scans a length of {rounds}, which is open or over {_MOST_ROUNDS}: such "
            f"loops are not differentiated{call.shapes_to_give}"
        )
    collected = len(body.outputs) - split
    kept: list[list[Tensor]] = [[] for _ in range(collected)]
    for number in range(rounds):
        slices = [
            _taken(call, sequence, rounds - 1 - number if turned else number, axis)
            for sequence, axis, turned in zip(sequences, axes, backwards, strict=True)
        ]
        results = _run(call, body, dict(zip(body.inputs, [*state, *slices], strict=True)))
        state = list(results[:split])
        for tensors, tensor in zip(kept, results[split:], strict=True):
            if tensor is not None:
                tensors.append(tensor)
    out_axes = attributes.get_ints("scan_output_axes", None) or [0] * collected
    turned_back = attributes.get_ints("scan_output_directions", None) or [0] * collected
    if rounds == 0:

        def run() -> list[Tensor | None]:
            # A sequence of no elements has none to take: the shapes of one do.
            steps = [
                _one(call, sequence, axis) for sequence, axis in zip(sequences, axes, strict=True)
            ]
            return _run(
                call, body, dict(zip(body.inputs, [*call.inputs[:split], *steps], strict=True))
            )

        return [*state, *_empty(call, body.outputs[split:], run, out_axes)]
    stacked = [
        _stacked(call, tensors[::-1] if turned else tensors, axis)
        for tensors, axis, turned in zip(kept, out_axes, turned_back, strict=True)
    ]
    return [*state, *stacked]


def _run(call: Call, body: ir.Graph, given: dict[ir.Value, Tensor | None]) -> list[Tensor | None]:
    """A subgraph in the graph around it."""
    by_name = {value.name: tensor for value, tensor in given.items() if value.name and tensor}
    names = [value.name or "" for value in body.outputs]
    values = call.subgraph(body, by_name, [name for name in names if name])
    return [values.get(name) for name in names]


def _taken(call: Call, sequence: Tensor, number: int, axis: int) -> Tensor:
    key: list[int | slice] = [slice(None)] * sequence.rank
    key[axis] = number
    return _like(call, sequence[tuple(key)], sequence)


def _one(call: Call, sequence: Tensor, axis: int) -> Tensor:
    """Zeros of the shape that an element of a sequence has."""
    others = [a for a in range(sequence.rank) if a != axis % sequence.rank]
    shape = call.op.Gather(call.op.Shape(sequence), call.op.constant(others, np.int64))
    return _like(call, call.op.ConstantOfShape(shape, value=np.zeros(1, sequence.dtype)), sequence)


def _stacked(call: Call, tensors: Sequence[Tensor], axis: int) -> Tensor | None:
    """Tensors joined along a new axis."""
    if not tensors:
        return None
    axes = call.op.constant([axis], np.int64)
    rows = [call.op.Unsqueeze(tensor, axes) for tensor in tensors]
    return _like(call, call.op.Concat(*rows, axis=axis), tensors[0])


def _empty(
    call: Call,
    values: Sequence[ir.Value],
    run: Callable[[], list[Tensor | None]],
    axes: int | Sequence[int],
) -> list[Tensor | None]:
    """What is collected in no round at all.

    Args:
        call: The loop.
        values: Those of its body that are collected, its last ones.
        run: Writes a round, of which the shapes alone matter; asked where the file says less.
        axes: Along which they are collected.
    """
    places = [axes] * len(values) if isinstance(axes, int) else list(axes)
    round_: list[Tensor | None] | None = None
    empty: list[Tensor | None] = []
    for number, (value, place) in enumerate(zip(values, places, strict=True)):
        dims = None if value.shape is None else list(value.shape)
        if dims is not None and value.dtype is not None and all(isinstance(d, int) for d in dims):
            at = place % (len(dims) + 1)
            shape = [*dims[:at], 0, *dims[at:]]
            empty.append(call.builder.constant(np.zeros(shape), value.dtype.numpy()))
            continue
        round_ = round_ or run()
        one = round_[len(round_) - len(values) + number]
        if one is None:
            empty.append(None)
            continue
        none = call.op.constant([0], np.int64)
        at = place % (one.rank + 1)
        rows = call.op.Unsqueeze(one, call.op.constant([at], np.int64))
        ends = call.op.constant([at], np.int64)
        empty.append(_like(call, call.op.Slice(rows, none, none, ends), one))
    return empty


def _like(call: Call, tensor: Tensor, source: Tensor) -> Tensor:
    """Parts, or a whole, of integers that are kept as real numbers are such as well."""
    integers = call.builder.integers
    if source.value in integers:
        integers[tensor.value] = integers[source.value]
    return tensor


def _number(call: Call, tensor: Tensor) -> int | None:
    if tensor.array is not None:
        return int(np.ravel(tensor.array)[0])
    known = call.builder.elements(tensor)
    return known[0] if known and isinstance(known[0], int) else None


def _truth(call: Call, tensor: Tensor) -> bool:
    number = _number(call, tensor)
    if number is None:
        raise OperatorError(
            f"{call.where} ends on a condition that is only known at run time: such loops are not "
            f"differentiated{call.remedy(tensor)}"
        )
    return bool(number)


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "If"): _take_branch,
    ("", "Loop"): _unroll_loop,
    ("", "Scan"): _unroll_scan,
}
