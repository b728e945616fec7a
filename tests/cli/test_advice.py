"""What a message tells a user to type works, for networks of all kinds of inputs."""

from __future__ import annotations

import re
import shlex

import onnx
import pytest

# How often one may have to be asked for something else.
_ROUNDS = 3

CONV = "<float[2, {c}, 1, 1] w = {{{w}}}> {{ y = Conv(x, w) }}"
ONE = CONV.format(c=1, w="1, 2")
THREE = CONV.format(c=3, w="1, 2, 3, 4, 5, 6")
NETWORKS = {
    "one channel, open width": "g (float[1, 1, 64, W] x) => (float[1, 2, 64, W] y) " + ONE,
    "one channel, open": "g (float[N, 1, H, W] x) => (float[N, 2, H, W] y) " + ONE,
    "one channel, fixed": "g (float[1, 1, 64, 32] x) => (float[1, 2, 64, 32] y) " + ONE,
    "one channel behind": "g (float[N, H, W, 1] x) => (float[N, H, W, 1] y) { y = Tanh(x) }",
    "open channels": "g (float[N, C, H, W] x) => (float[N, 2, H, W] y) " + THREE,
    "open channels behind": "g (float[1, 8, 9, C] x) => (float[1, 8, 9, C] y) { y = Tanh(x) }",
    "a row": "g (float[N, L] x) => (float[N, L] y) { y = Tanh(x) }",
    "no axes": "g (float x) => (float y) { y = Tanh(x) }",
    "integers": "g (int64[N, L] x) => (float[N, L] y) { f = Cast<to = 1>(x)  y = Sin(f) }",
}
COMMANDS = {
    "inspect": (),
    "verify": ("--directions", "1", "--provider", "cpu"),
}


def advised(message: str, names: list[str]) -> list[list[str]]:
    """The options that a message names, each with what belongs to it: alternatives."""
    text = " ".join(message.split())
    found = [shlex.split(words) for words in re.findall(r"--(?:shape|layout) [\w=,.]+", text)]
    if "--wrt NAME" in text:
        found += [["--wrt", name] for name in names]
    return found


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_advice_works(run, folder, network, command):
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 15]>' + network)
    onnx.save(proto, folder / "net.onnx")
    real = ["f"] if network.startswith("g (int64") else []
    tried = [[]]
    for _ in range(_ROUNDS):
        results = [run(command, "net.onnx", *COMMANDS[command], *more) for more in tried]
        refusals = [
            (more, result)
            for more, result in zip(tried, results, strict=True)
            if result.exit_code not in (0, 3)
        ]
        # Which of two layouts it is, is a question to the user: the other one is wrong.
        asked = len(refusals) < len(tried) and all("--layout" in more for more in tried)
        if not refusals or asked:
            return
        following = []
        for more, result in refusals:
            advice = advised(result.stderr, real)
            assert advice, f"after {more}: {result.stderr}"
            following += [[*more, *words] for words in advice]
        tried = following
    pytest.fail(f"advice leads nowhere: {tried}")
