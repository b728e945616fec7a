"""Cases of the activations that most networks have; of Clip and other functions of one value."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto
from rule_cases import Const, away, case, normal, number

case("Relu", "plain", away(3, 4), dtypes="df")
_zero_one = np.array([0.0, -0.0, 1, -1, 1e-30, -1e-30, 1e30, -1e30, 1e4])
case("Relu", "at zero", _zero_one, dtypes="df", finite=False, exact=lambda i, dy: [dy * (i[0] > 0)])


def _clip(inputs, cotangent):
    x, low, high = (*inputs, None)[:3]
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    y = np.clip(x, low, high)
    return [cotangent * ((y > low) & (y < high))]


for low, high in (
    (0, 6), (0, None), (None, 0), (None, 6), (-1.5, 0.7), (0, 1e30), (-1e30, 2), (-1e10, 1e10),
    (-3.4028234e38, 3.4028234e38), (-np.inf, 1), (0, np.inf), (1e-9, 1), (1, -1), (-6, -1e-30),
):  # fmt: skip
    bounds = [None if bound is None else number(bound) for bound in (low, high)]
    x = away(3, 5, kinks=[k for k in (low, high) if k is not None], scale=4)
    case("Clip", f"{low} to {high}", x, *bounds, exact=_clip, dtypes="df")
    edges = [k for k in (low, high) if k is not None and abs(k) < 1e20]
    if edges:
        # The next normal numbers: a steep step in single precision is not exact below those.
        beside = [float(np.nextafter(np.float32(k), np.float32(s))) for k in edges for s in (-9, 9)]
        x = np.array([*edges, *(b if abs(b) > 1e-37 else b * 1e8 for b in beside), 0.5])
        case("Clip", f"{low} to {high} ends", x, *bounds, exact=_clip, dtypes="df", finite=False)
case("Clip", "no bounds", normal(2, 3), exact=lambda i, dy: [dy])
case("Clip", "low behind", normal(2, 3), None, None, exact=lambda i, dy: [dy])
case(
    "Clip",
    "bounds differentiated",
    away(5, 6, kinks=(-0.5, 0.75)),
    np.array(-0.5),
    np.array(0.75),
    exact=lambda i, dy: [
        dy * ((i[0] > i[1]) & (i[0] < i[2])),
        (dy * (i[0] < i[1])).sum(),
        (dy * (i[0] > i[2])).sum(),
    ],
    dtypes="df",
)

case("LeakyRelu", "default", away(3, 4), dtypes="df",
     exact=lambda i, dy: [dy * np.where(i[0] > 0, 1, np.float64(np.float32(0.01)))])  # fmt: skip
for alpha in (0.0, 0.2, 1.0, 1.5, -0.5):
    case("LeakyRelu", f"alpha {alpha}", away(3, 4), alpha=alpha, dtypes="df")
case("Sigmoid", "plain", normal(3, 4) * 3)
case("Tanh", "plain", normal(3, 4) * 2)


def _hard_sigmoid(inputs, cotangent, *, alpha=0.2, beta=0.5):
    alpha, beta = float(np.float32(alpha)), float(np.float32(beta))
    inside = np.abs(alpha * inputs[0] + beta - 0.5) < 0.5
    return [cotangent * inside * alpha]


for kinks, attributes in (
    ((-2.5, 2.5), {}),
    ((-3, 3), {"alpha": 1 / 6}),
    ((-3, 3), {"alpha": 1 / 6, "beta": 0.5}),
    ((-0.6, 1.4), {"alpha": -0.5, "beta": 0.7}),
):
    case("HardSigmoid", f"{attributes}", away(4, 5, kinks=kinks, scale=3), dtypes="df",
         exact=_hard_sigmoid, **attributes)  # fmt: skip
case("Softplus", "plain", normal(3, 4) * 3)
case(
    "Erf",
    "plain",
    normal(3, 4),
    dtypes="f",
    exact=lambda i, dy: [dy * 2 / math.sqrt(math.pi) * np.exp(-(i[0].astype(float) ** 2))],
)
for op in ("Softmax", "LogSoftmax"):
    case(op, "default axis", normal(2, 3, 4))
    for axis in (0, 1, -2):
        case(op, f"axis {axis}", normal(2, 3, 4), axis=axis)
    case(op, "large", normal(2, 5) * 30, axis=1)

case("Identity", "plain", normal(2, 3))


def _same(inputs, cotangent, **attributes):
    return [cotangent]


case("Cast", "to double", normal(2, 3), dtypes="f", to=TensorProto.DOUBLE, exact=_same)
case("Cast", "to float", normal(2, 3), to=TensorProto.FLOAT, exact=_same)
case("Cast", "saturate", normal(2, 3), to=TensorProto.FLOAT, saturate=1, exact=_same, opset=19)
case("Dropout", "plain", normal(2, 3))
case("Dropout", "seed", normal(2, 3), seed=3)
case("Dropout", "ratio", normal(2, 3), number(0.7))
case("Dropout", "not training", normal(2, 3), number(0.7), Const(np.array(False)))
case("Dropout", "with mask", normal(2, 3), outputs=("y", "mask"), exact=_same)
