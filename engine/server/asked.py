"""What a browser may ask for: units of the plan, and whatever people type."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ..calls import parsed
from ..errors import InputError, OnnxscopeError, TargetError, nearest
from ..network.layers.layer import Layer
from ..network.model import Model
from ..network.photos import pixels_of
from ..objectives.algebra import Objective
from ..objectives.targets import find_unit, is_plain, resolve, unit_at_cell
from ..pages.neighbours import Neighbours
from ..pages.typed import command_for
from ..pictures.series import Settings
from ..plain import text, whole
from ..store.kinds import KINDS, VARIETIES, Kind
from ..store.plan import Plan, Wanted
from ..store.questions import Question, described, in_plain_data
from ..transforms.written import parse_transforms

Place = tuple[str, int, str]
"""A layer as addresses call it, a unit and a kind of picture."""

_LONGEST = 500
_LARGEST = 1024
_MOST_STEPS = 4096
_KNOWN = 100_000

_READS_NO_FILE = frozenset(
    {
        "alignment", "batch_norm_prior", "before_activation", "boundary", "channel", "channels",
        "diversity", "interpolate", "l1", "l2", "layer", "linf", "logit", "neuron", "neurons",
        "probability", "sharpness", "toward", "total_variation",
    }
)  # fmt: skip
"""Functions of expressions that read no file and open no other model."""

_QUOTED = re.compile(r"""("[^"]*"|'[^']*')""")
_NAME = r"[A-Za-z_][\w/.]*(?::[A-Za-z_][\w/.]*)*"
_UNIT = r":\d+(?:@\d+(?:,\d+){1,2})?"


@dataclass(frozen=True)
class Asked:
    """A picture that somebody may want to see.

    Attributes:
        question: All that determines it.
        title: What it is, to be read above it.
        command: What to type for the same picture.
        objective: What is maximised.
        settings: As for `render`.
        wanted: Where it is of one unit, that unit's picture; else `None`.
        place: Where it is one of the plan's, which; else `None`.
    """

    question: Question = field(repr=False)
    title: str
    command: str
    objective: Objective = field(repr=False)
    settings: Settings = field(repr=False)
    wanted: Wanted | None = field(repr=False)
    place: Place | None = None

    @property
    def key(self) -> str:
        """The key of its question."""
        return self.question.key


class Asking:
    """Makes of what a browser sends what there is to be made.

    Attributes:
        plan: The pictures of all units.
        neighbours: What pages call its layers.
        layers: Its layers, by what addresses call them.
    """

    def __init__(self, plan: Plan) -> None:
        """Take the plan."""
        self.plan = plan
        self.neighbours = Neighbours(plan)
        self._slugs = self.neighbours.slugs
        self.layers: Mapping[str, Layer] = {self._slugs[one.name]: one for one in plan.layers}
        units = zip(plan.layers, plan.units, strict=True)
        self._units = {layer.name: frozenset(numbers) for layer, numbers in units}
        # The same units are looked at again and again.
        self.of_plan = lru_cache(_KNOWN)(self._of_plan)

    def _of_plan(self, place: Place) -> Asked:
        """Return one of the plan's pictures.

        Args:
            place: Which.

        Raises:
            InputError: there is no such layer, unit or kind.
        """
        name, unit, kind_name = place
        layer = self.layers.get(name)
        if layer is None:
            raise InputError(f"there is no layer {name!r} here{nearest(name, self.layers)}")
        kind = {kind.name: kind for kind in self.plan.kinds_of(layer)}.get(kind_name)
        if kind is None:
            raise InputError(f"{layer.title} has no pictures of the kind {kind_name!r} here")
        if unit not in self._units[layer.name]:
            raise InputError(f"{layer.title} has no unit {unit} here")
        wanted = self.plan.wanted(layer, unit, kind)
        return self._of_unit(wanted, place, "")

    def typed(
        self,
        target: object,
        *,
        kind: object = "channel",
        size: object = None,
        steps: object = None,
        seed: object = None,
        transforms: object = None,
    ) -> Asked:
        """Return what somebody typed.

        Args:
            target: As `resolve` takes it, but for what is read from files; in sums targets need no
                quotation marks, as in `fire8:5 + 0.5 * fire5:100`.
            kind: Of a unit, one of the kinds of pictures.
            size: Pixels to a side; by default the plan's.
            steps: By default the plan's.
            seed: By default the plan's.
            transforms: As `--transforms` takes them; by default the plan's.

        Raises:
            OnnxscopeError: it does not fit; says what would.
        """
        target = _short("the target", target)
        settings = Settings(**self.plan.settings)
        if size not in (None, ""):
            pixels = whole("size", size, 16, _LARGEST)
            settings["size"] = pixels_of(self.plan.model, pixels)
        if steps not in (None, ""):
            settings["steps"] = whole("steps", steps, 1, _MOST_STEPS)
        if seed not in (None, ""):
            settings["seed"] = whole("seed", seed, 0)
        named = ""
        if transforms not in (None, ""):
            named = _short("transforms", transforms)
            settings["transforms"] = parse_transforms(named)
        if not isinstance(kind, str) or kind not in KINDS:
            raise InputError(
                f"there is no picture {kind!r} of a unit; known are {', '.join(KINDS)}"
                f"{nearest(str(kind), KINDS)}"
            )
        chosen = KINDS[kind]
        found = _unit_of(self.plan.model, target)
        if found is None:
            return self._other(target, chosen, settings, named)
        layer, unit = found
        layer.check_channel(unit)
        if chosen.needs_cells and len(layer.shape) == 1:
            raise InputError(
                f"{layer.title} has no positions, so that its channel is all there is of unit "
                f"{unit}; choose the kind channel"
            )
        if chosen.pictures > 1:
            settings["batch"] = chosen.pictures
        objective = chosen.goal(layer, unit, shared=self.plan.shared)
        question = self._question(settings, objective, chosen.pictures)
        wanted = Wanted(layer, unit, chosen, question, settings, objective)
        place = self._slugs.get(layer.name, ""), unit, chosen.name
        here = layer.name in self._units and unit in self._units[layer.name]
        here = here and chosen in self.plan.kinds_of(layer)
        same = here and self.of_plan(place).question.key == question.key
        return self._of_unit(wanted, place if same else None, named)

    def _other(self, target: str, kind: Kind, settings: Settings, named: str) -> Asked:
        """A layer, a neuron at a cell or an expression, which is of no one unit."""
        written = _with_marks(self.plan.model, target)
        _check_no_files(self.plan.model, written)
        if kind.name == "neuron":
            raise TargetError(f"{target} says itself what it is of a unit; choose the kind channel")
        objective = resolve(self.plan.model, written, negative=kind.name == "negative")
        if kind.pictures > 1:
            raise TargetError(
                f"several pictures that differ are made of one unit, such as "
                f"{self.plan.layers[0].title}:0, and {target} is none; choose the kind channel"
            )
        # Terms such as diversity compare pictures.
        pictures = VARIETIES if objective.mixes_pictures else 1
        words = [written] + (["--negative"] if kind.name == "negative" else [])
        if pictures > 1:
            settings["batch"] = pictures
            words += ["--batch", str(pictures)]
        question = self._question(settings, objective, pictures)
        title = f"−({target})" if kind.name == "negative" else target
        command = command_for(self.plan.model, words, settings, named)
        return Asked(question, title, command, objective, settings, None)

    def _of_unit(self, wanted: Wanted, place: Place | None, named: str) -> Asked:
        words = wanted.kind.typed(wanted.layer, wanted.unit, shared=self.plan.shared)
        return Asked(
            wanted.question,
            f"{wanted.target}, {wanted.kind.title}",
            command_for(self.plan.model, words, wanted.settings, named),
            wanted.objective,
            wanted.settings,
            wanted,
            place,
        )

    def _question(self, settings: Settings, objective: Objective, pictures: int) -> Question:
        made_with = in_plain_data(settings)
        return Question.of(described(self.plan.model), made_with, objective, pictures)


def _short(what: str, given: object) -> str:
    found = text(what, given, "a text").strip()
    if not found or len(found) > _LONGEST:
        raise InputError(f"{what} must have 1 to {_LONGEST} characters, not {len(found)}")
    return found


def _unit_of(model: Model, target: str) -> tuple[Layer, int] | None:
    """The unit that a target alone means; `None` where it means something else.

    Raises:
        OnnxscopeError: it means nothing, and is no sum of targets either.
    """
    if not is_plain(model, target):
        return None
    try:
        name, unit = find_unit(model, target)
    except OnnxscopeError:
        if _with_marks(model, target) != target:
            return None
        raise
    return None if unit is None else (model.layers[name], unit)


def _is_at_cell(model: Model, target: str) -> bool:
    """Whether a target is one unit at one cell, and not a sum that ends with such."""
    found = unit_at_cell(model, target)
    return found is not None and bool(model.names.meanings(found[0].rpartition(":")[0]))


def _bare(model: Model) -> re.Pattern[str]:
    """Units without quotation marks: those of names that look like names, and of all there are."""
    every = {name for layer in model.layers.values() for name in (layer.name, layer.title)}
    # The longest first: of stem-1 and stem-1-a, the second is not the first minus something.
    others = sorted((name for name in every if not re.fullmatch(_NAME, name)), key=len)[::-1]
    names = "|".join([*map(re.escape, others), _NAME])
    return re.compile(rf"(?<![\w/.:])(?:{names}){_UNIT}")


def _with_marks(model: Model, target: str) -> str:
    """A sum in which units stand bare, with quotation marks around each."""
    if model.names.meanings(target) or _is_at_cell(model, target):
        return target
    bare = _bare(model)
    parts = _QUOTED.split(target)
    parts[::2] = [bare.sub(lambda found: f'"{found[0]}"', part) for part in parts[::2]]
    marked = "".join(parts)
    # A single target stays itself, whatever is wrong with it.
    return target if marked == f'"{target}"' or parsed(marked) is None else marked


def _check_no_files(model: Model, target: str) -> None:
    """See that a target reads no file and opens no other model.

    Raises:
        TargetError: it would.
    """
    tree = parsed(target)
    texts = [target]
    if tree is not None and not model.names.meanings(target):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name not in _READS_NO_FILE:
                    known = sorted(_READS_NO_FILE)
                    raise TargetError(
                        f"{name} is not for the browser, where no files are read; there are "
                        f"{', '.join(known)}{nearest(name, known)}"
                    )
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
        texts = texts[1:] or texts
    for one in texts:
        if "@" in one and not model.names.meanings(one) and not _is_at_cell(model, one):
            raise TargetError(
                f"{one!r} is a unit of a file, and for the browser no files are read; "
                "`onnxscope render` takes it"
            )
