"""`check_rule`: is a gradient rule right? One node by itself, against central differences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ..errors import (
    InputError,
    ModelError,
    OnnxscopeError,
    OnnxscopeWarning,
    OperatorError,
    nearest,
)
from ..expansions.registry import expansion_of
from ..gradient.differentiation import differentiate
from ..graph.versions import IR_VERSION
from ..plain import whole
from ..rules.standard import standard_rules
from ..rules.table import RuleTable
from ..runtime.session import open_session
from .differences import derivative, independent_spacing, rounding_noise
from .forward import DOUBLE_STEPS, SINGLE_STEPS
from .verdict import CERTAIN

_DIRECTIONS = 3
_ALLOWED = {True: 1e-6, False: 3e-3}
"""By whether numbers are of double precision: what part of the slopes' size is no error."""
_ALIKE = {True: 1e-10, False: 1e-4}
"""By how much two ways to the same gradient may differ, over its largest element."""

Arrays = dict[str, np.ndarray]
_Run = Callable[[onnx.ModelProto], Callable[[Arrays], Arrays]]


@dataclass(frozen=True)
class RuleCheck:
    """What `check_rule` found.

    Attributes:
        op_type: The operator.
        errors: By input, such as `x0`, how far gradient and differences are apart at worst, as a
            part of the slopes' size.
        limits: By input, how far they may be.
        kinks: Inputs that lie on a kink, such as 0 of a Relu, where there is no derivative.
        nonlinear: How far the gradient of a sum of cotangents is from the sum of their gradients,
            over its largest element.
        open_sizes: The same for the gradient that is written for open sizes; not a number where the
            operator needs its sizes to be numbers.
        double: Whether all of it was computed in double precision.
    """

    op_type: str
    errors: Mapping[str, float]
    limits: Mapping[str, float]
    kinks: tuple[str, ...]
    nonlinear: float
    open_sizes: float
    double: bool

    @property
    def wrong(self) -> tuple[str, ...]:
        """The inputs whose gradient is not that of the operator."""
        return tuple(
            name
            for name, error in self.errors.items()
            # Not a number is no agreement.
            if name not in self.kinks and not error <= self.limits[name]
        )

    @property
    def right(self) -> bool:
        """Whether the rule is right, as far as these inputs show it; on a kink nothing does."""
        alike = _ALIKE[self.double]
        return (
            not self.wrong
            and not self.kinks
            and self.nonlinear <= alike
            and not self.open_sizes > alike
        )

    def __str__(self) -> str:
        if self.wrong:
            far = ", ".join(f"{name} by {self.errors[name]:.1e}" for name in self.wrong)
            return (
                f"the rule of {self.op_type} is wrong: its gradient differs for {far} of its size"
            )
        alike = _ALIKE[self.double]
        if not self.nonlinear <= alike:
            return f"the rule of {self.op_type} is wrong: its gradient is not linear in dy"
        if self.open_sizes > alike:
            return f"the rule of {self.op_type} is wrong where sizes are open"
        if self.kinks:
            listed = ", ".join(self.kinks)
            return f"the rule of {self.op_type} cannot be checked: {listed} is on a kink"
        worst = max(self.errors.values(), default=0.0)
        precision = "double" if self.double else "single"
        return f"the rule of {self.op_type} is right to {worst:.0e}, in {precision} precision"


def check_rule(
    op_type: str,
    rules: RuleTable | None,
    inputs: Sequence[npt.ArrayLike | None],
    *,
    attributes: Mapping[str, Any] | None = None,
    constant: Collection[int] = (),
    forward: Callable[..., npt.ArrayLike] | None = None,
    opset: int = 18,
    seed: int = 0,
) -> RuleCheck:
    """Check a gradient rule on one node: against central differences, and in its cotangent.

    For random cotangents and along random directions, the slope by the rule is compared with that
    of the operator by differences, extrapolated to a step of 0 (Richardson). A gradient is linear
    in its cotangent, which is checked as well, and that the graph for open sizes gives the same.
    All is computed in double precision where ONNX Runtime has the operator in it, or else the onnx
    package's reference; where only single precision serves, that is said.

    Args:
        op_type: A standard operator, such as `"Softsign"`.
        rules: The table with the rule; `None` for the standard one.
        inputs: Of the node: arrays of real numbers, with respect to which it is differentiated;
            of other types, which become constants; `None` for one that is left out. Keep off
            kinks, such as 0 for a Relu.
        attributes: Of the node, by name.
        constant: Which inputs of real numbers are constants as well, counted from 0.
        forward: Computes the operator's first output from all inputs, as float64 arrays; by default
            the operator itself is run.
        opset: Version of the standard operators.
        seed: Of everything random.

    Returns:
        What was found; `right` and `str()` say it in short.

    Raises:
        OperatorError: there is no such operator or rule, an attribute that the rule does not
            handle, or nothing here runs the node.
        InputError: the inputs do not fit, or give what is not finite.
    """
    table = standard_rules() if rules is None else rules
    _require_rule(op_type, table, opset)
    arrays = {f"x{i}": np.asarray(a) for i, a in enumerate(inputs) if a is not None}
    constants = {f"x{i}" for i in constant} | {n for n, a in arrays.items() if a.dtype.kind != "f"}
    wrt = [name for name in arrays if name not in constants]
    if not wrt:
        raise InputError(f"{op_type} is given no real numbers that it could be differentiated by")
    rng = np.random.default_rng(whole("seed", seed, 0))
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    reason: OnnxscopeError | None = None
    for dtype, alike, run in _TRIALS:
        # Some operators want all real inputs of one type, some have inputs that are always float32.
        typed = {
            name: array.astype(dtype if alike or name in wrt else np.float32)
            if array.dtype.kind == "f"
            else array
            for name, array in arrays.items()
        }
        node = _Node(op_type, names, typed, constants, dict(attributes or {}), opset)
        try:
            value = run(node.model())
            y = np.asarray(value(node.fed)["y"])
            if dtype is np.float64 and run is _by_runtime and _is_single(y):
                # Such a kernel says that it takes double, as Shrink's does.
                raise ModelError("it computes in single precision, whatever it is given")
            slopes = run(_differentiated(node.model(), wrt, table))
        except OperatorError:
            raise
        except OnnxscopeError as error:
            reason = reason or error
            continue
        return _Checker(node, wrt, value, slopes, run, table, forward, rng).check(y)
    raise OperatorError(f"nothing here runs {op_type} on these inputs: {reason}")


def _is_single(array: np.ndarray) -> bool:
    """Whether all elements are numbers that float32 holds."""
    with np.errstate(over="ignore"):
        return array.dtype.kind == "f" and bool(np.all(array == array.astype(np.float32)))


def _differentiated(
    model: onnx.ModelProto, wrt: Sequence[str], table: RuleTable
) -> onnx.ModelProto:
    with warnings.catch_warnings():
        # Whether it is right that a gradient is zero is what is checked here.
        warnings.simplefilter("ignore", OnnxscopeWarning)
        return differentiate(model, "y", list(wrt), rules=table, compare=False)


def _require_rule(op_type: str, table: RuleTable, opset: int) -> None:
    if not defs.has(op_type, opset, ""):
        known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
        raise OperatorError(
            f"ONNX has no operator {op_type!r} at opset {opset}{nearest(op_type, known)}"
        )
    if op_type not in table:
        kind = (
            "is written as others before anything is differentiated, so that no rule is asked for"
            if expansion_of("", op_type) is not None
            else "has no gradient rule in this table"
        )
        raise OperatorError(f"operator {op_type} {kind}")


@dataclass(frozen=True)
class _Node:
    """One node with its inputs."""

    op_type: str
    names: Sequence[str]
    arrays: Arrays
    constants: Collection[str]
    attributes: dict[str, Any]
    opset: int

    @property
    def fed(self) -> Arrays:
        return {name: array for name, array in self.arrays.items() if name not in self.constants}

    def model(self, *, open_sizes: bool = False) -> onnx.ModelProto:
        """The node alone, from its inputs to `y`."""
        node = helper.make_node(self.op_type, list(self.names), ["y"], **self.attributes)
        given = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                [f"{name}_{axis}" for axis in range(array.ndim)] if open_sizes else array.shape,
            )
            for name, array in self.fed.items()
        ]
        weights = [
            numpy_helper.from_array(array, name)
            for name, array in self.arrays.items()
            if name in self.constants
        ]
        graph = helper.make_graph(
            [node], "rule", given, [helper.make_empty_tensor_value_info("y")], weights
        )
        imports = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def _by_runtime(model: onnx.ModelProto) -> Callable[[Arrays], Arrays]:
    session = open_session(model, "cpu")
    taken = {value.name for value in model.graph.input}
    return lambda feeds: session.run({n: a for n, a in feeds.items() if n in taken})


def _by_reference(model: onnx.ModelProto) -> Callable[[Arrays], Arrays]:
    names = [output.name for output in model.graph.output]
    taken = {value.name for value in model.graph.input}

    def run(feeds: Arrays) -> Arrays:
        try:
            evaluator = ReferenceEvaluator(model)
            results = evaluator.run(None, {n: a for n, a in feeds.items() if n in taken})
        except Exception as error:
            # The evaluator runs the onnx package's own Python code, which raises whatever it does.
            raise ModelError(f"onnx's reference does not run it: {error}") from error
        return {name: np.asarray(a) for name, a in zip(names, results, strict=True)}

    return run


_TRIALS: tuple[tuple[type[np.floating[Any]], bool, _Run], ...] = (
    (np.float64, True, _by_runtime),
    (np.float64, False, _by_runtime),
    (np.float32, True, _by_runtime),
    (np.float64, True, _by_reference),
    (np.float64, False, _by_reference),
)
"""Types of the inputs, whether constants have it as well, and what runs them; the first that does
serves."""


class _Checker:
    """A rule's gradient of one node, and all that it is compared with."""

    def __init__(
        self,
        node: _Node,
        wrt: Sequence[str],
        value: Callable[[Arrays], Arrays],
        slopes: Callable[[Arrays], Arrays],
        run: _Run,
        table: RuleTable,
        forward: Callable[..., npt.ArrayLike] | None,
        rng: np.random.Generator,
    ) -> None:
        self._node, self._wrt, self._value, self._slopes = node, wrt, value, slopes
        self._run, self._table, self._forward, self._rng = run, table, forward, rng
        self._double = all(node.arrays[name].dtype == np.float64 for name in wrt)

    def check(self, y: np.ndarray) -> RuleCheck:
        """Compare, at inputs that give `y`."""
        if y.dtype.kind != "f":
            raise InputError(f"{self._node.op_type} gives {y.dtype}: only real numbers have slopes")
        if not np.isfinite(y).all():
            raise InputError(f"{self._node.op_type} gives what is not finite for these inputs")
        one, other = (self._cotangent(y) for _ in range(2))
        gradients = self._gradient(self._slopes, one)
        errors, limits, kinks = {}, {}, []
        for name in self._wrt:
            errors[name], limits[name], kink = self._compare(name, gradients[name], one)
            if kink:
                kinks.append(name)
        again, both = (self._gradient(self._slopes, c) for c in (other, one + other))
        nonlinear = max(_apart(gradients[n] + again[n], both[n]) for n in self._wrt)
        if y.ndim == 0:
            nonlinear = 0.0  # no cotangent goes in
        return RuleCheck(
            self._node.op_type,
            errors,
            limits,
            tuple(kinks),
            nonlinear,
            self._open(one, gradients),
            self._double,
        )

    def _cotangent(self, y: np.ndarray) -> np.ndarray:
        random = self._rng.standard_normal(y.shape) if y.ndim else np.ones(())
        return np.asarray(random, y.dtype)

    def _gradient(self, run: Callable[[Arrays], Arrays], cotangent: np.ndarray) -> Arrays:
        results = run(self._node.fed | {"grad_y": cotangent})
        found = {name: results[f"grad_{name}"] for name in self._wrt}
        for name, gradient in found.items():
            shape = self._node.arrays[name].shape
            if gradient.shape != shape:
                raise OperatorError(
                    f"the rule of {self._node.op_type} gives {gradient.shape} for {name}, whose "
                    f"shape is {shape}"
                )
        return {name: gradient.astype(np.float64) for name, gradient in found.items()}

    def _compare(
        self, name: str, gradient: np.ndarray, cotangent: np.ndarray
    ) -> tuple[float, float, bool]:
        """The largest error along random directions, its limit, and whether there is a kink."""
        x = self._node.arrays[name].astype(np.float64)
        size = max(float(np.sqrt(np.mean(x**2))), 1e-3) if x.size else 1.0
        worst, limit, kinked = 0.0, _ALLOWED[self._double], False
        epsilon = float(np.finfo(np.float64 if self._double else np.float32).eps)
        for _ in range(_DIRECTIONS):
            direction = self._rng.standard_normal(x.shape) * size
            terms = gradient * direction
            least = 1e-3 * size * float(np.linalg.norm(cotangent))
            scale = float(np.linalg.norm(terms)) + (least or 1.0)

            def along(t: float, direction: np.ndarray = direction) -> float:
                value = self._at(name, x + t * direction).astype(np.float64)
                if value.shape != cotangent.shape:
                    return math.nan  # a Range may become longer
                return float(np.vdot(cotangent.astype(np.float64), value))

            noise = rounding_noise(along, independent_spacing(epsilon), epsilon)
            # A large step may leave the domain, as of Acosh, which begins at 1.
            steps = [
                step
                for step in (DOUBLE_STEPS if self._double else SINGLE_STEPS)
                if math.isfinite(along(step)) and math.isfinite(along(-step))
            ]
            if len(steps) < 2:
                raise InputError(
                    f"{self._node.op_type} is not finite just beside {name}, so that there are no "
                    "differences: give inputs further inside of its domain"
                )
            found = derivative(along, steps, noise, scale)
            kinked = kinked or found.kink
            error = abs(float(terms.sum()) - found.slope) / scale
            worst = error if math.isnan(error) else max(worst, error)
            limit = max(limit, min(CERTAIN * found.uncertainty / scale, 1e-2))
            if math.isnan(worst):
                break
        return worst, limit, kinked

    def _at(self, name: str, moved: np.ndarray) -> np.ndarray:
        """The operator's output with one input moved."""
        if self._forward is not None:
            arrays = self._node.arrays | {name: moved}
            given = [arrays.get(n) if n else None for n in self._node.names]
            return np.asarray(self._forward(*given))
        typed = np.asarray(moved, self._node.arrays[name].dtype)
        return self._value(self._node.fed | {name: typed})["y"]

    def _open(self, cotangent: np.ndarray, expected: Arrays) -> float:
        """How far the gradient for open sizes is from the other; not a number where none is."""
        model = self._node.model(open_sizes=True)
        try:
            graph = _differentiated(model, self._wrt, self._table)
            found = self._gradient(self._run(graph), cotangent)
        except OperatorError:
            raise
        except OnnxscopeError:
            return math.nan
        return max(_apart(found[name], expected[name]) for name in self._wrt)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    largest = float(np.abs(other).max(initial=0.0))
    apart = float(np.abs(one - other).max(initial=0.0))
    return apart / largest if largest else apart
