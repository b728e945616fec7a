"""The activation functions of recurrent operators, by ONNX's names for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ..table import Call

# Alpha and beta by default, `None` where an activation has none. As ONNX Runtime has them: zero
# where ONNX gives no default, and also for ThresholdedRelu, whose operator has 1.
_PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (0.0, 0.0),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (0.0, None),
    "scaledtanh": (0.0, 0.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        name: ONNX's, in small letters.
        alpha: Its first parameter; 0 where it has none.
        beta: Its second.
    """

    name: str
    alpha: float = 0.0
    beta: float = 0.0


def activations_of(
    call: Call, defaults: Sequence[str], directions: int
) -> list[tuple[Activation, ...]]:
    """Return each direction's activations, in ONNX's order."""
    attributes = call.node.attributes
    names = attributes.get_strings("activations", None) or list(defaults) * directions
    alphas = list(attributes.get_floats("activation_alpha", ()))
    betas = list(attributes.get_floats("activation_beta", ()))
    listed: list[Activation] = []
    # Parameters are listed for those activations only that have any.
    for name in names:
        alpha, beta = _PARAMETERS.get(name.lower(), (None, None))
        alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        beta = betas.pop(0) if beta is not None and betas else beta
        listed.append(Activation(name.lower(), alpha or 0.0, beta or 0.0))
    count = len(defaults)
    return [tuple(listed[d * count : (d + 1) * count]) for d in range(directions)]


def function_of(call: Call, activation: Activation) -> Callable[[Tensor], Tensor]:
    """Return what an activation appends to the graph.

    Raises:
        OperatorError: ONNX defines no activation of that name.
    """
    op, alpha, beta = call.op, activation.alpha, activation.beta
    forms: dict[str, Callable[[Tensor], Tensor]] = {
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
    form = forms.get(activation.name)
    if form is None:
        raise OperatorError(
            f"{call.where} has the activation {activation.name!r}, which ONNX does not define"
        )
    return form


def clipped(call: Call, form: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the activation of a gate, whose input is clipped where the node asks for that."""
    clip = call.node.attributes.get_float("clip", 0.0)
    if not clip:
        return form

    def of_clipped(x: Tensor) -> Tensor:
        low, high = (call.op.constant(end, x.dtype) for end in (-clip, clip))
        return form(call.op.Clip(x, low, high))

    return of_clipped
