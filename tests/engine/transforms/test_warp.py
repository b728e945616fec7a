"""A warp against bilinear sampling in NumPy; what Lucid's series of transforms draws."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.transforms.composition import compose
from onnxscope.transforms.warp import Warp
from parts import random_data, seen, transform_graph


def sampled(image: np.ndarray, back: np.ndarray, color: float) -> np.ndarray:
    """Pictures (3, H, W) through one matrix in pixels, in float64."""
    _, height, width = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2, np.ones_like(rows)])
    x, y, depth = np.tensordot(back, points, 1)
    x, y = x / depth + (width - 1) / 2, y / depth + (height - 1) / 2
    x, y = np.where(depth > 0, x, -9), np.where(depth > 0, y, -9)
    padded = np.pad(image.astype(np.float64), ((0, 0), (1, 1), (1, 1)), constant_values=color)
    x, y = np.clip(x + 1, 0, width + 1), np.clip(y + 1, 0, height + 1)
    left = np.minimum(np.floor(x).astype(int), width)
    top = np.minimum(np.floor(y).astype(int), height)
    dx, dy = x - left, y - top
    return (
        padded[:, top, left] * (1 - dx) * (1 - dy)
        + padded[:, top, left + 1] * dx * (1 - dy)
        + padded[:, top + 1, left] * (1 - dx) * dy
        + padded[:, top + 1, left + 1] * dx * dy
    )


@pytest.mark.parametrize(
    "transforms",
    [
        osc.lucid(),
        osc.distill(),
        (osc.pad(3, color=0.2), osc.jitter(5), osc.flip(vertical=True), osc.scale([0.6, 1.4])),
        (osc.homography(0.5),),
        (osc.pad(4, color=0.9), osc.rotate([-40, 40]), osc.homography(0.4), osc.jitter(8)),
    ],
)
@pytest.mark.parametrize("size", [(24, 31), (17, 16)])
def test_a_warp_is_one_bilinear_resampling(transforms: tuple, size: tuple[int, int]) -> None:
    count = 3
    image = np.random.default_rng(0).random((count, 3, *size))
    rng = np.random.default_rng(5)
    back = np.eye(3)
    for step in transforms:
        back = back @ step.matrix(rng, count, *size)
    (warp,) = compose(transforms)
    found = seen(transforms, image, seed=5)
    for one, pixels, matrix in zip(found, image, back, strict=True):
        np.testing.assert_allclose(one, sampled(pixels, matrix, warp.color), atol=3e-4)


def test_only_projective_warps_divide() -> None:
    shape = (2, 3, 16, 16)
    plain = transform_graph([osc.pad(2), osc.rotate([3])], shape)
    assert [i.name for i in plain.graph.input] == ["image", "data0.matrix"]
    assert [d.dim_value for d in plain.graph.input[1].type.tensor_type.shape.dim] == [2, 3, 2]
    assert "Div" not in {node.op_type for node in plain.graph.node}
    leaning = transform_graph([osc.pad(2), osc.homography(0.1)], shape)
    assert [d.dim_value for d in leaning.graph.input[1].type.tensor_type.shape.dim] == [2, 3, 3]
    assert "Div" in {node.op_type for node in leaning.graph.node}


def test_a_step_alone_is_a_warp() -> None:
    step, shape = osc.rotate([10]), (1, 3, 9, 9)
    assert step.inputs(1, 9, 9) == Warp((step,)).inputs(1, 9, 9)
    drawn = step.draw(np.random.default_rng(0), 1, 9, 9)
    np.testing.assert_array_equal(drawn["matrix"], random_data([step], shape)["data0.matrix"])


def test_lucids_transforms_draw_what_lucid_draws() -> None:
    count, size = 20_000, 224
    (warp,) = compose(osc.lucid())
    drawn = warp.draw(np.random.default_rng(7), count, size, size)["matrix"]
    # From the window's coordinates in [-1, 1] to the picture's; the same in both directions.
    turn, shift = drawn[:, :2].transpose(0, 2, 1).astype(np.float64), drawn[:, 2] * size / 2
    factor = 1 / np.sqrt(np.linalg.det(turn))
    np.testing.assert_allclose(factor, np.round(factor * 50) / 50, atol=1e-5)
    kinds, counts = np.unique(np.round(factor * 50), return_counts=True)
    assert kinds.tolist() == list(range(45, 56))
    np.testing.assert_allclose(counts / count, 1 / 11, atol=0.01)
    # Clockwise degrees.
    angle = np.rad2deg(np.arctan2(turn[:, 0, 1], turn[:, 0, 0]))
    np.testing.assert_allclose(angle, np.round(angle), atol=1e-4)
    kinds, counts = np.unique(np.round(angle), return_counts=True)
    assert kinds.tolist() == list(range(-10, 11))
    upright = counts[10] / count
    assert upright == pytest.approx(6 / 26, abs=0.012)
    np.testing.assert_allclose(np.delete(counts, 10) / count, 1 / 26, atol=0.006)
    # A window of 8 pixels less, then, scaled and turned, one of 4 pixels less: variances add up.
    first = np.var(np.arange(9))
    second = np.var(np.arange(5)) * np.mean((1 + (np.arange(11) - 5) / 50) ** -2.0)
    np.testing.assert_allclose(shift.mean(0), 0, atol=0.09)
    np.testing.assert_allclose(shift.var(0), first + second, rtol=0.03)
