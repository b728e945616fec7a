"""Control flow whose course is known before anything runs: branches taken, loops unrolled."""

from __future__ import annotations

from collections.abc import Sequence

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
    """`Loop` with a constant number of rounds, and a condition that stays true."""
    trips, condition = call.input(0), call.input(1)
    rounds = None if trips is None else _number(call, trips)
    if rounds is None:
        remedy = "" if trips is None else call.remedy(trips)
        raise OperatorError(
            f"{call.where} runs a number of times that is only known at run time: such loops are "
            f"not differentiated{remedy}"
        )
    if rounds > _MOST_ROUNDS:
        raise OperatorError(
            f"{call.where} runs more than {_MOST_ROUNDS:,} times: such loops are not differentiated"
        )
    body = call.graph("body")
    carried = list(call.inputs[2:])
    kept: list[list[Tensor]] = [[] for _ in body.outputs[1 + len(carried) :]]
    alive = True if condition is None else _truth(call, condition)
    for number in range(rounds):
        if not alive:
            break
        given: list[Tensor | None] = [
            call.op.constant(number, np.int64),
            call.op.constant(True, np.bool_),
            *carried,
        ]
        results = _run(call, body, dict(zip(body.inputs, given, strict=False)))
        still, *rest = results
        alive = still is None or _truth(call, still)
        carried = rest[: len(carried)]
        for collected, tensor in zip(kept, rest[len(carried) :], strict=True):
            if tensor is not None:
                collected.append(tensor)
    return [*carried, *(_stacked(call, tensors, 0) for tensors in kept)][: len(call.node.outputs)]


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


def _stacked(call: Call, tensors: Sequence[Tensor], axis: int) -> Tensor | None:
    """Tensors joined along a new axis."""
    if not tensors:
        return None
    axes = call.op.constant([axis], np.int64)
    rows = [call.op.Unsqueeze(tensor, axes) for tensor in tensors]
    return _like(call, call.op.Concat(*rows, axis=axis), tensors[0])


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
