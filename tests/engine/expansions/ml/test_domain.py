"""Every operator of traditional machine learning is accounted for; trees pass no gradient."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from drawing import generator
from graphs import session
from ml_checks import close, ml_model
from onnx import defs, helper
from onnxscope.errors import InputError, LayerError, ModelError, OperatorError
from onnxscope.expansions.registry import all_expansions
from onnxscope.graph.domains import ML
from onnxscope.importer.opsets import load_graph
from onnxscope.network.values import Values
from onnxscope.rules.table import full_name

RNG = generator(8)
ROWS = RNG.normal(size=(5, 3)).astype(np.float32)

# One split at feature 1, two leaves.
NODES = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [1, 0, 0],
    "nodes_values": [0.1, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
}
REGRESSION = NODES | {
    "n_targets": 2,
    "target_treeids": [0, 0, 0],
    "target_nodeids": [1, 1, 2],
    "target_ids": [0, 1, 0],
    "target_weights": [1.5, -0.5, 2.0],
}
CLASSES = NODES | {
    "class_treeids": [0, 0],
    "class_nodeids": [1, 2],
    "class_ids": [0, 2],
    "class_weights": [1.0, 1.0],
    "classlabels_strings": ["a", "b", "c"],
}
TREE = {
    "n_targets": 1,
    "tree_roots": [0],
    "nodes_featureids": [1],
    "nodes_modes": helper.make_tensor("modes", onnx.TensorProto.UINT8, [1], [0]),
    "nodes_splits": helper.make_tensor("splits", onnx.TensorProto.FLOAT, [1], [0.1]),
    "nodes_trueleafs": [1],
    "nodes_truenodeids": [0],
    "nodes_falseleafs": [1],
    "nodes_falsenodeids": [1],
    "leaf_targetids": [0, 0],
    "leaf_weights": helper.make_tensor("leaves", onnx.TensorProto.FLOAT, [2], [1.5, -2.0]),
}
KEPT = {
    "TreeEnsembleRegressor": (REGRESSION, ROWS, 1, (1, 3)),
    "TreeEnsembleClassifier": (CLASSES, ROWS, 2, (1, 3)),
    "TreeEnsemble": (TREE, ROWS, 1, (5,)),
    "LabelEncoder": (
        {"keys_floats": [0.0, 1.0], "values_floats": [2.0, 5.0]},
        np.floor(np.abs(ROWS)),
        1,
        (2, 4),
    ),
    "OneHotEncoder": ({"cats_int64s": [0, 1, 2]}, np.floor(np.abs(ROWS)), 1, (1,)),
}


def test_every_operator_is_expanded_or_without_derivative_or_refused():
    known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ML}
    constant = osc.standard_rules().without_derivative
    expanded = {name for domain, name in all_expansions() if domain == ML}
    kept = {name for name in known if full_name(name, ML) in constant}
    assert expanded | kept == known
    assert not expanded & kept


@pytest.mark.parametrize(
    ("op_type", "version"),
    [(name, version) for name, given in KEPT.items() for version in given[3]],
)
def test_what_has_no_derivative_stays_and_lets_other_paths_through(op_type, version):
    """y = mean(kept(x) · x): only the second factor has a gradient."""
    attributes, x, outputs, _ = KEPT[op_type]
    proto = ml_model(op_type, [x], outputs, version=version, **attributes)
    last = f"o{outputs - 1}"
    proto.graph.node.extend(
        [
            helper.make_node("ReduceSum", [last], ["total"], keepdims=0),
            helper.make_node("Mul", ["total", "i0"], ["y"]),
        ]
    )
    proto.graph.output.append(helper.make_empty_tensor_value_info("y"))
    names = [output.name for output in proto.graph.output]
    graph = osc.differentiate(proto, "y", ["i0"])
    onnx.checker.check_model(graph)
    assert {entry.domain: entry.version for entry in graph.opset_import}[ML] == version
    expected = session(proto).run(names, {"i0": x})
    seed = RNG.normal(size=x.shape).astype(np.float32)
    found = session(graph).run([*names, "grad_i0"], {"i0": x, "grad_y": seed})
    for value, wanted in zip(found, expected, strict=False):
        close(value, wanted)
    np.testing.assert_allclose(found[-1], seed * expected[names.index(last)].sum(), rtol=1e-5)
    rows = graph.graph.output[0].type.tensor_type.shape.dim[0]
    assert rows.dim_param == "N"


def test_a_model_that_is_a_tree_has_a_gradient_of_zero():
    proto = ml_model("TreeEnsembleRegressor", [ROWS], **REGRESSION)
    graph = osc.differentiate(proto, "o0", ["i0"])
    y, dx = session(graph).run(None, {"i0": ROWS, "grad_o0": np.ones((5, 2), np.float32)})
    assert y.any()
    assert dx.shape == ROWS.shape
    assert not dx.any()


def text_beside_numbers() -> onnx.ModelProto:
    """As a ColumnTransformer has them: y is x², and the text's class."""
    proto = ml_model("OneHotEncoder", [np.array([["a"], ["b"]], object)], cats_strings=["b", "a"])
    proto.graph.input.append(helper.make_tensor_value_info("x", 1, ["N", 2]))
    proto.graph.node.extend(
        [
            helper.make_node("Reshape", ["o0", "size"], ["hot"]),
            helper.make_node("Mul", ["x", "x"], ["square"]),
            helper.make_node("Concat", ["square", "hot"], ["y"], axis=1),
        ]
    )
    proto.graph.initializer.append(helper.make_tensor("size", 7, [2], [-1, 2]))
    proto.graph.output[0].name = "y"
    return proto


def test_text_is_encoded_beside_numbers():
    """The numbers have a gradient, the text is an input as before."""
    proto = text_beside_numbers()
    feeds = {"i0": np.array([["a"], ["c"]], object), "x": np.ones((2, 2), np.float32)}
    graph = session(osc.differentiate(proto, "y", ["x"]))
    y, dx = graph.run(None, feeds | {"grad_y": np.ones((2, 4), np.float32)})
    assert y.tolist() == [[1, 1, 0, 1], [1, 1, 0, 0]]
    assert (dx == 2).all()


@pytest.mark.slow
def test_a_model_that_takes_text_is_verified():
    """The text is made up, of what the model knows, or given."""
    proto = text_beside_numbers()
    assert osc.verify(proto, provider="cpu").verdict == "agrees"
    assert osc.verify(proto, provider="cpu", at={"i0": [["c"]]}).verdict == "agrees"
    with pytest.raises(InputError, match="takes text, not"):
        osc.verify(proto, at={"i0": [[3]]})


def test_what_is_computed_from_text_is_listed():
    values = Values(load_graph(text_beside_numbers()), "the model")
    assert values["o0"].shape == ("N", 1, 2)
    assert values["y"].shape == ("N", 4)
    assert not values["y"].unknown


def test_a_sequence_of_maps_is_listed_with_what_is_before_it():
    values = Values(load_graph(zipped()), "the model")
    assert values["maps"].dtype == "sequence of maps"
    assert values["o1"].shape == ("N", 3)
    assert osc.verify(zipped(), provider="cpu").target == "o1"


def test_a_tree_says_why_it_has_no_gradient():
    proto = ml_model("TreeEnsembleRegressor", [ROWS], **REGRESSION)
    found = osc.verify(proto, provider="cpu")
    assert "TreeEnsembleRegressor (a tree is constant between its thresholds)" in found.cause


def zipped() -> onnx.ModelProto:
    weights = RNG.normal(size=9).astype(np.float32).tolist()
    proto = ml_model(
        "LinearClassifier", [ROWS], 2, coefficients=weights, intercepts=[0.0] * 3,
        classlabels_strings=["a", "b", "c"], post_transform="SOFTMAX",
    )  # fmt: skip
    proto.graph.node.append(
        helper.make_node("ZipMap", ["o1"], ["maps"], domain=ML, classlabels_strings=["a", "b", "c"])
    )
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("o0", 8, ["N"]))
    del proto.graph.output[1]
    kind = helper.make_map_type_proto(8, helper.make_tensor_type_proto(1, []))
    output = onnx.ValueInfoProto(name="maps", type=helper.make_sequence_type_proto(kind))
    proto.graph.output.append(output)
    return proto


@pytest.mark.parametrize("opset", [12, 18])
def test_maps_stay_an_output(opset):
    proto = zipped()
    proto.opset_import[0].version = opset
    graph = osc.differentiate(proto, "o1", ["i0"])
    onnx.checker.check_model(graph)
    assert graph.graph.output[1].type == proto.graph.output[1].type
    feeds = {"i0": ROWS, "grad_o1": np.ones((5, 3), np.float32)}
    labels, maps, dx = session(graph).run(None, feeds)
    wanted_labels, wanted = session(proto).run(None, {"i0": ROWS})
    assert (labels == wanted_labels).all()
    assert dx.shape == ROWS.shape
    for row, expected in zip(maps, wanted, strict=True):
        assert row == pytest.approx(expected)


def test_maps_have_no_gradient_and_say_what_has():
    with pytest.raises(LayerError, match=r"'maps' is made of maps.*'o1'"):
        osc.differentiate(zipped(), "maps", ["i0"])


def test_maps_cannot_be_read():
    kind = helper.make_map_type_proto(8, helper.make_tensor_type_proto(1, []))
    graph = helper.make_graph(
        [helper.make_node("DictVectorizer", ["x"], ["y"], domain=ML, string_vocabulary=["a", "b"])],
        "test",
        [onnx.ValueInfoProto(name="x", type=kind)],
        [helper.make_tensor_value_info("y", 1, [1, 2])],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(ML, 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=9)
    with pytest.raises((OperatorError, LayerError), match="map"):
        osc.differentiate(proto, "y", ["y"])


def test_a_file_that_names_no_version_is_refused():
    proto = ml_model("Scaler", [ROWS], offset=[0.0], scale=[1.0])
    del proto.opset_import[1]
    with pytest.raises(ModelError, match=r"'o0' of ai\.onnx\.ml, and names no version"):
        osc.differentiate(proto, "o0", ["i0"])
