"""Cases of standard operators that are written as others: every attribute, optional input, rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from original_checks import Case

CASES: list[Case] = []
_rng = np.random.default_rng(31)


def real(*shape: int) -> np.ndarray:
    """Numbers around zero, none near it."""
    drawn = _rng.uniform(0.3, 1.5, shape) * _rng.choice([-1, 1], shape)
    return np.asarray(drawn, np.float32)


def small(*shape: int) -> np.ndarray:
    return real(*shape) * np.float32(0.4)


def positive(*shape: int) -> np.ndarray:
    return np.abs(real(*shape))


def truths(*shape: int) -> np.ndarray:
    return np.asarray(_rng.integers(0, 2, shape), bool)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def bytes_(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.asarray(_rng.integers(0, 100, shape), dtype)


def case(
    op: str,
    *inputs: np.ndarray | None,
    opset: int = 20,
    outputs: int | Sequence[int] = 1,
    fixed: Sequence[int] = (),
    tolerance: float = 1e-4,
    differences: bool = True,
    **attributes: Any,
) -> None:
    arrays = tuple(None if array is None else np.asarray(array) for array in inputs)
    CASES.append(
        Case(op, arrays, attributes, outputs, "", opset, fixed, None, tolerance, differences)
    )


# Grids -------------------------------------------------------------------------------------------

for _corners in (0, 1):
    for _batch in (1, 2, 0):
        case("AffineGrid", real(_batch, 2, 3), ints(_batch, 3, 4, 5), fixed=[1],
             align_corners=_corners)  # fmt: skip
        case("AffineGrid", real(_batch, 3, 4), ints(_batch, 1, 2, 3, 4), fixed=[1],
             align_corners=_corners)  # fmt: skip
    case("AffineGrid", real(2, 2, 3), ints(2, 3, 1, 1), fixed=[1], align_corners=_corners)
    case("AffineGrid", real(2, 2, 3), ints(2, 3, 0, 4), fixed=[1], align_corners=_corners)
case("AffineGrid", real(2, 2, 3), ints(2, 3, 4, 5))

# Attention ---------------------------------------------------------------------------------------

_four = (real(2, 4, 3, 5), real(2, 4, 6, 5), real(2, 4, 6, 7))
_grouped = (real(2, 4, 3, 5), real(2, 2, 6, 5), real(2, 2, 6, 7))
_three = (real(2, 3, 8), real(2, 6, 8), real(2, 6, 12))
_heads = {"q_num_heads": 4, "kv_num_heads": 4}
for _inputs, _more in ((_four, {}), (_grouped, {}), (_three, _heads)):
    case("Attention", *_inputs, opset=23, **_more)
    for _mask in (
        truths(3, 6) | np.eye(3, 6, dtype=bool), real(3, 6), real(1, 3, 6), real(4, 3, 6),
        real(2, 1, 3, 6), real(2, 4, 3, 6), real(1, 6), real(3, 1),
    ):  # fmt: skip
        case("Attention", *_inputs, _mask, opset=23, **_more)
    for _options in (
        {"is_causal": 1}, {"scale": 0.3}, {"softcap": 2.0}, {"softmax_precision": 1},
        {"is_causal": 1, "scale": 0.3, "softcap": 2.0},
    ):  # fmt: skip
        case("Attention", *_inputs, opset=23, **_more, **_options)
        case("Attention", *_inputs, real(3, 6), opset=23, **_more, **_options)
    for _mode in (0, 1, 2, 3):
        case("Attention", *_inputs, real(3, 6), opset=23, outputs=[0, 3], **_more,
             qk_matmul_output_mode=_mode, softcap=1.5)  # fmt: skip
for _inputs, _past, _more in (
    (_four, (real(2, 4, 2, 5), real(2, 4, 2, 7)), {}),
    (_grouped, (real(2, 2, 2, 5), real(2, 2, 2, 7)), {}),
    (_three, (real(2, 4, 2, 2), real(2, 4, 2, 3)), _heads),
):
    for _causal in (0, 1):
        case("Attention", *_inputs, None, *_past, opset=23, outputs=3, is_causal=_causal, **_more)
        case("Attention", *_inputs, real(3, 8), *_past, opset=23, outputs=3, is_causal=_causal,
             **_more)  # fmt: skip
    _empty = tuple(a[:, :, :0] for a in _past)
    case("Attention", *_inputs, None, *_empty, opset=23, outputs=3, **_more)
    case("Attention", *_inputs, None, None, None, ints(6, 4), opset=24, **_more)
    case("Attention", *_inputs, real(3, 6), None, None, ints(5, 2), opset=24, is_causal=1, **_more)
case("Attention", *(a[:0] for a in _four), opset=23)
case("Attention", _four[0][:, :, :0], *_four[1:], opset=23)

# Fourier transforms ------------------------------------------------------------------------------

for _opset in (17, 20):
    for _shape in ((2, 6, 1), (2, 6, 2), (6, 1), (1, 2, 5, 3, 2), (5, 2)):
        _axes = range(-len(_shape), len(_shape) - 1) if _opset == 20 else range(len(_shape) - 1)
        for _axis in _axes:
            if _axis == -1:
                continue
            for _options in ({}, {"inverse": 1}, {"onesided": 1}, {"inverse": 1, "onesided": 1}):
                if _options == {"onesided": 1} and _shape[-1] == 2:
                    continue
                if _options.get("inverse") and _options.get("onesided") and _shape[-1] == 1:
                    continue
                if len(_shape) == 5 and _options and _axis % 5 != 2:
                    continue
                if _opset == 17:
                    case("DFT", real(*_shape), opset=17, axis=_axis, **_options)
                else:
                    case("DFT", real(*_shape), None, np.int64(_axis), fixed=[2], **_options)
    for _length in (4, 6, 8):
        _axis = {"axis": 1} if _opset == 17 else {}
        _where = [] if _opset == 17 else [np.int64(-2)]
        for _parts in (1, 2):
            case("DFT", real(2, 6, _parts), np.int64(_length), *_where, opset=_opset, fixed=[1, 2],
                 **_axis)  # fmt: skip
        case("DFT", real(2, 6, 1), np.int64(_length), *_where, opset=_opset, fixed=[1, 2],
             onesided=1, **_axis)  # fmt: skip
        case("DFT", real(2, 6, 1), np.int64(_length), *_where, opset=_opset, fixed=[2], **_axis)
case("DFT", real(2, 6, 1), opset=20)
case("DFT", real(2, 6, 1), opset=17)
case("DFT", real(0, 6, 1), opset=17)
for _parts in (1, 2):
    for _sided in (1, 0):
        if _parts == 2 and _sided:
            continue
        _signal = (real(2, 16, _parts), np.int64(3))
        case("STFT", *_signal, positive(6), opset=17, fixed=[1], onesided=_sided)
        case("STFT", *_signal, None, np.int64(6), opset=17, fixed=[1, 3], onesided=_sided)
        case("STFT", *_signal, positive(6), np.int64(6), opset=17, fixed=[1, 3], onesided=_sided)
        case("STFT", *_signal, positive(5), opset=17, fixed=[1], onesided=_sided)
        case("STFT", *_signal, positive(16), opset=17, fixed=[1], onesided=_sided)
case("STFT", real(1, 16), np.int64(4), positive(6), opset=17, fixed=[1])

# Deformable convolution, regions -----------------------------------------------------------------

_offset = np.float32(0.3)
for _more, _weights, _channels in (
    ({}, (4, 2, 2, 2), 8), ({"group": 2}, (4, 1, 2, 2), 8), ({"offset_group": 2}, (4, 2, 2, 2), 16),
    ({"kernel_shape": [2, 2]}, (4, 2, 2, 2), 8), ({"kernel_shape": [1, 2]}, (4, 2, 1, 2), 4),
):  # fmt: skip
    _cells = (5, 4) if _weights[2] == 2 else (6, 4)
    for _bias in (None, real(4)):
        for _mask in (None, positive(1, _channels // 2, *_cells)):
            _moves = real(1, _channels, *_cells) * _offset
            case("DeformConv", real(1, 2, 6, 5), real(*_weights), _moves, _bias, _mask, **_more)
case("DeformConv", real(2, 2, 6, 5), real(3, 2, 2, 2), real(2, 8, 4, 3) * _offset,
     strides=[2, 2], pads=[1, 1, 1, 1])  # fmt: skip
case("DeformConv", real(1, 2, 6, 5), real(3, 2, 2, 2), real(1, 8, 4, 3) * _offset,
     dilations=[2, 2])  # fmt: skip
case("DeformConv", real(0, 2, 6, 5), real(3, 2, 2, 2), real(0, 8, 5, 4))
_rois = np.array([[0.5, 0.5, 3.5, 4.5], [1, 0, 5, 5]], np.float32)
for _options in (
    {}, {"mode": "max"}, {"spatial_scale": 0.6}, {"sampling_ratio": 2}, {"output_height": 2},
    {"output_width": 3}, {"coordinate_transformation_mode": "output_half_pixel"},
):  # fmt: skip
    for _opset in (10, 16):
        if _opset == 10 and "coordinate_transformation_mode" in _options:
            continue
        case("RoiAlign", real(2, 2, 6, 6), _rois, ints(0, 1), opset=_opset, **_options)
        case("RoiAlign", real(2, 2, 6, 6), _rois[:0], ints(), opset=_opset, **_options)
_boxes = np.array([[0, 0, 0, 4, 4], [1, 2, 1, 5, 5]], np.float32)
for _scale in (1.0, 0.5):
    case("MaxRoiPool", real(2, 2, 6, 6), _boxes, fixed=[1], pooled_shape=[2, 3],
         spatial_scale=_scale)  # fmt: skip
case("MaxRoiPool", real(2, 2, 6, 6), _boxes[:0], fixed=[1], pooled_shape=[2, 3])

# Normalisations ----------------------------------------------------------------------------------

for _opset in (18, 21):
    for _shape in ((2, 4, 3), (2, 4, 3, 2), (2, 4, 2, 1, 3), (2, 4, 2, 1, 2, 2), (0, 4, 3, 2)):
        for _options in ({"num_groups": 2}, {"num_groups": 4}, {"num_groups": 1, "epsilon": 0.1}):
            _count = _options["num_groups"] if _opset == 18 else 4
            case("GroupNormalization", real(*_shape), real(_count), real(_count), opset=_opset,
                 **_options)  # fmt: skip
case("GroupNormalization", real(2, 4, 3), real(4), real(4), opset=21, num_groups=2, stash_type=1)
case("GroupNormalization", real(2, 4, 3).astype(np.float16), real(4).astype(np.float16),
     real(4).astype(np.float16), opset=21, num_groups=2, stash_type=10,
     tolerance=1e-2)  # fmt: skip
# In training; what it gives besides depends on the number of examples.
for _shape in ((2, 3), (2, 3, 4), (3, 2, 2, 3), (1, 2, 3)):
    _kept = [real(_shape[1]), real(_shape[1]), real(_shape[1]), positive(_shape[1])]
    for _opset in (14, 15):
        case("BatchNormalization", real(*_shape), *_kept, opset=_opset, outputs=3, training_mode=1)
    case("BatchNormalization", real(*_shape), *_kept, opset=15, outputs=3, training_mode=1,
         epsilon=0.1)  # fmt: skip
    case("BatchNormalization", real(*_shape), *_kept, opset=15, outputs=3, training_mode=1,
         momentum=0.6)  # fmt: skip

for _shape, _axes in (
    ((2, 3, 4, 5), None), ((2, 3, 4), [0]), ((2, 3, 4), [-1]), ((2, 3, 4), [0, -1]),
    ((5,), [0]), ((2, 3, 4, 2, 2), [0, 2, 3, 4]), ((2, 3), [1]), ((0, 3, 4, 5), None),
):  # fmt: skip
    case("MeanVarianceNormalization", real(*_shape), opset=13,
         **({} if _axes is None else {"axes": _axes}))  # fmt: skip
for _shape in ((4,), (3, 4), (2, 3, 4), (2, 3, 4, 2), (2, 1, 3, 4, 2), (0, 3, 4)):
    for _axis in range(-len(_shape), len(_shape)):
        if len(_shape) == 5 and _axis not in (-1, 1, -3):
            continue
        _scale = _shape[_axis:]
        if _shape[0] == 0 and _axis in (0, -3):
            continue
        case("RMSNormalization", real(*_shape), real(*_scale), opset=23, axis=_axis)
for _options in ({"epsilon": 0.1}, {"stash_type": 1}, {"stash_type": 11}, {}):
    case("RMSNormalization", real(2, 3, 4), real(4), opset=23, **_options)
case("RMSNormalization", real(2, 3, 4), real(1), opset=23)
case("RMSNormalization", real(2, 3, 4), real(1, 4), opset=23, axis=1)

# Losses ------------------------------------------------------------------------------------------


def _classes(*shape: int) -> np.ndarray:
    return np.asarray(_rng.integers(0, 3, shape), np.int64)


for _cells in ((), (4,), (2, 1, 3)):
    for _options in (
        {}, {"reduction": "none"}, {"reduction": "sum"}, {"ignore_index": 1},
        {"ignore_index": -1, "reduction": "none"}, {"ignore_index": 2, "reduction": "sum"},
    ):  # fmt: skip
        _target = _classes(5, *_cells)
        if _options.get("ignore_index") == -1:
            _target[0] = -1
        for _weight in ((), (positive(3),)):
            case("NegativeLogLikelihoodLoss", real(5, 3, *_cells), _target, *_weight, opset=13,
                 **_options)  # fmt: skip
            # The second output is the first step towards the first one, whatever the sizes.
            for _count in (1, 2) if _cells == (4,) else (2,):
                case("SoftmaxCrossEntropyLoss", real(5, 3, *_cells), _target, *_weight, opset=13,
                     outputs=_count, **_options)  # fmt: skip
for _op in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"):
    case(_op, real(0, 3), _classes(0), opset=13, reduction="none")
    case(_op, real(0, 3), _classes(0), opset=13, reduction="sum")
    case(_op, real(2, 3), ints(1, 1), opset=13, ignore_index=1, reduction="sum")
    case(_op, real(2, 3), _classes(2).astype(np.int32), opset=13)

# Rotation, Swish ---------------------------------------------------------------------------------

for _options in (
    {}, {"interleaved": 1}, {"rotary_embedding_dim": 2},
    {"rotary_embedding_dim": 2, "interleaved": 1},
):  # fmt: skip
    _half = 1 if "rotary_embedding_dim" in _options else 2
    _tables = (real(2, 3, _half), real(2, 3, _half))
    _long = (real(7, _half), real(7, _half))
    _position = np.array([[0, 3, 6], [1, 1, 2]])
    case("RotaryEmbedding", real(2, 5, 3, 4), *_tables, opset=23, **_options)
    case("RotaryEmbedding", real(2, 5, 3, 4), *_long, _position, opset=23, **_options)
    case("RotaryEmbedding", real(2, 3, 20), *_tables, opset=23, num_heads=5, **_options)
    case("RotaryEmbedding", real(2, 3, 20), *_long, _position, opset=23, num_heads=5, **_options)
    case("RotaryEmbedding", real(0, 5, 3, 4), *_long, _position[:0], opset=23, **_options)
for _shape in ((), (3,), (2, 3), (2, 1, 2, 2, 2), (0, 3)):
    for _options in ({}, {"alpha": 0.5}, {"alpha": -1.0}, {"alpha": 0.0}):
        case("Swish", real(*_shape), opset=24, **_options)

# Writing -----------------------------------------------------------------------------------------

for _reduction in ("none", "add", "mul", "min", "max"):
    for _data, _index in (
        ((4,), np.array([[1], [-1]])), ((4, 3), np.array([[-4], [2]])),
        ((4, 3), np.array([[0, -1], [-2, 1]])), ((2, 3, 4), np.array([[[0, 1]], [[-1, -1]]])),
        ((2, 3, 4, 2, 1), np.array([[1, -1, 0]])), ((4, 3), np.zeros((0, 1), np.int64)),
        ((4, 3), np.zeros((0, 2), np.int64)), ((4, 0), np.array([[1], [2]])),
    ):  # fmt: skip
        _rest = _data[_index.shape[-1] :]
        case("ScatterND", real(*_data), _index, real(*_index.shape[:-1], *_rest), opset=18,
             reduction=_reduction)  # fmt: skip
    if _reduction not in ("none", "min", "max"):
        case("ScatterND", real(4), np.array([[1], [1], [-3]]), real(3), opset=18,
             reduction=_reduction)  # fmt: skip
for _mode in ("linear", "circular"):
    for _shape, _axis in (((2, 5, 3), 1), ((2, 5, 3), -2), ((2, 2, 5, 3), -2), ((2, 3, 5), -1)):
        _update = list(_shape)
        _update[_axis] = 2
        for _start in ((), (ints(0, 3),), (ints(1, 0),)):
            case("TensorScatter", real(*_shape), real(*_update), *_start, opset=24, mode=_mode,
                 axis=_axis)  # fmt: skip
    case("TensorScatter", real(2, 2, 5, 3), real(2, 2, 2, 3), ints(1, 2), opset=24, mode=_mode)
case("TensorScatter", real(2, 5, 3), real(2, 2, 3), ints(4, 3), opset=24, mode="circular", axis=1)

# Quantisation ------------------------------------------------------------------------------------

for _op, _make in (("QuantizeLinear", real), ("DequantizeLinear", bytes_)):
    for _shape in ((), (4,), (2, 3), (2, 3, 4), (2, 3, 2, 2), (2, 3, 1, 2, 2), (0, 3)):
        case(_op, _make(*_shape), np.float32(0.1), np.uint8(7), opset=13)
        case(_op, _make(*_shape), np.float32(0.1), opset=13)
        for _axis in range(-len(_shape), len(_shape)):
            _size = _shape[_axis]
            case(_op, _make(*_shape), positive(_size), bytes_(_size), opset=13, axis=_axis)
    for _axis, _block in ((0, 2), (1, 3), (-1, 3), (-2, 2)):
        _blocks = [4, 6]
        _blocks[_axis] //= _block
        case(_op, _make(4, 6), positive(*_blocks), bytes_(*_blocks), opset=21, axis=_axis,
             block_size=_block)  # fmt: skip
        case(_op, _make(4, 6), positive(*_blocks), opset=21, axis=_axis, block_size=_block)
case("QuantizeLinear", real(2, 3), np.float32(0.1), opset=21, output_dtype=3)
case("QuantizeLinear", real(2, 3), np.float32(0.1), opset=23, precision=1)
case("DequantizeLinear", bytes_(2, 3, dtype=np.int8), np.float32(0.1), opset=13)
case("DequantizeLinear", bytes_(2, 3, dtype=np.int32), np.float32(0.1), opset=13)

# Recurrence --------------------------------------------------------------------------------------

for _op, _gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    for _direction in ("forward", "reverse", "bidirectional"):
        _n = 2 if _direction == "bidirectional" else 1
        _states = 3 if _op == "LSTM" else 2

        def _given(steps: int = 3, batch: int = 2, n: int = _n, gates: int = _gates) -> tuple:
            return (small(steps, batch, 3), small(n, gates * 2, 3), small(n, gates * 2, 2))

        _common: dict[str, Any] = {
            "opset": 14, "hidden_size": 2, "direction": _direction,
            # The steps are differentiated alike in all directions.
            "differences": _direction == "bidirectional",
        }  # fmt: skip
        _bias, _first = small(_n, _gates * 4), small(_n, 2, 2)
        _lengths = np.array([3, 2], np.int32)
        for _out in ([0], [1], list(range(_states))):
            case(_op, *_given(), outputs=_out, **_common)
            case(_op, *_given(), _bias, _lengths, _first, outputs=_out, **_common)
        case(_op, *_given(), _bias, **_common)
        case(_op, *_given(), None, _lengths, outputs=_states, **_common)
        case(_op, *_given(), None, None, _first, outputs=_states, **_common)
        case(_op, *_given(1), _bias, outputs=_states, **_common)
        case(_op, *_given(3, 1), _bias, outputs=_states, **_common)
        case(_op, *_given(), _bias, np.array([2, 0], np.int32), outputs=_states, **_common)
        if _direction == "reverse":
            # What a step computes is the same in both directions: as forwards, and in both.
            continue
        case(_op, *_given(), _bias, outputs=_states, clip=0.5, **_common)
        if _op == "LSTM":
            _peep = small(_n, 6)
            case(_op, *_given(), _bias, None, _first, small(_n, 2, 2), outputs=3, **_common)
            case(_op, *_given(), None, None, None, small(_n, 2, 2), outputs=3, **_common)
            case(_op, *_given(), _bias, None, None, None, _peep, outputs=3, **_common)
            case(_op, *_given(), _bias, _lengths, _first, small(_n, 2, 2), _peep, outputs=3,
                 **_common)  # fmt: skip
            case(_op, *_given(), _bias, outputs=3, input_forget=1, **_common)
            case(_op, *_given(), _bias, outputs=[2], **_common)
        if _op == "GRU":
            case(_op, *_given(), _bias, linear_before_reset=1, **_common)
            case(_op, *_given(), _bias, _lengths, _first, linear_before_reset=1, outputs=2,
                 **_common)  # fmt: skip
        _names = {
            "LSTM": ["Sigmoid", "Softsign", "HardSigmoid"],
            "GRU": ["HardSigmoid", "Softsign"],
            "RNN": ["Affine"],
        }[_op]
        case(_op, *_given(), _bias, outputs=_states, activations=_names * _n, **_common)
        case(_op, *_given(), _bias, outputs=_states, activations=_names * _n,
             activation_alpha=[0.5] * len(_names) * _n, activation_beta=[0.3] * len(_names) * _n,
             **_common)  # fmt: skip

# Fewer axes than the default names ---------------------------------------------------------------

for _shape in ((6,), (3, 4), (2, 3, 4), (2, 3, 2, 2, 2)):
    case("MeanVarianceNormalization", real(*_shape), opset=13)
