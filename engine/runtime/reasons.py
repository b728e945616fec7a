"""What ONNX Runtime says when it refuses something, as sentences for people."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ..errors import InputError, ModelError

_NO_KERNEL = re.compile(
    r"Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'"
)

# Of nodes without a name so many are told by what they give.
_SHOWN = 3


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what ONNX Runtime raises while it runs into errors for people.

    Raises:
        InputError: the memory did not suffice.
        ModelError: something else went wrong.
    """
    try:
        yield
    except Exception as error:
        # ONNX Runtime raises its own classes, which share no base but Exception.
        reason = reason_of(error)
        if re.search(r"allocat|bad_alloc|out of memory", reason, re.IGNORECASE):
            raise InputError(
                "there is not enough memory for the values of a run: fewer at once, or a smaller "
                f"size or shape, need less; ONNX Runtime says: {reason}"
            ) from error
        raise ModelError(f"ONNX Runtime stopped in the middle of a run: {reason}") from error


def reason_of(error: Exception, model: bytes = b"") -> str:
    """Return what ONNX Runtime says, in one line and without its own places.

    Args:
        error: What it has raised.
        model: The graph, as an ONNX file, whose nodes it may speak of.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    # The place in ONNX Runtime's source, which helps no user.
    text = re.sub(r"^\S+\.(?:cc|h):\d+ .*?\) ", "", text)
    text = re.sub(r"/\S*onnxruntime\S*\.(?:cc|h):\d+ .*?\) (?:\[with [^]]*\] )?", "", text)
    missing = _NO_KERNEL.search(text)
    if missing is not None:
        op_type, version, name = missing.groups()
        where = f" (node {name!r})" if name else _unnamed(op_type, model)
        return f"it has no form of {op_type}, of opset {version}, for the types there{where}"
    # Names that are none.
    return re.sub(r"[,.]? ?(?:with name|Name:) ?''", "", text)


def _unnamed(op_type: str, model: bytes) -> str:
    """Which nodes without a name an operator has, by what they give; empty where none is known."""
    if not model:
        return ""
    import onnx

    nodes = onnx.ModelProto.FromString(model).graph.node
    given = [node.output[0] for node in nodes if node.op_type == op_type and not node.name]
    if not given:
        return ""
    shown = ", ".join(map(repr, given[:_SHOWN])) + (", …" if len(given) > _SHOWN else "")
    return f" (the node that gives {shown})" if len(given) == 1 else f" (a node that gives {shown})"
