"""`inspect` sees through loops, scans and branches that read what is outside of them."""

from __future__ import annotations

import re
import shlex

import onnx
import pytest

# A loop over the rows of t, which its body reads from outside; so does the scan's body, of k.
BODIES = {
    "loop": """
        g (float[N, T, 3] x) => (float[N, 3] y)
        <bool yes = {1}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] three = {3},
        float nul = {0.0}> {
            t = Transpose<perm = [1, 0, 2]>(x)  s = Shape(t)  n1 = Slice(s, zero, one)
            n = Squeeze(n1)  b = Shape<start = 1, end = 2>(t)  hs = Concat<axis = 0>(b, three)
            h0 = Expand(nul, hs)
            h, rows = Loop<body = step (int64 i, bool c, float[K, 3] p)
                => (bool d, float[K, 3] q, float[K, 3] o) {
                d = Identity(c)  row = Gather(t, i)  u = Add(row, p)  q = Tanh(u)
                o = Identity(q) }>(n, yes, h0)
            y = Sin(h) }""",
    "scan": """
        g (float[N, 3] x, float[4, 3] w) => (float[4, N, 3] y) {
            k = Tanh(x)
            r = Scan<num_scan_inputs = 1, body = step (float[3] row) => (float[N, 3] o)
                { o = Mul(k, row) }>(w)
            y = Sin(r) }""",
}


@pytest.fixture
def path(request, folder):
    """A file of one of the networks."""
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 15]>' + request.param)
    onnx.save(proto, folder / "loop.onnx")
    return "loop.onnx"


@pytest.mark.slow
@pytest.mark.parametrize("path", BODIES.values(), ids=BODIES, indirect=True)
def test_values_behind_bodies_are_listed_and_the_advice_holds(run, path):
    result = run("inspect", path, "--all")
    assert result.exit_code == 0, result.output
    assert re.search(r"^ *outputs +y ", result.stdout, re.MULTILINE)
    text = " ".join(result.stdout.split())
    advice = re.search(r"\((--shape [^)]*)\)", text)
    if advice is None:
        assert "for example: onnxscope gradient" in text
        given = []
    else:
        given = shlex.split(advice[1])
    shown = run("inspect", path, "--all", *given)
    assert shown.exit_code == 0, shown.output
    (command,) = re.findall(r"for example: onnxscope (.*)", " ".join(shown.stdout.split()))
    assert run(*shlex.split(command)).exit_code == 0
    value = run("inspect", path, "y", *given)
    check = re.search(r"check it\s+onnxscope (.*)", value.stdout)
    assert check is not None
    checked = run(*shlex.split(check[1]))
    assert checked.exit_code == 0, checked.output


def test_a_shape_that_does_not_fit(refused, folder):
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 15]>' + BODIES["loop"])
    onnx.save(proto, folder / "loop.onnx")
    assert "no input 'z'" in refused("inspect", "loop.onnx", "--shape", "z=1,2,3")
    assert "has shape (N, T, 3)" in refused("inspect", "loop.onnx", "--shape", "x=1,2,4")
    assert "not asked for pictures" in refused(
        "inspect", "loop.onnx", "--shape", "x=1,2,3", "--layout", "NCHW"
    )
