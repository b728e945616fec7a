"""Cases of normalisations."""

from __future__ import annotations

import numpy as np
from onnx import helper
from rule_cases import Const, away, case, normal, positive

SINGLE = {"dtypes": "f"}
DOUBLE = {"runtime": "reference", "dtypes": "d"}


def _standardized(x, axes, epsilon):
    mean = x.mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + epsilon)
    return (x - mean) * inverse, inverse


def _through(x, dz, axes, epsilon):
    """The gradient by the Jacobian of (x − mean) / s, row by row."""
    z, inverse = _standardized(x, axes, epsilon)
    moved = [np.moveaxis(part, axes, range(-len(axes), 0)) for part in (z, dz)]
    shape = moved[0].shape
    count = int(np.prod(shape[len(shape) - len(axes) :]))
    z, dz = (part.reshape(-1, count) for part in moved)
    rows = [
        (np.eye(count) - 1 / count - np.outer(row, row) / count) @ given
        for row, given in zip(z, dz, strict=True)
    ]
    dx = np.moveaxis(np.reshape(rows, shape), range(-len(axes), 0), axes)
    return dx * inverse


def _layer(inputs, cotangent, *, axis=-1, epsilon=1e-5, stash_type=1):
    x, scale = (array.astype(np.float64) for array in inputs[:2])
    axes = tuple(range(axis % x.ndim, x.ndim))
    epsilon = float(np.float32(epsilon))
    gradients = [
        _through(x, cotangent * scale, axes, epsilon),
        cotangent * _standardized(x, axes, epsilon)[0],
    ]
    return gradients + [cotangent] * (len(inputs) - 2)


for axis in (-1, 2, 1, 0, -2):
    shape = (2, 3, 4)[axis % 3 :]
    for dtypes in "d", "f":
        case("LayerNormalization", f"axis {axis}", normal(2, 3, 4) + 0.5, normal(*shape),
             normal(*shape), axis=axis, exact=_layer, dtypes=dtypes)  # fmt: skip
case("LayerNormalization", "no bias", normal(3, 5), normal(5), exact=_layer, dtypes="df")
case("LayerNormalization", "constants", normal(3, 5), Const(normal(5)), Const(normal(5)),
     exact=lambda *a, **k: _layer(*a, **k)[:1], dtypes="df")  # fmt: skip
case("LayerNormalization", "epsilon", normal(3, 5), normal(5), epsilon=0.4, stash_type=1,
     exact=_layer, dtypes="df")  # fmt: skip
case("LayerNormalization", "far from zero", normal(3, 8) + 20, normal(8), exact=_layer, **SINGLE)


def _layer_parts(used):
    """All outputs of a LayerNormalization, each squared and summed."""
    nodes = []
    for name in used:
        nodes.append(helper.make_node("Mul", [name, name], [f"{name}_squared"]))
        nodes.append(helper.make_node("ReduceSum", [f"{name}_squared"], [f"{name}_sum"]))
    nodes.append(helper.make_node("Sum", [f"{name}_sum" for name in used], ["y"]))
    return tuple(nodes)


def _layer_parts_exact(used):
    def exact(inputs, cotangent, *, axis=-1, epsilon=1e-5):
        x, scale, bias = (array.astype(np.float64) for array in inputs)
        axes = tuple(range(axis % x.ndim, x.ndim))
        z, inverse = _standardized(x, axes, epsilon)
        count = np.prod([x.shape[a] for a in axes])
        dx, dscale, dbias = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        if "normed" in used:
            dy = 2 * (z * scale + bias)
            dx += _through(x, dy * scale, axes, epsilon)
            dscale, dbias = dy * z, dy
        if "average" in used:
            dx += 2 * x.mean(axes, keepdims=True) / count
        if "inverse" in used:
            dx += 2 * inverse * -(inverse**2) * z / count
        return [cotangent * part for part in (dx, dscale, dbias)]

    return exact


for used in (("normed", "average", "inverse"), ("average",), ("inverse",), ("normed", "inverse"),
             ("average", "inverse")):  # fmt: skip
    case("LayerNormalization", f"uses {' and '.join(used)}", normal(2, 3, 4), normal(3, 4),
         normal(3, 4), axis=1, outputs=("normed", "average", "inverse"), tail=_layer_parts(used),
         exact=_layer_parts_exact(used), **SINGLE)  # fmt: skip

# Instances --------------------------------------------------------------------------------------


def _instance(inputs, cotangent, *, epsilon=1e-5):
    x, scale, _ = (array.astype(np.float64) for array in inputs)
    axes = tuple(range(2, x.ndim))
    others = (0, *axes)
    by_channel = scale.reshape(-1, *([1] * len(axes)))
    epsilon = float(np.float32(epsilon))
    z, _ = _standardized(x, axes, epsilon)
    return [
        _through(x, cotangent * by_channel, axes, epsilon),
        (cotangent * z).sum(others),
        cotangent.sum(others),
    ]


for shape in ((2, 3, 4, 5), (1, 2, 7), (2, 2, 3, 2, 2)):
    x, scale, bias = normal(*shape) + 1, normal(shape[1]), normal(shape[1])
    for options in (SINGLE, DOUBLE):
        case("InstanceNormalization", f"{shape}", x, scale, bias, exact=_instance, **options)
case("InstanceNormalization", "epsilon", normal(2, 3, 4), normal(3), normal(3), epsilon=0.3,
     exact=_instance, **SINGLE)  # fmt: skip


def _lp(inputs, cotangent, *, axis=-1, p=2):
    (x,) = inputs
    x = x.astype(np.float64)
    norm = (np.abs(x) ** p).sum(axis, keepdims=True) ** (1 / p)
    slope = np.sign(x) * (np.abs(x) / norm) ** (p - 1)
    return [cotangent / norm - slope * (cotangent * x).sum(axis, keepdims=True) / norm**2]


for p in (1, 2):
    for axis in (-1, 0, 1):
        case("LpNormalization", f"axis {axis} p {p}", away(2, 3, 4), axis=axis, p=p, exact=_lp,
             dtypes="df")  # fmt: skip
    case("LpNormalization", f"zero norm p {p}", np.array([[0.0, 0], [3, 4]]), p=p, finite=False,
         exact=lambda i, dy, p: [np.stack([0 * dy[0], _lp([i[0][1:]], dy[1:], p=p)[0][0]])],
         dtypes="df")  # fmt: skip
case("LpNormalization", "default", away(2, 3), exact=_lp)

# More channels than the window of a local response, and fewer -----------------------------------

case("LRN", "onnx-ad", normal(1, 6, 2, 2), size=3, alpha=0.9, beta=0.75, bias=1.5, **SINGLE)
case("BatchNormalization", "more onnx-ad", normal(3, 2, 4), Const(positive(2)), Const(normal(2)),
     Const(normal(2)), Const(positive(2)))  # fmt: skip
