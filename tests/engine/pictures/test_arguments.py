"""What users give: NumPy's numbers count, and anything else gets a sentence that names it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest

QUICK = {"size": 32, "steps": 1, "provider": "cpu"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 64.0}, "size must be a whole number, not 64.0; expected pixels, such as 224"),
        ({"size": (64, 80, 3)}, r"not \(64, 80, 3\); expected pixels, such as 224 or"),
        ({"size": (64, "80")}, "size must be a whole number, not '80'"),
        ({"size": "64"}, "size must be a whole number, not '64'"),
        ({"provider": None}, "provider must be a name such as 'auto' or 'cpu', not None"),
        ({"steps": 3.5}, "steps must be a whole number, not 3.5"),
        ({"steps": True}, "steps must be a whole number, not True"),
        ({"seed": None}, "seed must be a whole number, not None"),
        ({"batch": "2"}, "batch must be a whole number, not '2'"),
        ({"redirect_steps": -1}, "redirect_steps must be at least 0, not -1"),
        ({"transforms": osc.pad(3)}, r"transforms must be a list such as \[pad\(3\)"),
        ({"transforms": [3]}, "transforms must hold transforms such as pad"),
        ({"snapshots": 2}, r"snapshots must be a list of steps, such as \(1, 32, 128\), not 2"),
        ({"snapshots": [1.5]}, "each step of snapshots must be a whole number, not 1.5"),
        (
            {"parameterization": "fourier"},
            r"parameterization must be .* Fourier\(\), not 'fourier'",
        ),
        ({"parameterization": osc.Fourier}, "parameterization must be an object"),
        ({"optimizer": 0.05}, r"optimizer must be an object such as Adam\(0.05\), not 0.05"),
        (
            {"callback": lambda: 0},
            "callback must be a function of one argument, a Progress: too",
        ),
        ({"callback": 5}, "callback must be a function of one argument, a Progress, not 5"),
        ({"objective": None}, "expected an objective such as channel.*, not None"),
        ({"objective": 5}, "expected an objective such as channel.*, not 5"),
        ({"objective": ["fire2:1", 5]}, "expected an objective such as channel.*, not 5"),
        ({"objective": []}, "each takes a list of objectives, at least one"),
        ({"provider": ""}, "provider must be a name such as 'auto' or 'cpu', not ''"),
    ],
)
def test_render_names_the_argument(
    squeezenet: osc.Model, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(osc.OnnxscopeError, match=message) as caught:
        osc.render(squeezenet, **{"objective": "fire2:1", **QUICK, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.channel("fire8", "5"), "unit of a channel must be a whole number, not '5'"),
        (lambda: osc.channel(8, 5), "a layer is given by its name, such as 'mixed4a', not 8"),
        (lambda: osc.neuron("fire8", 5, y=1.0), "y of a neuron must be a whole number, not 1.0"),
        (lambda: osc.layer(None), "a layer is given by its name, such as 'mixed4a', not None"),
        (lambda: osc.each(osc.layer("a")), "each takes a list of objectives"),
        (lambda: osc.each(["a:1"]), "expected an objective such as channel.*, not 'a:1'"),
        (lambda: osc.before_activation("a:1"), "expected an objective such as channel"),
        (lambda: osc.channel("a", 1) + None, "combined with objectives and numbers, not with None"),
        (
            lambda: osc.channel("a", 1) * np.zeros(3),
            "combined with objectives and numbers, not with array",
        ),
        (lambda: osc.channel("a", 1) * float("nan"), "must be finite, not nan"),
        (lambda: osc.objective(lambda a: a), "names of the function's layers, as in @objective"),
        (lambda: osc.objective()(lambda: 0), "looks at no layer and not at the picture"),
        (lambda: osc.objective("a")("b"), "objective decorates a function, not 'b'"),
        (lambda: osc.rotate(10), r"rotate takes a list of numbers such as \[-5, 0, 5\], not 10"),
        (lambda: osc.scale(1.1), r"scale takes a list of numbers such as .*, not 1.1"),
        (lambda: osc.scale([1, float("inf")]), "each number of scale must be finite, not inf"),
        (lambda: osc.scale([0.5, 0]), "positive factors, not 0"),
        (lambda: osc.pad(2.5), "pixels of pad must be a whole number, not 2.5"),
        (lambda: osc.pad(2, color=float("nan")), "color of pad must be finite, not nan"),
        (lambda: osc.pad(2, color=1.5), r"color of pad must be in \[0, 1\], not 1.5"),
        (lambda: osc.jitter(-1), "pixels of jitter must be at least 0, not -1"),
        (lambda: osc.Pixels(sd=-0.1), "sd must be at least 0, not -0.1"),
        (lambda: osc.Pixels(sd=1e300), r"sd must be between ±3.4e\+38, not 1e\+300"),
        (lambda: osc.Fourier(sd=float("nan")), "sd must be finite, not nan"),
        (lambda: osc.Fourier(decorrelate="no"), "decorrelate must be true or false, not 'no'"),
        (lambda: osc.Adam("fast"), "learning_rate must be a number, not 'fast'"),
        (lambda: osc.Adam(beta2=1.0), "beta2 must be at least 0 and less than 1, not 1"),
    ],
)
def test_constructors_name_the_argument(make: Callable[[], object], message: str) -> None:
    with pytest.raises(osc.OnnxscopeError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_numbers_of_numpy_count(squeezenet: osc.Model) -> None:
    objective = osc.channel("fire2", np.int64(5)) * np.float32(2)
    assert objective == osc.channel("fire2", 5) * 2.0
    assert np.float32(2) * osc.layer("a") == 2 * osc.layer("a")
    assert np.float64(1) - osc.layer("a") == 1 - osc.layer("a")
    picture = osc.render(
        squeezenet,
        objective,
        size=np.int64(32),
        steps=np.int32(2),
        seed=np.uint8(3),
        batch=np.int64(1),
        snapshots=np.array([1, 2]),
        provider="cpu",
        parameterization=osc.Fourier(sd=np.float32(0.02), decorrelate=np.True_),
        transforms=[osc.pad(np.int64(2)), osc.scale(np.array([0.9, 1.1]))],
        optimizer=osc.Adam(np.float32(0.1)),
    )
    assert picture.images.shape == (1, 32, 32, 3)
    assert sorted(picture.snapshots) == [1, 2]
    assert osc.Recipe.from_text(picture.recipe.to_text()) == picture.recipe
    wide = osc.render(squeezenet, "fire2:1", **{**QUICK, "size": np.array([32, 40])})
    assert wide.images.shape == (1, 32, 40, 3)
