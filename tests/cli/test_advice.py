"""What a message tells a user to type works, for networks of all kinds of inputs."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise

import onnx
import pytest

# How often one may have to be asked for something else.
_ROUNDS = 4

CONV = "<float[2, {c}, 1, 1] w = {{{w}}}> {{ y = Conv(x, w) }}"
ONE = CONV.format(c=1, w="1, 2")
THREE = CONV.format(c=3, w="1, 2, 3, 4, 5, 6")
BRANCHES = (
    "<then_branch = a () => (float[M] p) { p = Tanh(x) },"
    " else_branch = b () => (float[M] q) { q = Sin(x) }> }"
)
LOOP = (
    "<body = d (int64 i, bool go, float[N, M] u) => (bool on, float[N, M] v)"
    " { on = Identity(go)  v = Sin(u) }> }"
)
NETWORKS = {
    "one channel, open width": "g (float[1, 1, 64, W] x) => (float[1, 2, 64, W] y) " + ONE,
    "one channel, open": "g (float[N, 1, H, W] x) => (float[N, 2, H, W] y) " + ONE,
    "one channel, fixed": "g (float[1, 1, 64, 32] x) => (float[1, 2, 64, 32] y) " + ONE,
    "one channel behind": "g (float[N, H, W, 1] x) => (float[N, H, W, 1] y) { y = Tanh(x) }",
    "open channels": "g (float[N, C, H, W] x) => (float[N, 2, H, W] y) " + THREE,
    "open channels behind": "g (float[1, 8, 9, C] x) => (float[1, 8, 9, C] y) { y = Tanh(x) }",
    "three channels": "g (float[N, 3, H, W] x) => (float[N, 2, H, W] y) " + THREE,
    "a row": "g (float[N, L] x) => (float[N, L] y) { y = Tanh(x) }",
    "no axes": "g (float x) => (float y) { y = Tanh(x) }",
    "unknown axes": "g (float[] x) => (float[] y) { y = Tanh(x) }",
    "integers": "g (int64[N, L] x) => (float[N, L] y) { f = Cast<to = 1>(x)  y = Sin(f) }",
    "a branch by a number": "g (float[M] x, int64 rate) => (float[M] y) <int64 k = {16000}> "
    "{ c = Equal(rate, k)  y = If(c) " + BRANCHES,
    "a branch by a shape": "g (float[M] x) => (float[M] y) <int64[1] k = {4}> "
    "{ s = Shape(x)  c = Equal(s, k)  y = If(c) " + BRANCHES,
    "a branch by both": "g (float[M] x, int64[1] rate) => (float[M] y) "
    "{ s = Shape(x)  c = Equal(s, rate)  y = If(c) " + BRANCHES,
    "rounds": "g (float[N, M] x, int64 times) => (float[N, M] y) <bool yes = {1}> "
    "{ y = Loop(times, yes, x) " + LOOP,
    "rounds by a shape": "g (float[N, M] x) => (float[N, M] y) <bool yes = {1}, int64 one = {1}> "
    "{ s = Shape(x)  n = Gather<axis = 0>(s, one)  y = Loop(n, yes, x) " + LOOP,
    "steps": "g (float[S, B, 2] x) => (float[S, 1, B, 1] y) "
    "<float[1, 1, 2] w = {0.5, 0.4}, float[1, 1, 1] r = {0.3}> "
    "{ y = RNN<hidden_size = 1>(x, w, r) }",
    "two open inputs": "g (float[B, S, 2] x, float[B, S, 2] z) => (float[Q, B, 1] y) "
    "<float[1, 1, 2] w = {0.5, 0.4}, float[1, 1, 1] r = {0.3}> "
    "{ a = Add(x, z)  t = Transpose<perm = [1, 0, 2]>(a) "
    "h = RNN<hidden_size = 1>(t, w, r)  y = ReduceSum<keepdims = 0>(h, one) }",
    "a picture and a number": "g (float[N, 3, H, W] x, float[N] gain) => (float[N, 2, H, W] y) "
    "<int64[3] axes = {1, 2, 3}, float[2, 3, 1, 1] w = {1, 2, 3, 4, 5, 6}> "
    "{ c = Conv(x, w)  u = Unsqueeze(gain, axes)  y = Mul(c, u) }",
    "two pictures": "g (float[N, 3, H, W] x, float[N, 3, H, W] z) => (float[N, 3, H, W] y) "
    "{ y = Add(x, z) }",
}
NETWORKS["two open inputs"] = NETWORKS["two open inputs"].replace(
    "r = {0.3}>", "r = {0.3}, int64[1] one = {1}>"
)
COMMANDS = {
    "inspect": ("inspect", "net.onnx"),
    "verify": ("verify", "net.onnx", "--directions", "1", "--provider", "cpu"),
    "gradient": ("gradient", "net.onnx", "y", "-o", "g.onnx"),
    "gradient by x": ("gradient", "net.onnx", "y", "--wrt", "x", "-o", "g.onnx"),
}
# Options whose values say what they are.
TYPED = re.compile(
    r"--(?:shape \w+=[\d,]*\d|layout \w+|input \w+=\w+|image-input [\w.]+|wrt [\w.]+|range [\d.]+)"
)


def advised(message: str, name: str, others: list[str]) -> list[list[str]]:
    """What a message says to type: alternatives, of options that belong together.

    Args:
        message: What was printed.
        name: What NAME stands for.
        others: Inputs besides, whose values may have to be given.
    """
    text = " ".join(message.replace("'", "").split())
    found: list[list[str]] = []
    for group in re.split(r" or |\) ", text):
        typed = [words.rstrip(".") for words in TYPED.findall(group)]
        words = [word for option in typed for word in shlex.split(option)]
        if words:
            found.append(words)
    if "give --preprocessing NAME, such as imagenet" in text:
        found.append(["--preprocessing", "imagenet"])
    if "`onnxscope gradient --wrt`" in text:
        found.append(["--wrt", "NAME"])
    if "--input NAME=VALUE" in text:
        found = [[w for w in words if "=VALUE" not in w and w != "--input"] for words in found]
        values = [word for other in others for word in ("--input", f"{other}=VALUE")]
        found = [[*words, *values] for words in found if words]
    filled = [
        tuple(word.replace("VALUE", "4").replace("NAME", name) for word in words) for words in found
    ]
    return [list(words) for words in dict.fromkeys(filled)]


def asks(result) -> str:
    """What a command says instead of a result; empty where it has one."""
    if result.exit_code not in (0, 3):
        return str(result.stderr)
    text = " ".join(result.stdout.split())
    for sentence in ("no gradient was found", "It has no layers to show"):
        if sentence in text:
            return text[text.index(sentence) :]
    return ""


@pytest.mark.sample(6)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_advice_works(run, folder, network, command):
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 15]>' + network)
    if "float[] x" in network:
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.ClearField("shape")
    onnx.save(proto, folder / "net.onnx")
    # Integers have no gradient, but what is made of them.
    name = "f" if network.startswith("g (int64") else "x"
    others = [value.name for value in proto.graph.input if value.name != "x"]
    words = [name if before == "--wrt" else w for before, w in pairwise(("", *COMMANDS[command]))]
    tried: list[tuple[str, ...]] = [()]
    for _ in range(_ROUNDS):
        results = [(more, run(*words, *more)) for more in tried]
        refusals = [(more, asks(result)) for more, result in results if asks(result)]
        # Which of two layouts it is, is a question to the user: the other one is wrong.
        asked = len(refusals) < len(tried) and all("--layout" in more for more, _ in refusals)
        if not refusals or asked:
            return
        following = []
        for more, message in refusals:
            advice = advised(message, name, others)
            assert advice, f"after {more}: {message}"
            following += [(*more, *options) for options in advice]
        assert set(following).isdisjoint(tried), f"the same again: {refusals}"
        tried = list(dict.fromkeys(following))
    pytest.fail(f"advice leads nowhere: {tried}")
