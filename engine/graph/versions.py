"""Versions of ONNX that graphs are written in."""

from __future__ import annotations

OPSET = 18
"""The opset that graphs are written in: the lowest with every operator that the engine needs.

From opset 22 on, ONNX Runtime 1.31 lacks CUDA kernels for MaxPool and others.
"""

IR_VERSION = 9
"""The IR version of models in that opset; old enough for every runtime that reads it."""


def ir_version(opset: int) -> int:
    """Return the IR version that goes with an opset from 18 to 26."""
    return IR_VERSION + sum(opset >= later for later in (21, 23, 24, 25))
