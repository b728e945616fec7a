"""Einsum that broadcasts 1 against n along a letter, as ONNX Runtime does."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,ij->ij", [(2, 3), (1, 3)]),
        ("ij,ij->i", [(2, 1), (2, 3)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,jk", [(2, 1), (3, 4)]),
        ("bij,bjk->bik", [(1, 2, 3), (4, 3, 5)]),
        ("bij,bjk->bik", [(4, 2, 3), (1, 3, 5)]),
        ("i,i->", [(1,), (4,)]),
        ("ij,ij,ij->j", [(1, 3), (2, 3), (2, 1)]),
        ("...i,...i->...", [(2, 1, 3), (1, 4, 1)]),
        ("b...i,...i", [(3, 2, 4), (2, 1)]),
        ("i...j,j...i->ij...", [(1, 2, 3), (3, 1, 4)]),
        ("ij,ij->ji", [(1, 1), (2, 3)]),
    ],
)
def test_one_against_many(equation, shapes):
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(len(shapes))]
    feeds = {name: rng.normal(size=shape) for name, shape in zip(names, shapes, strict=True)}
    graph = helper.make_graph(
        [helper.make_node("Einsum", names, ["y"], equation=equation)],
        "g",
        [helper.make_tensor_value_info(name, 11, array.shape) for name, array in feeds.items()],
        [helper.make_tensor_value_info("y", 11, None)],
    )
    proto = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    wanted = run(proto, feeds)["y"]
    cotangent = rng.normal(size=wanted.shape)
    seed = {"grad_y": cotangent} if wanted.ndim else {}
    found = run(osc.differentiate(proto, of="y", wrt=names), feeds | seed)
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-12)
    for name, x in feeds.items():
        # It is linear in each of them.
        assert found[f"grad_{name}"].shape == x.shape
        slope = (found[f"grad_{name}"] * x).sum()
        value = (wanted * cotangent).sum() if wanted.ndim else wanted
        np.testing.assert_allclose(slope, value, rtol=1e-10)
