"""The input of a network that takes pictures, and how they lie in it."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from ...errors import InputError, NoPictureError, nearest
from ...forms import checked_layout
from ...graph.advice import zero_is_zero
from ...graph.walks import with_defaults
from .sequences import is_sequence
from .taken_for import counts_of, layouts_taken, sizes_of

_TYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.UINT8)

_ANY = (
    "`onnxscope verify`, `onnxscope gradient --wrt` and `onnxscope.differentiate` take networks of "
    "any inputs, and `onnxscope inspect` lists their values"
)


def image_input(
    graph: ir.Graph,
    name: str,
    layout: str | None,
    *,
    wanted: str | None = None,
    given: Collection[str] = (),
) -> tuple[ir.Value, str]:
    """Find the input that takes pictures.

    Of several inputs it is one in three colours; others the user names.

    Args:
        graph: The network.
        name: Of the model, for messages.
        layout: Such as `NCHW`, where the user says it (see `forms.Form`).
        wanted: The input's name, where the user says it.
        given: Names of inputs whose values the user gives.

    Returns:
        The input and its layout.

    Raises:
        NoPictureError: there is none, or it does not take pictures.
        InputError: there are several, or the file leaves open where the channels are, and the user
            does not say it, or says what contradicts the file.
    """
    if layout is not None:
        checked_layout(layout)
    inputs = {v.name or "": v for v in graph.inputs if v.name not in graph.initializers}
    described = ", ".join(describe(value) for value in inputs.values())
    # Those that have a value in the file may be given another, or a picture.
    every = {**inputs, **with_defaults(graph)}
    for other in (*given, *([] if wanted is None else [wanted])):
        if other not in every:
            raise InputError(
                f"{name} has no input {other!r}, only {described or 'none'}{nearest(other, every)}"
            )
    candidates = [
        value for value in inputs.values() if value.name not in given and not is_sequence(value)
    ]
    if wanted is not None:
        candidates = [every[wanted]]
    elif len(candidates) > 1:
        # Those that a picture fits, but for what converters leave of a normalisation, and of these
        # those that say so.
        fitting = [
            v
            for v in candidates
            if v.dtype in _TYPES and _layouts(v)[0] and not _has_one_channel(v)
        ]
        read = [v for v in fitting if v.uses()] or fitting
        larger = [v for v in read if not _is_one_pixel(v)] or read
        candidates = [v for v in larger if _layouts(v)[1]] or larger
        if not candidates:
            raise NoPictureError(
                f"{name} has {len(inputs)} inputs ({described}), and none of them is a picture; "
                f"{_ANY}"
            )
        if len(candidates) > 1:
            raise InputError(
                f"{name} has {len(inputs)} inputs ({described}), and more than one of them may be "
                "the picture; say image_input='NAME' (--image-input NAME), and the values of the "
                "others as inputs={'NAME': array} (--input NAME=VALUE)"
            )
    if not candidates and inputs:
        raise InputError(
            f"of {name} all inputs are given ({described}); one of them has to take the picture"
        )
    if not candidates:
        raise NoPictureError(f"{name} has no inputs; expected one, a picture; {_ANY}")
    return candidates[0], _layout(candidates[0], name, layout)


def takes_rgb(graph: ir.Graph, name: str, layout: str | None = None) -> bool:
    """Return whether a network takes pictures in three colours.

    Others have as many uses for tensors as for pictures.

    Raises:
        InputError: see `image_input`.
    """
    try:
        image, found = image_input(graph, name, layout)
    except NoPictureError:
        return False
    return found in ("NCHW", "NHWC") and counts_of(found, known_dims(image))[0] in (3, None)


def _layout(value: ir.Value, name: str, layout: str | None) -> str:
    described = describe(value)
    if is_sequence(value):
        raise NoPictureError(f"the input {described} of {name} is no picture; {_ANY}")
    if value.dtype not in _TYPES:
        raise NoPictureError(
            f"the input {described} of {name} is no picture: expected float32, float16 or uint8; "
            f"{_ANY}"
        )
    if 0 in known_dims(value) and _layouts(value)[0]:
        raise NoPictureError(
            f"the input {described} of {name} takes no pixels{zero_is_zero(value)}; {_ANY}"
        )
    if layout is not None:
        return _said(value, name, layout)
    possible, certain = _layouts(value)
    if len(certain) == 1:
        return certain[0]
    taken = [] if certain else layouts_taken(value)
    if len(taken) == 1:
        return taken[0]
    possible = taken or possible
    if not possible or (not taken and _has_one_channel(value)):
        sequence = len(known_dims(value)) == 3
        advice = (
            "; where it takes spectrograms or grey pictures, give the layout that says so, "
            "'NFT' or 'NHW'"
        )
        raise NoPictureError(
            f"the input {described} of {name} is not a picture; expected (N, 3, H, W) or "
            f"(N, H, W, 3){advice * sequence}; {_ANY}"
        )
    if value.shape is None:
        raise InputError(
            f"the file does not say the shape of the input {value.name!r} of {name}: say "
            "layout='NCHW' or 'NHWC' (--layout NCHW or --layout NHWC) where it takes pictures, "
            f"otherwise its shape, such as shapes={{{value.name!r}: (1, 8)}} "
            f"(--shape {value.name}=1,8)"
        )
    raise InputError(
        f"the input {described} of {name} leaves open where the channels are; "
        f"say layout={' or '.join(map(repr, possible))} "
        f"({' or '.join(f'--layout {kind}' for kind in possible)})"
    )


def _said(value: ir.Value, name: str, layout: str) -> str:
    """The layout that the user says, where the input may have it.

    Raises:
        NoPictureError: the input has another number of axes.
        InputError: it contradicts the file, which says where three colours are, or the number of
            channels is open.
    """
    described, dims = describe(value), known_dims(value)
    if len(layout) != len(dims):
        raise NoPictureError(
            f"the input {described} of {name} is not a picture of layout {layout}, which has "
            f"{len(layout)} axes, not {len(dims)}; {_ANY}"
        )
    certain = _layouts(value)[1]
    if certain and layout in ("NCHW", "NHWC") and layout not in certain:
        raise InputError(
            f"the input {described} of {name} cannot be {layout}: say "
            f"layout={' or '.join(map(repr, certain))}, or leave it out"
        )
    if counts_of(layout, dims)[0] is None and layout not in ("NCHW", "NHWC"):
        raise InputError(
            f"the input {described} of {name} leaves open how many channels it has in the layout "
            f"{layout}: export it with their number"
        )
    if 1 in sizes_of(layout, dims) and layout not in certain:
        raise InputError(
            f"the input {described} of {name} cannot be {layout}: that would be pictures of one "
            "row or column"
        )
    return layout


def _is_one_pixel(value: ir.Value) -> bool:
    return sorted(dim or 0 for dim in known_dims(value)[1:]) == [1, 1, 3]


def _has_one_channel(value: ir.Value) -> bool:
    """Whether one of the channel axes is 1 and the other open: a grey picture of open size."""
    dims = known_dims(value)
    return len(dims) == 4 and {dims[1], dims[3]} == {1, None}


def _layouts(value: ir.Value) -> tuple[list[str], list[str]]:
    """The layouts that an input may have, and of these those with 3 channels for certain."""
    dims = known_dims(value)
    axes = {"NCHW": 1, "NHWC": 3}
    possible = [kind for kind, axis in axes.items() if len(dims) == 4 and dims[axis] in (3, None)]
    return possible, [kind for kind in possible if dims[axes[kind]] == 3]


def other_layout(value: ir.Value, layout: str) -> str | None:
    """Return how pictures may lie in an input as well, `None` where the file says it."""
    possible, certain = _layouts(value)
    if len(certain) == 1:
        return None
    return next((kind for kind in possible if kind != layout), None)


def describe(value: ir.Value) -> str:
    """Return an input as `x (N×3×H×W)`, with its type where that is not float32."""
    if is_sequence(value):
        return f"{value.name} (a sequence of tensors)"
    shape = "?" if value.shape is None else "×".join(map(str, value.shape)) or "one number"
    kind = "" if value.dtype in (None, ir.DataType.FLOAT) else f" {str(value.dtype).lower()}"
    return f"{value.name} ({shape}{kind})"


def known_dims(value: ir.Value) -> list[int | None]:
    """Return the shape, `None` for what is open; four open sizes where there is none."""
    if value.shape is None:
        return [None] * 4
    return [dim if isinstance(dim, int) else None for dim in value.shape]
