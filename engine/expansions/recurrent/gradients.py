"""Backpropagation through time by hand.

The cotangent of a hidden state comes back from the next step, one after the other. All that it is
multiplied with on the way is computed before, for all steps at once; what goes to the input and the
weights follows after, for all of them. So a step backwards is a matrix product and a handful of
small nodes. (Hochreiter, Schmidhuber: Long Short-Term Memory, 1997; Cho et al.: Learning Phrase
Representations using RNN Encoder-Decoder, 2014.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...graph.tensor import Tensor
from .steps import Recurrence, Step, joined, product, split

RecurrentGradient = Callable[
    [Recurrence, Sequence[Step], Tensor, Sequence[bool]], Sequence[Tensor | None]
]
"""From the cotangent of all hidden states in the input's order, of an LSTM perhaps with the last
cell state behind them, to those of `sources`, as far as they are wanted.

It holds for sigmoid gates and tanh, without peepholes, coupled gates or clipping.
"""


def sources(r: Recurrence) -> list[Tensor]:
    """Return all that the states are computed from."""
    optional = [tensor for tensor in (r.cell, r.bias) if tensor is not None]
    return [r.gates, *r.recurrence, r.hidden, *optional]


@dataclass(frozen=True)
class Trace:
    """What the steps of an LSTM compute on the way, of all steps one below the other.

    Where several directions go through the same steps, one's values are below another's.

    Attributes:
        opened: The gates i, o, f.
        candidate: g.
        shown: tanh of the cell states.
        before: The cell states that the steps begin with.
        keep: f by step.
        hidden: The hidden states that the steps begin with, by direction and step.
    """

    opened: Tensor
    candidate: Tensor
    shown: Tensor
    before: Tensor
    keep: Sequence[Tensor]
    hidden: Sequence[Sequence[Tensor]]


def trace_of(ways: Sequence[Recurrence], steps: Sequence[Step]) -> Trace:
    """Return what the steps kept."""
    before = [joined([r.hidden if r.cell is None else r.cell for r in ways])]
    before += [before[0] if step.cell is None else step.cell for step in steps[:-1]]
    opened, candidate, shown = (_all(steps, name) for name in ("opened", "candidate", "shown"))
    keep = [step.kept["keep"] for step in steps]
    hidden = [_hidden_before(r, steps, way, len(ways)) for way, r in enumerate(ways)]
    return Trace(opened, candidate, shown, joined(before), keep, hidden)


def lstm_gradients(
    ways: Sequence[Recurrence], trace: Trace, dy: Tensor, wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    """Write the gradients, with s' = s · (1 − s) of the gates and c = f · c₋₁ + i · g.

    The cotangent of c is dh · o · (1 − tanh² c) and what the next step's f lets through; of the
    gates' sums dc · g · i', dh · tanh c · o', dc · c₋₁ · f' and dc · i · (1 − g²).

    Args:
        ways: The directions that go through the same steps.
        trace: What these compute.
        dy: Of each step of the input the hidden states of all directions, one after the other; then
            perhaps the last cell states.
        wanted: Of the sources of one direction after the other.
    """
    op, rows, size, count = dy.op, ways[0].rows, ways[0].size, ways[0].steps
    opened, candidate, shown = trace.opened, trace.candidate, trace.shown
    enter, leave, _ = split(opened, -1, [size] * 3)
    let_through = op.Concat(candidate, shown, trace.before, axis=-1)
    factors = op.Concat(
        opened * (1 - opened) * let_through, enter * (1 - candidate * candidate), axis=-1
    )
    together = [len(ways) * rows] * count
    by_step = split(factors, 0, together)
    visible = split(leave * (1 - shown * shown), 0, together)
    given, carried = _given_to_all(ways, dy)
    back = [_turned(r.recurrence[0]) for r in ways]
    # By direction, from the last step to the first.
    sums: list[tuple[Tensor, ...]] = []
    for number in reversed(range(count)):
        arrived = [parts[number] for parts in given]
        if sums:
            later = zip(sums[-1], back, arrived, strict=True)
            arrived = [product(total, weights, more) for total, weights, more in later]
        dh = joined(arrived)
        dc = dh * visible[number]
        dc = dc if carried is None else dc + carried
        total = op.Concat(dc, dh, dc, dc, axis=-1) * by_step[number]
        sums.append(split(total, 0, [rows] * len(ways)))
        carried = dc * trace.keep[number]
    cells = [None] * len(ways) if carried is None else split(carried, 0, [rows] * len(ways))
    results: list[Tensor | None] = []
    for way, (r, cell) in enumerate(zip(ways, cells, strict=True)):
        _, weights, hidden, _ = wanted[4 * way : 4 * way + 4]
        own = [parts[way] for parts in sums]
        states = trace.hidden[way]
        results += [
            _in_order(r, own),
            _outer(states, own[::-1], r.recurrence[0]) if weights else None,
            own[-1] @ back[way] if hidden else None,
            cell,
        ]
    return results


def gru_gradient(
    r: Recurrence, steps: Sequence[Step], dy: Tensor, wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    """Write the gradient, with s' = s · (1 − s) of the gates and h = (1 − z) · n + z · h₋₁.

    The cotangent of n's sum is dh · (1 − z) · (1 − n²), that of z's dh · (h₋₁ − n) · z'.
    """
    gradient = _reset_after if len(r.recurrence) == 1 else _reset_before
    return gradient(r, steps, dy, wanted)


def _reset_after(
    r: Recurrence, steps: Sequence[Step], dy: Tensor, wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    """Where n = tanh(… + r · m), all three gates' cotangents are multiples of dh."""
    op, before = dy.op, _hidden_before(r, steps)
    update, reset, candidate, memory = (
        _all(steps, name) for name in ("update", "reset", "candidate", "memory")
    )
    slope = (1 - update) * (1 - candidate * candidate)
    updating = (joined(before) - candidate) * update * (1 - update)
    resetting = slope * memory * reset * (1 - reset)
    factors, slopes = r.split(op.Concat(updating, resetting, axis=-1)), r.split(slope)
    given, back = _given(r, dy), _turned(r.recurrence[0])
    dh = given[-1]
    sums: list[Tensor] = []
    products: list[Tensor] = []
    memories: list[Tensor] = []
    for number in reversed(range(len(steps))):
        kept = steps[number].kept
        opened = op.Concat(dh, dh, axis=-1) * factors[number]
        proposed = dh * slopes[number]
        memories.append(proposed * kept["reset"])
        sums.append(op.Concat(opened, proposed, axis=-1))
        products.append(op.Concat(opened, memories[-1], axis=-1))
        dh = product(products[-1], back, dh * kept["update"])
        dh = dh + given[number - 1] if number else dh
    weights, hidden, *bias = wanted[1:]
    results = [
        _in_order(r, sums),
        _outer(before, products[::-1], r.recurrence[0]) if weights else None,
        dh if hidden else None,
    ]
    if bias:
        results.append(op.Sum(*memories) if bias[0] else None)
    return results


def _reset_before(
    r: Recurrence, steps: Sequence[Step], dy: Tensor, wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    """Where n = tanh(… + (r · h₋₁) R), the cotangent of r takes a product of its own."""
    op, before = dy.op, _hidden_before(r, steps)

    update, reset, candidate = (_all(steps, name) for name in ("update", "reset", "candidate"))
    last = joined(before)
    updating = (last - candidate) * update * (1 - update)
    factors = r.split(op.Concat(updating, last * reset * (1 - reset), axis=-1))
    slopes = r.split((1 - update) * (1 - candidate * candidate))
    back, back_recalled = (_turned(weights) for weights in r.recurrence)
    given = _given(r, dy)
    dh = given[-1]
    opened: list[Tensor] = []
    candidates: list[Tensor] = []
    for number in reversed(range(len(steps))):
        kept = steps[number].kept
        candidates.append(dh * slopes[number])
        recalled = candidates[-1] @ back_recalled
        opened.append(op.Concat(dh, recalled, axis=-1) * factors[number])
        parts = [recalled * kept["reset"], product(opened[-1], back, dh * kept["update"])]
        dh = op.Sum(*parts, given[number - 1]) if number else op.Sum(*parts)
    sums = [op.Concat(*parts, axis=-1) for parts in zip(opened, candidates, strict=True)]
    recalls = [step.kept["recalled"] for step in steps]
    weights, last_weights, hidden = wanted[1:]
    return [
        _in_order(r, sums),
        _outer(before, opened[::-1], r.recurrence[0]) if weights else None,
        _outer(recalls, candidates[::-1], r.recurrence[1]) if last_weights else None,
        dh if hidden else None,
    ]


def rnn_gradient(
    r: Recurrence, steps: Sequence[Step], dy: Tensor, wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    """Write the gradient: with h = tanh(…) the cotangent of the sum is dh · (1 − h²)."""
    hidden = joined([step.hidden for step in steps])
    slopes = r.split(1 - hidden * hidden)
    given, back = _given(r, dy), _turned(r.recurrence[0])
    sums: list[Tensor] = []
    for number in reversed(range(len(steps))):
        dh = product(sums[-1], back, given[number]) if sums else given[number]
        sums.append(dh * slopes[number])
    weights, first = wanted[1:]
    return [
        _in_order(r, sums),
        _outer(_hidden_before(r, steps), sums[::-1], r.recurrence[0]) if weights else None,
        sums[-1] @ back if first else None,
    ]


def _given(r: Recurrence, dy: Tensor) -> Sequence[Tensor]:
    """What comes to the hidden states, in the order in which they run."""
    return _given_to_all([r], dy)[0][0]


def _given_to_all(
    ways: Sequence[Recurrence], dy: Tensor
) -> tuple[Sequence[Sequence[Tensor]], Tensor | None]:
    """What comes to the hidden states by direction, as they run, and to the last cell states."""
    count, rows = len(ways), ways[0].rows
    hidden = count * ways[0].steps
    lengths = [rows] * hidden
    length = dy.dims[0]
    if isinstance(length, int) and length > sum(lengths):
        lengths.append(count * rows)
    each = split(dy, 0, lengths)
    by_way = [each[way:hidden:count] for way in range(count)]
    given = [parts[::-1] if r.backwards else parts for r, parts in zip(ways, by_way, strict=True)]
    return given, each[hidden] if len(each) > hidden else None


def _all(steps: Sequence[Step], name: str) -> Tensor:
    """What all steps kept under a name, in the order in which they run."""
    return joined([step.kept[name] for step in steps])


def _hidden_before(
    r: Recurrence, steps: Sequence[Step], way: int = 0, ways: int = 1
) -> list[Tensor]:
    """The hidden state that each step begins with, of one of several directions."""
    return [r.hidden, *(split(step.hidden, 0, [r.rows] * ways)[way] for step in steps[:-1])]


def _turned(weights: Tensor) -> Tensor:
    """Rows and columns exchanged, of a constant at once."""
    array = weights.array
    if array is not None:
        return weights.builder.constant(array.swapaxes(-1, -2))
    return weights.transpose(*range(weights.rank - 2), weights.rank - 1, weights.rank - 2)


def _in_order(r: Recurrence, parts: Sequence[Tensor]) -> Tensor:
    """Values that were computed from the last step to the first, as the gates are."""
    return joined(parts if r.backwards else parts[::-1])


def _outer(left: Sequence[Tensor], right: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Σ leftᵀ · right over all steps and sequences, in the shape of weights."""
    rows, columns = (
        joined(parts).reshape(-1, size)
        for parts, size in zip((left, right), weights.sizes, strict=True)
    )
    return rows.op.Gemm(rows, columns, transA=1)
