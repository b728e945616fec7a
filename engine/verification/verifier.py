"""The comparison of a gradient with differences, and the search for what is wrong.

The gradient is compared in random directions. A direction sees every element of the gradient at
once: over random directions, the two sides differ by as much as the whole gradient is wrong. What
both sides can be trusted to is estimated along with them, so that the answer can also be that there
is none.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from ..errors import (
    OnnxscopeError,
    OperatorError,
    OutOfTimeError,
    StraightThroughWarning,
    UnfaithfulWarning,
    ZeroGradientWarning,
)
from ..gradient.differentiation import differentiate
from ..rules.by_provider import rules_for
from ..rules.standard import standard_rules
from ..rules.table import RuleTable
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import Provider, open_for
from .budget import Budget
from .differences import Difference, Function, derivative, independent_spacing, rounding_noise
from .double.rewrite import in_double, only
from .faults import Arrays, Fault, Surroundings, find_faults
from .forward import Forward, is_real
from .subjects import VALUE, Subject
from .verdict import CANNOT_TELL, CERTAIN, Check, Verification

# How often the gradient is taken again beside the point, to see what rounding does to it.
_REPEATS = 3

# How far beside, in units in the last place: deep in a network rounding comes to several of them,
# and no disagreement is reported that so much could explain. Never so far that more than rounding
# shows.
_DEPTHS = (1, 4, 16)
_NEAREST = 1e-4

# How many random points are tried to find one where something slopes.
_DRAWS = 8

# How often a point on a kink is moved, and how far.
_MOVES = 3
_MOVE = 1e-3

# With more inputs than this, each is moved in one direction only.
_FEW_INPUTS = 4

# What part of the time is for differences; the rest is for the gradient, and for what is wrong.
_FOR_DIFFERENCES = 0.7
# How many runs of the network a direction takes, and the noise of one input.
_RUNS_EACH, _RUNS_FOR_NOISE = 7, 7

# What part of a gradient's error rounding has to make by itself, to be taken for its reason.
_EXPLAINED = 0.1

# Relative precision of element types, and of the products of accelerators: TF32 or half.
_PRECISION = {
    ir.DataType.DOUBLE: 2.0**-52,
    ir.DataType.FLOAT: 2.0**-23,
    ir.DataType.FLOAT16: 2.0**-10,
    ir.DataType.BFLOAT16: 2.0**-7,
}
_ACCELERATED = 2.0**-10

# Errors of less than so many units in the last place are none that a rule makes, and neither are
# those below the one limit; those beyond the other always are.
_UNITS, _LEAST, _MOST = 1000, 1e-6, 0.02


Tables = Callable[[str], RuleTable]
"""From a provider's name to the rules for it."""

Direction = tuple[str, np.ndarray]
"""An input, and where it is moved."""


class _Gradient:
    """A gradient graph, evaluated at points.

    Attributes:
        provider: Where it runs.
        rounding: What it passes straight through, in words: then it is no derivative.
        zero: Why it is zero everywhere, in words; empty where it is not.
    """

    def __init__(
        self,
        subject: Subject,
        table: Tables,
        provider: str | Provider,
        budget: Budget,
        change: Callable[[onnx.ModelProto], onnx.ModelProto] | None = None,
    ) -> None:
        """Write the graph and open it.

        Args:
            subject: What is differentiated.
            table: The rules.
            provider: Where it runs.
            budget: The time that there is.
            change: What the graph is made before it is opened.
        """
        budget.begin("writing the gradient")
        self._budget = budget
        self._inputs: list[str] = []
        self._exact = change is not None
        self.rounding = ""
        self.zero = ""

        def build(name: str) -> onnx.ModelProto:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                graph = subject.gradient(table(name))
            for warning in said:
                if issubclass(warning.category, StraightThroughWarning):
                    self.rounding = str(warning.message)
                elif issubclass(warning.category, ZeroGradientWarning):
                    self.zero = str(warning.message)
                elif not issubclass(warning.category, UnfaithfulWarning):
                    warnings.warn_explicit(
                        warning.message, warning.category, warning.filename, warning.lineno
                    )
            self._inputs = [value.name for value in graph.graph.input]
            check_memory(Footprint.of(graph, 1), Use.whole(1), name, "the gradient")
            return graph if change is None else change(graph)

        self._subject = subject
        self._session = open_for(build, provider)
        self.provider = self._session.provider

    def __call__(self, point: Arrays) -> Arrays:
        feeds = {name: point[name] for name in self._inputs if name in point}
        if self._subject.seeded:
            feeds[self._inputs[-1]] = self._subject.cotangent
        wrt = self._subject.wrt
        if self._exact:
            feeds = {n: np.asarray(a, np.float64) if is_real(a) else a for n, a in feeds.items()}
        self._budget.check()
        found = list(self._session.run(feeds, seconds=self._budget.left).values())[-len(wrt) :]
        return {n: np.asarray(array, np.float64) for n, array in zip(wrt, found, strict=True)}


@dataclass(frozen=True)
class _Place:
    """A point, and what differences say of the network there.

    Attributes:
        point: The inputs.
        directions: Those for which there was time.
        slopes: By direction.
    """

    point: Arrays
    directions: Sequence[Direction]
    slopes: list[Difference]

    @property
    def kink(self) -> bool:
        """Whether it is on one."""
        return any(slope.kink for slope in self.slopes)


class Verifier:
    """The gradient of a subject on a provider, and all that it is compared with."""

    def __init__(
        self,
        subject: Subject,
        provider: str,
        rules: RuleTable | None,
        rng: np.random.Generator,
        budget: Budget,
    ) -> None:
        """Write the gradient, and open all that it is compared with.

        Raises:
            OnnxscopeError: an operator has no gradient rule, or the provider is not there.
            OutOfTimeError: the time is up.
        """
        self._subject = subject
        self._budget = budget
        self._limits: list[str] = []
        self._table: Tables = rules_for if rules is None else lambda _: rules
        self._given = rules is not None
        self._rng = rng
        self._gradient = _Gradient(subject, self._table, provider, budget)
        self._provider = self._gradient.provider
        self._reference: _Gradient | None = None
        try:
            self._reference = _Gradient(subject, lambda _: standard_rules(), "cpu", budget)
        except OperatorError:
            # Only the user's own rules know all operators of this network.
            if rules is None:
                raise
        budget.begin("opening the network in double precision")
        self._forward = Forward(subject.forward, subject.point, budget)
        self._precision = _coarsest(subject.forward)
        if self._provider.name != "cpu":
            self._precision = max(self._precision, _ACCELERATED)
        self._scales = {name: _scale(subject.point[name]) for name in subject.wrt}

    @property
    def too_heavy(self) -> bool:
        """Whether not even one direction is done in time, or double precision has no memory."""
        return self._forward.too_large or self._affordable() < 1

    def run(self, count: int, seed: int, limits: Sequence[str] = ()) -> Verification:
        """Compare, beside a kink where the point is on one, and look for what is wrong.

        Args:
            count: How many directions for each input.
            seed: Of the cotangents of single nodes.
            limits: What was done without already.
        """
        subject = self._subject
        self._limits = list(limits)
        count = count if len(subject.wrt) <= _FEW_INPUTS else 1
        if self._affordable() < 1 and self._forward.double:
            took = self._forward.seconds
            self._forward.take_single(f"in double precision a run takes {took:.1f} s")
            self._limits.append("single precision instead of double, for want of time")
        affordable = self._affordable()
        if affordable < count:
            self._limits.append(_fewer(max(1, int(affordable)), count))
            count = max(1, int(affordable))
        try:
            with self._budget.within(_FOR_DIFFERENCES):
                place, moved = self._find_place(count)
            found = self._compared(place, moved=moved)
        except OutOfTimeError:
            return self._unfinished()
        if not found.wrong:
            gradient = self._gradient
            cause = _doubt(found, gradient.rounding, gradient.zero, self._precision)
            return replace(found, cause=cause, limits=tuple(self._limits))
        return self._explained(found, place, seed)

    def _affordable(self) -> float:
        """How many directions for each input there is time for."""
        left = self._budget.left
        if left is None:
            return math.inf
        runs = left * _FOR_DIFFERENCES / max(self._forward.seconds, 1e-6)
        return (runs / len(self._subject.wrt) - _RUNS_FOR_NOISE) / _RUNS_EACH

    def _find_place(self, count: int) -> tuple[_Place, bool]:
        """Differences at the point, or beside it where that is on a kink."""
        subject = self._subject
        start = self._start()
        directions = [
            (name, self._rng.standard_normal(start[name].shape) * self._scales[name])
            for _ in range(count)
            for name in subject.wrt
        ]
        place = self._place(start, directions)
        moves = 0
        while place.kink and moves < _MOVES:
            moves += 1
            point = start | {
                name: self._beside(start[name], _MOVE * moves, scale)
                for name, scale in self._scales.items()
            }
            try:
                place = self._place(point, directions)
            except OutOfTimeError:
                self._limits.append("no other point beside the kink, for want of time")
                return place, moves > 1
        return place, moves > 0

    def _compared(self, place: _Place, *, moved: bool) -> Verification:
        """The comparison, with as much rounding as may explain a disagreement."""
        for units in _DEPTHS:
            found = self._compare(place, units, moved=moved)
            unsure = found.provider_unsure or any(check.unsure for check in found.checks)
            if not (found.wrong or unsure):
                break
        return found

    def _unfinished(self) -> Verification:
        """What is known where the time was up before anything was compared."""
        seconds = self._budget.seconds or 0.0
        return Verification(
            model=self._subject.name,
            target=self._subject.target,
            provider=self._provider,
            checks=(),
            double=self._forward.double,
            why_single=self._forward.reason,
            provider_difference=None,
            provider_limit=0.0,
            moved=False,
            faithfulness=self._subject.faithfulness,
            faults=(),
            cause=f"the time of {seconds:g} s was up before a direction was compared: a run of the "
            f"network takes {self._forward.seconds:.2g} s; give more time, or a smaller picture or "
            "shape",
            limits=tuple(self._limits),
        )

    def _explained(self, found: Verification, place: _Place, seed: int) -> Verification:
        """What a disagreement comes from: rounding, or a node at fault."""
        faults: list[Fault] = []
        cause = "the time was up before it was found what is wrong"
        try:
            rounding = self._rounded_away(found, place)
            if rounding:
                checks = tuple(replace(check, uncertainty=math.inf) for check in found.checks)
                limits = tuple(self._limits)
                return replace(found, checks=checks, cause=rounding, limits=limits)
            joint: dict[int, Arrays] = {}
            for number, (name, direction) in enumerate(place.directions):
                joint.setdefault(number // len(self._subject.wrt), {})[name] = direction
            around = Surroundings(
                forward=self._forward,
                point=place.point,
                wrt=self._subject.wrt,
                directions=list(joint.values()),
                rules=self._table(self._provider.name),
                provider=self._provider,
                lowered=self._subject.lowered,
            )
            # One by one: those that were found by then stay when the time is up.
            faults.extend(find_faults(self._subject.forward, around, seed, self._budget))
            found = replace(found, faults=tuple(faults))
            cause = self._cause(found, place)
        except OutOfTimeError:
            self._limits.append("not every node was looked at, for want of time")
        return replace(found, faults=tuple(faults), cause=cause, limits=tuple(self._limits))

    def _rounded_away(self, found: Verification, place: _Place) -> str:
        """Why a disagreement is none of the rules', in words; empty where rounding explains none.

        The same gradient graph in double precision agrees with the differences, and what it gives
        where each of its values is rounded to the network's digits, or is too large or too small
        for them, is off by as much.
        """
        if found.provider_difference is not None and not (
            found.provider_difference <= found.provider_limit
        ):
            return ""
        try:
            exact, by_digits = (
                self._in_double(rounded=rounded)(place.point) for rounded in (False, True)
            )
        except OnnxscopeError:
            # An operator of the gradient has no form in double precision.
            return ""
        if not self._fits(exact, found, place):
            return ""
        error = self._length_apart(self._gradient(place.point), exact)
        by_rounding = self._length_apart(by_digits, exact)
        half = self._precision > _PRECISION[ir.DataType.FLOAT]
        kind = "half precision" if half else "single precision"
        if self._forward.overflows(place.point) or not np.isfinite(by_rounding):
            why = f"numbers are too large or too small for {kind}"
        elif by_rounding >= _EXPLAINED * error:
            why = f"rounding to {kind} takes as much away"
        else:
            return ""
        return f"the rules are right: in double precision the same gradient agrees; {why}"

    def _in_double(self, *, rounded: bool) -> _Gradient:
        """The same gradient graph in double precision."""
        change = partial(_gradients_in_double, count=len(self._subject.wrt), rounded=rounded)
        table = self._table(self._provider.name)
        return _Gradient(self._subject, lambda _: table, "cpu", self._budget, change)

    def _fits(self, gradient: Arrays, found: Verification, place: _Place) -> bool:
        """Whether a gradient agrees with the differences in all directions."""
        return all(
            check.accepts(float(np.vdot(gradient[name], direction)))
            for check, (name, direction) in zip(found.checks, place.directions, strict=True)
        )

    def _length_apart(self, gradient: Arrays, other: Arrays) -> float:
        return self._length({name: gradient[name] - other[name] for name in gradient})

    def _start(self) -> Arrays:
        """The point, another random one where the gradient is zero throughout: a unit is off."""
        point, redraw = self._subject.point, self._subject.redraw
        for _ in range(_DRAWS):
            if redraw is None or any(np.any(array) for array in self._gradient(point).values()):
                break
            point = self._subject.point | redraw(self._rng)
        return point

    def _place(self, point: Arrays, directions: Sequence[Direction]) -> _Place:
        """Differences in all directions, or those for which there is time.

        Raises:
            OutOfTimeError: there is none for any.
        """
        slopes: list[Difference] = []
        self._budget.begin("computing the gradient")
        rough = self._gradient(point)
        noise: dict[str, float] = {}
        try:
            for number, (name, direction) in enumerate(directions):
                self._budget.begin(f"differences, direction {number + 1} of {len(directions)}")
                slopes.append(self._slope(point, name, direction, rough, noise))
        except OutOfTimeError:
            if not slopes:
                raise
            self._limits.append(_fewer(len(slopes), len(directions)))
        return _Place(point, directions[: len(slopes)], slopes)

    def _slope(
        self,
        point: Arrays,
        name: str,
        direction: np.ndarray,
        rough: Arrays,
        noise: dict[str, float],
    ) -> Difference:
        """The slope in one direction; `noise` keeps what is known of an input's rounding."""
        function = self._along(point, name, direction)
        if name not in noise:
            epsilon = self._forward.epsilon
            noise[name] = rounding_noise(function, independent_spacing(epsilon), epsilon)
        scale = self._scales[name] * _finite_length(rough[name])
        return derivative(function, self._forward.steps, noise[name], scale)

    def _along(self, point: Arrays, name: str, direction: np.ndarray) -> Function:
        cotangent = self._subject.cotangent.astype(np.float64)
        start = np.asarray(point[name], np.float64)

        def function(t: float) -> float:
            value = self._forward.run(point | {name: start + t * direction}, [VALUE])[VALUE]
            return float(np.vdot(cotangent, np.asarray(value, np.float64)))

        return function

    def _compare(self, place: _Place, units: int, *, moved: bool) -> Verification:
        gradient = self._gradient(place.point)
        reference = None if self._reference is None else self._reference(place.point)
        noise = self._noise(place.point, gradient, units)
        tolerance = min(max(_UNITS * self._precision, _LEAST), _MOST)
        checks = []
        for (name, direction), slope in zip(place.directions, place.slopes, strict=True):
            scale = self._scales[name] * _finite_length(gradient[name])
            rounding = self._scales[name] * noise[name]
            # Differences say nothing of a gradient that is no derivative.
            known = not self._gradient.rounding
            checks.append(
                Check(
                    input=name,
                    gradient=float(np.vdot(gradient[name], direction)),
                    reference=None
                    if reference is None
                    else float(np.vdot(reference[name], direction)),
                    differences=slope.slope,
                    uncertainty=float(np.hypot(rounding, slope.uncertainty)) if known else np.inf,
                    scale=max(scale, abs(slope.slope)),
                    tolerance=tolerance,
                    left=slope.left,
                    right=slope.right,
                    kink=slope.kink,
                )
            )
        difference = None if reference is None else self._apart(gradient, reference)
        length = self._length(gradient)
        relative = self._length(noise) / length if length else 0.0
        return Verification(
            model=self._subject.name,
            target=self._subject.target,
            provider=self._provider,
            checks=tuple(checks),
            double=self._forward.double,
            why_single=self._forward.reason,
            provider_difference=difference,
            provider_limit=max(CERTAIN * relative, tolerance),
            moved=moved,
            faithfulness=self._subject.faithfulness,
            faults=(),
            cause="",
        )

    def _noise(self, point: Arrays, gradient: Arrays, units: int) -> dict[str, float]:
        """By how much rounding moves the gradient, seen where the inputs differ by no more."""
        nearby = min(units * self._precision, max(self._precision, _NEAREST))
        squares = dict.fromkeys(gradient, 0.0)
        for _ in range(_REPEATS):
            near = point | {name: self._beside(point[name], nearby, 0.0) for name in gradient}
            for name, array in self._gradient(near).items():
                squares[name] += _finite_length(array - gradient[name]) ** 2 / _REPEATS
        return {
            name: float(np.hypot(square**0.5, 4 * self._precision * _finite_length(gradient[name])))
            for name, square in squares.items()
        }

    def _beside(self, array: np.ndarray, relative: float, scale: float) -> np.ndarray:
        """An array whose elements differ by some part of themselves, or of `scale` if larger."""
        exact = np.asarray(array, np.float64)
        size = np.maximum(np.abs(exact), scale)
        moved = exact + relative * size * self._rng.uniform(-1, 1, exact.shape)
        return np.asarray(moved).astype(array.dtype)

    def _length(self, gradient: Mapping[str, npt.ArrayLike]) -> float:
        """The length, each input in units of its scale."""
        squares = [
            (scale * float(np.linalg.norm(gradient[name]))) ** 2
            for name, scale in self._scales.items()
        ]
        return float(np.sqrt(sum(squares)))

    def _apart(self, gradient: Arrays, reference: Arrays) -> float | None:
        """The difference of two gradients, as a part of the second's length.

        `None` where the second is not a number: then it is no reference.
        """
        length = self._length(reference)
        if not np.isfinite(length):
            return None
        difference = self._length({name: gradient[name] - reference[name] for name in gradient})
        if difference == 0:
            return 0.0
        return difference / length if length and np.isfinite(difference) else np.inf

    def _cause(self, found: Verification, place: _Place) -> str:
        """What a disagreement comes from, in words."""
        subject, name = self._subject, self._provider.name

        def right(gradient: _Gradient) -> bool:
            return self._fits(gradient(place.point), found, place)

        if self._reference is not None and right(self._reference):
            if self._given:
                return "the standard rules agree with the differences, those that were given do not"
            if name == "cpu":
                return (
                    "the standard rules agree with the differences, their forms for the CPU do not"
                )
            if right(_Gradient(subject, lambda _: self._table(name), "cpu", self._budget)):
                return f"the same graph is right on the CPU: the provider {name} computes wrongly"
            return f"the standard rules are right on the CPU, those for the provider {name} are not"
        if found.faults:
            return "the gradient rule of each of these nodes disagrees with the node alone"
        plain = replace(
            subject,
            seeded=True,
            gradient=lambda rules: differentiate(
                subject.forward, VALUE, subject.wrt, rules=rules, compare=False
            ),
        )
        if subject.lowered and right(_Gradient(plain, self._table, "cpu", self._budget)):
            return (
                "every node agrees by itself, and so does the plain gradient of the network: what "
                "is wrong is in what makes it smaller and faster"
            )
        return "every node agrees by itself: what is wrong is how their gradients are put together"


def _doubt(found: Verification, rounding: str, zero: str, precision: float) -> str:
    """Why nothing can be told, or why what was differentiated is not the file's network."""
    if found.faithfulness.departure is not None:
        return (
            f"{found.faithfulness.departure}: the gradient is right for the network as it is read "
            "here, which is not what ONNX Runtime makes of the file"
        )
    if found.verdict != CANNOT_TELL:
        return ""
    if rounding:
        return f"{rounding}, where differences have no slope or a jump"
    if any(check.kink for check in found.checks):
        return (
            "the point is on a kink, where slopes differ from side to side, and so are the points "
            "beside it"
        )
    if all(check.empty for check in found.checks):
        return zero or (
            "neither gradient nor differences have any slope here, as where a unit is off: try "
            "another seed or target"
        )
    if all(check.faint for check in found.checks):
        most = max(abs(check.differences) for check in found.checks)
        return (
            f"gradient and differences have slopes of {most:.0e} or less here, as behind a sigmoid "
            "or softmax that is saturated: too little to tell anything; try the value before it, "
            "another seed or another target"
        )
    if not all(np.isfinite(check.differences) for check in found.checks):
        return "the network does not give finite numbers here"
    if found.provider_unsure or any(check.unsure for check in found.checks):
        return (
            "they are apart by a little more than rounding explains, and by too little to call it "
            "an error; try another seed or target"
        )
    if precision > _PRECISION[ir.DataType.FLOAT]:
        return (
            "half precision is too coarse here; the same network in float32 has its gradient by "
            "the same rules"
        )
    return "the differences are too uncertain: " + (
        found.why_single or "the network is too rough here; try another seed"
    )


def _fewer(done: int, wanted: int) -> str:
    return f"{done} of {wanted} directions, for want of time"


def _gradients_in_double(graph: onnx.ModelProto, count: int, *, rounded: bool) -> onnx.ModelProto:
    """A gradient graph in double precision, of its last outputs alone.

    Raises:
        OnnxscopeError: an operator has no form in it, or there is not the memory.
    """
    exact = only(
        in_double(graph, rounded=rounded), [value.name for value in graph.graph.output[-count:]]
    )
    check_memory(Footprint.of(exact, 1), Use.whole(1), "cpu")
    return exact


def _scale(array: np.ndarray) -> float:
    """The size of an input's elements."""
    size = float(np.sqrt(np.mean(np.asarray(array, np.float64) ** 2))) if array.size else 0.0
    return size or 1.0


def _finite_length(array: np.ndarray) -> float:
    """The length, 0 where it is not a number: what is not finite lends no uncertainty."""
    length = float(np.linalg.norm(array))
    return length if np.isfinite(length) else 0.0


def _coarsest(model: onnx.ModelProto) -> float:
    """The relative precision of the least precise element type of a network."""
    graph = ir.from_proto(model).graph
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    return max(_PRECISION.get(value.dtype, 0.0) for value in values if value.dtype is not None)
