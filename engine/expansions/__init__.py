"""Operators that are written as others before anything is differentiated.

An operator without a gradient rule of its own is replaced, where a network is replayed, by standard
operators that have one: the body of an ONNX function, an unrolled recurrence, the parts of a fused
operator. What remains is standard ONNX that runs everywhere, and the table of rules stays small.
"""

from __future__ import annotations

from .table import Call, Expansion, expansion_of

__all__ = ["Call", "Expansion", "expansion_of"]
