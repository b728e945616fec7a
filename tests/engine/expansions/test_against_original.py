"""Every operator that is written as others, against ONNX Runtime's kernel for it as it is.

By values of all outputs and by differences, with known sizes, and one case of each kind with the
number of examples open or with all sizes open, in turn; over every attribute, with and without
every optional input, over ranks, negative axes and no elements at all. A registered expansion
without such cases is a failure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import pytest
from onnx import defs
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from onnxscope.expansions.contrib.refused import REASONS
from onnxscope.expansions.registry import all_expansions
from original_cases import CASES as STANDARD
from original_cases_contrib import CASES as CONTRIB
from original_cases_ml import CASES as TRADITIONAL
from original_checks import SIZES, Case, problem_of
from version_cases import schemas

CASES = [*STANDARD, *CONTRIB, *TRADITIONAL]

Key = tuple[str, str]

MS, ML = "com.microsoft", "ai.onnx.ml"

# Compared in files of their own, and why not here.
ELSEWHERE = {
    **{("", op): "bodies: test_control.py" for op in ("If", "Loop", "Scan")},
    **{("", op): "sequences: test_sequences.py" for op in (
        "ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceAt",
        "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
        "SequenceMap", "SplitToSequence",
    )},
    **{("", op): "dropped again, what it is written as is known: test_experimental.py" for op in (
        "Affine", "Crop", "DynamicSlice", "ImageScaler", "ParametricSoftplus", "Scale",
        "ScaledTanh",
    )},
    **{("", op): "no kernel runs it" for op in (
        "CausalConvWithState", "LinearAttention", "SwiGLU",
    )},
    **{("", op): "to floats of eight bits alone: test_quantized.py" for op in ("Cast", "CastLike")},
    **{(MS, op): "no CPU kernel runs it: test_fused.py" for op in (
        "BiasAdd", "BiasSoftmax", "BiasSplitGelu", "GemmFastGelu", "NhwcConv",
    )},
    **{(MS, op): "no CPU kernel runs it: test_normalization.py" for op in (
        "GroupNorm", "SkipGroupNorm",
    )},
    **{(MS, f"{kind}Linear"): "the standard operator under another name" for kind in (
        "Quantize", "Dequantize",
    )},
    **{("", op): "between grids: test_integer_arithmetic.py" for op in (
        "ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul",
    )},
    **{(MS, op): "between grids: test_integer_arithmetic.py" for op in (
        "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm", "QLinearAdd",
        "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere",
    )},
    **{(ML, op): "maps, refused: test_domain.py" for op in ("CastMap", "DictVectorizer")},
}  # fmt: skip

# Attributes without cases, and why.
UNSET = {
    ("Attention", "left_window_size"): "no kernel of this runtime has it",
    ("Attention", "right_window_size"): "no kernel of this runtime has it",
    ("QuantizeLinear", "saturate"): "about numbers of 8 bits, which have no gradient",
    ("DequantizeLinear", "output_dtype"): "test_versions.py",
    **{(op, "layout"): "no kernel of this runtime has it" for op in ("GRU", "LSTM", "RNN")},
    ("com.microsoft Attention", "do_rotary"): "refused",
    ("com.microsoft Attention", "rotary_embedding_dim"): "refused with do_rotary",
    ("com.microsoft Attention", "past_present_share_buffer"): "refused",
    ("GroupQueryAttention", "kv_cache_bit_width"): "quantised caches are refused",
    ("GroupQueryAttention", "k_quant_type"): "quantised caches are refused",
    ("GroupQueryAttention", "v_quant_type"): "quantised caches are refused",
    ("GroupQueryAttention", "qk_norm_epsilon"): "refused by its weights",
    ("GroupQueryAttention", "qk_output"): "refused",
    ("GroupQueryAttention", "sliding_window_cache"): "refused",
    ("MatMulNBits", "weight_prepacked"): "refused",
    ("MatMulBnb4", "transB"): "0 is refused",
    ("com.microsoft RotaryEmbedding", "is_packed_batching"): "the CPU's kernel does not read it",
}

# Optional inputs that no case has, or no case lacks.
NEVER = {
    ("com.microsoft Attention", "past_sequence_length"): "refused",
    ("com.microsoft Attention", "bias"): "without it the runtime's kernel ends the process",
    ("MultiHeadAttention", "key"): "packed queries are for other providers: test_attention.py",
    ("MultiHeadAttention", "value"): "packed keys are for other providers: test_attention.py",
    ("MultiHeadAttention", "past_sequence_length"): "refused",
    ("MultiHeadAttention", "cache_indirection"): "refused",
    ("GroupQueryAttention", "k_scale"): "quantised caches are refused",
    ("GroupQueryAttention", "v_scale"): "quantised caches are refused",
    ("GroupQueryAttention", "q_norm_weight"): "refused",
    ("GroupQueryAttention", "k_norm_weight"): "refused",
    ("MatMulNBits", "g_idx"): "refused",
    ("ConvTransposeWithDynamicPads", "Pads"): "the runtime's kernel asks for them",
}

# No case without elements, and why.
NEVER_EMPTY = {
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN"), "of no sequences the runtime's kernel ends the process"
    ),
    "STFT": "nothing is framed",
    "Range": "of three numbers",
    "BatchNormalization": "the mean of nothing",
    **dict.fromkeys(("TensorScatter", "EmbedLayerNormalization", "MultiHeadAttention"), "caches"),
    **dict.fromkeys(("com.microsoft Attention", "GroupQueryAttention"), "caches"),
    **dict.fromkeys(
        ("TransposeMatMul", "MatMulBnb4", "com.microsoft RotaryEmbedding"), "as others"
    ),
    **dict.fromkeys(("FeatureVectorizer", "LinearClassifier", "SVMClassifier"), "rows as others"),
}


@dataclass(frozen=True)
class Listed:
    """A problem that is known, of the operator as files have it or in a sentence.

    Attributes:
        ops: Operators, with a blank between.
        problem: How it begins, or what stands in it.
        reason: In words.
    """

    ops: str
    problem: str
    reason: str


LISTED = (
    Listed("AffineGrid", "runtime: ", "the runtime refuses pictures without rows"),
    Listed("Attention", "runtime: ", "the runtime broadcasts no mask along the last two axes"),
    Listed("GroupNormalization SoftmaxCrossEntropyLoss", "runtime: ", "not of no examples"),
    Listed("DFT", "refused, first open: ", "the inverse of half a spectrum of open length"),
    Listed("com.microsoft Attention", "refused, first open: ", "ends and starts, or lengths?"),
    Listed(
        "DeformConv", "value, known: the graph does not run: ", "matrix products of no examples"
    ),
)


def title(key: Key) -> str:
    """An operator, with its domain where another has the same name."""
    domain, op = key
    return f"{domain} {op}" if domain == MS and ("", op) in all_expansions() else op


def runs(expansion) -> bool:
    return expansion.__name__ not in ("_refuse_by_name", "_refuse_integers", "_refuse")


COMPARED = sorted(
    key
    for key, expansion in all_expansions().items()
    if key not in ELSEWHERE and runs(expansion) and key[1] not in REASONS
)


def schema_of(key: Key):
    domain, op = key
    if domain == MS:
        known = {schema.name: schema for schema in runtime.get_all_operator_schema()
                 if schema.domain == MS}  # fmt: skip
        return known.get(op)
    if domain == ML:
        return defs.get_schema(op, domain)
    versions = schemas().get(op)
    return None if versions is None else versions[max(versions)]


def cases_of(key: Key) -> list[Case]:
    return [case for case in CASES if (case.domain, case.op) == key]


def test_every_expansion_has_cases_or_is_compared_elsewhere():
    known = {(case.domain, case.op) for case in CASES}
    assert known == set(COMPARED)
    assert ELSEWHERE.keys() <= all_expansions().keys()


@pytest.mark.parametrize("key", COMPARED, ids=title)
def test_the_cases_have_every_attribute_and_optional_input(key):
    schema, cases, name = schema_of(key), cases_of(key), title(key)
    if schema is None:
        return
    values: dict[str, list[object]] = {attribute: [] for attribute in schema.attributes}
    for case in cases:
        for attribute, value in case.attributes.items():
            values.setdefault(attribute, []).append(value)
    open_ones = [a for a, given in values.items() if not given and (name, a) not in UNSET]
    assert not open_ones, "attributes that no case sets"
    axes = values.get("axis", [])
    assert not axes or min(axes) < 0 or (key == ("", "DFT")), "no axis is counted from the end"
    given = {
        parameter.name: {len(c.inputs) > i and c.inputs[i] is not None for c in cases}
        for i, parameter in enumerate(schema.inputs)
        if int(getattr(parameter.option, "value", parameter.option)) == 1
    }
    open_ones = [i for i, there in given.items() if len(there) < 2 and (name, i) not in NEVER]
    assert not open_ones, "optional inputs that all cases have, or none"


@pytest.mark.parametrize("key", COMPARED, ids=title)
def test_the_cases_have_one_without_elements(key):
    empty = any(a is not None and a.size == 0 for case in cases_of(key) for a in case.inputs)
    assert empty or title(key) in NEVER_EMPTY


# The runtime that the cases were written for.
NEWEST = tuple(int(part) for part in ort.__version__.split(".")[:2]) >= (1, 31)


@pytest.mark.slow
@pytest.mark.skipif(not NEWEST, reason="earlier kernels lack operators, or compute otherwise")
@pytest.mark.parametrize("key", COMPARED, ids=title)
def test_values_and_gradients_are_those_of_the_original(key):
    known = [line for line in LISTED if title(key) in (line.ops, *_names(line))]
    found: set[Listed] = set()
    kinds: set[tuple[object, ...]] = set()
    wrong = {}
    with np.errstate(all="ignore"):
        for case in cases_of(key):
            # Of open sizes the graph is the same for all cases of a kind; an operator's kinds take
            # turns, since an option seldom meets with how many sizes are open.
            opened = SIZES[1 + len(kinds) % 2 :][: 1 if kinds else 2]
            problem = problem_of(case, SIZES[:1] if case.kind in kinds else (SIZES[0], *opened))
            kinds.add(case.kind)
            line = next((line for line in known if problem.startswith(line.problem)), None)
            if line is not None:
                found.add(line)
            elif problem:
                wrong[case.label] = problem
    assert not wrong
    assert found == set(known), "nothing is listed that is right"


def _names(line: Listed) -> list[str]:
    return [] if line.ops.startswith(MS) else line.ops.split()
