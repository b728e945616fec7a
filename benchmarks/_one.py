"""One contestant in a process of its own, driven by lines on its standard input.

It prints `ready` after its first step. Then each line holds a number of steps to take, and the
answer is a line of their milliseconds. At the end of the input it prints its peak memory in MiB.
`verify` instead prints how far PyTorch and onnxscope are from each other on the same numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Clock:
    """Takes the time between steps and waits for the next command between rounds."""

    def __init__(self) -> None:
        self._left = 0
        self._start = 0.0
        self._taken: list[float] = []
        self._ready = False

    def __call__(self) -> bool:
        """To be called after each step; False asks for the end."""
        now = time.perf_counter()
        if not self._ready:
            self._ready = True
            print("ready", flush=True)
        elif self._left:
            self._taken.append((now - self._start) * 1000)
            self._left -= 1
        if not self._left:
            if self._taken:
                print(json.dumps(self._taken), flush=True)
                self._taken = []
            line = sys.stdin.readline()
            if not line.strip():
                print(json.dumps(peak_memory()), flush=True)
                return False
            self._left = int(line)
        self._start = time.perf_counter()
        return True


def peak_memory() -> float | None:
    """The most memory this process has had, in MiB, where the system tells it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return next(
        int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


def onnxscope_render(options: argparse.Namespace, clock: Clock) -> None:
    """`render`, as a user calls it."""
    import onnxscope as osc

    osc.render(
        osc.load(str(options.model)),
        _objective(options),
        size=options.size,
        steps=10**9,
        provider="cpu",
        callback=lambda _: clock(),
    )


def torch_step(options: argparse.Namespace, clock: Clock, **variant: bool) -> None:
    """PyTorch's whole step."""
    visualization = _visualization(options, **variant)
    again = True
    while again:
        visualization.step()
        again = clock()


def torch_network(options: argparse.Namespace, clock: Clock, **variant: bool) -> None:
    """PyTorch's value and gradient with respect to a picture."""
    import torch

    visualization = _visualization(options, **variant)
    image = torch.from_numpy(_noise(options.size)).requires_grad_()
    again = True
    while again:
        visualization.network_step(image)
        again = clock()


def onnxscope_network(options: argparse.Namespace, clock: Clock) -> None:
    """The graph of `onnxscope.Gradient` in ONNX Runtime."""
    import onnxscope as osc

    gradient = osc.Gradient(str(options.model), _objective(options), provider="cpu")
    _run(gradient.to_onnx(size=options.size), {"image": _noise(options.size)}, clock)


def onnx_ad_network(options: argparse.Namespace, clock: Clock) -> None:
    """onnx-ad's gradient of the network cut at the layer, in the same ONNX Runtime."""
    import numpy as np
    import onnx_ad
    import onnxscope as osc
    from onnxscope.graph.builder import Builder
    from onnxscope.graph.replay import model_of
    from onnxscope.step import append_objective

    model = osc.load(str(options.model))
    builder = Builder("network", opset=model.opset)
    image = builder.input("image", (1, 3, options.size, options.size), np.float32)
    builder.output("value", append_objective(model, _objective(options), image))
    adjoint = onnx_ad.reverse(model_of(builder), layout="onnx")
    seed = np.ones((1, 1), np.float32)
    _run(adjoint, {"image": _noise(options.size), "adj_value": seed}, clock)


def verify(options: argparse.Namespace) -> dict[str, float]:
    """Relative differences of value and gradient, PyTorch against onnxscope's composed step.

    Size and warps are such that all coordinates are exact in float32; `affine_grid` rounds them,
    and kinks magnify that: with a picture that differs in the sixth digit, other units are just
    above zero. Gradients in float32 are then some 1e-3 from each other and, each of them, from the
    one in float64.
    """
    import numpy as np
    import onnxscope as osc
    import torch
    from onnxscope.parameterizations import Fourier
    from onnxscope.rules import standard_rules
    from onnxscope.session import open_session
    from onnxscope.step import Composition
    from onnxscope.transforms import compose, lucid

    size = options.size = 256
    composition = Composition(
        osc.load(str(options.model)),
        _objective(options),
        Fourier(sd=1.0),
        compose(lucid()),
        1,
        size,
        size,
    )
    session = open_session(composition.gradient_graph(standard_rules()), "cpu")
    parameters = composition.parameters(np.random.default_rng(1))
    visualization = _visualization(options)
    with torch.no_grad():
        visualization.spectrum.copy_(torch.from_numpy(parameters["parameters.spectrum"]))
    centres = (np.arange(size, dtype=np.float32) * 2 + 1) / size - 1
    columns, rows = np.meshgrid(centres, centres)
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    differences = {}
    for name, matrix in (
        ("", [[1, 0, 0], [0, 1, 0]]),
        (" turned", [[0.75, 0.125, 0.0625], [-0.125, 0.75, -0.03125]]),
    ):
        forward = np.array([matrix], np.float32)
        warp = {"transform0.matrix": np.ascontiguousarray(forward.transpose(0, 2, 1))}
        outputs = session.run(parameters | warp)
        visualization.spectrum.grad = None
        value = visualization.value(torch.from_numpy(pixels @ forward[0].T)[None])
        value.sum().backward()
        theirs = visualization.spectrum.grad.numpy().astype(np.float64)
        ours = outputs["grad_parameters.spectrum"].astype(np.float64)
        expected = float(value.item())
        differences[f"value{name}"] = abs(float(outputs["value"][0]) - expected) / (
            abs(expected) + 1e-9
        )
        distance = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        differences[f"gradient{name}"] = float(distance)
    return differences


def _objective(options: argparse.Namespace) -> Any:
    import onnxscope as osc

    layer, _, unit = options.target.rpartition(":")
    return osc.channel(layer, int(unit))


def _visualization(options: argparse.Namespace, **variant: bool) -> Any:
    import torch
    from inception_v3_torch import Visualization

    torch.set_num_threads(options.threads)
    layer, _, unit = options.target.rpartition(":")
    return Visualization(options.weights, layer, int(unit), options.size, **variant)


def _noise(size: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).random((1, 3, size, size), np.float32)


def _run(model: Any, feeds: dict[str, Any], clock: Clock) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    again = True
    while again:
        session.run(None, feeds)
        again = clock()


CONTESTANTS: dict[str, Callable[[argparse.Namespace, Clock], None]] = {
    "onnxscope": onnxscope_render,
    "torch": torch_step,
    "torch-channels-last": lambda o, c: torch_step(o, c, channels_last=True),
    "torch-compile": lambda o, c: torch_step(o, c, compiled=True),
    "onnxscope-network": onnxscope_network,
    "onnx-ad-network": onnx_ad_network,
    "torch-network": torch_network,
    "torch-network-channels-last": lambda o, c: torch_network(o, c, channels_last=True),
}


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=[*CONTESTANTS, "verify"])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    if options.what == "verify":
        print(json.dumps(verify(options)))
    else:
        CONTESTANTS[options.what](options, Clock())


if __name__ == "__main__":
    main()
