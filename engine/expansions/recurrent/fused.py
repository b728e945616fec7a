"""The runtime's own LSTM in place of the steps that it was written as.

A gradient needs what the steps compute on the way. Of the hidden states, which the operator gives,
all gates follow at once: in one product for all steps, where the steps take one each. Only the cell
states are a chain, of two nodes a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.tensor import Tensor
from .gradients import Trace
from .inputs import Arguments
from .steps import Recurrence, joined, product, split


def can_be_fused(given: Arguments, ways: Sequence[Recurrence]) -> bool:
    """Return whether these are all directions of the node, in a type that every runtime has."""
    return given.x.dtype == np.float32 and given.recurrence.dims[0] == len(ways)


def fuse(given: Arguments, ways: Sequence[Recurrence], states: Tensor) -> Tensor:
    """Put the operator in the place of the steps, whose nodes nobody reads any more.

    Args:
        given: The inputs of the node.
        ways: Its directions.
        states: The hidden states of all steps as the steps give them, of each step of the input
            those of all directions, one after the other; then perhaps the last cell states.

    Returns:
        The hidden states, in the same order.
    """
    attributes = given.call.node.attributes
    direction = attributes.get_string("direction", "forward")
    inputs = [given.x, given.weights, given.recurrence, given.bias, None, given.hidden, given.cell]
    y, _, last = given.x.builder.append(
        "LSTM", inputs, {"hidden_size": given.size, "direction": direction}, outputs=3
    )
    hidden = _in_rows(given, ways, y)
    whole = hidden
    if states.dims[0] != hidden.dims[0]:
        whole = joined([hidden, _in_rows(given, ways, last)])
    states.builder.instead[states.value] = whole.value
    return hidden


def trace_again(ways: Sequence[Recurrence], hidden: Tensor) -> Trace:
    """Return what the steps computed, of their hidden states."""
    first = ways[0]
    rows, size, count = first.rows, first.size, first.steps
    states = split(hidden, 0, [rows] * (len(ways) * count))
    before: list[list[Tensor]] = []
    sums: list[list[Tensor]] = []
    for way, r in enumerate(ways):
        own = list(states[way :: len(ways)])
        # In the input's order.
        last = [*own[1:], r.hidden] if r.backwards else [r.hidden, *own[:-1]]
        total = product(joined(last), r.recurrence[0], r.gates)
        parts = [total] if len(ways) == 1 and not r.backwards else list(r.split(total))
        sums.append(parts[::-1] if r.backwards else parts)
        before.append(last[::-1] if r.backwards else last)
    total = joined([part for step in zip(*sums, strict=True) for part in step])
    gate, squash, show = first.activations
    opening, proposed = split(total, -1, [3 * size, size])
    opened, candidate = gate(opening), squash(proposed)
    enter, _, keep = split(opened, -1, [size] * 3)
    together = [len(ways) * rows] * count
    kept, added = split(keep, 0, together), split(enter * candidate, 0, together)
    cells = [joined([r.hidden if r.cell is None else r.cell for r in ways])]
    for number in range(count):
        cells.append(kept[number] * cells[-1] + added[number])
    return Trace(opened, candidate, show(joined(cells[1:])), joined(cells[:-1]), kept, before)


def _in_rows(given: Arguments, ways: Sequence[Recurrence], states: Tensor) -> Tensor:
    """States (…, N, H) one below the other, as steps have them."""
    if ways[0].hidden.rank == 2:
        return states.reshape(-1, given.size)
    return states.reshape(-1, given.x.sizes[1], given.size)
