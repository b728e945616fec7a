"""A network as it is read here against what ONNX Runtime computes of the file as it is."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper, numpy_helper
from onnx.parser import parse_model as text_model
from onnxscope.errors import ModelError, UnfaithfulWarning
from onnxscope.expansions import registry
from onnxscope.importer import as_it_is
from onnxscope.importer import faithfulness as faithfulness_module
from onnxscope.importer import replay as replay_module
from onnxscope.importer.faithfulness import Faithfulness, compare_with_file
from onnxscope.importer.opsets import load_graph
from onnxscope.importer.tolerances import difference, rounding
from onnxscope.network.comparison import compare_tensors
from onnxscope.runtime.apart import run_apart
from onnxscope.runtime.session import open_session

NETWORK = """<ir_version: 9, opset_import: ["": 18]>
g (float[N, 4] x) => (float[N, 4] y) {
    a = Relu (x)
    b = Softmax <axis = 1> (a)
    c = Round (b)
    y = Add (b, c)
}"""


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are compared without being asked to, as for users."""
    monkeypatch.delenv("ONNXSCOPE_COMPARE")


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine reads Softmax as another operator, as it once did Hardmax of opset 11."""

    def read_wrongly(call):
        (tensor,) = call.builder.append("LogSoftmax", [call.required(0)], {"axis": 0})
        return [tensor]

    table = dict(registry.all_expansions()) | {("", "Softmax"): read_wrongly}
    monkeypatch.setattr(registry, "_table", lambda: table)


def compare(text: str, **point: np.ndarray) -> Faithfulness:
    return compare_with_file(load_graph(text_model(text)), point)


@pytest.mark.slow
def test_all_values_are_those_of_the_file() -> None:
    found = compare(NETWORK, x=np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
    assert (found.compared, found.departure, found.reason) == (4, None, "")
    assert str(found) == "its 4 values are those of the file"


def test_the_first_node_that_differs_is_named(wrong: None) -> None:
    found = compare(NETWORK, x=np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
    assert found.departure is not None
    assert (found.departure.op_type, found.departure.value) == ("Softmax", "b")
    assert "Softmax" in str(found)
    assert "'b'" in str(found)
    assert Faithfulness.from_json(found.to_json()) == found


def test_what_is_folded_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself the normalisation is right; in the convolution before it, it is not."""
    from onnxscope.importer import batch_normalization

    fold = batch_normalization._folded

    def folds_wrongly(builder, node, arguments):
        node.attributes["epsilon"] = onnx_float("epsilon", 1.0)
        return fold(builder, node, arguments)

    def onnx_float(name: str, value: float):
        import onnx_ir as ir

        return ir.AttrFloat32(name, value)

    monkeypatch.setattr(batch_normalization, "_folded", folds_wrongly)
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(2, 3, 1, 1)), "s": [1.0, 2.0], "b": [0.0, 1.0], "m": [0.1, 0.2],
        "v": [0.5, 1.5],
    }  # fmt: skip
    proto = text_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[1, 3, 4, 4] x) => (float[1, 2, 4, 4] y) {
            c = Conv (x, w)
            y = BatchNormalization (c, s, b, m, v)
        }""")
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array, np.float32), name)
        for name, array in weights.items()
    )
    x = rng.normal(size=(1, 3, 4, 4)).astype(np.float32)
    found = compare_with_file(load_graph(proto), {"x": x})
    assert found.departure is not None
    assert found.departure.value == "y"


def test_flips_of_a_rounding_and_amplified_noise_are_none() -> None:
    """A sum in another order moves what is half-way between two integers, and what cancels."""
    rng = np.random.default_rng(0)
    proto = text_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[64, 512] x) => (float[64, 64] q, float[64, 64] n) {
            h = MatMul (x, w)
            q = Round (h)
            mean = ReduceMean (h)
            d = Sub (h, mean)
            small = ReduceSum (d)
            n = Div (d, small)
        }""")
    # Halves, up to rounding: each product is, and the order of summing decides.
    half = np.full((512, 64), 0.1, np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(half, "w"))
    x = rng.normal(size=(64, 512)).astype(np.float32)
    x += ((0.5 - (x @ half)[:, :1]) / 51.2).astype(np.float32)
    found = compare_with_file(load_graph(proto), {"x": x})
    assert found.departure is None
    assert found.compared == 6


def test_what_is_before_an_unknown_operator_is_compared() -> None:
    proto = text_model("""<ir_version: 8, opset_import: ["": 17, "com.example": 1]>
        g (float[2] x) => (float[2] y) { a = Relu (x)  y = com.example.Swirl (a) }""")
    found = compare_with_file(load_graph(proto), {"x": np.ones(2, np.float32)})
    assert (found.compared, found.departure) == (1, None)
    assert "no standard form of com.example's Swirl" in found.left_out["y"]
    assert found.departure is None
    assert "could not be compared" in str(found)


def test_what_cannot_be_written_here_is_left_out() -> None:
    text = """<ir_version: 9, opset_import: ["": 18]>
        g (float[2, 3] x, int64 n) => (float[A, B] y, float[2, 3] z) {
            z = Exp (x)
            y = Loop (n, , z) <body = b (int64 i, bool c, float[2, 3] s) => (bool d, float[2, 3] t)
                { d = Identity (c)  t = Relu (s) }>
        }"""
    found = compare(text, x=np.ones((2, 3), np.float32), n=np.array(2))
    assert found.departure is None
    assert found.compared == 1
    assert "only known at run time" in found.left_out["y"]


def test_random_numbers_of_the_run_are_not_compared() -> None:
    text = """<ir_version: 9, opset_import: ["": 18]>
        g (float[2, 3] x) => (float[2, 3] y) { r = RandomNormalLike (x)  y = Add (x, r) }"""
    found = compare(text, x=np.ones((2, 3), np.float32))
    assert (found.compared, found.departure) == (0, None)
    assert "random" in found.reason


@pytest.mark.parametrize(
    ("theirs", "ours", "apart"),
    [
        ([1.0, 4.0], [1.0, 4.5], 0.125),
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.inf], [1.0, np.inf], 0.0),
        ([1.0, np.inf], [1.0, -np.inf], np.inf),
        ([1.0, np.finfo(np.float64).min], [1.0, -np.inf], 0.0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0], [[1.0]], np.inf),
        ([0.0], [0.0], 0.0),
        ([0.0], [1e-30], np.inf),
        (["a"], ["a"], 0.0),
        (["a"], ["b"], np.inf),
    ],
)
def test_difference(theirs: list, ours: list, apart: float) -> None:
    assert difference(np.array(theirs), np.array(ours)) == apart


def test_integers_have_no_rounding() -> None:
    assert rounding(np.zeros(1, np.int8)) == 0
    assert rounding(np.zeros(1, np.float64)) < rounding(np.zeros(1, np.float32))


def test_weights_beside_the_file(tmp_path: Path) -> None:
    proto = text_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[1, 40] x) => (float[1, 40] y) { y = MatMul (x, w) }""")
    weights = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    found = compare_with_file(load_graph(path), {"x": np.ones((1, 40), np.float32)})
    assert (found.compared, found.reason) == (1, "")


def test_a_file_that_changed_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(text_model(NETWORK), path)
    loaded = load_graph(path)
    onnx.save(text_model(NETWORK.replace("Relu", "Tanh")), path)
    found = compare_with_file(loaded, {"x": np.ones((1, 4), np.float32)})
    assert "has changed" in found.reason


# For users ---------------------------------------------------------------------------------------


def test_open_sizes_are_tried() -> None:
    text = NETWORK.replace("[N, 4]", "[N, M]")
    assert compare_tensors(load_graph(text_model(text))).compared == 4


def test_differentiate_warns_and_names_the_node(on: None, wrong: None) -> None:
    with pytest.warns(UnfaithfulWarning, match="Softmax"):
        osc.differentiate(text_model(NETWORK), of="y", wrt=["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnfaithfulWarning)
        osc.differentiate(text_model(NETWORK), of="b", wrt=["x"], compare=False)


@pytest.mark.slow
def test_a_picture_of_another_network_is_not_made_silently(
    on: None, wrong: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a warning, also where the graph is in the cache by then."""
    monkeypatch.setenv("ONNXSCOPE_GRAPH_CACHE", "on")
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path / "cache"))
    proto = text_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[N, 3, 16, 16] x) => (float[N, 3, 16, 16] y) {
            b = Softmax <axis = 1> (x)  y = Relu (b)
        }""")
    path = tmp_path / "model.onnx"
    onnx.save(proto, path)
    for _ in range(2):
        model = osc.load(path, input_range=(0, 1))
        with pytest.warns(UnfaithfulWarning, match="Softmax"):
            osc.render(model, "y:1", steps=1, provider="cpu")
    model = osc.load(path, input_range=(0, 1), compare=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnfaithfulWarning)
        osc.render(model, "y:2", steps=1, provider="cpu")


def test_verify_is_not_fooled_by_our_own_reading(wrong: None) -> None:
    found = osc.verify(text_model(NETWORK.replace("[N, 4]", "[2, 4]")), "b", provider="cpu")
    assert not found.wrong  # the gradient of what was read is right
    assert found.verdict == "disagrees"
    assert "Softmax" in found.cause
    assert found.to_json()["faithfulness"]["departure"]["op_type"] == "Softmax"


def test_squeezenet_is_the_files(squeezenet: osc.Model) -> None:
    found = squeezenet.faithfulness
    assert found.compared > 60
    assert (found.departure, dict(found.left_out), found.reason) == (None, {}, "")


def test_other_inputs_that_nobody_gave() -> None:
    proto = text_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[N, 3, 16, 16] x, float[1] t) => (float[N, 3, 16, 16] y) { y = Mul (x, t) }""")
    model = osc.load(proto, input_range=(0, 1), image_input="x")
    assert "t" in model.faithfulness.reason
    given = osc.load(proto, input_range=(0, 1), image_input="x", inputs={"t": 2})
    assert given.faithfulness.compared == 1


@pytest.mark.slow
def test_a_file_that_ends_the_process_ends_another() -> None:
    node = helper.make_node("Attention", ["t", "w"], ["y"], domain="com.microsoft", num_heads=2)
    graph = helper.make_graph(
        [helper.make_node("Tanh", ["x"], ["t"]), node, helper.make_node("Tanh", ["y"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3, 5])],
        [helper.make_empty_tensor_value_info("z")],
        [numpy_helper.from_array(np.ones((5, 24), np.float32), "w")],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=10)
    found = compare_with_file(load_graph(proto), {"x": np.ones((2, 3, 5), np.float32)})
    assert found.reason == (
        "ONNX Runtime itself ends the process (SIGSEGV) on this file, at Attention (node 'y')"
    )
    assert osc.verify(proto, directions=1, timeout=None).verdict == "agrees"


SPLIT = helper.make_model(
    helper.make_graph(
        [helper.make_node("Split", ["x"], ["", "y"], axis=1, split=[2, 3])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 5])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
    ),
    opset_imports=[helper.make_opsetid("", 11)],
    ir_version=4,
)

NORMALIZED = helper.make_model(
    helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["h"], to=10),
            helper.make_node("LayerNormalization", ["h", "g", ""], ["n"], axis=-2),
            helper.make_node("Cast", ["n"], ["y"], to=1),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 2, 3])],
        [helper.make_tensor_value_info("y", 1, [2, 2, 3])],
        [numpy_helper.from_array(np.ones((2, 3), np.float16), "g")],
    ),
    opset_imports=[helper.make_opsetid("", 17)],
    ir_version=8,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("proto", "node"),
    [(SPLIT, "Split (node '')"), (NORMALIZED, "LayerNormalization (node 'n')")],
    ids=["split", "normalized"],
)
def test_outputs_and_inputs_left_out_that_end_the_process(
    proto: onnx.ModelProto, node: str
) -> None:
    dims = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(0).standard_normal(dims).astype(np.float32)
    found = compare_with_file(load_graph(proto), {"x": x})
    assert found.reason.endswith(f"on this file, at {node}")
    written = osc.differentiate(proto, of="y", wrt=["x"], compare=False)
    session = open_session(written, "cpu")
    given = {"x": x, "grad_y": np.ones(session.output_shapes(["y"])["y"], np.float32)}
    y = session.run(given, ["y"])["y"]
    if proto is SPLIT:
        np.testing.assert_array_equal(y, x[:, 2:])
    else:
        mean, deviation = x.mean((1, 2), keepdims=True), x.std((1, 2), keepdims=True)
        np.testing.assert_allclose(y, (x - mean) / deviation, atol=5e-3)


def test_a_shape_that_the_gradient_would_not_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX infers a size that ONNX Runtime does not give, of the file and of what is made of it."""
    monkeypatch.setattr(replay_module, "along_counted_axes", lambda *_: None)
    proto = text_model("""<ir_version: 8, opset_import: ["": 18]>
        g (float[1, 1, 5, 6] x) => (float[1, 1, P, Q] y) <int64[2] sizes = {3, 3}> {
            y = Resize <axes = [-2, -1], keep_aspect_ratio_policy = "not_larger"> (x, , , sizes)
        }""")
    found = compare_with_file(load_graph(proto), {"x": np.ones((1, 1, 5, 6), np.float32)})
    assert found.departure is not None
    assert found.departure.op_type == "Resize"
    with pytest.raises(ModelError, match=r"gives a value of the shape \(1, 1, 5, 6\), where"):
        osc.verify(proto, directions=1, timeout=None)


def test_a_file_that_onnx_runtime_does_not_run_is_warned_of(on: None) -> None:
    proto = text_model("""<ir_version: 8, opset_import: ["": 13]>
        g (double[3] x) => (double[3] y) { y = Erf (x) }""")
    with pytest.warns(UnfaithfulWarning, match=r"does not run on the CPU here.*gives 'y'"):
        osc.differentiate(proto, of="y", wrt=["x"])


def test_a_file_that_runs_as_it_is_read_alone_is_not_warned_of(on: None) -> None:
    """ONNX Runtime has no kernel for the operators of the first versions."""
    proto = text_model("""<ir_version: 3, opset_import: ["": 5]>
        g (float[2, 3] x) => (float[2, 3] y) { y = Relu (x) }""")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        osc.differentiate(proto, of="y", wrt=["x"])


ENDLESS = """<ir_version: 8, opset_import: ["": 13]>
g (float[3] x) => (float[3] y, float[3] s) <int64 n = {1000000000}, bool t = {1}> {
    s = Sin (x)
    y = Loop <body = b (int64 i, bool c, float[3] p) => (bool c2, float[3] q) {
        q = Sin (p)
        c2 = Identity (c)
    }> (n, t, s)
}"""


def test_a_loop_that_cannot_be_written_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def recorded(model, *others):
        seen.append([node.op_type for node in onnx.load_model_from_string(model).graph.node])
        return run_apart(model, *others)

    monkeypatch.setattr(as_it_is, "run_apart", recorded)
    found = compare(ENDLESS, x=np.ones(3, np.float32))
    assert (found.compared, found.departure, list(found.left_out)) == (1, None, ["y"])
    assert seen == [["Sin"]]


def test_nothing_is_run_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_it_is, "run_apart", None)
    text = (
        ENDLESS.replace(", float[3] s)", ")").replace("s = Sin (x)", "").replace("t, s)", "t, x)")
    )
    assert "more than 1,024 times" in compare(text, x=np.ones(3, np.float32)).reason


def test_values_are_compared_themselves_and_not_as_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    # ONNX Runtime takes minutes to rid itself of thousands of copies.
    opened: list[onnx.ModelProto] = []

    def recorded(model, provider):
        opened.append(model)
        return open_session(model, provider)

    monkeypatch.setattr(faithfulness_module, "open_session", recorded)
    compare(NETWORK, x=np.ones((3, 4), np.float32))
    assert "Identity" not in {node.op_type for model in opened for node in model.graph.node}


def test_a_first_stage_in_single_precision_is_no_other_network():
    network = onnx.parser.parse_model(
        """<ir_version: 11, opset_import: ["": 23]> g (double[3, 8] x) => (double[3, 8] y)
        <double[8] w = {1, 2, 3, 4, 5, 6, 7, 8}> { y = RMSNormalization(x, w) }"""
    )
    point = {"x": np.random.default_rng(0).normal(size=(3, 8))}
    assert osc.verify(network, "y", at=point).agrees


def test_results_that_nobody_reads_are_not_compared():
    network = onnx.parser.parse_model(
        """<ir_version: 5, opset_import: ["": 10]> g (float[4] x) => (float[4] y)
        { y, mask = Dropout(x) }"""
    )
    found = osc.verify(network, "y")
    assert found.agrees
    assert found.faithfulness.compared == 1
