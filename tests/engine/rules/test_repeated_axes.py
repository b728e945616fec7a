"""An axis that is named twice, as from the front and from behind, is reduced once."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import run, text_model

REDUCTIONS = ("Mean", "Sum", "SumSquare", "L1", "L2", "LogSum", "LogSumExp", "Prod", "Max", "Min")


def gradient(reduction, axes):
    numbers = ", ".join(map(str, axes))
    graph = osc.differentiate(
        text_model(
            f"g (float[2, 3, 4] x) => (float[A, B, C] y) <int64[{len(axes)}] a = {{{numbers}}}> "
            f"{{ y = Reduce{reduction}(x, a) }}"
        ),
        of="y",
        wrt=["x"],
        compare=False,
    )
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 4)).astype(np.float32)
    shape = [1 if axis in {a % 3 for a in axes} else size for axis, size in enumerate(x.shape)]
    return run(graph, {"x": x, "grad_y": np.full(shape, 2, np.float32)})


@pytest.mark.sample(10)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_gradient(reduction):
    once = gradient(reduction, (0, 2))
    for axes in ((0, 2, 0), (2, -1, 0), (-3, 0, -1)):
        twice = gradient(reduction, axes)
        for name in ("y", "grad_x"):
            np.testing.assert_allclose(twice[name], once[name], rtol=1e-6)
