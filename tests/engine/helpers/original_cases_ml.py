"""Cases of traditional machine learning's operators that are written as others."""

from __future__ import annotations

from typing import Any

import numpy as np
from original_cases import ints, positive, real
from original_checks import Case

CASES: list[Case] = []
_TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")


def case(
    op: str,
    *inputs: np.ndarray,
    outputs: int = 1,
    tolerance: float = 1e-4,
    differences: bool = True,
    fixed: tuple[int, ...] = (),
    **attributes: Any,
) -> None:
    arrays = tuple(np.asarray(array) for array in inputs)
    CASES.append(
        Case(op, arrays, attributes, outputs, "ai.onnx.ml", 18, fixed, None, tolerance, differences)
    )


# Features ----------------------------------------------------------------------------------------

_FEATURES: tuple[tuple[int, ...], ...] = ((4,), (2, 4), (1, 4), (0, 4))
for _shape in _FEATURES:
    for _dtype in (np.float32, np.float64, np.int64, np.int32):
        _x = (real(*_shape) * 3).astype(_dtype)
        case("Scaler", _x, scale=[2.0, 0.5, -1.0, 3.0], offset=[0.1, 0.2, 0.3, 0.4])
        case("Scaler", _x, scale=[2.0], offset=[0.1])
        for _norm in ("MAX", "L1", "L2"):
            case("Normalizer", _x, norm=_norm)
    case("Normalizer", real(*_shape))
    for _dtype in (np.float32, np.int64):
        _x = (real(*_shape) * 3).astype(_dtype)
        for _threshold in ({}, {"threshold": 0.75}, {"threshold": -1.0}):
            if _dtype == np.float32:
                case("Binarizer", _x, **_threshold)
        _kind = "floats" if _dtype == np.float32 else "int64s"
        for _values in ([7, 8, 9, 10], [7]):
            _imputed = {f"imputed_value_{_kind}": [_dtype(v).item() for v in _values]}
            _missing = _x.copy()
            _missing[..., :2] = 2
            case(
                "Imputer",
                _missing,
                **_imputed,
                **{f"replaced_value_{_kind[:-1]}": _dtype(2).item()},
            )
            case("Imputer", np.where(_x > 0, _x, _dtype(0)).astype(_dtype), **_imputed)
_gaps = real(2, 4)
_gaps[0, 1] = np.nan
case("Imputer", _gaps, imputed_value_floats=[7.0], replaced_value_float=float("nan"))
for _dtype in (np.float32, np.float64, np.int64, np.int32):
    _x, _more = (real(2, 3) * 3).astype(_dtype), (real(2, 2) * 3).astype(_dtype)
    case("FeatureVectorizer", _x, inputdimensions=[3])
    case("FeatureVectorizer", _x, _more, inputdimensions=[3, 2])
    case("FeatureVectorizer", _x, _more, inputdimensions=[2, 4])
case("FeatureVectorizer", real(2, 3, 2), inputdimensions=[6])
for _shape in ((4,), (2, 4), (2, 3, 4), (0, 4), (2, 1, 3, 4)):
    for _chosen in (ints(2), ints(3, 0, 0), np.array([[1, 2]])):
        case("ArrayFeatureExtractor", real(*_shape), _chosen, fixed=(1,))

# Linear models -----------------------------------------------------------------------------------

for _transform in _TRANSFORMS:
    for _targets in (1, 3):
        for _bias in (True, False):
            _options: dict[str, Any] = {"targets": _targets, "post_transform": _transform}
            if _bias:
                # A probit is that of numbers from 0 to 1.
                _options["intercepts"] = (positive(_targets) * 0.1 + 0.3).tolist()
            _weights = real(_targets * 4) * (0.02 if _transform == "PROBIT" else 1)
            if _transform == "PROBIT" and not _bias:
                continue
            for _rows in (3, 1, 0):
                case("LinearRegressor", real(_rows, 4), coefficients=_weights.tolist(), **_options)
    for _labels in (
        {"classlabels_ints": [4, 5, 6]}, {"classlabels_strings": ["a", "b", "c"]},
    ):  # fmt: skip
        _bias3 = (positive(3) * 0.1 + 0.3).tolist()
        _weights = real(12) * (0.02 if _transform == "PROBIT" else 1)
        for _rows in (3, 1):
            for _multi in (0, 1):
                case("LinearClassifier", real(_rows, 4), outputs=2, coefficients=_weights.tolist(),
                     intercepts=_bias3, post_transform=_transform, multi_class=_multi,
                     **_labels)  # fmt: skip
    if _transform != "PROBIT":
        case("LinearClassifier", real(3, 4), outputs=2, coefficients=real(4).tolist(),
             intercepts=[0.2], post_transform=_transform, classlabels_ints=[0, 1])  # fmt: skip
        case("LinearClassifier", real(3, 4), outputs=2, coefficients=real(8).tolist(),
             intercepts=[0.2, -0.1], post_transform=_transform,
             classlabels_ints=[1, 0])  # fmt: skip
case(
    "LinearRegressor",
    real(3, 4).astype(np.float64).astype(np.float32),
    coefficients=real(4).tolist(),
)
for _dtype in (np.int64, np.int32, np.float64):
    case("LinearClassifier", (real(3, 4) * 3).astype(_dtype), outputs=2,
         coefficients=real(12).tolist(), intercepts=[0.1, 0.2, 0.3],
         classlabels_ints=[0, 1, 2])  # fmt: skip

# Support vectors ---------------------------------------------------------------------------------

for _kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
    _parameters = {"kernel_type": _kernel, "kernel_params": [0.3, 0.2, 2.0]}
    for _one in (0, 1):
        for _rows in (3, 1, 0):
            case("SVMRegressor", real(_rows, 4), coefficients=real(5).tolist(), n_supports=5,
                 support_vectors=real(20).tolist(), rho=[0.3], one_class=_one,
                 **_parameters)  # fmt: skip
    for _classes in (2, 3):
        _pairs = _classes * (_classes - 1) // 2
        _machine: dict[str, Any] = {
            "coefficients": real((_classes - 1) * 2 * _classes).tolist(),
            "support_vectors": real(2 * _classes * 4).tolist(),
            "vectors_per_class": [2] * _classes,
            "rho": real(_pairs).tolist(),
            **_parameters,
        }
        _likely = {"prob_a": (-positive(_pairs)).tolist(), "prob_b": real(_pairs).tolist()}
        for _labels in (
            {"classlabels_ints": [4, 5, 6][:_classes]},
            {"classlabels_strings": ["a", "b", "c"][:_classes]},
        ):  # fmt: skip
            for _rows in (3, 1):
                case("SVMClassifier", real(_rows, 4), outputs=2, **_machine, **_labels)
                case("SVMClassifier", real(_rows, 4), outputs=2, tolerance=2e-2,
                     differences=False, **_machine, **_labels, **_likely)  # fmt: skip
        for _transform in _TRANSFORMS[:4]:
            case("SVMClassifier", real(3, 4), outputs=2, post_transform=_transform,
                 classlabels_ints=[0, 1, 2][:_classes], **_machine)  # fmt: skip
case("SVMRegressor", real(3, 4), coefficients=real(4).tolist(), rho=[0.3],
     kernel_params=[0.0] * 3, post_transform="NONE")  # fmt: skip
for _labels in ({"classlabels_ints": [4, 5, 6]}, {"classlabels_ints": [4, 5]}):
    _count = len(_labels["classlabels_ints"])
    for _transform in _TRANSFORMS[:4]:
        case("SVMClassifier", real(3, 4), outputs=2, coefficients=real(4 * _count).tolist(),
             rho=[0.1], kernel_params=[0.0] * 3, post_transform=_transform, **_labels)  # fmt: skip
