"""One operator against ONNX Runtime's kernel, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
from drawing import generator
from graphs import session
from onnx import helper, numpy_helper

RNG = generator(3)


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def node_model(
    op_type, arrays, outputs=1, *, opset=18, domain="", constants=(), **attributes
) -> onnx.ModelProto:
    """One node of inputs i0, i1, … and outputs o0, o1, …; no shape of an output is given.

    `outputs` is how many there are, or which: others are left out.
    """
    names = ["" if array is None else f"i{i}" for i, array in enumerate(arrays)]
    wanted = range(outputs) if isinstance(outputs, int) else outputs
    results = [f"o{i}" if i in wanted else "" for i in range(max(wanted) + 1)]
    node = helper.make_node(op_type, names, results, domain=domain, **attributes)
    given = [(n, a) for n, a in zip(names, arrays, strict=True) if n and n not in constants]
    graph = helper.make_graph(
        [node],
        "test",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in given
        ],
        [helper.make_empty_tensor_value_info(f"o{i}") for i in wanted],
        [numpy_helper.from_array(arrays[int(n[1:])], n) for n in constants],
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, 1)] if domain else []
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def check(op_type, arrays, outputs=1, of="o0", tolerance=3e-3, oracle=None, **options):
    """Forward equal to ONNX Runtime's kernel (or `oracle`), gradients equal to differences."""
    proto = node_model(op_type, arrays, outputs, **options)
    feeds = {
        f"i{i}": array
        for i, array in enumerate(arrays)
        if array is not None and f"i{i}" not in options.get("constants", ())
    }
    wrt = [name for name, array in feeds.items() if array.dtype == np.float32]
    if oracle is None:
        kernel = session(proto)

        def forward(given):
            return kernel.run([of], given)[0]
    else:

        def forward(given):
            return oracle(*given.values())

    y = forward(feeds)
    graph = osc.differentiate(proto, of=of, wrt=wrt)
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}
    opened = session(graph)
    names = [output.name for output in opened.get_outputs()]
    cotangent = values(*y.shape) if y.ndim else np.float32(1)
    seed = {f"grad_{of}": cotangent} if y.ndim else {}
    results = dict(zip(names, opened.run(names, feeds | seed), strict=True))
    np.testing.assert_allclose(results[of], y, rtol=1e-5, atol=2e-6)
    for name in wrt:
        direction = RNG.uniform(-1, 1, feeds[name].shape).astype(np.float32)

        def along(t, name=name, direction=direction):
            moved = forward(feeds | {name: feeds[name] + np.float32(t) * direction})
            return float((moved.astype(np.float64) * cotangent).sum())

        h = 0.02
        difference = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
        slope = float((results[f"grad_{name}"].astype(np.float64) * direction).sum())
        size = np.linalg.norm(results[f"grad_{name}"] * direction) + 0.01 * np.linalg.norm(
            cotangent
        )
        assert abs(slope - difference) <= tolerance * max(size, abs(difference))
    return graph
