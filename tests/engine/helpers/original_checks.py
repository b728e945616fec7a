"""One operator that is written as others, against ONNX Runtime's kernel for the file as it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import onnxscope as osc
from graphs import session
from node_suite import judge_gradient
from onnx import helper, numpy_helper
from version_cases import schemas


@dataclass(frozen=True)
class Case:
    """One node with its inputs.

    Attributes:
        op: Operator.
        inputs: Arrays, `None` for an input that is left out.
        attributes: By name.
        outputs: How many, or which of them are there.
        domain: Of the operator.
        opset: Of the standard operators.
        fixed: Positions of inputs that have to be known before the graph runs.
        only: Position of the one output that is differentiated; by default the first real one.
        tolerance: Of values, relative to the largest.
        differences: Whether gradients are compared with differences.
    """

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int | Sequence[int] = 1
    domain: str = ""
    opset: int = 20
    fixed: Sequence[int] = ()
    only: int | None = None
    tolerance: float = 1e-4
    differences: bool = True

    @property
    def label(self) -> str:
        shapes = ["-" if a is None else "x".join(map(str, a.shape)) or "1" for a in self.inputs]
        options = [f"{k}={_short(v)}" for k, v in self.attributes.items()]
        return f"{self.op} {self.opset} {' '.join(shapes)} {' '.join(options)}"

    @property
    def kind(self) -> tuple[object, ...]:
        """What its graph of open sizes may depend on: neither lengths nor numbers in its arrays."""
        inputs = tuple(
            None if array is None else (array.ndim, array.dtype.kind, array.size == 0)
            for array in self.inputs
        )
        options = tuple((name, self._option(name)) for name in sorted(self.attributes))
        return self.domain, self.op, self.opset, inputs, options, str(self.outputs)

    def _option(self, name: str) -> object:
        """Words, switches and the axis; of other numbers, that they are there."""
        value, first = self.attributes[name], self.inputs[0]
        if name == "axis" and first is not None:
            return value % max(first.ndim, 1)
        return value if isinstance(value, str) or value in (0, 1) else None


def _short(value: Any) -> str:
    return str(value)[:40].replace("\n", " ")


SIZES = ("known", "first open", "all open")

# Axes along which the number of examples lies, by operator: of inputs by position.
EXAMPLES: Mapping[str, Mapping[int, int]] = {
    op: {0: 1, 4: 0, 5: 1, 6: 1} for op in ("LSTM", "GRU", "RNN")
}


def model_of(case: Case, sizes: str = "known") -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The model of a case and its inputs.

    Args:
        case: The case.
        sizes: "known"; "first open", the number of examples; or "all open".
    """
    names = ["" if array is None else f"x{i}" for i, array in enumerate(case.inputs)]
    while names and not names[-1]:
        names.pop()
    arrays = {f"x{i}": a for i, a in enumerate(case.inputs) if a is not None}
    fixed = {f"x{i}" for i in case.fixed}
    wanted = list(range(case.outputs)) if isinstance(case.outputs, int) else list(case.outputs)
    outputs = [f"y{i}" if i in wanted else "" for i in range(max(wanted) + 1)]
    node = helper.make_node(case.op, names, outputs, domain=case.domain, **case.attributes)
    inputs = [
        helper.make_tensor_value_info(
            name,
            _type_of(array),
            _declared(case, int(name[1:]), array, sizes),
        )
        for name, array in arrays.items()
        if name not in fixed
    ]
    held = [numpy_helper.from_array(arrays[n], n) for n in arrays if n in fixed]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs if name]
    imports = [helper.make_opsetid("", case.opset)]
    if case.domain:
        imports.append(helper.make_opsetid(case.domain, 1 if "micro" in case.domain else 3))
    graph = helper.make_graph([node], "original", inputs, results, held)
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return model, {name: a for name, a in arrays.items() if name not in fixed}


def _declared(case: Case, position: int, array: np.ndarray, sizes: str) -> Sequence[int | str]:
    if sizes == "all open":
        return [f"x{position}_{axis}" for axis in range(array.ndim)]
    axes = EXAMPLES.get(case.op, {0: 0})
    opened = array.ndim and sizes == "first open" and position in axes
    return ["N" if opened and a == axes[position] else n for a, n in enumerate(array.shape)]


def _type_of(array: np.ndarray) -> int:
    if array.dtype.kind in "OU":
        return int(onnx.TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def problem_of(case: Case, sizes: Sequence[str] = SIZES) -> str:
    """What is wrong with a case, in words that begin with a kind; empty where all is right.

    Args:
        case: The case.
        sizes: Which are known, as in `model_of`.

    Kinds are: `runtime`, where ONNX Runtime does not run the file; `refused`, `value` and
    `gradient`, with known sizes, with the number of examples open, or with all sizes open. There
    alone it may be said that shapes have to be given.
    """
    model, feeds = model_of(case)
    try:
        kernel = session(model, optimized=False)
        names = [value.name for value in kernel.get_outputs()]
        wanted = dict(zip(names, kernel.run(names, feeds), strict=True))
    except Exception as error:  # there are dozens of unrelated classes of them
        return f"runtime: {_line(error)}"
    wanted = {name: np.asarray(array) for name, array in wanted.items()}
    real = [name for name, array in wanted.items() if _is_real(array)]
    wrt = [name for name, array in feeds.items() if _is_real(array)]
    of = real[0] if case.only is None and real else f"y{case.only}"
    aside = not real or not wrt
    if aside:
        model, feeds, of, wrt = _with_another_path(model, feeds)
    opened: dict[str, ort.InferenceSession] = {}
    gradients: Mapping[str, np.ndarray] = {}
    for how in sizes:
        proto = model
        if how != "known":
            proto, _ = model_of(case, how)
            if aside:
                proto, *_ = _with_another_path(proto, feeds)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", osc.OnnxscopeWarning)
                warnings.filterwarnings("error", "the output .* is left out")
                graph = osc.differentiate(proto, of=of, wrt=wrt, compare=False)
        except (osc.OnnxscopeError, osc.OnnxscopeWarning) as error:
            if how == "all open" and "give the shapes" in str(error):
                continue
            return f"refused, {how}: {error}"
        try:
            opened[how] = session(graph)
            found = _run(opened[how], of, feeds, wanted)
        except Exception as error:  # as above
            return f"value, {how}: the graph does not run: {_line(error)}"
        for name, array in wanted.items():
            off = _apart(found[name], array, case.tolerance)
            if off:
                return f"value, {how}: {name}: {off}"
        gradients = gradients or found
        for name in wrt:
            off = _apart(found[f"grad_{name}"], gradients[f"grad_{name}"], 1e-4)
            if off:
                return f"gradient, {how}: of {name}: {off}"
            if found[f"grad_{name}"].shape != feeds[name].shape:
                return f"gradient, {how}: of {name} it has the shape {found[f'grad_{name}'].shape}"
    if aside or not case.differences:
        return ""
    verdict = judge_gradient(opened["known"], model, kernel, of, wrt, feeds, case.label)
    if verdict.kind in ("right", "no derivative", "on a kink"):
        return ""
    return f"gradient, known: {verdict.kind}: {verdict.reason}"


def _run(
    opened: ort.InferenceSession,
    of: str,
    feeds: Mapping[str, Any],
    wanted: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    known = {value.name for value in opened.get_inputs()}
    shape = wanted[of].shape if of in wanted else (1,)
    dtype = wanted[of].dtype if of in wanted else np.float32
    cotangent = np.random.default_rng(0).normal(size=shape).astype(dtype)
    given = {n: a for n, a in {**feeds, f"grad_{of}": cotangent}.items() if n in known}
    names = [value.name for value in opened.get_outputs()]
    return dict(zip(names, opened.run(names, given), strict=True))


def _with_another_path(
    model: onnx.ModelProto, feeds: Mapping[str, Any]
) -> tuple[onnx.ModelProto, dict[str, Any], str, list[str]]:
    """The model with a real value beside it, where it has none itself."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.node.append(helper.make_node("Abs", ["aside"], ["abs_aside"]))
    copy.graph.input.append(helper.make_tensor_value_info("aside", 1, [1]))
    copy.graph.output.append(helper.make_empty_tensor_value_info("abs_aside"))
    return copy, {**feeds, "aside": np.ones(1, np.float32)}, "abs_aside", ["aside"]


def _is_real(array: np.ndarray) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160]


def _apart(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> str:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"{found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}"
    if wanted.dtype.kind in "OU" or wanted.dtype.kind != "f":
        return "" if np.array_equal(found, wanted) else "other elements"
    hidden = (found < -1e30) & (wanted < -1e30)
    one, other = (np.where(hidden, 0, a).astype(np.float64) for a in (found, wanted))
    size = float(np.abs(other[np.isfinite(other)]).max(initial=1e-3))
    if np.allclose(one, other, rtol=0, atol=tolerance * size, equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        return f"off by {np.nanmax(np.abs(one - other)) / size:.2g}"


def emptied(case: Case, axis: int, *positions: int) -> Case:
    """The case with no elements along an axis of some inputs."""
    inputs = list(case.inputs)
    for position in positions:
        array = inputs[position]
        assert array is not None
        inputs[position] = np.take(array, [], axis)
    return replace(case, inputs=tuple(inputs))


def unusual(case: Case) -> set[str]:
    """The attributes that a standard operator's case gives another value than the default."""
    by_version = schemas()[case.op]
    schema = by_version[max(version for version in by_version if version <= case.opset)]
    found = set()
    for name, value in case.attributes.items():
        default = schema.attributes[name].default_value
        usual = helper.get_attribute_value(default) if default.name else None
        usual = usual.decode() if isinstance(usual, bytes) else usual
        if usual is None or usual != value:
            found.add(name)
    return found
