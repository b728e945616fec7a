"""Feature visualization for any ONNX model, with nothing but ONNX Runtime.

    import onnxscope as osc

    model = osc.load("squeezenet")
    picture = osc.render(model, osc.channel("fire5", 11), steps=128)
    picture.save("fire5-11.png")

What is imported here loads when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ascent import Progress as Progress
    from .differentiation import differentiate as differentiate
    from .errors import OnnxscopeError as OnnxscopeError
    from .errors import OnnxscopeWarning as OnnxscopeWarning
    from .expressions import Objective as Objective
    from .gradients import Gradient as Gradient
    from .graph.tensor import Tensor as Tensor
    from .loading import load as load
    from .model import Model as Model
    from .objectives import before_activation as before_activation
    from .objectives import channel as channel
    from .objectives import each as each
    from .objectives import layer as layer
    from .objectives import neuron as neuron
    from .objectives import objective as objective
    from .optimizers import Adam as Adam
    from .parameterizations import Fourier as Fourier
    from .parameterizations import Pixels as Pixels
    from .picture import Picture as Picture
    from .recipe import Recipe as Recipe
    from .recipe import read_recipe as read_recipe
    from .rendering import remake as remake
    from .rendering import render as render
    from .rules import RuleTable as RuleTable
    from .rules import standard_rules as standard_rules
    from .transforms import distill as distill
    from .transforms import jitter as jitter
    from .transforms import lucid as lucid
    from .transforms import pad as pad
    from .transforms import rotate as rotate
    from .transforms import scale as scale
    from .verdict import Verification as Verification
    from .verification import verify as verify

__version__ = "0.1.0"

_HOMES = {
    "Progress": "ascent",
    "OnnxscopeError": "errors",
    "OnnxscopeWarning": "errors",
    "Gradient": "gradients",
    "differentiate": "differentiation",
    "Tensor": "graph.tensor",
    "load": "loading",
    "Model": "model",
    "Objective": "expressions",
    "before_activation": "objectives",
    "channel": "objectives",
    "each": "objectives",
    "layer": "objectives",
    "neuron": "objectives",
    "objective": "objectives",
    "Adam": "optimizers",
    "Fourier": "parameterizations",
    "Pixels": "parameterizations",
    "Picture": "picture",
    "Recipe": "recipe",
    "read_recipe": "recipe",
    "remake": "rendering",
    "render": "rendering",
    "RuleTable": "rules",
    "standard_rules": "rules",
    "distill": "transforms",
    "jitter": "transforms",
    "lucid": "transforms",
    "pad": "transforms",
    "rotate": "transforms",
    "scale": "transforms",
    "Verification": "verdict",
    "verify": "verification",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
