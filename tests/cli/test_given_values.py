"""What depends on a given input alone is known: at the command line, with and without `--wrt`."""

from __future__ import annotations

import json
import shlex

import numpy as np
import onnx
import onnxruntime
import pytest

# A branch by one input, rounds by another, a length by a third, a table looked up by a fourth.
NETWORK = """<ir_version: 8, opset_import: ["": 17]>
    g (float[N, 3] x, int64 rate, int64 times, int64[2] tokens) => (float[N, 3] y, float[N, 3] z)
    <int64 k = {16000}, bool yes = {1}, float[4, 3] table = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
        0.8, 0.9, 1.0, 1.1, 1.2}> {
        c = Equal(rate, k)
        p = If(c) <
            then_branch = a () => (float[N, 3] p1) { p1 = Tanh(x) },
            else_branch = b () => (float[N, 3] p2) { p2 = Sin(x) }>
        r = Gather(table, tokens)
        s = ReduceMean<axes = [0]>(r)
        y = Add(p, s)
        z = Loop(times, yes, y) <body = d (int64 i, bool go, float[N, 3] u)
            => (bool on, float[N, 3] v) { on = Identity(go)  v = Sin(u) }>
    }"""
GIVEN = ("--input", "rate=16000", "--input", "times=2")
TOKENS = ("--input", "tokens=3,1")


@pytest.fixture
def network(folder):
    onnx.save(onnx.parser.parse_model(NETWORK), folder / "net.onnx")
    return "net.onnx"


def gradient_at(x, **feeds):
    session = onnxruntime.InferenceSession("g.onnx", providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feeds |= {"x": x} | {name: np.ones_like(x) for name in names if name.startswith("grad_")}
    found = session.run(None, {name: feeds[name] for name in names})
    return names, dict(zip([value.name for value in session.get_outputs()], found, strict=True))


def test_the_branch_and_the_rounds_of_a_bare_gradient(run, network):
    result = run("gradient", network, "z", "--wrt", "x", *GIVEN, "-o", "g.onnx")
    assert result.exit_code == 0, result.output
    x = np.array([[0.3, -0.2, 0.7]], np.float32)
    names, found = gradient_at(x, tokens=np.array([3, 1]))
    assert names == ["x", "tokens", "grad_z"]
    y = np.tanh(x) + np.array([0.7, 0.8, 0.9])
    slope = (1 - np.tanh(x) ** 2) * np.cos(y) * np.cos(np.sin(y))
    np.testing.assert_allclose(found["z"], np.sin(np.sin(y)), rtol=1e-5)
    np.testing.assert_allclose(found["grad_x"], slope, rtol=1e-4)
    result = run("gradient", network, "y", "--wrt", "table", *GIVEN, *TOKENS, "-o", "g.onnx")
    assert result.exit_code == 0, result.output
    _, found = gradient_at(x)
    np.testing.assert_allclose(found["grad_table"].sum(1), [0, 1.5, 0, 1.5], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("wrt", [(), ("x",), ("table",), ("p",), ("x", "s")], ids=str)
@pytest.mark.parametrize("tokens", [(), TOKENS], ids=["drawn", "given"])
def test_they_are_verified(run, network, wrt, tokens):
    more = [word for name in wrt for word in ("--wrt", name)]
    result = run("verify", network, "z", *GIVEN, *tokens, *more, "--directions", 1, "--json")
    assert result.exit_code == 0, result.output
    assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {*(wrt or ("x",))}


@pytest.mark.slow
def test_real_inputs_are_checked_where_they_are_given(run, network):
    given = (*GIVEN, "--input", "x=0.25,0.5,0.75")
    for more in ((), ("--wrt", "x")):
        result = run("verify", network, "z", *given, *more, "--directions", 1, "--json")
        assert result.exit_code == 0, result.output
        assert {check["input"] for check in json.loads(result.stdout)["checks"]} == {"x"}


@pytest.mark.slow
def test_what_is_shown_is_known_and_can_be_typed(run, network):
    missing = " ".join(run("inspect", network, "y").stdout.split())
    assert "give the value of the input 'rate', such as inputs={'rate': VALUE}" in missing
    assert "(--input rate=VALUE)" in missing
    for more in ((), TOKENS, ("--shape", "x=4,3")):
        result = run("inspect", network, *GIVEN, *more)
        assert result.exit_code == 0, result.output
        command = result.stdout.splitlines()[-1].removeprefix("  onnxscope ")
        assert run(*shlex.split(command)).exit_code == 0, command
        for value in ("y", "table"):
            result = run("inspect", network, value, *GIVEN, *more)
            assert result.exit_code == 0, result.output
            shown = " ".join(result.stdout.split())
            assert "onnxscope gradient net.onnx" in shown
            assert "--input rate=16000 --input times=2" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gradient", "net.onnx", "z", "--wrt", "x", "-o", "g.onnx"), "--input rate=VALUE"),
        (
            ("gradient", "net.onnx", "z", "--wrt", "x", "--input", "rate=1", "-o", "g.onnx"),
            "runs a number of times that is only known at run time: such loops are not "
            "differentiated; give the value of the input 'times'",
        ),
        (
            ("gradient", "net.onnx", "z", "--wrt", "x", *GIVEN, "--input", "x=1", "-o", "g.onnx"),
            "'x' is given a value",
        ),
        (("verify", "net.onnx", "z"), "--input rate=VALUE"),
        (("inspect", "net.onnx", "--input", "rat=1"), "no input 'rat', only x (N×3), rate"),
        (("inspect", "net.onnx", "--input", "rate=0.5"), "numbers of the type int64, not 0.5"),
        (
            ("inspect", "net.onnx", "--input", "rate=1", "--layout", "NCHW"),
            "--layout is for networks that take pictures",
        ),
    ],
)
def test_what_does_not_fit(refused, network, arguments, words):
    assert words in refused(*arguments)
