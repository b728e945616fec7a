"""Where the milliseconds of onnxscope's step go, by operator and by node.

ONNX Runtime's own profiler times every kernel of the composed step graph (picture, warp, network,
objective, gradient) on the CPU. Of each node the median over the steps counts, so that other work
on the machine disturbs little. Beside it stand what the loop does outside the graph: drawing the
warp, and Adam. Profiling itself costs some microseconds a node.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import onnxscope as osc
from onnxscope.models import convert
from onnxscope.optimizers import Adam
from onnxscope.parameterizations import Fourier
from onnxscope.rules import standard_rules
from onnxscope.step import Composition
from onnxscope.transforms import compose, lucid


def main() -> int:
    """Profile a step and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="a weights file to convert")
    parser.add_argument("--target", default="mixed_4:300")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--nodes", type=int, default=25, help="how many of the slowest to show")
    options = parser.parse_args()
    if not options.weights.is_file():
        print(f"there is no weights file {options.weights}", file=sys.stderr)
        return 2
    layer, _, unit = options.target.rpartition(":")
    composition = Composition(
        osc.load(convert(options.weights)),
        osc.channel(layer, int(unit)),
        Fourier(),
        compose(lucid()),
        1,
        options.size,
        options.size,
    )
    _report(*_profile(composition, options.steps), options.nodes)
    return 0


def _profile(composition: Composition, steps: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The kernels' events, and the medians in ms of the loop."""
    graph = composition.gradient_graph(standard_rules())
    rng = np.random.default_rng(0)
    parameters = composition.parameters(rng)
    optimizer = Adam()
    taken: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, function: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = function()
        taken[name].append((time.perf_counter() - start) * 1000)
        return result

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "step")
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        for _ in range(steps):
            data = timed("drawing the warp", lambda: composition.random_data(rng))
            feeds = parameters | data
            results = timed("the graph", lambda feeds=feeds: session.run(names, feeds))
            outputs = dict(zip(names, results, strict=True))
            gradient = {n.removeprefix("grad_"): a for n, a in outputs.items() if n != "value"}
            timed("Adam", lambda gradient=gradient: optimizer.update(parameters, gradient))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [e for e in events if e["name"].endswith("_kernel_time") and e.get("cat") == "Node"]
    return kernels, {name: float(np.median(times)) for name, times in taken.items()}


def _report(events: list[dict[str, Any]], outside: Mapping[str, float], count: int) -> None:
    nodes: dict[str, list[float]] = defaultdict(list)
    described: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = event["name"].removesuffix("_kernel_time")
        nodes[name].append(event["dur"] / 1000)
        described[name] = event["args"]
    medians = {name: float(np.median(times)) for name, times in nodes.items()}
    by_type: dict[str, list[float]] = defaultdict(list)
    for name, median in medians.items():
        by_type[described[name]["op_name"]].append(median)
    total = sum(medians.values())
    print(
        f"all kernels {total:.2f} ms; " + ", ".join(f"{n} {t:.2f} ms" for n, t in outside.items())
    )
    print(f"\n{'operator':20} {'ms':>7} {'share':>6} nodes")
    for operator, times in sorted(by_type.items(), key=lambda item: -sum(item[1])):
        share = sum(times) / total
        print(f"{operator:20} {sum(times):7.2f} {share:6.1%} {len(times):5}")
    print(f"\n{'ms':>7} {'operator':16} shapes")
    for name in sorted(medians, key=lambda name: -medians[name])[:count]:
        arguments = described[name]
        inputs = ", ".join(_shapes(arguments["input_type_shape"]))
        outputs = ", ".join(_shapes(arguments["output_type_shape"]))
        print(f"{medians[name]:7.2f} {arguments['op_name']:16} {inputs} → {outputs}")


def _shapes(described: list[dict[str, list[int]]]) -> list[str]:
    return ["×".join(map(str, shape)) or "1" for entry in described for shape in entry.values()]


if __name__ == "__main__":
    raise SystemExit(main())
