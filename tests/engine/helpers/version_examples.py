"""Forms of operators that only some versions have, and attributes that no other example sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from version_cases import NEWEST, Example

EXAMPLES: list[Example] = []

_rng = np.random.default_rng(7)


def real(*shape: int) -> np.ndarray:
    """Numbers around zero, none near it."""
    drawn = _rng.uniform(0.3, 1.5, shape) * _rng.choice([-1, 1], shape)
    return np.asarray(drawn, np.float32)


def positive(*shape: int) -> np.ndarray:
    return np.abs(real(*shape))


def truths(*shape: int) -> np.ndarray:
    return np.asarray(_rng.integers(0, 2, shape), bool)


def whole(*shape: int, dtype: type = np.int64) -> np.ndarray:
    return np.asarray(_rng.integers(0, 3, shape), dtype)


def add(
    op: str,
    *inputs: np.ndarray | None,
    since: int = 1,
    until: int = NEWEST,
    outputs: Sequence[str] = ("y",),
    outer: dict[str, np.ndarray] | None = None,
    **attributes: Any,
) -> None:
    EXAMPLES.append(
        Example(op, inputs, attributes, tuple(outputs), versions=(since, until), outer=outer or {})
    )


# Broadcasting as it was before opset 7: only where it is asked for, from an axis on ---------------

for _op, _make in (
    *((name, positive) for name in ("Add", "Sub", "Mul", "Div", "Pow", "Greater", "Less")),
    *((name, truths) for name in ("And", "Or", "Xor")),
    ("Equal", lambda *shape: whole(*shape, dtype=np.int32)),
):
    add(_op, _make(2, 3, 4), _make(2, 3, 4), until=6)
    add(_op, _make(2, 3, 4), _make(3, 4), until=6, broadcast=1)
    add(_op, _make(2, 3, 4), _make(3), until=6, broadcast=1, axis=1)
    add(_op, _make(2, 3, 4), _make(2, 3), until=6, broadcast=1, axis=0)

for _turn_a, _turn_b in ((0, 0), (1, 0), (0, 1)):
    _a, _b = ((3, 2) if _turn_a else (2, 3)), ((4, 3) if _turn_b else (3, 4))
    _turns = {"transA": _turn_a, "transB": _turn_b}
    add("Gemm", real(*_a), real(*_b), real(4), until=6, broadcast=1, alpha=0.5, **_turns)
    add("Gemm", real(*_a), real(*_b), real(2, 4), until=6, **_turns)
    add("Gemm", real(*_a), real(*_b), real(2, 4), until=6, beta=0.5, **_turns)

# Normalisation -----------------------------------------------------------------------------------

_per_channel = [positive(3) for _ in range(4)]
_per_cell = [positive(3, 4, 4) for _ in range(4)]
for _consumed in ({}, {"consumed_inputs": [0, 0, 0, 1, 1]}):
    _last = 1 if _consumed else 6
    add("BatchNormalization", real(2, 3, 4, 4), *_per_channel, until=_last, is_test=1, **_consumed)
    add(
        "BatchNormalization", real(2, 3, 4, 4), *_per_cell, until=_last, is_test=1, spatial=0,
        **_consumed,
    )  # fmt: skip
add("BatchNormalization", real(2, 3, 4, 4), *_per_cell, since=7, until=8, spatial=0)
add("BatchNormalization", real(2, 3), *_per_channel, since=7)
add("BatchNormalization", real(5), *(positive(1) for _ in range(4)), since=7)
add("GroupNormalization", real(2, 4, 3, 3), real(2), real(2), until=20, num_groups=2)
for _stash in (1, 10):
    add(
        "GroupNormalization", real(2, 4, 3, 3), real(4), real(4), since=21, num_groups=2,
        stash_type=_stash,
    )  # fmt: skip
    add("LayerNormalization", real(2, 3, 4), real(4), stash_type=_stash)
    add("RMSNormalization", real(2, 3, 4), real(4), stash_type=_stash)
add("MeanVarianceNormalization", real(2, 3, 4, 5))
add("MeanVarianceNormalization", real(2, 3, 4), axes=[1, -1], since=13)
add("MeanVarianceNormalization", real(2, 3, 4), axes=[0, 2], until=12)

# Pools and convolutions --------------------------------------------------------------------------

for _p in (1, 2, 3):
    for _number in (_p, float(_p)):
        add("GlobalLpPool", positive(2, 3, 4, 5), p=_number)
        add("LpPool", positive(1, 2, 5, 6), p=_number, kernel_shape=[2, 2], until=1)
add("LpPool", positive(1, 2, 5, 6), p=2.0, kernel_shape=[2, 2], strides=[2, 1], until=1)
add("LpPool", positive(1, 2, 5, 6), p=2.0, kernel_shape=[3, 3], pads=[1, 0, 1, 2], until=1)
add("LpPool", positive(1, 2, 5, 6), p=2.0, kernel_shape=[3, 3], auto_pad="SAME_UPPER", until=1)
add("LpPool", positive(1, 2, 5, 6), p=2, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
for _pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    add("AveragePool", real(1, 2, 5, 6), kernel_shape=[3, 3], strides=[2, 2], auto_pad=_pad)
add("AveragePool", real(1, 2, 5, 6), kernel_shape=[2, 2], strides=[2, 1])
add(
    "MaxRoiPool", real(2, 2, 6, 6), np.array([[0, 0, 0, 4, 4], [1, 2, 1, 5, 5]], np.float32),
    pooled_shape=[2, 2], spatial_scale=1.0,
)  # fmt: skip
add(
    "MaxRoiPool", real(1, 2, 6, 6), np.array([[0, 0, 0, 8, 8]], np.float32), pooled_shape=[2, 2],
    spatial_scale=0.5,
)  # fmt: skip
add(
    "MaxUnpool", real(1, 1, 2, 2), np.array([[[[0, 3], [9, 14]]]], np.int64), kernel_shape=[2, 2],
    strides=[2, 2], pads=[0, 0, 0, 0],
)  # fmt: skip
add(
    "MaxUnpool", real(1, 1, 2, 2), np.array([[[[0, 2], [5, 7]]]], np.int64), kernel_shape=[2, 2],
    strides=[2, 2], pads=[0, 0, 1, 1],
)  # fmt: skip
add(
    "DeformConv", real(1, 2, 6, 6), real(2, 1, 2, 2), real(1, 8, 2, 2) * np.float32(0.2),
    group=2, strides=[2, 2], dilations=[2, 2],
)  # fmt: skip

# Recurrence --------------------------------------------------------------------------------------

for _op, _gates, _names in (
    ("LSTM", 4, ["HardSigmoid", "ScaledTanh", "Softsign"]),
    ("GRU", 3, ["HardSigmoid", "ScaledTanh"]),
    ("RNN", 1, ["ScaledTanh"]),
):
    _small = np.float32(0.4)
    _arrays = [
        real(3, 2, 3) * _small, real(1, _gates * 2, 3) * _small, real(1, _gates * 2, 2) * _small,
        real(1, _gates * 4) * _small,
    ]  # fmt: skip
    _both = {"outputs": ("y", "yh"), "hidden_size": 2}
    add(_op, *_arrays, **_both)
    add(_op, *_arrays, **_both, output_sequence=1)
    add(_op, *_arrays, **_both, clip=0.7)
    add(
        _op, *_arrays, **_both, activations=_names,
        activation_alpha=[0.3, 0.8][-len(_names) :] if len(_names) > 1 else [0.8],
        activation_beta=[0.4, 0.9][-len(_names) :] if len(_names) > 1 else [0.9],
    )  # fmt: skip
    if _op == "LSTM":
        add(_op, *_arrays, **_both, input_forget=1)
    if _op == "GRU":
        add(_op, *_arrays, **_both, linear_before_reset=1)

# Sizes -------------------------------------------------------------------------------------------

_nothing = np.zeros(0, np.float32)
_scales = np.array([1, 1, 1.5, 2], np.float32)
_half = np.array([1, 1, 0.5, 0.5], np.float32)
for _mode in ("nearest", "linear"):
    add("Upsample", real(1, 2, 4, 3), mode=_mode, height_scale=1.5, width_scale=2.0, until=1)
    add("Upsample", real(1, 2, 4, 3), np.array([1, 1, 2, 3], np.float32), mode=_mode, since=7)
    add("Resize", real(1, 2, 4, 4), _scales, mode=_mode, until=10)
    add("Resize", real(1, 2, 4, 4), _half, mode=_mode, until=10)
for _options in (
    {"mode": "nearest", "nearest_mode": "ceil"},
    {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    {"mode": "linear"},
    {"mode": "cubic", "cubic_coeff_a": -0.5},
    {"mode": "cubic", "exclude_outside": 1},
):
    add("Resize", real(1, 2, 4, 4), _nothing, _scales, since=11, **_options)
    add("Resize", real(1, 2, 4, 4), _nothing, _half, since=11, **_options)
    add(
        "Resize", real(1, 2, 4, 4), _nothing, _nothing, np.array([1, 2, 5, 3]), since=11,
        **_options,
    )  # fmt: skip
add(
    "Resize", real(1, 2, 6, 6), np.array([0, 0, 0.1, 0.2, 1, 1, 1.2, 0.8], np.float32), _scales,
    since=11, mode="linear", coordinate_transformation_mode="tf_crop_and_resize",
    extrapolation_value=3.0,
)  # fmt: skip
add("Tile", real(2, 3), np.float32(2), np.float32(1), until=1)
_rois = np.array([[0.5, 0.5, 3.5, 4.5], [1, 0, 5, 5]], np.float32)
for _more in ({}, {"mode": "max"}, {"spatial_scale": 0.6}, {"sampling_ratio": 2}):
    add(
        "RoiAlign", real(2, 2, 6, 6), _rois, np.array([0, 1]), output_height=2, output_width=3,
        **_more,
    )  # fmt: skip

# Types -------------------------------------------------------------------------------------------

for _name in ("FLOAT", "DOUBLE", "INT32", "BOOL"):
    add("Cast", real(2, 3), to=_name, until=5)
for _window in ("BlackmanWindow", "HammingWindow", "HannWindow"):
    add(_window, np.int64(6))
    add(_window, np.int64(6), output_datatype=TensorProto.DOUBLE, periodic=0)
add(
    "MelWeightMatrix", np.int64(4), np.int64(16), np.int64(8000), np.float32(0), np.float32(4000),
    output_datatype=TensorProto.DOUBLE,
)  # fmt: skip

_sparse = helper.make_sparse_tensor(
    numpy_helper.from_array(np.array([2.0, 3.0], np.float32)),
    numpy_helper.from_array(np.array([1, 5], np.int64)),
    [2, 3],
)
for _attribute, _value in {
    "value": numpy_helper.from_array(real(2, 2)),
    "value_float": 1.5,
    "value_floats": [1.5, 2.5],
    "value_int": 3,
    "value_ints": [3, 4],
    "sparse_value": _sparse,
    "value_string": "text",
    "value_strings": ["some", "text"],
}.items():
    add("Constant", **{_attribute: _value})

# Quantisation ------------------------------------------------------------------------------------

_grid = np.array([3, 5, 7], np.uint8)
_steps = np.array([0.1, 0.2, 0.4], np.float32)
add("QuantizeLinear", real(2, 3), np.float32(0.1), np.uint8(7))
add("QuantizeLinear", real(2, 3), np.float32(0.1))
add("QuantizeLinear", real(3, 2), _steps, _grid, axis=0)
add("QuantizeLinear", real(3, 2), _steps, _grid, axis=-2)
add("QuantizeLinear", real(2, 3), np.float32(0.1), output_dtype=TensorProto.INT8)
add("QuantizeLinear", real(4, 2), positive(2, 2), whole(2, 2, dtype=np.uint8), axis=0, block_size=2)
add("QuantizeLinear", real(2, 3), np.float32(0.1), precision=TensorProto.FLOAT)
_stored = np.asarray(_rng.integers(0, 255, (3, 2)), np.uint8)
add("DequantizeLinear", _stored, np.float32(0.1), np.uint8(7))
add("DequantizeLinear", _stored, np.float32(0.1))
add("DequantizeLinear", _stored, _steps, _grid, axis=0)
add("DequantizeLinear", _stored, np.float32(0.1), np.uint8(7), output_dtype=TensorProto.FLOAT16)

# Others ------------------------------------------------------------------------------------------

add("Pad", real(2, 3), np.array([1, 0, 0, 2]), until=1)
add("Pad", real(2, 3), np.array([1, 0, 0, 2]), np.float32(1.5), until=1)
for _mode in ("reflect", "edge"):
    add("Pad", real(4, 5), np.array([1, 0, 2, 1]), mode=_mode)
add("Swish", real(2, 3), alpha=0.5)
add("TensorScatter", real(2, 4, 3), real(2, 2, 3), np.array([0, 1]), axis=1)
add("STFT", real(1, 16, 1), np.int64(4), positive(8), onesided=0)
add("Dropout", real(2, 3), ratio=0.25, is_test=1, until=6)
add("Split", real(4, 6), axis=1, split=[2, 4], outputs=("y", "z"), since=2, until=12)
add("Scatter", real(3, 4), np.array([[0, 2, 1, 1]]), real(1, 4), axis=0)
_grams = {
    "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "mode": "TFIDF",
    "ngram_counts": [0], "ngram_indexes": [0, 1, 2],
}  # fmt: skip
add(
    "TfIdfVectorizer", np.array([1, 2, 2, 5], np.int64), pool_int64s=[1, 2, 3],
    weights=[0.5, 2.0, 1.0], **_grams,
)  # fmt: skip


# Control flow ------------------------------------------------------------------------------------


def _value(name: str, dtype: int, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def _branch(op: str) -> onnx.GraphProto:
    node = helper.make_node(op, ["x"], [f"{op}_x"])
    return helper.make_graph([node], op, [], [_value(f"{op}_x", 1, 2, 3)])


for _truth in (True, False):
    add(
        "If", np.array(_truth), outer={"x": real(2, 3)}, then_branch=_branch("Tanh"),
        else_branch=_branch("Neg"),
    )  # fmt: skip

_body = helper.make_graph(
    [
        helper.make_node("Identity", ["still"], ["go_on"]),
        helper.make_node("Mul", ["state", "x"], ["next"]),
        helper.make_node("Tanh", ["next"], ["shown"]),
    ],
    "body",
    [_value("i", 7), _value("still", 9), _value("state", 1, 2, 3)],
    [_value("go_on", 9), _value("next", 1, 2, 3), _value("shown", 1, 2, 3)],
)
add(
    "Loop", np.array(3), np.array(True), real(2, 3), outer={"x": real(2, 3)},
    outputs=("y", "each"), body=_body,
)  # fmt: skip

_scan_body = helper.make_graph(
    [
        helper.make_node("Add", ["state", "part"], ["next"]),
        helper.make_node("Tanh", ["next"], ["shown"]),
    ],
    "scan_body",
    [_value("state", 1, 2), _value("part", 1, 2)],
    [_value("next", 1, 2), _value("shown", 1, 2)],
)
for _more in (
    {},
    {"scan_input_directions": [1]},
    {"scan_output_directions": [1]},
    {"scan_output_axes": [1]},
):
    add(
        "Scan", real(2), real(3, 2), since=9, outputs=("y", "each"), body=_scan_body,
        num_scan_inputs=1, **_more,
    )  # fmt: skip
add(
    "Scan", real(2), real(2, 3), since=9, outputs=("y", "each"), body=_scan_body,
    num_scan_inputs=1, scan_input_axes=[1],
)  # fmt: skip
_batched = {"until": 8, "outputs": ("y", "each"), "body": _scan_body, "num_scan_inputs": 1}
add("Scan", None, real(1, 2), real(1, 3, 2), **_batched)
add("Scan", None, real(1, 2), real(1, 3, 2), **_batched, directions=[1])
