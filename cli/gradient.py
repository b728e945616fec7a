"""`onnxscope gradient`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import file_size, plural, stdout, times

EPILOG = "Example: onnxscope gradient squeezenet fire5:11 -o fire5-11-gradient.onnx"


def gradient(
    model: options.ModelName,
    target: options.Target,
    output: options.Output,
    objective: options.Objective = None,
    y: options.Row = None,
    x: options.Column = None,
    token: options.Token = None,
    reduction: options.Reduced = options.Reduction.MEAN,
    negative: options.Negative = False,
    size: options.Size = None,
    batch: Annotated[int, typer.Option(help="How many pictures it takes at once.")] = 1,
    input_range: options.InputRange = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channel_order: options.ChannelOrder = None,
    layout: options.Layout = None,
    channel_axis: options.ChannelAxis = None,
    image_input: options.ImageInput = None,
) -> None:
    """Write the gradient of an objective with respect to the picture as an ONNX model.

    It is self-contained and of standard operators only: pictures in, values and gradients out.
    """
    from ..files import check_writable, write_bytes
    from ..gradients import Gradient

    check_writable(output)
    pixels = options.parse_size(size)
    opened = options.open_model(
        model,
        input_range,
        mean,
        std,
        channel_order,
        layout,
        channel_axis=channel_axis,
        image_input=image_input,
    )
    wanted, described = options.open_objective(
        opened, target, objective, y, x, reduction, negative=negative, token=token
    )
    proto = Gradient(opened, wanted).to_onnx(size=pixels, batch=batch)
    data = proto.SerializeToString()
    write_bytes(output, data)
    console = stdout()
    console.print(str(output), style="bold", soft_wrap=True)
    opset = next(entry.version for entry in proto.opset_import if not entry.domain)
    facts = [f"opset {opset}", plural(len(proto.graph.node), "node"), file_size(len(data))]
    console.print(f"  {described} of {opened.name}: {', '.join(facts)}", soft_wrap=True)
    for direction, values in (("in ", proto.graph.input), ("out", proto.graph.output)):
        for value in values:
            dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            console.print(f"  {direction}  {value.name}  float32 {times(dims)}", soft_wrap=True)
