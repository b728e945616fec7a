"""One node of each operator that has a trait, and what runs it as the file has it.

A new operator that is a function of one element needs an entry only where it cannot be run on
`NUMBERS` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
import onnxruntime as ort
from graphs import session
from onnx import TensorProto, defs, helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as errors

Arrays = Sequence[np.ndarray | None]

_rng = np.random.default_rng(7)

# Two pictures of three channels, 4 × 5 pixels: no two elements are the same, and none is at a kink.
NUMBERS = (_rng.permutation(120).reshape(2, 3, 4, 5).astype(np.float32) - 59.7) / 15
_INSIDE = (NUMBERS / 5).astype(np.float32)
_POSITIVE = np.abs(NUMBERS) + np.float32(0.1)
_WHOLE = _rng.permutation(120).reshape(2, 3, 4, 5).astype(np.int64) + 1
_BITS = _rng.integers(0, 256, (2, 3, 4, 5)).astype(np.uint8)
_FLAGS = _rng.random((2, 3, 4, 5)) < 0.5
_PICTURE = np.arange(1, 113, dtype=np.float32).reshape(1, 2, 7, 8) / 50


def normal(*shape: int) -> np.ndarray:
    """Normal numbers in single precision."""
    return _rng.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Example:
    """One node.

    Attributes:
        op: Operator.
        inputs: Arrays; `None` for an input left out.
        attributes: Of the node.
        opset: Version of the standard operators.
        weights: Which input the weights are, where there are some.
    """

    op: str
    inputs: tuple[np.ndarray | None, ...] = (NUMBERS,)
    attributes: Mapping[str, object] = field(default_factory=dict)
    opset: int = 20
    weights: int = 1

    @property
    def x(self) -> np.ndarray:
        """The first input."""
        assert self.inputs[0] is not None
        return self.inputs[0]

    def runner(self) -> Callable[[Arrays], np.ndarray]:
        """From inputs like the example's to the first output."""
        names = ["" if array is None else f"x{i}" for i, array in enumerate(self.inputs)]
        least = defs.get_schema(self.op, self.opset, "").min_output
        outputs = ["y", *(f"y{i}" for i in range(1, least))]
        graph = helper.make_graph(
            [helper.make_node(self.op, names, outputs, **self.attributes)],
            "example",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in zip(names, self.inputs, strict=True)
                if array is not None
            ],
            [onnx.ValueInfoProto(name="y")],
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10
        )
        run = _session(proto)

        def evaluate(arrays: Arrays) -> np.ndarray:
            named = zip(names, arrays, strict=True)
            return run({name: array for name, array in named if array is not None})

        return evaluate

    def run(self, *inputs: np.ndarray | None) -> np.ndarray:
        """The first output, of the example's inputs or of others; those behind stay."""
        return self.runner()([*inputs, *self.inputs[len(inputs) :]])


def _session(proto: onnx.ModelProto) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """ONNX Runtime, or the onnx package's reference where that has no such kernel."""
    try:
        opened: ort.InferenceSession | ReferenceEvaluator = session(
            onnx.shape_inference.infer_shapes(proto), optimized=False
        )
    except (errors.NotImplemented, errors.InvalidGraph, errors.Fail):
        opened = ReferenceEvaluator(proto)
    return lambda feeds: np.asarray(opened.run(None, dict(feeds))[0])


def _ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _scalar(value: float | int) -> np.ndarray:
    return np.array(value, np.float32 if isinstance(value, float) else np.int64)


_QUANTIZED = (_rng.integers(1, 255, (1, 2, 7, 8)).astype(np.uint8), _scalar(0.1),
              np.array(0, np.uint8))  # fmt: skip
_SEQUENCE = normal(3, 2, 4)  # steps, batch, features


def _recurrent(op: str, gates: int) -> Example:
    weights = (normal(1, gates * 3, 4), normal(1, gates * 3, 3))
    return Example(op, (_SEQUENCE, *weights), {"hidden_size": 3})


def _binary(op: str, a: np.ndarray, **attributes: object) -> Example:
    # Broadcast along an axis of each, and along one that the second lacks.
    return Example(op, (a[:, :, :1], a[0, :1, :, :]), attributes)


_EXAMPLES = (
    # Activation functions
    Example("Clip", (NUMBERS, _scalar(-1.0), _scalar(2.0))),
    Example("PRelu", (NUMBERS, np.array([0.5, -0.2, 0.1], np.float32).reshape(3, 1, 1))),
    Example("Swish", attributes={"alpha": 0.7}, opset=24),
    # Functions of one element
    Example("Acos", (_INSIDE,)),
    Example("Acosh", (_POSITIVE + 1,)),
    Example("Asin", (_INSIDE,)),
    Example("Atanh", (_INSIDE,)),
    Example("BatchNormalization", (NUMBERS, normal(3), normal(3), normal(3), np.abs(normal(3)))),
    Example("BitCast", attributes={"to": TensorProto.INT32}, opset=26),
    Example("BitwiseNot", (_BITS,)),
    Example("IsInf", (np.where(_FLAGS, np.inf, NUMBERS).astype(np.float32),)),
    Example("IsNaN", (np.where(_FLAGS, np.nan, NUMBERS).astype(np.float32),)),
    Example("Log", (_POSITIVE,)),
    Example("Not", (_FLAGS,)),
    Example("Sqrt", (_POSITIVE,)),
    # Functions of several elements
    *(_binary(op, NUMBERS) for op in (
        "Add", "Div", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
        "Mul", "Sub", "Sum",
    )),
    *(_binary(op, _FLAGS) for op in ("And", "Or", "Xor")),
    *(_binary(op, _BITS) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    _binary("BitShift", _BITS % 8, direction="LEFT"),
    _binary("Equal", _WHOLE % 3),
    _binary("Mod", NUMBERS, fmod=1),
    _binary("Pow", _POSITIVE),
    Example("Where", (_FLAGS[:, :, :1], NUMBERS[:, :1], NUMBERS[0, 0])),
    # The same elements
    Example("Cast", attributes={"to": TensorProto.DOUBLE}),
    Example("CastLike", (NUMBERS, np.zeros(1, np.float64))),
    Example("Flatten", attributes={"axis": 2}),
    Example("Reshape", (NUMBERS, _ints(5, -1, 2))),
    Example("Squeeze", (NUMBERS[:, :1], _ints(1))),
    Example("Unsqueeze", (NUMBERS, _ints(0, 3))),
    Example("CenterCropPad", (NUMBERS, _ints(6, 3)), {"axes": [2, 3]}),
    Example("Compress", (NUMBERS, np.array([True, False, True])), {"axis": 1}),
    Example("DepthToSpace", (NUMBERS.reshape(1, 12, 2, 5),), {"blocksize": 2}),
    Example("Expand", (NUMBERS, _ints(2, 2, 3, 4, 5))),
    Example("Gather", (NUMBERS, _ints(2, 0, 2)), {"axis": 1}),
    Example("GatherElements", (NUMBERS, _ints(3, 1, 0, 2).reshape(1, 1, 1, 4)), {"axis": 2}),
    Example("GatherND", (NUMBERS, _ints(1, 2, 0, 1).reshape(2, 2))),
    Example("MaxUnpool", (_PICTURE[:, :1, :2, :2], _ints(5, 2, 10, 15).reshape(1, 1, 2, 2)),
            {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Example("Pad", (NUMBERS, _ints(0, 0, 1, 2, 0, 0, 3, 0), _scalar(-77.0))),
    Example("ReverseSequence", (NUMBERS, _ints(2, 3)), {"batch_axis": 0, "time_axis": 1}),
    Example("Concat", (NUMBERS, NUMBERS[:, :1] + 1), {"axis": 1}),
    Example("ReduceMax", (NUMBERS, _ints(1))),
    Example("ReduceMin", (NUMBERS, _ints(1))),
    Example(
        "ScatterElements", (NUMBERS, _ints(0, 1).reshape(1, 1, 1, 2), NUMBERS[:1, :1, 1:2, :2])
    ),
    Example("ScatterND", (NUMBERS, _ints(1, 0).reshape(1, 2), NUMBERS[:1, 1])),
    Example("TensorScatter", (NUMBERS, NUMBERS[:, :, :2] + 1, _ints(1, 2)), opset=24),
    Example("TopK", (NUMBERS, _ints(2))),
    Example("Slice", (NUMBERS, _ints(3, 0), _ints(0, 2), _ints(2, 3), _ints(-1, 1))),
    Example("SpaceToDepth", (NUMBERS[..., :4],), {"blocksize": 2}),
    Example("Split", (NUMBERS, _ints(3)), {"axis": 1}),
    Example("Tile", (NUMBERS, _ints(1, 2, 1, 3))),
    Example("Trilu", (NUMBERS, _scalar(0))),
    # Weights
    Example("Conv", (_PICTURE, normal(3, 2, 3, 2)),
            {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 2, 0, 1]}),
    Example("ConvInteger", (_QUANTIZED[0], _BITS[:2, :2, :3, :3]), {"pads": [1, 1, 0, 0]}),
    Example("ConvTranspose", (_PICTURE, normal(2, 3, 3, 3)), {"strides": [2, 2]}),
    Example("DeformConv", (_PICTURE, normal(3, 2, 2, 2), normal(1, 8, 6, 7) / 3),
            {"kernel_shape": [2, 2]}),
    Example("Einsum", (NUMBERS, normal(5, 6)), {"equation": "nchw,wk->nchk"}),
    Example("Gemm", (NUMBERS[0, 0], normal(5, 6))),
    _recurrent("GRU", 3),
    _recurrent("LSTM", 4),
    Example("MatMul", (NUMBERS, normal(5, 6))),
    Example("MatMulInteger", (_BITS[0, 0], _BITS[1, 0].T.copy())),
    Example("QLinearConv", (*_QUANTIZED, _BITS[:2, :2, :3, :3], *_QUANTIZED[1:], _scalar(20.0),
                            _QUANTIZED[2]), {"strides": [2, 1]}, weights=3),
    Example("QLinearMatMul", (_BITS[0, 0], *_QUANTIZED[1:], _BITS[1, 0].T.copy(), *_QUANTIZED[1:],
                              _scalar(5.0), _QUANTIZED[2]), weights=3),
    _recurrent("RNN", 1),
    # Pools, and what else leaves each channel to itself
    *(
        Example(op, (_PICTURE,), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]})
        for op in ("AveragePool", "LpPool", "MaxPool")
    ),
    Example("InstanceNormalization", (NUMBERS, normal(3), normal(3))),
    # Pictures of another size
    Example("Col2Im", (normal(1, 8, 9), _ints(4, 4), _ints(2, 2))),
    Example("Resize", (NUMBERS, None, np.array([1, 1, 2, 3], np.float32))),
    Example("Upsample", (NUMBERS, np.array([1, 1, 2, 3], np.float32)), opset=9),
    # Random numbers
    Example("Bernoulli", (np.full((20, 20), 0.5, np.float32),)),
    Example("Multinomial", (np.zeros((2, 9), np.float32),), {"sample_size": 50}),
    Example("RandomNormal", (), {"shape": [9, 9]}),
    Example("RandomUniform", (), {"shape": [9, 9]}),
)  # fmt: skip

_BY_NAME = {example.op: example for example in _EXAMPLES}


def example_of(op: str) -> Example:
    """A node of an operator."""
    return _BY_NAME.get(op) or Example(op)


# Of few numbers more than their square.
LARGE = {
    example.op: example
    for example in (
        Example("AffineGrid", (normal(1, 2, 3), _ints(1, 1, 20, 20))),
        *(Example(f"{name}Window", (_scalar(50),)) for name in ("Blackman", "Hamming", "Hann")),
        Example("CenterCropPad", (normal(2), _ints(50))),
        Example("Col2Im", (normal(1, 1, 1), _ints(30, 30), _ints(1, 1)),
                {"strides": [30, 30]}),
        Example("ConstantOfShape", (_ints(9, 9),)),
        Example("ConvTranspose", (normal(1, 1, 1, 1), normal(1, 1, 1, 1)),
                {"output_padding": [8, 8], "strides": [9, 9]}),
        Example("DFT", (normal(1, 2, 1), _scalar(40))),
        Example("Expand", (normal(1), _ints(20))),
        Example("MaxUnpool", (normal(1, 1, 1, 1), _ints(0).reshape(1, 1, 1, 1)),
                {"kernel_shape": [9, 9]}),
        Example("MelWeightMatrix", (_scalar(20), _scalar(128), _scalar(8000), _scalar(0.0),
                                    _scalar(4000.0))),
        Example("Multinomial", (normal(1, 2),), {"sample_size": 50}),
        Example("OneHot", (_ints(1), _scalar(50), np.array([0, 1], np.float32))),
        Example("Pad", (normal(1), _ints(20, 20))),
        Example("RandomNormal", (), {"shape": [9]}),
        Example("RandomUniform", (), {"shape": [9]}),
        Example("Range", (_scalar(0), _scalar(50), _scalar(1))),
        Example("Resize", (normal(1, 1, 1, 1), None, None, _ints(1, 1, 20, 20))),
        Example("RoiAlign", (normal(1, 1, 1, 1), normal(1, 4), _ints(0)),
                {"output_height": 20, "output_width": 20}),
        Example("Tile", (normal(1), _ints(20))),
        Example("Upsample", (normal(1, 1, 1, 1), np.array([1, 1, 20, 20], np.float32)), opset=9),
    )
}  # fmt: skip


def whole_window(example: Example) -> Example:
    """A pool over all positions at once."""
    if "kernel_shape" not in example.attributes:
        return example
    return replace(example, attributes={"kernel_shape": list(example.x.shape[2:])})
