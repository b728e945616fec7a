"""What is known of each operator, in the few words that every pass asks for.

A trait is a property of the operator itself, whatever the network and the runtime. Whoever meets a
node asks for the trait, `has(node, Trait.POINTWISE)`, and never keeps operators by name: so a new
activation function is one line here, and all passes know it. Only operators of ONNX's own domain
have traits; those of others are expanded into these (see `expansions`).

Parameters are inputs that are numbers, or vectors with a number for each channel: Clip's bounds,
the scale of a normalisation, the ratio of Dropout. Channels are the second axis. All is said of
inference: Dropout in training mode, which would be random, is refused elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


class Trait(Enum):
    """A property of an operator, as one question about it."""

    CHANNELWISE = "channelwise"
    """Channel i of the output depends on channel i of the first input alone, and on parameters."""

    POINTWISE = "pointwise"
    """An element of the output is a function of the element at the same place of the first input,
    and of parameters: the same function at all places of a channel."""

    BROADCASTING = "broadcasting"
    """An element of the output depends on the elements at the same place of all inputs, after these
    have been broadcast against each other from their last axes on."""

    ACTIVATION = "activation"
    """A pointwise function of real numbers, not linear, as networks have behind their layers."""

    COPYING = "copying"
    """The output is the first input, element for element, at most in another type."""

    RESHAPING = "reshaping"
    """The output has the elements of the first input in the same order, in another shape."""

    MOVING = "moving"
    """Every element of the output is an element of the first input, which one does not depend on
    the values there, or a constant that fills: nothing is computed."""

    SELECTING = "selecting"
    """Every element of the output is an element of one of the inputs, or a number that fills, which
    one may depend on the values: nothing is computed but by comparing."""

    WEIGHTED = "weighted"
    """An element of the output is made of sums of many elements of the first input, each times an
    element of another input, the weights: where these are zero, nothing of it comes through."""

    WINDOWED = "windowed"
    """Along the axes behind the channels an element of the output depends on a window of the first
    input alone, which goes on by `strides`, with dilations, and with padding that adds nothing."""

    POOLING = "pooling"
    """Each channel's elements in a window, or all of them, become one number, in whatever order
    they stand there, without weights."""

    ENLARGING = "enlarging"
    """The output may have more rows and columns than the first input, in the place of the same
    picture; so networks go back to a larger size by it."""

    SIZED_BY_VALUES = "sized by values"
    """The output may have more elements than the square of the number of those of all inputs, since
    its size is in their values, or in attributes."""

    RANDOM = "random"
    """The output is drawn anew in each run."""


# What has the first of these traits has the second as well.
_IMPLIED = (
    (Trait.ACTIVATION, Trait.POINTWISE),
    (Trait.COPYING, Trait.POINTWISE),
    (Trait.COPYING, Trait.MOVING),
    (Trait.RESHAPING, Trait.MOVING),
    (Trait.MOVING, Trait.SELECTING),
    (Trait.POOLING, Trait.CHANNELWISE),
    (Trait.POINTWISE, Trait.CHANNELWISE),
)


def operators_with(*traits: Trait) -> frozenset[str]:
    """Return the names of all operators of ONNX's own domain that have each of the given traits."""
    return frozenset.intersection(*(_operators_with(trait) for trait in traits))


def has(node: ir.Node, trait: Trait) -> bool:
    """Return whether a node's operator has a trait; none of another domain has any."""
    return node.domain == "" and node.op_type in _operators_with(trait)


def operators() -> Iterable[str]:
    """Yield the names of all operators that have a trait at all."""
    return _TRAITS.keys()


@cache
def _operators_with(trait: Trait) -> frozenset[str]:
    found = {name for name, traits in _TRAITS.items() if trait in traits}
    for narrower, wider in _IMPLIED:
        if wider is trait:
            found |= _operators_with(narrower)
    return frozenset(found)


# The table ---------------------------------------------------------------------------------------

_TRAITS: Mapping[str, tuple[Trait, ...]] = {
    # Activation functions
    "Celu": (Trait.ACTIVATION,),
    "Clip": (Trait.ACTIVATION, Trait.SELECTING),
    "Elu": (Trait.ACTIVATION,),
    "Gelu": (Trait.ACTIVATION,),
    "HardSigmoid": (Trait.ACTIVATION,),
    "HardSwish": (Trait.ACTIVATION,),
    "LeakyRelu": (Trait.ACTIVATION,),
    "Mish": (Trait.ACTIVATION,),
    "PRelu": (Trait.ACTIVATION, Trait.BROADCASTING),
    "Relu": (Trait.ACTIVATION, Trait.SELECTING),
    "Selu": (Trait.ACTIVATION,),
    "Shrink": (Trait.ACTIVATION,),
    "Sigmoid": (Trait.ACTIVATION,),
    "Softplus": (Trait.ACTIVATION,),
    "Softsign": (Trait.ACTIVATION,),
    "Swish": (Trait.ACTIVATION,),
    "Tanh": (Trait.ACTIVATION,),
    "ThresholdedRelu": (Trait.ACTIVATION,),
    # Other functions of one element
    "Abs": (Trait.POINTWISE,),
    "Acos": (Trait.POINTWISE,),
    "Acosh": (Trait.POINTWISE,),
    "Asin": (Trait.POINTWISE,),
    "Asinh": (Trait.POINTWISE,),
    "Atan": (Trait.POINTWISE,),
    "Atanh": (Trait.POINTWISE,),
    "BatchNormalization": (Trait.POINTWISE,),
    "BitCast": (Trait.POINTWISE,),
    "BitwiseNot": (Trait.POINTWISE,),
    "Ceil": (Trait.POINTWISE,),
    "Cos": (Trait.POINTWISE,),
    "Cosh": (Trait.POINTWISE,),
    "Erf": (Trait.POINTWISE,),
    "Exp": (Trait.POINTWISE,),
    "Floor": (Trait.POINTWISE,),
    "IsInf": (Trait.POINTWISE,),
    "IsNaN": (Trait.POINTWISE,),
    "Log": (Trait.POINTWISE,),
    "Neg": (Trait.POINTWISE,),
    "Not": (Trait.POINTWISE,),
    "Reciprocal": (Trait.POINTWISE,),
    "Round": (Trait.POINTWISE,),
    "Sign": (Trait.POINTWISE,),
    "Sin": (Trait.POINTWISE,),
    "Sinh": (Trait.POINTWISE,),
    "Sqrt": (Trait.POINTWISE,),
    "Tan": (Trait.POINTWISE,),
    # Functions of several elements at the same place
    "Add": (Trait.BROADCASTING,),
    "And": (Trait.BROADCASTING,),
    "BitShift": (Trait.BROADCASTING,),
    "BitwiseAnd": (Trait.BROADCASTING,),
    "BitwiseOr": (Trait.BROADCASTING,),
    "BitwiseXor": (Trait.BROADCASTING,),
    "Div": (Trait.BROADCASTING,),
    "Equal": (Trait.BROADCASTING,),
    "Greater": (Trait.BROADCASTING,),
    "GreaterOrEqual": (Trait.BROADCASTING,),
    "Less": (Trait.BROADCASTING,),
    "LessOrEqual": (Trait.BROADCASTING,),
    "Max": (Trait.BROADCASTING, Trait.SELECTING),
    "Mean": (Trait.BROADCASTING,),
    "Min": (Trait.BROADCASTING, Trait.SELECTING),
    "Mod": (Trait.BROADCASTING,),
    "Mul": (Trait.BROADCASTING,),
    "Or": (Trait.BROADCASTING,),
    "Pow": (Trait.BROADCASTING,),
    "Sub": (Trait.BROADCASTING,),
    "Sum": (Trait.BROADCASTING,),
    "Where": (Trait.BROADCASTING, Trait.SELECTING),
    "Xor": (Trait.BROADCASTING,),
    # The same elements
    "Cast": (Trait.COPYING,),
    "CastLike": (Trait.COPYING,),
    "Dropout": (Trait.COPYING,),
    "Identity": (Trait.COPYING,),
    "OptionalGetElement": (Trait.COPYING,),
    "Flatten": (Trait.RESHAPING,),
    "Reshape": (Trait.RESHAPING,),
    "Squeeze": (Trait.RESHAPING,),
    "Unsqueeze": (Trait.RESHAPING,),
    "CenterCropPad": (Trait.MOVING, Trait.SIZED_BY_VALUES),
    "Compress": (Trait.MOVING,),
    "DepthToSpace": (Trait.MOVING, Trait.ENLARGING),
    "Expand": (Trait.MOVING, Trait.SIZED_BY_VALUES),
    "Gather": (Trait.MOVING,),
    "GatherElements": (Trait.MOVING,),
    "GatherND": (Trait.MOVING,),
    "MaxUnpool": (Trait.MOVING, Trait.ENLARGING, Trait.SIZED_BY_VALUES),
    "Pad": (Trait.MOVING, Trait.SIZED_BY_VALUES),
    "ReverseSequence": (Trait.MOVING,),
    "Slice": (Trait.MOVING,),
    "SpaceToDepth": (Trait.MOVING,),
    "Split": (Trait.MOVING,),
    "Tile": (Trait.MOVING, Trait.SIZED_BY_VALUES),
    "Transpose": (Trait.MOVING,),
    "Trilu": (Trait.MOVING,),
    # Elements of several values, or the largest of them
    "Concat": (Trait.SELECTING,),
    "ReduceMax": (Trait.SELECTING,),
    "ReduceMin": (Trait.SELECTING,),
    "ScatterElements": (Trait.SELECTING,),
    "ScatterND": (Trait.SELECTING,),
    "TensorScatter": (Trait.SELECTING,),
    "TopK": (Trait.SELECTING,),
    # Weights
    "Conv": (Trait.WEIGHTED, Trait.WINDOWED),
    "ConvInteger": (Trait.WEIGHTED, Trait.WINDOWED),
    "ConvTranspose": (Trait.WEIGHTED, Trait.ENLARGING, Trait.SIZED_BY_VALUES),
    "DeformConv": (Trait.WEIGHTED,),
    "Einsum": (Trait.WEIGHTED,),
    "GRU": (Trait.WEIGHTED,),
    "Gemm": (Trait.WEIGHTED,),
    "LSTM": (Trait.WEIGHTED,),
    "MatMul": (Trait.WEIGHTED,),
    "MatMulInteger": (Trait.WEIGHTED,),
    "QLinearConv": (Trait.WEIGHTED, Trait.WINDOWED),
    "QLinearMatMul": (Trait.WEIGHTED,),
    "RNN": (Trait.WEIGHTED,),
    # Pools, and what else leaves each channel to itself
    "AveragePool": (Trait.POOLING, Trait.WINDOWED),
    "GlobalAveragePool": (Trait.POOLING,),
    "GlobalLpPool": (Trait.POOLING,),
    "GlobalMaxPool": (Trait.POOLING, Trait.SELECTING),
    "LpPool": (Trait.POOLING, Trait.WINDOWED),
    "MaxPool": (Trait.POOLING, Trait.WINDOWED, Trait.SELECTING),
    "InstanceNormalization": (Trait.CHANNELWISE,),
    # Pictures of another size
    "Col2Im": (Trait.ENLARGING, Trait.SIZED_BY_VALUES),
    "Resize": (Trait.ENLARGING, Trait.SIZED_BY_VALUES),
    "Upsample": (Trait.ENLARGING, Trait.SIZED_BY_VALUES),
    # Made of sizes
    "AffineGrid": (Trait.SIZED_BY_VALUES,),
    "BlackmanWindow": (Trait.SIZED_BY_VALUES,),
    "ConstantOfShape": (Trait.SIZED_BY_VALUES,),
    "DFT": (Trait.SIZED_BY_VALUES,),
    "HammingWindow": (Trait.SIZED_BY_VALUES,),
    "HannWindow": (Trait.SIZED_BY_VALUES,),
    "MelWeightMatrix": (Trait.SIZED_BY_VALUES,),
    "OneHot": (Trait.SIZED_BY_VALUES,),
    "Range": (Trait.SIZED_BY_VALUES,),
    "RoiAlign": (Trait.SIZED_BY_VALUES,),
    # Random numbers
    "Bernoulli": (Trait.RANDOM,),
    "Multinomial": (Trait.RANDOM, Trait.SIZED_BY_VALUES),
    "RandomNormal": (Trait.RANDOM, Trait.SIZED_BY_VALUES),
    "RandomNormalLike": (Trait.RANDOM,),
    "RandomUniform": (Trait.RANDOM, Trait.SIZED_BY_VALUES),
    "RandomUniformLike": (Trait.RANDOM,),
}
