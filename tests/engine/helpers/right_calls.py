"""Calls of public functions that are right, and values that are wrong for most parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxscope as osc
from onnx import parser
from onnxscope.forms import Form

_TEXT = """<ir_version: 8, opset_import: ["": 18]>
network (float[1,3,8,8] x) => (float[1,4] y) <float[4,3,3,3] w> {
    c = Conv<pads=[1,1,1,1]>(x, w)
    r = Relu(c)
    g = GlobalAveragePool(r)
    y = Flatten(g)
}"""

WRONG: dict[str, Any] = {
    "None": None,
    "3": 3,
    "2.5": 2.5,
    "True": True,
    "-1": -1,
    "nan": float("nan"),
    "huge": 10**6000,
    "text": "x",
    "empty text": "",
    "bytes": b"x",
    "[]": [],
    "()": (),
    "{}": {},
    "[object]": [object()],
    "[None]": [None],
    "{3: 3}": {3: 3},
    "{text: object}": {"x": object()},
    "object": object(),
    "function": len,
    "class": dict,
    "array of text": np.array(["a", "b"]),
    "array of complex": np.full((2, 2), 1j),
    "ragged": [[1], [1, 2]],
}


@cache
def small_proto() -> onnx.ModelProto:
    proto = parser.parse_model(_TEXT)
    weights = np.linspace(-1, 1, 4 * 27, dtype=np.float32).reshape(4, 3, 3, 3)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    return proto


@cache
def small_model() -> osc.Model:
    return osc.load(small_proto(), input_range=(0, 1))


@cache
def small_video() -> osc.Picture:
    form = Form("NCTHW", 3, 2, (0, 1, 2))
    return replace(small_picture(), images=np.zeros((1, 2, 8, 8, 3), np.float32), form=form)


@cache
def small_picture() -> osc.Picture:
    return osc.render(small_model(), "c:1", steps=1, snapshots=(1,))


@dataclass(frozen=True)
class Call:
    """A call that is right, and what else would be.

    Attributes:
        function: What is called.
        given: Arguments by name, which are right. Of parameters like `*layers` a single one.
        right: Which of the values above are right as well, by parameter.
        words: What the message calls a parameter, where that is not its name: a pattern.
    """

    function: Callable[..., Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    right: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


PLACE = {"y": "3", "x": "3", "radius": "3", "token": "3", "box": "", "mask": ""}
OPERAND = {"other": "other operand|does not accept"}
OBJECTIVE = {"objective": "objective|target|layer"}
PATH = {"path": "a path|cannot write"}
