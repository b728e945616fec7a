"""`verify` of real networks, of rules of one's own, and of a provider that is wrong."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.errors import OperatorError
from onnxscope.gradient.passes import BEFORE_THE_WALK as BEFORE
from onnxscope.graph.passes.plan import Pass
from onnxscope.rules.table import RuleTable
from onnxscope.runtime import session
from onnxscope.runtime.session import Provider
from onnxscope.verification import faults, gradient_graph, verifier

SIZE = 64


@pytest.mark.slow
@pytest.mark.parametrize("target", [None, "fire8:5", "softmax", "golden retriever"])
def test_squeezenet_agrees(squeezenet, target):
    result = osc.verify(squeezenet, target, size=SIZE, directions=2)
    assert result.agrees
    assert result.double
    assert result.relative_difference < 1e-4
    assert result.provider_difference < 1e-4
    assert result.faults == ()


@pytest.mark.slow
def test_inception_v3_agrees(inception_v3):
    result = osc.verify(inception_v3, "mixed_4:300", size=112, directions=1)
    assert result.agrees
    assert result.double


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(squeezenet):
    first, again = (osc.verify(squeezenet, "fire4:3", size=SIZE, directions=1) for _ in range(2))
    other = osc.verify(squeezenet, "fire4:3", size=SIZE, directions=1, seed=1)
    assert first == again
    assert first.checks != other.checks


@pytest.mark.slow
def test_what_makes_the_network_smaller_is_checked_too(squeezenet, monkeypatch):
    # Half of the picture is never looked at.
    def wrong_crop(builder, plan):
        for node in builder.graph:
            if node.op_type == "Relu":
                x = node.inputs[0]
                half = builder.op.Mul(osc.Tensor(builder, x), builder.constant(0.5, np.float32))
                node.replace_input_with(0, half.value)
                builder.graph.sort()
                return

    before = [Pass(wrong_crop, one.keeps) if one.name == "crop" else one for one in BEFORE]
    monkeypatch.setattr("onnxscope.gradient.objective.BEFORE_THE_WALK", before)
    result = osc.verify(squeezenet, "fire4:3", size=SIZE, directions=2)
    assert result.verdict == "disagrees"
    assert result.faults == ()
    assert "smaller and faster" in result.cause


def test_an_operator_without_a_rule():
    network = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    with pytest.raises(OperatorError, match="no gradient rule for operator Tanh"):
        osc.verify(network, rules=RuleTable())


@pytest.mark.slow
def test_a_provider_that_computes_wrongly_is_caught(squeezenet, monkeypatch):
    # Stands in for a provider of whose operators one is wrong: its sessions run another graph.
    def spoilt(graph):
        for node in graph.graph.node:
            if node.op_type == "Relu":
                node.op_type = "Abs"
        return graph

    def open_broken(build, provider):
        if provider == "cpu":
            return session.open_for(build, "cpu")
        broken = session.open_for(lambda name: spoilt(build(name)), "cpu")
        broken.provider = Provider("npu")
        return broken

    monkeypatch.setattr(session, "available_providers", lambda: ["npu", "cpu"])
    monkeypatch.setattr(gradient_graph, "open_for", open_broken)
    monkeypatch.setattr(
        faults, "open_session", lambda graph, provider: session.open_session(spoilt(graph), "cpu")
    )
    result = osc.verify(squeezenet, "fire4", size=SIZE, provider="npu", directions=2)
    assert result.verdict == "disagrees"
    assert result.provider_difference > result.provider_limit
    assert result.cause == "the same graph is right on the CPU: the provider npu computes wrongly"
    assert {(fault.op_type, fault.kind) for fault in result.faults} == {("Relu", "value")}


def test_rules_for_operators_that_the_standard_does_not_know(monkeypatch):
    monkeypatch.setattr(verifier, "standard_rules", RuleTable)
    network = text_model("g (float[3] x) => (float[3] y) { y = Tanh(x) }")
    own = RuleTable()
    own.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y))
    result = osc.verify(network, rules=own)
    assert result.verdict == "disagrees"
    assert result.provider_difference is None
    assert result.operators == ("Tanh",)


def test_a_jump_of_the_gradient_beside_the_point_is_not_taken_for_rounding():
    network = text_model(
        "g (float[5] x) => (float[5] y) <float[2] more = {0, 1}> "
        "{ u, i, v, c = Unique(x) e = Exp(u) b = Concat<axis = 0>(e, more) y = Gather(b, v) }"
    )
    point = np.array([1, 5, 2, 1, 3], np.float32)
    result = osc.verify(network, "y", at={"x": point})
    assert result.verdict == "cannot tell"
    assert "in double precision as well" in result.cause
    point[3] = 4
    assert osc.verify(network, "y", at={"x": point}).agrees
