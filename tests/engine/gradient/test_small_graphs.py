"""Random graphs of a few matrices, in which any value may be read many times."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from gradient_checks import directional
from graphs import session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

UNARY = ("Tanh", "Sigmoid", "Sin", "Cos", "Softplus", "Neg", "Identity")


BINARY = ("Add", "Sub", "Mul", "Div", "MatMul", "Pow", "Concat", "Where")


@st.composite
def random_graphs(draw):
    """A few nodes on (3, 3) matrices, any value readable many times, ending in one mean."""
    names = ["x", "z", "row"]
    nodes = []

    def append(op, *inputs, **attributes):
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    for _ in range(draw(st.integers(1, 8))):
        a = draw(st.sampled_from(names))
        op = draw(st.sampled_from(UNARY + BINARY + ("Softmax", "Transpose", "ReduceSum", "Slice")))
        if op in BINARY:
            b = draw(st.sampled_from(names))
            if op == "Div":
                b = append("Exp", append("Tanh", b))
            if op == "Pow":
                a, b = append("Softplus", a), append("Tanh", b)
            if op == "MatMul":
                a, b = append("Add", a, "zeros"), append("Add", b, "zeros")
                b = append("Tanh", b)
            if op == "Concat":
                a, b = append("Add", a, "zeros"), append("Add", b, "zeros")
                joined = append("Concat", a, b, axis=draw(st.integers(0, 1)))
                axis = nodes[-1].attribute[0].i
                result = append("Slice", joined, "two", "five", ("axis0", "axis1")[axis])
            elif op == "Where":
                result = append("Where", append("Greater", "mask", "zeros"), a, b)
            else:
                result = append(op, a, b)
        elif op == "Softmax":
            result = append(op, append("Add", a, "zeros"), axis=draw(st.integers(-2, 1)))
        elif op == "Transpose":
            result = append(op, append("Add", a, "zeros"))
        elif op == "ReduceSum":
            total = append(op, append("Add", a, "zeros"), "axis0", keepdims=1)
            result = append("Tanh", total)
        elif op == "Slice":
            part = append(op, append("Add", a, "zeros"), "axis1", "two", "axis0")
            result = append("Sub", part, "row")
        else:
            result = append(op, a)
        names.append(result)
    tail = append("Sum", *[append("Tanh", name) for name in names])
    nodes.append(helper.make_node("ReduceMean", [tail], ["y"], keepdims=0))
    value = helper.make_tensor_value_info
    constants = {
        "zeros": np.zeros((3, 3)),
        "mask": np.where(np.arange(9).reshape(3, 3) % 2, 1.0, -1),
        **{
            name: np.array([n]) for name, n in (("axis0", 0), ("axis1", 1), ("two", 2), ("five", 5))
        },
    }
    graph = helper.make_graph(
        nodes, "random",
        [value("x", 11, (3, 3)), value("z", 11, (3, 3)), value("row", 11, (1, 3))],
        [value("y", 11, ())],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.slow
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(random_graphs(), st.integers(0, 2**32 - 1))
def test_random_graphs(proto, seed):
    source = np.random.default_rng(seed)
    feeds = {name: source.uniform(-1, 1, s) for name, s in
             (("x", (3, 3)), ("z", (3, 3)), ("row", (1, 3)))}  # fmt: skip
    graph = osc.differentiate(proto, of="y", wrt=list(feeds))
    opened = session(graph)
    results = dict(
        zip([o.name for o in opened.get_outputs()], opened.run(None, feeds), strict=True)
    )

    def forward(f):
        return float(opened.run(["y"], f)[0])

    for name, x in feeds.items():
        u = source.uniform(-1, 1, x.shape)
        expected = directional(forward, feeds, name, u)
        assert (results[f"grad_{name}"] * u).sum() == pytest.approx(expected, rel=1e-6, abs=1e-9)
