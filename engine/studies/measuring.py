"""What photographs are ranked by: each unit's strongest cell or its mean, or its relevance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, LayerError, TargetError
from ..gradient.objective import append_objective
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..network.layers.axes import Grid
from ..network.model import Model
from ..objectives.algebra import Objective, check_objective
from ..objectives.classes import LOGITS
from ..objectives.preactivation import without_activation
from ..objectives.ranges import expand_targets
from ..objectives.targets import find_unit, is_plain, resolve
from ..plain import shown, text
from .scene import Chosen, Scene

if TYPE_CHECKING:
    import onnx

    from ..rules.table import RuleTable

MEASURES = ("max", "mean")
HIGHEST = "highest"


@dataclass(frozen=True)
class Aim:
    """Units of a layer, or an objective, whose values photographs are ranked by.

    Attributes:
        title: What to call it: the layer's name, or the objective in words.
        layer: The name of the layer's value; empty for an objective.
        units: Which of the layer's units; of an objective the one number 0.
        objective: The objective; `None` for units of a layer.
    """

    title: str
    layer: str
    units: tuple[int, ...]
    objective: Objective | None = None


def aims_of(model: Model, targets: object) -> list[Aim]:
    """Return what targets mean, those of one layer together, in the order in which they come.

    Args:
        model: The model.
        targets: One or several, as `objectives.targets.resolve` takes them, or with several units
            each; a layer alone means all of its units. Objectives as well.

    Raises:
        OnnxscopeError: a target means nothing in the model.
    """
    listed = [targets] if isinstance(targets, str | Objective) else targets
    if not isinstance(listed, Sequence) or not listed:
        raise TargetError(f"targets must be such as 'fire5' or 'fire5:11', not {shown(targets)}")
    units: dict[str, dict[int, None]] = {}
    objectives: dict[str, Objective] = {}
    for target in listed:
        if isinstance(target, str):
            for one in expand_targets(model, [text("a target", target, "such as 'fire5:11'")]):
                if not is_plain(model, one):
                    objectives[one] = resolve(model, one)
                    continue
                name, unit = find_unit(model, one)
                layer = model.layers[name]
                wanted = range(layer.channels) if unit is None else (unit,)
                layer.check_channel(max(wanted))
                units.setdefault(layer.name, {}).update(dict.fromkeys(wanted))
        elif isinstance(target, Objective):
            objectives[str(target)] = check_objective(target)
        else:
            raise TargetError(f"a target is such as 'fire5:11', or an objective: {shown(target)}")
    for name, objective in objectives.items():
        if objective.mixes_pictures:
            raise TargetError(f"{name} compares pictures; here each photo counts by itself")
    return [
        *(Aim(model.layers[name].title, name, tuple(sorted(of))) for name, of in units.items()),
        *(Aim(name, "", (0,), objective) for name, objective in objectives.items()),
    ]


@dataclass(frozen=True)
class Measure:
    """What of a unit's cells counts.

    Attributes:
        by: `max`, the strongest cell, or `mean`, over all cells.
        relevance: The objective to which a cell's relevance counts, its value times the gradient;
            `"highest"` is each photo's class with the highest score, `None` the value itself.
        before_activation: Whether the layers' activation functions are left out.
    """

    by: str = "max"
    relevance: Objective | str | None = None
    before_activation: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or self.by not in MEASURES:
            raise InputError(f"by must be one of {', '.join(MEASURES)}, not {shown(self.by)}")
        if self.relevance is not None and self.before_activation:
            raise InputError("relevance is of the values behind the activation function")

    @property
    def words(self) -> str:
        """What is measured, such as `"relevance to daisy, strongest cell"`."""
        of = "activation"
        if self.relevance is not None:
            to = "the class with the highest score" if self.relevance == HIGHEST else self.relevance
            of = f"relevance to {to}"
        before = " before the activation function" if self.before_activation else ""
        return f"{of}{before}, {'strongest cell' if self.by == 'max' else 'mean over all cells'}"


@dataclass(frozen=True)
class Cells:
    """How the cells of an aim lie.

    Attributes:
        rows: How many; 0 where a value belongs to no place.
        columns: How many.
    """

    rows: int
    columns: int


def measuring_graph(
    model: Model,
    aims: Sequence[Aim],
    measure: Measure,
    shape: tuple[int, int, int, int],
    rules: RuleTable,
) -> tuple[onnx.ModelProto, list[Cells]]:
    """Return the graph that measures photographs, and where each aim has its cells.

    Args:
        model: The network.
        aims: What is measured.
        measure: How.
        shape: Of the pictures, (N, 3, H, W).
        rules: Gradient rules, for relevance.

    Returns:
        From `image` to `values/0` (N, U) float32 and `places/0` (N, U) int64 for the first aim, and
        so on; the place is an index into rows and columns together.

    Raises:
        LayerError: a layer cannot be measured so.
        TargetError: the relevance has no gradient at a layer.
    """
    builder = Builder("examples", opset=model.opset)
    image = builder.input("image", shape, np.float32)
    layers = [aim.layer for aim in aims if aim.layer]
    if measure.relevance is not None:
        found = _relevances(model, aims, measure.relevance, image, rules)
    else:
        values = model.append(image, layers) if layers else None
        found = []
        for aim in aims:
            if values is None or not aim.layer:
                assert aim.objective is not None
                found.append((append_objective(model, aim.objective, image).reshape(-1, 1), None))
                continue
            value = values[aim.layer]
            value = without_activation(value) if measure.before_activation else value
            found.append((value, values.grids.get(aim.layer)))
    builder.graph.outputs.clear()
    lying = []
    for number, (aim, (value, grid)) in enumerate(zip(aims, found, strict=True)):
        strengths, places, cells = _measured(value, grid, measure.by)
        if aim.units != tuple(range(strengths.shape[1])):
            chosen = builder.constant(np.array(aim.units, np.int64))
            strengths = builder.op.Gather(strengths, chosen, axis=1)
            places = builder.op.Gather(places, chosen, axis=1)
        builder.output(f"values/{number}", strengths.astype(np.dtype(np.float32)))
        builder.output(f"places/{number}", places)
        lying.append(cells)
    return model_of(builder), lying


def _measured(value: Tensor, grid: Grid | None, by: str) -> tuple[Tensor, Tensor, Cells]:
    """(N, C) values, (N, C) places, and how cells lie, of (N, C, H, W), (N, C, L) or (N, C)."""
    op = value.op
    if value.rank == 2:
        return value, op.ArgMax(value.reshape(*value.shape, 1), axis=2, keepdims=0), Cells(0, 0)
    if value.rank == 3:
        if grid is not None:
            value = value[:, :, grid.before : grid.before + grid.height * grid.width]
        cells = Cells(0, 0) if grid is None else Cells(grid.height, grid.width)
    else:
        cells = Cells(*value.shape[2:])
        value = value.reshape(*value.shape[:2], cells.rows * cells.columns)
    places = op.ArgMax(value, axis=2, keepdims=0)
    if by == "max":
        return op.ReduceMax(value, op.constant([2], np.int64), keepdims=0), places, cells
    return value.mean([2]), places, cells


def _relevances(
    model: Model,
    aims: Sequence[Aim],
    relevance: Objective | str,
    image: Tensor,
    rules: RuleTable,
) -> list[tuple[Tensor, Grid | None]]:
    """Each layer's cells times their gradient, (N, C, H, W)."""
    for aim in aims:
        if not aim.layer:
            raise TargetError(f"relevance is that of a layer's units, and {aim.title} is none")
    objective = Chosen(None) if isinstance(relevance, str) else relevance
    layers = [aim.layer for aim in aims]
    ends = [model.logits() if name == LOGITS else name for name in objective.layers()]
    same = next((name for name in layers if name in ends), None)
    if same is not None:
        raise LayerError(f"{same} is what {objective} is read from: choose a layer before it")
    scene = Scene(model, objective, image, rules)
    return [(cells.values * cells.gradient, None) for cells in scene.cells_of(layers)]
