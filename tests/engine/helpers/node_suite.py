"""The node tests that the onnx package ships, as a suite of gradients.

Each is one operator with example inputs. Where ONNX Runtime runs it and real numbers go in and come
out, the gradient is compared with central differences along random directions.
"""

from __future__ import annotations

import functools
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime as ort
import onnxscope as osc
from graphs import session
from onnx import TensorProto, numpy_helper
from onnxscope.verification.differences import derivative, rounding_noise

REAL = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
}
HIGHEST_OPSET = 26

# The default inputs lie on kinks and ties quite often: moved by so much they do not.
_SHAKES = (0.0, 0.05, 0.02)


@dataclass(frozen=True)
class Outcome:
    """What became of one node test.

    Attributes:
        kind: "right", "wrong", "refused", "on a kink", "no derivative", "no real numbers",
            "not run".
        reason: In words.
    """

    kind: str
    reason: str = ""


@functools.cache
def node_tests() -> Mapping[str, Any]:
    """The tests of the standard domain, by name, with example inputs.

    What the package computes for them to give is read by nobody here, and neither are the sources
    that it keeps for its documentation. Results of pools took seven tenths of the time, these one.
    """
    from onnx.backend.test.case import base, node
    from onnx.reference.ops import op_pool_common

    with (
        mock.patch.object(op_pool_common, "pool", _of_its_shape),
        mock.patch.object(base, "process_snippet", lambda _, name, __: (name, "")),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        cases = node.collect_testcases(None)
    return {
        case.name: case
        for case in cases
        if {entry.domain for entry in case.model.opset_import} <= {"", "ai.onnx"}
    }


def _of_its_shape(
    padded: np.ndarray,
    x_shape: Sequence[int],
    _: object,
    __: object,
    out_shape: Sequence[int],
    *options: object,
    **more: object,
) -> np.ndarray:
    """What a pool gives, but for its values."""
    del options, more
    return np.zeros((*x_shape[:2], *out_shape), padded.dtype)


def outcome(case: Any, kernel_of: Callable[[onnx.ModelProto], Any] = session) -> Outcome:
    """Differentiate one node test and judge the result; `kernel_of` makes what computes a model."""
    model = _runnable(case.model)
    arrays, _ = case.data_sets[0]
    feeds = {
        value.name: np.asarray(array)
        for value, array in zip(model.graph.input, arrays, strict=False)
        if isinstance(array, np.ndarray | np.generic)
    }
    if len(feeds) < len(model.graph.input):
        return Outcome("no real numbers", "takes sequences, maps or optional values")
    wrt = [v.name for v in model.graph.input if v.type.tensor_type.elem_type in REAL]
    outputs = [v.name for v in model.graph.output if v.type.tensor_type.elem_type in REAL]
    if not wrt or not outputs:
        return Outcome("no real numbers", "no real input or no real output")
    constant = osc.standard_rules().without_derivative
    if len(model.graph.node) == 1 and model.graph.node[0].op_type in constant:
        return Outcome("no derivative", constant[model.graph.node[0].op_type])
    if any(node.op_type == "DynamicQuantizeLinear" for node in model.graph.node):
        return Outcome("no derivative", "the scale of a grid counts as constant")
    try:
        kernel = kernel_of(model)
        first, again = (kernel.run(outputs, feeds) for _ in range(2))
    except Exception as error:  # ONNX Runtime has a dozen unrelated classes of them
        return Outcome("not run", str(error).splitlines()[0][:160])
    if any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(first, again, strict=True)):
        return Outcome("not run", "its result is random")
    verdicts = [judge(model, kernel, of, wrt, feeds, case.name) for of in outputs]
    if all(verdict.kind == "refused" for verdict in verdicts):
        # What such inputs are for is to be constants; and not all of them need a gradient.
        closed, left = _with_constants(model, feeds)
        try:
            kernel = kernel_of(closed)
        except Exception as error:  # as above
            return Outcome("refused", f"{verdicts[0].reason}; with constants: {error}")
        again = [judge(closed, kernel, of, wrt[:1], left, case.name) for of in outputs]
        if any(verdict.kind != "refused" for verdict in again):
            verdicts = again
    for kind in ("wrong", "refused", "right", "on a kink", "no derivative", "not run"):
        for verdict in verdicts:
            if verdict.kind == kind:
                return verdict
    raise AssertionError("a verdict of no kind")


def _with_constants(
    model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model with its inputs of integers and truth values as initializers."""
    closed = onnx.ModelProto()
    closed.CopyFrom(model)
    kept = [v for v in model.graph.input if v.type.tensor_type.elem_type in REAL]
    del closed.graph.input[:]
    closed.graph.input.extend(kept)
    names = {value.name for value in kept}
    closed.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in feeds.items() if name not in names
    )
    return closed, {name: array for name, array in feeds.items() if name in names}


def judge(
    model: onnx.ModelProto,
    kernel: Any,
    of: str,
    wrt: Sequence[str],
    feeds: Mapping[str, np.ndarray],
    name: str,
) -> Outcome:
    """Judge the gradient of one output of a model."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", osc.OnnxscopeWarning)
            graph = osc.differentiate(model, of=of, wrt=wrt)
    except osc.OnnxscopeError as error:
        return Outcome("refused", str(error))
    return judge_gradient(session(graph), model, kernel, of, wrt, feeds, name)


def judge_gradient(
    gradient: ort.InferenceSession,
    model: onnx.ModelProto,
    kernel: Any,
    of: str,
    wrt: Sequence[str],
    feeds: Mapping[str, np.ndarray],
    name: str,
) -> Outcome:
    """The same where the gradient's graph is open already."""
    known = {value.name for value in gradient.get_inputs()}
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    found: list[str] = []
    for shake in _SHAKES:
        moved = _shaken(feeds, wrt, shake, rng)
        y = kernel.run([of], moved)[0]
        if y.size == 0:
            return Outcome("no derivative", "the output is empty")
        if not np.isfinite(y).all():
            continue
        cotangent = (
            np.asarray(rng.normal(size=y.shape), y.dtype) if y.ndim else np.ones((), y.dtype)
        )
        seed = {f"grad_{of}": cotangent} if f"grad_{of}" in known else {}
        # An input that nothing reads is no input of the gradient graph's session.
        given = {n: a for n, a in (moved | seed).items() if n in known}
        results = gradient.run([of, *(f"grad_{n}" for n in wrt)], given)
        problem = _difference_in_value(results[0], y)
        if problem:
            return Outcome("wrong", problem)
        if isinstance(kernel, ort.InferenceSession) and _not_a_number_inside(model, moved):
            return Outcome("no derivative", "the operator's own body computes with NaN there")
        verdict = _compare(kernel, of, wrt, moved, cotangent, results[1:], rng)
        if verdict is None:
            return Outcome("right" if any(r.any() for r in results[1:]) else "no derivative")
        found.append(verdict)
    if not found:
        return Outcome("not run", "it is not finite")
    # The examples lie on kinks and ties on purpose; a wrong rule is wrong beside them too.
    return Outcome("on a kink") if "kink" in found else Outcome("wrong", found[-1])


def _difference_in_value(ours: np.ndarray, y: np.ndarray) -> str:
    if ours.shape != y.shape or ours.dtype != y.dtype:
        return f"the value is {ours.dtype} {ours.shape}, not {y.dtype} {y.shape}"
    tolerance = 2e-2 if y.dtype == np.float16 else 1e-4
    scale = max(float(np.abs(y[np.abs(y) < 1e30].astype(np.float64)).max(initial=0)), 1e-3)
    # What hides a key is minus infinity to one and the lowest number to another.
    hidden = (ours < -1e30) & (y < -1e30) if y.dtype != np.float16 else np.isinf(ours)
    off = np.abs(ours.astype(np.float64) - y.astype(np.float64))
    off = float(np.where(hidden, 0, off).max()) / scale
    return "" if off <= tolerance else f"the value is off by {off:.2g}"


def _not_a_number_inside(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> bool:
    """Whether an inner value is NaN, which a Where takes out again: then 0 · NaN is its slope."""
    inner = [name for node in model.graph.node for name in node.output if name]
    if len(model.graph.node) == 1:
        return False
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    found = session(opened).run(inner, dict(feeds))
    arrays = [a for r in found if r is not None for a in (r if isinstance(r, list) else [r])]
    return any(a.dtype.kind == "f" and np.isnan(a).any() for a in arrays)


def _compare(
    kernel: Any,
    of: str,
    wrt: Sequence[str],
    feeds: Mapping[str, np.ndarray],
    cotangent: np.ndarray,
    gradients: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> str | None:
    """`None` where gradients and differences agree, "kink" where there are none, else a reason."""
    weights = cotangent.astype(np.float64)
    half = any(feeds[name].dtype == np.float16 for name in wrt) or cotangent.dtype == np.float16
    for name, dx in zip(wrt, gradients, strict=True):
        x = feeds[name]
        if dx.shape != x.shape or dx.dtype != x.dtype:
            return f"the gradient of {name} is {dx.dtype} {dx.shape}, not {x.dtype} {x.shape}"
        if not np.isfinite(dx[np.isfinite(x)]).all():
            return f"the gradient of {name} is not finite"
        size = float(np.abs(x[np.isfinite(x)].astype(np.float64)).max(initial=0))
        # Large inputs are large for the sake of overflow, and bend as fast as others.
        size = min(max(1.0, size), 10.0)
        for _ in range(2):
            direction = rng.uniform(-1, 1, x.shape)

            def along(t: float, name: str = name, direction: np.ndarray = direction) -> float:
                with np.errstate(invalid="ignore"):
                    at = np.asarray(feeds[name] + t * direction, feeds[name].dtype)
                value = kernel.run([of], feeds | {name: at})[0]
                if value.shape != weights.shape:
                    return np.nan
                return float((value.astype(np.float64) * weights).sum())

            slope = float((dx.astype(np.float64) * direction).sum())
            scale = float(np.linalg.norm(dx.astype(np.float64) * direction))
            scale = max(scale, 1e-3 * float(np.linalg.norm(weights)) / size)
            epsilon = float(np.finfo(np.float16 if half else x.dtype).eps)
            top = size * (0.2 if half else 0.05)
            if not np.isfinite([along(top), along(-top)]).all():
                top *= 0.02  # an end of the operator's domain is near
            noise = rounding_noise(along, top * 1e-3, epsilon)
            found = derivative(along, [top / 2**k for k in range(3 if half else 8)], noise, scale)
            allowed = max(3 * found.uncertainty, (0.05 if half else 1e-2) * scale)
            if abs(found.slope - slope) <= allowed:
                continue
            low, high = sorted((found.left, found.right))
            if (
                found.kink
                or low - allowed <= slope <= high + allowed
                or not np.isfinite(found.slope)
            ):
                return "kink"
            return f"{name}: slope {slope:.6g}, differences {found.slope:.6g} ± {allowed:.1g}"
    return None


def _shaken(
    feeds: Mapping[str, np.ndarray], wrt: Sequence[str], size: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The inputs moved a little, away from ties and kinks, but not across zero."""
    moved = dict(feeds)
    for name in wrt if size else ():
        x = feeds[name]
        factor = 1 + size * rng.uniform(-1, 1, x.shape)
        zero = size * 0.1 * rng.uniform(0, 1, x.shape) * (x == 0)
        with np.errstate(invalid="ignore"):
            moved[name] = np.asarray(x * factor + zero, x.dtype)
    return moved


def _runnable(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in an opset that ONNX Runtime loads; operators did not change their meaning."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for entry in copy.opset_import:
        entry.version = min(entry.version, HIGHEST_OPSET)
    copy.ir_version = min(copy.ir_version, 10)
    return copy


def outcomes() -> Iterator[tuple[str, Outcome]]:
    """All of the suite."""
    for name, case in node_tests().items():
        yield name, outcome(case)
