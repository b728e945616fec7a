"""The CPU provider's own rules and lowerings: the same result as the standard ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graphs import session
from onnxscope.gradient.lowering import lower
from onnxscope.gradient.passes import GradientPlan
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.tensor import Tensor
from onnxscope.rules.by_provider import rules_for
from onnxscope.rules.cpu import cpu_rules
from onnxscope.rules.redirected import redirected_relu
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable

POOLS = [
    {"kernel_shape": [3, 3], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [2, 3], "strides": [1, 3], "pads": [1, 2, 0, 1]},
    {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [2, 1, 1, 1]},
    {"kernel_shape": [1, 1], "strides": [2, 2]},
    {"kernel_shape": [1, 1]},
    {"kernel_shape": [1, 1], "strides": [1, 2]},
    {"kernel_shape": [1, 3], "strides": [2, 2]},
    {"kernel_shape": [3, 1], "strides": [1, 2], "pads": [1, 0, 1, 0]},
    {"kernel_shape": [4, 5], "strides": [3, 2], "dilations": [1, 2]},
    {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]},
    # Too many taps: the standard form takes over.
    {"kernel_shape": [6, 6], "strides": [2, 2]},
]


def _pool_gradient(rules: RuleTable, attributes: dict[str, object], x: np.ndarray) -> np.ndarray:
    builder = Builder()
    image = builder.input("x", x.shape, x.dtype)
    y = builder.op.MaxPool(image, **attributes)
    seed = builder.input("dy", y.shape, x.dtype)
    builder.output("dx", backpropagate(builder, {y: seed}, [image], rules)[0])
    model = model_of(builder)
    onnx.checker.check_model(model, full_check=True)
    opened = session(model)
    seeds = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    result: np.ndarray = opened.run(None, {"x": x, "dy": seeds})[0]
    return result


@pytest.mark.sample(6)
@pytest.mark.parametrize("attributes", POOLS, ids=str)
@pytest.mark.parametrize("channels", [16, 5])
@pytest.mark.parametrize("kind", ["noise", "ties", "zeros", "large"])
def test_max_pool_is_bit_for_bit_the_standard_one(
    attributes: dict[str, object], channels: int, kind: str
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, channels, 11, 14)).astype(np.float32)
    if kind == "ties":
        x = np.round(x)
    elif kind == "zeros":
        x = np.maximum(x - 1, 0)
    elif kind == "large":
        x *= np.float32(1e30)
    wanted = _pool_gradient(standard_rules(), attributes, x)
    found = _pool_gradient(rules_for("cpu"), attributes, x)
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(wanted).max() > 0


@pytest.mark.sample(6)
@pytest.mark.parametrize(
    "attributes",
    [*POOLS, {"kernel_shape": [3, 3]}, {"kernel_shape": [2, 3], "dilations": [2, 1]}],
    ids=str,
)
@pytest.mark.parametrize("channels", [16, 5])
@pytest.mark.parametrize("kind", ["noise", "ties", "zeros"])
def test_max_pool_behind_a_relu_gives_the_same(
    attributes: dict[str, object], channels: int, kind: str
) -> None:
    """There windows may see zeros beyond the border, and need no indices where they are close."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, channels, 11, 14)).astype(np.float32)
    x = {"noise": x, "ties": np.round(x), "zeros": x - 2}[kind]

    def gradient(rules: RuleTable) -> np.ndarray:
        builder = Builder()
        image = builder.input("x", x.shape, x.dtype)
        y = builder.op.MaxPool(builder.op.Relu(image), **attributes)
        seed = builder.input("dy", y.shape, x.dtype)
        builder.output("dx", backpropagate(builder, {y: seed}, [image], rules)[0])
        seeds = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
        result: np.ndarray = session(model_of(builder)).run(None, {"x": x, "dy": seeds})[0]
        return result

    wanted = gradient(standard_rules())
    # What is given to a tap and taken back again is rounded.
    np.testing.assert_allclose(gradient(rules_for("cpu")), wanted, rtol=0, atol=3e-6)
    assert np.abs(wanted).max() > 0


@pytest.mark.parametrize("kernel", [[3, 3], [1, 3], [3, 1], [2, 2]])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [0, 0, 1, 1]])
def test_max_pool_of_neighbouring_windows_needs_no_indices(
    kernel: list[int], pads: list[int]
) -> None:
    """Nothing is scattered; pads at the end never win, also where all is negative."""
    if any(pad >= taps for pad, taps in zip(pads[2:], kernel, strict=True)):
        pytest.skip("ONNX wants pads smaller than the kernel")
    rng = np.random.default_rng(0)
    attributes: dict[str, object] = {"kernel_shape": kernel, "pads": pads}
    for x in (rng.standard_normal((1, 32, 9, 7)) - 3, np.round(rng.standard_normal((1, 32, 9, 7)))):
        wanted = _pool_gradient(standard_rules(), attributes, x.astype(np.float32))
        found = _pool_gradient(rules_for("cpu"), attributes, x.astype(np.float32))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)
    builder = Builder()
    image = builder.input("x", (1, 32, 9, 7), np.float32)
    y = builder.op.MaxPool(image, **attributes)
    builder.output("dx", backpropagate(builder, {y: y}, [image], rules_for("cpu"))[0])
    assert "ScatterElements" not in {node.op_type for node in model_of(builder).graph.node}


@pytest.mark.parametrize("strides", [[1, 1], [2, 2]])
@pytest.mark.parametrize("channels", [16, 5])
def test_redirected_gradients_pass_a_padded_max_pool(strides: list[int], channels: int) -> None:
    """Behind a ReLU that is off everywhere, what its windows give back counts after all."""
    x = -1 - np.random.default_rng(0).random((2, channels, 9, 8), np.float32)

    def gradient(rules: RuleTable) -> np.ndarray:
        builder = Builder()
        image = builder.input("x", x.shape, x.dtype)
        rectified = builder.op.Relu(image)
        y = builder.op.MaxPool(rectified, kernel_shape=[3, 3], pads=[1] * 4, strides=strides)
        seed = builder.constant(np.ones(y.shape), np.float32)
        builder.output("dx", backpropagate(builder, {y: seed}, [image], rules)[0])
        result: np.ndarray = session(model_of(builder)).run(None, {"x": x})[0]
        return result

    wanted = gradient(standard_rules() | redirected_relu())
    found = gradient(rules_for("cpu") | redirected_relu())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)
    assert np.abs(wanted).max() > 0


@pytest.mark.parametrize("strides", [[1, 1], [2, 2]])
@pytest.mark.parametrize("between", [False, True])
def test_the_cotangent_of_a_rectified_value_may_be_asked_for(
    strides: list[int], between: bool
) -> None:
    """Then windows that hold only zeros give to their first pixel, as by the standard rule."""
    gradients = []
    x = np.random.default_rng(0).standard_normal((1, 16, 9, 8)).astype(np.float32) - 2
    for rules in (standard_rules(), rules_for("cpu")):
        builder = Builder()
        rectified = builder.op.Relu(builder.input("x", x.shape, x.dtype))
        read = rectified
        if between:
            read = builder.op.AveragePool(rectified, kernel_shape=[2, 2])
        y = builder.op.MaxPool(read, kernel_shape=[3, 3], pads=[1] * 4, strides=strides)
        seed = builder.constant(np.ones(y.shape), np.float32)
        builder.output("dx", backpropagate(builder, {y: seed}, [rectified], rules)[0])
        gradients.append(session(model_of(builder)).run(None, {"x": x})[0])
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=0, atol=3e-6)
    assert np.abs(gradients[0][:, :, 0, 0]).max() > 0


@pytest.mark.parametrize("override", [RuleTable, redirected_relu])
def test_a_gate_that_is_closed_is_told_to_open(override: Callable[[], RuleTable]) -> None:
    """Where it makes a window zero, its own cotangent is not."""
    gradients = []
    x = 1 + np.random.default_rng(0).random((1, 16, 9, 8), np.float32)
    for rules in (standard_rules(), rules_for("cpu")):
        builder = Builder()
        image = builder.input("x", x.shape, x.dtype)
        gate = builder.op.HardSigmoid(-10 * image)
        y = builder.op.Relu(image) * gate
        y = builder.op.MaxPool(y, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
        wrt = [gate] if override is RuleTable else [image]
        seed = builder.constant(np.ones(y.shape), np.float32)
        builder.output("d", backpropagate(builder, {y: seed}, wrt, rules | override())[0])
        gradients.append(session(model_of(builder)).run(None, {"x": x})[0])
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=0, atol=3e-6)
    assert np.abs(gradients[0]).max() > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("before", ["nothing", "Relu", "Conv"])
@pytest.mark.parametrize("pad", [0, 1])
def test_what_is_no_number_breaks_no_run(value: float, before: str, pad: int) -> None:
    builder = Builder()
    x = builder.input("x", (1, 5, 9, 9), np.float32)
    kernel = builder.constant(np.eye(5).reshape(5, 5, 1, 1), np.float32)
    values = {"nothing": lambda: x, "Relu": lambda: builder.op.Relu(x)}
    read = values.get(before, lambda: builder.op.Conv(x, kernel))()
    y = builder.op.MaxPool(read, kernel_shape=[3, 3], pads=[pad] * 4, strides=[2, 2])
    builder.output("dx", backpropagate(builder, {y: y}, [x], rules_for("cpu"))[0])
    picture = np.random.default_rng(0).standard_normal((1, 5, 9, 9)).astype(np.float32)
    picture[0, 2, 2:6, 3:8] = value
    dx = session(model_of(builder)).run(None, {"x": picture})[0]
    assert dx.shape == picture.shape
    if before != "Conv":
        assert np.isfinite(dx[0, [0, 1, 3, 4]]).all()


def test_a_padded_max_pool_of_one_pixel_that_is_zero() -> None:
    builder = Builder()
    x = builder.input("x", (1, 5, 1, 1), np.float32)
    y = builder.op.MaxPool(builder.op.Relu(x), kernel_shape=[3, 3], pads=[1] * 4)
    seed = builder.constant(np.ones(y.shape), np.float32)
    builder.output("dx", backpropagate(builder, {y: seed}, [x], rules_for("cpu"))[0])
    feeds = {"x": np.array([-1, 1, 0, 2, -3], np.float32).reshape(1, 5, 1, 1)}
    dx = session(model_of(builder)).run(None, feeds)[0]
    np.testing.assert_array_equal(dx.ravel(), [0, 1, 0, 1, 0])


def _squares(x: Tensor) -> Tensor:
    x = x.op.Sigmoid(x)
    for _ in range(60):
        x = x * x
    return x


def _twice(x: Tensor) -> Tensor:
    x = x.op.Relu(x)[:, :1, :1, :1]
    for _ in range(14):
        x = x.op.Concat(x, x, axis=1)
    return x.op.Concat(x, x, axis=2)


def _pools(x: Tensor) -> Tensor:
    x = x.op.Relu(x)
    for _ in range(1200):
        x = x.op.AveragePool(x, kernel_shape=[1, 1])
    return x


@pytest.mark.slow
@pytest.mark.parametrize("chain", [_squares, _twice, _pools])
def test_what_a_max_pool_reads_is_not_traced_for_ever(chain: Callable[[Tensor], Tensor]) -> None:
    results = []
    rng = np.random.default_rng(0)
    feeds = {"x": rng.standard_normal((1, 16, 4, 4)).astype(np.float32)}
    for rules in (standard_rules(), rules_for("cpu")):
        builder = Builder()
        x = builder.input("x", (1, 16, 4, 4), np.float32)
        y = builder.op.MaxPool(chain(x), kernel_shape=[3, 3], pads=[1] * 4)
        builder.output("dx", backpropagate(builder, {y: y}, [x], rules)[0])
        results.append(session(model_of(builder)).run(None, feeds)[0])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)


def test_a_picture_padded_with_minus_infinity_before_max_pool() -> None:
    def gradient(rules: RuleTable) -> np.ndarray:
        builder = Builder()
        x = builder.input("x", [1, 4, 9, 9], np.float32)
        pads = builder.constant([0, 0, 0, 0, 0, 0, 1, 1], np.int64)
        padded = builder.op.Pad(x, pads, builder.constant(-np.inf, np.float32))
        y = builder.op.MaxPool(padded, kernel_shape=[3, 3], strides=[2, 2])
        builder.output("dx", backpropagate(builder, {y: y}, [x], rules)[0])
        rng = np.random.default_rng(0)
        feeds = {"x": rng.standard_normal((1, 4, 9, 9)).astype(np.float32)}
        result: np.ndarray = session(model_of(builder)).run(None, feeds)[0]
        return result

    np.testing.assert_array_equal(gradient(rules_for("cpu")), gradient(standard_rules()))


def test_an_open_batch_costs_no_more_than_a_known_one() -> None:
    """The same operators but for those that read and state the batch."""

    def operators(batch: int | str) -> list[str]:
        builder = Builder()
        x = builder.input("x", [batch, 8, 65, 64], np.float32)
        rng = np.random.default_rng(0)

        def kernel(*shape: int) -> Tensor:
            return builder.constant(rng.standard_normal(shape), np.float32)

        y = builder.op.Conv(x, kernel(8, 8, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
        y = builder.op.MaxPool(y, kernel_shape=[3, 3], strides=[2, 2])
        y = builder.op.Conv(y, kernel(8, 1, 3, 3), strides=[2, 2], pads=[1] * 4, group=8)
        y = builder.op.AveragePool(y, kernel_shape=[3, 3], pads=[1] * 4)
        y = builder.op.AveragePool(y, kernel_shape=[3, 3], strides=[2, 2])
        y = builder.op.GlobalAveragePool(y)
        (dx,) = backpropagate(builder, {y: y}, [x], rules_for("cpu"))
        builder.output("dx", dx)
        return [node.op_type for node in model_of(builder).graph.node]

    stated = {"Shape", "Concat"}
    assert [op for op in operators("N") if op not in stated] == operators(2)


def test_every_cpu_rule_is_tested_here() -> None:
    assert set(cpu_rules()) == {"MaxPool"}


def test_other_providers_keep_the_standard_rules() -> None:
    assert rules_for("cuda")["MaxPool"].inputs == standard_rules()["MaxPool"].inputs
    assert rules_for("cpu")["MaxPool"].inputs != standard_rules()["MaxPool"].inputs


@pytest.mark.sample(6)
@pytest.mark.parametrize(
    ("size", "beta", "bias"), list(itertools.product([1, 3, 5, 11], [0.5, 0.75, 0.6], [1.0, 2.0]))
)
def test_a_lowered_lrn_is_an_lrn(size: int, beta: float, bias: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 12, 5, 6)).astype(np.float32) * 3
    seeds = rng.standard_normal(x.shape).astype(np.float32)

    def run(lowered: bool) -> list[np.ndarray]:
        builder = Builder()
        image = builder.input("x", x.shape, np.float32)
        # Read twice: the lowered value must serve all who read it.
        y = builder.op.LRN(image * 1.5, size=size, alpha=0.4, beta=beta, bias=bias)
        total: Tensor = builder.output("value", y * y + y)
        if lowered:
            lower(builder, GradientPlan(rules=standard_rules()))
        seed = builder.constant(seeds)
        builder.output("dx", backpropagate(builder, {total: seed}, [image], standard_rules())[0])
        model = model_of(builder)
        assert any(node.op_type == "LRN" for node in model.graph.node) != lowered
        opened = session(model)
        return opened.run(None, {"x": x})

    for found, wanted in zip(run(lowered=True), run(lowered=False), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.sample(8)
@pytest.mark.parametrize("strides", [(2, 2), (1, 2), (3, 2), (4, 4)], ids=str)
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (1, 1), (1, 4)], ids=str)
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 0, 1)], ids=str)
@pytest.mark.parametrize("size", [(11, 14), (12, 9)], ids=str)
def test_strided_depthwise_convolutions_are_those_of_a_diagonal_kernel(
    strides: tuple[int, int],
    kernel: tuple[int, int],
    pads: tuple[int, int, int, int],
    size: tuple[int, int],
) -> None:
    # Depthwise goes by a convolution between zeros, a kernel of one group by ConvTranspose.
    if max(pads) >= min(kernel):
        pads = (0, 0, 0, 0)
    rng = np.random.default_rng(0)
    depthwise = rng.standard_normal((6, 1, *kernel)).astype(np.float32)
    diagonal = np.zeros((6, 6, *kernel), np.float32)
    diagonal[np.arange(6), np.arange(6)] = depthwise[:, 0]
    x = rng.standard_normal((2, 6, *size)).astype(np.float32)
    results = []
    for weights, group in ((depthwise, 6), (diagonal, 1)):
        builder = Builder()
        image = builder.input("x", x.shape, np.float32)
        y = builder.op.Conv(
            image, builder.constant(weights), strides=strides, pads=pads, group=group
        )
        dy = np.random.default_rng(1).standard_normal(y.shape)
        seed = builder.constant(dy, np.float32)
        builder.output("dx", backpropagate(builder, {y: seed}, [image], standard_rules())[0])
        model = model_of(builder)
        transposes = any(node.op_type == "ConvTranspose" for node in model.graph.node)
        assert transposes == (group == 1)
        opened = session(model)
        results.append(opened.run(None, {"x": x})[0])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)
    assert np.abs(results[1]).max() > 0
