"""`blocks`: a photograph as a network sees it, layer by layer, in pictures and numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, LayerError
from ..images import as_batch, as_photos, as_uint8, fitted_to
from ..network.class_scores import ClassScores, class_scores
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour, pixels_of
from ..plain import a_function, listed, texts, whole
from ..runtime.session import Session, check_provider, choose_provider, open_for
from . import influence
from .anatomy import Blocks, Class, Groups, LayerBlocks
from .factors import Factors, check_scikit_learn, factorised
from .graphs import scores
from .grids import PhotoLayer, cells_of, layers_called, usual_layers
from .influence import strongest_units, telling_units
from .miniatures import Miniatures, Report
from .pullback import Pullback

if TYPE_CHECKING:
    from ..images import Photo

GROUPS = (2, 3, 4, 5, 6, 7, 8)
"""The numbers of groups that a layer's neurons are divided into."""


def blocks(
    model: Model | str,
    photo: Photo,
    layers: Sequence[str] | None = None,
    *,
    classes: int = 5,
    units: int = 4,
    groups: Sequence[int] = GROUPS,
    size: int | None = None,
    steps: int = 32,
    seed: int = 0,
    provider: str = "auto",
    report: Report | None = None,
) -> Blocks:
    """Take apart what a network sees in a photograph.

    Of a few layers each cell gets a picture of what stands there, the units that it is made of, the
    cells that influence it and what it influences, up to the classes; and neurons get groups that
    fire together (Olah et al., *The Building Blocks of Interpretability*, Distill 2018).

    Args:
        model: A model, or what `onnxscope.load` takes.
        photo: As `onnxscope.fit` takes it: the middle is shown to the network.
        layers: Names of layers with cells; by default four, evenly from an early one to the last.
        classes: How many classes are looked at, those with the highest scores; 0 for none.
        units: How many of a cell's strongest units are shown.
        groups: Numbers of groups that neurons are divided into, each by itself; () for none. It
            takes scikit-learn.
        size: Side of the small pictures, in pixels; by default 40 for layers whose cells see less
            than 64, else 64.
        steps: How many steps each of them climbs.
        seed: Of all that is random.
        provider: See `onnxscope.render`.
        report: Called with what is being done, in words.

    Raises:
        InputError: the photo cannot be read, or an argument is of another kind.
        LayerError: a layer is not there, or has no cells.
        OnnxscopeError: see `onnxscope.load` and `onnxscope.render`.
    """
    maker = BlockMaker(
        model,
        layers,
        classes=classes,
        units=units,
        groups=groups,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
    )
    return maker(photo, report=report)


class BlockMaker:
    """Takes photographs apart, one after the other (see `blocks`); pictures of units are kept.

    Attributes:
        model: The network.
        layers: Those that are looked at, from the first to the last.
    """

    def __init__(
        self,
        model: Model | str,
        layers: Sequence[str] | None = None,
        *,
        classes: int = 5,
        units: int = 4,
        groups: Sequence[int] = GROUPS,
        size: int | None = None,
        steps: int = 32,
        seed: int = 0,
        provider: str = "auto",
    ) -> None:
        """Prepare (see `blocks`).

        Raises:
            OnnxscopeError: see `blocks`.
        """
        self._provider = check_provider(provider)
        self._wanted = whole("classes", classes, 0, 100)
        self._strongest = whole("units", units, 1, 100)
        counts = listed("groups", groups, "numbers of groups, such as (2, 4, 6)")
        self._counts = sorted({whole("each number of groups", count, 1, 64) for count in counts})
        side = None if size is None else whole("size", size, 8, 1024)
        steps, seed = whole("steps", steps, 1), whole("seed", seed, 0, None)
        if self._counts:
            check_scikit_learn()
        self.model = in_colour(model if isinstance(model, Model) else load(model))
        if layers is None:
            self.layers = usual_layers(self.model)
        else:
            named = texts("layers", layers, "names of layers", LayerError)
            self.layers = layers_called(self.model, list(named))
        if not self.layers:
            raise InputError("layers names none; leave it out for the usual ones")
        self._pixels = pixels_of(self.model, None)
        self._scores = self._find_scores()
        self._scoring: Session | None = None
        self._pullbacks: dict[str, Pullback] = {}
        self._miniatures = {
            layer.name: Miniatures(
                self.model, layer, side=side, steps=steps, seed=seed, provider=self._provider
            )
            for layer in self.layers
        }

    def __call__(self, photo: Photo, *, report: Report | None = None) -> Blocks:
        """Take a photograph apart (see `blocks`).

        Raises:
            OnnxscopeError: see `blocks`.
        """
        if report is not None:
            a_function("report", report, "what is being done, in words", takes=1)
        report = report or _told_to_nobody
        given = as_photos(photo)
        if len(given) != 1:
            raise InputError(f"blocks takes one photo at a time, not {len(given)}")
        shown = given[0]
        if shown.shape[:2] != self._pixels:
            shown = fitted_to(shown, *self._pixels)
        if shown.dtype != np.uint8:
            shown = as_uint8(shown)
        report("running the network")
        picture = as_batch(shown)[0]
        every = cells_of(self.model, shown, self.layers, self._provider)
        classes = self._classes(picture)
        gradients = self._class_gradients(picture, every, classes, report)
        factors = [self._factors(cells, report) for cells in every]
        taken = []
        for at, cells in enumerate(every):
            groups = self._groups(at, every, factors, gradients, picture, report)
            one = self._of_cells(cells, every[:at], gradients, picture, report)
            taken.append(self._with_pictures(one, groups, cells, report))
        name = Path(os.fspath(photo)).name if isinstance(photo, str | os.PathLike) else "photo"
        return Blocks(shown, name, self.model.name, tuple(classes), tuple(taken))

    # Classes --------------------------------------------------------------------------------------

    def _find_scores(self) -> ClassScores | None:
        """The layer of class scores of a classifier; `None` for networks that are none."""
        if not self._wanted:
            return None
        try:
            found = class_scores(self.model)
        except LayerError:
            return None
        return None if found.places else found

    def _classes(self, picture: np.ndarray) -> list[Class]:
        """The classes with the highest scores, the highest first."""
        if self._scores is None:
            return []
        count = self.model.fixed_batch or 1
        if self._scoring is None:
            proto = scores(self.model, (count, 3, *self._pixels))
            self._scoring = open_for(lambda _: proto, choose_provider(self._provider))
        found = self._scoring.run({"image": np.repeat(picture[None], count, axis=0)})["scores"][0]
        exact = found.astype(np.float64)
        probabilities = np.exp(exact - exact.max())
        probabilities /= probabilities.sum()
        labels = self.model.labels
        return [
            Class(
                int(index),
                labels[index].split(",")[0] if index < len(labels) else f"class {index}",
                float(found[index]),
                float(probabilities[index]),
            )
            for index in np.argsort(-found, kind="stable")[: self._wanted]
        ]

    def _class_gradients(
        self, picture: np.ndarray, every: list[PhotoLayer], classes: list[Class], report: Report
    ) -> dict[str, np.ndarray]:
        """By layers' names the gradients of the classes, (classes, C, rows, columns)."""
        if self._scores is None:
            return {}
        report("what speaks for the classes")
        names = [cells.layer.name for cells in every]
        pullback = self._pullback(self._scores.layer, names)
        indices = [one.index for one in classes]
        return influence.to_classes(pullback, picture, indices, self._scores.count, names)

    # Layers ---------------------------------------------------------------------------------------

    def _of_cells(
        self,
        cells: PhotoLayer,
        before: list[PhotoLayer],
        gradients: dict[str, np.ndarray],
        picture: np.ndarray,
        report: Report,
    ) -> LayerBlocks:
        """All of a layer but its groups and its pictures."""
        name, title = cells.layer.name, cells.layer.title
        influences: dict[str, np.ndarray] = {}
        if before:
            report(f"{title}: what influences its cells")
            pullback = self._pullback(name, [one.layer.name for one in before])
            found = influence.to_cells(pullback, picture, cells, before)
            influences = {one.layer.title: found[one.layer.name] for one in before}
        maps = channels = None
        unit_maps: dict[tuple[int, int], np.ndarray] = {}
        if name in gradients:
            gradient = gradients[name]
            maps = influence.by_place(cells, gradient)
            channels = influence.by_channel(cells, gradient)
            unit_maps = {
                (which, unit): influence.by_unit_place(cells, gradient[which], unit)
                for which in range(len(gradient))
                for unit in telling_units(channels[which])
            }
        return LayerBlocks(
            name=title,
            cells=(cells.places.rows, cells.places.columns),
            vectors=cells.vectors,
            pictures=np.zeros((*cells.vectors.shape[:2], 0, 0, 3), np.uint8),
            units={},
            strongest=self._strongest,
            class_maps=maps,
            class_channels=channels,
            unit_maps=unit_maps,
            influences=influences,
            groups={},
        )

    def _with_pictures(
        self, layer: LayerBlocks, groups: list[Groups], cells: PhotoLayer, report: Report
    ) -> LayerBlocks:
        vectors = layer.vectors
        shown = {unit for _, unit in layer.unit_maps}
        for vector in vectors.reshape(-1, vectors.shape[2]):
            shown.update(strongest_units(vector, self._strongest))
        miniatures = self._miniatures[cells.layer.name]
        wanted = [vectors, *(one.factors.vectors for one in groups)]
        pictures, *of_groups = miniatures.make(wanted, sorted(shown), report)
        return replace(
            layer,
            pictures=pictures,
            units=miniatures.units(sorted(shown)),
            groups={
                len(one): replace(one, pictures=made)
                for one, made in zip(groups, of_groups, strict=True)
            },
        )

    # Groups ---------------------------------------------------------------------------------------

    def _factors(self, cells: PhotoLayer, report: Report) -> list[Factors]:
        """A layer's neurons in groups, by the numbers of groups."""
        if self._counts:
            report(f"{cells.layer.title}: groups of neurons")
        most = min(cells.layer.channels, cells.places.height * cells.places.width)
        return [factorised(cells.vectors, count) for count in self._counts if count <= most]

    def _groups(
        self,
        at: int,
        every: list[PhotoLayer],
        factors: list[list[Factors]],
        gradients: dict[str, np.ndarray],
        picture: np.ndarray,
        report: Report,
    ) -> list[Groups]:
        """The groups of a layer without pictures, with what they do and what flows to them."""
        cells = every[at]
        found = []
        for own in factors[at]:
            effects = None
            if cells.layer.name in gradients:
                gradient = gradients[cells.layer.name]
                effects = influence.by_group(cells, gradient, own.maps, own.vectors).T
            found.append(Groups(own, np.zeros((len(own), 0, 0, 3), np.uint8), effects))
        if not at or not found:
            return found
        report(f"{cells.layer.title}: what flows to its groups")
        before = every[at - 1]
        earlier = {len(one): one for one in factors[at - 1]}
        names = [one.layer.name for one in every[:at]]
        amounts = (
            row for own in factors[at] for row in influence.amounts_of(cells, own.maps, own.vectors)
        )
        rows = self._pullback(cells.layer.name, names)(picture, amounts)
        flowing = []
        for one in found:
            gradient = np.stack([next(rows)[before.layer.name] for _ in range(len(one))])
            other = earlier.get(len(one))
            flow = None
            if other is not None:
                flow = influence.by_group(before, gradient, other.maps, other.vectors).T
            flowing.append(replace(one, flow=flow))
        return flowing

    def _pullback(self, target: str, sources: list[str]) -> Pullback:
        if target not in self._pullbacks:
            self._pullbacks[target] = Pullback(
                self.model, target, sources, self._pixels, self._provider
            )
        return self._pullbacks[target]


def _told_to_nobody(what: str) -> None:
    del what
