"""RotaryEmbedding: equal to ONNX Runtime's kernel, and differentiable."""

from __future__ import annotations

import numpy as np
import pytest
from expansion_checks import check, values


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ([values(2, 3, 4, 8), values(2, 4, 4), values(2, 4, 4)], {}),
        ([values(2, 4, 24), values(50, 4), values(50, 4), np.arange(8).reshape(2, 4)],
         {"num_heads": 3, "interleaved": 1}),
        ([values(2, 3, 4, 8), values(2, 4, 2), values(2, 4, 2)], {"rotary_embedding_dim": 4}),
    ],
)  # fmt: skip
def test_rotary_embedding(arrays, options):
    check("RotaryEmbedding", arrays, opset=23, **options)
