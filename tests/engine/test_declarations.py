"""Arrays are declared before they are drawn; what is not as declared is said."""

from __future__ import annotations

import numpy as np
import pytest
from onnxscope.declarations import ArrayType, check_declared, declared
from onnxscope.errors import InputError


class Part:
    """What declares something."""


def test_shapes_and_types_are_declared_in_plain_words_too() -> None:
    types = declared(
        Part(),
        {
            "a": ArrayType((1, 3)),
            "b": ((2,), np.float64),
            "c": ((), "int64"),
            "d": ((np.int64(4),), np.dtype(bool)),
        },
    )
    assert types == {
        "a": ArrayType((1, 3), np.dtype(np.float32)),
        "b": ArrayType((2,), np.dtype(np.float64)),
        "c": ArrayType((), np.dtype(np.int64)),
        "d": ArrayType((4,), np.dtype(bool)),
    }
    check_declared(
        Part(),
        types,
        {
            "c": np.int64(3),
            "d": np.zeros(4, bool),
            "a": np.zeros((1, 3), np.float32),
            "b": np.zeros(2),
        },
    )


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (None, "Part must declare arrays by name, not None"),
        ({3: ((1,), np.float32)}, "Part must declare arrays by name"),
        ({"a": (1, 3)}, r"'a' of Part must be declared by its shape and type, such as .*\(1, 3\)"),
        ({"a": np.zeros(3)}, "'a' of Part must be declared by its shape and type"),
        ({"a": ((1,), "nonsense")}, "'a' of Part must be declared by its shape and type"),
        ({"a": ((-1,), np.float32)}, "each size of 'a' of Part must be at least 0, not -1"),
        ({"a": ((1.5,), np.float32)}, "each size of 'a' of Part must be a whole number"),
    ],
)
def test_what_declares_nothing_is_said(types: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        declared(Part(), types)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "Part declares 'a', but gives nothing"),
        ({"b": np.zeros(2, np.float32)}, "Part declares 'a', but gives 'b'"),
        (
            {"a": np.zeros(2, np.float32), "b": np.zeros(2, np.float32)},
            "Part gives 'b', but declares 'a'",
        ),
        ({"a": np.zeros(2)}, r"gives 'a' as float64 \(2,\), but declares float32 \(2,\)"),
        (
            {"a": np.zeros(3, np.float32)},
            r"gives 'a' as float32 \(3,\), but declares float32 \(2,\)",
        ),
        ({"a": [0.0, 0.0]}, r"'a' of Part must be an array, not \[0.0, 0.0\]"),
        (None, "Part must give arrays by name, not None"),
    ],
)
def test_what_is_not_as_declared_is_said(arrays: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_declared(Part(), {"a": ArrayType((2,))}, arrays)
