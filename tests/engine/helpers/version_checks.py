"""A version of an operator: what is computed here against what computes the file as it is."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import onnxscope as osc
from graphs import session
from node_suite import REAL, judge_gradient
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnxscope.graph.traits import Trait, operators_with
from version_cases import Example, examples, in_version, model_of, schemas, unusual

# So many examples are tried before a version or an attribute of it counts as not run.
_TRIED = 6


@dataclass(frozen=True)
class Found:
    """What became of a version of an operator, or of one of its attributes.

    Attributes:
        kind: "equal", "wrong", "refused", or "not run".
        by: Whose values these are: "ONNX Runtime" or "reference".
        reason: In words.
    """

    kind: str
    by: str = ""
    reason: str = ""


# Where the onnx package's evaluator is wrong about early versions, with the attribute that it is
# wrong about: it has the first AveragePool count the padding, which ONNX says of no version by
# default, forgets the factor of what a Gemm adds, and passes over options of what is recurrent.
_DOUBTED = {
    ("AveragePool", 1, ""),
    ("Gemm", 6, "beta"),
    ("LSTM", 1, "input_forget"),
    *((op, v, name) for op, v in (("GRU", 1), ("GRU", 3), ("LSTM", 1))
      for name in ("activations", "clip")),
}  # fmt: skip


class Reference:
    """The onnx package's evaluator with a session's method."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._evaluator = ReferenceEvaluator(model)
        self._names = [value.name for value in model.graph.output]

    def run(self, names: list[str], feeds: Mapping[str, Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            results = dict(zip(self._names, self._evaluator.run(None, dict(feeds)), strict=True))
        return [np.asarray(results[name]) for name in names]


def _kernel(
    model: onnx.ModelProto, feeds: Mapping[str, Any], *, by_reference: bool
) -> tuple[Any, str, str]:
    """What computes the model, who that is, and else why nobody does."""
    names = [value.name for value in model.graph.output]
    reasons = []
    everybody = (("ONNX Runtime", session), ("reference", Reference))
    for who, how in everybody if by_reference else everybody[:1]:
        try:
            kernel = how(model)
            kernel.run(names, dict(feeds))
        except Exception as error:  # there are dozens of unrelated classes of them
            reasons.append(f"{who}: {str(error).strip().splitlines()[0][:120]}")
        else:
            return kernel, who, ""
    return None, "", "; ".join(reasons)


def checked(
    example: Example, version: int, plain: Example | None = None, *, by_reference: bool = True
) -> Found:
    """Compare all values, and where there are any the gradients, of one example.

    Args:
        example: The example.
        version: The version that it is written in.
        plain: The same in a form that ends no process.
        by_reference: Whether the onnx package's evaluator counts where ONNX Runtime has no kernel.
    """
    if example.op in operators_with(Trait.RANDOM):
        return Found("not run", "", "its result is random")
    try:
        model, feeds = model_of(example, version)
        usual = model if plain is None else model_of(plain, version)[0]
    except (onnx.shape_inference.InferenceError, TypeError) as error:
        return Found("not run", "", f"no model: {str(error).splitlines()[0][:100]}")
    kernel, who, reason = _kernel(usual, feeds, by_reference=by_reference)
    if kernel is None:
        return Found("not run", "", reason)
    set_here = {"", *unusual(example, schemas()[example.op][version])}
    if who == "reference" and any((example.op, version, name) in _DOUBTED for name in set_here):
        return Found("not run", "", "the reference is wrong about it")
    outputs = [value.name for value in model.graph.output]
    first = kernel.run(outputs, dict(feeds))
    if not all(isinstance(array, np.ndarray) for array in first):
        return Found("not run", who, "gives no tensors")
    for value, array in zip(model.graph.output, first, strict=True):
        kind = value.type.tensor_type
        if not kind.elem_type or not kind.HasField("shape"):
            # The first versions have no inference of types.
            code = helper.np_dtype_to_tensor_dtype(array.dtype)
            value.CopyFrom(helper.make_tensor_value_info(value.name, code, array.shape))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        return Found("not run", who, f"no model: {str(error).splitlines()[0][:100]}")
    wanted = dict(zip(outputs, first, strict=True))
    real = [v.name for v in model.graph.output if v.type.tensor_type.elem_type in REAL]
    wrt = [v.name for v in model.graph.input if v.type.tensor_type.elem_type in REAL]
    # The scale of a grid counts as constant.
    constant = {*osc.standard_rules().without_derivative, "DynamicQuantizeLinear"}
    if example.op in constant or not wrt or not real:
        problem = different_values(model, feeds, wanted)
        return Found("equal", who, "no derivative") if problem is None else replace(problem, by=who)
    name = f"{example.op} {version} {example.source}"
    for of in real:
        opened = _gradient(model, of, wrt)
        if isinstance(opened, Found):
            return replace(opened, by=who)
        problem = _different(opened, of, feeds, wanted)
        if problem is not None:
            return replace(problem, by=who)
        verdict = judge_gradient(opened, model, kernel, of, wrt, feeds, name)
        if verdict.reason.endswith("is not finite"):
            return Found("not run", who, "it has no slope there")
        if verdict.kind in ("wrong", "refused"):
            return Found(verdict.kind, who, f"{of}: {verdict.reason}")
    return Found("equal", who)


def different_values(
    model: onnx.ModelProto, feeds: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]
) -> Found | None:
    """Compare all outputs of the model, in a graph that has a gradient of something else."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.input.append(helper.make_tensor_value_info("aside", 1, [1]))
    extended.graph.output.append(helper.make_tensor_value_info("abs_aside", 1, [1]))
    extended.graph.node.append(helper.make_node("Abs", ["aside"], ["abs_aside"]))
    opened = _gradient(extended, "abs_aside", ["aside"])
    if isinstance(opened, Found):
        return opened
    return _different(opened, "abs_aside", {**feeds, "aside": np.ones(1, np.float32)}, wanted)


def _gradient(model: onnx.ModelProto, of: str, wrt: Sequence[str]) -> ort.InferenceSession | Found:
    """The model with a gradient, opened, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", osc.OnnxscopeWarning)
            warnings.filterwarnings("error", "the output .* is left out")
            graph = osc.differentiate(model, of=of, wrt=wrt)
    except (osc.OnnxscopeError, osc.OnnxscopeWarning) as error:
        return Found("refused", "", str(error))
    try:
        return session(graph)
    except Exception as error:  # as above
        # What ONNX Runtime has no kernel for it does not run here either.
        return Found("not run", "", f"ONNX Runtime: {str(error)[:150]}")


def _different(
    opened: ort.InferenceSession,
    of: str,
    feeds: Mapping[str, np.ndarray],
    wanted: Mapping[str, np.ndarray],
) -> Found | None:
    """The first output that has other values in a model with a gradient."""
    known = {value.name for value in opened.get_inputs()}
    like = wanted.get(of, np.ones(1, np.float32))
    given = {**feeds, f"grad_{of}": np.ones_like(like)}
    results = opened.run(list(wanted), {n: a for n, a in given.items() if n in known})
    for (name, value), result in zip(wanted.items(), results, strict=True):
        if result.shape != value.shape or result.dtype != value.dtype:
            return Found(
                "wrong",
                "",
                f"{name} is {result.dtype} {result.shape}, not {value.dtype} {value.shape}",
            )
        tolerance = 2e-2 if value.dtype == np.float16 else 1e-4
        if value.dtype.kind != "f":
            same = np.array_equal(result, value)
        else:
            size = np.abs(value[np.isfinite(value)].astype(np.float64)).max(initial=1e-3)
            same = np.allclose(result, value, rtol=0, atol=tolerance * size, equal_nan=True)
        if not same:
            return Found("wrong", "", f"the values of {name} differ")
    return None


@functools.cache
def outcomes_of(op: str) -> Mapping[tuple[int, str], Found]:
    """Of each version, and each attribute of it, what became of it; "" for the version itself."""
    found: dict[tuple[int, str], Found] = {}
    for version, schema in schemas()[op].items():
        wanted = {"", *schema.attributes}
        tried = dict.fromkeys(wanted, 0)
        for example in examples().get(op, ()):
            written = in_version(example, version)
            if written is None:
                continue
            shown = {"", *unusual(written, schema)} & wanted
            shown = {name for name in shown if tried[name] < _TRIED}
            # One attribute that is left out by an example must not stay open for ever.
            if not shown:
                continue
            outcome = checked(written, version)
            for name in shown:
                tried[name] += 1
                before = found.get((version, name))
                if before is None or before.kind in ("not run", "refused"):
                    found[version, name] = outcome
            if outcome.kind == "wrong":
                found[version, ""] = Found(
                    "wrong", outcome.by, f"{example.source}, {dict(written.attributes)}: "
                    f"{outcome.reason}",
                )  # fmt: skip
                break
            if outcome.kind == "equal":
                wanted -= shown
        for name in {"", *schema.attributes}:
            found.setdefault((version, name), Found("not run", "", "no example"))
    return found
