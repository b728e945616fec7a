"""The models that the onnx package stores as files, differentiated."""

from __future__ import annotations

from collections import Counter

import pytest
from stored_suite import FOLDERS, judged, stored_tests

pytestmark = pytest.mark.slow

# Tests that compare less than values and gradients, by what ONNX Runtime and ONNX say of them.
NO_GRADIENT = {
    # Inputs or outputs are texts or whole numbers.
    "operator_non_float_params": "no real numbers",
    "sequence_model6": "no real numbers",
    "sequence_model8": "no real numbers",
    "strnorm_model_monday_casesensintive_nochangecase": "no real numbers",
    "strnorm_model_nostopwords_nochangecase": "no real numbers",
    "sign_model": "no derivative",
    # Of so many values some are near zero, or others of their window, wherever they are moved to:
    # what is compared then is that the slope lies between those on both sides.
    "MaxPool1d_stride_padding_dilation": "on a kink",
    "MaxPool2d_stride_padding_dilation": "on a kink",
    # ONNX Runtime has neither the operator Gradient nor the locale for these texts.
    **dict.fromkeys(
        (
            "gradient_of_add",
            "gradient_of_add_and_mul",
            "strnorm_model_monday_casesensintive_lower",
            "strnorm_model_monday_casesensintive_upper",
            "strnorm_model_monday_empty_output",
            "strnorm_model_monday_insensintive_upper_twodim",
        ),
        "not run",
    ),
}


@pytest.mark.parametrize(
    ("folder", "count"), [("simple", 23), ("pytorch-converted", 82), ("pytorch-operator", 35)]
)
def test_no_stored_model_has_wrong_values_or_a_wrong_gradient(folder, count):
    assert folder in FOLDERS
    found = {name: judged(case) for name, case in stored_tests(folder).items()}
    assert len(found) >= count
    other = {name: outcome for name, outcome in found.items() if outcome.kind != "right"}
    wanted = {name: kind for name, kind in NO_GRADIENT.items() if name in found}
    assert {name: outcome.kind for name, outcome in other.items()} == wanted, other
    assert Counter(outcome.kind for outcome in found.values())["right"] >= count - len(wanted)
