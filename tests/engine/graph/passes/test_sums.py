"""Sums over rows: ONNX Runtime adds them up in another order from row to row."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.plan import Plan
from onnxscope.pictures.series import render_each

_rng = np.random.default_rng(5)


def _reduced(
    op_type: str,
    shape: tuple[int, ...],
    axes: list[int],
    keepdims: bool = False,
    without: tuple[str, ...] = (),
) -> onnx.ModelProto:
    builder = Builder(opset=18)
    x = builder.input("x", shape, np.float32)
    value = getattr(x, op_type)(axes, keepdims)
    # One that is read further, and one that is an output itself.
    builder.output("more", value * 2.0)
    builder.output("y", value)
    return model_of(builder, plan=Plan(without=without))


SHAPES = [
    ((121,), [1]),
    ((1, 11, 11), [1, 2, 3]),
    ((1, 11, 11), [2, 3]),
    ((1, 121, 1), [-2]),
    ((5, 7, 3), [2, 3]),
    ((3, 25, 25), [1, 2, 3]),
    ((13, 7), [1]),
    ((64, 7, 7), [1]),
    ((1, 64, 16), [1, 2]),
    ((1, 64, 1, 8), [1, 2, 3]),
    ((7, 13, 1), [2]),
]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("op_type", ["sum", "mean"])
def test_a_picture_has_the_same_sum_wherever_it_is(op_type, shape, axes, keepdims):
    one = _rng.random(shape, np.float32)
    (alone,) = run(_reduced(op_type, (1, *shape), axes, keepdims), {"x": one[None]})["y"]
    expected = getattr(one[None].astype(np.float64), op_type)(tuple(axes), keepdims=keepdims)
    np.testing.assert_allclose(alone, expected[0], rtol=1e-6)
    assert alone.shape == expected[0].shape
    for count in (2, 3, 8):
        found = run(_reduced(op_type, (count, *shape), axes, keepdims), {"x": [one] * count})
        for y, more in zip(found["y"], found["more"], strict=True):
            np.testing.assert_array_equal(y, alone)
            np.testing.assert_array_equal(more, 2 * alone)


@pytest.mark.parametrize("shape", [(121,), (64, 49)])
def test_without_it_they_differ_in_the_last_bit(shape):
    """What it is for: where a new ONNX Runtime adds up otherwise, the pass can go."""
    alone, among = (
        _reduced("sum", (count, *shape), [1], without=("add_up_alike",)) for count in (1, 8)
    )
    pictures = _rng.random((16, 1, *shape), np.float32)
    assert any(
        (run(among, {"x": np.repeat(one, 8, 0)})["y"] != run(alone, {"x": one})["y"]).any()
        for one in pictures
    )


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 4, 7, 7), [2, 3]),  # all pictures begin at the same place of four
        ((2, 5, 7, 3), [2]),  # another axis stands before the sum, also of one picture
        ((2, 5, 7, 3), [1, 3]),  # and between two
        ((2, 7, 3), [0, 1, 2]),  # all pictures together
        ((2, 1, 3), [2]),  # fewer than are added up at once
        ((2, 1, 8), [2]),
    ],
)
def test_others_stay_as_they_are(shape, axes):
    for op_type in ("sum", "mean"):
        nodes = [node.op_type for node in _reduced(op_type, shape, axes).graph.node]
        assert not {"Pad", "MatMul"} & set(nodes)


def test_open_sizes_stay_as_they_are():
    builder = Builder(opset=18)
    builder.output("y", builder.input("x", ("N", 7, "W"), np.float32).sum([1, 2]))
    assert [node.op_type for node in model_of(builder).graph.node] == ["ReduceSum"]


@pytest.mark.slow
def test_pictures_are_the_same_however_many_are_made(squeezenet: osc.Model):
    """A penalty's gradient is divided by a sum over the picture, of an odd number of pixels."""
    how: dict[str, Any] = {"size": 45, "steps": 4, "provider": "cpu"}
    how["parameterization"] = osc.Pixels()
    objective = osc.channel("fire3", 3) - 0.1 * osc.l2()
    five = osc.render(squeezenet, objective, batch=5, batch_size=5, **how)
    for size in (1, 2, 3):
        some = osc.render(squeezenet, objective, batch=5, batch_size=size, **how)
        np.testing.assert_array_equal(some.values, five.values)
        np.testing.assert_array_equal(some.images, five.images)


@pytest.mark.slow
def test_units_that_share_a_graph_have_the_values_that_they_have_alone(squeezenet: osc.Model):
    # A layer of 11×11 cells.
    how: dict[str, Any] = {"size": 48, "steps": 3, "provider": "cpu"}
    units = [osc.each_unit("fire3", [number]) for number in range(5)]
    alone = [osc.render(squeezenet, unit, **how) for unit in units]
    for size in (3, 5):
        made = list(render_each(squeezenet, units, batch_size=size, **how))
        for one, picture in zip(made, alone, strict=True):
            np.testing.assert_array_equal(one.picture.values, picture.values)
            np.testing.assert_array_equal(one.picture.images, picture.images)
