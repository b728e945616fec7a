"""From a graph under construction to a finished model."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx_ir as ir

from .builder import Builder
from .passes.kernels import keep_pads_of_kernels
from .passes.plan import Guarantee, Pass, Plan, run_passes
from .passes.sums import add_up_alike
from .versions import ir_version

# What every graph needs, with a gradient or without: the last to be written, since any other pass
# and any rule may pad a kernel, or add up.
FINISHING: tuple[Pass[Plan], ...] = (
    Pass(keep_pads_of_kernels, Guarantee.ROUNDING),
    Pass(add_up_alike, Guarantee.ROUNDING),
)


def model_of(
    builder: Builder, props: Mapping[str, str] | None = None, plan: Plan | None = None
) -> onnx.ModelProto:
    """Finish a graph: a self-contained ONNX model, without what nothing reads.

    Args:
        builder: The graph.
        props: The model's metadata.
        plan: Passes of `FINISHING` that are left out, if any.
    """
    version = ir_version(builder.opset)
    model = ir.Model(builder.graph, ir_version=version, producer_name="onnxscope")
    model.metadata_props.update(props or {})
    for value, other in builder.instead.items():
        value.replace_all_uses_with(other, replace_graph_outputs=True)
    if builder.instead:
        builder.graph.sort()
    run_passes(FINISHING, builder, Plan() if plan is None else plan)
    drop_unused(builder.graph)
    for domain in set(builder.graph.opset_imports) - {"", *(n.domain for n in builder.graph)}:
        del builder.graph.opset_imports[domain]
    proto = ir.to_proto(model)
    for value, written in zip(builder.graph.outputs, proto.graph.output, strict=True):
        known = builder.type_of(value)
        if value.type is None and known is not None:
            written.type.CopyFrom(known)
    return proto


def drop_unused(graph: ir.Graph) -> None:
    """Remove nodes and initializers that no output needs."""
    needed: set[ir.Value] = set(graph.outputs)
    dead: list[ir.Node] = []
    for node in reversed(graph):
        if any(value in needed for value in node.outputs):
            needed.update(value for value in node.inputs if value is not None)
        else:
            dead.append(node)
    for node in dead:
        for output in node.outputs:
            # A node that was refused reads its inputs all the same.
            for reader, index in tuple(output.uses()):
                if reader.graph is None:
                    reader.replace_input_with(index, None)
    graph.remove(dead, safe=True)
    for name, value in list(graph.initializers.items()):
        # Of what is an input as well, whoever runs the graph may give another value.
        if value not in needed and not value.is_graph_input():
            del graph.initializers[name]
