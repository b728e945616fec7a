"""Attention: equal to ONNX Runtime's kernel, and differentiable."""

from __future__ import annotations

import pytest
from expansion_checks import check, values


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ([values(2, 3, 4, 8), values(2, 3, 6, 8), values(2, 3, 6, 8)], {}),
        ([values(2, 4, 24), values(2, 6, 24), values(2, 6, 24)],
         {"q_num_heads": 3, "kv_num_heads": 3, "is_causal": 1}),
        ([values(2, 4, 4, 8), values(2, 2, 6, 8), values(2, 2, 6, 8), values(4, 6)],
         {"softcap": 2.0}),
        ([values(1, 2, 4, 8), values(1, 2, 4, 8), values(1, 2, 4, 8)], {"scale": 0.3}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("opset", [23, 24])
def test_attention(arrays, options, opset):
    graph = check("Attention", arrays, opset=opset, **options)
    assert graph.opset_import[0].version == 21
