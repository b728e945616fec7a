"""What is done to features before a model: scaled, normalised, filled in, chosen, joined.

Sources: the operators of ai.onnx.ml, where ONNX leaves something open as ONNX Runtime computes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import ModelError, OperatorError
from ...graph.domains import ML
from ...graph.tensor import Tensor
from ..table import Call, Expansion
from .given import FLOAT, integers, per_feature, required_numbers


def _scaler(call: Call) -> Sequence[Tensor | None]:
    """(x − offset) · scale, in double precision where x is."""
    x = call.required(0)
    x = x if x.dtype == np.float64 else x.astype(FLOAT)
    offset, scale = (
        per_feature(call, name, required_numbers(call, name), x) for name in ("offset", "scale")
    )
    if offset.size != scale.size:
        raise ModelError(f"{call.where} has {offset.size} offsets, but {scale.size} scales")
    return [((x - offset) * scale).astype(FLOAT)]


def _normalizer(call: Call) -> Sequence[Tensor | None]:
    """Each row divided by its norm, or as it is where that is zero."""
    x, op = call.required(0).astype(FLOAT), call.op
    if x.rank not in (1, 2):
        raise OperatorError(f"{call.where} takes one or two axes, not {x.rank}")
    kind = call.node.attributes.get_string("norm", None) or "MAX"
    if kind == "MAX":
        # The largest number, whatever its sign, not the largest magnitude.
        norm = op.ReduceMax(x, op.constant([-1], np.int64), keepdims=1)
    elif kind == "L1":
        norm = abs(x).sum(-1, keepdims=True)
    elif kind == "L2":
        norm = (x * x).sum(-1, keepdims=True)
    else:
        raise OperatorError(f"{call.where} has the norm {kind!r}; known are MAX, L1 and L2")
    one = op.constant(1, FLOAT)
    # Before the root, whose slope at zero is infinite.
    norm = op.Where(op.Equal(norm, op.constant(0, FLOAT)), one, norm)
    return [x / (norm.sqrt() if kind == "L2" else norm)]


def _imputer(call: Call) -> Sequence[Tensor | None]:
    """Numbers that stand for missing ones are replaced; they pass no gradient."""
    x, op, attributes = call.required(0), call.op, call.node.attributes
    if x.dtype.kind == "f":
        imputed = required_numbers(call, "imputed_value_floats")
        replaced = attributes.get_float("replaced_value_float", 0.0)
    else:
        imputed = np.asarray(integers(call, "imputed_value_int64s"), np.int64)
        replaced = attributes.get_int("replaced_value_int64", 0)
        if not imputed.size:
            raise OperatorError(f"{call.where} lacks the attribute 'imputed_value_int64s'")
    imputed = per_feature(call, "imputed values", imputed, x)
    missing = op.IsNaN(x) if np.isnan(replaced) else op.Equal(x, op.constant(replaced, x.dtype))
    return [op.Where(missing, op.constant(imputed, x.dtype), x)]


def _binarizer(call: Call) -> Sequence[Tensor | None]:
    """1 above the threshold, otherwise 0: no derivative."""
    x, op = call.required(0), call.op
    threshold = call.node.attributes.get_float("threshold", 0.0)
    if x.dtype.kind != "f":
        # Whole numbers beyond 2²⁴ stay exact.
        threshold = float(np.floor(threshold))
    return [op.Greater(x, op.constant(threshold, x.dtype)).astype(x.dtype)]


def _feature_vectorizer(call: Call) -> Sequence[Tensor | None]:
    """Inputs side by side, each cut to its size or filled with zeros up to it."""
    sizes, op = integers(call, "inputdimensions"), call.op
    if len(sizes) != len(call.inputs):
        raise ModelError(f"{call.where} has {len(call.inputs)} inputs, and sizes for {len(sizes)}")
    parts: list[Tensor] = []
    for index, size in enumerate(sizes):
        x = call.required(index).astype(FLOAT)
        x = x.reshape(1, -1) if x.rank == 1 else x if x.rank == 2 else x.reshape(x.sizes[0], -1)
        held = x.number(1)
        if held > size:
            x = x[:, :size]
        elif held < size:
            x = op.Pad(x, op.constant([0, 0, 0, size - held], np.int64))
        parts.append(x)
    return [parts[0] if len(parts) == 1 else op.Concat(*parts, axis=1)]


def _array_feature_extractor(call: Call) -> Sequence[Tensor | None]:
    """Chosen elements of the last axis; of a vector, as one row."""
    x, chosen, op = call.required(0), call.required(1), call.op
    known, size = chosen.array, x.dims[-1] if x.rank else 0
    if known is not None and isinstance(size, int):
        outside = known[(known < 0) | (known >= size)]
        if outside.size:
            raise ModelError(
                f"{call.where} takes the element {outside.flat[0]} of {size} of {x.name!r}"
            )
    taken = op.Gather(x, chosen if chosen.rank == 1 else chosen.reshape(-1), axis=x.rank - 1)
    return [op.Unsqueeze(taken, op.constant([0], np.int64)) if x.rank == 1 else taken]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    (ML, "ArrayFeatureExtractor"): _array_feature_extractor,
    (ML, "Binarizer"): _binarizer,
    (ML, "FeatureVectorizer"): _feature_vectorizer,
    (ML, "Imputer"): _imputer,
    (ML, "Normalizer"): _normalizer,
    (ML, "Scaler"): _scaler,
}
