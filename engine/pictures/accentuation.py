"""Accentuation: what of a photograph a unit sees, made stronger, the rest staying as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..ascent.composition import Composition
from ..ascent.graphs import Graphs
from ..ascent.loop import Callback
from ..ascent.optimizers import Adam, Optimizer
from ..ascent.streams import Streams
from ..errors import InputError, TargetError
from ..network.loading import load
from ..network.model import Model
from ..network.photos import sizes_of
from ..objectives.algebra import Objective, check_objective
from ..objectives.levels import toward as toward_value
from ..objectives.photos import difference
from ..objectives.targets import resolve
from ..parameterizations.base import Parameterization
from ..parameterizations.fourier import natural
from ..parameterizations.started import Started
from ..plain import real
from ..planes import kept, kept_in_form
from ..runtime.finished import Graph
from ..runtime.session import Session, open_for
from ..transforms.base import Transform
from ..transforms.composition import compose
from ..transforms.presets import fitting
from .arguments import check_climbing
from .picture import Picture
from .rendering import render

if TYPE_CHECKING:
    from ..images import Photo

_DRAWN = 4
"""In how many random transforms the gradients are measured."""


def accentuate(
    model: Model | str,
    objective: Objective | str,
    photo: Photo,
    *,
    layer: str,
    strength: float = 1.0,
    toward: float | None = None,
    size: int | tuple[int, ...] | None = None,
    of: Parameterization | None = None,
    transforms: Sequence[Transform] | None = None,
    steps: int = 100,
    seed: int = 0,
    batch: int = 1,
    provider: str = "auto",
    optimizer: Optimizer | None = None,
    snapshots: Collection[int] = (),
    callback: Callback | None = None,
    cache: bool = True,
) -> Picture:
    """Make a photograph more of what a unit sees in it.

    As in Hamblin et al., *Feature Accentuation: Revealing 'What' Features Respond to in Natural
    Images* (2024). The ascent starts from the photo and climbs objective − weight · ‖a − b‖ / ‖b‖,
    where a and b are a layer on the picture and on the photo, both in the same transform (see
    `difference`). The weight is `strength` times the ratio of the two gradients at the start, of
    the sums of their magnitudes over all parameters, so that at a strength of 1 both weigh alike;
    it stands in the recipe.

    Args:
        model: As for `render`.
        objective: What the unit sees, as for `render`, one for all pictures.
        photo: As for `start`.
        layer: Where the picture stays near the photo: an early one keeps more of it.
        strength: How near, at least 0; at 0 it only starts from the photo.
        toward: The value that the objective shall reach, instead of growing (see `toward`).
        size: As for `render`.
        of: What the picture is made of; by default `Fourier(decay_power=1, fine_decay=0)`.
        transforms: As for `render`.
        steps: How many steps to climb.
        seed: As for `render`; it draws the transforms.
        batch: As for `render`.
        provider: As for `render`.
        optimizer: By default Adam with its paper's memory, which stays nearer to a photo, and to a
            value, than `Adam()`.
        snapshots: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The picture. Its values are those of the whole objective.

    Raises:
        InputError: an argument is of another kind.
        TargetError: neither the objective nor the layer has a gradient at the photo.
        OnnxscopeError: see `render`.
    """
    strength = real("strength", strength)
    if strength < 0:
        raise InputError(f"strength must be at least 0, not {strength:g}")
    # Before the gradients are measured, which takes its time.
    climbing = check_climbing(
        steps=steps,
        seed=seed,
        batch=batch,
        provider=provider,
        optimizer=Adam(beta1=0.9, beta2=0.999) if optimizer is None else optimizer,
        snapshots=snapshots,
        callback=callback,
        cache=cache,
    )
    if not isinstance(model, Model):
        model = load(model, cache=climbing.cache)
    wanted = resolve(model, objective) if isinstance(objective, str) else check_objective(objective)
    if wanted.mixes_pictures:
        raise TargetError(f"{wanted} compares pictures; accentuate makes each of one photo")
    if toward is not None:
        wanted = toward_value(wanted, toward)
    array = kept(photo)
    start = Started(natural() if of is None else of, array)
    near = difference(layer, array)
    depth, height, width = sizes_of(model, size)
    form = model.form.with_depth(depth)
    # A picture of another form is refused before any work.
    kept_in_form(array, form, (height, width))
    if strength:
        warps = compose(fitting(form, height, width) if transforms is None else transforms)
        weight = strength * balance(model, wanted, near, start, warps, size)
        wanted = wanted - weight * near
    return render(
        model,
        wanted,
        size=size,
        parameterization=start,
        transforms=transforms,
        **vars(climbing),
    )


def balance(
    model: Model,
    wanted: Objective,
    near: Objective,
    start: Started,
    transforms: tuple[Transform, ...],
    size: int | tuple[int, ...] | None,
) -> float:
    """Measure how much larger the gradient of one objective is than that of another at a photo.

    At the photo itself a distance from it has no gradient, and right beside it has its full one: so
    it is measured with as much noise as an ascent starts from.

    Raises:
        TargetError: one of them has no gradient there.
    """
    depth, height, width = sizes_of(model, size)
    noisy = Started(start.of, start.picture, 1.0)
    sums = []
    for one in (wanted, near):
        composition = Composition(
            model, one.part(0, 1), noisy, transforms, 1, height, width, depth=depth
        )
        session = _opened(Graphs(composition).gradient("cpu"))
        streams = Streams(composition, 0)
        parameters = streams.parameters()
        total = 0.0
        for _ in range(_DRAWN):
            found = session.run({**parameters, **streams.data()})
            total += sum(
                float(np.abs(array.astype(np.float64)).sum())
                for name, array in found.items()
                if name.startswith("grad_")
            )
        if not (np.isfinite(total) and total > 0):
            raise TargetError(
                f"{one} has no gradient at the photo, so that its strength beside the other cannot "
                "be told"
            )
        sums.append(total)
    return sums[0] / sums[1]


def _opened(graph: Graph) -> Session:
    return open_for(lambda _: graph.model, "cpu")
