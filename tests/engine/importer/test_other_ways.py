"""Nodes that are written in all ways that their schemas allow mean what they mean to ONNX Runtime.

Either the values are those of ONNX Runtime for the file, and the gradient that of differences, or
it is said in a sentence why there is none.
"""

from __future__ import annotations

import contextlib
import warnings

import onnx
import onnxscope as osc
import pytest
from schema_fuzz import plain, written
from version_cases import model_of, schemas
from version_checks import checked

# Of which the inputs, outputs and attributes are optional in many ways.
QUICK = ("Clip", "Conv", "Gemm", "MaxPool", "ReduceMean", "Slice", "TopK")


@pytest.mark.sample(of_each=lambda op: op if op in QUICK else QUICK[0])
@pytest.mark.parametrize("op", sorted(schemas(), key=lambda op: op not in QUICK))
def test_in_whatever_way_it_is_written(op):
    wrong = {}
    for how, (example, version) in written(op).items():
        found = checked(example, version, plain(example), by_reference=False)
        if found.kind == "wrong":
            wrong[how] = found.reason
        elif found.kind == "not run":
            _differentiate(example, version)
    assert not wrong


def _differentiate(example, version):
    """What ONNX Runtime does not run has a gradient, or a sentence."""
    try:
        model, _ = model_of(example, version)
    except (onnx.shape_inference.InferenceError, TypeError):
        return
    inputs = [value.name for value in model.graph.input]
    outputs = [value.name for value in model.graph.output]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for of in outputs:
            with contextlib.suppress(osc.OnnxscopeError):
                osc.differentiate(model, of=of, wrt=inputs[:1])
