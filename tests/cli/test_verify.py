"""`onnxscope verify`: what it shows, and how it ends."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from onnx import helper
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable
from onnxscope.verification import verifier


@pytest.fixture
def wrong_max_pool(monkeypatch):
    """A MaxPool whose gradient goes to all pixels of the window alike."""

    def rules_for(provider):
        wrong = RuleTable()
        wrong.define(
            "MaxPool",
            lambda op, dy, x: op.Resize(
                dy, None, None, op.constant(x.shape, np.int64), mode="nearest"
            ),
            ignores=("kernel_shape", "strides"),
        )
        return standard_rules() | wrong

    monkeypatch.setattr(verifier, "rules_for", rules_for)


@pytest.fixture
def tokens(folder):
    """The path of a network that takes tokens."""
    table = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "tokens"], ["words"]),
            helper.make_node("Softmax", ["words"], ["y"]),
        ],
        "tokens",
        [helper.make_tensor_value_info("tokens", onnx.TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", "length", 6])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "t.onnx")
    return "t.onnx"


@pytest.fixture
def rounded(folder):
    """The path of a network that rounds its picture and its sum to integers."""
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 18]>
        g (float[1, 3, 8, 8] image) => (float[1, 3, 8, 8] y)
        { s = Constant<value_float = 0.1>()  z = Constant<value = uint8 {100}>()
        q = QuantizeLinear(image, s, z)  d = DequantizeLinear(q, s, z)  t = Mul(d, d)
        p = QuantizeLinear(t, s, z)  y = DequantizeLinear(p, s, z) }""")
    onnx.save(proto, folder / "q.onnx")
    return "q.onnx"


@pytest.mark.slow
def test_a_gradient_that_passes_a_rounding_is_said_to_once(run, rounded):
    result = run("verify", rounded, "--provider", "cpu")
    assert result.exit_code == 3, result.output
    assert "cannot be told" in result.stdout
    assert "2 nodes such as QuantizeLinear" in result.stdout
    made = run("gradient", rounded, "y:0", "-o", "g.onnx", "--input-range", 0, 1)
    assert made.exit_code == 0, made.output
    (line,) = made.stderr.splitlines()
    assert line.startswith("warning: gradients pass straight through")
    # Looking at layers takes no gradient.
    assert run("inspect", rounded).stderr == ""


def test_a_gradient_that_agrees(run, tiny):
    result = run("verify", tiny, "--provider", "cpu")
    assert result.exit_code == 0, result.output
    assert "the gradient agrees with differences" in result.stdout
    assert "layer logits" in result.stdout
    assert "in double precision" in result.stdout
    rows = re.findall(r"^image +(\S+) +(\S+) +\S+ +agrees", result.stdout, re.MULTILINE)
    assert len(rows) == 3
    for gradient, differences in rows:
        assert float(gradient) == pytest.approx(float(differences), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("target", ["mixed4a:3", "conv5", "daisy", "mixed4a_3x3_pre_relu:2"])
def test_targets(run, tiny, target):
    result = run("verify", tiny, target, "--directions", "1")
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_a_gradient_that_disagrees(run, tiny, wrong_max_pool):
    result = run("verify", tiny, "--provider", "cpu")
    assert result.exit_code == 1
    assert "DISAGREES" in result.stdout
    assert "MaxPool: 1 node at fault" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if "→ pool0" in line]
    assert "kernel_shape=[3, 3], strides=[2, 2]" in line
    assert "conv0 1×8×24×24 → pool0 1×8×11×11" in line
    assert "Traceback" not in result.output


def test_json(run, tiny, wrong_max_pool):
    result = run("verify", tiny, "mixed4a:3", "--json", "--directions", "2", "--seed", "4")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["verdict"] == "disagrees"
    assert data["operators"] == ["MaxPool"]
    assert data["target"] == "channel mixed4a:3"
    assert len(data["checks"]) == 2
    assert data["faults"][0]["outputs"] == [["pool0", [1, 8, 11, 11]]]


@pytest.mark.slow
def test_a_foreign_network_needs_no_preprocessing(run, foreign):
    assert run("verify", foreign, "conv5:1", "--size", "32").exit_code == 0
    given = ("--input-range", "0", "255", "--mean", "120", "120", "120")
    assert run("verify", foreign, "conv5:1", "--size", "32", *given).exit_code == 0


def test_shapes(run, foreign, tokens):
    result = run("verify", foreign, "--shape", "image=2,3,40,40", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["checks"][0]["input"] == "image"
    assert run("verify", tokens, "--shape", "tokens=1,5").exit_code == 0


def test_cannot_tell(run, folder):
    graph = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18]>
        g (float[4] x) => (float[4] y) { zero = Sub(x, x)  y = Exp(zero) }"""
    )
    onnx.save(graph, folder / "flat.onnx")
    result = run("verify", "flat.onnx")
    assert result.exit_code == 3
    assert "cannot be told" in result.stdout
    assert "slope" in result.stdout


@pytest.mark.slow
def test_refusals(refused, tiny, tokens):
    assert "no layer" in refused("verify", tiny, "mixed9z")
    assert "tokens=1,8" in refused("verify", tokens)
    assert "name and numbers" in refused("verify", tokens, "--shape", "tokens:1,8")
    assert "name and numbers" in refused("verify", tokens, "--shape", "tokens=1,x")
    assert "no input 'token'" in refused("verify", tokens, "--shape", "token=1,8")
    message = refused("verify", tokens, "--input-range", "0", "1")
    assert "are about pictures; the input" in message
    assert "is no" in message
    assert "not asked for any" in refused(
        "verify", tiny, "--shape", "image=1,3,48,48", "--layout", "NCHW"
    )
    assert "no picture of a size" in refused("verify", tokens, "--size", "32")
    assert "directions must be at least 1" in refused("verify", tiny, "--directions", "0")
    assert "no provider" in refused("verify", tiny, "--provider", "abacus")
    assert "cannot read" in refused("verify", "nothing.onnx")


def test_with_respect_to_what_is_named(run, refused, tiny, tokens):
    result = run("verify", tokens, "--shape", "tokens=1,5", "--wrt", "words", "--json")
    assert result.exit_code == 0, result.output
    assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {"words"}
    assert "no value 'word'" in refused("verify", tokens, "--shape", "tokens=1,5", "--wrt", "word")
    assert "--wrt it is not asked for any" in refused(
        "verify", tiny, "--wrt", "image", "--input-range", "0", "1"
    )


def test_a_time_limit(run, refused, tiny):
    assert run("verify", tiny, "--timeout", "600", "--directions", "1").exit_code == 0
    assert "give more time" in refused("verify", tiny, "--timeout", "0.001")
    assert "timeout must be a number of seconds" in refused("verify", tiny, "--timeout", "0")
