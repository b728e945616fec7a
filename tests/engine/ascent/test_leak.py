"""Gradients that leak through ReLUs that are off: how much, and how long."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.leak import Leak, fitting_slope, leak_of
from onnxscope.ascent.step import gradient_graph
from onnxscope.ascent.streams import Streams
from onnxscope.errors import InputError
from onnxscope.gradient.objective import append_gradient
from onnxscope.gradient.passes import GradientPlan
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.tensor import Tensor
from onnxscope.pictures.recipe import Recipe
from onnxscope.rules.leaking import leaking_relu
from onnxscope.rules.standard import standard_rules
from onnxscope.runtime.session import open_session

pytestmark = pytest.mark.usefixtures("kept_graphs")

X = np.array([[-2.0, -0.5, 0.25, 1.0, 7.0]], np.float32)
DY = np.array([[3.0, -1.0, 2.0, 0.5, -4.0]], np.float32)


def _through(op_type: str, leak: float, *bounds: float) -> np.ndarray:
    """The gradient of a function's weighted sum, with a part of it leaking."""
    builder = Builder("gradient")
    x = builder.input("x", X.shape, np.float32)
    amount = builder.input("leak", (), np.float32)
    y: Tensor = getattr(x.op, op_type)(x, *(builder.constant(b, np.float32) for b in bounds))
    value = (y * builder.constant(DY, np.float32)).sum(1)
    plan = GradientPlan(rules=standard_rules() | leaking_relu(amount))
    builder.output("dx", append_gradient(builder, value, [x], plan)[0])
    feeds = {"x": X, "leak": np.array(leak, np.float32)}
    return open_session(model_of(builder), "cpu").run(feeds)["dx"]


@pytest.mark.parametrize(
    ("op_type", "bounds", "on"), [("Relu", (), [0, 0, 1, 1, 1]), ("Clip", (0, 6), [0, 0, 1, 1, 0])]
)
def test_what_is_flat_lets_a_part_through(
    op_type: str, bounds: tuple[float, ...], on: list[int]
) -> None:
    for leak in (0.0, 0.1, 1.0):
        wanted = DY * np.maximum(np.array(on, np.float32), np.float32(leak))
        np.testing.assert_array_equal(_through(op_type, leak, *bounds), wanted)


def _run(model: osc.Model, leak: Leak | None, step: int = 1) -> dict[str, np.ndarray]:
    composition = Composition(
        model, osc.channel("fire5", 100), osc.Fourier(), (), 2, 48, 64, leak=leak
    )
    rules = composition.rules_for("cpu")
    streams = Streams(composition, 0)
    parameters = streams.parameters()
    for _ in range(step):
        data = streams.data()
    session = open_session(gradient_graph(composition, rules), "cpu")
    return session.run({**parameters, **data})


def test_a_tenth_passes_where_the_unit_is_off(squeezenet: osc.Model) -> None:
    exact, leaking = _run(squeezenet, None), _run(squeezenet, Leak(0.1, 4))
    behind = _run(squeezenet, Leak(0.1, 4), step=5)
    np.testing.assert_array_equal(leaking["value"], exact["value"])
    name = "grad_parameters.spectrum"
    assert np.abs(leaking[name] - exact[name]).max() > 0.05 * np.abs(exact[name]).max()
    # Behind the last leaking step it is the exact one, to the last bit.
    np.testing.assert_array_equal(behind[name], exact[name])


@pytest.mark.slow
def test_the_picture_is_made_again_from_its_recipe(squeezenet: osc.Model) -> None:
    def render(**given: object) -> osc.Picture:
        return osc.render(squeezenet, "fire5:100", size=48, steps=8, provider="cpu", **given)

    picture, plain = render(), render(leak=0)
    assert np.abs(picture.images - plain.images).max() > 0.01
    recipe = Recipe.from_text(picture.recipe.to_text())
    # A tenth in a quarter of the steps, where nothing is said.
    assert (recipe.leak, recipe.leak_steps) == (0.1, 2)
    np.testing.assert_array_equal(render(leak=0.1).images, picture.images)
    np.testing.assert_array_equal(osc.remake(recipe, squeezenet).images, picture.images)
    # What does not leak has no word about it, as before.
    assert "leak" not in plain.recipe.to_text()
    older = Recipe.from_text(plain.recipe.to_text())
    np.testing.assert_array_equal(osc.remake(older, squeezenet).images, plain.images)
    np.testing.assert_array_equal(render(leak=0.3, leak_steps=0).images, plain.images)


@pytest.mark.slow
def test_a_picture_is_the_same_alone_and_among_others(squeezenet: osc.Model) -> None:
    def render(**given: object) -> osc.Picture:
        return osc.render(
            squeezenet, "fire5:100", size=48, steps=4, provider="cpu", leak=0.2, **given
        )

    np.testing.assert_array_equal(render(batch=3).images[0], render().images[0])


def test_where_exact_gradients_are_asked_for_none_leaks(flower: np.ndarray) -> None:
    photo, fourier = osc.start(flower), osc.Fourier()
    assert fitting_slope(None, osc.Adam(), fourier) == 0.1
    assert fitting_slope("linear", osc.Adam(), fourier) == 0
    assert fitting_slope(None, osc.LBFGS(), fourier) == 0
    for made_of in (photo, osc.within(flower, np.eye(4), photo)):
        assert fitting_slope(None, osc.Adam(), made_of) == 0
    assert fitting_slope(None, osc.Adam(), osc.within(flower, np.eye(4))) == 0.1
    # Less than half a step is none.
    assert leak_of(0.1, None, 2) is None
    assert leak_of(0.1, None, 512) == Leak(0.1, 128)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"leak": -0.1}, r"leak must be in \(0, 1\], or 0 for none, not -0.1"),
        ({"leak": 1.5}, r"leak must be in \(0, 1\], or 0 for none, not 1.5"),
        ({"leak": "much"}, "leak must be a number, not 'much'"),
        ({"leak": 0.1, "leak_steps": -1}, "leak_steps must be at least 0, not -1"),
        ({"leak": 0, "leak_steps": 3}, "leak_steps is for a gradient that leaks; give leak=…"),
    ],
)
def test_what_is_no_leak_is_refused(
    squeezenet: osc.Model, given: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        osc.render(squeezenet, "fire5:100", size=48, steps=4, **given)
