"""In how far the pictures of a project can be trusted, by the photographs that it looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import OnnxscopeError
from ..network.layers.layer import Layer
from ..network.model import Model
from ..studies.collection import read_examples
from ..studies.measuring import Aim
from ..studies.scorer import Scorer
from ..studies.second_eye import SecondEye
from .kinds import KINDS
from .photos import LAYER_SUFFIX, layer_question, score_question
from .plan import SCORES, Plan
from .project import Project, Writer

_AT_ONCE = 8
"""So many units are scored together; memory grows with them."""


@dataclass
class Scoring:
    """How far the scores of a project have come.

    Attributes:
        units: How many units there are.
        made: How many were scored now.
        there: How many had been before.
        waiting: How many have no picture yet, or no photographs.
        failed: Layers that cannot be scored, with the reason.
        out_of_time: Whether the time that there was ended it early.
    """

    units: int
    made: int = 0
    there: int = 0
    waiting: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    out_of_time: bool = False


def score_pictures(
    plan: Plan,
    project: Project,
    *,
    eye: Model | None = None,
    seconds: float | None = None,
    done: Callable[[Scoring, Layer], object] | None = None,
) -> Scoring:
    """Compute the scores of a plan's channel pictures that are there, and have none.

    Nothing is rendered: what has no picture, or no photographs, waits for them.

    Args:
        plan: What there shall be.
        project: Where pictures and photographs are, and scores are kept.
        eye: The second network; `None` for none (see `onnxscope.score`).
        seconds: How long it may take. By default no limit.
        done: Told how far it is, and of which layer, before some units and at the end.

    Returns:
        How far it has come.

    Raises:
        OutputError: a score cannot be kept, such as when the disk is full.
        InputError: what is known of photographs is damaged.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    scoring = Scoring(sum(map(len, plan.units)))
    if plan.photos is None or not plan.photos.files:
        scoring.waiting = scoring.units
        return scoring
    provider = plan.settings.get("provider", "auto")
    second: SecondEye | None = None
    with project.writing() as writer:
        for layer in plan.layers:
            wanted = _wanted(plan, project, layer, scoring)
            if not wanted:
                continue
            second = SecondEye(eye, provider) if eye is not None and second is None else second
            found = read_examples(project.path_of(layer_question(plan, layer), LAYER_SUFFIX))
            try:
                scorer = Scorer(
                    plan.model,
                    found,
                    Aim(layer.title, layer.name, tuple(wanted)),
                    second,
                    plan.settings.get("seed", 0),
                    provider,
                )
                for start in range(0, len(wanted), _AT_ONCE):
                    if deadline is not None and time.monotonic() >= deadline:
                        scoring.out_of_time = True
                        return scoring
                    if done is not None:
                        done(scoring, layer)
                    _score(plan, project, writer, layer, scorer, wanted[start : start + _AT_ONCE])
                    scoring.made += len(wanted[start : start + _AT_ONCE])
            except OnnxscopeError as error:
                scoring.failed.append((layer.title, str(error)))
            if done is not None:
                done(scoring, layer)
    return scoring


def _wanted(plan: Plan, project: Project, layer: Layer, scoring: Scoring) -> list[int]:
    """The units of a layer that can be scored, and are not; the others are counted."""
    seen = project.path_of(layer_question(plan, layer), LAYER_SUFFIX).is_file()
    wanted = []
    for unit in plan.units_of(layer):
        picture = plan.wanted(layer, unit, KINDS["channel"]).question
        if project.has(score_question(plan, layer, unit, picture)):
            scoring.there += 1
        elif not seen or not project.has(picture):
            scoring.waiting += 1
        else:
            wanted.append(unit)
    return wanted


def _score(
    plan: Plan,
    project: Project,
    writer: Writer,
    layer: Layer,
    scorer: Scorer,
    units: Sequence[int],
) -> None:
    questions = [plan.wanted(layer, unit, KINDS["channel"]).question for unit in units]
    pictures = []
    for question in questions:
        with project.picture(question) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    for unit, question, score in zip(units, questions, scorer.of(units, pictures), strict=True):
        facts = score.to_json() | {"layer": layer.name, "unit": unit, "kind": SCORES}
        writer.keep(score_question(plan, layer, unit, question), b"", facts)
