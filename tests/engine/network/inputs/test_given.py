"""Values for inputs: brought to the input's type and shape, or refused."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnxscope.errors import InputError
from onnxscope.network.inputs.given import as_input


def value(dtype, *dims):
    return ir.Value(name="x", type=ir.TensorType(dtype), shape=ir.Shape(dims))


@pytest.mark.parametrize(
    ("dims", "given", "expected"),
    [
        ((), 2, (2.0)),
        ((), [2], None),
        ((3,), 2, (2.0, 2.0, 2.0)),
        (("N",), 2, (2.0,)),
        (("N", 2), 2, ((2.0, 2.0),)),
        ((1, 3), [1, 2, 3], ((1.0, 2.0, 3.0),)),
        (("N", 3), [1, 2, 3, 4, 5, 6], ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))),
        (("N", "T"), [1, 2, 3], ((1.0, 2.0, 3.0),)),
        (("N", "T", 2), [1, 2, 3, 4], (((1.0, 2.0), (3.0, 4.0)),)),
        (("N", 3), [1, 2, 3, 4], None),
        ((1, "T", "U"), [1, 2, 3, 4], None),
        (("N", "T", "U"), [1, 2, 3, 4], None),
        ((2, 2), [[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0))),
        ((2, 2), [[1, 2, 3, 4]], None),
        ((2, 2), [[1, 2], [3]], None),
        ((2, 2), [], None),
    ],
)
def test_shapes(dims, given, expected):
    described = value(ir.DataType.FLOAT, *dims)
    if expected is None:
        with pytest.raises(InputError, match="x"):
            as_input(described, given)
        return
    found = as_input(described, given)
    assert found.dtype == np.float32
    assert found.shape == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


def test_a_shape_that_the_user_says():
    described = value(ir.DataType.FLOAT, "N", "T")
    assert as_input(described, 1, (2, 5)).shape == (2, 5)
    assert as_input(described, range(10), (2, 5)).shape == (2, 5)
    unknown = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT))
    assert as_input(unknown, 1).shape == ()
    assert as_input(unknown, [1, 2]).shape == (2,)


@pytest.mark.parametrize(
    ("dtype", "fitting", "other"),
    [
        (
            ir.DataType.INT64,
            [3, 3.0, True, np.int8(-3), np.uint64(3), -(2**63)],
            [0.5, 2**63, 2**64],
        ),
        (ir.DataType.UINT8, [255, 255.0], [256, -1, 1e9, np.nan]),
        (ir.DataType.BOOL, [True, 1, 0.0], [2, -1, 0.5]),
        (ir.DataType.FLOAT16, [65504, 0.1, np.inf, -np.inf, np.nan, True], [65536, -1e30]),
        (ir.DataType.BFLOAT16, [1e30, np.nan], [1e39, "1"]),
        (ir.DataType.DOUBLE, [1e300, 2**60], ["a", None, 1j, b"1", np.datetime64("2020")]),
        (ir.DataType.STRING, [], [1, b"1", None]),
    ],
)
def test_types(dtype, fitting, other):
    for given in fitting:
        found = as_input(value(dtype), given)
        assert found.dtype == dtype.numpy()
        real = dtype.is_floating_point()
        np.testing.assert_allclose(
            found.astype(float), float(given), rtol=1e-2 if real else 0, atol=0
        )
    for given in other:
        with pytest.raises(InputError, match=r"the input x \(one number"):
            as_input(value(dtype), given)


def test_text():
    found = as_input(value(ir.DataType.STRING), "a")
    assert found.dtype == object
    assert found.tolist() == "a"


def test_an_array_of_the_users_is_copied():
    given = np.zeros(3, np.float32)
    found = as_input(value(ir.DataType.FLOAT, 3), given)
    found += 1
    assert not given.any()
