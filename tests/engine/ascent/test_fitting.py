"""Which optimizer is taken where none is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent.fitting import fitting_optimizer
from onnxscope.ascent.optimizers import Optimizer
from onnxscope.errors import InputError
from onnxscope.parameterizations.base import PARAMETERIZATIONS
from onnxscope.pictures.sameness import difference
from onnxscope.store.questions import in_plain_data

FALLING = osc.Adam(0.075, schedule=osc.Linear(last=0.1, hold=0.5))
SMALL = {"adam": {"learning_rate": 0.005, "beta1": 0.9, "beta2": 0.999}}


class Unsteady(osc.Fourier):
    """A picture of the user's own that states what is no optimizer."""

    fitting_optimizer: ClassVar[Mapping[str, Any]] = {"adam": {"learning_rate": -1}}


@pytest.mark.parametrize(
    ("made_of", "fitting"),
    [
        (None, FALLING),
        (osc.Fourier(), FALLING),
        (osc.Laplacian(), osc.Adam()),
        (osc.Cppn(), osc.Adam(0.005, 0.9, 0.999)),
        (osc.Maco(), osc.Adam(0.2)),
        (osc.transparent(osc.Cppn(), osc.Fourier()), osc.Adam(0.005, 0.9, 0.999)),
        # What the opacity is made of has no say.
        (osc.transparent(osc.Fourier(), osc.Cppn()), FALLING),
        (osc.fixed({0: 0.5}, osc.Cppn()), osc.Adam(0.005, 0.9, 0.999)),
    ],
)
def test_what_fits(made_of: osc.Parameterization | None, fitting: Optimizer) -> None:
    assert fitting_optimizer(made_of) == fitting


@pytest.mark.parametrize("kind", PARAMETERIZATIONS.kinds.values(), ids=PARAMETERIZATIONS.names)
def test_what_any_kind_states_can_be_read(kind: type) -> None:
    assert isinstance(fitting_optimizer(kind), Optimizer)


def test_a_picture_says_which_one_it_was(squeezenet: osc.Model) -> None:
    made = {"parameterization": osc.Cppn(6, 2), "steps": 2, "size": 32}
    picture = osc.render(squeezenet, "fire2:5", provider="cpu", **made)
    assert picture.recipe.optimizer["adam"].items() >= SMALL["adam"].items()
    asked = osc.render(squeezenet, "fire2:5", provider="cpu", optimizer=osc.Adam(), **made)
    assert asked.recipe.optimizer["adam"].items() >= {"learning_rate": 0.05, "beta1": 0.7}.items()
    assert not np.array_equal(picture.images, asked.images)
    # A project and a folder of pictures mean the same one.
    assert in_plain_data(made)["optimizer"]["adam"].items() >= SMALL["adam"].items()
    fire = osc.channel("fire2", 5)
    settings = {**made, "size": (32, 32), "leak": 0.1}
    assert not difference(picture.recipe, squeezenet, fire, settings)


def test_what_is_no_optimizer_is_refused(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match="the learning rate must be positive, not -1"):
        osc.render(squeezenet, "fire2:5", size=32, steps=1, parameterization=Unsteady())
