"""Matrices by vectors, behind a Transpose as well: what ONNX Runtime alone gets wrong."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from drawing import generator
from graphs import session

RNG = generator(4)


@pytest.mark.parametrize("shape", [(6, 3), (2, 6, 3)])
def test_transposed_matrices_by_a_vector(shape):
    order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    dims, result = ",".join(map(str, shape)), ",".join(map(str, (*shape[:-2], 3)))
    proto = onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["": 18]>
        g (float[{dims}] a, float[6] v) => (float[{result}] y)
        {{ t = Transpose<perm={order}>(a)
          y = MatMul(t, v) }}"""
    )
    a = RNG.normal(size=shape).astype(np.float32)
    v = RNG.normal(size=6).astype(np.float32)
    dy = RNG.normal(size=(*shape[:-2], 3)).astype(np.float32)
    graph = osc.differentiate(proto, "y", ["a", "v"], compare=False)
    y, da, dv = session(graph).run(None, {"a": a, "v": v, "grad_y": dy})
    np.testing.assert_allclose(y, a.swapaxes(-1, -2) @ v, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(da, v[:, None] * dy[..., None, :], rtol=1e-5, atol=1e-6)
    summed = (a @ dy[..., None])[..., 0].reshape(-1, 6).sum(0)
    np.testing.assert_allclose(dv, summed, rtol=1e-5, atol=1e-6)
