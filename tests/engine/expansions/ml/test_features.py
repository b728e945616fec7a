"""Features scaled, normalised, filled in, chosen, joined: as in ONNX Runtime, differentiable."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from graphs import session
from ml_checks import check_ml, ml_model
from onnxscope.errors import ModelError, OperatorError

RNG = generator(5)
ROWS = RNG.normal(size=(3, 4)).astype(np.float32)
TYPES = (np.float32, np.float64, np.int64, np.int32)


def of_type(dtype, array=ROWS):
    return (array * 3).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [1, 4])
def test_scaler(size, dtype):
    offset, scale = RNG.normal(size=(2, size)).astype(np.float32).tolist()
    check_ml("Scaler", of_type(dtype), offset=offset, scale=scale)
    check_ml("Scaler", of_type(dtype)[0], offset=offset, scale=scale)


def test_scaler_of_pictures_has_one_scale():
    check_ml("Scaler", RNG.normal(size=(2, 3, 2, 2)).astype(np.float32), offset=[0.5], scale=[2.0])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm, dtype):
    check_ml("Normalizer", of_type(dtype), norm=norm)
    check_ml("Normalizer", of_type(dtype)[0], norm=norm)


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer_leaves_zeros(norm):
    zeros = np.zeros((2, 4), np.float32)
    graph = osc.differentiate(ml_model("Normalizer", [zeros], norm=norm), "o0", ["i0"])
    y, dx = session(graph).run(None, {"i0": zeros, "grad_o0": ROWS[:2]})
    assert (y == 0).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("replaced", [float("nan"), -9.0])
@pytest.mark.parametrize("size", [1, 4])
def test_imputer(size, replaced):
    x = ROWS.copy()
    x[0, 1] = x[2, 3] = replaced
    values = RNG.normal(size=size).astype(np.float32).tolist()
    missing = np.isnan(x) | (x == replaced)
    options = {"imputed_value_floats": values, "replaced_value_float": replaced}
    found = check_ml("Imputer", x, still=missing, **options)
    assert not found["grad_i0"][missing].any()


def test_imputer_of_whole_numbers():
    x = np.array([[1, -7], [-7, 4]], np.int64)
    check_ml("Imputer", x, imputed_value_int64s=[5, 6], replaced_value_int64=-7)


def test_imputer_in_double_precision():
    x = of_type(np.float64)
    x[1, 1] = np.nan
    values = {"imputed_value_floats": [2.5], "replaced_value_float": float("nan")}
    graph = osc.differentiate(ml_model("Imputer", [x], **values), "o0", ["i0"])
    y, dx = session(graph).run(None, {"i0": x, "grad_o0": np.ones_like(x)})
    assert y[1, 1] == 2.5
    assert dx[1, 1] == 0
    assert y.dtype == np.float64
    assert (np.delete(y, 5) == np.delete(x, 5)).all()
    assert dx.sum() == x.size - 1


def test_binarizer_passes_no_gradient():
    found = check_ml("Binarizer", ROWS, threshold=0.25)
    assert not found["grad_i0"].any()


@pytest.mark.parametrize("sizes", [[4, 2], [3, 2], [6, 4]])
def test_feature_vectorizer_cuts_and_fills(sizes):
    check_ml("FeatureVectorizer", ROWS, ROWS[:, :2], inputdimensions=sizes)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_feature_vectorizer_joins(dtype):
    check_ml("FeatureVectorizer", of_type(dtype), inputdimensions=[4])
    check_ml("FeatureVectorizer", ROWS.reshape(3, 2, 2), inputdimensions=[4])


@pytest.mark.parametrize("dtype", TYPES)
def test_array_feature_extractor(dtype):
    check_ml("ArrayFeatureExtractor", of_type(dtype), np.array([2, 0, 2]))
    check_ml("ArrayFeatureExtractor", of_type(dtype), np.array([1, 3])[None].repeat(3, 0))
    check_ml("ArrayFeatureExtractor", of_type(dtype)[0], np.array([2, 1]))
    check_ml("ArrayFeatureExtractor", of_type(dtype, ROWS[:, :2, None]), np.array([0]))


def test_array_feature_extractor_of_text():
    check_ml("ArrayFeatureExtractor", np.array(["a", "b", "c"], object), np.array([2, 0]))


@pytest.mark.parametrize(
    ("op_type", "attributes", "error", "words"),
    [
        ("Scaler", {"offset": [0.0], "scale": None}, OperatorError, "lacks the attribute 'scale'"),
        ("Scaler", {"offset": [0.0] * 3, "scale": [1.0] * 3}, ModelError, "3 numbers.*4 features"),
        ("Scaler", {"offset": [0.0], "scale": [1.0] * 4}, ModelError, "1 offsets, but 4 scales"),
        ("Normalizer", {"norm": "L3"}, OperatorError, "'L3'; known are MAX, L1 and L2"),
        ("Imputer", {}, OperatorError, "lacks the attribute 'imputed_value_floats'"),
        ("FeatureVectorizer", {"inputdimensions": [1, 2]}, ModelError, "1 inputs, and sizes for 2"),
    ],
)
def test_what_does_not_fit_is_refused(op_type, attributes, error, words):
    with pytest.raises(error, match=words):
        osc.differentiate(ml_model(op_type, [ROWS], **attributes), "o0", ["i0"])
