"""LSTM, GRU and RNN, step by step.

The recurrence over a known length becomes a chain of matrix products and activations; the input's
part of the gates is one product for all steps. Unrolling is what backpropagation through time
differentiates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .table import Call, Expansion

_MOST_STEPS = 1024

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Direction:
    """One direction of a recurrent layer; H hidden units, N sequences, G gates.

    Attributes:
        gates: The input's part of all gates with the input's bias, (T, N, G·H), and with the
            recurrence's where it is only added.
        recurrence: (H, G·H), from the hidden state to the gates.
        bias: The recurrence's (G·H,) of a GRU; `None` where there is none.
        peepholes: (3·H,) of an LSTM; `None` where there are none.
        hidden: The first hidden state (N, H).
        cell: The first cell state (N, H).
        activations: In ONNX's order.
        size: H.
    """

    gates: Tensor
    recurrence: Tensor
    bias: Tensor | None
    peepholes: Tensor | None
    hidden: Tensor
    cell: Tensor
    activations: Sequence[Activation]
    size: int

    def gate(self, whole: Tensor, number: int) -> Tensor:
        """The part of one gate in (N, G·H) or (G·H,)."""
        return whole[..., number * self.size : (number + 1) * self.size]


Step = Callable[[Call, Direction, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a step's gates (N, G·H), hidden and cell state to the next ones."""


def _lstm_step(
    call: Call, d: Direction, gates: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    # ONNX's order of gates: input, output, forget, cell.
    total = gates + hidden @ d.recurrence
    gate, squash, show = d.activations
    coupled = call.node.attributes.get_int("input_forget", 0) == 1
    candidate = d.gate(total, 3)
    if d.peepholes is None and not coupled:
        # One activation for three gates: a step is many small nodes, whose number is its time.
        opened = gate(total[..., : 3 * d.size])
        entered, left, kept = (d.gate(opened, number) for number in range(3))
        following = kept * cell + entered * squash(candidate)
        return left * show(following), following
    enter, leave, forget = (d.gate(total, number) for number in range(3))
    if d.peepholes is not None:
        enter = enter + d.gate(d.peepholes, 0) * cell
        forget = forget + d.gate(d.peepholes, 2) * cell
    entered = gate(enter)
    kept = 1 - entered if coupled else gate(forget)
    following = kept * cell + entered * squash(candidate)
    if d.peepholes is not None:
        leave = leave + d.gate(d.peepholes, 1) * following
    return gate(leave) * show(following), following


def _gru_step(
    call: Call, d: Direction, gates: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    # ONNX's order of gates: update, reset, hidden.
    size = d.size
    gate, squash = d.activations
    both = gates[:, : 2 * size] + hidden @ d.recurrence[:, : 2 * size]
    if d.bias is not None:
        both = both + d.bias[: 2 * size]
    opened = gate(both)
    update, reset = opened[:, :size], opened[:, size:]
    last = d.recurrence[:, 2 * size :]
    own = None if d.bias is None else d.bias[2 * size :]
    if call.node.attributes.get_int("linear_before_reset", 0):
        memory = hidden @ last
        memory = reset * (memory if own is None else memory + own)
    else:
        memory = (reset * hidden) @ last
        memory = memory if own is None else memory + own
    candidate = squash(gates[:, 2 * size :] + memory)
    return (1 - update) * candidate + update * hidden, cell


def _rnn_step(
    _: Call, d: Direction, gates: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    return d.activations[0](gates + hidden @ d.recurrence), cell


def _unroll(gates: int, step: Step, defaults: Sequence[str]) -> Expansion:
    def expand(call: Call) -> Sequence[Tensor | None]:
        return _recurrent(call, gates, step, defaults)

    return expand


def _recurrent(
    call: Call, gate_count: int, step: Step, defaults: Sequence[str]
) -> Sequence[Tensor | None]:
    x = call.required(0)
    batch_first = call.node.attributes.get_int("layout", 0) == 1
    if batch_first:
        x = x.transpose(1, 0, 2)
    steps = x.dims[0]
    if not isinstance(steps, int) or steps > _MOST_STEPS:
        raise OperatorError(
            f"{call.where} runs over {steps} steps; the gradient unrolls it and needs a number up "
            f"to {_MOST_STEPS}: give the shapes of the model's inputs"
        )
    lengths = call.input(4)
    direction = call.node.attributes.get_string("direction", "forward")
    outputs, hidden, cells = [], [], []
    for number in range(2 if direction == "bidirectional" else 1):
        backwards = direction == "reverse" or number == 1
        turned = _reversed(call, x, lengths) if backwards else x
        d = _direction(call, turned, number, gate_count, defaults)
        shown, last, cell = _run(call, d, step, steps, lengths)
        outputs.append(_reversed(call, shown, lengths) if backwards else shown)
        hidden.append(last)
        cells.append(cell)
    # (T, N, H) for each direction becomes (T, directions, N, H); batch first (N, T, directions, H).
    axis = call.op.constant([2 if batch_first else 1], np.int64)
    inner = call.op.constant([1 if batch_first else 0], np.int64)
    ordered = [y.transpose(1, 0, 2) if batch_first else y for y in outputs]
    result = [
        _joined(call, [call.op.Unsqueeze(y, axis) for y in ordered], 2 if batch_first else 1),
        _joined(call, [call.op.Unsqueeze(h, inner) for h in hidden], 1 if batch_first else 0),
        _joined(call, [call.op.Unsqueeze(c, inner) for c in cells], 1 if batch_first else 0),
    ]
    return result[: len(call.node.outputs)]


def _direction(
    call: Call, x: Tensor, number: int, gate_count: int, defaults: Sequence[str]
) -> Direction:
    weights, recurrence = call.required(1)[number], call.required(2)[number]
    size = call.node.attributes.get_int("hidden_size", 0) or recurrence.shape[-1]
    both, initial, cell, peepholes = (call.input(index) for index in (3, 5, 6, 7))
    gates = x @ weights.transpose(1, 0)
    bias = None
    if both is not None:
        own = both[number]
        bias = own[gate_count * size :]
        gates = gates + own[: gate_count * size]
        if call.node.op_type != "GRU":
            gates, bias = gates + bias, None
    batch_first = call.node.attributes.get_int("layout", 0) == 1
    nothing = call.op.ConstantOfShape(
        call.op.vector([x.sizes[1], size]), value=np.zeros(1, x.dtype)
    )

    def state(given: Tensor | None) -> Tensor:
        if given is None:
            return nothing
        return given[:, number] if batch_first else given[number]

    return Direction(
        gates=gates,
        recurrence=recurrence.transpose(1, 0),
        bias=bias,
        peepholes=None if peepholes is None else peepholes[number],
        hidden=state(initial),
        cell=state(cell),
        activations=_activations(call, number, defaults),
        size=size,
    )


def _run(
    call: Call, d: Direction, step: Step, steps: int, lengths: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """All hidden states (T, N, H), the last hidden and the last cell state (N, H)."""
    op = call.op
    hidden, cell = d.hidden, d.cell
    shown: list[Tensor] = []
    front = op.constant([0], np.int64)
    for number in range(steps):
        following, next_cell = step(call, d, d.gates[number], hidden, cell)
        if lengths is None:
            hidden, cell, visible = following, next_cell, following
        else:
            # A sequence that has ended keeps its state, and shows zeros.
            running = op.Unsqueeze(lengths.greater(number), op.constant([1], np.int64))
            visible = op.Where(running, following, op.constant(0, following.dtype))
            hidden = op.Where(running, following, hidden)
            cell = op.Where(running, next_cell, cell)
        shown.append(op.Unsqueeze(visible, front))
    return _joined(call, shown, 0), hidden, cell


def _reversed(call: Call, x: Tensor, lengths: Tensor | None) -> Tensor:
    """The steps (axis 0) from the last to the first, of each sequence (axis 1) its own."""
    if lengths is None:
        return x[::-1]
    return call.op.ReverseSequence(x, lengths.astype(np.dtype(np.int64)), time_axis=0, batch_axis=1)


def _joined(call: Call, tensors: Sequence[Tensor], axis: int) -> Tensor:
    return tensors[0] if len(tensors) == 1 else call.op.Concat(*tensors, axis=axis)


def _activations(call: Call, number: int, defaults: Sequence[str]) -> list[Activation]:
    attributes = call.node.attributes
    names = attributes.get_strings("activations", None) or list(defaults) * 2
    alphas = list(attributes.get_floats("activation_alpha", ()))
    betas = list(attributes.get_floats("activation_beta", ()))
    count = len(defaults)
    clip = attributes.get_float("clip", 0.0)
    made: list[Activation] = []
    # Parameters are listed for those activations only that have any.
    for position, name in enumerate(names):
        alpha, beta = _PARAMETERS.get(name.lower(), (None, None))
        alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        beta = betas.pop(0) if beta is not None and betas else beta
        if number * count <= position < (number + 1) * count:
            made.append(_activation(call, name, alpha or 0.0, beta or 0.0, clip))
    return made


_PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (1.0, None),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}


def _activation(call: Call, name: str, alpha: float, beta: float, clip: float) -> Activation:
    op = call.op
    forms: dict[str, Activation] = {
        "relu": op.Relu,
        "tanh": op.Tanh,
        "sigmoid": op.Sigmoid,
        "softsign": op.Softsign,
        "softplus": op.Softplus,
        "affine": lambda x: x * alpha + beta,
        "leakyrelu": lambda x: op.LeakyRelu(x, alpha=alpha),
        "thresholdedrelu": lambda x: op.ThresholdedRelu(x, alpha=alpha),
        "scaledtanh": lambda x: op.Tanh(x * beta) * alpha,
        "hardsigmoid": lambda x: op.HardSigmoid(x, alpha=alpha, beta=beta),
        "elu": lambda x: op.Elu(x, alpha=alpha),
    }
    form = forms.get(name.lower())
    if form is None:
        raise OperatorError(f"{call.where} has the activation {name!r}, which ONNX does not define")
    if not clip:
        return form

    def clipped(x: Tensor) -> Tensor:
        low, high = op.constant(-clip, x.dtype), op.constant(clip, x.dtype)
        return form(op.Clip(x, low, high))

    return clipped


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "LSTM"): _unroll(4, _lstm_step, ("Sigmoid", "Tanh", "Tanh")),
    ("", "GRU"): _unroll(3, _gru_step, ("Sigmoid", "Tanh")),
    ("", "RNN"): _unroll(1, _rnn_step, ("Tanh",)),
}
