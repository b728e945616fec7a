"""The comparison of a gradient with differences, and the search for what is wrong.

The gradient is compared in random directions. A direction sees every element of the gradient at
once: over random directions, the two sides differ by as much as the whole gradient is wrong. What
both sides can be trusted to is estimated along with them, so that the answer can also be that there
is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ..errors import OnnxscopeError, OperatorError, OutOfTimeError
from ..gradient.differentiation import differentiate
from ..rules.by_provider import rules_for
from ..rules.standard import standard_rules
from ..rules.table import RuleTable
from .budget import Budget
from .doubts import doubt
from .faults import Arrays, Fault, Surroundings, find_faults
from .forward import Forward
from .gradient_graph import (
    ACCELERATED,
    PRECISION,
    GradientGraph,
    Tables,
    coarsest,
    gradients_in_double,
)
from .places import Place, Places, beside, fewer, finite_length
from .subjects import VALUE, Subject
from .verdict import AGREES, CERTAIN, Check, Verification

# How often the gradient is taken again beside the point, to see what rounding does to it.
_REPEATS = 3

# How far beside, in units in the last place: deep in a network rounding comes to several of them,
# and no disagreement is reported that so much could explain. Never so far that more than rounding
# shows.
_DEPTHS = (1, 4, 16)
_NEAREST = 1e-4

# With more inputs than this, each is moved in one direction only.
_FEW_INPUTS = 4

# What part of the time is for differences; the rest is for the gradient, and for what is wrong.
_FOR_DIFFERENCES = 0.7
# How many runs of the network a direction takes, and the noise of one input.
_RUNS_EACH, _RUNS_FOR_NOISE = 7, 7

# What part of a gradient's error rounding has to make by itself, to be taken for its reason.
_EXPLAINED = 0.1

# Errors of less than so many units in the last place are none that a rule makes, and neither are
# those below the one limit; those beyond the other always are.
_UNITS, _LEAST, _MOST = 1000, 1e-6, 0.02


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
        self._gradient = GradientGraph(subject, self._table, provider, budget)
        self._provider = self._gradient.provider
        self._reference: GradientGraph | None = None
        try:
            self._reference = GradientGraph(subject, lambda _: standard_rules(), "cpu", budget)
        except OperatorError:
            # Only the user's own rules know all operators of this network.
            if rules is None:
                raise
        budget.begin("opening the network in double precision")
        self._forward = Forward(subject.forward, subject.point, budget)
        self._precision = coarsest(subject.forward)
        if self._provider.name != "cpu":
            self._precision = max(self._precision, ACCELERATED)
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
            self._limits.append(fewer(max(1, int(affordable)), count))
            count = max(1, int(affordable))
        places = Places(
            subject,
            self._gradient,
            self._forward,
            self._scales,
            self._rng,
            self._budget,
            self._limits,
        )
        try:
            with self._budget.within(_FOR_DIFFERENCES):
                place, moved = places.find(count)
            found = self._compared(place, moved=moved)
        except OutOfTimeError:
            return self._unfinished()
        if not found.wrong:
            gradient = self._gradient
            cause = self._jump(found, place)
            if cause:
                checks = tuple(replace(check, uncertainty=math.inf) for check in found.checks)
                return replace(found, checks=checks, cause=cause, limits=tuple(self._limits))
            cause = doubt(found, gradient.rounding, gradient.zero, self._precision)
            return replace(found, cause=cause, limits=tuple(self._limits))
        return self._explained(found, place, seed)

    def _jump(self, found: Verification, place: Place) -> str:
        """Why what looks like rounding is none, in words; empty where it is.

        How far rounding may move the gradient is seen from points beside this one, and a gradient
        that jumps between them, as where elements are equal, looks the same. What rounding took
        away is back in double precision, and a jump is not.
        """
        known = list(zip(found.checks, place.slopes, strict=True))
        limits = [max(CERTAIN * s.uncertainty, c.tolerance * c.scale) for c, s in known]
        apart = [abs(check.gradient - check.differences) for check in found.checks]
        leaning = [a > b for a, b in zip(apart, limits, strict=True)]
        if not any(leaning) or found.verdict != AGREES:
            return ""
        try:
            exact = self._in_double(rounded=False)(place.point)
        except (OnnxscopeError, OutOfTimeError):
            # An operator of the gradient has no form in double precision, or the time is up.
            return ""
        for check, limit, (name, direction) in zip(
            found.checks, limits, place.directions, strict=True
        ):
            if not abs(float(np.vdot(exact[name], direction)) - check.differences) <= limit:
                return (
                    "gradient and differences are apart, in double precision as well, by what is "
                    "too little to call it an error where the gradient changes so much just beside "
                    "the point, as where elements are equal; try another seed"
                )
        return ""

    def _affordable(self) -> float:
        """How many directions for each input there is time for."""
        left = self._budget.left
        if left is None:
            return math.inf
        runs = left * _FOR_DIFFERENCES / max(self._forward.seconds, 1e-6)
        return (runs / len(self._subject.wrt) - _RUNS_FOR_NOISE) / _RUNS_EACH

    def _compared(self, place: Place, *, moved: bool) -> Verification:
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

    def _explained(self, found: Verification, place: Place, seed: int) -> Verification:
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

    def _rounded_away(self, found: Verification, place: Place) -> str:
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
        half = self._precision > PRECISION[ir.DataType.FLOAT]
        kind = "half precision" if half else "single precision"
        if self._forward.overflows(place.point) or not np.isfinite(by_rounding):
            why = f"numbers are too large or too small for {kind}"
        elif by_rounding >= _EXPLAINED * error:
            why = f"rounding to {kind} takes as much away"
        else:
            return ""
        return f"the rules are right: in double precision the same gradient agrees; {why}"

    def _in_double(self, *, rounded: bool) -> GradientGraph:
        """The same gradient graph in double precision."""
        change = partial(gradients_in_double, count=len(self._subject.wrt), rounded=rounded)
        table = self._table(self._provider.name)
        return GradientGraph(self._subject, lambda _: table, "cpu", self._budget, change)

    def _fits(self, gradient: Arrays, found: Verification, place: Place) -> bool:
        """Whether a gradient agrees with the differences in all directions."""
        return all(
            check.accepts(float(np.vdot(gradient[name], direction)))
            for check, (name, direction) in zip(found.checks, place.directions, strict=True)
        )

    def _length_apart(self, gradient: Arrays, other: Arrays) -> float:
        return self._length({name: gradient[name] - other[name] for name in gradient})

    def _compare(self, place: Place, units: int, *, moved: bool) -> Verification:
        gradient = self._gradient(place.point)
        reference = None if self._reference is None else self._reference(place.point)
        noise = self._noise(place.point, gradient, units)
        tolerance = min(max(_UNITS * self._precision, _LEAST), _MOST)
        checks = []
        for (name, direction), slope in zip(place.directions, place.slopes, strict=True):
            scale = self._scales[name] * finite_length(gradient[name])
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
            near = point | {name: beside(self._rng, point[name], nearby, 0.0) for name in gradient}
            for name, array in self._gradient(near).items():
                squares[name] += finite_length(array - gradient[name]) ** 2 / _REPEATS
        return {
            name: float(np.hypot(square**0.5, 4 * self._precision * finite_length(gradient[name])))
            for name, square in squares.items()
        }

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

    def _cause(self, found: Verification, place: Place) -> str:
        """What a disagreement comes from, in words."""
        subject, name = self._subject, self._provider.name

        def right(gradient: GradientGraph) -> bool:
            return self._fits(gradient(place.point), found, place)

        if self._reference is not None and right(self._reference):
            if self._given:
                return "the standard rules agree with the differences, those that were given do not"
            if name == "cpu":
                return (
                    "the standard rules agree with the differences, their forms for the CPU do not"
                )
            if right(GradientGraph(subject, lambda _: self._table(name), "cpu", self._budget)):
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
        if subject.lowered and right(GradientGraph(plain, self._table, "cpu", self._budget)):
            return (
                "every node agrees by itself, and so does the plain gradient of the network: what "
                "is wrong is in what makes it smaller and faster"
            )
        return "every node agrees by itself: what is wrong is how their gradients are put together"


def _scale(array: np.ndarray) -> float:
    """The size of an input's elements."""
    size = float(np.sqrt(np.mean(np.asarray(array, np.float64) ** 2))) if array.size else 0.0
    return size or 1.0
