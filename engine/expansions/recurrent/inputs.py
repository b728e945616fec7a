"""The inputs of LSTM, GRU and RNN, as their steps take them; constants are rearranged at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import OperatorError
from ...graph.tensor import Size, Tensor
from ...graph.words import zeros
from ..table import Call
from .activations import Activation, clipped, function_of
from .steps import Recurrence

_MOST_STEPS = 1024


@dataclass(frozen=True)
class Arguments:
    """The inputs of a node, the steps before the sequences in all of them.

    Attributes:
        call: The node.
        x: (T, N, I).
        weights: (directions, G·H, I).
        recurrence: (directions, G·H, H).
        bias: (directions, 2·G·H).
        lengths: (N,), `None` where all sequences are as long as the input.
        hidden: (directions, N, H).
        cell: (directions, N, H).
        peepholes: (directions, 3·H).
        size: H.
        steps: T.
    """

    call: Call
    x: Tensor
    weights: Tensor
    recurrence: Tensor
    bias: Tensor | None
    lengths: Tensor | None
    hidden: Tensor | None
    cell: Tensor | None
    peepholes: Tensor | None
    size: int
    steps: int


@dataclass(frozen=True)
class Way:
    """One direction of a layer.

    Attributes:
        number: Which it is in the inputs.
        backwards: Whether it runs from the last step to the first.
        activations: In ONNX's order.
    """

    number: int
    backwards: bool
    activations: Sequence[Activation]


def arguments_of(call: Call) -> Arguments:
    """Return the inputs of a node.

    Raises:
        OperatorError: the number of steps is open, or too large to be unrolled.
    """
    x, weights, recurrence = (call.required(index) for index in range(3))
    lengths, hidden, cell = (call.input(index) for index in (4, 5, 6))
    if call.node.attributes.get_int("layout", 0) == 1:
        x = x.transpose(1, 0, 2)
        hidden, cell = (s if s is None else s.transpose(1, 0, 2) for s in (hidden, cell))
    steps = x.dims[0]
    if not isinstance(steps, int) or not 0 < steps <= _MOST_STEPS:
        raise OperatorError(
            f"{call.where} runs over {steps} steps; the gradient unrolls it and needs a number "
            f"from 1 to {_MOST_STEPS}{call.shapes_to_give}"
        )
    if lengths is not None and lengths.array is not None and np.all(lengths.array == steps):
        lengths = None
    return Arguments(
        call=call,
        x=x,
        weights=weights,
        recurrence=recurrence,
        bias=call.input(3),
        lengths=lengths,
        hidden=hidden,
        cell=cell,
        peepholes=call.input(7),
        size=call.node.attributes.get_int("hidden_size", 0) or recurrence.shape[-1],
        steps=steps,
    )


def recurrence_of(given: Arguments, way: Way, gates: int) -> Recurrence:
    """Return a layer in one of its directions.

    Args:
        given: The inputs of the node.
        way: The direction.
        gates: How many gates the operator has.
    """
    attributes, size = given.call.node.attributes, given.size
    # A GRU resets the state before its last product, or what that product gives.
    reset_late = attributes.get_int("linear_before_reset", 0) == 1
    ends = [0, gates * size] if gates != 3 or reset_late else [0, 2 * size, 3 * size]
    functions = [function_of(given.call, activation) for activation in way.activations]
    # Of an LSTM the third shows the cell state, which is no gate and not clipped.
    activations = [clipped(given.call, function) for function in functions[:2]] + functions[2:]
    added, own = _biases(given, way, gates if gates != 3 or not reset_late else 2)
    return Recurrence(
        gates=_input_part(given, way, added),
        # With lengths of their own the sequences are turned before.
        backwards=way.backwards and given.lengths is None,
        recurrence=[_recurrent_weights(given, way, *part) for part in itertools.pairwise(ends)],
        bias=own,
        peepholes=_peepholes(given, way),
        hidden=_state(given, given.hidden, way),
        cell=_state(given, given.cell, way) if gates == 4 else None,
        activations=activations,
        size=size,
        steps=given.steps,
        coupled=attributes.get_int("input_forget", 0) == 1,
    )


def turned(call: Call, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the steps (axis 0) from the last to the first, of each sequence (axis 1) its own."""
    if lengths is None:
        return x[::-1]
    return call.op.ReverseSequence(x, lengths.astype(np.dtype(np.int64)), time_axis=0, batch_axis=1)


def _input_part(given: Arguments, way: Way, bias: Tensor | None) -> Tensor:
    """The input's part of all gates (T · N, G·H), with an open N (T, N, G·H)."""
    x = given.x
    if way.backwards and given.lengths is not None:
        x = turned(given.call, x, given.lengths)
    if isinstance(x.dims[1], int):
        x = x.reshape(-1, x.sizes[2])
    gates = x @ _arranged(given.weights, lambda w: w[way.number].transpose(1, 0))
    return gates if bias is None else gates + bias


def _recurrent_weights(given: Arguments, way: Way, start: int, end: int) -> Tensor:
    """From the hidden state to some of the gates, (H, …)."""
    return _arranged(given.recurrence, lambda w: w[way.number][start:end].transpose(1, 0))


def _biases(given: Arguments, way: Way, added: int) -> tuple[Tensor | None, Tensor | None]:
    """Of the input and the recurrence together, and the recurrence's of the gates behind `added`.

    The first is (G·H,), the second (H,), if there is any.
    """
    if given.bias is None:
        return None, None
    whole, alone = given.recurrence.shape[1], added * given.size
    both = (np.arange(whole) < alone).astype(given.x.dtype)
    together = _arranged(given.bias, lambda b: b[way.number][:whole] + b[way.number][whole:] * both)
    if alone == whole:
        return together, None
    return together, _arranged(given.bias, lambda b: b[way.number][whole + alone :])


def _peepholes(given: Arguments, way: Way) -> list[Tensor]:
    """Of input, output and forget gate, (H,) each."""
    if given.peepholes is None:
        return []
    size = given.size

    def of_gate(number: int) -> Callable[[Any], Any]:
        return lambda p: p[way.number][number * size : (number + 1) * size]

    return [_arranged(given.peepholes, of_gate(number)) for number in range(3)]


def _state(given: Arguments, initial: Tensor | None, way: Way) -> Tensor:
    """A first state (N, H), with an open N (1, N, H), by default zeros."""
    x, batch = given.x, given.x.sizes[1]
    sizes: list[Size] = [batch, given.size] if isinstance(batch, int) else [1, batch, given.size]
    if initial is None:
        return zeros(x.op, sizes, x.dtype)
    part = way.number if isinstance(batch, int) else slice(way.number, way.number + 1)
    return _arranged(initial, lambda s: s[part])


def _arranged(tensor: Tensor, how: Callable[[Any], Any]) -> Tensor:
    """What NumPy makes of a constant, or the same operations in the graph."""
    array = tensor.array
    if array is not None:
        return tensor.builder.constant(how(array))
    arranged: Tensor = how(tensor)
    return arranged
