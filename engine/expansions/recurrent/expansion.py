"""LSTM, GRU and RNN, step by step.

The recurrence over a known length becomes a chain of matrix products and activations; the input's
part of the gates is one product for all steps. Where the activations are the usual ones, the chain
is differentiated by hand, otherwise node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.builder import Compound
from ...graph.tensor import Tensor
from ..table import Call, Expansion
from .activations import Activation, activations_of
from .fused import can_be_fused, fuse, trace_again
from .gradients import (
    RecurrentGradient,
    gru_gradient,
    lstm_gradients,
    rnn_gradient,
    sources,
    trace_of,
)
from .inputs import Arguments, Way, arguments_of, recurrence_of, turned
from .pairs import in_input_order, may_be_paired, steps_of_both
from .steps import (
    Recurrence,
    Step,
    StepFunction,
    gates_by_step,
    gru_step,
    joined,
    lstm_step,
    rnn_step,
)

_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}

# What the gradient by hand is the gradient of.
_STANDS_FOR = frozenset(
    {"Add", "Concat", "Gemm", "MatMul", "Mul", "Sigmoid", "Split", "Sub", "Tanh"}
)


_Gradient = Callable[
    [Arguments, Sequence[Recurrence], Sequence[Step], Tensor, Tensor, Sequence[bool]],
    Sequence[Tensor | None],
]
"""From the node's inputs, its directions, their steps, what these give together, and the cotangent
of that, to those of `sources`, as far as they are wanted."""


@dataclass(frozen=True)
class _Kind:
    """One of the operators.

    Attributes:
        widths: Of the gates' parts that a step takes, in units of the hidden size.
        defaults: The activations where none are named.
        step: One step forwards.
        gradient: Of all steps, for those activations.
    """

    widths: tuple[int, ...]
    defaults: tuple[str, ...]
    step: StepFunction
    gradient: _Gradient


def _expansion(kind: _Kind) -> Expansion:
    def expand(call: Call) -> Sequence[Tensor | None]:
        return _recurrent(call, kind)

    return expand


def _recurrent(call: Call, kind: _Kind) -> Sequence[Tensor | None]:
    given = arguments_of(call)
    batch_first = call.node.attributes.get_int("layout", 0) == 1
    backwards = _DIRECTIONS[call.node.attributes.get_string("direction", "forward")]
    activations = activations_of(call, kind.defaults, len(backwards))
    ways = [
        Way(number, back, functions)
        for number, (back, functions) in enumerate(zip(backwards, activations, strict=True))
    ]
    recurrences = [recurrence_of(given, way, sum(kind.widths)) for way in ways]
    # The others have less to do in a step than it takes to bring their directions together.
    if kind is _LSTM and may_be_paired(given, ways):
        outputs = _run_both(ways, recurrences, given)
    else:
        run = _run if given.lengths is None else _run_of_own_lengths
        each = [run(kind, r, way, given) for r, way in zip(recurrences, ways, strict=True)]
        outputs = [
            joined([call.op.Unsqueeze(y, call.op.constant([axis], np.int64)) for y in parts], axis)
            for axis, parts in zip((1, 0, 0), zip(*each, strict=True), strict=False)
        ]
    if batch_first:
        # (T, directions, N, H) becomes (N, T, directions, H).
        shown, *states = outputs
        outputs = [shown.transpose(2, 0, 1, 3), *(state.transpose(1, 0, 2) for state in states)]
    return outputs[: len(call.node.outputs)]


def _run(kind: _Kind, r: Recurrence, way: Way, given: Arguments) -> list[Tensor]:
    """All hidden states (T, N, H), the last hidden and an LSTM's last cell state (N, H)."""
    hidden, cell = r.hidden, r.cell
    steps: list[Step] = []
    for gates in gates_by_step(r, [width * r.size for width in kind.widths]):
        steps.append(kind.step(r, gates, hidden, cell))
        hidden, cell = steps[-1].hidden, steps[-1].cell
    # What the model reads of the cell is differentiated together with the hidden states.
    read = cell is not None and _is_read(given.call, 2)
    ordered = [step.hidden for step in (steps[::-1] if way.backwards else steps)]
    states = joined([*ordered, cell] if cell is not None and read else ordered)
    if _is_usual(kind, r, way, given):
        states.builder.compounds[states.value] = Compound(
            tuple(sources(r)),
            lambda dy, wanted: kind.gradient(given, [r], steps, states, dy, wanted),
            _STANDS_FOR,
        )
    shown = states[: r.steps * r.rows] if read else states
    last = _rows_of(r, states, 0 if way.backwards else r.steps - 1)
    if cell is not None:
        cell = _rows_of(r, states, r.steps) if read else _without_front(cell)
    return [_by_time(given, shown), last] + ([] if cell is None else [cell])


def _run_both(
    ways: Sequence[Way], recurrences: Sequence[Recurrence], given: Arguments
) -> list[Tensor]:
    """All hidden states (T, 2, N, H), the last hidden and cell states (2, N, H) of an LSTM."""
    first, batch = recurrences[0], given.x.sizes[1]
    steps, hidden = steps_of_both(recurrences)
    cell = steps[-1].cell
    read = cell is not None and _is_read(given.call, 2)
    ordered = in_input_order(recurrences, hidden)
    states = joined([*ordered, cell] if cell is not None and read else ordered)
    if _is_usual(_LSTM, first, ways[0], given):
        states.builder.compounds[states.value] = Compound(
            tuple(source for r in recurrences for source in sources(r)),
            lambda dy, wanted: _lstm_gradient(given, recurrences, steps, states, dy, wanted),
            _STANDS_FOR,
        )
    end = len(ordered) * first.rows
    shown = states[:end] if read else states
    # The last step of one direction is the input's last, of the other its first.
    last = joined([_rows_of(first, states, index) for index in (len(ordered) - 2, 1)])
    outputs = [shown.reshape(first.steps, 2, batch, first.size)]
    outputs.append(last.reshape(2, batch, first.size))
    if cell is not None:
        cell = states[end:] if read else cell
        outputs.append(cell.reshape(2, batch, first.size))
    return outputs


def _is_read(call: Call, index: int) -> bool:
    """Whether anything in the model reads an output of the node."""
    if index >= len(call.node.outputs):
        return False
    output = call.node.outputs[index]
    return bool(output.uses()) or output.is_graph_output()


def _is_usual(kind: _Kind, r: Recurrence, way: Way, given: Arguments) -> bool:
    """Whether the gradient by hand is this layer's."""
    clipped = given.call.node.attributes.get_float("clip", 0.0) != 0
    usual = tuple(Activation(name.lower()) for name in kind.defaults)
    return tuple(way.activations) == usual and not (clipped or r.coupled or r.peepholes)


def _run_of_own_lengths(kind: _Kind, r: Recurrence, way: Way, given: Arguments) -> list[Tensor]:
    """The same where sequences end at steps of their own, behind which they keep their state."""
    op, lengths = given.x.op, given.call.required(4)
    hidden, cell = r.hidden, r.cell
    column = op.Unsqueeze(lengths, op.constant([1], np.int64))
    nothing = op.constant(0, given.x.dtype)
    visible: list[Tensor] = []
    for number, gates in enumerate(gates_by_step(r, [width * r.size for width in kind.widths])):
        step = kind.step(r, gates, hidden, cell)
        running = column.greater(number)
        visible.append(op.Where(running, step.hidden, nothing))
        hidden = op.Where(running, step.hidden, hidden)
        if cell is not None and step.cell is not None:
            cell = op.Where(running, step.cell, cell)
    shown = _by_time(given, joined(visible))
    shown = turned(given.call, shown, lengths) if way.backwards else shown
    return [shown, *(_without_front(state) for state in (hidden, cell) if state is not None)]


def _by_time(given: Arguments, states: Tensor) -> Tensor:
    """States of all steps as (T, N, H)."""
    if states.rank == 3:
        return states
    return states.reshape(given.steps, given.x.sizes[1], given.size)


def _rows_of(r: Recurrence, states: Tensor, index: int) -> Tensor:
    """One of several states (N, H)."""
    return states[index] if states.rank == 3 else states[index * r.rows : (index + 1) * r.rows]


def _without_front(state: Tensor) -> Tensor:
    """A state (N, H) or (1, N, H) as (N, H)."""
    return state if state.rank == 2 else state.op.Squeeze(state, state.op.constant([0], np.int64))


def _lstm_gradient(
    given: Arguments,
    ways: Sequence[Recurrence],
    steps: Sequence[Step],
    states: Tensor,
    dy: Tensor,
    wanted: Sequence[bool],
) -> Sequence[Tensor | None]:
    if can_be_fused(given, ways):
        trace = trace_again(ways, fuse(given, ways, states))
    else:
        trace = trace_of(ways, steps)
    return lstm_gradients(ways, trace, dy, wanted)


def _in_one_direction(gradient: RecurrentGradient) -> _Gradient:
    return lambda _, ways, steps, __, dy, wanted: gradient(ways[0], steps, dy, wanted)


_LSTM = _Kind((4,), ("Sigmoid", "Tanh", "Tanh"), lstm_step, _lstm_gradient)
_GRU = _Kind((2, 1), ("Sigmoid", "Tanh"), gru_step, _in_one_direction(gru_gradient))
_RNN = _Kind((1,), ("Tanh",), rnn_step, _in_one_direction(rnn_gradient))

EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "LSTM"): _expansion(_LSTM),
    ("", "GRU"): _expansion(_GRU),
    ("", "RNN"): _expansion(_RNN),
}
