"""Support vector machines: equal to ONNX Runtime's, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from graphs import session
from ml_checks import check_ml, ml_model
from onnxscope.errors import ModelError, OperatorError
from onnxscope.expansions.ml import kernels

RNG = generator(7)
ROWS = RNG.normal(size=(5, 4)).astype(np.float32)
KERNELS = {
    "LINEAR": [0.0, 0.0, 0.0],
    "POLY": [0.4, 0.3, 3.0],
    "RBF": [0.3, 0.0, 0.0],
    "SIGMOID": [0.3, -0.2, 0.0],
}


def listed(*shape: int) -> list[float]:
    return RNG.normal(size=shape).astype(np.float32).reshape(-1).tolist()


def regressor(kernel: str = "RBF", **changes):
    return {
        "support_vectors": listed(6, 4),
        "n_supports": 6,
        "coefficients": listed(6),
        "rho": [0.3],
        "kernel_type": kernel,
        "kernel_params": KERNELS[kernel],
    } | changes


def classifier(counts=(2, 3, 1), *, kernel: str = "RBF", texts=False, likely=False, **changes):
    classes, vectors = len(counts), sum(counts)
    pairs = classes * (classes - 1) // 2
    labels = {"classlabels_strings": list("abcdefgh"[:classes])}
    if not texts:
        labels = {"classlabels_ints": list(range(3, 3 + classes))}
    if likely:
        labels |= {"prob_a": (-RNG.uniform(1, 2, pairs)).tolist(), "prob_b": listed(pairs)}
    return (
        labels
        | {
            "support_vectors": listed(vectors, 4),
            "vectors_per_class": list(counts),
            "coefficients": listed(classes - 1, vectors),
            "rho": listed(pairs),
            "kernel_type": kernel,
            "kernel_params": KERNELS[kernel],
        }
        | changes
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_regressor(kernel):
    check_ml("SVMRegressor", ROWS, **regressor(kernel))
    check_ml("SVMRegressor", ROWS[0], **regressor(kernel))


@pytest.mark.parametrize("degree", [1.0, 2.0, 4.0])
def test_degrees_of_polynomials(degree):
    check_ml("SVMRegressor", ROWS, **regressor("POLY", kernel_params=[0.4, 0.3, degree]))


def test_regressor_without_support_vectors_is_linear():
    weights = {"coefficients": listed(4), "rho": [0.3], "kernel_params": KERNELS["RBF"]}
    check_ml("SVMRegressor", ROWS, kernel_type="RBF", **weights)


def test_one_class_passes_no_gradient():
    weights = {"coefficients": listed(4), "rho": [0.3], "kernel_params": KERNELS["LINEAR"]}
    found = check_ml("SVMRegressor", ROWS, one_class=1, **weights)
    assert set(found["o0"].reshape(-1)) == {-1, 1}
    assert not found["grad_i0"].any()


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_regressor_of_other_types(dtype):
    x = (ROWS * 3).astype(dtype)
    check_ml("SVMRegressor", x, kernel=[x.astype(np.float32)], **regressor("SIGMOID"))


def test_distances_to_many_vectors_are_written_as_a_product(monkeypatch):
    """Far from the origin as well, where |x|² − 2x·v + |v|² has no digits left."""
    options = regressor(support_vectors=(np.array(listed(6, 4)) + 300).tolist())
    plain = check_ml("SVMRegressor", ROWS + 300, atol=2e-5, **options)
    monkeypatch.setattr(kernels, "_DIFFERENCES", 0)
    graph = osc.differentiate(ml_model("SVMRegressor", [ROWS + 300], **options), "o0", ["i0"])
    y, dx = session(graph).run(None, {"i0": ROWS + 300, "grad_o0": np.ones((5, 1), np.float32)})
    np.testing.assert_allclose(y, plain["o0"], atol=2e-4)
    assert np.isfinite(dx).all()
    assert not any(n.op_type == "Unsqueeze" for n in graph.graph.node)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("counts", [(2, 3), (2, 3, 1), (1, 2, 2, 1)])
def test_decisions_between_pairs(counts, kernel):
    check_ml("SVMClassifier", ROWS, outputs=2, **classifier(counts, kernel=kernel))


@pytest.mark.sample(2)
@pytest.mark.parametrize("transform", ["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("counts", [(2, 3), (2, 3, 1)])
def test_transformed_decisions(counts, transform):
    options = classifier(counts, texts=True, post_transform=transform)
    check_ml("SVMClassifier", ROWS, outputs=2, **options)
    check_ml("SVMClassifier", ROWS[0], outputs=2, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32])
def test_classifier_of_other_types(dtype):
    check_ml("SVMClassifier", (ROWS * 3).astype(dtype), outputs=2, **classifier())


@pytest.mark.sample(3)
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "PROBIT"])
@pytest.mark.parametrize("counts", [(2, 3), (2, 3, 1), (1, 2, 2, 1, 1)])
def test_probabilities(counts, transform):
    """ONNX Runtime iterates until each class is 0.005 / classes off."""
    options = classifier(counts, likely=True, post_transform=transform)
    proto = ml_model("SVMClassifier", [ROWS], 2, **options)
    labels, wanted = session(proto).run(None, {"i0": ROWS})
    graph = session(osc.differentiate(proto, "o1", ["i0"]))
    seed = np.ones_like(wanted)
    seed[:, 0] = 3
    found_labels, found, dx = graph.run(None, {"i0": ROWS, "grad_o1": seed})
    assert (found_labels == labels).all()
    np.testing.assert_allclose(found, wanted, atol=0.02 if transform == "PROBIT" else 5e-3)
    direction = RNG.uniform(-1, 1, ROWS.shape).astype(np.float32)

    def along(t):
        moved = graph.run(["o1"], {"i0": ROWS + np.float32(t) * direction, "grad_o1": seed})[0]
        return (moved.astype(np.float64) * seed).sum()

    difference = (along(5e-3) - along(-5e-3)) / 1e-2
    assert abs((dx * direction).sum() - difference) < 3e-3 * (np.abs(dx).sum() + 0.01)


def test_coupled_probabilities_solve_their_equations():
    """Qp is one number for all classes (Wu, Lin and Weng, 2004), computed here from the pairs."""
    options = classifier((1, 2, 2, 1), likely=True)
    proto = ml_model("SVMClassifier", [ROWS], 2, **options)
    seed = np.ones((5, 4), np.float32)
    p = session(osc.differentiate(proto, "o1", ["i0"])).run(["o1"], {"i0": ROWS, "grad_o1": seed})
    plain = ml_model(
        "SVMClassifier", [ROWS], 2, **{k: v for k, v in options.items() if k[:5] != "prob_"}
    )
    decisions = session(plain).run(["o1"], {"i0": ROWS})[0].astype(np.float64)
    pairwise = 1 / (1 + np.exp(decisions * options["prob_a"] + options["prob_b"]))
    for row, found in zip(pairwise, p[0].astype(np.float64), strict=True):
        r = np.zeros((4, 4))
        r[np.triu_indices(4, 1)] = row
        r += np.tril(1 - r.T, -1)
        q = -r.T * r
        np.fill_diagonal(q, (r**2).sum(0) - np.diag(r) ** 2)
        assert np.ptp(q @ found) < 1e-6
        assert abs(found.sum() - 1) < 1e-6


def test_probabilities_of_pairs_that_are_nearly_certain():
    options = classifier(likely=True, prob_a=[-90.0] * 3, prob_b=[0.0] * 3)
    proto = ml_model("SVMClassifier", [ROWS], 2, **options)
    wanted = session(proto).run(["o1"], {"i0": ROWS})[0]
    seed = np.ones_like(wanted)
    graph = session(osc.differentiate(proto, "o1", ["i0"]))
    found, dx = graph.run(["o1", "grad_i0"], {"i0": ROWS, "grad_o1": seed})
    np.testing.assert_allclose(found, wanted, atol=5e-3)
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("classes", [2, 3])
def test_classifier_without_support_vectors_is_linear(classes, sign):
    weights = np.abs(np.array(listed(classes, 4))) * sign
    options = {
        "coefficients": weights.tolist(),
        "rho": [0.2],
        "classlabels_ints": list(range(classes)),
        "kernel_params": KERNELS["LINEAR"],
    }
    for rows in (ROWS, ROWS * 0.1):
        check_ml("SVMClassifier", rows, outputs=2, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("op_type", "options", "error", "words"),
    [
        ("SVMRegressor", regressor(post_transform="LOGISTIC"), OperatorError, "does not apply"),
        ("SVMRegressor", regressor(coefficients=[1.0]), ModelError, "6 support vectors, but 1"),
        ("SVMRegressor", regressor(kernel_type="COSINE"), OperatorError, "'COSINE'; known are"),
        ("SVMRegressor", regressor(kernel_params=[1.0]), OperatorError, "three kernel_params"),
        ("SVMClassifier", classifier(rho=[1.0]), ModelError, "1 rho, expected one for each of 3"),
        ("SVMClassifier", classifier(coefficients=[1.0]), ModelError, "expected 12"),
        ("SVMClassifier", classifier(classlabels_ints=[1]), ModelError, "1 class labels"),
        (
            "SVMClassifier",
            classifier((2, 3), post_transform="PROBIT"),
            OperatorError,
            "one score for two classes",
        ),
    ],
)
def test_what_does_not_fit_is_refused(op_type, options, error, words):
    proto = ml_model(op_type, [ROWS], 2 if op_type == "SVMClassifier" else 1, **options)
    del proto.graph.output[:-1]
    with pytest.raises(error, match=words):
        osc.differentiate(proto, proto.graph.output[0].name, ["i0"])
