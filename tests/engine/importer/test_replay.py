"""Replay: what is folded, made a number, dropped or refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxscope as osc
import pytest
from graphs import model, operators, run, session, text_model
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException
from onnxscope.errors import EmptyError, LayerError, ModelError, OperatorError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.importer.replay import replay
from replayed import replayed

rng = np.random.default_rng(11)


def constants(proto):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def values(*shape):
    return rng.normal(size=shape).astype(np.float32)


def weights(channels=4, inputs=3, size=3):
    return {"w": values(channels, inputs, size, size), "b": values(channels)}


def normalization(channels=4):
    return {
        "scale": values(channels),
        "shift": values(channels),
        "mean": values(channels),
        "var": np.abs(values(channels)) + 0.1,
    }


# Batch normalisation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "outputs", "attributes"),
    [
        (3, 4, {}),
        (3, 4, {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        (6, 4, {"group": 2}),
        (4, 4, {"group": 4}),
        (3, 6, {"group": 3, "auto_pad": "SAME_UPPER"}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_normalisation_goes_into_the_convolution(inputs, outputs, attributes, bias):
    data = weights(outputs, inputs // attributes.get("group", 1)) | normalization(outputs)
    if not bias:
        del data["b"]
    names = ["x", "w", *(["b"] if bias else [])]
    proto = model(
        [
            helper.make_node("Conv", names, ["c"], **attributes),
            helper.make_node(
                "BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"], epsilon=0.01
            ),
            helper.make_node("Relu", ["n"], ["y"]),
        ],
        {"x": (np.float32, (2, inputs, 7, 7))},
        ["y"],
        data,
    )
    result = replayed(proto, {"x": (2, inputs, 7, 7)})
    assert operators(result) == ["Conv", "Relu"]
    x = values(2, inputs, 7, 7)
    np.testing.assert_allclose(
        run(result, {"x": x})["y"], run(proto, {"x": x})["y"], rtol=1e-4, atol=1e-5
    )


def test_a_convolution_that_others_read_keeps_its_own_values():
    proto = model(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"]),
            helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"]),
            helper.make_node("BatchNormalization", ["c", "scale", "mean", "shift", "var"], ["m"]),
            helper.make_node("Sum", ["c", "n", "m"], ["y"]),
        ],
        {"x": (np.float32, (1, 3, 5, 5))},
        ["y", "c", "n"],
        weights() | normalization(),
    )
    result = replayed(proto, {"x": (1, 3, 5, 5)}, ["y", "c", "n"])
    assert operators(result) == ["Conv", "Conv", "Conv", "Sum"]
    x = values(1, 3, 5, 5)
    expected = run(proto, {"x": x})
    for name, array in run(result, {"x": x}).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)


def test_normalisation_stays_where_it_does_not_follow_a_convolution():
    proto = model(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("BatchNormalization", ["r", "scale", "shift", "mean", "var"], ["y"]),
        ],
        {"x": (np.float32, (1, 3, 5, 5))},
        ["y"],
        weights() | normalization(),
    )
    result = replayed(proto, {"x": (1, 3, 5, 5)})
    assert operators(result) == ["Conv", "Relu", "BatchNormalization"]


# Sizes -------------------------------------------------------------------------------------------


def shrinking():
    """Two strided convolutions and a pool, on pictures of any size."""
    return model(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["a"], strides=[2, 2]),
            helper.make_node("Relu", ["a"], ["r"]),
            helper.make_node("Conv", ["r", "w2"], ["c"], strides=[2, 2]),
            helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[3, 3], strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["p"], ["y"]),
        ],
        {"x": (np.float32, ("N", 3, "H", "W"))},
        ["y"],
        weights() | {"w2": values(2, 4, 3, 3)},
    )


def test_every_size_is_one_that_onnx_runtime_takes():
    proto = shrinking()
    opened = session(proto)
    taken = []
    for size in range(1, 30):
        try:
            result = opened.run(None, {"x": values(1, 3, size, size)})[0]
            runs = bool(np.isfinite(result).all())
        except (Fail, InvalidArgument, RuntimeException):
            runs = False
        try:
            replayed(proto, {"x": (1, 3, size, size)})
            replays = True
        except EmptyError as error:
            assert "leaves nothing of" in str(error)  # noqa: PT017
            replays = False
        assert runs == replays, size
        taken.append(replays)
    assert True in taken
    assert False in taken
    assert taken == sorted(taken)


def test_symbolic_sizes_become_numbers():
    builder = Builder()
    x = builder.input("x", (2, 3, 31, 45), np.float32)
    found = replay(builder, ir.from_proto(shrinking()).graph, {"x": x}, ["a", "c", "p"])
    shapes = {name: tensor.shape for name, tensor in found.items()}
    assert shapes == {"a": (2, 4, 15, 22), "c": (2, 2, 7, 10), "p": (2, 2, 3, 4)}


def test_pools_lose_their_ceil_mode():
    proto = model(
        [
            helper.make_node(
                "MaxPool", ["x"], ["p"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
            ),
            helper.make_node(
                "AveragePool", ["p"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
            ),
        ],
        {"x": (np.float32, (1, 2, 10, 12))},
        ["y"],
    )
    result = replayed(proto, {"x": (1, 2, 10, 12)})
    assert not any(a.name == "ceil_mode" for node in result.graph.node for a in node.attribute)
    x = values(1, 2, 10, 12)
    np.testing.assert_allclose(run(result, {"x": x})["y"], run(proto, {"x": x})["y"], rtol=1e-6)


# What is written ---------------------------------------------------------------------------------


def test_only_what_is_wanted_is_written():
    proto = shrinking()
    result = replayed(proto, {"x": (1, 3, 32, 32)}, ["r"])
    assert operators(result) == ["Conv", "Relu"]
    assert set(constants(result)) == {"w", "b"}
    full = run(proto, {"x": (x := values(1, 3, 32, 32))})
    again = run(replayed(proto, {"x": x.shape}), {"x": x})
    np.testing.assert_array_equal(again["y"], full["y"])


def test_a_network_behind_another_graph():
    builder = Builder()
    pixels = builder.input("pixels", (1, 3, 16, 16), np.float32)
    image = builder.op.Sigmoid(pixels * 2)
    y = replay(builder, ir.from_proto(shrinking()).graph, {"x": image}, ["a"])["a"]
    builder.output("a", y)
    result = model_of(builder)
    assert operators(result) == ["Mul", "Sigmoid", "Conv"]


def test_the_same_network_twice():
    builder = Builder()
    graph = ir.from_proto(shrinking()).graph
    x = builder.input("x", (1, 3, 16, 16), np.float32)
    first = replay(builder, graph, {"x": x}, ["a"])["a"]
    second = replay(builder, graph, {"x": x * 0.5}, ["a"])["a"]
    builder.output("y", first - second)
    result = model_of(builder)
    onnx.checker.check_model(result, full_check=True)
    x = values(1, 3, 16, 16)
    w, b = (constants(result)[name] for name in ("w", "b"))
    expected = run(
        model(
            [helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2])],
            {"x": x},
            ["y"],
            {"w": w, "b": b},
        ),
        {"x": x},
    )["y"]
    half = (expected - b[:, None, None]) / 2
    np.testing.assert_allclose(run(result, {"x": x})["y"], half, rtol=1e-3, atol=1e-4)


def test_the_source_is_left_as_it_is():
    source = ir.from_proto(shrinking())
    before = ir.to_proto(source).SerializeToString(deterministic=True)
    builder = Builder()
    builder.input("w", (1,), np.float32)
    replay(builder, source.graph, {"x": builder.input("x", (1, 3, 32, 32), np.float32)}, ["y"])
    assert ir.to_proto(source).SerializeToString(deterministic=True) == before


# What is refused ---------------------------------------------------------------------------------


def test_names_that_are_not_there():
    with pytest.raises(LayerError, match="no value 'rr'; did you mean 'r'"):
        replayed(shrinking(), {"x": (1, 3, 32, 32)}, ["rr"])
    with pytest.raises(
        ModelError, match=r"value 'x', which Conv .* reads, is neither computed nor"
    ):
        replayed(shrinking(), {})


def test_control_flow_is_refused_by_name():
    def body(name):
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
        return helper.make_graph([helper.make_node("Relu", ["x"], [name])], name, [], [output])

    node = helper.make_node(
        "If", ["flag"], ["y"], name="choice", then_branch=body("t"), else_branch=body("e")
    )
    proto = model([node], {"x": (np.float32, (2,)), "flag": (np.bool_, ())}, ["y"])
    builder = Builder()
    given = {
        "x": builder.input("x", (2,), np.float32),
        "flag": builder.input("flag", (), np.bool_),
    }
    with pytest.raises(OperatorError, match=r"If \(node 'choice'\) chooses a branch by"):
        replay(builder, ir.from_proto(proto).graph, given, ["y"])


def test_an_operator_of_another_domain_is_refused_by_name():
    node = helper.make_node("Swirl", ["x"], ["y"], domain="com.example")
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", 1, [2])], [value("y", 1, [2])])
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.example", 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=9)
    builder = Builder()
    x = builder.input("x", (2,), np.float32)
    with pytest.raises(OperatorError, match=r"no standard form of com\.example's Swirl"):
        replay(builder, ir.from_proto(proto).graph, {"x": x}, ["y"])


@pytest.mark.parametrize(
    "node", ["Conv(x, w)", "MaxPool<kernel_shape = [2, 2]>(x)", "GlobalAveragePool(x)"]
)
def test_no_pictures_leave_no_pictures(node):
    proto = text_model(f"""
        g (float[0,2,4,4] x) => (float[N,C,H,W] y) <float[1,2,1,1] w = {{1, 2}}> {{ y = {node} }}
    """)
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    x = np.zeros((0, 2, 4, 4), np.float32)
    wanted = run(proto, {"x": x})["y"]
    found = run(graph, {"x": x, "grad_y": wanted})
    assert found["y"].shape == wanted.shape
    assert found["grad_x"].shape == x.shape
