"""Half precision: what is computed in it, how far it is from float32, and that it still climbs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.step import gradient_graph, step_graph
from onnxscope.errors import InputError
from onnxscope.graph.passes.precision import check_precision
from onnxscope.pictures.recipe import Recipe
from onnxscope.rules.by_provider import rules_for
from onnxscope.runtime.session import open_session
from onnxscope.transforms.composition import compose

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def _composition(model: osc.Model, objective: osc.Objective, precision: str) -> Composition:
    return Composition(
        model,
        objective,
        osc.Pixels(decorrelate=False),
        compose(osc.lucid()),
        1,
        96,
        96,
        precision=check_precision(precision),
    )


def _gradient(composition: Composition) -> tuple[np.ndarray, np.ndarray]:
    session = open_session(gradient_graph(composition, rules_for("cpu")), "cpu")
    # Coarse squares: on noise every unit is near its threshold.
    rng = np.random.default_rng(3)
    pixels = rng.standard_normal((1, 3, 12, 12), np.float32).repeat(8, 2).repeat(8, 3)
    data = composition.random_data(np.random.default_rng(0))
    outputs = session.run({"parameters.pixels": pixels, **data})
    return outputs["value"], outputs["grad_parameters.pixels"].astype(np.float64).ravel()


@pytest.mark.slow
@pytest.mark.parametrize("objective", [osc.channel("fire5", 100), osc.layer("fire5")])
def test_gradients_keep_their_direction(squeezenet: osc.Model, objective: osc.Objective) -> None:
    value, exact = _gradient(_composition(squeezenet, objective, "float32"))
    half_value, half = _gradient(_composition(squeezenet, objective, "float16"))
    assert np.any(half != exact)
    np.testing.assert_allclose(half_value, value, rtol=1e-2)
    assert exact @ half / (np.linalg.norm(exact) * np.linalg.norm(half)) >= 0.999


@pytest.mark.slow
def test_a_picture_rises_as_in_float32(squeezenet: osc.Model) -> None:
    rise = {}
    for precision in ("float32", "float16"):
        picture = osc.render(
            squeezenet,
            "fire5:100",
            size=64,
            steps=24,
            transforms=(),
            provider="cpu",
            precision=precision,
        )
        rise[precision] = picture.values[-1] - picture.values[0]
        assert picture.recipe.precision == precision
    assert rise["float32"] > 0
    assert rise["float16"] == pytest.approx(rise["float32"], rel=0.1)


def test_only_the_network_is_half(squeezenet: osc.Model) -> None:
    composition = _composition(squeezenet, osc.channel("fire5", 100), "float16")
    graph = step_graph(composition, rules_for("cuda"), osc.Adam())
    onnx.checker.check_model(graph, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(graph, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    types |= {constant.name: constant.data_type for constant in inferred.initializer}
    types |= {v.name: v.type.tensor_type.elem_type for v in (*inferred.input, *inferred.output)}
    assert {types[v.name] for v in (*inferred.input, *inferred.output)} == {FLOAT}
    warps = [node for node in inferred.node if node.op_type == "GridSample"]
    assert [types[warp.input[0]] for warp in warps] == [FLOAT]
    products = [types[node.output[0]] for node in inferred.node if node.op_type == "Conv"]
    assert products.count(HALF) > 20
    # The colours go through the first convolution in full.
    assert products[0] == FLOAT
    scatters = [node for node in inferred.node if node.op_type == "ScatterElements"]
    assert scatters
    assert {types[node.input[0]] for node in scatters} == {FLOAT}


def test_float32_and_tf32_are_the_same_graph(squeezenet: osc.Model) -> None:
    graphs = [
        gradient_graph(_composition(squeezenet, osc.channel("fire5", 100), name), rules_for("cpu"))
        for name in ("float32", "tf32")
    ]
    assert graphs[0].SerializeToString() == graphs[1].SerializeToString()


def test_an_unknown_precision_is_refused(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match=r"float32, tf32, float16.*did you mean 'float16'"):
        osc.render(squeezenet, "fire5:100", precision="float61")
    with pytest.raises(InputError, match="not 16"):
        osc.render(squeezenet, "fire5:100", precision=16)


@pytest.mark.slow
def test_recipes_without_a_precision_are_read(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire5:100", size=64, steps=1, provider="cpu")
    text = picture.recipe.to_text()
    assert '"precision": "tf32", ' in text
    old = Recipe.from_text(text.replace('"precision": "tf32", ', ""))
    assert old == picture.recipe
