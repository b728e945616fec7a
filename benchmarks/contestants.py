"""Who takes part: each contestant's title, what it needs, and how it takes its steps.

A contestant is a function that does the subject's work again and again, and calls its clock after
each step until that returns `False`. The clock's argument, after the first step of a contestant
that differentiates the network alone, is what it computed, so that all can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import graphs, peak
from .machine import compiler
from .subject import Subject

if TYPE_CHECKING:
    import onnx

    from .torch_step import Visualization


class Clock:
    """What a contestant reports its steps to."""

    def __call__(self, result: Mapping[str, Any] | None = None) -> bool:
        """Be called after each step; `False` asks for the end.

        Args:
            result: At the first step: `value` and `gradient` of the network, as arrays, or facts.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Contestant:
    """One row of a table.

    Attributes:
        title: For people.
        part: What it does: the whole `step`, value and gradient of the `network`, or a `part` of
            that, such as its forward pass.
        run: Does it (see above).
        missing: Why it cannot take part in a subject, here; empty where it can.
    """

    title: str
    part: str
    run: Callable[[Subject, Clock], None]
    missing: Callable[[Subject], str] = lambda _: ""


def _render(subject: Subject, clock: Clock) -> None:
    import onnxscope as osc

    osc.render(
        subject.model,
        subject.objective,
        size=subject.size,
        batch=subject.batch,
        batch_size=subject.batch,
        steps=10**9,
        provider=subject.provider,
        precision=subject.precision,
        callback=lambda _: clock(),
    )


def _uncaptured(subject: Subject, clock: Clock) -> None:
    from ..ascent.compiled_climber import CompiledClimber, CompiledSessions
    from ..ascent.optimizers import Adam
    from ..ascent.streams import Streams

    composition = graphs.composition(subject)
    streams = Streams(composition, 0)
    sessions = CompiledSessions(composition, Adam(), subject.provider, capture=False)
    climber = CompiledClimber(sessions, streams.parameters())
    again = True
    while again:
        climber.step(streams.data(), redirect=False)
        again = clock()


def _network(subject: Subject, clock: Clock) -> None:
    _run_graph(graphs.gradient(subject), subject, clock, gradient="grad_image")


def _uncropped(subject: Subject, clock: Clock) -> None:
    _run_graph(graphs.uncropped_gradient(subject), subject, clock, gradient="grad_image")


def _forward(subject: Subject, clock: Clock) -> None:
    _run_graph(graphs.forward(subject), subject, clock)


def _cut(subject: Subject, clock: Clock) -> None:
    _run_graph(graphs.cut(subject), subject, clock)


def _onnx_ad(graph: onnx.ModelProto, subject: Subject, clock: Clock) -> None:
    import onnx_ad

    adjoint = onnx_ad.reverse(graph, layout="onnx")
    _run_graph(adjoint, subject, clock, gradient="adj_image")


def _torch(subject: Subject, clock: Clock, **variant: bool) -> None:
    visualization = _visualization(subject, **variant)
    again = True
    while again:
        visualization.step()
        again = clock()


def _torch_network(subject: Subject, clock: Clock, **variant: bool) -> None:
    import torch

    visualization = _visualization(subject, **variant)
    image = torch.from_numpy(subject.pictures()).to(visualization.device).requires_grad_()
    value, gradient = visualization.gradient(image)
    again = clock({"value": value, "gradient": gradient.cpu().numpy()})
    while again:
        visualization.gradient(image)
        again = clock()


def _torch_by_hand(subject: Subject, clock: Clock) -> None:
    from onnx.numpy_helper import to_array

    from .inception_v3_torch import Trunk
    from .torch_step import Visualization, objective

    weights = {one.name: to_array(one) for one in graphs.cut(subject).graph.initializer}
    visualization = Visualization(
        Trunk(weights, subject.layer),
        objective(subject.kind, subject.unit),
        subject.size,
        batch=subject.batch,
    )
    again = True
    while again:
        visualization.step()
        again = clock()


def _lucent(subject: Subject, clock: Clock) -> None:
    from .lucent_step import climb

    climb(subject.target, subject.size, subject.batch, clock)


def _peak(subject: Subject, clock: Clock) -> None:
    peak.run(subject.provider, subject.precision, clock)


def _visualization(subject: Subject, **variant: bool) -> Visualization:
    import torch

    from .torch_network import torch_network
    from .torch_step import Visualization, objective

    device = subject.provider
    network = torch_network(subject.model, subject.layer, subject.shape).to(device)
    if variant.get("channels_last"):
        network = network.to(memory_format=torch.channels_last)
    if subject.precision == "float16":
        network = network.half()
    torch.backends.cuda.matmul.allow_tf32 = subject.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = subject.precision == "tf32"
    # As a careful user does where all steps have the same shapes.
    torch.backends.cudnn.benchmark = True
    unit = None if subject.kind == "layer" else subject.unit
    return Visualization(
        network,
        objective(subject.kind, unit),
        subject.size,
        batch=subject.batch,
        device=device,
        precision=subject.precision,
        **variant,
    )


def _run_graph(
    model: onnx.ModelProto, subject: Subject, clock: Clock, gradient: str | None = None
) -> None:
    """Run a graph on bound buffers, as the engine does; its first outputs go to the clock."""
    runner = graphs.Runner(model, subject.provider, subject.precision)
    feeds = {"image": subject.pictures()}
    if "adj_value" in runner.inputs:
        # onnx-ad takes a batch of cotangents.
        feeds["adj_value"] = np.ones((1, subject.batch), np.float32)
    runner.bind(feeds)
    runner.run()
    outputs = runner.outputs()
    found = {"value": outputs["value"]} if "value" in outputs else {}
    if gradient is not None:
        found["gradient"] = outputs[gradient].reshape(subject.shape)
    again = clock(found)
    while again:
        runner.run()
        again = clock()


def _needs_cuda(subject: Subject) -> str:
    return "" if subject.provider == "cuda" else "CUDA graphs are for CUDA"


def _needs_torch(subject: Subject) -> str:
    if find_spec("torch") is None:
        return "PyTorch is not installed (pip install torch)"
    if subject.provider == "cpu":
        return ""
    import torch

    return "" if torch.cuda.is_available() else "this PyTorch finds no CUDA device"


def _needs_inception_v3(subject: Subject) -> str:
    metadata = subject.model.metadata
    if metadata is None or metadata.architecture != "inception_v3" or subject.provider != "cpu":
        return "Inception v3 is the network written by hand, for the CPU"
    return _needs_torch(subject)


def _needs_compiler(subject: Subject) -> str:
    missing = _needs_torch(subject)
    if not missing and subject.provider == "cpu" and not compiler():
        return "torch.compile needs a C++ compiler, and there is none"
    return missing


def _needs_onnx_ad(_: Subject) -> str:
    return "" if find_spec("onnx_ad") else "onnx-ad is not installed (pip install onnx-ad)"


def _needs_lucent(subject: Subject) -> str:
    missing = _needs_torch(subject)
    if missing:
        return missing
    if find_spec("lucent") is None:
        return "Lucent is not installed (pip install torch-lucent)"
    import torch

    if subject.provider == "cpu" and torch.cuda.is_available():
        return "Lucent takes CUDA where PyTorch has it, and this is the CPU's table"
    metadata = subject.model.metadata
    if metadata is None or metadata.architecture != "inception_v1":
        return "Lucent's own network is Inception v1; its row is for that"
    if subject.kind != "channel":
        return "its row is for channels"
    return ""


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        "onnxscope": Contestant("onnxscope, render", "step", _render),
        "onnxscope-uncaptured": Contestant(
            "onnxscope, without CUDA graphs", "step", _uncaptured, _needs_cuda
        ),
        "torch": Contestant("PyTorch eager", "step", _torch, _needs_torch),
        "torch-by-hand": Contestant(
            "PyTorch eager, network by hand", "step", _torch_by_hand, _needs_inception_v3
        ),
        "torch-channels-last": Contestant(
            "PyTorch eager, channels_last",
            "step",
            lambda s, c: _torch(s, c, channels_last=True),
            _needs_torch,
        ),
        "torch-compile": Contestant(
            "PyTorch, torch.compile",
            "step",
            lambda s, c: _torch(s, c, compiled=True),
            _needs_compiler,
        ),
        "lucent": Contestant("Lucent, render_vis", "step", _lucent, _needs_lucent),
        "onnxscope-network": Contestant("onnxscope", "network", _network),
        "onnxscope-uncropped": Contestant("onnxscope, on the whole picture", "network", _uncropped),
        "onnx-ad": Contestant(
            "onnx-ad",
            "network",
            lambda s, c: _onnx_ad(graphs.cut(s), s, c),
            _needs_onnx_ad,
        ),
        "onnx-ad-narrow": Contestant(
            "onnx-ad, of onnxscope's narrowed graph",
            "network",
            lambda s, c: _onnx_ad(graphs.narrowed(s), s, c),
            _needs_onnx_ad,
        ),
        "torch-network": Contestant("PyTorch eager", "network", _torch_network, _needs_torch),
        "torch-network-channels-last": Contestant(
            "PyTorch eager, channels_last",
            "network",
            lambda s, c: _torch_network(s, c, channels_last=True),
            _needs_torch,
        ),
        "onnxscope-forward": Contestant("onnxscope, forward graph alone", "part", _forward),
        "cut-forward": Contestant("the network cut at the layer, forward", "part", _cut),
        "peak": Contestant("convolutions alone at the peak rate", "part", _peak),
    }
)
"""All contestants by name, in the order of their tables."""

_SPECIAL = {"onnxscope-uncaptured", "onnxscope-uncropped", "torch-by-hand"}

USUAL = tuple(name for name in CONTESTANTS if name not in _SPECIAL)
"""Those of every table."""
