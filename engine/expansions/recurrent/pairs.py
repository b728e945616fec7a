"""Both directions of an LSTM in one chain of steps.

What a step of a small layer takes is its nodes, not its arithmetic. The states of the two
directions stand below each other, (2·N, H), and are taken apart for the products alone: each
direction has its own weights. Where one takes the first step, the other takes the last.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.tensor import Tensor
from .inputs import Arguments, Way
from .steps import Recurrence, Step, gates_by_step, joined, lstm_states, product, split


def may_be_paired(given: Arguments, ways: Sequence[Way]) -> bool:
    """Return whether the directions of an LSTM can go through the same nodes."""
    return (
        len(ways) == 2
        and tuple(ways[0].activations) == tuple(ways[1].activations)
        and given.lengths is None
        and given.peepholes is None
        and given.call.node.attributes.get_int("input_forget", 0) == 0
    )


def steps_of_both(ways: Sequence[Recurrence]) -> tuple[list[Step], list[tuple[Tensor, ...]]]:
    """Return the steps of both directions, and of each step the hidden states by direction."""
    first = ways[0]
    steps: list[Step] = []
    hidden: list[tuple[Tensor, ...]] = [tuple(r.hidden for r in ways)]
    cell = joined([r.hidden if r.cell is None else r.cell for r in ways])
    widths = [4 * first.size]
    for gates in zip(*(gates_by_step(r, widths) for r in ways), strict=True):
        sums = [
            product(state, r.recurrence[0], part)
            for r, state, (part,) in zip(ways, hidden[-1], gates, strict=True)
        ]
        steps.append(lstm_states(first, joined(sums), cell))
        cell = steps[-1].cell or cell
        hidden.append(split(steps[-1].hidden, 0, [first.rows] * len(ways)))
    return steps, hidden[1:]


def in_input_order(
    ways: Sequence[Recurrence], hidden: Sequence[tuple[Tensor, ...]]
) -> list[Tensor]:
    """Return hidden states by the step of the input, of each those of all directions."""
    each = [
        states[::-1] if r.backwards else states
        for r, states in zip(ways, zip(*hidden, strict=True), strict=True)
    ]
    return [state for states in zip(*each, strict=True) for state in states]
