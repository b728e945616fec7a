"""Where a double form is missing or is another function, single precision serves."""

from __future__ import annotations

import onnx
import onnxscope as osc
from graphs import text_model
from onnxscope.errors import OperatorError
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.verification.double.rewrite import in_double

STANDARD = standard_rules()


def test_without_double_precision_single_serves(monkeypatch):
    network = text_model("g (float[4, 4] x) => (float[4, 4] y) { e = Tanh(x)  y = MatMul(e, e) }")

    def refuse(model, **options):
        raise OperatorError("there is no such form")

    monkeypatch.setattr("onnxscope.verification.forward.in_double", refuse)
    result = osc.verify(network)
    assert result.agrees
    assert not result.double
    assert result.why_single == "there is no such form"
    wrong = RuleTable()
    wrong.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    assert osc.verify(network, rules=STANDARD | wrong).operators == ("Tanh",)


def test_a_double_form_that_is_another_function_is_not_used(monkeypatch):
    def other(model, **options):
        changed = onnx.ModelProto()
        changed.CopyFrom(in_double(model, **options))
        for node in changed.graph.node:
            if node.op_type == "Tanh":
                node.op_type = "Sin"
        return changed

    monkeypatch.setattr("onnxscope.verification.forward.in_double", other)
    result = osc.verify(text_model("g (float[4] x) => (float[4] y) { y = Tanh(x) }"))
    assert result.agrees
    assert "another value" in result.why_single
