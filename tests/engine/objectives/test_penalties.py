"""Objectives that look at the picture: values, gradients, and that they see it untransformed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, TargetError
from onnxscope.objectives.algebra import Leaf, Number
from onnxscope.objectives.seen import Seen

pytestmark = pytest.mark.usefixtures("kept_graphs")


class _OnTheHost(osc.Adam):
    """Code of the user's, which NumPy runs on the host."""

    append = None


QUICK = {"size": 64, "steps": 4, "provider": "cpu"}


def _total_variation(x: np.ndarray) -> np.ndarray:
    return sum(np.abs(np.diff(x, axis=axis)).sum((1, 2, 3)) for axis in (1, 2))


def _sharpness(x: np.ndarray) -> np.ndarray:
    """½ Σ x · (x − blur(x)), where neighbours outside the picture count as the pixel itself."""
    height, width = x.shape[1:3]
    difference = np.zeros(x.shape)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            here, there = (
                np.s_[
                    :,
                    max(sign * down, 0) : height + min(sign * down, 0),
                    max(sign * right, 0) : width + min(sign * right, 0),
                ]
                for sign in (1, -1)
            )
            difference[here] += 0.5 * (x[here] - x[there]) / 5
    return 0.5 * (x * difference).sum((1, 2, 3))


def _boundary(x: np.ndarray, width: int, constant: float) -> np.ndarray:
    """Lucid's, with sums over shifted pictures."""
    sums, weights = np.zeros(x.shape), np.zeros(x.shape)
    for down in range(-2, 3):
        for right in range(-2, 3):
            weight = 1 if max(abs(down), abs(right)) < 2 else 0.5
            padded, ones = (np.pad(a, ((0, 0), (2, 2), (2, 2), (0, 0))) for a in (x, x * 0 + 1))
            window = np.s_[:, 2 + down : 2 + down + x.shape[1], 2 + right : 2 + right + x.shape[2]]
            sums += weight * padded[window]
            weights += weight * ones[window]
    measured = (sums / weights - x) ** 2 + 0.8 * (x - constant) ** 2
    measured[:, width:-width, width:-width] = 0
    return measured.sum((1, 2, 3))


PENALTIES: dict[str, tuple[osc.Objective, Callable[[np.ndarray], np.ndarray]]] = {
    "total variation": (osc.total_variation(), _total_variation),
    "l1": (osc.l1(), lambda x: np.abs(x - 0.5).sum((1, 2, 3))),
    "l1 (constant=0.2)": (osc.l1(0.2), lambda x: np.abs(x - 0.2).sum((1, 2, 3))),
    "linf": (osc.linf(), lambda x: np.abs(x - 0.5).max((1, 2, 3))),
    "sharpness": (osc.sharpness(), _sharpness),
    "boundary (width=5)": (osc.boundary(5), lambda x: _boundary(x, 5, 0.5)),
    "boundary (constant=0)": (osc.boundary(constant=0), lambda x: _boundary(x, 20, 0)),
    "l2": (osc.l2(), lambda x: np.sqrt(1e-6 + ((x - 0.5) ** 2).sum((1, 2, 3)))),
    "l2 (constant=−1)": (osc.l2(-1), lambda x: np.sqrt(1e-6 + ((x + 1) ** 2).sum((1, 2, 3)))),
}


@pytest.mark.parametrize("words", PENALTIES)
def test_values_and_gradients(squeezenet: osc.Model, words: str) -> None:
    objective, expected = PENALTIES[words]
    assert str(objective) == words
    images = np.random.default_rng(0).random((2, 32, 40, 3))
    value, gradient = osc.Gradient(squeezenet, objective, provider="cpu")(images.astype(np.float32))
    np.testing.assert_allclose(value, expected(images), rtol=1e-5)
    rng = np.random.default_rng(1)
    for _ in range(4):
        # Far smaller than the distance to the next kink.
        direction = rng.standard_normal(images.shape)
        step = 1e-9 * direction
        slope = (expected(images + step) - expected(images - step)) / 2e-9
        np.testing.assert_allclose((gradient * direction).sum((1, 2, 3)), slope, rtol=2e-4)


def test_a_step_against_sharpness_is_a_blur(squeezenet: osc.Model) -> None:
    """Lucid's `blur_input_each_step`: x − k · gradient is (1 − k) x + k blur(x)."""
    image = np.random.default_rng(2).random((1, 20, 24, 3), np.float32)
    _, gradient = osc.Gradient(squeezenet, osc.sharpness(), provider="cpu")(image)
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    blurred = 0.5 * image
    for down in range(3):
        for right in range(3):
            blurred = blurred + 0.5 * padded[:, down : down + 20, right : right + 24]
    inner = np.s_[:, 1:-1, 1:-1]
    np.testing.assert_allclose((image - gradient)[inner], (blurred / 5)[inner], atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 3)])
def test_tiny_pictures_have_penalties(squeezenet: osc.Model, size: tuple[int, int]) -> None:
    image = np.random.default_rng(2).random((2, *size, 3), np.float32)
    for objective in (osc.sharpness(), osc.boundary(), osc.total_variation(), osc.linf()):
        value, gradient = osc.Gradient(squeezenet, objective, provider="cpu")(image)
        assert (value >= 0).all()
        assert gradient.shape == image.shape


@pytest.mark.slow
@pytest.mark.parametrize("unit", [osc.channel("fire4", 9), osc.neuron("fire4", 9, y=3, x=3)])
def test_a_penalty_adds_to_what_a_unit_gives(squeezenet: osc.Model, unit: osc.Objective) -> None:
    images = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)

    def evaluate(objective: osc.Objective) -> tuple[np.ndarray, np.ndarray]:
        return osc.Gradient(squeezenet, objective, provider="cpu")(images)

    (value, gradient), (penalty, against) = evaluate(unit), evaluate(osc.total_variation())
    both, together = evaluate(unit - 0.01 * osc.total_variation())
    np.testing.assert_allclose(both, value - 0.01 * penalty, rtol=1e-5)
    np.testing.assert_allclose(together, gradient - 0.01 * against, atol=1e-6)


@pytest.mark.parametrize("precision", ["tf32", "float16"])
@pytest.mark.parametrize("transforms", [None, ()])
def test_a_penalty_sees_the_picture_before_the_transforms(
    squeezenet: osc.Model, transforms: object, precision: str
) -> None:
    seen = []
    picture = osc.render(
        squeezenet,
        -osc.l2(0.3),
        transforms=transforms,
        precision=precision,
        snapshots=(1, 2, 3),
        callback=lambda progress: seen.append(progress.value),
        batch=2,
        **QUICK,
    )
    # Each value is that of the picture before the step.
    for step in (1, 2, 3):
        before = np.asarray(picture.snapshots[step], np.float64)
        expected = -np.sqrt(1e-6 + ((before - 0.3) ** 2).sum((1, 2, 3)))
        np.testing.assert_allclose(picture.values[step], expected, rtol=1e-4)
    assert (np.diff(picture.values, axis=0) > 0).all()


@pytest.mark.slow
def test_a_penalty_makes_a_picture_smoother(squeezenet: osc.Model) -> None:
    plain = osc.render(squeezenet, "fire4:9", **QUICK | {"steps": 12})
    objective = osc.channel("fire4", 9) - 0.5 * osc.total_variation()
    smooth = osc.render(squeezenet, objective, **QUICK | {"steps": 12})
    assert _total_variation(smooth.images) < 0.7 * _total_variation(plain.images)
    assert str(objective) == "channel fire4:9 − 0.5 × total variation"


@pytest.mark.slow
def test_to_each_picture_its_own_penalty(squeezenet: osc.Model) -> None:
    images = np.random.default_rng(0).random((3, 48, 48, 3), np.float32)
    unit = osc.channel("fire2", 3)
    parts = [unit - osc.l1(), osc.l2(0), unit - osc.total_variation() * 2]
    value, gradient = osc.Gradient(squeezenet, osc.each(parts), provider="cpu")(images)
    for index, part in enumerate(parts):
        alone, slope = osc.Gradient(squeezenet, part, provider="cpu")(images[index])
        np.testing.assert_allclose(value[index], alone[0], rtol=1e-5)
        np.testing.assert_allclose(gradient[index], slope, atol=1e-6)
    inner = osc.each([osc.each([part]) for part in parts])
    np.testing.assert_allclose(osc.Gradient(squeezenet, inner, provider="cpu")(images)[0], value)


@pytest.mark.slow
def test_pictures_with_a_penalty_do_not_depend_on_how_they_are_divided(
    squeezenet: osc.Model,
) -> None:
    objective = osc.channel("fire4", 9) - 0.05 * osc.total_variation()
    together = osc.render(squeezenet, objective, batch=3, **QUICK)
    for size in (1, 2):
        divided = osc.render(squeezenet, objective, batch=3, batch_size=size, **QUICK)
        np.testing.assert_array_equal(divided.images, together.images)


@pytest.mark.slow
def test_a_penalty_is_verified(squeezenet: osc.Model) -> None:
    found = osc.verify(squeezenet, osc.channel("fire2", 3) - 1e-4 * osc.total_variation(), size=32)
    assert found.agrees, str(found)


@pytest.mark.slow
def test_functions_may_ask_for_the_picture_and_the_labels(squeezenet: osc.Model) -> None:
    given = {}

    @osc.objective("logits")
    def both(logits: osc.Tensor, *, image: osc.Tensor, labels: tuple[str, ...]) -> osc.Tensor:
        given["labels"] = labels
        return logits[:, labels.index("daisy")] - 10 * image.mean((1, 2, 3))

    @osc.objective()
    def light(*, image: osc.Tensor) -> osc.Tensor:
        return image.mean((1, 2, 3))

    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    value, _ = osc.Gradient(squeezenet, both - light, provider="cpu")(images)
    logits = squeezenet.activations(images, "logits")["logits"]
    expected = logits[:, 985] - 11 * images.mean((1, 2, 3))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert given["labels"] == squeezenet.labels
    assert str(light) == "light()"
    parts, _ = osc.Gradient(squeezenet, osc.each([light, -light]), provider="cpu")(images)
    np.testing.assert_allclose(parts, images.mean((1, 2, 3)) * (1, -1), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.objective()(lambda: 0), "looks at no layer and not at the picture"),
        (lambda: osc.objective()(lambda *, labels: 0), "looks at no layer and not at the"),
        (
            lambda: osc.objective("a")(lambda a, *, layers: 0),
            "asks for 'layers'.* image and labels",
        ),
        (lambda: osc.l1("x"), "the constant of a penalty must be a number, not 'x'"),
        (lambda: osc.l2(float("nan")), "must be finite"),
        (lambda: osc.boundary(0), "the width of a boundary must be at least 1, not 0"),
        (lambda: osc.boundary(3, "x"), "the constant of a penalty must be a number, not 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises((TargetError, InputError), match=message):
        make()


def test_an_objective_that_looks_at_nothing_is_refused(squeezenet: osc.Model) -> None:
    for nothing in (Number(3), 2 * Number(3)):
        with pytest.raises(TargetError, match="looks at no layer and not at the picture"):
            osc.render(squeezenet, nothing, **QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("transforms", [None, ()])
@pytest.mark.parametrize("optimizer", [osc.Adam(), _OnTheHost()])
def test_a_penalty_does_not_keep_a_dead_unit_dead(
    squeezenet: osc.Model, transforms: object, optimizer: osc.Adam
) -> None:
    dead = osc.neuron("fire7", 33)
    weak = dead - 1e-6 * osc.total_variation()
    given = {"transforms": transforms, "optimizer": optimizer, "batch": 2, **QUICK, "steps": 16}
    plain, penalised = (osc.render(squeezenet, o, **given) for o in (dead, weak))
    assert not plain.values[0].any()
    assert (plain.values[-1] > 1).all()
    assert (penalised.values[-1] > 1).all()


def test_a_class_that_looks_at_the_picture_says_so(squeezenet: osc.Model) -> None:
    class Dark(Leaf):
        def layers(self) -> tuple[str, ...]:
            return ("fire2",)

        def build(self, seen: Seen) -> osc.Tensor:
            return -seen.image.mean((1, 2, 3))

    with pytest.raises(TargetError, match="let its class say so: sees_picture is True"):
        osc.render(squeezenet, Dark(), **QUICK)
