"""What a network does to a picture as long as it is affine, and the way back through it."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import run
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.tensor import Tensor
from onnxscope.rules.standard import standard_rules
from onnxscope.studies.stem import Stem, stem_of

SHAPE = (3, 3, 8, 8)
RNG = np.random.default_rng(8)
KERNEL = RNG.standard_normal((4, 3, 3, 3))
MEAN = np.array([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1)


def normalized(x: Tensor) -> Tensor:
    return (x - x.op.constant(MEAN, np.float32)) / x.op.constant([0.25], np.float32)


def convolved(x: Tensor, **attributes: object) -> Tensor:
    return x.op.Conv(x, x.op.constant(KERNEL, np.float32), **attributes)


def turned_round(x: Tensor) -> Tensor:
    return convolved(x.op.constant(np.ones((1, 3, 1, 1)), np.float32) - x, strides=[2, 2])


def padded(x: Tensor) -> Tensor:
    return convolved(x.op.Pad(normalized(x), x.op.constant([0, 0, 1, 1, 0, 0, 2, 1], np.int64)))


NETWORKS = {
    "normalized": (lambda x: x.op.Relu(convolved(normalized(x), pads=[1] * 4)), "SDC"),
    "turned round": (lambda x: x.op.Tanh(turned_round(x)), "SC"),
    "padded": (lambda x: x.op.Sigmoid(padded(x)), "SDPC"),
    # What is behind the last convolution stays where it is.
    "scaled behind": (lambda x: x.op.Relu(convolved(x) * 2.0), "C"),
    "with a way past": (lambda x: convolved(x).mean([2, 3]) + x.mean([1, 2, 3]).reshape(3, 1), ""),
    "squared first": (lambda x: convolved(x * x), ""),
    "of each picture its own": (
        lambda x: convolved(x * x.op.constant(np.arange(3).reshape(3, 1, 1, 1), np.float32)),
        "",
    ),
    "divided by it": (lambda x: convolved(1.0 / (x + 1.0)), ""),
    "without a convolution": (lambda x: x.op.Relu(normalized(x)), ""),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_sum_of_gradients_goes_back_once(name):
    network, expected = NETWORKS[name]
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    y = network(x)
    value = builder.output("value", y.sum(list(range(1, y.rank))))
    stem, behind = stem_of(x, value)
    assert "".join(step.op_type[0] for step in stem.steps) == expected
    assert (behind.value is x.value) == (not expected)
    weights = builder.constant([0.5, 2.0, -1.0], np.float32)
    direct, inner = backpropagate(builder, {value: weights}, [x, behind], standard_rules())
    builder.output("direct", direct.sum(0))
    builder.output("inner", inner.sum(0, keepdims=True))
    builder.output("behind", behind)
    pictures = RNG.random(SHAPE, np.float32)
    found = run(model_of(builder), {"x": pictures})
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    one = builder.input("one", (1, *SHAPE[1:]), np.float32)
    total = builder.input("total", found["inner"].shape, np.float32)
    builder.output("again", stem.append(x) if stem.steps else x * 1.0)
    builder.output("back", stem.back(total, one, standard_rules()) * 1.0)
    # Whatever the picture, the way back is the same.
    feeds = {"x": pictures, "one": pictures[:1] * 0, "total": found["inner"]}
    again = run(model_of(builder), feeds)
    np.testing.assert_allclose(again["again"], found["behind"], rtol=1e-5, atol=1e-6)
    scale = np.abs(found["direct"]).max()
    np.testing.assert_allclose(again["back"][0], found["direct"], atol=1e-5 * scale)


def test_without_steps_nothing_is_done():
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    assert Stem().back(x, x, standard_rules()).value is x.value
