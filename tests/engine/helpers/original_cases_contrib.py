"""Cases of ONNX Runtime's own operators that are written as others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from original_cases import bytes_, ints, positive, real
from original_checks import Case

CASES: list[Case] = []


def case(op: str, *inputs: np.ndarray | None, outputs: int | Sequence[int] = 1,
         fixed: Sequence[int] = (), domain: str = "com.microsoft", only: int | None = None,
         tolerance: float = 1e-4, **attributes: Any) -> None:  # fmt: skip
    arrays = tuple(None if array is None else np.asarray(array) for array in inputs)
    CASES.append(Case(op, arrays, attributes, outputs, domain, 18, fixed, only, tolerance))


def small(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


# Activations and products ------------------------------------------------------------------------

_SHAPES = ((4,), (2, 4), (2, 3, 4), (2, 1, 3, 4), (2, 1, 2, 2, 4), (0, 4))
for _shape in _SHAPES:
    case("Gelu", real(*_shape))
    case("QuickGelu", real(*_shape))
    case("QuickGelu", real(*_shape), alpha=0.7)
    case("FastGelu", real(*_shape))
    case("FastGelu", real(*_shape), real(4))
    case("BiasGelu", real(*_shape), real(4))
case("Gelu", real())
case("QuickGelu", real())

for _upper in (0, 1):
    for _shape in ((3, 4), (2, 4, 3), (0, 4)):
        case("Trilu", real(*_shape), upper=_upper)
        case("Trilu", real(*_shape), np.array(-1, np.int64), upper=_upper, fixed=(1,))
for _mode in ("bilinear", "bicubic", "nearest"):
    for _padding in ("zeros", "border", "reflection"):
        for _align in (0, 1):
            case("GridSample", real(2, 3, 4, 5), real(2, 3, 2, 2), mode=_mode,
                 padding_mode=_padding, align_corners=_align)  # fmt: skip
case("GridSample", real(1, 2, 4, 5), real(1, 3, 2, 2))
case("GridSample", real(0, 2, 4, 5), real(0, 3, 2, 2))

for _shape in ((4,), (2, 3), (0, 3)):
    for _axis in (0, 1, -1, -2):
        case("ExpandDims", real(*_shape), np.array(_axis, np.int32), fixed=(1,))
case("SampleOp", real(2, 3))
case("SampleOp", real(0, 3))
for _kind in (np.int32, np.int64):
    case("GatherND", real(4, 5), np.array([[1, 2], [3, -1], [1, 2]], _kind))
    case("GatherND", real(4, 5), np.array([[[1]], [[-4]]], _kind), fixed=(1,))
    case("GatherND", real(2, 3, 4), np.array([1, 2], _kind))
    case("GatherND", real(4, 5), np.zeros((0, 2), _kind))
for _metric in ("euclidean", "sqeuclidean"):
    for _rows, _others, _length in ((3, 5, 4), (1, 1, 1), (0, 2, 3), (2, 0, 3)):
        case("CDist", real(_rows, _length), real(_others, _length), metric=_metric)
        case("CDist", real(_rows, _length).astype(np.float64),
             real(_others, _length).astype(np.float64), metric=_metric)  # fmt: skip
case("CDist", real(3, 4), real(2, 4))
for _dim in (0, 1, 2, -1, -2):
    for _size, _step in ((1, 1), (2, 1), (2, 2), (3, 2)):
        case("UnfoldTensor", real(3, 4, 5), dim=_dim, size=_size, step=_step)
case("UnfoldTensor", real(5), size=2)
case("UnfoldTensor", real(0, 5), size=2)
for _mode in ("constant", "reflect", "edge", "wrap"):
    for _pads in ([0, 1, 2, 0], [1, 0, 0, 2], [-1, 1, 0, -2], [2, 1, 1, 2]):
        _margins = np.array(_pads, np.int64)
        case("Pad", real(3, 4), _margins, mode=_mode, fixed=(1,))
        case("Pad", real(3, 4), _margins[None], real(1), mode=_mode, fixed=(1,))
case("Pad", real(3, 4), np.array([0, 1, 2, 0], np.int64))
case("Pad", real(3, 4), np.array([0, 1, 2, 0], np.int64), real(1))
case("Pad", real(0, 4), np.array([0, 1, 2, 0], np.int64), fixed=(1,))
case("Range", np.float32(0.5), np.float32(3.2), np.float32(0.7), fixed=(1, 2))
case("Range", np.float32(0.5), np.float32(3.2), fixed=(1,))
case("Range", np.full(1, 3, np.int64), np.full(1, 1, np.int64), np.full(1, -1, np.int64))
case("Range", np.float32(2), np.float32(1), fixed=(1,))
case("Unique", np.array([3, 1, 3, 2, 1], np.float32), outputs=3)
case("Unique", real(0), outputs=3)

_deconvolution = "ConvTransposeWithDynamicPads"
_margins = np.array([1, 0, 1, 1], np.int64)
for _bias in ((), (real(4),)):
    case(_deconvolution, real(2, 3, 4, 5), real(3, 4, 3, 2), _margins, *_bias, fixed=(2,),
         strides=[2, 1], kernel_shape=[3, 2])  # fmt: skip
case(_deconvolution, real(2, 4, 4, 5), real(4, 2, 3, 2), _margins, fixed=(2,), group=2,
     dilations=[1, 2], strides=[2, 2], output_padding=[1, 0])  # fmt: skip
case(_deconvolution, real(2, 3, 4, 5), real(3, 4, 3, 2), _margins, auto_pad="NOTSET",
     fixed=(2,))  # fmt: skip
case(_deconvolution, real(0, 3, 4, 5), real(3, 4, 3, 2), _margins, fixed=(2,))

for _turn_a in (0, 1):
    for _turn_b in (0, 1):
        _turns = {"transA": _turn_a, "transB": _turn_b}
        _a, _b = ((4, 3) if _turn_a else (3, 4)), ((5, 4) if _turn_b else (4, 5))
        for _alpha in (1.0, 0.5):
            case("FusedMatMul", real(*_a), real(*_b), alpha=_alpha, **_turns)
            case("FusedMatMul", real(2, *_a), real(*_b), alpha=_alpha, **_turns)
            case("FusedMatMul", real(2, 1, *_a), real(3, *_b), alpha=_alpha, **_turns)
            case("TransposeMatMul", real(2, *_a), real(2, *_b), alpha=_alpha, **_turns)
        for _bias in ((), (real(5),), (real(3, 5),), (real(3, 1),), (real(1),), (real(),)):
            case("FusedGemm", real(*_a), real(*_b), *_bias, activation="Tanh", alpha=0.7,
                 beta=0.4, **_turns)  # fmt: skip
case("FusedMatMul", real(4), real(4, 5))
case("FusedMatMul", real(3, 4), real(4))
case("FusedMatMul", real(4), real(4))
case("FusedMatMul", real(0, 3, 4), real(4, 5))
case("FusedMatMul", real(3, 0), real(0, 4))
for _batch_a in (0, 1):
    for _batch_b in (0, 1):
        for _turn_a in (0, 1):
            for _turn_b in (0, 1):
                _a, _b = ((4, 3) if _turn_a else (3, 4)), ((5, 4) if _turn_b else (4, 5))
                _a = (_a[0], 2, _a[1]) if _batch_a else (2, *_a)
                _b = (_b[0], 2, _b[1]) if _batch_b else (2, *_b)
                case("FusedMatMul", real(*_a), real(*_b), transA=_turn_a, transB=_turn_b,
                     transBatchA=_batch_a, transBatchB=_batch_b)  # fmt: skip
for _name in ("Relu", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu"):
    case("FusedGemm", real(3, 4), real(4, 5), real(5), activation=_name, activation_alpha=0.3,
         activation_beta=0.4, activation_gamma=1.1)  # fmt: skip
case("FusedGemm", real(0, 4), real(4, 5), real(5), activation="Tanh")
for _cells, _kernel in (((6,), (3,)), ((6, 5), (3, 2)), ((4, 3, 5), (2, 1, 3))):
    for _options in (
        {}, {"strides": [2] * len(_cells)}, {"auto_pad": "SAME_UPPER"},
        {"pads": [1] * 2 * len(_cells), "dilations": [2] * len(_cells)},
        {"kernel_shape": list(_kernel)},
    ):  # fmt: skip
        case("FusedConv", real(2, 4, *_cells), real(4, 4, *_kernel), real(4), activation="Tanh",
             **_options)  # fmt: skip
        case("FusedConv", real(2, 4, *_cells), real(4, 2, *_kernel), activation="Sigmoid", group=2,
             **_options)  # fmt: skip
case("FusedConv", real(1, 3, 5, 5), real(4, 3, 3, 3), real(4), real(1, 4, 3, 3), activation="Tanh")
case("FusedConv", real(1, 3, 5, 5), real(4, 3, 3, 3), None, real(1, 4, 3, 3), activation="Tanh")
case("FusedConv", real(1, 3, 5, 5), real(4, 3, 3, 3), activation="HardSigmoid",
     activation_params=[0.1, 0.4])  # fmt: skip
case("FusedConv", real(1, 3, 5, 5), real(4, 3, 3, 3))
case("FusedConv", real(0, 3, 5, 5), real(4, 3, 3, 3), activation="Tanh")

# Attention ---------------------------------------------------------------------------------------

_N, _L, _K, _HEADS, _WIDTH = 2, 3, 5, 2, 8
_keys = real(_N, _K, _WIDTH)
# ONNX Runtime packs queries, keys and values on other providers only.
_LAYOUTS: dict[str, tuple[tuple[np.ndarray | None, ...], int]] = {
    "three": ((real(_N, _L, _WIDTH), _keys, real(_N, _K, 6)), 2 * _WIDTH + 6),
    "cached": ((real(_N, _L, _WIDTH), real(_N, _HEADS, _K, 4), real(_N, _HEADS, _K, 4)), 0),
}
for _name, (_arrays, _bias_width) in _LAYOUTS.items():
    _queries = _L
    _biases = [None, real(_bias_width)] if _bias_width else [None]
    for _bias in _biases:
        case("MultiHeadAttention", *_arrays, _bias, num_heads=_HEADS)
        _padded = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 0, 0]], np.int32)
        for _mask in (_padded, small(3, 5), np.stack([_padded[:, :_K]] * _queries, 1)):
            case("MultiHeadAttention", *_arrays, _bias, _mask, num_heads=_HEADS)
            case("MultiHeadAttention", *_arrays, _bias, _mask, real(1, 1, _queries, _K),
                 num_heads=_HEADS, mask_filter_value=-1000.0)  # fmt: skip
        for _shape in ((_N, _HEADS), (1, _HEADS), (_N, 1), (1, 1)):
            case("MultiHeadAttention", *_arrays, _bias, None, real(*_shape, _queries, _K),
                 num_heads=_HEADS)  # fmt: skip
        case("MultiHeadAttention", *_arrays, _bias, num_heads=_HEADS, scale=0.3)
        case("MultiHeadAttention", *_arrays, _bias, num_heads=_HEADS, unidirectional=1)
        if _name != "cached":
            case("MultiHeadAttention", *_arrays, _bias, num_heads=_HEADS, outputs=3)
_past = (real(_N, _HEADS, 2, 4), real(_N, _HEADS, 2, 4))
_alike = (real(_N, _L, _WIDTH), _keys, real(_N, _K, _WIDTH))
for _causal in (0, 1):
    case("MultiHeadAttention", *_alike, None, None, None, *_past, outputs=3,
         num_heads=_HEADS, unidirectional=_causal)  # fmt: skip
    case("MultiHeadAttention", *_alike, real(3 * _WIDTH), None,
         real(_N, _HEADS, _L, _K + 2), *_past, outputs=3, num_heads=_HEADS,
         unidirectional=_causal)  # fmt: skip
# Without a bias the runtime's kernel reads where there is no memory, and ends the process.
for _bias in (real(24),):
    _given = (real(_N, _L, 5), real(5, 24), _bias)
    case("Attention", *_given, num_heads=_HEADS)
    for _mask in (
        small(2, 3), small(2, 3, 0, 1), small(2, 3, 0, 2, 5, 0, 2, 5),
        np.array([[1, 0, 1], [1, 1, 0]], np.int32), np.array([[1], [1]], np.int32),
        np.tril(np.ones((_N, _L, _L), np.int32)),
    ):  # fmt: skip
        case("Attention", *_given, _mask, num_heads=_HEADS)
        case("Attention", *_given, _mask, num_heads=_HEADS, unidirectional=1,
             mask_filter_value=-500.0)  # fmt: skip
    case("Attention", *_given, num_heads=_HEADS, scale=0.2)
    case("Attention", *_given, num_heads=_HEADS, unidirectional=1, outputs=2)
    for _shape in ((_N, _HEADS), (1, _HEADS), (1, 1), (_N, 1)):
        case("Attention", *_given, None, None, real(*_shape, _L, _L), num_heads=_HEADS)
    case("Attention", *_given, None, real(2, _N, _HEADS, 2, 4), num_heads=_HEADS, outputs=2)
    case("Attention", *_given, None, real(2, _N, _HEADS, 2, 4), num_heads=_HEADS, outputs=2,
         unidirectional=1)  # fmt: skip
    case("Attention", *_given, num_heads=_HEADS, qkv_hidden_sizes=[8, 8, 8], outputs=2)
    case("Attention", real(_N, _L, 5), real(5, 22), real(22),
         num_heads=_HEADS, qkv_hidden_sizes=[8, 8, 6])  # fmt: skip

_cos, _sin = np.cos(real(20, 8)), np.sin(real(20, 8))
_new = (real(2, 3, 64), real(2, 3, 32), real(2, 3, 32))
_step = tuple(x[:, :1] for x in _new)
_cache = (real(2, 2, 4, 16), real(2, 2, 4, 16))
_group = {"num_heads": 4, "kv_num_heads": 2}
for _options in (
    {}, {"scale": 0.2}, {"softcap": 1.5}, {"smooth_softmax": 1}, {"local_window_size": 2},
    {"causal": 0},
):  # fmt: skip
    case("GroupQueryAttention", *_new, None, None, small(2, 2), small(3), outputs=3, fixed=[6],
         **_group, **_options)  # fmt: skip
    case("GroupQueryAttention", *_step, *_cache, small(4, 2), small(5), outputs=3, fixed=[6],
         **_group, **_options)  # fmt: skip
for _paired in (0, 1):
    case("GroupQueryAttention", *_new, None, None, small(2, 2), small(3), _cos, _sin, outputs=3,
         fixed=[6], do_rotary=1, rotary_interleaved=_paired, **_group)  # fmt: skip
    case("GroupQueryAttention", *_step, *_cache, small(4, 2), small(5), _cos, _sin, outputs=3,
         fixed=[6], do_rotary=1, rotary_interleaved=_paired, **_group)  # fmt: skip
    case("GroupQueryAttention", *_step, *_cache, small(4, 2), small(5), _cos, _sin,
         np.array([[4], [2]]), outputs=3, fixed=[6], do_rotary=1, rotary_interleaved=_paired,
         **_group)  # fmt: skip
case("GroupQueryAttention", real(2, 3, 128), None, None, None, None, small(2, 2), small(3),
     outputs=3, fixed=[6], **_group)  # fmt: skip
case("GroupQueryAttention", *_new, None, None, small(2, 2), small(3), None, None, None,
     real(2, 4, 3, 3), outputs=3, fixed=[6], **_group)  # fmt: skip
case("GroupQueryAttention", *_new, None, None, small(2, 2), small(3), None, None, None, None,
     real(4), outputs=3, fixed=[6], **_group)  # fmt: skip

for _paired in (0, 1):
    for _where in (np.array([[0, 3, 6], [1, 1, 2]]), ints(2), np.array(1)):
        _tables = (np.cos(real(9, 2)), np.sin(real(9, 2)))
        case("RotaryEmbedding", real(2, 5, 3, 4), _where, *_tables, interleaved=_paired)
        case("RotaryEmbedding", real(2, 3, 20), _where, *_tables, interleaved=_paired)
        case("RotaryEmbedding", real(2, 3, 20), _where, *_tables, interleaved=_paired, num_heads=5,
             scale=0.5)  # fmt: skip
        case("RotaryEmbedding", real(2, 3, 30), _where, *_tables, interleaved=_paired, num_heads=5,
             rotary_embedding_dim=4)  # fmt: skip

# Normalisations ----------------------------------------------------------------------------------

for _shape in ((2, 3, 4), (3, 4), (0, 3, 4), (1, 1, 4)):
    for _skip in (_shape, _shape[1:] if len(_shape) == 3 and _shape[0] else _shape):
        for _beta in (None, real(4)):
            for _bias in (None, real(4)):
                case("SkipLayerNormalization", real(*_shape), real(*_skip), real(4), _beta, _bias,
                     outputs=[0, 3])  # fmt: skip
        for _bias in (None, real(4)):
            case("SkipSimplifiedLayerNormalization", real(*_shape), real(*_skip), real(4), _bias,
                 outputs=[0, 3])  # fmt: skip
case("SkipLayerNormalization", real(2, 3, 4), real(2, 3, 4), real(4), real(4), epsilon=0.1)
case("SkipSimplifiedLayerNormalization", real(2, 3, 4), real(2, 3, 4), real(4), epsilon=0.1)
_words, _places, _kinds = real(7, 4), real(9, 4), real(3, 4)
_ids, _segments = (
    np.array([[1, 5, 2], [0, 6, 6]], np.int32),
    np.array([[0, 1, 2], [1, 1, 0]], np.int32),
)
for _mask in (None, np.array([[1, 1, 0], [1, 2, 1]], np.int32)):
    for _position in (None, np.array([[0, 2, 8]], np.int32), _ids):
        case("EmbedLayerNormalization", _ids, _segments, _words, _places, _kinds, real(4), real(4),
             _mask, _position, outputs=3)  # fmt: skip
        case("EmbedLayerNormalization", _ids, None, _words, _places, None, real(4), real(4), _mask,
             _position, outputs=3, epsilon=0.1)  # fmt: skip
case("EmbedLayerNormalization", _ids, _segments, _words, _places, _kinds, real(4), real(4),
     outputs=[0, 2], mask_index_type=0)  # fmt: skip

# Weights of few bits -----------------------------------------------------------------------------

for _bits in (2, 4, 8):
    for _wide in (32, 40):
        _blocks = -(-_wide // 16)
        _grid = bytes_(6, _blocks, 16 * _bits // 8)
        _scales = positive(6, _blocks) / np.float32(2**_bits)
        _common = {"K": _wide, "N": 6, "bits": _bits, "block_size": 16, "tolerance": 1e-3}
        for _zero in (None, bytes_(6, -(-_blocks * _bits // 8)), positive(6, _blocks)):
            if _bits == 8 and _zero is not None and _zero.dtype == np.float32:
                continue
            for _shape in ((_wide,), (3, _wide), (2, 3, _wide), (0, 3, _wide)):
                case("MatMulNBits", real(*_shape), _grid, _scales, _zero, **_common)
        case("MatMulNBits", real(3, _wide), _grid, _scales, None, None, real(6), **_common)
        case("MatMulNBits", real(3, _wide), _grid, _scales, accuracy_level=1, **_common)
for _kind in (0, 1):
    for _wide in (32, 20):
        for _shape in ((_wide,), (3, _wide), (2, 3, _wide)):
            case("MatMulBnb4", real(*_shape), bytes_(_wide * 3), positive(-(-_wide * 6 // 16)),
                 K=_wide, N=6, block_size=16, quant_type=_kind, training_mode=_kind,
                 tolerance=1e-3)  # fmt: skip
for _axis, _blocked in ((0, 1), (0, -1)):
    for _where in (ints(1, 0, -1), np.array(2), np.array([[0, 1], [3, -2]]), ints()):
        _table = bytes_(32, 32)
        _scales_shape = [32, 32]
        _scales_shape[_blocked] = 2
        _zero_shape = [32, 32]
        _zero_shape[_blocked] = 2
        case("GatherBlockQuantized", _table, _where, positive(*_scales_shape), bytes_(*_zero_shape),
             gather_axis=_axis, quantize_axis=_blocked, block_size=16, bits=8)  # fmt: skip
        case("GatherBlockQuantized", _table, _where, positive(*_scales_shape),
             gather_axis=_axis, quantize_axis=_blocked, block_size=16, bits=8)  # fmt: skip
_table4, _scales4 = bytes_(6, 16), positive(6, 2)
case("GatherBlockQuantized", _table4, ints(1, 5), _scales4, bits=4, block_size=16)
case("GatherBlockQuantized", _table4, ints(1, 5), _scales4, bytes_(6, 1), bits=4, block_size=16)
case("GatherBlockQuantized", bytes_(6, 64), ints(1, 5), positive(6, 1))

# Of the standard domain, where ONNX does not know it ---------------------------------------------

for _shape, _axis in (((2, 3, 4), -1), ((2, 3, 4), 2), ((2, 3, 4), 1), ((4,), 0), ((0, 4), -1)):
    _scale = real(*_shape[_axis:])
    case("SimplifiedLayerNormalization", real(*_shape), _scale, domain="", axis=_axis)
    case("SimplifiedLayerNormalization", real(*_shape), _scale, domain="", axis=_axis, outputs=2,
         epsilon=0.1, stash_type=1)  # fmt: skip
