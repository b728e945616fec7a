"""Models in text form, differentiated and run in double precision."""

from __future__ import annotations

import onnx
import onnxscope as osc
from drawing import generator
from graphs import run, text_model

rng = generator(3)


def gradients(text, feeds, wrt=("x",), of="y", **options):
    """Differentiate a model in text form and run it; double precision, cotangent included."""
    graph = osc.differentiate(text_model(text), of=of, wrt=list(wrt), **options)
    valid(graph)
    return run(graph, feeds)


def valid(graph):
    """Assert what every result promises."""
    onnx.checker.check_model(graph, full_check=True)
    assert all(node.domain in ("", "ai.onnx") for node in graph.graph.node)
    (version,) = [entry.version for entry in graph.opset_import if entry.domain == ""]
    assert 18 <= version <= 21
    assert graph.ir_version <= 13
    names = [node.name for node in graph.graph.node]
    assert len(set(names)) == len(names)


def values(*shape):
    return rng.normal(size=shape)


def directional(forward, feeds, name, u, step=1e-3):
    """The derivative of a scalar along u, by differences of fourth order."""
    at = lambda t: forward(feeds | {name: feeds[name] + t * u})  # noqa: E731
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
