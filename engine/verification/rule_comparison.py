"""The gradient of one operator by its rule, against central differences of the operator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import defs

from ..errors import InputError, OnnxscopeError, OperatorError
from .forward import is_real
from .operator_values import Values, sized
from .rule_findings import InputCheck, RuleCheck
from .single_operator import DOUBLE, REFERENCE, SINGLE, GradientGraph, Operator, first_line
from .slopes import Cotangents, Gradients, Line, Slope, slope_along
from .verdict import AGREES, CANNOT_TELL, CERTAIN, DISAGREES

_DIRECTIONS = 3
_COTANGENTS = 2

# What part of the slopes' size is no error, by the precision of the gradient and of the values.
# The reference evaluator has some coefficients in single precision, such as interpolations'.
_EXACT, _BY_REFERENCE, _SINGLE_GRADIENT, _SINGLE_VALUES = 1e-7, 1e-5, 1e-4, 2e-3
# An agreement that leaves room for a larger part of the slopes is none.
_RESOLVED = 0.1
# How far the gradient of a sum of cotangents is from the sum of theirs by rounding.
_LINEAR = {DOUBLE: 1e-9, SINGLE: 1e-3}
# So many elements are looked at one by one, to say which of them is wrong.
_ELEMENTS = 256


@dataclass
class _Findings:
    """What has been found of one input so far."""

    error: float = 0.0
    limit: float = 0.0
    wrong: str = ""
    unsure: str = ""
    kink: bool = False
    worst: float = -1.0
    tolerance: float = math.inf

    def add(self, apart: float, limit: float, size: float, tolerance: float, reason: str) -> None:
        """Take in one slope.

        Args:
            apart: How far it is off.
            limit: How far it may be.
            size: Of slopes here.
            tolerance: What part of the size is no error in the precision that was compared in.
            reason: In words, where it is off by more.
        """
        # Not a number is no agreement.
        wrong = not apart <= limit
        if wrong:
            self.wrong = self.wrong or reason
        elif limit > _RESOLVED * size > 0:
            self.unsure = self.unsure or "differences are too uncertain at these inputs"
        # The numbers are those of the better precision, or of the one in which it is wrong.
        share = apart / limit if limit else 0.0
        worse = tolerance == self.tolerance and share > self.worst
        if wrong if wrong != (self.worst > 1) else worse or tolerance < self.tolerance:
            self.worst, self.tolerance = share, tolerance
            self.error, self.limit = (apart / size, limit / size) if size else (0.0, tolerance)


class Comparison:
    """One operator at one point, compared in every way that there is."""

    def __init__(self, operator: Operator, values: Values, rng: np.random.Generator) -> None:
        """Take the differences.

        Args:
            operator: The operator.
            values: Its outputs, near the point.
            rng: For directions and cotangents.

        Raises:
            InputError: it leaves the operator's domain just beside the point.
            OperatorError: no output of the operator has a gradient, the rule refuses the node, or
                sizes depend on what is moved.
        """
        self._operator, self._values = operator, values
        self._outputs = values(operator.point)
        self._seeded = self._seedings()
        if not any(self._outputs[number].size for seeded in self._seeded for number in seeded):
            raise InputError(
                f"{operator.op_type} gives nothing at these inputs, so that nothing could be "
                "checked: give inputs of which it makes some elements"
            )
        try:
            operator.imported(SINGLE)
        except OnnxscopeError as error:
            raise OperatorError(
                f"{operator.op_type} cannot be taken into a graph with these inputs: {error}"
            ) from error
        self._findings = {number: _Findings() for number in operator.wrt}
        # Before any difference, since a rule may refuse the node.
        self._single = [self._graphs(SINGLE, number) for number in range(len(self._seeded))]
        lines = [
            Line(values, operator.point, i, sized(rng.uniform(-1, 1, x.shape), x))
            for i, x in operator.point.items()
            for _ in range(_DIRECTIONS)
        ]
        self._cotangents: list[list[Cotangents]] = []
        self._slopes: list[list[Slope]] = []
        for seeded in self._seeded:
            drawn: list[Cotangents] = [
                {n: _drawn(rng, self._outputs[n].shape) for n in seeded} for _ in range(_COTANGENTS)
            ]
            self._cotangents.append(drawn)
            self._slopes.append(
                [slope_along(line, c, drawn[c]) for line in lines for c in range(_COTANGENTS)]
            )

    def found(self) -> RuleCheck:
        """Return what was found.

        Raises:
            OperatorError: nothing runs what the rule builds.
        """
        operator, findings = self._operator, self._findings
        double, needs_sizes = self._values.double, ""
        for number in range(len(self._seeded)):
            graphs = self._single[number]
            gradients = [self._gradients(graphs, each) for each in self._cotangents[number]]
            self._compare(graphs, gradients, SINGLE, number)
            double &= self._compare_double(gradients, number)
            if number == 0:
                needs_sizes = self._compare_open(gradients[0])
        schema = operator.schema
        return RuleCheck(
            op_type=operator.op_type,
            inputs=tuple(
                _judged(number, _formal(schema, number), each) for number, each in findings.items()
            ),
            precision=str(DOUBLE if double else SINGLE),
            by=self._values.by,
            departure=self._values.departure,
            needs_sizes=needs_sizes,
            unnamed=self._unnamed(set(schema.attributes)),
        )

    # Differences --------------------------------------------------------------------------------

    def _seedings(self) -> list[list[int]]:
        """Which outputs have cotangents: all and each alone, where the rule takes them."""
        operator = self._operator
        real = [n for n, array in enumerate(self._outputs) if is_real(array)]
        own = operator.rules[operator.op_type]
        rules = [rule for i in operator.wrt if (rule := own.for_input(i)) is not None]
        if len(real) > 1 and rules and all("dys" in rule.context for rule in rules):
            return [real, *([number] for number in real)]
        if 0 not in real:
            raise OperatorError(
                f"the first output of {operator.op_type} holds no real numbers at these inputs, "
                "and has no gradient"
            )
        return [[0]]

    # The gradient -------------------------------------------------------------------------------

    def _graphs(self, dtype: np.dtype[np.generic], number: int) -> list[GradientGraph]:
        """The gradients with respect to all inputs, or to each for itself if some cannot be built.

        Raises:
            OperatorError: the rule refuses the node.
        """
        operator, seeded = self._operator, self._seeded[number]
        try:
            return [GradientGraph(operator, dtype, seeded, operator.wrt)]
        except OperatorError:
            raise
        except OnnxscopeError:
            pass
        graphs = []
        for position, finding in self._findings.items():
            try:
                graphs.append(GradientGraph(operator, dtype, seeded, (position,)))
            except OnnxscopeError as error:
                finding.wrong = finding.wrong or f"what it builds of {dtype} does not fit: {error}"
        return graphs

    def _compare_double(self, single: Sequence[Gradients], number: int) -> bool:
        """Compare in double precision; returns whether that is possible."""
        try:
            self._operator.imported(DOUBLE)
        except OnnxscopeError:
            return False
        graphs = self._graphs(DOUBLE, number)
        try:
            gradients = [self._gradients(graphs, each) for each in self._cotangents[number]]
        except OperatorError:
            # Nothing has all of the rule's operators in double precision.
            return False
        if any(graph.by == REFERENCE for graph in graphs):
            # It does not compute every operator rightly: where ONNX Runtime does, that counts.
            for ours, theirs in zip(gradients, single, strict=True):
                if not all(_alike(ours[i], theirs[i]) for i in ours if i in theirs):
                    return False
        self._compare(graphs, gradients, DOUBLE, number)
        return True

    def _compare(
        self,
        graphs: Sequence[GradientGraph],
        gradients: Sequence[Gradients],
        dtype: np.dtype[np.generic],
        number: int,
    ) -> None:
        first, second = self._cotangents[number]
        both = self._gradients(graphs, {n: first[n] + 2 * second[n] for n in first})
        tolerance = _SINGLE_VALUES
        if self._values.double:
            exact = REFERENCE not in (self._values.by, *(graph.by for graph in graphs))
            tolerance = _EXACT if exact else _BY_REFERENCE
        if self._values.double and dtype == SINGLE:
            tolerance = _SINGLE_GRADIENT
        for position, total in both.items():
            finding, x = self._findings[position], self._operator.point[position]
            parts = [gradient[position].astype(np.float64) for gradient in gradients]
            strange = next((part for part in parts if part.shape != x.shape), None)
            if strange is not None:
                finding.wrong = f"the gradient has shape {strange.shape}, and the input {x.shape}"
                continue
            if not all(np.isfinite(part).all() for part in (*parts, total)):
                finding.wrong = finding.wrong or f"the gradient in {dtype} is not finite"
                continue
            self._compare_slopes(number, position, parts, dtype, tolerance, finding)
            apart = np.linalg.norm(total.astype(np.float64) - parts[0] - 2 * parts[1])
            if not apart <= _LINEAR[dtype] * sum(np.linalg.norm(part) for part in parts):
                # This is the cause, where slopes are off as well.
                finding.wrong = "it is not linear in the cotangent"

    def _compare_slopes(
        self,
        number: int,
        position: int,
        gradients: Sequence[np.ndarray],
        dtype: np.dtype[np.generic],
        tolerance: float,
        finding: _Findings,
    ) -> None:
        """Compare the slopes along all lines of one input."""
        for slope in self._slopes[number]:
            if slope.line.position != position:
                continue
            if slope.kink:
                finding.unsure, finding.kink = "it is on a kink", True
                continue
            terms = gradients[slope.number] * slope.line.move
            size = max(slope.size, float(np.linalg.norm(terms)))
            limit = max(CERTAIN * slope.uncertainty, tolerance * size)
            apart = abs(float(terms.sum()) - slope.slope)
            reason = ""
            if not apart <= limit and not finding.wrong:
                reason = self._reason(number, slope, gradients[slope.number], dtype)
            finding.add(apart, limit, size, tolerance, reason)

    def _reason(
        self, number: int, slope: Slope, gradient: np.ndarray, dtype: np.dtype[np.generic]
    ) -> str:
        """What is wrong about a gradient, at the element where it is wrong the most."""
        by_rule = float((gradient * slope.line.move).sum())
        if gradient.size > _ELEMENTS:
            return (
                f"in a random direction its gradient in {dtype} slopes by {by_rule:.4g}, the "
                f"operator by {slope.slope:.4g}"
            )
        x = self._operator.point[slope.line.position]
        cotangents = self._cotangents[number][slope.number]
        units = sized(np.eye(x.size).reshape(x.size, *x.shape), x)
        real = np.array([
            slope_along(
                Line(self._values, self._operator.point, slope.line.position, unit),
                slope.number,
                cotangents,
            ).slope
            for unit in units
        ]).reshape(x.shape)  # fmt: skip
        real /= sized(np.ones(()), x)
        at = np.unravel_index(np.argmax(abs(real - gradient)), x.shape)
        place = f"element {tuple(map(int, at))}, which is {x[at]:.4g}," if at else "its one element"
        return (
            f"at {place} its gradient in {dtype} is {gradient[at]:.4g}, that of the operator "
            f"{real[at]:.4g}"
        )

    def _gradients(self, graphs: Sequence[GradientGraph], cotangents: Cotangents) -> Gradients:
        found: dict[int, np.ndarray] = {}
        for graph in graphs:
            found |= graph(self._operator.point, self._outputs, cotangents)
        return found

    def _compare_open(self, expected: Gradients) -> str:
        """Compare the gradient of open sizes with that of known ones; returns why there is none."""
        operator, findings = self._operator, self._findings
        if any(each.wrong for each in findings.values()):
            return ""
        try:
            graph = GradientGraph(operator, SINGLE, self._seeded[0], operator.wrt, open_sizes=True)
        except OnnxscopeError as error:
            return first_line(error)
        try:
            found = graph(operator.point, self._outputs, self._cotangents[0][0])
        except OperatorError as error:
            for finding in findings.values():
                finding.wrong = f"where the inputs' sizes are open, {error}"
            return ""
        for number, finding in findings.items():
            if not _alike(found[number], expected[number]):
                finding.wrong = "where the inputs' sizes are open, it gives another gradient"
        return ""

    def _unnamed(self, known: set[str]) -> tuple[str, ...]:
        """Attributes that a rule neither names nor ignores."""
        operator = self._operator
        own = operator.rules[operator.op_type]
        rules = [rule for i in operator.wrt if (rule := own.for_input(i)) is not None]
        named = [rule.attributes | own.ignores for rule in rules]
        return tuple(sorted(known - frozenset.intersection(*named))) if named else ()


def _alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two gradients differ by no more than rounding of single precision."""
    if found.shape != expected.shape:
        return False
    apart = np.linalg.norm(np.asarray(found, np.float64) - expected)
    return bool(apart <= _LINEAR[SINGLE] * np.linalg.norm(np.asarray(expected, np.float64)))


def _drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A random cotangent, of numbers of single precision."""
    return np.asarray(rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


def _formal(schema: defs.OpSchema, number: int) -> str:
    """What ONNX calls an input; the last may stand for many."""
    formal = list(schema.inputs)
    return str(formal[min(number, len(formal) - 1)].name)


def _judged(number: int, name: str, found: _Findings) -> InputCheck:
    verdict = DISAGREES if found.wrong else CANNOT_TELL if found.unsure else AGREES
    reason = found.wrong or found.unsure
    return InputCheck(number, name, found.error, found.limit, verdict, reason, found.kink)
