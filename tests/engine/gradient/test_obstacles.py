"""A gradient that is zero because nothing on the way has a derivative says why."""

from __future__ import annotations

import warnings

import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import ZeroGradientWarning


def model(body: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["": 18]>
        g (float[3] x, float[3] w) => (float[3] y) {{ {body} }}"""
    )


def test_rounding_is_named():
    with pytest.warns(
        ZeroGradientWarning,
        match=r"'y' with respect to 'x' is zero.*because of Round \(piecewise c",
    ):
        osc.differentiate(model("r = Round(x)\n y = Mul(r, w)"), "y", ["x", "w"])


def test_several_are_named():
    both = model("r = Round(x)\n a = ArgMax<axis=0>(x)\n c = Cast<to=1>(a)\n y = Mul(r, c)")
    with pytest.warns(
        ZeroGradientWarning, match=r"Round \(.*\) and ArgMax \(gives indices or shapes"
    ):
        osc.differentiate(both, "y", ["x"])


def test_nothing_is_said_where_a_way_is_open():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        osc.differentiate(model("r = Round(x)\n y = Mul(r, x)"), "y", ["x"])


def test_no_operator_is_named_where_no_way_leads_there():
    with pytest.warns(ZeroGradientWarning, match="does not depend on the other"):
        osc.differentiate(model("y = Neg(w)"), "y", ["x"])
