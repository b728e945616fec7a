"""Noise: its standard deviation, its gradient, and that each pixel has its own."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from parts import random_data, seen, transform_graph

SHAPE = (4, 3, 40, 50)


@pytest.mark.parametrize("sd", [0.0, 0.1, 2.5])
def test_noise_has_its_standard_deviation(sd: float) -> None:
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    noise = seen([osc.noise(sd)], image) - image
    assert noise.std() == pytest.approx(sd, rel=0.02)
    assert abs(noise.mean()) <= 4 * sd / np.sqrt(noise.size)
    if sd:
        # Normal: the fourth moment; and none of pictures, colours and neighbours like another.
        assert ((noise / sd) ** 4).mean() == pytest.approx(3, rel=0.1)
        for left, right in (
            (noise[0], noise[1]),
            (noise[:, 0], noise[:, 1]),
            (noise[..., 1:], noise[..., :-1]),
        ):
            assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.03


def test_its_gradient_is_the_identity() -> None:
    transforms = [osc.noise(0.3)]
    graph = osc.differentiate(transform_graph(transforms, SHAPE), of="seen", wrt=["image"])
    rng = np.random.default_rng(1)
    cotangent = rng.standard_normal(SHAPE, np.float32)
    feeds = {"image": rng.random(SHAPE, np.float32), "grad_seen": cotangent}
    found = run(graph, feeds | random_data(transforms, SHAPE))
    np.testing.assert_array_equal(found["grad_image"], cotangent)


@pytest.mark.slow
def test_each_step_and_each_picture_has_its_own(squeezenet: osc.Model) -> None:
    def made(batch: int) -> np.ndarray:
        return osc.render(
            squeezenet,
            "fire2:3",
            size=32,
            steps=3,
            batch=batch,
            transforms=[osc.noise(0.2)],
            provider="cpu",
        ).images

    three = made(3)
    assert np.abs(three[0] - three[1]).max() > 0.01
    np.testing.assert_array_equal(made(3), three)
    # A picture is the same alone and among others.
    np.testing.assert_allclose(made(1)[0], three[0], atol=2e-4)
    rng = np.random.default_rng(0)
    first, second = (osc.noise(1).draw(rng, 1, 8, 8)["noise"] for _ in range(2))
    assert (first != second).all()
