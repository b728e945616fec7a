"""Cases of reductions, and of running sums and products."""

from __future__ import annotations

import numpy as np
from rule_cases import Fed, away, case, distinct, ints, normal, positive


def _reduction(function):
    """The oracle of a reduction, from the derivative by the elements: (x, axes) → slopes."""

    def exact(inputs, cotangent, *, keepdims=1, noop_with_empty_axes=0):
        x = inputs[0].astype(np.float64)
        axes = inputs[1] if len(inputs) > 1 else None
        listed = () if axes is None else tuple(int(axis) % x.ndim for axis in axes)
        if not listed:
            listed = () if noop_with_empty_axes else tuple(range(x.ndim))
        kept = np.sum(x, axis=listed, keepdims=True).shape
        return [np.reshape(cotangent, kept) * function(x, listed)]

    return exact


def _shared(extreme):
    def slopes(x, axes):
        chosen = x == extreme(x, axis=axes, keepdims=True)
        return chosen / chosen.sum(axis=axes, keepdims=True)

    return slopes


def _products_of_others(x, axes):
    slopes = np.empty_like(x)
    for index in np.ndindex(*x.shape):
        line = tuple(slice(None) if axis in axes else i for axis, i in enumerate(index))
        others = np.ones(x.shape, bool)
        others[index] = False
        slopes[index] = np.prod(x[line], where=others[line])
    return slopes


_REDUCTIONS = {
    "ReduceSum": (normal, lambda x, axes: np.ones_like(x)),
    "ReduceMean": (normal, lambda x, axes: np.ones_like(x) / np.prod([x.shape[a] for a in axes])),
    "ReduceSumSquare": (normal, lambda x, axes: 2 * x),
    "ReduceL1": (away, lambda x, axes: np.sign(x)),
    "ReduceL2": (normal, lambda x, axes: x / np.sqrt(np.sum(x * x, axes, keepdims=True))),
    "ReduceLogSum": (positive, lambda x, axes: 1 / np.sum(x, axes, keepdims=True) + 0 * x),
    "ReduceLogSumExp": (
        normal,
        lambda x, axes: np.exp(x) / np.sum(np.exp(x), axes, keepdims=True),
    ),
    "ReduceProd": (away, _products_of_others),
    "ReduceMax": (distinct, _shared(np.max)),
    "ReduceMin": (distinct, _shared(np.min)),
}

for op, (draw, slopes) in _REDUCTIONS.items():
    exact = _reduction(slopes)
    for keep in (0, 1):
        case(op, f"analytic all keepdims {keep}", draw(2, 3, 4), keepdims=keep, exact=exact)
        for axes in ((1,), (0, 2), (-1,), (-3, 1), (0, 1, 2)):
            label = f"analytic {axes} keepdims {keep}"
            case(op, label, draw(2, 3, 4), ints(*axes), keepdims=keep, exact=exact, dtypes="df")
        for axes in ((1,), (0, -1)):
            # Of what is not kept, the rank must be known.
            case(op, f"computed {axes} keepdims {keep}", draw(2, 3, 4),
                 Fed(ints(*axes), sized=not keep), keepdims=keep, exact=exact)  # fmt: skip
        for noop in (0, 1):
            case(op, f"empty axes noop {noop} keepdims {keep}", draw(2, 3), ints(), keepdims=keep,
                 noop_with_empty_axes=noop, exact=exact)  # fmt: skip
            case(op, f"empty computed axes noop {noop} keepdims {keep}", draw(2, 3),
                 Fed(ints(), sized=not keep), keepdims=keep, noop_with_empty_axes=noop,
                 exact=exact)  # fmt: skip
        case(op, f"noop without axes keepdims {keep}", draw(2, 3), noop_with_empty_axes=1,
             keepdims=keep, exact=exact)  # fmt: skip
    case(op, "size 1", draw(2, 1, 4), ints(1), keepdims=0, exact=exact)
    case(op, "vector", draw(5), exact=exact)

for op in ("ReduceMax", "ReduceMin"):
    ties = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2], [0, 0, 1, 1]])
    for axis in (0, 1):
        case(op, f"ties {axis}", ties, ints(axis), exact=_reduction(_REDUCTIONS[op][1]),
             finite=False, dtypes="df")  # fmt: skip
case("ReduceL2", "zeros", np.array([[0.0, 0], [3, 4]]), ints(1), finite=False,
     exact=_reduction(lambda x, axes: [[0, 0], [0.6, 0.8]]))  # fmt: skip
case("ReduceLogSumExp", "large", normal(2, 3) * 300, ints(1),
     exact=_reduction(_REDUCTIONS["ReduceLogSumExp"][1]))  # fmt: skip
for zeros in (1, 2):
    x = away(3, 4)
    x[1, :zeros] = 0
    case("ReduceProd", f"{zeros} zeros", x, ints(1), exact=_reduction(_products_of_others))

# Running sums and products ----------------------------------------------------------------------


def _running(product):
    def exact(inputs, cotangent, *, exclusive=0, reverse=0):
        x, axis = inputs
        x, dy = (np.moveaxis(part, int(axis), 0) for part in (x, cotangent))
        dx = np.zeros_like(x)
        size = len(x)
        for i in range(size):
            entering = range(i, size) if reverse else range(i + 1)
            entering = [j for j in entering if not (exclusive and j == i)]
            for k in entering:
                others = [j for j in entering if j != k]
                dx[k] += dy[i] * (np.prod(x[others], axis=0) if product else 1)
        return [np.moveaxis(dx, 0, int(axis))]

    return exact


for op, opset in (("CumSum", 18), ("CumProd", 26)):
    exact = _running(op == "CumProd")
    for exclusive in (0, 1):
        for reverse in (0, 1):
            for axis in (0, 1, -1):
                case(op, f"axis {axis} exclusive {exclusive} reverse {reverse}", normal(3, 4, 2),
                     np.array(axis), exclusive=exclusive, reverse=reverse, opset=opset,
                     exact=exact)  # fmt: skip
    case(op, "single precision", normal(3, 4), np.array(1), opset=opset, exact=exact, dtypes="f")
    case(op, "vector", normal(5), np.array(0), opset=opset, exact=exact)
    case(op, "int32 axis", normal(2, 5), np.array(-1, np.int32), opset=opset, exact=exact)
    for axis in (-1, 1):
        case(op, f"computed axis {axis}", normal(2, 5, 3), Fed(np.array(axis)), opset=opset,
             exact=exact)  # fmt: skip
_zeros = normal(3, 5)
_zeros[0, 2] = _zeros[1, 0] = _zeros[1, 3] = 0
case("CumProd", "zeros", _zeros, np.array(1), opset=26, exact=_running(True))
