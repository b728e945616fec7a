"""Attributes that ONNX Runtime's own operators (com.microsoft) cannot do without.

Of these, ONNX has no schemas that would tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..table import Call

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "Attention": ("num_heads",),
    "BiasSoftmax": ("is_inner_broadcast",),
    "GroupNorm": ("activation", "groups"),
    "GroupQueryAttention": ("kv_num_heads", "num_heads"),
    "MatMulBnb4": ("K", "N", "block_size", "quant_type"),
    "MatMulNBits": ("K", "N", "block_size"),
    "MultiHeadAttention": ("num_heads",),
    "QLinearSoftmax": ("opset",),
    "SkipGroupNorm": ("activation", "groups"),
    "UnfoldTensor": ("size",),
}

# These are flags and kinds; all others are counts, of one at least.
_FROM_ZERO = frozenset({"activation", "is_inner_broadcast", "quant_type"})


def check_required(call: Call) -> None:
    """Check that a node has the attributes that its operator needs.

    Raises:
        OperatorError: one is left out, or too small.
    """
    if call.node.domain == "com.microsoft":
        for name in REQUIRED.get(call.node.op_type, ()):
            call.integer(name, least=0 if name in _FROM_ZERO else 1)
