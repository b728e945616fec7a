"""One operator of traditional machine learning against ONNX Runtime's kernel and differences."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
from drawing import generator
from graphs import session
from onnx import helper

RNG = generator(17)


def ml_model(op_type, arrays, outputs=1, *, version=1, opset=18, **attributes) -> onnx.ModelProto:
    """One node of inputs i0, i1, …, their first sizes open as N, and outputs o0, o1, …."""
    names = [f"i{i}" for i in range(len(arrays))]
    results = [f"o{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, domain="ai.onnx.ml", **attributes)],
        "test",
        [
            helper.make_tensor_value_info(
                name,
                onnx.TensorProto.STRING
                if array.dtype.kind in "OU"
                else helper.np_dtype_to_tensor_dtype(array.dtype),
                ["N", *array.shape[1:]] if array.ndim > 1 else array.shape,
            )
            for name, array in zip(names, arrays, strict=True)
        ],
        [helper.make_empty_tensor_value_info(name) for name in results],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def with_another_path(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with an output v = −w beside what it computes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.node.append(helper.make_node("Neg", ["w"], ["v"]))
    copy.graph.input.append(helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [2]))
    copy.graph.output.append(helper.make_empty_tensor_value_info("v"))
    return copy


def fixed(proto: onnx.ModelProto, rows: int) -> onnx.ModelProto:
    """The same model for so many rows."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in copy.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == "N":
                dim.dim_value = rows
    return copy


def check_ml(
    op_type,
    *arrays,
    outputs=1,
    tolerance=3e-3,
    rtol=1e-5,
    atol=2e-6,
    kernel=None,
    still=None,
    **options,
):
    """All outputs as ONNX Runtime gives them, the gradient of the last as differences are.

    With the number of rows open and fixed. `kernel` are inputs of other types for a runtime that
    does not take those of `arrays`; `still` are elements that differences leave where they are.
    """
    proto = ml_model(op_type, arrays, outputs, **options)
    feeds = {f"i{i}": array for i, array in enumerate(arrays)}
    of = f"o{outputs - 1}"
    given = feeds if kernel is None else {f"i{i}": array for i, array in enumerate(kernel)}
    opened = session(ml_model(op_type, list(given.values()), outputs, **options))
    expected = opened.run(None, given)
    wrt = [name for name, array in feeds.items() if array.dtype.kind == "f"]
    if expected[-1].dtype.kind != "f":
        # What has no gradient is computed all the same.
        proto, of, wrt = with_another_path(proto), "v", ["w"]
        feeds["w"], expected = np.array([0.5, -2], np.float32), [*expected, None]
        given = feeds
        expected[-1], opened = -feeds["w"], session(proto)
    cotangent = RNG.normal(size=expected[-1].shape).astype(expected[-1].dtype)
    for model in (proto, fixed(proto, len(arrays[0]))):
        graph = osc.differentiate(model, of=of, wrt=wrt)
        onnx.checker.check_model(graph, full_check=True)
        assert {node.domain for node in graph.graph.node} == {""}
        assert [entry.domain for entry in graph.opset_import] == [""]
        run = session(graph)
        names = [output.name for output in run.get_outputs()]
        found = dict(zip(names, run.run(names, feeds | {f"grad_{of}": cotangent}), strict=True))
        for name, wanted in zip([*(f"o{i}" for i in range(outputs)), "v"], expected, strict=False):
            close(found[name], wanted, rtol, atol)
        for name in wrt:
            direction = RNG.uniform(-1, 1, feeds[name].shape)
            if still is not None:
                direction[still] = 0

            def along(t, name=name, direction=direction):
                array = given[name]
                moved = opened.run(
                    [of], given | {name: (array + t * direction).astype(array.dtype)}
                )
                return float((moved[0].astype(np.float64) * cotangent).sum())

            step = 2e-3
            difference = (along(step) - along(-step)) / (2 * step)
            slope = float((found[f"grad_{name}"].astype(np.float64) * direction).sum())
            scale = np.abs(found[f"grad_{name}"]).sum() + 1e-2
            assert abs(slope - difference) < tolerance * scale, (name, slope, difference)
            assert found[f"grad_{name}"].dtype == feeds[name].dtype
    return found


def close(found: np.ndarray, wanted: np.ndarray, rtol: float = 1e-5, atol: float = 2e-6) -> None:
    """Assert that values are of the same type and shape, and (nearly) equal."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
    else:
        assert (found == wanted).all()
