"""A gradient that is zero everywhere is written, with a word."""

from __future__ import annotations

import warnings

import numpy as np
import onnxscope as osc
import pytest
from graphs import run, text_model
from onnxscope.errors import ZeroGradientWarning

STEPS = text_model(
    "g (float[3] x, float[3] z) => (float[3] y, float[3] s) "
    "{ f = Floor(x)  y = Add(f, z)  s = Sin(x) }"
)


@pytest.mark.parametrize(("of", "wrt"), [("y", ["x"]), ("s", ["z"]), ("y", ["z", "x"])])
def test_differentiate(of, wrt):
    with pytest.warns(ZeroGradientWarning, match=f"{of!r} with respect to '{wrt[-1]}' is zero"):
        graph = osc.differentiate(STEPS, of=of, wrt=wrt)
    feeds = {
        "x": np.ones(3, np.float32),
        "z": np.ones(3, np.float32),
        f"grad_{of}": np.ones(3, np.float32),
    }
    assert not run(graph, feeds)[f"grad_{wrt[-1]}"].any()


def test_nothing_is_said_of_others():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZeroGradientWarning)
        osc.differentiate(STEPS, of="y", wrt=["z"])
        assert osc.verify(STEPS, "y").agrees


def test_the_gradient_of_a_picture():
    network = osc.load(
        text_model("g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Round(x) }"),
        input_range=(0, 255),
    )
    with pytest.warns(ZeroGradientWarning, match="y:1 with respect to the picture is zero"):
        osc.Gradient(network, "y:1", cache=False).to_onnx()


@pytest.mark.parametrize("what", ["gradient", "picture"])
def test_it_is_said_again_when_the_graph_comes_from_the_cache(tmp_path, monkeypatch, what):
    monkeypatch.setenv("ONNXSCOPE_GRAPH_CACHE", "on")
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path))
    proto = text_model("g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Round(x) }")

    def take():
        network = osc.load(proto, input_range=(0, 255))
        if what == "gradient":
            osc.Gradient(network, "y:1", provider="cpu")(np.zeros((8, 8, 3), np.float32))
        else:
            osc.render(network, "y:1", steps=1, provider="cpu")

    for run_number in range(2):
        if run_number:
            # Nothing is built any more.
            monkeypatch.setattr("onnxscope.gradient.objective.append_gradient", None)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            take()
        zero = [w for w in said if issubclass(w.category, ZeroGradientWarning)]
        assert zero
        assert "zero everywhere, because of Round (piecewise constant)" in str(zero[0].message)
        if what == "gradient":
            assert zero[0].filename == __file__
