"""One step of an LSTM, GRU or RNN in one direction.

A step is many small nodes. Its values are (N, …) for N sequences, so that a product and what is
added to it are one node; (1, N, …) where N is open. Those of several steps are joined along the
first axis; so are those of two directions that go through the same nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.tensor import Tensor


@dataclass(frozen=True)
class Recurrence:
    """One direction of a recurrent layer; H hidden units, N sequences, T steps.

    Attributes:
        gates: The input's part of all gates with all biases that are only added, (T · N, G·H) or
            (T, N, G·H), in the input's order.
        backwards: Whether the first step is the last of them.
        recurrence: From the hidden state to the gates, (H, G·H); in two parts for a GRU whose reset
            goes before the product, as it is by default.
        bias: The recurrence's of a GRU's last gate where that is reset with it, (H,).
        peepholes: Of an LSTM's input, output and forget gate, (H,) each.
        hidden: The first hidden state (N, H) or (1, N, H).
        cell: The first cell state of an LSTM, likewise.
        activations: In ONNX's order.
        size: H.
        steps: T.
        coupled: An LSTM forgets as much as it lets in.
    """

    gates: Tensor
    backwards: bool
    recurrence: Sequence[Tensor]
    bias: Tensor | None
    peepholes: Sequence[Tensor]
    hidden: Tensor
    cell: Tensor | None
    activations: Sequence[Callable[[Tensor], Tensor]]
    size: int
    steps: int
    coupled: bool

    @property
    def rows(self) -> int:
        """How long the first axis of a step's values is."""
        return self.hidden.shape[0] if self.hidden.rank == 2 else 1

    def split(self, values: Tensor) -> tuple[Tensor, ...]:
        """Return the values of several steps by step."""
        length = values.dims[0]
        count = length // self.rows if isinstance(length, int) else self.steps
        return split(values, 0, [self.rows] * count)


@dataclass(frozen=True)
class Step:
    """What a step computes.

    Attributes:
        hidden: The next hidden state.
        cell: The next cell state of an LSTM.
        kept: By name, what the gradient by hand is made of.
    """

    hidden: Tensor
    cell: Tensor | None
    kept: dict[str, Tensor]


StepFunction = Callable[[Recurrence, Sequence[Tensor], Tensor, Tensor | None], Step]
"""From a step's part of the gates (of a GRU the last by itself) and its states to the next ones."""


def split(x: Tensor, axis: int, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Split into consecutive parts along an axis."""
    if len(sizes) == 1:
        return (x,)
    lengths = x.op.constant(sizes, np.int64)
    return x.builder.append("Split", [x, lengths], {"axis": axis}, outputs=len(sizes))


def joined(parts: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return parts as one value, those of several steps by default."""
    return parts[0] if len(parts) == 1 else parts[0].op.Concat(*parts, axis=axis)


def product(rows: Tensor, weights: Tensor, more: Tensor) -> Tensor:
    """Return the product of a step's values with weights, and something more."""
    return rows.op.Gemm(rows, weights, more) if rows.rank == 2 else rows @ weights + more


def gates_by_step(r: Recurrence, widths: Sequence[int]) -> list[tuple[Tensor, ...]]:
    """Return each step's part of the gates in these widths, in the order in which steps run."""
    columns = [r.split(part) for part in split(r.gates, -1, widths)]
    rows = list(zip(*columns, strict=True))
    return rows[::-1] if r.backwards else rows


def lstm_step(r: Recurrence, gates: Sequence[Tensor], hidden: Tensor, cell: Tensor | None) -> Step:
    """Write a step of an LSTM; ONNX's order of gates is input, output, forget, cell."""
    gate, squash, show = r.activations
    last = hidden if cell is None else cell
    total = product(hidden, r.recurrence[0], gates[0])
    if not r.peepholes and not r.coupled:
        return lstm_states(r, total, last)
    opening, leaving, forgetting, proposed = split(total, -1, [r.size] * 4)
    if r.peepholes:
        opening = opening + r.peepholes[0] * last
        forgetting = forgetting + r.peepholes[2] * last
    enter = gate(opening)
    keep = 1 - enter if r.coupled else gate(forgetting)
    following = keep * last + enter * squash(proposed)
    if r.peepholes:
        leaving = leaving + r.peepholes[1] * following
    return Step(gate(leaving) * show(following), following, {})


def lstm_states(r: Recurrence, total: Tensor, last: Tensor) -> Step:
    """Write a plain step of an LSTM from its gates' sums and its cell state."""
    gate, squash, show = r.activations
    opening, proposed = split(total, -1, [3 * r.size, r.size])
    opened = gate(opening)
    enter, leave, keep = split(opened, -1, [r.size] * 3)
    candidate = squash(proposed)
    following = keep * last + enter * candidate
    shown = show(following)
    kept = {"opened": opened, "keep": keep, "candidate": candidate, "shown": shown}
    return Step(leave * shown, following, kept)


def gru_step(r: Recurrence, gates: Sequence[Tensor], hidden: Tensor, _: Tensor | None) -> Step:
    """Write a step of a GRU; ONNX's order of gates is update, reset, hidden."""
    gate, squash = r.activations
    if len(r.recurrence) == 1:
        opening, memory = split(hidden @ r.recurrence[0], -1, [2 * r.size, r.size])
        update, reset = split(gate(gates[0] + opening), -1, [r.size] * 2)
        memory = memory if r.bias is None else memory + r.bias
        candidate = squash(gates[1] + reset * memory)
        kept = {"memory": memory}
    else:
        opened = gate(product(hidden, r.recurrence[0], gates[0]))
        update, reset = split(opened, -1, [r.size] * 2)
        recalled = reset * hidden
        candidate = squash(product(recalled, r.recurrence[1], gates[1]))
        kept = {"recalled": recalled}
    kept |= {"update": update, "reset": reset, "candidate": candidate}
    return Step((1 - update) * candidate + update * hidden, None, kept)


def rnn_step(r: Recurrence, gates: Sequence[Tensor], hidden: Tensor, _: Tensor | None) -> Step:
    """Write a step of an RNN, which has one gate."""
    return Step(r.activations[0](product(hidden, r.recurrence[0], gates[0])), None, {})
