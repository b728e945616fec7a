"""Linear models of traditional machine learning: equal to ONNX Runtime's, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from graphs import session
from ml_checks import check_ml, ml_model
from onnxscope.errors import ModelError, OperatorError

RNG = generator(6)
ROWS = RNG.normal(size=(5, 4)).astype(np.float32)
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def weights(targets: int, scale: float = 0.5) -> dict[str, list[float]]:
    coefficients = (RNG.normal(size=targets * 4) * scale).astype(np.float32)
    intercepts = (RNG.normal(size=targets) * scale).astype(np.float32)
    return {"coefficients": coefficients.tolist(), "intercepts": intercepts.tolist()}


def likely(targets: int) -> dict[str, list[float]]:
    """Weights that make probabilities of rows."""
    return weights(targets, 0.04) | {"intercepts": np.linspace(0.4, 0.7, targets).tolist()}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("targets", [1, 3])
def test_linear_regressor(targets, transform):
    options = weights(targets) | {"targets": targets, "post_transform": transform}
    check_ml("LinearRegressor", ROWS, **options)
    check_ml("LinearRegressor", ROWS[0], **options)


def test_linear_regressor_without_intercepts():
    check_ml("LinearRegressor", ROWS, targets=2, coefficients=weights(2)["coefficients"])


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32])
def test_linear_regressor_of_other_types(dtype):
    x = (ROWS * 3).astype(dtype)
    check_ml("LinearRegressor", x, kernel=[x.astype(np.float32)], targets=1, **weights(1))


@pytest.mark.parametrize("targets", [1, 3])
def test_probit(targets):
    # Near one half ONNX Runtime loses digits, where the logarithm of nearly one is taken.
    options = likely(targets) | {"targets": targets, "post_transform": "PROBIT"}
    check_ml("LinearRegressor", ROWS, atol=2e-5, **options)


def test_probit_of_one_half_has_a_slope():
    """The slope of the quantile of the normal distribution there is √(2π)."""
    proto = ml_model(
        "LinearRegressor", [ROWS], targets=1, post_transform="PROBIT", coefficients=[1.0, 0, 0, 0]
    )
    x = np.zeros((3, 4), np.float32)
    x[:, 0] = 0.5, 0.5 + 1e-6, 0.51
    y, dx = session(osc.differentiate(proto, "o0", ["i0"])).run(
        None, {"i0": x, "grad_o0": np.ones((3, 1), np.float32)}
    )
    np.testing.assert_allclose(dx[:, 0], np.sqrt(2 * np.pi), rtol=2e-3)
    np.testing.assert_allclose(y[:, 0], (x[:, 0] - 0.5) * np.sqrt(2 * np.pi), rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("transform", [*TRANSFORMS, "PROBIT"])
@pytest.mark.parametrize("labels", [[7, 2, 5], ["a", "b", "c"]])
def test_linear_classifier(labels, transform):
    given = likely(3) if transform == "PROBIT" else weights(3)
    name = "classlabels_strings" if isinstance(labels[0], str) else "classlabels_ints"
    options = given | {name: labels, "post_transform": transform, "multi_class": 1}
    atol = 2e-5 if transform == "PROBIT" else 2e-6
    check_ml("LinearClassifier", ROWS, outputs=2, atol=atol, **options)
    check_ml("LinearClassifier", ROWS[0], outputs=2, atol=atol, **options)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("labels", [[7, 2], ["a", "b"]])
def test_linear_classifier_with_one_score(labels, transform):
    name = "classlabels_strings" if isinstance(labels[0], str) else "classlabels_ints"
    options = weights(1) | {name: labels, "post_transform": transform}
    check_ml("LinearClassifier", ROWS, outputs=2, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32])
def test_linear_classifier_of_other_types(dtype):
    x = (ROWS * 3).astype(dtype)
    options = weights(3) | {"classlabels_ints": [0, 1, 2], "post_transform": "SOFTMAX"}
    check_ml("LinearClassifier", x, outputs=2, **options)


def test_softmax_of_scores_that_are_zero():
    """A score of zero takes no part in the softmax."""
    proto_options = {
        "targets": 3,
        "post_transform": "SOFTMAX_ZERO",
        "coefficients": [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0, 0, 0],
    }
    check_ml("LinearRegressor", ROWS, **proto_options)


@pytest.mark.parametrize(
    ("attributes", "error", "words"),
    [
        (weights(3) | {"classlabels_ints": [0, 1]}, OperatorError, "3 scores, but 2 class labels"),
        (
            weights(1) | {"classlabels_ints": [0, 1], "post_transform": "PROBIT"},
            OperatorError,
            "one score for two classes",
        ),
        (
            weights(3) | {"classlabels_ints": [0, 1, 2], "post_transform": "LOGIT"},
            OperatorError,
            "'LOGIT'; known are NONE, LOGISTIC",
        ),
        ({"coefficients": [1.0] * 9, "intercepts": [0.0] * 3, "classlabels_ints": [0, 1, 2]},
         ModelError, "weights for 3 features, and its input 'i0' has 4"),
        ({"coefficients": [1.0] * 8, "intercepts": [0.0] * 3, "classlabels_ints": [0, 1, 2]},
         ModelError, "8 coefficients, which do not make 3 rows"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(attributes, error, words):
    proto = ml_model("LinearClassifier", [ROWS], 2, **attributes)
    del proto.graph.output[0]
    with pytest.raises(error, match=words):
        osc.differentiate(proto, "o1", ["i0"])
