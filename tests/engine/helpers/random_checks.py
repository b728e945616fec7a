"""What holds of the gradient of any graph, checked on one random graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import onnxscope as osc
from onnx.helper import make_node
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from onnxscope.errors import OnnxscopeError
from onnxscope.rules.table import RuleTable
from onnxscope.verification.differences import Difference
from onnxscope.verification.double.rewrite import in_double
from random_draft import names_read
from random_graphs import RandomGraph
from random_truth import Arrays, Evaluator, Truth

TALLY: Counter[str] = Counter()
"""How many graphs came to what, and in which precision."""

HIGHEST_OPSET = 26

# Parts of the length of what is compared.
_SINGLE, _DOUBLE = 2e-4, 1e-6
_DIRECTIONS = 2


def check(graph: RandomGraph, rules: RuleTable | None = None) -> None:
    """All properties of one graph.

    Raises:
        AssertionError: one does not hold; the graph is named.
    """
    try:
        _check(graph, rules)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{graph}") from error


def check_gradient(graph: RandomGraph, rules: RuleTable | None = None) -> None:
    """That the gradients are those of differences, and nothing else.

    Raises:
        AssertionError: they are not; the graph is named.
    """
    closed = Gradient(graph, rules)
    y = Evaluator(graph.model())(graph.feeds())[graph.of]
    cotangent = _cotangents(y)[0]
    found = closed(cotangent)
    gradients = {name: found[f"grad_{name}"] for name in graph.wrt}
    noise = closed.noise(cotangent, gradients)
    try:
        check_differences(graph, rules, y, cotangent, gradients, noise)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{graph}") from error


def _check(graph: RandomGraph, rules: RuleTable | None) -> None:
    closed = Gradient(graph, rules)
    closed.check_form()
    point = graph.inputs | graph.weights
    evaluate = Evaluator(graph.model())
    outputs = evaluate(graph.feeds())
    y = outputs[graph.of]
    cotangents = _cotangents(y)
    found = closed(cotangents[0])
    for name, expected in outputs.items():
        if not is_same(found[name], expected, 1e-5):
            rounding = _rounding(graph, name, expected)
            compare(found[name], expected, 1e-5 + rounding, f"the output {name} is changed")
    gradients = {name: found[f"grad_{name}"] for name in graph.wrt}
    for name, gradient in gradients.items():
        assert gradient.shape == point[name].shape, f"the gradient of {name} has another shape"
        assert np.isfinite(gradient).all(), f"the gradient of {name} is not finite"
    for name in set(graph.wrt) - _reaching(graph):
        assert not gradients[name].any(), f"the gradient of {name}, which is not used, is not zero"
    noise = closed.noise(cotangents[0], gradients)
    _check_linear(closed, cotangents, gradients, noise)
    _check_open(graph, rules, cotangents[0], gradients, noise)
    check_differences(graph, rules, y, cotangents[0], gradients, noise)


class Gradient:
    """The gradient graph of a random graph, at its point."""

    def __init__(
        self, graph: RandomGraph, rules: RuleTable | None, *, opened: bool = False
    ) -> None:
        self._graph, self._opened = graph, opened
        self.proto = osc.differentiate(
            graph.model(opened=opened), of=graph.of, wrt=graph.wrt, rules=rules
        )
        self._evaluate = Evaluator(self.proto)

    def __call__(self, cotangent: np.ndarray, moved: Arrays | None = None) -> dict[str, np.ndarray]:
        feeds = self._graph.feeds(fed=self._opened) | {f"grad_{self._graph.of}": cotangent}
        return self._evaluate(feeds | dict(moved or {}))

    def check_form(self) -> None:
        """A valid model of standard operators."""
        onnx.checker.check_model(self.proto, full_check=True)
        versions = {entry.domain: entry.version for entry in self.proto.opset_import}
        assert set(versions) <= {"", "ai.onnx"}
        assert versions[""] <= HIGHEST_OPSET
        assert {node.domain for node in self.proto.graph.node} <= {"", "ai.onnx"}

    def noise(self, cotangent: np.ndarray, gradients: Arrays) -> Noise:
        """By how much rounding moves the gradients."""
        return Noise(self, cotangent, gradients)

    def beside(self, cotangent: np.ndarray, gradients: Arrays) -> dict[str, float]:
        """By how much the gradients are moved a little beside the point.

        A cotangent that is fed is another multiple, too, which makes every product and sum behind
        it round anew, also where the weights alone decide.
        """
        rng = np.random.default_rng(1)
        moved = dict.fromkeys(gradients, 0.0)
        for factor in np.float32((1, 0.7, 1.3) if cotangent.ndim else (1, 1, 1)):
            inputs = {name: _beside(array, rng) for name, array in self._graph.inputs.items()}
            found = self(_beside(cotangent, rng) * factor, inputs)
            for name, gradient in gradients.items():
                apart = float(np.linalg.norm(found[f"grad_{name}"] / factor - gradient))
                moved[name] = max(moved[name], 4 * apart)
        return moved

    def shaken(self, cotangent: np.ndarray, gradients: Arrays) -> dict[str, float]:
        """By how much they are moved where what nodes read is: ties are ties no more."""
        feeds = self._graph.feeds(fed=self._opened) | {f"grad_{self._graph.of}": cotangent}
        evaluate = Evaluator(_shaken(self.proto))
        runs = [evaluate(feeds) for _ in range(4)]
        return {
            name: max(float(np.linalg.norm(run[f"grad_{name}"] - gradient)) for run in runs)
            for name, gradient in gradients.items()
        }


class Noise:
    """By how much rounding moves the gradients of a random graph."""

    def __init__(self, gradient: Gradient, cotangent: np.ndarray, gradients: Arrays) -> None:
        self._given = cotangent, gradients
        self._gradient = gradient
        self._near = gradient.beside(*self._given)
        self._shaken: dict[str, float] | None = None

    def allows(self, name: str, apart: float, allowed: float, times: float) -> bool:
        """Whether a difference is no more than allowed, and so many times the noise."""
        if apart <= allowed + times * self._near[name]:
            return True
        if self._shaken is None:
            # Not at first: it hides more.
            self._shaken = self._gradient.shaken(*self._given)
        return apart <= allowed + times * self._shaken[name]


def _check_linear(
    gradient: Gradient, cotangents: Sequence[np.ndarray], first: Arrays, noise: Noise
) -> None:
    """What comes of a sum is the sum of what comes of its parts."""
    if cotangents[0].ndim == 0:
        return
    a, b = cotangents
    other, both = gradient(b), gradient(2 * a - 3 * b)
    for name in first:
        parts = 2.0 * first[name], -3.0 * other[f"grad_{name}"]
        size = sum(float(np.linalg.norm(part)) for part in parts) * _SINGLE + 1e-6
        apart = float(np.linalg.norm(both[f"grad_{name}"] - sum(parts)))
        complaint = f"the gradient of {name} is not linear: off by {apart:.3g}"
        assert noise.allows(name, apart, size, 6), complaint


def _check_open(
    graph: RandomGraph,
    rules: RuleTable | None,
    cotangent: np.ndarray,
    gradients: Arrays,
    noise: Noise,
) -> None:
    """The gradient of open sizes is that of known sizes."""
    try:
        opened = Gradient(graph, rules, opened=True)
    except OnnxscopeError as error:
        # In words; which ones, the tally tells.
        TALLY[f"open sizes refused: {str(error)[:90]}"] += 1
        return
    onnx.checker.check_model(opened.proto, full_check=True)
    found = opened(cotangent)
    for name, gradient in gradients.items():
        given = found[f"grad_{name}"]
        assert given.shape == gradient.shape, f"the gradient of {name} has another shape, open"
        apart = float(np.linalg.norm(given - gradient))
        allowed = _SINGLE * float(np.linalg.norm(gradient)) + 1e-6
        complaint = f"the gradient of {name} is another of open sizes: by {apart:.3g}"
        assert noise.allows(name, apart, allowed, 2), complaint


def check_differences(
    graph: RandomGraph,
    rules: RuleTable | None,
    y: np.ndarray,
    cotangent: np.ndarray,
    gradients: Arrays,
    noise: Noise,
) -> None:
    """The gradients are those of central differences, at the point or beside it."""
    point = graph.inputs | graph.weights
    truth = Truth(graph, y, point)
    double = _double_gradients(graph, rules, cotangent)
    precise = double is not None and truth.kind != "single"
    TALLY[f"value {truth.kind}, gradient {'double' if double else 'single'}"] += 1
    if double is not None:
        for name, gradient in gradients.items():
            apart = float(np.linalg.norm(gradient - double[name]))
            allowed = 1e-3 * float(np.linalg.norm(double[name])) + 1e-6
            complaint = f"the gradient of {name} is another in double: {apart:.3g}"
            assert noise.allows(name, apart, allowed, 2), complaint
    rng = np.random.default_rng(2)
    told = 0
    for name, gradient in gradients.items():
        exact = gradient.astype(np.float64) if double is None else double[name]
        for _ in range(_DIRECTIONS):
            direction = np.asarray(rng.uniform(-1, 1, exact.shape))
            terms = exact * direction
            slope, scale = float(terms.sum()), float(np.linalg.norm(terms))
            floor = 1e-6 if precise else 1e-3
            found = truth.slope(point, cotangent, name, direction, max(scale, floor))
            rounding = 0.0 if precise else float(np.abs(direction).max(initial=0))
            # The reference rounds some functions to single precision on the way.
            rough = truth.kind in ("single", "reference")
            part = _DOUBLE if precise else 2e-3 if rough else _SINGLE
            allowed = 3 * found.uncertainty + part * max(scale, floor)
            if not np.isfinite(found.slope) or found.kink:
                TALLY["directions on a kink"] += 1
            elif 3 * found.uncertainty > 0.05 * max(scale, abs(found.slope), floor):
                TALLY["directions too uncertain"] += 1
            elif noise.allows(name, abs(found.slope - slope), allowed, rounding):
                told += 1
            elif truth.kind == "single" and _between(found, slope, allowed):
                TALLY["directions on a kink"] += 1
            else:
                raise AssertionError(
                    f"the gradient of {name} has the slope {slope:.9g}, differences "
                    f"({truth.kind}) {found.slope:.9g} ± {allowed:.1g}"
                )
    TALLY["directions right"] += told
    TALLY["graphs told" if told else "graphs not told"] += 1


def _between(found: Difference, slope: float, allowed: float) -> bool:
    low, high = sorted((found.left, found.right))
    return low - allowed <= slope <= high + allowed and high - low > allowed


def _double_gradients(
    graph: RandomGraph, rules: RuleTable | None, cotangent: np.ndarray
) -> dict[str, np.ndarray] | None:
    """The gradients in double precision, `None` where no runtime has all kernels."""
    feeds = graph.inputs | {f"grad_{graph.of}": cotangent}

    def differentiated(dtype: type) -> onnx.ModelProto:
        return osc.differentiate(graph.model(dtype), of=graph.of, wrt=graph.wrt, rules=rules)

    for build in (
        lambda: in_double(differentiated(np.float32)),
        lambda: differentiated(np.float64),
    ):
        try:
            evaluate = Evaluator(build())
        except Exception:
            continue
        try:
            found = evaluate(feeds)
        except InvalidArgument:
            # Numbers that are equal in single precision are not always in double.
            if "Unique" not in graph.operators:
                raise
            continue
        if f"grad_{graph.wrt[0]}" in found:
            return {name: found[f"grad_{name}"] for name in graph.wrt}
    return None


def _cotangents(y: np.ndarray) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    if not y.ndim:
        return [np.ones((), np.float32)] * 2
    return [np.asarray(rng.normal(size=y.shape), np.float32) for _ in range(2)]


def _reaching(graph: RandomGraph) -> set[str]:
    """The names that the value is computed from."""
    needed = {graph.of}
    for node in reversed(graph.nodes):
        if needed & set(node.output):
            needed |= set(names_read(node))
    return needed


def compare(found: np.ndarray, expected: np.ndarray, part: float, complaint: str) -> None:
    """Equal, or for real numbers up to a part of the largest."""
    assert is_same(found, expected, part), complaint


def is_same(found: np.ndarray, expected: np.ndarray, part: float) -> bool:
    """Whether arrays are equal, real numbers up to a part of the largest."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(found, expected)
    # A small sum may be one of large parts.
    size = max(float(np.abs(expected).max(initial=0)), 1.0)
    return bool(np.abs(found - expected).max(initial=0) <= part * size)


def _rounding(graph: RandomGraph, name: str, value: np.ndarray) -> float:
    """By how much rounding moves an output: seen where what each node reads is a little off.

    A group of equal numbers less their mean is nothing but rounding, which its norm makes large.
    """
    if value.dtype.kind != "f":
        return 0.0
    evaluate = Evaluator(_shaken(graph.model()))
    moved = [evaluate(graph.feeds())[name] for _ in range(4)]
    return max(float(np.abs(np.subtract(y, value, dtype=np.float64)).max()) for y in moved)


def _shaken(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with noise on each real number that a node reads."""
    shaken = onnx.shape_inference.infer_shapes(proto)
    single = onnx.TensorProto.FLOAT
    values = (*shaken.graph.input, *shaken.graph.value_info)
    real = {value.name for value in values if value.type.tensor_type.elem_type == single}
    real |= {tensor.name for tensor in shaken.graph.initializer if tensor.data_type == single}
    # Differences of equal numbers, which are zero or nearly so, are a little off as well.
    parts = {"noise": (1 - 3e-7, 1 + 3e-7), "more": (-1e-7, 1e-7)}
    del shaken.graph.node[:]
    for number, node in enumerate(proto.graph.node):
        reader = onnx.NodeProto()
        reader.CopyFrom(node)
        for index, name in enumerate(node.input):
            if name not in real:
                continue
            here = f"{name} {number} {index}"
            for part, (low, high) in parts.items():
                options = {"low": low, "high": high, "dtype": single}
                drawn = make_node("RandomUniformLike", [name], [f"{here} {part}"], **options)
                shaken.graph.node.append(drawn)
            shaken.graph.node.append(make_node("Mul", [name, f"{here} noise"], [f"{here} times"]))
            total = make_node("Add", [f"{here} times", f"{here} more"], [f"{here} shaken"])
            shaken.graph.node.append(total)
            reader.input[index] = f"{here} shaken"
        shaken.graph.node.append(reader)
    return shaken


def _beside(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(array * (1 + 3e-7 * rng.uniform(-1, 1, array.shape)), array.dtype)
