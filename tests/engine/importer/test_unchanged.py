"""A file whose operators have not changed since its opset is read without ONNX's converter."""

from __future__ import annotations

import onnx
import onnxscope as osc
import pytest
from onnx import defs, helper
from onnxscope.importer.unchanged import is_unchanged

OPERATORS = sorted({schema.name for schema in defs.get_all_schemas_with_history()
                    if not schema.domain})  # fmt: skip


def bare(op: str, opset: int) -> onnx.NodeProto:
    """A node with what it must have and nothing else."""
    schema = defs.get_schema(op, opset, "")
    inputs, outputs = max(schema.min_input, 1), max(schema.min_output, 1)
    return helper.make_node(
        op, [f"{op}_x{i}" for i in range(inputs)], [f"{op}_y{i}" for i in range(outputs)]
    )


@pytest.mark.parametrize("opset", range(6, 18))
def test_the_converter_leaves_them_as_they_are(opset):
    nodes = [bare(op, opset) for op in OPERATORS if defs.has(op, opset, "")]
    nodes = [node for node in nodes if is_unchanged(node, opset)]
    assert len(nodes) > 50
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, 1, None) for node in nodes for name in node.input],
        [onnx.ValueInfoProto(name=name) for node in nodes for name in node.output],
    )
    imports = [helper.make_opsetid("", opset)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=8)
    converted = onnx.version_converter.convert_version(proto, 18)
    for node, other in zip(nodes, converted.graph.node, strict=True):
        # It states some options that were taken on, as they are by default.
        known = defs.get_schema(node.op_type, 18, "").attributes
        for attribute in other.attribute:
            default = known[attribute.name].default_value
            assert attribute.SerializeToString() == default.SerializeToString(), node.op_type
        del other.attribute[:]
        assert other == node


@pytest.mark.parametrize(
    ("op", "opset"),
    [("Softmax", 12), ("Squeeze", 12), ("ReduceMean", 17), ("Split", 17), ("RoiAlign", 15),
     ("Resize", 10), ("Add", 6), ("BatchNormalization", 6), ("Cast", 5), ("Upsample", 9)],
)  # fmt: skip
def test_what_is_another_now_is_converted(op, opset):
    assert not is_unchanged(bare(op, opset), opset)


def test_a_file_is_read_as_the_converter_reads_it(monkeypatch):
    proto = onnx.parser.parse_model("""<ir_version: 7, opset_import: ["": 13]>
        g (float[2,3] x) => (float[3,2] y) <int64[2] s = {3, 2}, float[3] k = {1, 2, 3}> {
          h = Mul(x, k) r = Relu(h) y = Reshape(r, s) }""")
    before = proto.SerializeToString(deterministic=True)
    asked = []
    real = onnx.version_converter.convert_version
    monkeypatch.setattr(
        "onnx.version_converter.convert_version", lambda *given: asked.append(given) or real(*given)
    )
    found = osc.differentiate(proto, of="y", wrt=["x", "k"])
    assert not asked
    # What was given stays as it is.
    assert proto.SerializeToString(deterministic=True) == before
    monkeypatch.setattr("onnxscope.importer.opsets.is_unchanged", lambda *_: False)
    assert osc.differentiate(proto, of="y", wrt=["x", "k"]) == found
    assert len(asked) == 1
