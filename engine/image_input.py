"""The input of a network that takes pictures, and how they lie in it."""

from __future__ import annotations

import onnx_ir as ir

from .errors import InputError, ModelError


def image_input(graph: ir.Graph, name: str, layout: str | None) -> tuple[ir.Value, str]:
    """Find the one input that takes pictures.

    Args:
        graph: The network.
        name: Of the model, for messages.
        layout: `NCHW` or `NHWC`, where the user says it.

    Returns:
        The input and its layout.

    Raises:
        ModelError: there is none, there are several, or it does not take pictures.
        InputError: the file leaves open where the channels are, and `layout` does not say it, or
            says what contradicts the file.
    """
    if layout not in (None, "NCHW", "NHWC"):
        raise InputError(f"layout is 'NCHW' or 'NHWC', not {layout!r}")
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    described = ", ".join(
        f"{value.name} ({'?' if value.shape is None else '×'.join(str(d) for d in value.shape)})"
        for value in inputs
    )
    if len(inputs) != 1:
        raise ModelError(
            f"{name} has {len(inputs)} inputs ({described or 'none'}); expected one, a picture"
        )
    value = inputs[0]
    if value.dtype != ir.DataType.FLOAT:
        raise ModelError(f"the input {described} of {name} is {value.dtype}; expected float32")
    dims = known_dims(value)
    possible = [
        kind
        for kind, axis in (("NCHW", 1), ("NHWC", 3))
        if len(dims) == 4 and dims[axis] in (3, None)
    ]
    certain = [kind for kind in possible if dims[1 if kind == "NCHW" else 3] == 3]
    if not possible:
        raise ModelError(
            f"the input {described} of {name} is not a picture; expected (N, 3, H, W) or "
            "(N, H, W, 3)"
        )
    if layout is not None:
        if layout not in (certain or possible):
            raise InputError(f"the input {described} of {name} is not {layout}")
        return value, layout
    if not certain:
        raise InputError(
            f"the input {described} of {name} leaves open where the channels are; "
            "say layout='NCHW' or 'NHWC' (--layout)"
        )
    return value, certain[0]


def known_dims(value: ir.Value) -> list[int | None]:
    """The shape, `None` for what is open; all of four dimensions where the file has no shape."""
    if value.shape is None:
        return [None] * 4
    return [dim if isinstance(dim, int) and dim > 0 else None for dim in value.shape]
