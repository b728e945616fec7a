"""Why nothing can be told of a gradient, in words."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .gradient_graph import PRECISION
from .verdict import CANNOT_TELL, Verification


def doubt(found: Verification, rounding: str, zero: str, precision: float) -> str:
    """Say why nothing can be told, or that what was differentiated is not the file's network.

    Args:
        found: What was compared.
        rounding: What the gradient passes straight through, in words; empty for nothing.
        zero: Why the gradient is zero everywhere, in words; empty where it is not.
        precision: The network's, relative.

    Returns:
        Nothing where the gradient is right for the file's network.
    """
    if found.faithfulness.departure is not None:
        return (
            f"{found.faithfulness.departure}: the gradient is right for the network as it is read "
            "here, which is not what ONNX Runtime makes of the file"
        )
    if found.verdict != CANNOT_TELL:
        return ""
    if rounding:
        return f"{rounding}, where differences have no slope or a jump"
    if any(check.kink for check in found.checks):
        return (
            "the point is on a kink, where slopes differ from side to side, and so are the points "
            "beside it"
        )
    if all(check.empty for check in found.checks):
        return zero or (
            "neither gradient nor differences have any slope here, as where a unit is off: try "
            "another seed or target"
        )
    if not all(np.isfinite(check.differences) for check in found.checks):
        return "the network does not give finite numbers here"
    if all(check.faint for check in found.checks):
        most = max(abs(check.differences) for check in found.checks)
        return (
            f"gradient and differences have slopes of {most:.0e} or less here, as behind a sigmoid "
            "or softmax that is saturated: too little to tell anything; try the value before it, "
            "another seed or another target"
        )
    if found.provider_unsure or any(check.unsure for check in found.checks):
        return (
            "they are apart by a little more than rounding explains, and by too little to call it "
            "an error; try another seed or target"
        )
    if precision > PRECISION[ir.DataType.FLOAT]:
        return (
            "half precision is too coarse here; the same network in float32 has its gradient by "
            "the same rules"
        )
    return "the differences are too uncertain: " + (
        found.why_single or "the network is too rough here; try another seed"
    )
