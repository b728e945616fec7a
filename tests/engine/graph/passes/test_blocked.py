"""What stands between convolutions on the CPU: written so that it stays in their layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.blocked import keep_blocked
from onnxscope.graph.passes.branches import merge_convolutions, separate_branches
from onnxscope.graph.passes.plan import Plan
from onnxscope.graph.tensor import Tensor
from onnxscope.rules.by_provider import rules_for
from onnxscope.rules.standard import standard_rules

CHANNELS = 32
SHAPE = (2, CHANNELS, 9, 10)

Between = Callable[[Builder, Tensor], Tensor]


def _weights(builder: Builder, rows: int, columns: int, side: int = 1) -> Tensor:
    rng = np.random.default_rng(rows + columns)
    kernel = rng.standard_normal((rows, columns, side, side)) / np.sqrt(columns * side * side)
    return builder.constant(kernel, np.float32)


def _conv(x: Tensor, rows: int = CHANNELS, side: int = 1) -> Tensor:
    kernel = _weights(x.builder, rows, x.shape[1], side)
    return x.op.Conv(x, kernel, pads=[side // 2] * 4)


def _network(between: Between) -> tuple[Builder, Tensor]:
    """A convolution, something, and a convolution."""
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    return builder, _conv(between(builder, _conv(x)))


def _run(model: onnx.ModelProto, folder: Path) -> tuple[list[np.ndarray], Counter[str]]:
    """What it computes, and the operators that the runtime makes of it."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    opened = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(3)
    feeds = {
        value.name: rng.standard_normal(value.shape).astype(np.float32)
        for value in opened.get_inputs()
    }
    results = [np.asarray(result) for result in opened.run(None, feeds)]
    optimized = onnx.load(folder / "optimized.onnx")
    return results, Counter(node.op_type for node in optimized.graph.node)


def _spread(x: Tensor) -> Tensor:
    return _conv(x.op.GlobalAveragePool(x))


BETWEEN: dict[str, Between] = {
    "times a number": lambda b, x: x * 0.3,
    "by a number": lambda b, x: x / 7.0,
    "plus a number": lambda b, x: x + 2.0,
    "minus a number": lambda b, x: x - 2.0,
    "a number minus": lambda b, x: 1.0 - x,
    "minus": lambda b, x: -x,
    "times channels": lambda b, x: x * b.constant(np.arange(32).reshape(1, 32, 1, 1), np.float32),
    "plus channels": lambda b, x: x + b.constant(np.arange(32).reshape(32, 1, 1), np.float32),
    "difference": lambda b, x: x.op.Sigmoid(x) - x.op.Tanh(x),
    "sum of three": lambda b, x: b.op.Sum(x.op.Sigmoid(x), x.op.Tanh(x), x.op.Relu(x)),
    "hard swish": lambda b, x: b.op.HardSwish(x),
    "gate": lambda b, x: x * b.op.Sigmoid(_spread(x)),
    "gate first": lambda b, x: b.op.Sigmoid(_spread(x)) * x,
    "expanded": lambda b, x: b.op.Expand(_spread(x), b.constant(SHAPE, np.int64)),
    "mean": lambda b, x: b.op.ReduceMean(x, b.constant([2, 3], np.int64)),
    "sum over pixels": lambda b, x: b.op.ReduceSum(x, b.constant([-1, -2], np.int64)),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_it_stays_in_blocks_and_computes_the_same(name: str, tmp_path: Path) -> None:
    builder, y = _network(BETWEEN[name])
    builder.output("y", y)
    (wanted,), before = _run(model_of(builder), tmp_path)
    builder, y = _network(BETWEEN[name])
    builder.output("y", y)
    keep_blocked(builder, Plan(blocked=True))
    (found,), after = _run(model_of(builder), tmp_path)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    if "ReorderInput" not in before:
        pytest.skip("on this machine convolutions have no layout of their own")
    # One on the way in, one on the way out.
    assert (after["ReorderInput"], after["ReorderOutput"]) == (1, 1)


@pytest.mark.parametrize("name", BETWEEN)
def test_gradients_are_the_standard_ones(name: str, tmp_path: Path) -> None:
    gradients = []
    for rules in (standard_rules(), rules_for("cpu")):
        builder, y = _network(BETWEEN[name])
        dy = builder.input("dy", y.shape, np.float32)
        dx = backpropagate(builder, {y: dy}, [Tensor(builder, builder.graph.inputs[0])], rules)[0]
        builder.output("dx", dx)
        (gradient,), _ = _run(model_of(builder), tmp_path)
        gradients.append(gradient)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
    assert np.abs(gradients[0]).max() > 0


@pytest.mark.parametrize(
    "between",
    [
        # Other channels, types, ranks and sizes are left alone.
        lambda b, x: _conv(_conv(x, 5) * 0.5),
        lambda b, x: x * b.constant(np.ones((9, 1)), np.float32),
        lambda b, x: x + b.constant(np.ones((1, 1, 9, 10)), np.float32),
        lambda b, x: b.op.ReduceMean(x, b.constant([1], np.int64)) * x,
        lambda b, x: b.op.ReduceMean(x, b.constant([2], np.int64)),
        lambda b, x: x.reshape(2, 32, 90).reshape(2, 32, 9, 10) * 0.5,
        lambda b, x: x / b.constant(0.0, np.float32),
    ],
)  # fmt: skip
def test_what_does_not_fit_computes_the_same(between: Between, tmp_path: Path) -> None:
    results = []
    for rewrite in (False, True):
        builder, y = _network(between)
        builder.output("y", y)
        if rewrite:
            keep_blocked(builder, Plan(blocked=True))
        results.append(_run(model_of(builder), tmp_path)[0][0])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)


def _inception(builder: Builder, x: Tensor) -> Tensor:
    """Two blocks of branches, one behind the other."""
    op, x = builder.op, builder.op.Relu(x)
    for _ in range(2):
        pooled = op.MaxPool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        branches = [
            op.Relu(_conv(x, 16)),
            op.Relu(_conv(op.Relu(_conv(x, 32)), 48, 3)),
            op.Relu(_conv(op.Relu(_conv(x, 16)), 16, 5)),
            op.Relu(_conv(pooled, 32)),
        ]
        x = op.Concat(*branches, axis=1)
    return x


def test_branches_get_cotangents_of_their_own(tmp_path: Path) -> None:
    results, operators = [], []
    for rules in (standard_rules(), rules_for("cpu")):
        builder, y = _network(_inception)
        dy = builder.input("dy", y.shape, np.float32)
        dx = backpropagate(builder, {y: dy}, [Tensor(builder, builder.graph.inputs[0])], rules)[0]
        builder.output("dx", dx)
        result, operator = _run(model_of(builder), tmp_path)
        results.append(result[0])
        operators.append(operator)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)
    if "ReorderInput" in operators[1]:
        # What remains is cut out of the pool's cotangent, which is made of no convolution.
        assert 2 * operators[1]["ReorderOutput"] < operators[0]["ReorderOutput"]
    assert not operators[1]["ScatterElements"]


def _cut(builder: Builder, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    total = builder.op.Sum(_conv(x, 48), _conv(x, 48, 3), x.op.Concat(x, x[:, :16], axis=1))
    return total, [total[:, :16], total[:, 16:32], total[:, 32:]]


@pytest.mark.parametrize("reader", ["none", "another", "kept", "output"])
def test_sums_are_cut_before_they_are_computed(reader: str, tmp_path: Path) -> None:
    """But for those that are needed whole."""
    found = []
    for rewrite in (False, True):
        builder = Builder()
        x = builder.input("x", SHAPE, np.float32)
        total, parts = _cut(builder, x)
        if reader == "another":
            builder.output("whole", builder.op.Relu(total))
        elif reader == "output":
            total = builder.output("whole", total)
        for number, part in enumerate(parts):
            builder.output(f"part{number}", builder.op.Relu(part))
        before = {tensor.value: len(tensor.value.consumers()) for tensor in (total, *parts)}
        if rewrite:
            merge_convolutions(builder, Plan(blocked=True))
            separate_branches(
                builder, Plan(blocked=True, kept={total.value} if reader == "kept" else ())
            )
            unread = [value for value in before if value is not total.value and not value.uses()]
            assert len(unread) == (3 if reader == "none" else 0)
        found.append(_run(model_of(builder), tmp_path)[0])
    for old, new in zip(*found, strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


def test_convolutions_of_one_tap_are_summed_as_one(tmp_path: Path) -> None:
    found = []
    for rewrite in (False, True):
        builder = Builder()
        x = builder.input("x", SHAPE, np.float32)
        a, b, c = (_conv(_conv(x, 16), 32), _conv(_conv(x, 48), 32), _conv(_conv(x, 16), 32, 3))
        builder.output("y", builder.op.Relu(builder.op.Sum(a, b, c)))
        if rewrite:
            merge_convolutions(builder, Plan(blocked=True))
        model = model_of(builder)
        assert sum(node.op_type == "Conv" for node in model.graph.node) == (5 if rewrite else 6)
        found.append(_run(model, tmp_path)[0][0])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_what_leaves_the_layout_anyway_is_left_as_it_is() -> None:
    """Erf is computed outside: to multiply inside would only write the value once more."""
    builder, y = _network(lambda b, x: b.op.Erf(x * 0.3) * x)
    builder.output("y", y)
    before = Counter(node.op_type for node in builder.graph)
    keep_blocked(builder, Plan(blocked=True))
    assert Counter(node.op_type for node in builder.graph) == before


def test_sums_of_unlike_sizes_are_no_convolution_of_values_side_by_side(tmp_path: Path) -> None:
    found = []
    for rewrite in (False, True):
        builder = Builder()
        x = builder.input("x", SHAPE, np.float32)
        sums = (
            builder.op.Sum(_conv(x), _conv(builder.op.GlobalAveragePool(x))),
            builder.op.Sum(_conv(x), _conv(x, 1)),
        )
        for number, total in enumerate(sums):
            builder.output(f"y{number}", total)
        if rewrite:
            merge_convolutions(builder, Plan(blocked=True))
        found.append(_run(model_of(builder), tmp_path)[0])
    for old, new in zip(*found, strict=True):
        np.testing.assert_array_equal(new, old)


def _doubled(x: Tensor) -> Tensor:
    for _ in range(60):
        x = x + x
    return x * 2.0**-60


def _depthwise_chain(x: Tensor) -> Tensor:
    kernel = x.builder.constant(np.ones((CHANNELS, 1, 1, 1)), np.float32)
    for _ in range(1200):
        x = x.op.Conv(x, kernel, group=CHANNELS)
    return x


def _scaled_often(x: Tensor) -> Tensor:
    for _ in range(600):
        x = (x * 2.0) * 0.5
    return x


@pytest.mark.slow
@pytest.mark.parametrize("chain", [_doubled, _depthwise_chain, _scaled_often])
def test_long_chains_are_written_in_no_time(
    chain: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    """To follow each way through them would take for ever, and each operator too deep."""
    found = []
    for rules in (standard_rules(), rules_for("cpu")):
        builder = Builder()
        x = builder.input("x", SHAPE, np.float32)
        y = chain(_conv(x))
        y = x.op.Concat(x.op.Relu(y[:, :16]), x.op.Sigmoid(y[:, 16:]), axis=1)
        dy = builder.input("dy", y.shape, np.float32)
        builder.output("dx", backpropagate(builder, {y: dy}, [x], rules)[0])
        found.append(_run(model_of(builder), tmp_path)[0][0])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert np.abs(found[0]).max() > 0


def test_outputs_of_the_graph_stay() -> None:
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    total = builder.output("y", builder.op.Sum(_conv(_conv(x)), _conv(x)))
    part = builder.output("part", (total * 1.0)[:, :16])
    merge_convolutions(builder, Plan(blocked=True))
    separate_branches(builder, Plan(blocked=True))
    assert [value.name for value in builder.graph.outputs] == ["y", "part"]
    assert part.value.producer() is not None
