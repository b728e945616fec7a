"""Cases of operators that take or write elements by index."""

from __future__ import annotations

import numpy as np
from onnx import helper
from rule_cases import Const, Fed, away, case, distinct, ints, normal

# Taking ------------------------------------------------------------------------------------------


def _gather(inputs, cotangent, *, axis=0):
    x, indices = inputs
    dx = np.zeros_like(x)
    before = (slice(None),) * (axis % x.ndim)
    for place in np.ndindex(*indices.shape):
        dx[(*before, indices[place])] += cotangent[(*before, *place)]
    return [dx]


for label, shape, indices, axis in (
    ("first", (3, 4, 2), 0, 0),
    ("last", (3, 4, 2), -1, 1),
    ("one of one", (3, 1, 2), 0, 1),
    ("one in a list", (3, 4, 2), [1], 2),
    ("consecutive", (5, 4), [1, 2, 3], 0),
    ("consecutive from the end", (5, 4), [-3, -2, -1], 0),
    ("across the end", (5, 4), [-1, 0, 1], 0),
    ("reversed", (3, 4), [2, 1, 0], 0),
    ("every second", (3, 7), [1, 3, 5], 1),
    ("every third backwards", (3, 8), [6, 3, 0], -1),
    ("a permutation", (2, 6, 2), [3, 0, 5, 1, 4, 2], 1),
    ("a part of a permutation", (2, 6, 2), [3, 0, 5], 1),
    ("repeated evenly", (2, 3, 2), [0, 0, 1, 1, 2, 2], 1),
    ("repeated a lot", (9, 2), [4, 4, 4, 4, 4, 1], 0),
    ("a table", (7, 2), [[0, 6, 3], [1, 1, 5]], 0),
    ("no index", (3, 2), [[0, 1], [2, 0]], 1),
):
    index = np.array(indices) % shape[axis] if label == "no index" else np.array(indices)
    case("Gather", label, normal(*shape), index, axis=axis, exact=_gather)
    case("Gather", f"{label} onnx-ad", normal(*shape), index, axis=axis)
    case("Gather", f"{label} computed", normal(*shape), Fed(index), axis=axis, exact=_gather)
case("Gather", "int32 computed", normal(3, 4), Fed(np.array([2, -1, 2], np.int32)), exact=_gather)
case("Gather", "single precision", normal(6, 3), np.array([1, 1, 5]), exact=_gather, dtypes="f")


def _gather_elements(inputs, cotangent, *, axis=0):
    x, indices = inputs
    dx = np.zeros_like(x)
    for place in np.ndindex(*indices.shape):
        source = list(place)
        source[axis] = indices[place]
        dx[tuple(source)] += cotangent[place]
    return [dx]


for label, shape, indices, axis in (
    ("plain", (3, 2), [[0, 2], [1, 1], [2, 0], [2, 2]], 0),
    ("default axis", (3, 2), [[0, 2]], None),
    ("negative", (3, 4), [[0, -1, 1], [-4, 3, 3], [2, 2, -2]], 1),
    ("fewer rows", (4, 3, 2), [[[0, 1], [2, 0]]], -2),
):
    where = {} if axis is None else {"axis": axis}
    for computed in (False, True):
        index = Fed(np.array(indices)) if computed else np.array(indices)
        name = f"{label} computed" if computed else label
        case("GatherElements", name, normal(*shape), index, exact=_gather_elements, **where)


def _gather_nd(inputs, cotangent, *, batch_dims=0):
    x, indices = inputs
    dx = np.zeros_like(x)
    for place in np.ndindex(*indices.shape[:-1]):
        dx[(*place[:batch_dims], *indices[place])] += cotangent[place]
    return [dx]


for label, shape, indices, batch_dims in (
    ("elements", (3, 4), [[0, 1], [2, 3], [-1, -1], [0, -3]], 0),
    ("rows", (3, 4, 2), [[2], [0], [2]], 0),
    ("a table of rows", (3, 4, 2), [[[0, 1], [2, 3]], [[1, 1], [0, 1]]], 0),
    ("one element", (3, 4), [1, 2], 0),
    ("batch", (2, 3, 4), [[1], [-1]], 1),
    ("batch of tables", (2, 3, 4), [[[1, 0], [1, 0]], [[-1, 3], [0, -2]]], 1),
    ("two batch axes", (2, 3, 4, 2), [[[1], [2], [0]], [[3], [3], [-1]]], 2),
):
    for computed in (False, True):
        index = Fed(np.array(indices), sized=True) if computed else np.array(indices)
        name = f"{label} computed" if computed else label
        case("GatherND", name, normal(*shape), index, batch_dims=batch_dims, exact=_gather_nd)


def _compress(inputs, cotangent, *, axis=None):
    x, condition = inputs
    kept = np.flatnonzero(condition)
    dx = np.zeros_like(x)
    if axis is None:
        dx.reshape(-1)[kept] = cotangent
    else:
        dx[(slice(None),) * (axis % x.ndim) + (kept,)] = cotangent
    return [dx]


for label, shape, condition, axis in (
    ("rows", (4, 3), [1, 0, 1, 1], 0),
    ("columns", (4, 3, 2), [0, 1, 1], 1),
    ("negative axis", (4, 3), [1, 0, 1], -1),
    ("shorter", (4, 3), [0, 1], 0),
    ("flattened", (2, 3), [1, 0, 0, 1, 1], None),
):
    where = {} if axis is None else {"axis": axis}
    mask = np.array(condition, bool)
    case("Compress", label, normal(*shape), Const(mask), exact=_compress, **where)
    case("Compress", f"{label} computed", normal(*shape), mask, exact=_compress, **where)


def _unique(inputs, cotangent, *, axis=None, **attributes):
    x = inputs[0]
    flat = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
    _, first, inverse, counts = np.unique(
        flat, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.arange(first.size) if attributes.get("sorted", 1) else np.argsort(first)
    share = np.zeros((first.size, *flat.shape[1:]))
    share[order] = cotangent if axis is None else np.moveaxis(cotangent, axis, 0)
    share /= counts.reshape(-1, *[1] * (flat.ndim - 1))
    dx = share[inverse.reshape(-1)]
    return [dx.reshape(x.shape) if axis is None else np.moveaxis(dx, 0, axis)]


_rows = np.array([[1.0, 4], [3, -2], [1, 4], [0, 5], [3, -2]])
for outputs in (("y",), ("y", "first"), ("y", "first", "back", "count")):
    label = f"{len(outputs)} outputs"
    case("Unique", label, distinct(3, 4), outputs=outputs, exact=_unique)
    for order in (0, 1):
        case("Unique", f"equal {order} {label}", np.array([2.0, 1, 1, 3, 4, 3]), outputs=outputs,
             exact=_unique, finite=False, sorted=order)  # fmt: skip
case("Unique", "rows", _rows, axis=0, exact=_unique, finite=False)
case("Unique", "columns", distinct(3, 4), axis=-1, exact=_unique)


def _top_k(inputs, cotangent, *, axis=-1, largest=1, **_):
    x, k = inputs
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    taken = np.take(order, range(int(k[0])), axis=axis)
    dx = np.zeros_like(x)
    np.put_along_axis(dx, taken, cotangent, axis)
    return [dx]


for label, attributes in (
    ("plain", {}),
    ("smallest", {"largest": 0}),
    ("axis 0", {"axis": 0}),
    ("negative axis", {"axis": -2, "largest": 0, "sorted": 1}),
):
    for computed in (False, True):
        k = Fed(np.array([2]), sized=True) if computed else np.array([2])
        full = f"{label} computed" if computed else label
        case("TopK", full, distinct(3, 4, 5), k, outputs=("y", "i"), exact=_top_k, **attributes)
case("TopK", "ties", np.array([[1.0, 3, 3, 3], [2, 2, 1, 2]]), ints(2), exact=_top_k,
     outputs=("y", "taken"), finite=False)  # fmt: skip
case(
    "TopK",
    "unsorted",
    distinct(3, 6),
    ints(3),
    sorted=0,
    outputs=("v", "i"),
    tail=(
        helper.make_node("Mul", ["v", "v"], ["v2"]),
        helper.make_node("ReduceSum", ["v2"], ["y"], keepdims=0),
    ),
    exact=lambda i, dy, **_: [np.where(i[0] >= np.sort(i[0], -1)[:, -3:-2], 2 * i[0], 0) * dy],
)


def _one_hot(inputs, cotangent, *, axis=-1):
    indices, depth, _ = inputs
    depth = int(depth)
    on = np.moveaxis(np.eye(depth)[indices.astype(int) % depth], -1, axis)
    return [np.array([(cotangent * (1 - on)).sum(), (cotangent * on).sum()])]


for label, indices, attributes in (
    ("plain", np.array([0, 2, 1]), {}),
    ("axis 0", np.array([[0, -1], [1, 3]]), {"axis": 0}),
    ("negative axis", np.array([[0, -1], [1, 3]]), {"axis": -2}),
):
    for computed in (False, True):
        name = f"{label} computed" if computed else label
        index = Fed(indices) if computed else indices
        case("OneHot", name, index, np.array(4), normal(2), exact=_one_hot, dtypes="f",
             **attributes)  # fmt: skip

# Writing -----------------------------------------------------------------------------------------


def _scatter(inputs, cotangent, places, reduction):
    """Adjoints of writing `updates` to `places` of `x`, one after the other."""
    x, _, updates = (array.astype(float) for array in inputs)
    dx, du = np.zeros_like(x), np.zeros_like(updates)
    targets: dict[tuple, list[tuple]] = {}
    for source, target in places:
        targets.setdefault(target, []).append(source)
    for target in np.ndindex(*x.shape):
        sources = targets.get(target, [])
        dy = cotangent[target]
        operands = [x[target], *(updates[source] for source in sources)]
        if reduction == "none":
            slopes = [float(not sources), *(float(s == sources[-1]) for s in sources)]
        elif reduction == "add":
            slopes = [1.0] * len(operands)
        elif reduction == "mul":
            slopes = [np.prod(operands[:i] + operands[i + 1 :]) for i in range(len(operands))]
        else:
            best = max(operands) if reduction == "max" else min(operands)
            slopes = [float(i == operands.index(best)) for i in range(len(operands))]
        dx[target] = dy * slopes[0]
        for source, slope in zip(sources, slopes[1:], strict=True):
            du[source] = dy * slope
    return [dx, du]


def _scatter_elements(inputs, cotangent, *, axis=0, reduction="none"):
    x, indices, _ = inputs
    places = []
    for source in np.ndindex(*indices.shape):
        target = list(source)
        target[axis] = int(indices[source]) % x.shape[axis]
        places.append((source, tuple(target)))
    return _scatter(inputs, cotangent, places, reduction)


def _scatter_nd(inputs, cotangent, *, reduction="none"):
    x, indices, _ = inputs
    depth = indices.shape[-1]
    places = []
    for source in np.ndindex(*indices.shape[:-1]):
        start = tuple(int(i) % n for i, n in zip(indices[source], x.shape, strict=False))
        places += [((*source, *rest), (*start, *rest)) for rest in np.ndindex(*x.shape[depth:])]
    return _scatter(inputs, cotangent, places, reduction)


_once = np.array([[0, 2, 1], [1, 0, 2], [-1, 1, 0]])
_repeated = np.array([[0, 2, 1], [0, 0, -1], [1, 0, 1]])
for reduction in ("none", "add", "mul", "max", "min"):
    for computed in (False, True):
        for label, indices, axis in (
            ("axis 0", _once[:2], 0),
            ("axis 1", _once, 1),
            ("negative axis", _once, -1),
            *(
                (("repeated", _repeated, 0), ("repeated axis 1", _repeated, 1))
                * (reduction != "none" or not computed)
            ),
        ):
            name = f"{reduction} {label}{' computed' * computed}"
            values = distinct(12 + 4 + indices.size)
            x = values[:16].reshape(4, 4)
            updates = values[16:].reshape(indices.shape)
            index = Fed(indices) if computed else indices
            case("ScatterElements", name, x, index, updates, axis=axis, reduction=reduction,
                 exact=_scatter_elements)  # fmt: skip
        nd = [
            ("elements", (3, 4), [[0, 1], [2, -1], [1, 1]], (3,)),
            ("rows", (4, 3), [[2], [-4]], (2, 3)),
            ("a table", (3, 4, 2), [[[0, 1], [2, 3]], [[1, 1], [0, 0]]], (2, 2, 2)),
        ]
        if reduction != "none" or not computed:
            nd += [
                ("repeated", (3, 4), [[0, 1], [2, 3], [0, 1], [0, 1]], (4,)),
                ("repeated rows", (4, 3), [[2], [1], [2]], (3, 3)),
            ]
        for label, shape, indices, shape_of_updates in nd:
            name = f"{reduction} {label}{' computed' * computed}"
            values = distinct(int(np.prod(shape) + np.prod(shape_of_updates)))
            x = values[: int(np.prod(shape))].reshape(shape)
            updates = values[int(np.prod(shape)) :].reshape(shape_of_updates)
            index = Fed(np.array(indices), sized=True) if computed else np.array(indices)
            case("ScatterND", name, x, index, updates, reduction=reduction, exact=_scatter_nd)
case("ScatterElements", "defaults", normal(3, 3), np.array([[0, 2, 1]]), normal(1, 3),
     exact=_scatter_elements)  # fmt: skip
case("ScatterND", "defaults", normal(4), np.array([[1], [3]]), normal(2), exact=_scatter_nd)
for reduction in ("mul", "max", "min"):
    case("ScatterElements", f"{reduction} zeros and ties", np.array([2.0, 0, 1, 3, -1]),
         np.array([0, 0, 1, 2, 2, 2, 4]), np.array([0.0, 5, 4, 1, 1, 0, -1]), reduction=reduction,
         finite=False, exact=_scatter_elements)  # fmt: skip
case("ScatterElements", "mul two zeros", away(3), np.array([0, 0, 0, 1, 1]),
     np.array([0.0, 0, 2, 0, 3]), reduction="mul", exact=_scatter_elements)  # fmt: skip
_apart = distinct(8) * 3
case("ScatterElements", "max float32", _apart[:5], np.array([0, 0, 3]), _apart[5:], reduction="max",
     exact=_scatter_elements, dtypes="f")  # fmt: skip
