"""What operators of traditional machine learning are given: numbers in attributes, rows of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...errors import ModelError, OperatorError
from ...graph.tensor import Tensor
from ..table import Call

FLOAT = np.dtype(np.float32)
"""The type that these operators compute in, and in which they give real numbers."""


def numbers(call: Call, name: str) -> np.ndarray:
    """Return an attribute that is a list of real numbers, (n,); empty where it is left out."""
    return np.asarray(call.node.attributes.get_floats(name, None) or [], FLOAT)


def required_numbers(call: Call, name: str) -> np.ndarray:
    """Return an attribute that is a list of real numbers, (n,), n ≥ 1.

    Raises:
        OperatorError: it is left out or empty.
    """
    found = numbers(call, name)
    if not found.size:
        raise OperatorError(f"{call.where} lacks the attribute {name!r}, or it is empty")
    return found


def integers(call: Call, name: str) -> list[int]:
    """Return an attribute that is a list of whole numbers; empty where it is left out."""
    return list(call.node.attributes.get_ints(name, ()))


def matrix(call: Call, name: str, rows: int) -> np.ndarray:
    """Return an attribute as a matrix, (rows, n).

    Raises:
        ModelError: its numbers do not fill as many rows.
    """
    found = required_numbers(call, name)
    if rows < 1 or found.size % rows:
        raise ModelError(
            f"{call.where} has {found.size} {name}, which do not make {rows} rows of one length"
        )
    return found.reshape(rows, -1)


def per_feature(call: Call, name: str, found: np.ndarray, x: Tensor) -> np.ndarray:
    """Return numbers that go with the features of x (axis 1, or its only one), or one for all.

    Raises:
        ModelError: they are of another number.
        OperatorError: x has more than two axes.
    """
    axis = 0 if x.rank == 1 else 1
    size = x.dims[axis] if x.rank else None
    if found.size != 1 and isinstance(size, int) and found.size != size:
        raise ModelError(
            f"{call.where} has {found.size} numbers in {name!r}, and its input {size} features: "
            "expected one for each feature, or one for all"
        )
    if found.size != 1 and x.rank > 2:
        raise OperatorError(
            f"{call.where} has a number for each feature in {name!r}, and its input has {x.rank} "
            "axes; expected (features) or (examples, features)"
        )
    return found


def rows(call: Call) -> Tensor:
    """Return the first input in single precision, as (examples, features); a vector is one example.

    Raises:
        OperatorError: it has other axes.
    """
    x = call.required(0).astype(FLOAT)
    if x.rank == 1:
        return call.op.Unsqueeze(x, call.op.constant([0], np.int64))
    if x.rank != 2:
        raise OperatorError(
            f"{call.where} takes (examples, features) or (features), not the shape "
            f"({', '.join(str(dim) for dim in x.dims)})"
        )
    return x


def fitting_rows(call: Call, features: int) -> Tensor:
    """Return what `rows` gives, with as many features as the node's weights.

    Raises:
        ModelError: there are others.
    """
    x = rows(call)
    size = x.dims[1]
    if isinstance(size, int) and size != features:
        raise ModelError(
            f"{call.where} has weights for {features} features, and its input {x.name!r} has {size}"
        )
    return x


def class_labels(call: Call, integers_name: str) -> Sequence[int] | Sequence[str]:
    """Return the names of the classes, texts or whole numbers; empty where the node has none.

    Args:
        call: The node; texts are in its attribute `classlabels_strings`.
        integers_name: The attribute that has them as whole numbers.
    """
    texts = call.node.attributes.get_strings("classlabels_strings", None)
    return list(texts) if texts else integers(call, integers_name)


def labels_at(call: Call, labels: Sequence[int] | Sequence[str], index: Tensor) -> Tensor:
    """Return the labels at indices (int64), as text or int64."""
    # Without a type for its elements, NumPy has no constant of texts.
    table = call.builder.initializer(ir.tensor(labels), "labels")
    return call.op.Gather(table, index, axis=0)
