"""Attributes that are missing or that no operator can have: a sentence, whatever the operator."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import text_model
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from onnxscope.errors import ModelError, OnnxscopeError, OperatorError
from onnxscope.expansions.contrib import refused
from onnxscope.expansions.contrib.required import REQUIRED
from onnxscope.expansions.registry import all_expansions
from version_cases import examples, in_version, model_of, schemas, unusual


def spoilt(value):
    """Values that an attribute may have in a damaged file."""
    if isinstance(value, int):
        return [0, -7]
    if isinstance(value, list) and value and isinstance(value[0], int | float):
        return [[0 * number for number in value], [-7 for _ in value], [*value, value[-1]]]
    return ["nonsense", ""] if isinstance(value, str | bytes) else []


@pytest.mark.slow
@pytest.mark.parametrize("op", schemas())
def test_no_attribute_ends_in_a_traceback(op, monkeypatch):
    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", lambda model: model)
    version = max(schemas()[op])
    written = (in_version(example, version) for example in examples().get(op, ()))
    kinds = {tuple(sorted(unusual(e, schemas()[op][version]))): e for e in written if e is not None}
    for example in list(kinds.values())[:2]:
        for name, value in example.attributes.items():
            others = {k: v for k, v in example.attributes.items() if k != name}
            damaged = [others, *({**others, name: bad} for bad in spoilt(value))]
            for attributes in damaged:
                refused_or_not(*model_of(replace(example, attributes=attributes), version))
        for index in range(len(example.inputs)):
            inputs = [None if i == index else a for i, a in enumerate(example.inputs)]
            refused_or_not(*model_of(replace(example, inputs=tuple(inputs)), version))


def refused_or_not(model, feeds):
    """Differentiate a model that may be damaged."""
    real = [name for name, array in feeds.items() if array.dtype == np.float32]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(OnnxscopeError):
            osc.differentiate(model, of=model.graph.output[0].name, wrt=real[:1])


@pytest.mark.parametrize("op", schemas())
def test_required_attributes_are_asked_for_by_name(op):
    version = max(schemas()[op])
    schema = schemas()[op][version]
    names = ["x"] * max(schema.min_input, 1 if schema.max_input else 0)
    for attribute in schema.attributes.values():
        if attribute.required and not schema.deprecated:
            proto = a_node(op, names, version)
            with pytest.raises(ModelError, match=rf"{op} \(node 'it'\) lacks its attribute") as e:
                osc.differentiate(proto, of="y", wrt=["x"])
            assert any(f"'{n}'" in str(e.value) for n, a in schema.attributes.items() if a.required)


def a_node(op, inputs, version, domain="", sizes=(1, 4, 8), **attributes):
    graph = helper.make_graph(
        [helper.make_node(op, inputs, ["y"], name="it", domain=domain, **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    imports = [helper.make_opsetid("", version)]
    imports += [helper.make_opsetid(domain, 1)] if domain else []
    return helper.make_model(graph, ir_version=8, opset_imports=imports)


def test_the_runtime_s_own_schemas_require_no_others():
    required = {
        schema.name: tuple(sorted(n for n, a in schema.attributes.items() if a.required))
        for schema in runtime.get_all_operator_schema()
        if schema.domain == "com.microsoft"
    }
    written = {
        op: names
        for op, names in required.items()
        if names
        and all_expansions().get(("com.microsoft", op), refused._refuse_by_name).__name__
        not in ("_refuse_by_name", "_refuse_integers")
    }
    # No counts, and asked for where they are read.
    others = {"QLinearAveragePool": ("kernel_shape",), "QLinearConcat": ("axis",)}
    assert written == {**REQUIRED, **others}


@pytest.mark.parametrize(("op", "name"), [(op, n) for op, names in REQUIRED.items() for n in names])
@pytest.mark.parametrize("value", [None, -1])
def test_required_attributes_of_the_runtime_s_operators(op, name, value):
    attributes = {n: 1 for n in REQUIRED[op] if n != name} | ({} if value is None else {name: -1})
    proto = a_node(op, ["x"] * 4, 18, "com.microsoft", **attributes)
    with pytest.raises(OperatorError) as caught:
        osc.differentiate(proto, of="y", wrt=["x"])
    assert f"{op} (node 'it')" in str(caught.value)
    assert f"'{name}'" in str(caught.value)


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("......,...->...", "has the term '......'"),
        ("...i...,ij->...j", "has the term"),
        ("i1,ij->j", "has the term 'i1'"),
        ("ij->i", "has 1 terms for 2 inputs"),
        ("ij,jk->iz", "'z', which no input has"),
        ("ij,jk->ii", "'i' twice"),
    ],
)
def test_equations_that_nobody_can_read(equation, message):
    proto = text_model(
        f'g (float[2,2] x) => (float[2,2] y) {{ y = Einsum<equation = "{equation}">(x, x) }}'
    )
    with pytest.raises(ModelError, match="Einsum") as caught:
        osc.differentiate(proto, of="y", wrt=["x"])
    assert message in str(caught.value)


@pytest.mark.parametrize("opset", [13, 18])
def test_an_equation_that_shape_inference_never_ends_with(opset):
    proto = a_node("Einsum", ["x"], opset, sizes=(2, 2), equation="...i...->i")
    with pytest.raises(ModelError, match="it may have letters, and one ellipsis"):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize(
    "text",
    [
        "y = LayerNormalization <axis = 2147483648> (x, x)",
        "y = Split <num_outputs = 2147483648> (x)",
        "y = Transpose <perm = [4611686018427387904, 0]> (x)",
    ],
)
def test_numbers_that_shape_inference_does_not_survive(text):
    proto = text_model(f"g (float[4, 4] x) => (float[4, 4] y) {{ {text} }}")
    with pytest.raises(ModelError, match="it must be at most 1,048,576"):
        osc.differentiate(proto, of="y", wrt=["x"])


def test_a_constant_without_a_value():
    proto = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        g (float[2] x) => (float[2] y) { k = Constant() y = Mul(x, k) }""")
    with pytest.raises(ModelError, match=r"Constant \(.*'k'.*lacks its attribute .*'value_float'"):
        osc.differentiate(proto, of="y", wrt=["x"])
