"""No attribute that ONNX Runtime's own operators have is passed over without a reason."""

from __future__ import annotations

import ast
import inspect
import sys

import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from onnxscope.expansions.contrib.refused import REASONS
from onnxscope.expansions.registry import all_expansions

WITHOUT_CONSEQUENCE = {
    ("Attention", "rotary_embedding_dim"): "rotation is refused by do_rotary",
    ("BiasSoftmax", "is_inner_broadcast"): "the shapes say as much",
    ("EmbedLayerNormalization", "mask_index_type"): "read from what the outputs are",
    ("FusedMatMul", "transBatchA"): "read by side",
    ("FusedMatMul", "transBatchB"): "read by side",
    ("FusedMatMul", "transA"): "read by side",
    ("FusedMatMul", "transB"): "read by side",
    ("TransposeMatMul", "transA"): "read by side",
    ("TransposeMatMul", "transB"): "read by side",
    ("FusedGemm", "activation_alpha"): "read by letter",
    ("FusedGemm", "activation_beta"): "read by letter",
    ("FusedGemm", "activation_gamma"): "no activation has a third parameter",
    ("GroupQueryAttention", "k_quant_type"): "quantised caches are refused by their scales",
    ("GroupQueryAttention", "v_quant_type"): "quantised caches are refused by their scales",
    ("GroupQueryAttention", "kv_cache_bit_width"): "quantised caches are refused by their scales",
    ("GroupQueryAttention", "qk_norm_epsilon"): "what it belongs to is refused by its weights",
    ("MatMulBnb4", "training_mode"): "says whether the runtime may keep what it unpacked",
    ("MatMulNBits", "accuracy_level"): "says how exactly the runtime computes",
    ("RotaryEmbedding", "is_packed_batching"): "the CPU's kernel does not read it",
    ("RotaryEmbedding", "scale"): "no kernel reads it",
}

EXPANDED = {
    schema.name: schema
    for schema in runtime.get_all_operator_schema()
    if schema.domain == "com.microsoft"
    and ("com.microsoft", schema.name) in all_expansions()
    and schema.name not in REASONS
    and all_expansions()["com.microsoft", schema.name].__name__ != "_refuse_integers"
}


def words_of(module) -> set[str]:
    """The strings in a module."""
    tree = ast.parse(inspect.getsource(module))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("op", sorted(EXPANDED))
def test_every_attribute_is_read_or_of_no_consequence(op):
    expansion = all_expansions()["com.microsoft", op]
    known = words_of(sys.modules[expansion.__module__])
    open_ones = {
        name
        for name in EXPANDED[op].attributes
        if name not in known and (op, name) not in WITHOUT_CONSEQUENCE
    }
    # What goes into a standard operator as it is stays what it is.
    kept = {"group", "pads", "strides", "dilations", "kernel_shape", "auto_pad"}
    kept |= {"count_include_pad"}
    kept |= {"align_corners", "padding_mode"} if op == "GridSample" else set()
    kept |= {"upper"} if op == "Trilu" else set()
    kept |= {"output_padding"} if op == "ConvTransposeWithDynamicPads" else set()
    whole = op in (
        *(
            "ConvTransposeWithDynamicPads",
            "GridSample",
            "NhwcConv",
            "Trilu",
            "QLinearConv",
            "QLinearAveragePool",
        ),
    )
    assert open_ones - (kept if whole else set()) == set()
