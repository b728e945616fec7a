"""The operators that ONNX Runtime has beside the standard ones."""

from __future__ import annotations

from functools import cache


@cache
def own_operators() -> frozenset[tuple[str, str]]:
    """Return domains and names of the operators that are the runtime's own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    schemas = runtime.get_all_operator_schema()
    return frozenset((s.domain, s.name) for s in schemas if "microsoft" in s.domain)
