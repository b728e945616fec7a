"""bfloat16 is verified in float32, and that is said."""

from __future__ import annotations

import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable

NETWORKS = {
    "throughout": "g (bfloat16[2, 4] x) => (bfloat16[2, 4] y) { a = Tanh(x)  y = Mul(a, x) }",
    "inside": """g (float[2, 4] x) => (float[2, 4] y) {
        b = Cast<to = 16>(x)  a = Tanh(b)  c = Mul(a, b)  y = Cast<to = 1>(c) }""",
    "of a picture": """g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) {
        b = Cast<to = 16>(x)  a = Tanh(b)  y = Cast<to = 1>(a) }""",
}


@pytest.mark.parametrize("text", NETWORKS.values(), ids=NETWORKS)
def test_bfloat16(text):
    found = osc.verify(text_model(text))
    assert found.agrees, found
    assert found.limits[0].startswith("float32 instead of bfloat16")
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    assert osc.verify(text_model(text), rules=standard_rules() | wrong).operators == ("Tanh",)
