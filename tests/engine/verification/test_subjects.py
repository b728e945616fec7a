"""What is verified: which inputs, of which shapes, and which unit of which value."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import model, run, text_model
from onnx import helper
from onnxscope.errors import InputError, LayerError, ModelError, OperatorError


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
    with pytest.raises(LayerError, match="'x' is an input of the model: name a value that it comp"):
        osc.verify(network, "x")
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


@pytest.mark.parametrize("target", [None, "y"])
def test_a_network_of_pictures_whose_values_are_not_by_picture(target):
    network = text_model(
        "g (float[1, 3, 8, 8] x) => (float[3, 8, 8] y) { s = Squeeze(x)  y = Sin(s) }"
    )
    found = osc.verify(network, target, directions=1)
    assert found.agrees
    assert [check.input for check in found.checks] == ["x"]


def test_more_examples_are_taken_where_one_is_too_few():
    network = text_model(
        "g (float[N, 3] x) => (float y) <int64[1] k = {2}> "
        "{ v, i = TopK<axis = 0>(x, k)  y = ReduceSum<keepdims = 0>(v) }"
    )
    found = osc.verify(network, directions=1)
    assert found.agrees
    # Nobody reads the places of the largest.
    assert found.faithfulness.compared == 2
    with pytest.raises(ModelError, match="less than the requested k"):
        osc.verify(network, shapes={"x": (1, 3)})


def test_what_is_verified_has_to_fit_into_memory():
    product = text_model(
        "g (float[50] x) => (float[A, B, C, D, E, F, G, H, I, J, K, L] y) { y = Einsum"
        f'<equation = "a,b,c,d,e,f,g,h,i,j,k,l->abcdefghijkl">({", ".join(["x"] * 12)}) }}'
    )
    with pytest.raises(InputError, match=r"'y' of the shape .* needs about \d+ GiB"):
        osc.verify(product)


SEQUENCE = """<ir_version: 8, opset_import: ["": 13]>
    g (float[2] x, seq(float) q) => (float[2] y)
    { a = ConcatFromSequence<axis = 0>(q)  s = ReduceSum<keepdims = 0>(a)  y = Mul(x, s) }"""


def sequence_network() -> onnx.ModelProto:
    network = onnx.parser.parse_model(SEQUENCE)
    # Of tensors of any shape.
    network.graph.input[1].type.sequence_type.elem_type.tensor_type.ClearField("shape")
    return network


def test_a_sequence_that_is_given():
    network = sequence_network()
    given = {"q": [np.ones(2), np.full(3, 2.0)]}
    found = osc.verify(network, at=given, directions=1)
    assert found.agrees
    assert found.faithfulness.compared == 3
    graph = osc.differentiate(network, of="y", wrt=["x"], inputs=given)
    assert [value.name for value in graph.graph.input] == ["x", "grad_y"]
    one = np.ones(2, np.float32)
    result = run(graph, {"x": one, "grad_y": one})
    np.testing.assert_array_equal(result["grad_x"], [8, 8])
    np.testing.assert_array_equal(result["y"], [8, 8])


def test_a_sequence_that_is_not_given_is_asked_for():
    network = sequence_network()
    with pytest.raises(InputError, match=r"'q' is a sequence.*inputs=\{'q': \[array, array\]\}"):
        osc.differentiate(network, of="y", wrt=["x"])
    with pytest.raises(InputError, match=r"such as at=\{'q': \[array, array\]\} \(--input q="):
        osc.verify(network)
    for wrong in (5, ["a"], np.ones(3)):
        with pytest.raises(InputError, match="takes a list of arrays"):
            osc.verify(network, at={"q": wrong})


def test_advice_is_in_the_words_of_verify():
    network = text_model("g (float[3] x, bool c) => (float[3] y) { y = If(c) <then_branch = "
                         "a () => (float[3] p) { p = Sin(x) }, else_branch = "
                         "b () => (float[3] q) { q = Cos(x) }> }")  # fmt: skip
    with pytest.raises(OperatorError, match=r"such as at=\{'c': VALUE\} \(--input c=VALUE\)"):
        osc.verify(network)
    with pytest.raises(OperatorError, match=r"such as inputs=\{'c': VALUE\}"):
        osc.differentiate(network, of="y", wrt=["x"])
    assert osc.verify(network, at={"c": True}, directions=1).agrees


def test_a_layout_is_said_where_the_network_is_loaded():
    network = text_model("g (float x) => (float y) { m = ReduceMean(x)  y = Sub(x, m) }")
    network.graph.input[0].type.tensor_type.ClearField("shape")
    network.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(InputError, match=r"say layout='NCHW' .* an argument of onnxscope\.load"):
        osc.verify(network)
    assert osc.verify(osc.load(network, layout="NCHW"), size=4, directions=1).agrees
    assert osc.verify(network, shapes={"x": (2, 4)}, directions=1).agrees


def test_as_many_elements_as_only_a_run_can_tell():
    network = text_model(
        "g (float[6] x) => (float[N] y) <float z = {0}> "
        "{ c = Greater(x, z)  k = Compress(x, c)  u = Unique(k)  y = Exp(u) }"
    )
    assert osc.verify(network, at={"x": [0.5, -1, 2, 1, -0.2, 3]}, wrt=["x"]).agrees
    with pytest.raises(
        ModelError, match=r"y has another shape, \(2,\) instead of \(1,\).* no slope"
    ):
        osc.verify(network, at={"x": [1, 0, -1, -1, -1, -1]}, wrt=["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float[1,8,1] x) => (float[A,B,C] y) <int64 n = {68719476736}> { y = DFT<axis = 1>(x, n)",
         r"not enough memory for what DFT \(node 'y'\) is written with"),
        ("float[1] x) => (float[N] y) <int64[1] n = {1099511627776}> { y = Expand(x, n)",
         r"'y' of the shape \(1099511627776,\) needs about"),
        ("float[1] x) => (float[N] y) <float a = {0}, float b = {1e38}, float s = {1e-3}> "
         "{ c = Range(a, b, s) y = Mul(c, x)", r"Range \(node 'c'\) fails on its constants"),
    ],
    ids=["DFT", "Expand", "Range"],
)  # fmt: skip
def test_what_no_memory_holds(text, message):
    with pytest.raises((InputError, ModelError), match=message):
        osc.verify(text_model(f"g ({text} }}"))


def test_an_average_over_far_more_padding_than_pixels():
    network = text_model(
        "g (float[1,1,8] x) => (float[1,1,A] y) { y = AveragePool<kernel_shape = [1048577], "
        "strides = [262144], pads = [1048576, 1048576], count_include_pad = 1>(x) }"
    )
    graph = osc.differentiate(network, of="y", wrt=["x"], compare=False)
    feeds = {"x": np.ones((1, 1, 8), np.float32), "grad_y": np.ones((1, 1, 5), np.float32)}
    # The first of the five windows ends with the first pixel, and the last starts there.
    found = run(graph, feeds)["grad_x"][0, 0]
    np.testing.assert_allclose(found * 1048577, [5, *[4] * 7], rtol=1e-6)
