"""Where the milliseconds of onnxscope's step go, by operator and by node.

ONNX Runtime's own profiler times every kernel of the whole step's graph. Of each node the median
over the steps counts. Profiling itself costs some microseconds a node; on CUDA the times are those
of launching kernels, which run on.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..ascent.optimizers import Adam
from ..ascent.streams import Streams
from . import graphs
from .subject import Subject

_WARM_UP = 3


@dataclass(frozen=True)
class Kernel:
    """One node as it ran.

    Attributes:
        operator: Its type, after ONNX Runtime's own optimisations.
        shapes: Of what it read and gave, for people.
        milliseconds: The median.
    """

    operator: str
    shapes: str
    milliseconds: float


def profile(subject: Subject, steps: int = 20) -> list[Kernel]:
    """Return the kernels of the step, the slowest first."""
    events = _events(subject, steps)
    taken: dict[str, list[float]] = defaultdict(list)
    described: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = str(event["name"]).removesuffix("_kernel_time")
        taken[name].append(event["dur"] / 1000)
        described[name] = event["args"]
    kernels = [
        Kernel(
            described[name]["op_name"],
            f"{_shapes(described[name], 'input')} → {_shapes(described[name], 'output')}",
            statistics.median(times[_WARM_UP:]),
        )
        for name, times in taken.items()
    ]
    return sorted(kernels, key=lambda kernel: -kernel.milliseconds)


def table(kernels: Sequence[Kernel], slowest: int = 12) -> list[str]:
    """Write the times by operator, and the slowest nodes, as lines for people."""
    by_operator: dict[str, list[float]] = defaultdict(list)
    for kernel in kernels:
        by_operator[kernel.operator].append(kernel.milliseconds)
    total = sum(kernel.milliseconds for kernel in kernels)
    lines = [f"{'onnxscope, all kernels of the step':40} {'ms':>9} {'share':>6} nodes"]
    for operator, times in sorted(by_operator.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{operator:40} {sum(times):9.2f} {sum(times) / total:6.1%} {len(times):5}")
    lines += [f"{'in all':40} {total:9.2f}", "", "the slowest nodes"]
    for kernel in kernels[:slowest]:
        lines.append(f"{kernel.milliseconds:9.2f} {kernel.operator:16} {kernel.shapes}")
    return lines


def _events(subject: Subject, steps: int) -> list[dict[str, Any]]:
    composition, graph = graphs.composition(subject), graphs.step(subject)
    streams = Streams(composition, 0)
    feeds = streams.parameters()
    for name in list(feeds):
        feeds |= {f"{slot}.{name}": np.zeros_like(feeds[name]) for slot in Adam.slots}
    pixels = composition.batch, composition.height, composition.width
    feeds["importance"] = np.zeros(pixels, np.float32)
    numbers = Adam().numbers(1)
    feeds |= {f"schedule.{name}": np.array(n, np.float32) for name, n in numbers.items()}
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.enable_mem_pattern = False
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "step")
        provider = f"{subject.provider.upper()}ExecutionProvider"
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=[provider]
        )
        for _ in range(_WARM_UP + steps):
            session.run(None, feeds | streams.data())
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]


def _shapes(arguments: Mapping[str, Any], side: str) -> str:
    return ", ".join(
        "×".join(map(str, shape)) or "1"
        for entry in arguments[f"{side}_type_shape"]
        for shape in entry.values()
    )
