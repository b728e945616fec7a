"""Each geometric transform moves a dot where it should: direction, sign and scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.transforms.base import Transform
from onnxscope.transforms.geometric import Homography, through_corners
from onnxscope.transforms.warp import Geometric, Warp
from parts import seen

SIZE = 33
MIDDLE = SIZE // 2


class Moved(Geometric):
    """The picture moved by whole pixels: code of the user's."""

    def __init__(self, dx: float, dy: float) -> None:
        self.by = (dx, dy)

    def matrix(self, rng, count, height, width):
        matrices = np.tile(np.eye(3), (count, 1, 1))
        matrices[:, :2, 2] = np.negative(self.by)
        return matrices


class Viewed(Geometric):
    """The picture through given corners: code of the user's."""

    projective = True

    def __init__(self, behind: np.ndarray, before: np.ndarray) -> None:
        self.corners = behind, before

    def matrix(self, rng, count, height, width):
        behind, before = self.corners
        return through_corners(np.tile(behind, (count, 1, 1)), before)


def dot(dx: int, dy: int, count: int = 1) -> np.ndarray:
    """White at (dx, dy) from the middle, right and down; grey elsewhere."""
    image = np.full((count, 3, SIZE, SIZE), 0.5, np.float32)
    image[:, :, MIDDLE + dy, MIDDLE + dx] = 1
    return image


def place(transforms: Sequence[Transform], dx: int, dy: int, seed: int = 0) -> tuple[float, float]:
    """Where the dot is seen, from the middle: the centre of gravity of what is not grey."""
    light = seen(transforms, dot(dx, dy), seed)[0, 0].astype(np.float64) - 0.5
    rows, columns = np.mgrid[:SIZE, :SIZE] - MIDDLE
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


@pytest.mark.parametrize(
    ("transforms", "wanted"),
    [
        ([], (5, -3)),
        ([osc.pad(7)], (5, -3)),
        ([osc.scale([2])], (10, -6)),
        ([osc.scale([1])], (5, -3)),
        # Clockwise: what is on the right goes down.
        ([osc.rotate([90])], (3, 5)),
        ([osc.rotate([-90])], (-3, -5)),
        ([osc.rotate([180])], (-5, 3)),
        ([osc.rotate([360])], (5, -3)),
        ([Moved(2, 4)], (7, 1)),
        # From the picture to the network, in this order.
        ([Moved(2, 4), osc.scale([2])], (14, 2)),
        ([osc.scale([2]), Moved(2, 4)], (12, -2)),
        ([Moved(2, 4), osc.rotate([-90])], (1, -7)),
        ([osc.rotate([-90]), Moved(2, 4)], (-1, -1)),
        ([osc.rotate([-90]), osc.noise(0), Moved(2, 4)], (-1, -1)),
        ([Moved(2, 4), osc.noise(0), osc.rotate([-90])], (1, -7)),
        ([Warp((Moved(2, 4),)), Warp((osc.rotate([-90]),))], (1, -7)),
    ],
)
def test_a_dot_goes_where_it_should(
    transforms: Sequence[Transform], wanted: tuple[int, int]
) -> None:
    assert place(transforms, 5, -3) == pytest.approx(wanted, abs=1e-3)


def test_shrinking_brings_a_block_nearer() -> None:
    image = np.full((1, 3, SIZE, SIZE), 0.5, np.float32)
    image[:, :, MIDDLE - 7 : MIDDLE - 4, MIDDLE + 7 : MIDDLE + 10] = 1
    light = seen([osc.scale([0.5])], image)[0, 0].astype(np.float64) - 0.5
    rows, columns = np.mgrid[:SIZE, :SIZE] - MIDDLE
    assert (light * columns).sum() / light.sum() == pytest.approx(4, abs=0.3)
    assert (light * rows).sum() / light.sum() == pytest.approx(-3, abs=0.3)


@pytest.mark.parametrize(
    ("flip", "wanted"),
    [
        (osc.flip(), {(5, -3), (-5, -3)}),
        (osc.flip(horizontal=False, vertical=True), {(5, -3), (5, 3)}),
        (osc.flip(vertical=True), {(5, -3), (-5, -3), (5, 3), (-5, 3)}),
    ],
)
def test_flip_mirrors_as_often_as_not(flip: Geometric, wanted: set[tuple[int, int]]) -> None:
    found = {tuple(np.round(place([flip], 5, -3, seed), 3)) for seed in range(24)}
    assert found == wanted
    diagonals = flip.matrix(np.random.default_rng(0), 4000, 9, 9)[:, [0, 1], [0, 1]]
    share = len(wanted)
    kinds, counts = np.unique(diagonals, axis=0, return_counts=True)
    assert len(kinds) == share
    # Four standard deviations of a binomial distribution.
    np.testing.assert_allclose(counts / 4000, 1 / share, atol=4 * np.sqrt(0.25 / 4000))


@pytest.mark.parametrize(
    ("pixels", "shifts"), [(4, [-2, -1, 0, 1, 2]), (3, [-1.5, -0.5, 0.5, 1.5])]
)
def test_jitter_takes_any_window_as_often(pixels: int, shifts: list[float]) -> None:
    jitter = osc.jitter(pixels)
    drawn = jitter.matrix(np.random.default_rng(1), 4000, 9, 9)
    np.testing.assert_array_equal(drawn[:, :2, :2], np.tile(np.eye(2), (4000, 1, 1)))
    for axis in (0, 1):
        kinds, counts = np.unique(drawn[:, axis, 2], return_counts=True)
        assert kinds.tolist() == shifts
        np.testing.assert_allclose(counts / 4000, 1 / len(shifts), atol=0.03)
    assert abs(np.corrcoef(drawn[:, 0, 2], drawn[:, 1, 2])[0, 1]) < 0.07


def test_jitter_shows_the_window_that_it_drew() -> None:
    for seed in range(5):
        (x, y) = osc.jitter(6).matrix(np.random.default_rng(seed), 1, SIZE, SIZE)[0, :2, 2]
        assert place([osc.pad(3), osc.jitter(6)], 5, -3, seed) == pytest.approx((5 - x, -3 - y))


def test_what_is_outside_has_the_color_of_pad() -> None:
    white = np.ones((1, 3, SIZE, SIZE), np.float32)
    for color in (0.0, 0.3, 1.0):
        image = seen([osc.pad(1, color=color), osc.scale([0.5])], white)
        np.testing.assert_allclose(image[..., :6, :], color, atol=1e-6)
        np.testing.assert_allclose(image[..., -6:], color, atol=1e-6)
        np.testing.assert_allclose(image[..., 12:20, 12:20], 1, atol=1e-6)
    assert np.allclose(seen([osc.scale([0.5])], white)[..., :6, :], 0.5)


def test_scale_and_rotate_draw_each_of_their_numbers() -> None:
    rng = np.random.default_rng(2)
    factors = 1 / osc.scale([0.5, 1, 4]).matrix(rng, 3000, 9, 9)[:, 0, 0]
    kinds, counts = np.unique(factors, return_counts=True)
    assert kinds.tolist() == [0.5, 1, 4]
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.035)
    turns = osc.rotate([0, 0, 90]).matrix(rng, 3000, 9, 9)
    assert (turns[:, 0, 0] > 0.5).mean() == pytest.approx(2 / 3, abs=0.035)


# Homographies -----------------------------------------------------------------------------------


def test_a_homography_takes_corners_to_corners() -> None:
    behind = np.array([(-10.0, -9.0), (11.0, -12.0), (14.0, 13.0), (-12.0, 10.0)])
    before = np.array([(-16.0, -16.0), (16.0, -16.0), (16.0, 16.0), (-16.0, 16.0)])
    (matrix,) = through_corners(behind[None], before)
    for (x, y), wanted in zip(behind, before, strict=True):
        u, v, depth = matrix @ (x, y, 1)
        assert (u / depth, v / depth) == pytest.approx(tuple(wanted), abs=1e-9)
    assert matrix[2, 2] == 1
    # A parallelogram is an affine map.
    (matrix,) = through_corners(before[None] / 2 + (3, 1), before)
    np.testing.assert_allclose(matrix, [[2, 0, -6], [0, 2, -2], [0, 0, 1]], atol=1e-12)


def test_a_dot_is_seen_through_known_corners() -> None:
    before = np.array([(-10.0, -10.0), (10.0, -10.0), (10.0, 10.0), (-10.0, 10.0)])
    behind = np.array([(-5.0, -10.0), (5.0, -10.0), (10.0, 10.0), (-10.0, 10.0)])
    # Of a trapezoid the diagonals cross where the middle is: at y = -10 + 20 · 5 / (5 + 10).
    assert place([Viewed(behind, before)], 0, 0) == pytest.approx((0, -10 / 3), abs=0.15)
    assert place([Viewed(behind, before)], -10, 10) == pytest.approx((-10, 10), abs=0.15)
    middle = place([Viewed(behind, before), Moved(3, 1)], 0, 0)
    assert middle == pytest.approx((3, -7 / 3), abs=0.15)
    turned = place([osc.rotate([-90]), Viewed(behind, before)], 10, 10)
    assert turned == pytest.approx((5, -10), abs=0.3)


def test_corners_of_a_homography_move_inwards_by_its_strength() -> None:
    height, width = 40, 80
    matrices = Homography(0.5).matrix(np.random.default_rng(3), 2000, height, width)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    for corner in corners:
        moved = np.linalg.solve(matrices, np.array([*corner, 1.0])[:, None])[..., 0]
        inwards = 1 - moved[:, :2] / moved[:, 2:] / corner
        assert inwards.min() >= -1e-9
        assert inwards.max() <= 0.5 + 1e-9
        # Uniform: its mean and its standard deviation.
        np.testing.assert_allclose(inwards.mean(0), 0.25, atol=0.015)
        np.testing.assert_allclose(inwards.std(0), 0.5 / np.sqrt(12), atol=0.01)
    flat = Homography(0).matrix(np.random.default_rng(3), 2, height, width)
    np.testing.assert_allclose(flat, np.tile(np.eye(3), (2, 1, 1)), atol=1e-12)


def test_nothing_is_seen_behind_the_horizon() -> None:
    count = 64
    white = np.ones((count, 3, SIZE, SIZE), np.float32)
    view = [osc.pad(0, color=0), Homography(0.6)]
    images = seen(view, white)[:, 0]
    rng = np.random.default_rng(0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * SIZE / 2
    rng_matrices = Homography(0.6).matrix(rng, count, SIZE, SIZE)
    rows, columns = np.mgrid[:SIZE, :SIZE] - MIDDLE
    for image, matrix in zip(images, rng_matrices, strict=True):
        moved = np.linalg.solve(matrix, np.column_stack([corners, np.ones(4)]).T).T
        moved = moved[:, :2] / moved[:, 2:]
        edges = np.roll(moved, -1, axis=0) - moved
        # Distances from the four edges, positive within.
        distance = np.min(
            [
                (dx * (rows - y) - dy * (columns - x)) / np.hypot(dx, dy)
                for (x, y), (dx, dy) in zip(moved, edges, strict=True)
            ],
            axis=0,
        )
        np.testing.assert_allclose(image[distance > 2], 1, atol=1e-5)
        np.testing.assert_allclose(image[distance < -2], 0, atol=1e-5)


# What does not fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.pad(2.5), "pixels of pad must be a whole number, not 2.5"),
        (lambda: osc.pad(2, color=1.5), r"color of pad must be in \[0, 1\], not 1.5"),
        (lambda: osc.jitter(-1), "pixels of jitter must be at least 0, not -1"),
        (lambda: osc.scale([0.5, 0]), "positive factors, not 0"),
        (lambda: osc.rotate(10), r"rotate takes a list of numbers such as \[-5, 0, 5\], not 10"),
        (lambda: osc.flip(1), "horizontal of flip must be true or false, not 1"),
        (lambda: osc.flip(False), "flip must be horizontal, vertical or both"),
        (lambda: osc.homography(0.7), r"strength of homography must be in \[0, 0.6\], not 0.7"),
        (lambda: osc.homography("x"), "strength of homography must be a number, not 'x'"),
        (lambda: osc.noise(-1), "sd of noise must be at least 0, not -1"),
        (
            lambda: seen([osc.pad(2), osc.jitter(8)], dot(0, 0)),
            r"jitter takes 8 pixels from a picture padded by 4 in all; pad\(4\) keeps its size",
        ),
        (
            lambda: seen([osc.pad(2), osc.pad(2, color=0)], dot(0, 0)),
            "must have one color, not 0",
        ),
    ],
)
def test_what_does_not_fit_is_said(make, message: str) -> None:
    with pytest.raises(osc.OnnxscopeError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_matrices_of_the_users_own_are_checked() -> None:
    class Flat(Geometric):
        def matrix(self, rng, count, height, width):
            return np.eye(3)

    class Leaning(Geometric):
        def matrix(self, rng, count, height, width):
            return np.tile([[1.0, 0, 0], [0, 1, 0], [0.1, 0, 1]], (count, 1, 1))

    with pytest.raises(osc.OnnxscopeError, match=r"of Flat must be of shape \(1, 3, 3\), not \(3"):
        seen([Flat()], dot(0, 0))
    with pytest.raises(osc.OnnxscopeError, match=r"of Leaning is not affine.*projective = True"):
        seen([Leaning()], dot(0, 0))
