"""What is verified: which inputs, of which shapes, and which unit of which value."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, text_model
from onnx import helper
from onnxscope.errors import InputError, LayerError


def test_several_inputs_are_moved_one_by_one():
    network = text_model(
        "g (float[N, 3] a, float[3, M] b, int64[N] i) => (float[N, M] y) "
        "{ p = MatMul(a, b)  q = Gather<axis = 1>(b, i)  s = ReduceSum<keepdims = 0>(q) "
        "y = Mul(p, s) }"
    )
    result = osc.verify(network, shapes={"b": (3, 4)}, directions=2)
    assert result.agrees
    assert [check.input for check in result.checks] == ["a", "b", "a", "b"]


def test_tokens_alone_are_checked_by_their_table():
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Unsqueeze", ["tokens", "axes"], ["column"]),
        helper.make_node("Gather", ["table", "column"], ["words"]),
        helper.make_node("Softmax", ["words"], ["y"]),
    ]
    network = model(
        nodes,
        {"tokens": (np.int64, ("batch", "length"))},
        ["y"],
        {"table": rng.standard_normal((20, 6)).astype(np.float32), "axes": np.array([2])},
    )
    result = osc.verify(network, shapes={"tokens": (1, 7)})
    assert result.agrees
    assert {check.input for check in result.checks} == {"table"}
    with pytest.raises(InputError, match=r"'tokens' holds 20, and the table 'table'.*0 to 19"):
        osc.verify(network, at={"tokens": [[3, 20, -1]]})
    with pytest.raises(LayerError, match="no input 'ids'; its input is tokens"):
        osc.verify(network, shapes={"ids": (1, 7)})


def test_a_unit_of_a_value():
    network = text_model("g (float[2, 4] x) => (float[2, 4] y) { e = Exp(x)  y = Softmax(e) }")
    inner = osc.verify(network, "e:2")
    assert inner.agrees
    assert inner.target == "e:2"
    with pytest.raises(LayerError, match="no unit 4"):
        osc.verify(network, "e:4")
    with pytest.raises(LayerError, match="no value 'f'"):
        osc.verify(network, "f")


def test_open_shapes_are_asked_for():
    network = text_model("g (float[N, 3, L] x) => (float[N, 3, L] y) { y = Tanh(x) }")
    with pytest.raises(InputError, match=r"--shape x=1,3,8"):
        osc.verify(network)
    with pytest.raises(InputError, match=r"has shape \(N, 3, L\), not \(1, 4, 5\)"):
        osc.verify(network, shapes={"x": (1, 4, 5)})
    with pytest.raises(LayerError, match="no input 'z'"):
        osc.verify(network, shapes={"z": (1, 3, 5)})
    assert osc.verify(network, shapes={"x": (1, 3, 5)}).agrees


def test_a_network_for_pictures_takes_shapes_as_well():
    network = text_model("g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Tanh(x) }")
    assert osc.verify(network, size=16).checks[0].input == "image"
    assert osc.verify(network, shapes={"x": (2, 3, 4, 5)}).checks[0].input == "x"
    with pytest.raises(InputError, match="loaded to take pictures"):
        osc.verify(osc.load(network), shapes={"x": (2, 3, 4, 5)})


def test_an_input_that_nothing_reads_is_not_verified():
    network = text_model(
        "g (float[1, 3, 8, 8] x, float[1, 3, 1, 1] folded) => (float[1, 3, 8, 8] y) { y = Sin(x) }"
    )
    assert {check.input for check in osc.verify(network, "y:1").checks} == {"image"}


def test_preprocessing_need_not_be_known(squeezenet):
    network = text_model("g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Sin(x) }")
    picture = np.random.default_rng(0).uniform(size=(8, 8, 3))
    assert osc.verify(osc.load(network), at=picture).agrees
    assert osc.load(network).preprocessing is None
    with pytest.raises(InputError, match="one picture, and at holds 2"):
        osc.verify(network, at=np.stack([picture] * 2))


def test_an_empty_input_is_refused():
    proto = text_model("g (float[N, 4] x) => (float[N, 4] y) { y = Tanh(x) }")
    with pytest.raises(InputError, match=r"'x' of shape .0, 4. is empty"):
        osc.verify(proto, shapes={"x": (0, 4)})


COMPUTED_IDS = """
    g (int64[1, 3] ids, int64[1, 3] mask) => (float[1, 3, 2] y)
    <float[5, 2] table = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}> {
        i = Mul(ids, mask)  e = Gather(table, i)  t = Tanh(e)  y = Mul(t, e) }"""


def test_tokens_that_are_computed_with_are_checked_by_their_table():
    result = osc.verify(text_model(COMPUTED_IDS))
    assert result.agrees
    assert {check.input for check in result.checks} == {"table"}


@pytest.mark.parametrize("wrt", [["e"], ["t", "table"], ["table"]])
def test_weights_and_values_on_the_way_are_moved_where_they_are_named(wrt):
    result = osc.verify(text_model(COMPUTED_IDS), wrt=wrt, directions=1)
    assert result.agrees
    assert [check.input for check in result.checks] == wrt


def test_a_picture_network_by_a_weight():
    rng = np.random.default_rng(0)
    network = model(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Tanh", ["c"], ["y"])],
        {"x": (np.float32, (1, 3, 8, 8))},
        ["y"],
        {"w": rng.standard_normal((2, 3, 3, 3)).astype(np.float32)},
    )
    result = osc.verify(network, wrt=["w"])
    assert result.agrees
    assert {check.input for check in result.checks} == {"w"}


def test_what_cannot_be_moved():
    network = text_model(COMPUTED_IDS)
    with pytest.raises(LayerError, match="'i' is int64: only real numbers have a gradient"):
        osc.verify(network, wrt=["i"])
    with pytest.raises(LayerError, match=r"no value 'tabel'.*table"):
        osc.verify(network, wrt=["tabel"])
    whole = text_model("g (int64[3] i) => (float[3] y) { f = Cast<to = 1>(i)  y = Sin(f) }")
    with pytest.raises(InputError, match="--wrt NAME"):
        osc.verify(whole)
    assert osc.verify(whole, wrt=["f"]).agrees


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("shape", "new", "node"),
    [
        ("3,2", "3", "y = ScatterND (x, places, new)"),
        ("3,4", "3,4", "y = ScatterElements <axis: int = 0> (x, places, new)"),
        ("4,2", "4,2", "y = ScatterElements <axis: int = -1> (x, places, new)"),
    ],
)
def test_nothing_is_written_twice_to_one_place(shape, new, node, seed):
    # Which of the two stays ONNX leaves open, and with it whose gradient is zero.
    proto = text_model(f"""
        g (float[4,4] x, int64[{shape}] places, float[{new}] new) => (float[4,4] y) {{ {node} }}""")
    assert osc.verify(proto, provider="cpu", seed=seed).verdict == "agrees"
