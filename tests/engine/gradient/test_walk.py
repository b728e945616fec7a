"""The walk: every path counts, none is computed twice, and its time is linear."""

from __future__ import annotations

import cProfile

import numpy as np
import onnxscope as osc
import pytest
from gradient_checks import gradients, values
from graphs import operators, text_model
from onnxscope.errors import EmptyError, MemoryShortageError


@pytest.mark.parametrize("times", [2, 3, 7])
def test_a_value_read_many_times_accumulates(times):
    x, dy = values(4), values(4)
    arguments = ", ".join(["x"] * times)
    results = gradients(
        f"g (double[4] x) => (double[4] y) {{ y = Sum({arguments}) }}", {"x": x, "grad_y": dy}
    )
    np.testing.assert_allclose(results["grad_x"], times * dy)


def test_both_inputs_of_one_node():
    x, dy = values(4), values(4)
    feeds = {"x": x, "grad_y": dy}
    results = gradients("g (double[4] x) => (double[4] y) { y = Mul(x, x) }", feeds)
    np.testing.assert_allclose(results["grad_x"], 2 * x * dy)
    results = gradients("g (double[4] x) => (double[4] y) { y = Max(x, x) }", feeds)
    np.testing.assert_allclose(results["grad_x"], dy)


def test_a_diamond():
    x, dy = values(3), values(3)
    results = gradients(
        """g (double[3] x) => (double[3] y) {
            a = Sin(x)
            b = Exp(a)
            c = Tanh(a)
            y = Mul(b, c)
        }""",
        {"x": x, "grad_y": dy},
    )
    a = np.sin(x)
    slope = np.exp(a) * np.tanh(a) + np.exp(a) * (1 - np.tanh(a) ** 2)
    np.testing.assert_allclose(results["grad_x"], dy * slope * np.cos(x))


def test_a_chain_by_hand():
    # y = Σ relu(2x − 1)², x = (0, 1, 2): relu gives (0, 1, 3), dy/dx = 2 · relu · 2.
    results = gradients(
        """g (float[3] x) => (float y)
        <float two = {2}, float one = {1}> {
            a = Mul(two, x)
            b = Sub(a, one)
            c = Relu(b)
            d = Mul(c, c)
            y = ReduceSum<keepdims: int = 0>(d)
        }""",
        {"x": np.array([0, 1, 2], np.float32)},
    )
    assert results["y"] == 10
    np.testing.assert_array_equal(results["grad_x"], [0, 4, 12])


def test_what_no_path_reaches_gets_zeros():
    text = """g (double[2,3] x, double[4,1] z, float[5] f) => (double[2,3] y, double[4,1] w) {
        y = Exp(x)
        w = Exp(z)
    }"""
    results = gradients(
        text,
        {"x": values(2, 3), "z": values(4, 1), "f": np.ones(5, np.float32),
         "grad_y": np.ones((2, 3))},
        ["x", "z", "f"],
    )  # fmt: skip
    for name, shape, dtype in (("z", (4, 1), np.float64), ("f", (5,), np.float32)):
        assert results[f"grad_{name}"].shape == shape
        assert results[f"grad_{name}"].dtype == dtype
        assert not results[f"grad_{name}"].any()


def test_a_path_through_truth_values_and_integers_carries_nothing():
    results = gradients(
        """g (double[4] x) => (double[4] y)
        <double zero = {0}> {
            positive = Greater(x, zero)
            number = Cast<to: int = 11>(positive)
            whole = Cast<to: int = 7>(x)
            back = Cast<to: int = 11>(whole)
            a = Mul(x, number)
            y = Add(a, back)
        }""",
        {"x": np.array([-2.5, -0.5, 0.5, 2.5]), "grad_y": np.ones(4)},
    )
    np.testing.assert_array_equal(results["grad_x"], [0, 0, 1, 1])


def test_a_value_behind_the_target_does_not_count():
    results = gradients(
        """g (double[2] x) => (double[2] y, double[2] z) {
            y = Exp(x)
            z = Mul(y, x)
        }""",
        {"x": np.zeros(2), "grad_y": np.ones(2)},
    )
    np.testing.assert_array_equal(results["grad_x"], [1, 1])


def test_an_input_that_is_also_differentiated_through():
    # z reaches y directly and through nothing else; x through z's reader.
    text = """g (double[3] x, double[3] z) => (double[3] y) {
        a = Mul(x, z)
        y = Mul(a, z)
    }"""
    x, z, dy = values(3), values(3), values(3)
    results = gradients(text, {"x": x, "z": z, "grad_y": dy}, ["z", "x"])
    np.testing.assert_allclose(results["grad_x"], dy * z * z)
    np.testing.assert_allclose(results["grad_z"], dy * 2 * x * z)


def test_broadcasting_is_undone_in_every_contribution():
    text = """g (double[3,1] x, double[2,1,4] z) => (double[2,3,4] y) {
        a = Add(x, z)
        b = Mul(x, a)
        y = Sub(b, z)
    }"""
    x, z, dy = values(3, 1), values(2, 1, 4), values(2, 3, 4)
    results = gradients(text, {"x": x, "z": z, "grad_y": dy}, ["x", "z"])
    np.testing.assert_allclose(results["grad_x"], (dy * (2 * x + z)).sum((0, 2))[:, None])
    np.testing.assert_allclose(results["grad_z"], (dy * (x - 1)).sum(1, keepdims=True))


@pytest.mark.slow
def test_a_long_chain_costs_linear_time():
    # Counted in calls of functions, which are the same on any machine, however busy.
    def calls(length):
        nodes = "".join(f" v{i + 1} = Tanh(v{i})" for i in range(length))
        proto = text_model(f"g (double[2] v0) => (double[2] v{length}) {{{nodes} }}")
        with cProfile.Profile() as profile:
            graph = osc.differentiate(proto, of=f"v{length}", wrt=["v0"])
        assert operators(graph).count("Tanh") == length
        return sum(entry.callcount for entry in profile.getstats())

    calls(10)  # what is computed once for all models
    assert calls(800) < 8 * 1.5 * calls(100)


def test_nothing_is_computed_twice_or_for_nobody():
    graph = osc.differentiate(
        text_model(
            """g (float[1,2,4,4] x) => (float[1,2,4,4] y) {
                a = Relu(x)
                unused = Exp(a)
                y = Sigmoid(a)
            }"""
        ),
        of="y",
        wrt=["x"],
    )
    found = operators(graph)
    assert found.count("Relu") == found.count("Sigmoid") == 1
    assert "Exp" not in found
    assert "Shape" not in found


def test_a_rule_whose_constants_do_not_fit_into_memory():
    model = text_model("""g (float[1,1,4,4] x) => (float[1,1,A,B] y) { y = AveragePool<
        kernel_shape = [3, 3], pads = [1099511627776, 1099511627776, 1099511627776,
        1099511627776]>(x) }""")
    with pytest.raises(MemoryShortageError, match=r"the gradient rule of AveragePool .* 'y'"):
        osc.differentiate(model, of="y", wrt=["x"], compare=False)


def test_a_size_of_zero_is_explained():
    model = text_model("""g (float[0,3,0,0] x) => (float[0,2,1,1] y) <float[2,3,1,1] w =
        {1, 2, 3, 4, 5, 6}> { c = Conv(x, w) y = GlobalAveragePool(c) }""")
    with pytest.raises(EmptyError, match=r"Conv leaves nothing.*where an open one is meant"):
        osc.differentiate(model, of="y", wrt=["x"], compare=False)
