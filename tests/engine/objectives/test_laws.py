"""What holds of every objective, on SqueezeNet's real weights.

An ascent raises it, its gradient is that of its differences, and the pictures of a batch are what
they are alone.
"""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.objectives import registry
from onnxscope.objectives.algebra import Objective

pytestmark = pytest.mark.usefixtures("kept_graphs")

rng = np.random.default_rng(7)
VECTOR = rng.standard_normal(256, np.float32)
PHOTO = np.uint8(np.kron(rng.integers(0, 256, (7, 8, 3)), np.ones((12, 12, 1))))
SPREAD = np.abs(rng.standard_normal((5, 9)))

LEAVES: dict[str, Objective] = {
    "direction": osc.direction("fire5", VECTOR),
    "direction, cosine": osc.direction("fire5", VECTOR, cosine=2),
    "direction, middle": osc.direction("fire5", VECTOR, cosine=4, radius=0),
    "direction, box": osc.direction("fire5", VECTOR, box=(0.2, 0, 1, 0.6)),
    "direction, mask": osc.direction("fire5", VECTOR, cosine=1, mask=SPREAD),
    "directions": osc.directions("fire5", VECTOR[None], cosine=1),
    "each unit": osc.each_unit("fire5", [11]),
    "each unit, least": osc.each_unit("fire5", [11], least=True, radius=0),
    "cosine": osc.cosine("fire5", VECTOR),
    "channels": osc.channels("fire5", {3: 1, 200: -0.5, 11: 2}, mask=SPREAD),
    "neurons": osc.neurons("fire5", 11, y=1, radius=1),
    "logit": osc.logit("daisy"),
    # Of what noise is taken for: others have probabilities, and gradients, next to nothing.
    "probability": osc.probability("eel"),
    "probability, log": osc.probability(985, log=True),
    "toward": osc.toward(osc.channel("fire5", 11), 9),
    "difference": -osc.difference("fire5", PHOTO),
    "difference, l1": -osc.difference("fire5", PHOTO, "l1"),
    "inversion": osc.inversion("fire5", PHOTO),
    "inversion, logits": osc.inversion("logits", PHOTO),
    "inversion, before": osc.before_activation(osc.inversion("fire4", PHOTO)),
    "caricature": osc.caricature("fire5", PHOTO, cosine=2),
    "style": -osc.style(["fire2", "fire4"], PHOTO),
    "distance": -osc.distance(PHOTO),
    "statistics": -osc.statistics("fire3", np.ones(128), np.full(128, 2)),
    "distribution": -osc.distribution("fire4", np.abs(rng.standard_normal((2, 256, 20, 20)))),
    "distribution, weighed": -osc.distribution(
        "fire4", np.abs(rng.standard_normal((2, 256, 20, 20))), np.abs(VECTOR)
    ),
    "sharpness": -osc.sharpness(),
    "boundary": -osc.boundary(5, 0.4),
    "linf": -osc.linf(),
}
"""Objectives that take each picture alone."""

COMPARING: dict[str, Objective] = {
    "diversity": osc.channel("fire5", 11) - 5 * osc.diversity("fire5"),
    "alignment": -osc.alignment("fire4", 3),
    "interpolate": osc.interpolate(osc.channel("fire5", 1), osc.channel("fire4", 9), 3)
    - osc.alignment("fire3"),
}
"""Objectives that compare the pictures of a batch."""

ALL = LEAVES | COMPARING


def test_every_kind_is_here() -> None:
    def kinds(objective: Objective) -> set[type]:
        return {type(objective)}.union(*map(kinds, objective.parts()))

    # Those of a file are in `test_encoders.py` and `test_others.py`, and what looks at a picture's
    # opacity in `test_transparent.py`.
    old = {
        "opacity",
        "encoded",
        "seen_by",
        "number",
        "sum",
        "product",
        "negative",
        "each",
        "before_activation",
    }
    old |= {"channel", "neuron", "layer", "total_variation", "l1", "l2"}
    tested = set().union(*(kinds(objective) for objective in ALL.values()))
    assert {registry.kinds()[name] for name in registry.kinds() if name not in old} <= tested


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_three_ascents_raise_it(squeezenet: osc.Model, name: str) -> None:
    given = {"size": (56, 72), "steps": 9, "provider": "cpu", "transforms": (), "batch": 3}
    # A start of some contrast: the penalties have something to take away. A single pixel is moved
    # by all others of a spectrum.
    start = osc.Pixels(sd=0.3) if name == "linf" else osc.Fourier(sd=0.3)
    picture = osc.render(squeezenet, ALL[name], parameterization=start, **given)
    first, last = picture.values[0], picture.values[-1]
    if ALL[name].mixes_pictures:
        first, last = first.sum(), last.sum()
    assert (last > first).all(), (first, last)
    assert not picture.warnings


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_its_gradient_is_that_of_differences(squeezenet: osc.Model, name: str) -> None:
    found = osc.verify(squeezenet, ALL[name], size=56, directions=2)
    assert found.agrees, str(found)


@pytest.mark.parametrize("name", COMPARING)
def test_the_gradient_of_what_compares_pictures(squeezenet: osc.Model, name: str) -> None:
    images = np.random.default_rng(3).uniform(0.01, 0.99, (3, 40, 48, 3)).astype(np.float32)
    evaluate = osc.Gradient(squeezenet, ALL[name], provider="cpu")
    _, gradient = evaluate(images)
    # Along each picture's own gradient, where the kinks of the network weigh the least.
    for index in range(3):
        step = np.zeros(images.shape)
        step[index] = gradient[index] * 1e-3 / np.abs(gradient[index]).max()
        up, down = (
            evaluate(np.float32(images + sign * step))[0].astype(np.float64).sum()
            for sign in (1, -1)
        )
        assert (gradient * step).sum() == pytest.approx((up - down) / 2, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_a_picture_is_the_same_alone_and_among_others(squeezenet: osc.Model, name: str) -> None:
    images = np.random.default_rng(4).random((3, 56, 72, 3), np.float32)
    evaluate = osc.Gradient(squeezenet, ALL[name], provider="cpu")
    values, gradients = evaluate(images)
    for index, image in enumerate(images):
        value, gradient = evaluate(image)
        np.testing.assert_allclose(values[index], value[0], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(gradients[index], gradient, rtol=1e-3, atol=1e-6)
    given = {"size": 56, "steps": 3, "provider": "cpu", "batch": 3}
    together = osc.render(squeezenet, ALL[name], **given)
    apart = osc.render(squeezenet, ALL[name], batch_size=1, **given)
    np.testing.assert_array_equal(apart.images, together.images)
