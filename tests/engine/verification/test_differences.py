"""Derivatives by differences, with their uncertainty and the kinks that they see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnxscope.verification.differences import derivative, rounding_noise

STEPS = (1e-6, 1e-7, 1e-8, 1e-9)


def test_a_smooth_function():
    found = derivative(math.exp, STEPS, 1e-16, 1.0)
    assert found.slope == pytest.approx(1, abs=1e-6)
    assert abs(found.slope - 1) <= found.uncertainty < 1e-5
    assert not found.kink


@pytest.mark.parametrize("at", [0, 1e-12])
def test_a_kink(at):
    found = derivative(lambda t: abs(t - at), STEPS, 1e-16, 1.0)
    assert found.kink
    assert found.left == pytest.approx(-1, abs=0.01)
    assert found.right == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("at", [3e-7, 3e-8, -2e-9])
def test_a_kink_nearby_is_stepped_under(at):
    found = derivative(lambda t: abs(t - at), STEPS, 1e-18, 1.0)
    assert not found.kink
    assert abs(found.slope + math.copysign(1, at)) <= max(found.uncertainty, 1e-6)


def test_the_uncertainty_covers_noise():
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(200):
        noisy = lambda t: math.sin(t + 0.5) + 1e-7 * rng.standard_normal()  # noqa: E731
        noise = rounding_noise(noisy, 1e-6, 1e-9)
        found = derivative(noisy, [2.0**-power for power in range(3, 10)], noise, 1.0)
        misses += abs(found.slope - math.cos(0.5)) > 6 * found.uncertainty
        assert found.uncertainty < 1e-4
    assert misses == 0


def test_noise_is_told_from_slope():
    rng = np.random.default_rng(0)
    found = [
        rounding_noise(lambda t: 1e3 * t + 1e-7 * rng.standard_normal(), 1e-6, 1e-12)
        for _ in range(100)
    ]
    assert np.mean(found) == pytest.approx(1e-7, rel=0.2)


@pytest.mark.parametrize("power", [0.5, 0.8, 1.0])
def test_differences_that_come_to_their_limit_slowly(power):
    """Of |t|^p · t they have the error h^p, which neither the two sides show nor h²."""
    found = derivative(lambda t: t * (1 + abs(t) ** power), STEPS, 1e-18, 1.0)
    assert abs(found.slope - 1) <= max(2 * found.uncertainty, 1e-6)
    assert found.uncertainty < 1e-3
    assert not found.kink


def test_a_kink_between_the_last_steps_is_stepped_under():
    found = derivative(lambda t: max(min(t, 5e-9), -5e-9) * 1e8, STEPS, 1e-16, 1e8)
    assert found.slope == pytest.approx(1e8, rel=1e-6)
    assert found.uncertainty < 1e4


def test_a_kink_among_the_points_is_no_noise():
    found = rounding_noise(lambda t: max(t, 2.5e-9) * 1e8, 1e-9, 1e-16)
    assert found < 1e-9
